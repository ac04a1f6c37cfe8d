"""∏_v T_{a_v}(ζ_v): products of Chebyshev polynomials of jet coordinates, and which products are tried.

ζ is z, or asinh of z in units of its spread, moved to [−1, 1]: derivatives have long tails, on which polynomials of z
converge slowly (1/(1 + z²) for |z| ≤ 4 by a factor of 1.3 a degree, in asinh z of 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import comb

import torch
from torch import Tensor


@dataclass(frozen=True)
class JetBasis:
    """p functions of V coordinates, ζ = (b(z) − m)/s with b(z) = z or asinh((z − c)/w).

    Attributes
    ----------
    centre, width
        c and w ``(V,)``; w is infinite where z is not bent.
    middle, half
        m and s ``(V,)``: the data lie in |ζ| ≤ 1.
    powers
        a ``(p, V)``, whole numbers.
    """

    centre: Tensor
    width: Tensor
    middle: Tensor
    half: Tensor
    powers: Tensor

    @classmethod
    def of(cls, z: Tensor, bent: Tensor, powers: Tensor) -> JetBasis:
        """On the range of the data ``(n, V)``; ``bent`` ``(V,)`` says where asinh is taken."""
        spread = z.std(0, correction=0)
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
        width = torch.where(bent, spread, torch.full_like(spread, torch.inf))
        plain = cls(z.mean(0), width, torch.zeros_like(spread), torch.ones_like(spread), powers)
        inside = plain.coordinates(z)
        low, high = inside.amin(0), inside.amax(0)
        half = torch.where(high > low, 0.5 * (high - low), torch.ones_like(low))
        return cls(plain.centre, width, 0.5 * (low + high), half, powers)

    def coordinates(self, z: Tensor) -> Tensor:
        """ζ ``(n, V)``."""
        bent = torch.asinh((z - self.centre) / self.width)
        return (torch.where(torch.isinf(self.width), z, bent) - self.middle) / self.half

    def values(self, z: Tensor) -> Tensor:
        """``(n, V)`` → ``(n, p)``."""
        out = torch.ones(len(z), len(self.powers), dtype=z.dtype)
        for v, t in enumerate(self._tables(z)):
            out = out * t[:, self.powers[:, v]]
        return out

    def slopes(self, z: Tensor, weights: Tensor) -> Tensor:
        """∂(Σ_l w_el f_l)/∂z_v ``(n, E, V)`` for weights ``(E, p)``."""
        tables = self._tables(z)
        steep = 1.0 / (self.width * torch.sqrt(1.0 + ((z - self.centre) / self.width).square()))
        steep = torch.where(torch.isinf(self.width), torch.ones_like(z), steep) / self.half
        out = []
        for v in range(z.shape[1]):
            part = torch.ones(len(z), len(self.powers), dtype=z.dtype)
            for other, t in enumerate(tables):
                part = part * (_slope(t) if other == v else t)[:, self.powers[:, other]]
            out.append(part @ weights.T * steep[:, v, None])
        return torch.stack(out, 2)

    def _tables(self, z: Tensor) -> list[Tensor]:
        """T_0 … T_K of each coordinate, ``(n, K + 1)``."""
        out = []
        for s, most in zip(self.coordinates(z).unbind(1), self.powers.amax(0).tolist(), strict=True):
            columns = [torch.ones_like(s), s]
            for _ in range(most - 1):
                columns.append(2 * s * columns[-1] - columns[-2])
            out.append(torch.stack(columns[: most + 1], 1))
        return out


def _slope(table: Tensor) -> Tensor:
    """T′ of the same degrees: T′_k = 2k T_{k−1} + k/(k−2) T′_{k−2}."""
    out = [torch.zeros_like(table[:, 0])]
    for k in range(1, table.shape[1]):
        step = (2 * k if k > 1 else 1) * table[:, k - 1]
        out.append(step + (k / (k - 2)) * out[k - 2] if k > 2 else step)
    return torch.stack(out, 1)


@dataclass(frozen=True)
class Degrees:
    """Which products.

    Attributes
    ----------
    total
        All up to this degree.
    smooth
        Those up to this degree in u, x, t, times derivatives whose orders sum up to at most the highest.
    lower
        Those up to this degree in all but the derivatives of the highest order, times at most one of these.
    bends
        Whether what stands in high degrees (u, x, t, or all but the highest derivatives) is bent.
    """

    total: int
    smooth: int = 0
    lower: int = 0
    bends: bool = False

    def bent(self, orders: Sequence[int]) -> Tensor:
        """Which coordinates of these orders are."""
        most = max(orders) if self.lower else 1
        return torch.tensor([self.bends and o < most for o in orders])

    def powers(self, orders: Sequence[int], most: int) -> Tensor | None:
        """Exponents ``(p, V)`` for coordinates of these orders (u, x and t have 0); None if they are too many."""
        highest = max(orders)
        total = _few([1] * len(orders), self.total, most)
        still = _few([1] * sum(o == 0 for o in orders), self.smooth, most) if self.smooth else []
        low = _few([1] * sum(o < highest for o in orders), self.lower, most) if self.lower else []
        if total is None or still is None or low is None:
            return None
        found = set(total)
        moving = _below([o for o in orders if o], highest)
        found |= {_merged([o > 0 for o in orders], a, b) for a, b in product(still, moving)}
        top = _below([1] * sum(o == highest for o in orders), 1)
        found |= {_merged([o == highest for o in orders], a, b) for a, b in product(low, top)}
        return torch.tensor(sorted(found)) if len(found) <= most else None

    def richer(self) -> Degrees:
        """A degree more of all, and of what is high already."""
        if not (self.smooth or self.lower):
            return Degrees(self.total + 1, 4)
        return Degrees(self.total + 1, self.smooth and self.smooth + 4, self.lower and self.lower + 1, self.bends)


# From few to many: polynomial in all; quasilinear with coefficients that are any function of u (sixteen degrees of T
# hold 1/(1 + u²) to 1e-4 for |u| ≤ 2); with coefficients that are any function of lower derivatives; polynomial again.
LADDER = (
    *(Degrees(d) for d in (1, 2, 3)),
    *(Degrees(1, smooth=k) for k in (4, 8, 12, 16)),
    *(Degrees(1, smooth=k, bends=True) for k in (8, 12, 16)),
    *(Degrees(1, lower=k) for k in (4, 6)),
    *(Degrees(1, lower=k, bends=True) for k in (6, 8, 11)),
    *(Degrees(d) for d in (4, 6)),
)


def _few(weights: Sequence[int], degree: int, most: int) -> list[tuple[int, ...]] | None:
    """All exponents up to a degree, unless they are more than most."""
    return None if comb(len(weights) + degree, degree) > most else _below(weights, degree)


def _below(weights: Sequence[int], most: int) -> list[tuple[int, ...]]:
    """All exponents with Σ weight · exponent ≤ most."""
    if not weights:
        return [()]
    return [(k, *rest) for k in range(most // weights[0] + 1) for rest in _below(weights[1:], most - k * weights[0])]


def _merged(second: Sequence[bool], a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    """The exponents of a and b, each at its coordinates."""
    one, two = iter(a), iter(b)
    return tuple(next(two) if place else next(one) for place in second)
