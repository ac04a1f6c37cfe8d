"""(Fu)(x) = ∫K(x, y)u(y)dy on a torus: pairs of fields whose kernel, and so whose symmetries, are known.

Fields u are sums of bumps inside a disc, so that neither they nor their images reach the border, or waves of the whole
torus; convolutions are exact for the waves that the grid holds.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Of 32 × 32 points on [−1, 1)²: bumps of two steps are resolved to 1e-6, and images reach the border by less than that.
POINTS = 32
_BUMPS, _DISC, _WIDTHS = 8, 0.14, (0.11, 0.13)
_SPREAD = 0.1  # √(2t) of the heat semigroup
_HIGHEST_WAVE = 6


def grid() -> Tensor:
    """Coordinates of an axis ``(n,)``, from −1 up to one step before 1."""
    return -1 + 2 * torch.arange(POINTS, dtype=torch.float64) / POINTS


def bumps(rows: int, generator: torch.Generator) -> Tensor:
    """Sums of Gaussians of random place and size inside a disc ``(rows, n, n)``."""
    at = grid()
    angle = 2 * torch.pi * torch.rand(rows, _BUMPS, generator=generator, dtype=torch.float64)
    radius = _DISC * torch.rand(rows, _BUMPS, generator=generator, dtype=torch.float64).sqrt()
    low, high = _WIDTHS
    width = low + (high - low) * torch.rand(rows, _BUMPS, generator=generator, dtype=torch.float64)
    size = torch.randn(rows, _BUMPS, generator=generator, dtype=torch.float64)
    along = [
        torch.exp(-0.5 * ((at - centre[..., None]) / width[..., None]).square())
        for centre in (radius * angle.cos(), radius * angle.sin())
    ]
    return torch.einsum("rb,rbi,rbj->rij", size, along[0], along[1])


def waves(rows: int, generator: torch.Generator) -> Tensor:
    """Random waves of the torus up to six periods ``(rows, n, n)``."""
    k = torch.fft.fftfreq(POINTS, 1 / POINTS, dtype=torch.float64)
    kept = (k[:, None].square() + k.square()) <= _HIGHEST_WAVE**2
    noise = torch.fft.fft2(torch.randn(rows, POINTS, POINTS, generator=generator, dtype=torch.float64))
    field: Tensor = torch.fft.ifft2(noise * kept).real
    return field


def wavenumbers() -> tuple[Tensor, Tensor]:
    """(k_x, k_y) of the waves that the grid holds, ``(n, n)`` each."""
    k = torch.pi * torch.fft.fftfreq(POINTS, 1 / POINTS, dtype=torch.float64)
    first, second = torch.meshgrid(k, k, indexing="ij")
    return first, second


def multiplied(u: Tensor, multiplier: Tensor) -> Tensor:
    """∫k(x − y)u(y)dy for a kernel with the Fourier transform ``(n, n)`` given."""
    result: Tensor = torch.fft.ifft2(torch.fft.fft2(u) * multiplier).real
    return result


def gaussian(xx: float, xy: float, yy: float) -> Tensor:
    """e^{−kᵀΣk/2}, the transform of the normal density of covariance Σ."""
    k, m = wavenumbers()
    return torch.exp(-(xx * k * k + 2 * xy * k * m + yy * m * m) / 2)


def heat(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The heat semigroup exp(tΔ) on fields inside a disc."""
    return _pairs(u := bumps(rows, generator), multiplied(u, gaussian(_SPREAD**2, 0.0, _SPREAD**2)))


def heat_of_waves(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The heat semigroup on waves of the whole torus."""
    return _pairs(u := waves(rows, generator), multiplied(u, gaussian(_SPREAD**2, 0.0, _SPREAD**2)))


def anisotropic(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A Gaussian kernel whose level sets are ellipses of axes 2 : 1, turned by 30°."""
    long, short = _SPREAD**2, (_SPREAD / 2) ** 2
    cosine, sine = 3**0.5 / 2, 0.5
    covariance = (
        cosine**2 * long + sine**2 * short,
        cosine * sine * (long - short),
        sine**2 * long + cosine**2 * short,
    )
    return _pairs(u := bumps(rows, generator), multiplied(u, gaussian(*covariance)))


def fourfold(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A kernel ∝ cos 4θ, of transform Re (k_x + ik_y)⁴ e^{−w²|k|²/2}: no turn by less than 90° leaves it alone."""
    k, m = wavenumbers()
    width = 0.6 * _SPREAD
    polynomial = (k**4 - 6 * k**2 * m**2 + m**4) * width**4
    return _pairs(u := bumps(rows, generator), multiplied(u, polynomial * gaussian(width**2, 0.0, width**2)))


def varying(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Heat whose result is weighted by a function of the place: no affine move of the plane leaves it alone."""
    x, y = torch.meshgrid(grid(), grid(), indexing="ij")
    u = bumps(rows, generator)
    weight = 1 + torch.sin(4 * x + 1) * torch.cos(3 * y - 0.5) + 2 * x * y
    return _pairs(u, weight * multiplied(u, gaussian(_SPREAD**2, 0.0, _SPREAD**2)))


def _pairs(u: Tensor, v: Tensor) -> dict[str, Tensor]:
    return {"x": u, "y": v, "grid_x": grid(), "grid_y": grid()}
