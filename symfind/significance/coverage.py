"""ω(ξ)² = sup_v E(ξ·∂v)² / ( E[‖ξ‖²(‖∂v‖²_G + v²/τ²)]/D ): what ξ can see and the data cannot.

v runs over polynomials. Where some v vanishes on the data but not along ξ, F + v fits the data as well as F does, and
the data cannot say whether ξ is a symmetry: points on one limit cycle say nothing about a flow that leaves it. The
products with ‖ξ‖² stand inside one expectation, as in the defect: with two means a few outliers, where ξ is long,
made ω large for the boosts of the dimuon data.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from symfind.linalg.nullspace import generalised_spectrum
from symfind.linalg.tsqr import triangular_factor
from symfind.sources.features import PolynomialFeatures, Standardiser
from symfind.sources.geometry import Geometry

# How nearly v must vanish on the data to count. What vanishes less is left to the refits, whose spread it enters;
# at 1e-3 open data (dimuons, a top on 8 trajectories) came out at 0.06 to 0.1, one limit cycle at 0.75 for any τ.
_TAU = 2e-4
_MOST_MONOMIALS = 400


def coverage_factors(x: Tensor, fields: Tensor, geometry: Geometry, objects: tuple[int, int], degree: int) -> Tensor:
    """Largest ω among the first k directions, k = 1 … K, as ``(K,)``.

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
    colour = torch.kron(torch.eye(objects[0], dtype=x.dtype), geometry.inputs.colour.contiguous())  # (D, k·r)
    axes = (units @ colour).T if geometry.support is None else (units @ colour @ geometry.support).T
    value = features(x) / _TAU
    slopes = features.push(x, axes.expand(n, *axes.shape)).transpose(1, 2)  # (n, D, f)
    white = fields.reshape(n, -1, *objects) @ geometry.inputs.whiten.T
    size = white.flatten(2).square().sum(2) / max(geometry.rank, 1)  # (n, K)
    along = features.push(x, fields)  # (n, f, K)
    factors = []
    for j in range(fields.shape[1]):
        weight = size[:, j].sqrt()[:, None]
        rows = torch.cat([value * weight, (slopes * weight[:, None]).flatten(0, 1)])
        factors.append(_largest(triangular_factor(along[:, :, j]), triangular_factor(rows)))
    return torch.cummax(torch.tensor(factors, dtype=torch.float64), 0).values


def _largest(moved: Tensor, rows: Tensor) -> float:
    """Largest ‖moved c‖/‖rows c‖."""
    spectrum = generalised_spectrum(moved, rows)
    return float(spectrum.values[-1]) if spectrum.values.numel() else 0.0
