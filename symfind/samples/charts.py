"""Metrics in coordinates and surfaces in space whose isometries are known, at random points."""

from __future__ import annotations

import torch
from torch import Tensor


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def _conformal(factor: Tensor) -> Tensor:
    return factor[:, None, None] * torch.eye(2, dtype=torch.float64)


def sphere_metric(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Give g = 4(dx² + dy²)/(1 + x² + y²)², the unit sphere in stereographic coordinates."""
    x = _uniform(generator, -1.2, 1.2, n, 2)
    return {"x": x, "y": _conformal(4 / (1 + x.square().sum(1)) ** 2)}


def half_plane_metric(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Give g = (dx² + dy²)/y², the hyperbolic plane."""
    x = torch.stack([_uniform(generator, -1.0, 1.0, n), _uniform(generator, 0.5, 2.0, n)], 1)
    return {"x": x, "y": _conformal(x[:, 1] ** -2)}


def torus(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Points of a torus of revolution with radii 2 and 0.7."""
    a, b = _uniform(generator, 0.0, 2 * torch.pi, 2, n)
    r = 2 + 0.7 * b.cos()
    return {"x": torch.stack([r * a.cos(), r * a.sin(), 0.7 * b.sin()], 1)}
