"""Signed permutations with F(gx) = B F(x) for some B: what no B can change is the space that the outputs span.

With coefficients c ``(q, m)`` of F in Hermite functions (``signed_search``) and C = cᵀc, the Gram matrix of the rows of
cC^{-1/2}, P = cC⁻¹cᵀ, projects on the span of the outputs. g permutes its rows and columns with signs; there is a B if
and only if P stays. The rows whose coordinates have an image already bound ‖gPgᵀ − P‖² from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.discrete.settings import SETTINGS
from symfind.discrete.signed_search import Element, Settled, hermite

# Directions of the outputs whose mean square is below this share of the largest are rounding.
_RANK = 1e-12


@dataclass(frozen=True)
class Span:
    """The space that the outputs span.

    Attributes
    ----------
    exponents
        α ``(q, k·d)``.
    basis
        Orthonormal columns ``(q, r)``: P is their product with themselves.
    noise
        What sampling alone gives ‖gPgᵀ − P‖².
    """

    exponents: Tensor
    basis: Tensor
    noise: float

    def settled(self, d: int) -> Settled:
        """‖gPgᵀ − P‖²."""
        return _Projection(self, d)


def span_expansion(x: Tensor, value: Tensor) -> Span:
    """Least squares of values ``(n, M)`` at x ``(n, k·d)``, less the outputs that sampling hides."""
    exponents, columns = hermite(x)
    c = torch.linalg.lstsq(columns, value, driver="gelsd").solution
    size, axes = torch.linalg.eigh(c.T @ c)
    left = (value - columns @ c) @ axes
    hidden = columns.square().sum(1) @ left.square() / len(x) ** 2
    keep = (size > hidden) & (size > _RANK * size[-1])
    # ‖δP‖² = 2‖(1 − P)δc C^{-1/2}‖², twice for a difference of two.
    noise = 4 * float((hidden[keep] / size[keep]).sum())
    return Span(exponents, c @ axes[:, keep] / size[keep].sqrt(), noise)


class _Projection:
    def __init__(self, span: Span, d: int) -> None:
        self._d, self._basis = d, span.basis
        # ‖gPgᵀ − P‖² = 4rρ² where all r outputs count alike.
        self.most = 4 * SETTINGS.cut * span.basis.shape[1] + 3 * span.noise
        self._alpha = [tuple(row) for row in span.exponents.tolist()]
        self._place = {alpha: i for i, alpha in enumerate(self._alpha)}
        last = [max((b % d for b, a in enumerate(alpha) if a), default=0) for alpha in self._alpha]
        self._settled = [[i for i, level in enumerate(last) if level <= j] for j in range(d)]

    def differs(self, images: Element, sign: int) -> float:
        """What the last image adds to the difference of the rows that are settled."""
        del sign  # ±B are both allowed
        before = self._total(images[:-1]) if len(images) > 1 else 0.0
        return max(self._total(images) - before, 0.0)

    def _total(self, images: Element) -> float:
        rows = self._settled[len(images) - 1]
        places, factors = [], []
        for i in rows:
            alpha = self._alpha[i]
            moved, factor = [0] * len(alpha), 1
            for b, power in enumerate(alpha):
                if power:
                    image, flip = images[b % self._d]
                    moved[b - b % self._d + image] = power
                    factor *= flip**power
            places.append(self._place[tuple(moved)])
            factors.append(factor)
        own = self._basis[rows]
        other = self._basis[places] * torch.tensor(factors, dtype=own.dtype)[:, None]
        return float(
            (own.T @ own).square().sum() + (other.T @ other).square().sum() - 2 * (own.T @ other).square().sum()
        )
