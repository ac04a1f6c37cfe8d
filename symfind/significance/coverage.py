"""ω(ξ)² = sup_v E(ξ·∂v)² / ( E‖ξ‖²/D · (E‖∂v‖²_G + E v²/τ²) ): what ξ can see and the data cannot.

v runs over polynomials. Where some v vanishes on the data but not along ξ, F + v fits the data as well as F does, and
the data cannot say whether ξ is a symmetry: points on one limit cycle say nothing about a flow that leaves it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from symfind.linalg.nullspace import generalised_spectrum
from symfind.sources.features import PolynomialFeatures, Standardiser
from symfind.sources.geometry import Geometry

# How nearly v must vanish on the data to count: measured on limit cycles (ω ≥ 0.31) against open boxes (0.007).
_TAU = 1e-3
_MOST_MONOMIALS = 400


def coverage_factors(x: Tensor, fields: Tensor, geometry: Geometry, objects: tuple[int, int], degree: int) -> Tensor:
    """Largest ω over the span of the first k directions, k = 1 … K, as ``(K,)``.

    Parameters
    ----------
    x
        Points ``(n, D)``, flattened.
    fields
        ``(n, K, D)``: ξ_v at the points, on the support.
    geometry, objects
        The metric G and (k, d).
    degree
        Of the fields; v has degree max(3, degree + 1), less where that is too many monomials for the points.
    """
    n, width = x.shape
    standard = Standardiser.of(x.mean(0), x.std(0, correction=0))
    top = max(3, degree + 1)
    while top > 1 and math.comb(width + top, top) > min(_MOST_MONOMIALS, n // 2):
        top -= 1
    features = PolynomialFeatures.of_degree(standard, top)
    units = torch.eye(width, dtype=x.dtype)
    colour = torch.kron(torch.eye(objects[0], dtype=x.dtype), geometry.inputs.colour)  # (D, k·r)
    axes = (units @ colour).T if geometry.support is None else (units @ colour @ geometry.support).T
    value = features(x) / _TAU
    rows = torch.cat([value, features.push(x, axes.expand(n, *axes.shape)).transpose(1, 2).flatten(0, 1)])
    white = fields.reshape(n, -1, *objects) @ geometry.inputs.whiten.T
    size = white.flatten(2).square().sum((0, 2)) / max(geometry.rank, 1)  # (K,)
    along = features.push(x, fields)  # (n, f, K)
    factors = []
    for j in range(fields.shape[1]):
        moved = along[:, :, j] / size[j].clamp(min=1e-300).sqrt()
        factors.append(_largest(moved, rows))
    return torch.cummax(torch.tensor(factors, dtype=torch.float64) * math.sqrt(n), 0).values


def _largest(moved: Tensor, rows: Tensor) -> float:
    """Largest ‖moved c‖/‖rows c‖."""
    spectrum = generalised_spectrum(moved, rows)
    return float(spectrum.values[-1]) if spectrum.values.numel() else 0.0
