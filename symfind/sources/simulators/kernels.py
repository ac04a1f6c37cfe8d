"""(Fu)(x) = ∫K(x, y)u(y)dy on a torus: pairs of fields whose kernel, and so whose symmetries, are known.

Fields u are sums of bumps inside a disc, so that neither they nor their images reach the border, or waves of the whole
torus; convolutions are exact for the waves that the grid holds.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Of 32 × 32 points on [−1, 1)²: bumps of 1.4 to 2 steps are resolved to 1e-4; an image ends before the border (1e-3).
POINTS = 32
_BUMPS, _DISC, _WIDTHS = 8, 0.3, (0.09, 0.13)
_SPREAD = 0.14  # √(2t) of the heat semigroup
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
    return torch.fft.ifft2(noise * kept).real


def convolved(u: Tensor, kernel: Tensor) -> Tensor:
    """∫k(x − y)u(y)dy for a kernel ``(n, n)`` given at the points of the grid."""
    transform = torch.fft.fft2(torch.fft.ifftshift(kernel)) * (2 / POINTS) ** 2
    return torch.fft.ifft2(torch.fft.fft2(u) * transform).real


def gaussian(covariance: tuple[tuple[float, float], tuple[float, float]]) -> Tensor:
    """exp(−zᵀΣ⁻¹z/2)/(2π√det Σ) ``(n, n)``."""
    sigma = torch.tensor(covariance, dtype=torch.float64)
    z = torch.stack(torch.meshgrid(grid(), grid(), indexing="ij"), -1)
    form = torch.einsum("ija,ab,ijb->ij", z, torch.linalg.inv(sigma), z)
    kernel: Tensor = torch.exp(-form / 2) / (2 * torch.pi * torch.linalg.det(sigma).sqrt())
    return kernel


def heat(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The heat semigroup exp(tΔ) on fields inside a disc."""
    return _pairs(u := bumps(rows, generator), convolved(u, gaussian(((_SPREAD**2, 0.0), (0.0, _SPREAD**2)))))


def heat_of_waves(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The heat semigroup on waves of the whole torus."""
    return _pairs(u := waves(rows, generator), convolved(u, gaussian(((_SPREAD**2, 0.0), (0.0, _SPREAD**2)))))


def anisotropic(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A Gaussian kernel whose level sets are ellipses of axes 2 : 1, turned by 30°."""
    long, short = _SPREAD**2, (_SPREAD / 2) ** 2
    a, b, c = 0.75 * long + 0.25 * short, 0.25 * 3**0.5 * (2 * long - 2 * short) / 2, 0.25 * long + 0.75 * short
    return _pairs(u := bumps(rows, generator), convolved(u, gaussian(((a, b), (b, c)))))


def fourfold(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A kernel r⁴e^{−r²/2σ²} cos 4θ: turned by 90° it is itself, and by no angle below."""
    x, y = torch.meshgrid(grid(), grid(), indexing="ij")
    width = _SPREAD * 0.6
    polynomial = (x**4 - 6 * x**2 * y**2 + y**4) / width**4  # Re (x + iy)⁴
    kernel = polynomial * torch.exp(-(x**2 + y**2) / (2 * width**2))
    return _pairs(u := bumps(rows, generator), convolved(u, kernel / kernel.abs().sum() * (POINTS / 2) ** 2))


def varying(rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Heat whose result is weighted by a function of the place: no move of the plane leaves it alone."""
    x, y = torch.meshgrid(grid(), grid(), indexing="ij")
    u = bumps(rows, generator)
    weight = 1 + 1.5 * torch.sin(3 * x + 1) * torch.cos(2 * y - 0.5) + x * y
    return _pairs(u, weight * convolved(u, gaussian(((_SPREAD**2, 0.0), (0.0, _SPREAD**2)))))


def _pairs(u: Tensor, v: Tensor) -> dict[str, Tensor]:
    return {"x": u, "y": v, "grid_x": grid(), "grid_y": grid()}
