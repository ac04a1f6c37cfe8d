"""Linear maps into matrices, nuclear norms, and singular value thresholding (Cai, Candès, Shen 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

# Singular values of a Gram matrix are exact to 1e-16 (σmax/σ)²: below this threshold a true SVD is taken.
_GRAM_FLOOR = 1e-5
# A warm subspace this share of the matrix costs as much as the eigenvectors of the whole Gram matrix, and so does any
# subspace of few columns.
_WARM_SHARE, _FEW_COLUMNS = 0.45, 24


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

    def dense(self) -> DenseMap:
        """L as numbers."""
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

    def dense(self) -> DenseMap:
        """Itself."""
        return self

    def turned(self, change: Tensor) -> DenseMap:
        """W ↦ L(w)T for T ``(cols, cols′)``."""
        return DenseMap(torch.einsum("rcf,ck->rkf", self.table, change))


def nuclear_norm(x: Tensor) -> float:
    """‖X‖_*, the sum of the singular values."""
    return float(torch.linalg.svdvals(x).sum())


def spectral_norm(x: Tensor) -> float:
    """‖X‖, the largest singular value, from the smaller Gram matrix: the largest is exact in it."""
    if min(x.shape) == 0:
        return 0.0
    squares = x.T @ x if x.shape[0] >= x.shape[1] else x @ x.T
    return float(torch.linalg.eigvalsh(squares)[-1].clamp(min=0).sqrt())


@dataclass(frozen=True)
class Thresholded:
    """Σ (σᵢ − τ)₊ uᵢvᵢᵀ and its rank."""

    value: Tensor
    rank: int


class SingularValueThreshold:
    """argmin_Z τ‖Z‖_* + ½‖Z − X‖² = Σ (σᵢ − τ)₊ uᵢvᵢᵀ, for X that change little from call to call.

    While few σᵢ exceed τ, the right singular vectors of the last call, with some to spare, are turned into those of
    this one by a step of subspace iteration; else the eigenvectors of the smaller Gram matrix are taken.
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
        basis: Tensor = torch.linalg.qr(x.T @ (x @ self._basis)).Q
        moved = x @ basis
        values, turn = torch.linalg.eigh(moved.T @ moved)
        sigma = values.clamp(min=0).sqrt()
        # No vector to spare: more may exceed τ outside the subspace. Or τ is too small for a Gram matrix.
        if float(sigma[0]) >= tau or tau < _GRAM_FLOOR * float(sigma[-1]):
            return None
        return self._kept(moved @ turn, sigma, basis @ turn, tau)

    def _whole(self, x: Tensor, tau: float) -> Thresholded:
        values, v = torch.linalg.eigh(x.T @ x)
        sigma = values.clamp(min=0).sqrt()
        if tau < _GRAM_FLOOR * float(sigma[-1]):
            u, sigma, vh = torch.linalg.svd(x, full_matrices=False)
            return self._kept((u * sigma).flip(1), sigma.flip(0), vh.T.flip(1), tau)
        held = self._held(int((sigma > tau).sum()), x.shape[1])
        return self._kept(x @ v[:, -held:], sigma[-held:], v[:, -held:], tau)

    @staticmethod
    def _held(rank: int, columns: int) -> int:
        """How many vectors are kept: some to spare, so that a value growing past τ is seen."""
        return min(columns, rank + max(4, rank // 4))

    def _kept(self, scaled: Tensor, sigma: Tensor, v: Tensor, tau: float) -> Thresholded:
        """Σ (1 − τ/σᵢ)₊ (Xvᵢ)vᵢᵀ over ascending σᵢ; the last vectors are kept for the next call."""
        rank = int((sigma > tau).sum())
        held = self._held(rank, v.shape[0])
        warm = v.shape[0] > _FEW_COLUMNS and held <= _WARM_SHARE * v.shape[0]
        self._basis = v[:, -held:].contiguous() if warm else None
        if rank == 0:
            return Thresholded(torch.zeros_like(scaled[:, :1] * v[:, 0]), 0)
        shrunk = scaled[:, -rank:] * (1 - tau / sigma[-rank:])
        return Thresholded(shrunk @ v[:, -rank:].T, rank)
