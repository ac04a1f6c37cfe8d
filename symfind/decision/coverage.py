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

from symfind.decision.settings import SETTINGS
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.geometry import Geometry
from symfind.linalg.threads import threads_for
from symfind.linalg.tsqr import triangular_factor

# More would cost more than the bounds.
_MOST_MONOMIALS = 400
# Fewer points than this are all taken.
_FEWEST_POINTS = 300
# Monomials that depend on one another to this degree over the points are one; and v of which the weights of a field
# leave this share of the square is where the field vanishes.
_DEPENDENT, _UNSEEN = 1e-9, 1e-12
# Pivots of a triangular factor that differ by less than this: nothing is unseen, and no eigenvectors are needed.
_CLEAR = 1e-3


def coverage_factors(x: Tensor, fields: Tensor, geometry: Geometry, objects: tuple[int, int], degree: int) -> Tensor:
    """Largest ω among the first k directions, k = 1 … K, as ``(K,)``.

    Parameters
    ----------
    x
        Points ``(n, D)``, flattened, in random order: as many are used as the monomials want.
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
    n = min(n, max(_FEWEST_POINTS, SETTINGS.points_a_monomial * features.size))
    x, fields = x[:n], fields[:n]
    units = torch.eye(width, dtype=x.dtype)
    colour = torch.kron(torch.eye(objects[0], dtype=x.dtype), geometry.inputs.colour.contiguous())  # (D, k·r)
    axes = (units @ colour).T if geometry.support is None else (units @ colour @ geometry.support).T
    value = features(x) / SETTINGS.vanishing
    slopes = features.push(x, axes.expand(n, *axes.shape)).transpose(1, 2)  # (n, D, f)
    white = fields.reshape(n, -1, *objects) @ geometry.inputs.whiten.T
    size = white.flatten(2).square().sum(2) / max(geometry.rank, 1)  # (n, K)
    # v is taken in coordinates that are orthonormal under weights of one: Gram matrices under other weights are then
    # as well conditioned as the weights are even, and one factorisation serves all directions.
    rows = torch.cat([value[:, None], slopes], 1)  # (n, 1 + D, f)
    basis = _orthonormal(rows.flatten(0, 1))
    rows = rows @ basis
    along = torch.einsum("nfK,fg->Kng", features.push(x, fields), basis)
    factors = [_largest(along[j], (rows * size[:, j].sqrt()[:, None, None]).flatten(0, 1)) for j in range(len(along))]
    return torch.cummax(torch.tensor(factors, dtype=torch.float64), 0).values


def _orthonormal(rows: Tensor) -> Tensor:
    """T ``(f, g)`` with orthonormal columns of rows·T, over the range of the rows ``(N, f)``."""
    norms = torch.linalg.vector_norm(rows, dim=0)
    scale = torch.where(norms > 0, norms, torch.ones_like(norms))
    _, sigma, vh = torch.linalg.svd(triangular_factor(rows / scale), full_matrices=False)
    keep = sigma > _DEPENDENT * sigma[0]
    basis: Tensor = vh[keep].T / sigma[keep] / scale[:, None]
    return basis


def _largest(moved: Tensor, rows: Tensor) -> float:
    """Largest ‖moved c‖/‖rows c‖, c orthogonal to what the weights of the rows leave nothing of."""
    with threads_for(2.0 * rows.shape[0] * rows.shape[1] ** 2):
        gram, inner = rows.T @ rows, moved.T @ moved
    factor, failed = torch.linalg.cholesky_ex(gram)
    pivots = factor.diagonal()
    if not bool(failed) and float(pivots.min()) > _CLEAR * float(pivots.max()):
        half = torch.linalg.solve_triangular(factor, inner, upper=False)
        inner = torch.linalg.solve_triangular(factor, half.T, upper=False)
        return float(torch.linalg.eigvalsh(inner)[-1].clamp(min=0).sqrt())
    values, vectors = torch.linalg.eigh(gram)
    keep = values > _UNSEEN * values[-1]
    if not bool(keep.any()):
        return 0.0
    white = vectors[:, keep] / values[keep].sqrt()
    # ω matters down to a tolerance, far above what squaring loses.
    return float(torch.linalg.eigvalsh(white.T @ inner @ white)[-1].clamp(min=0).sqrt())
