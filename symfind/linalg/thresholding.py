"""Linear maps into matrices, nuclear norms, and singular value thresholding (Cai, Candès, Shen 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

# Singular values of a Gram matrix are exact to 1e-16 (σmax/σ)²: below this threshold a true SVD is taken.
_GRAM_FLOOR = 1e-5
# A warm subspace this share of the matrix costs as much as the eigenvectors of the whole Gram matrix.
_WARM_SHARE = 0.3


class MatrixMap(Protocol):
    """L: R^F → R^{rows × cols}, linear, known by its action.

    Attributes
    ----------
    size
        F.
    shape
        (rows, cols).
    """

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102

    def __call__(self, w: Tensor) -> Tensor:
        """L(w) ``(rows, cols)``."""
        ...

    def adjoint(self, v: Tensor) -> Tensor:
        """L*(V) ``(F,)``."""
        ...

    def gram(self) -> Tensor:
        """L*L ``(F, F)``."""
        ...


@dataclass(frozen=True)
class DenseMap:
    """L given by its coefficients ``(rows, cols, F)``."""

    table: Tensor

    @property
    def size(self) -> int:
        """F."""
        return self.table.shape[2]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.table.shape[0], self.table.shape[1]

    def __call__(self, w: Tensor) -> Tensor:
        """L(w)."""
        rows, columns, size = self.table.shape
        return (self.table.reshape(rows * columns, size) @ w).reshape(rows, columns)

    def adjoint(self, v: Tensor) -> Tensor:
        """L*(V)."""
        return self.table.flatten(0, 1).T @ v.flatten()

    def gram(self) -> Tensor:
        """L*L."""
        flat = self.table.flatten(0, 1)
        return flat.T @ flat

    def turned(self, change: Tensor) -> DenseMap:
        """W ↦ L(w)T for T ``(cols, cols′)``."""
        return DenseMap(torch.einsum("rcf,ck->rkf", self.table, change))


def nuclear_norm(x: Tensor) -> float:
    """‖X‖_*, the sum of the singular values."""
    return float(torch.linalg.svdvals(x).sum())


@dataclass(frozen=True)
class Thresholded:
    """Σ (σᵢ − τ)₊ uᵢvᵢᵀ and its rank."""

    value: Tensor
    rank: int


class SingularValueThreshold:
    """argmin_Z τ‖Z‖_* + ½‖Z − X‖² = Σ (σᵢ − τ)₊ uᵢvᵢᵀ, for X that change little from call to call.

    While few σᵢ exceed τ, the right singular vectors of the last call, with some to spare, are turned into those of
    this one by subspace iteration; else the eigenvectors of the smaller Gram matrix are taken.
    """

    def __init__(self) -> None:
        self._basis: Tensor | None = None

    def forget(self) -> None:
        """Make the next call decompose the whole matrix."""
        self._basis = None

    def __call__(self, x: Tensor, tau: float) -> Thresholded:
        """Threshold X at τ."""
        if x.shape[0] < x.shape[1]:
            out = self(x.T, tau)
            return Thresholded(out.value.T, out.rank)
        return self._warm(x, tau) or self._whole(x, tau)

    def _warm(self, x: Tensor, tau: float) -> Thresholded | None:
        if self._basis is None or self._basis.shape[0] != x.shape[1]:
            return None
        basis: Tensor = torch.linalg.qr(x.T @ torch.linalg.qr(x @ self._basis).Q).Q
        u, sigma, vh = torch.linalg.svd(x @ basis, full_matrices=False)
        if float(sigma[-1]) >= tau:  # no vector to spare: more may exceed τ outside the subspace
            return None
        v = basis @ vh.T
        return self._kept(u * sigma, sigma, v, tau)

    def _whole(self, x: Tensor, tau: float) -> Thresholded:
        values, v = torch.linalg.eigh(x.T @ x)
        sigma = values.clamp(min=0).sqrt().flip(0)
        if tau < _GRAM_FLOOR * float(sigma[0]):
            u, sigma, vh = torch.linalg.svd(x, full_matrices=False)
            return self._kept(u * sigma, sigma, vh.T, tau)
        v = v.flip(1)
        held = self._held(int((sigma > tau).sum()), x.shape[1])
        return self._kept(x @ v[:, :held], sigma[:held], v[:, :held], tau)

    @staticmethod
    def _held(rank: int, columns: int) -> int:
        """How many vectors are kept: some to spare, so that a value growing past τ is seen."""
        return min(columns, rank + max(4, rank // 4))

    def _kept(self, scaled: Tensor, sigma: Tensor, v: Tensor, tau: float) -> Thresholded:
        rank = int((sigma > tau).sum())
        held = self._held(rank, v.shape[0])
        self._basis = v[:, :held].contiguous() if held <= _WARM_SHARE * v.shape[0] else None
        shrunk = scaled[:, :rank] * (1 - tau / sigma[:rank])
        return Thresholded(shrunk @ v[:, :rank].T, rank)
