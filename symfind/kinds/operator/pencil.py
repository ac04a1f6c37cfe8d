"""(M, S) of maps between fields: L_ξF(u) = dF(u)·(ξ·u) − ξ·F(u) against both of its terms.

ρ² = E‖dF·(ξ·u) − ξ·F(u)‖² / (E‖dF·(ξ·u)‖² + E‖ξ·F(u)‖²): how far the two terms cancel, in L² of the grid. Axis letters:
n fields, A numbers of an output (modes, or points), B modes of an input, P unknowns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.given import GivenAlong
from symfind.kinds.operator.integral_operator import FOLDS, coefficients, held_out_share
from symfind.kinds.operator.settings import SETTINGS
from symfind.linalg.nullspace import GeneralisedSpectrum, generalised_spectrum


def joined(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """M ``(n, A, P)`` and S ``(n, 2A, P)`` from both terms ``(n, P, A)``."""
    return (left - right).mT, torch.cat([left, right], 2).mT


@dataclass(frozen=True)
class FactoredSide:
    """One half of the fields under a given F: triangular factors of the rows of each block, as a ``Side``.

    Attributes
    ----------
    m, s
        ``(B, P, P)``: factors with the blocks' Gram matrices.
    """

    m: Tensor
    s: Tensor

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.m.shape[0]

    def directions(self) -> GeneralisedSpectrum:
        """Directions of this half."""
        return generalised_spectrum(self.m.flatten(0, 1), self.s.flatten(0, 1))

    def along(self, vectors: Tensor) -> GivenAlong:
        """The pencil in the directions ``(P, K)``."""
        m, s = self.m @ vectors, self.s @ vectors
        return GivenAlong(m.mT @ m, s.mT @ s)


def triangular(rows: Tensor) -> Tensor:
    """R ``(P, P)`` with RᵀR = AᵀA, zero rows below where A ``(r, P)`` has fewer."""
    factor: Tensor = torch.linalg.qr(rows, mode="r").R
    missing = rows.shape[1] - factor.shape[0]
    return torch.cat([factor, factor.new_zeros(missing, rows.shape[1])]) if missing > 0 else factor


@dataclass(frozen=True)
class ModePencil:
    """The terms of L_ξF for F̂ = C between modes: dF·(ξ·u) = C X_j and ξ·F(u) = E_j C x.

    Attributes
    ----------
    x
        Coefficients of test fields ``(n, B)``.
    moved
        X_j, those of ξ_j·u ``(n, P, B)``; zero for unknowns that act on outputs alone.
    outputs
        E_j ``(P, A, A)``: ξ_j on coefficients of outputs; zero for unknowns that act on inputs alone.
    size_moved, size_outputs
        The same for the size S: about the mean where the space has no constant fields.
    """

    x: Tensor
    moved: Tensor
    outputs: Tensor
    size_moved: Tensor
    size_outputs: Tensor

    def rows(self, index: Tensor) -> ModePencil:
        """The test fields with these numbers."""
        return ModePencil(self.x[index], self.moved[index], self.outputs, self.size_moved[index], self.size_outputs)

    def along(self, vectors: Tensor) -> ModePencil:
        """Combinations ``(P, K)`` of the unknowns."""
        return ModePencil(
            self.x,
            *(
                torch.einsum(form, t, vectors)
                for form, t in (
                    ("npb,pk->nkb", self.moved), ("pac,pk->kac", self.outputs),
                    ("npb,pk->nkb", self.size_moved), ("pac,pk->kac", self.size_outputs),
                )
            ),
        )  # fmt: skip

    def terms(self, c: Tensor, *, about_mean: bool = False) -> tuple[Tensor, Tensor]:
        """C X_j and E_j C x ``(n, P, A)`` for C ``(A, B)``."""
        moved, outputs = (self.size_moved, self.size_outputs) if about_mean else (self.moved, self.outputs)
        p, a, _ = outputs.shape
        image = self.x @ c.T  # (n, A)
        return moved @ c.T, (image @ outputs.reshape(p * a, a).T).reshape(-1, p, a)

    def pencil(self, c: Tensor) -> tuple[Tensor, Tensor]:
        """M ``(n, A, P)`` and S ``(n, 2A, P)`` for C ``(A, B)``."""
        m, s = joined(*self.terms(c))
        return m, s if self.size_moved is self.moved else joined(*self.terms(c, about_mean=True))[1]

    def grams(self, c: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """MᵀM and SᵀS ``(P, P)`` under weights of the fields ``(n,)``; M is formed before it is squared."""
        root = weight.sqrt()[:, None, None]
        left, right = self.terms(c)
        m = ((left - right) * root).transpose(0, 1).flatten(1)
        if self.size_moved is not self.moved:
            left, right = self.terms(c, about_mean=True)
        first, second = ((term * root).transpose(0, 1).flatten(1) for term in (left, right))
        return m @ m.T, first @ first.T + second @ second.T


class OperatorSide:
    """One half of pairs of fields with a fit of its own: a :class:`~symfind.decision.bounds.Side`.

    Parameters
    ----------
    pencil
        Its test fields.
    test_block
        ``(n,)`` block of each of them.
    x, y
        Coefficients of all its pairs.
    block
        ``(N,)`` block of each.
    noise
        Mean square of white noise in a coefficient of y.
    """

    def __init__(
        self, pencil: ModePencil, test_block: Tensor, x: Tensor, y: Tensor, block: Tensor, noise: float
    ) -> None:
        self.test, self.test_block, self._count = pencil, test_block, int(block.max()) + 1
        self._gram = torch.zeros(self._count, x.shape[1], x.shape[1], dtype=torch.float64)
        self._cross = torch.zeros(self._count, x.shape[1], y.shape[1], dtype=torch.float64)
        for b in range(self._count):
            rows = block == b
            self._gram[b], self._cross[b] = x[rows].T @ x[rows], x[rows].T @ y[rows]
        # The share of y that fits leave, less what white noise leaves: nonlinear, or in modes that are not resolved.
        left = held_out_share(x, y, block % FOLDS)
        self._unexplained = max(
            left - SETTINGS.noise * noise * y.shape[1] / max(float(y.square().sum(1).mean()), 1e-300), 0.0
        )

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self._count

    def fits(self, weights: Tensor) -> Tensor:
        """C ``(R, A, B)`` under weights of the blocks ``(R, blocks)``."""
        return coefficients(
            torch.einsum("rb,bij->rij", weights, self._gram), torch.einsum("rb,bij->rij", weights, self._cross)
        )

    def directions(self) -> GeneralisedSpectrum:
        """Directions of this half with its own fit."""
        m, s = self.test.pencil(self.fits(torch.ones(1, self._count, dtype=torch.float64))[0])
        return generalised_spectrum(triangular(m.flatten(0, 1)), triangular(s.flatten(0, 1)))

    def along(self, vectors: Tensor) -> OperatorAlong:
        """The pencil in the directions ``(P, K)``."""
        return OperatorAlong(self, self.test.along(vectors), self._unexplained)


@dataclass(frozen=True)
class OperatorAlong:
    """The pencil in K directions, the kernel fitted again under each weighting of the blocks."""

    side: OperatorSide
    test: ModePencil
    unexplained: float

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Gram matrices of numerator and denominator."""
        pairs = []
        for one in torch.split(weights, 8):  # as many fits are held at once
            for c, w in zip(self.side.fits(one), one, strict=True):
                pairs.append(self.test.grams(c, w[self.side.test_block]))
        return torch.stack([m for m, _ in pairs]), torch.stack([s for _, s in pairs])

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same: random weights move it as fresh rows would."""
        return self.grams(weights)

    def misfit(self) -> list[Tensor]:
        """What the kernel leaves is counted in full, see ``untested``."""
        return []

    def untested(self) -> tuple[float, float]:
        """The share of y that the kernel leaves, as steep as y itself."""
        return self.unexplained, 1.0
