"""What is known of F on some rows: its values anywhere, and F(gx) − B F(x) under orthogonal g about a centre.

Of points F is their density, estimated by Hermite functions: those up to a degree span a space that turns of x map to
itself. Of several objects each has the density of its own places, a necessary condition alone: the judge sees the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.fields.polynomial import monomial_exponents

# Numbers held at once while elements are tried: 2²² doubles are 32 MB.
_BUDGET = 2**22
# Beyond the ellipsoid that holds nearly all rows, enlarged by this in square, a fit would extrapolate.
_BEYOND = 1.3
_NEARLY_ALL = 0.99


@dataclass(frozen=True)
class Ellipsoid:
    """The places (x − μ)ᵀΣ⁺(x − μ) ≤ r² of single objects, which holds 99 % of them and a little beyond.

    Attributes
    ----------
    mean, whiten, radius
        μ ``(d,)``, Σ^{-1/2} ``(r, d)`` and r².
    """

    mean: Tensor
    whiten: Tensor
    radius: float

    @staticmethod
    def of(places: Tensor) -> Ellipsoid:
        """Of places ``(n, d)``."""
        mean = places.mean(0)
        values, vectors = torch.linalg.eigh((places - mean).T @ (places - mean) / len(places))
        keep = values > 1e-12 * values[-1]
        whiten = (vectors[:, keep] / values[keep].sqrt()).T
        radius = ((places - mean) @ whiten.T).square().sum(1)
        return Ellipsoid(mean, whiten, _BEYOND * float(torch.quantile(radius, _NEARLY_ALL)))

    def inside(self, places: Tensor) -> Tensor:
        """``(…, d)`` → ``(…,)``."""
        return ((places - self.mean) @ self.whiten.T).square().sum(-1) <= self.radius


@dataclass(frozen=True)
class Known:
    """F at rows, and how it is asked under elements.

    Attributes
    ----------
    x
        ``(n, k, d)``.
    value
        F: ``(N, k, d)`` → ``(N, m)``.
    turns
        Whether F(x) is vectors ``(k′, d)`` side by side that turn with x.
    reach
        Where F is known; None for everywhere.
    """

    x: Tensor
    value: Callable[[Tensor], Tensor]
    turns: bool
    reach: Ellipsoid | None

    def misfits(self, matrices: Tensor, centre: Tensor) -> Tensor:
        """ρ_g² of ``(q, d, d)``: E‖F(gx) − B F(x)‖²/2E‖F − EF‖² over the rows that stay where F is known.

        1 where fewer than half of them do.
        """
        base = self.value(self.x)
        mean = torch.zeros_like(base[0]) if self.turns else base.mean(0)
        spread = 2 * float((base - mean).square().sum(1).mean())
        out = []
        step = max(1, _BUDGET // (300 * len(self.x)))
        for some in torch.split(matrices, step):
            rows, keep = self._rows(some, centre, base)
            count = keep.sum(1)
            total = (rows.square().sum(2) * keep).sum(1) / count.clamp(min=1)
            out.append(torch.where(2 * count >= len(self.x), total / max(spread, 1e-300), torch.ones_like(total)))
        return torch.cat(out)

    def rows(self, matrices: Tensor, centre: Tensor) -> Tensor:
        """F(gx) − B F(x) ``(q·n·m,)``, zero where F is not known, in units of √2 the spread of F."""
        base = self.value(self.x)
        mean = torch.zeros_like(base[0]) if self.turns else base.mean(0)
        spread = 2 * float((base - mean).square().sum(1).mean())
        rows, keep = self._rows(matrices, centre, base)
        return (rows * keep[..., None]).flatten() / math.sqrt(max(spread, 1e-300) * len(self.x) * len(matrices))

    def _rows(self, matrices: Tensor, centre: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        at = torch.einsum("qab,nkb->qnka", matrices, self.x - centre) + centre
        value = self.value(at.flatten(0, 1)).reshape(len(matrices), len(self.x), -1)
        turned = acted(matrices, base) if self.turns else base
        keep = torch.ones(value.shape[:2], dtype=value.dtype)
        if self.reach is not None:
            keep = self.reach.inside(at).all(-1).to(value)
        return value - turned, keep


def acted(matrices: Tensor, y: Tensor) -> Tensor:
    """By ``(q, n, m)`` for vectors ``(n, k′·d)``."""
    d = matrices.shape[-1]
    return torch.einsum("qab,nkb->qnka", matrices, y.reshape(len(y), -1, d)).flatten(2)


@dataclass(frozen=True)
class HermiteFunctions:
    """ψ_α(z) = ΠH_{α_b}(z_b)e^{−z_b²/2} normalised, |α| ≤ degree, of z = (x − μ)/s with one s for all coordinates.

    Attributes
    ----------
    mean, scale, exponents
        μ ``(d,)``, s and α ``(f, d)``.
    """

    mean: Tensor
    scale: float
    exponents: Tensor

    @staticmethod
    def of(places: Tensor, degree: int) -> HermiteFunctions:
        """Of places ``(n, d)``, whose root mean square along an axis is one."""
        mean = places.mean(0)
        scale = float((places - mean).square().mean().sqrt())
        return HermiteFunctions(mean, scale, monomial_exponents(places.shape[1], 0, degree))

    def __call__(self, x: Tensor) -> Tensor:
        """``(N, d)`` → ``(N, f)``."""
        z = (x - self.mean) / self.scale
        ladder = [torch.exp(-z.square() / 2) / math.pi**0.25]
        for i in range(int(self.exponents.max())):
            below = ladder[i - 1] if i else torch.zeros_like(z)
            ladder.append((math.sqrt(2) * z * ladder[i] - math.sqrt(i) * below) / math.sqrt(i + 1))
        table = torch.stack(ladder)
        out = table[self.exponents[:, 0], :, 0]
        for b in range(1, z.shape[1]):
            out = out * table[self.exponents[:, b], :, b]
        return out.T


def known_of_points(x: Tensor, degree: int, generator: torch.Generator) -> Known:
    """The densities of the places of each object, from rows ``(n, k, d)``; asked at the rows turned at random.

    At the rows themselves a density of narrow blobs hardly varies.
    """
    n, _, d = x.shape
    q = torch.linalg.qr(torch.randn(n, d, d, generator=generator, dtype=x.dtype)).Q
    centre = x.mean((0, 1))
    anywhere = torch.einsum("nab,nkb->nka", q, x - centre) + centre
    return Known(anywhere, _densities(x, degree), turns=False, reach=None)


def _densities(x: Tensor, degree: int) -> Callable[[Tensor], Tensor]:
    k = x.shape[1]
    functions = HermiteFunctions.of(x.flatten(0, 1), degree)
    means = torch.stack([functions(x[:, j]).mean(0) for j in range(k)])
    # Divided by its own size each object counts alike, spread out or not.
    means = means / means.norm(dim=1, keepdim=True)

    def value(at: Tensor) -> Tensor:
        return torch.stack([functions(at[:, j]) @ means[j] for j in range(k)], 1)

    return value
