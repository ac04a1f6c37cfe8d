"""Principal axes of neighbourhoods over scales: the dimension of a set of points and the noise off it.

Along the set the variance of a neighbourhood of radius r grows as r², across it as σ² + c r⁴, noise and curvature. Axis
letters: n points, d dimension of the space, D of the set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# Points whose neighbourhoods are looked at: means over these are known to a few per cent.
_CENTRES = 400
# Neighbourhoods grow by this factor, from a few times the dimension to a quarter of the points.
_GROWTH = 1.6
_LARGEST = 500
# The spread of a neighbourhood must fall by this factor (in variance) from the set to its normals.
LEAST_DROP = 10.0
# Distances to so many neighbours say how many directions there are; further ones feel edges and bends.
_NEAREST = 4
# By them normal and uniform clouds of 200 to 20,000 points in two to seven dimensions have at most 0.7 less than all.
_FILLED = 0.75
# Scales at which it falls by less mix the two and say nothing of the noise.
_TELLING_DROP = 4.0


@dataclass(frozen=True)
class SetShape:
    """What neighbourhoods say about a set.

    Attributes
    ----------
    dimension
        D.
    noise
        Standard deviation of the points off the set, in each normal direction, in the units of the points.
    neighbours
        Points of a neighbourhood at the scale that separates set and normals best.
    """

    dimension: int
    noise: float
    neighbours: int


def local_planes(points: Tensor, reference: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Descending variances ``(n, d)`` and frames ``(n, d, d)`` of the nearest reference points."""
    nearest = torch.cdist(points, reference).topk(neighbours + 1, largest=False).indices
    cloud = reference[nearest]
    _, sigma, vh = torch.linalg.svd(cloud - cloud.mean(1, keepdim=True), full_matrices=True)
    variance = torch.zeros(points.shape[0], points.shape[1], dtype=points.dtype)
    variance[:, : sigma.shape[1]] = sigma.square() / neighbours
    return variance, vh.mT


def counted_dimension(points: Tensor) -> float:
    """1/D as the mean of log(T_k/T_j) over distances to the nearest of points ``(n, d)`` (Levina, Bickel 2004).

    The inverse is taken of the mean over all points (MacKay, Ghahramani 2005). Unlike planes it needs no scale at which
    the set is flat: four neighbours of each point are enough.
    """
    count = min(_NEAREST, len(points) - 2)
    distance = torch.cdist(points[: 2 * _CENTRES], points).topk(count + 1, largest=False).values[:, 1:]
    ratio = torch.log(distance[:, -1:].clamp(min=1e-300) / distance[:, :-1].clamp(min=1e-300))
    return 1.0 / max(float(ratio.mean()), 1e-300)


def fills_space(dimension: float, points: Tensor) -> bool:
    """Whether a counted dimension is that of the space, within its bias and two standard errors."""
    n, d = points.shape
    return dimension >= d - _FILLED - 2 * d / math.sqrt(min(n, 2 * _CENTRES) * (_NEAREST - 1))


def set_shape(points: Tensor) -> SetShape | None:
    """Dimension and noise of the set that points ``(n, d)``, in random order, lie on; None if they fill the space."""
    n, d = points.shape
    sizes: list[int] = []
    size = float(max(2 * d + 2, 8))
    while size <= min(_LARGEST, max(n // 4, 8), n - 2):
        sizes.append(int(size))
        size *= _GROWTH
    means = [local_planes(points[:_CENTRES], points, m)[0].mean(0) for m in sizes]
    drops = torch.stack([mean[:-1] / mean[1:].clamp(min=1e-300) for mean in means])
    # The first scale, going up, at which something falls: a tube is a surface, however thin it looks from afar; a curve
    # in a plane is a curve, though the plane falls off more steeply.
    clear = (drops >= LEAST_DROP).nonzero()
    if clear.numel() == 0:
        return None
    dimension = int(clear[0, 1]) + 1
    # Variances of exact sets are rounding: how far below does not tell one scale from another.
    at = int(drops[:, dimension - 1].clamp(max=1e12).argmax())
    rows = []
    for m, mean in zip(sizes[: at + 1], means[: at + 1], strict=True):
        along, across = mean[:dimension], mean[dimension:]
        if float(along[-1]) >= _TELLING_DROP * float(across[0]) and m > dimension + 1:
            # A plane through m points takes D + 1 of their freedoms.
            rows.append((float(across.mean()) * m / (m - dimension - 1), float(along.sum()) ** 2))
    return SetShape(dimension, math.sqrt(_noise(rows)), sizes[at])


def _noise(rows: list[tuple[float, float]]) -> float:
    """σ² of v = σ² + c r⁴ from pairs (v, r⁴), relative least squares, both at least zero."""
    if not rows:
        return 0.0
    v = torch.tensor([row[0] for row in rows], dtype=torch.float64).clamp(min=1e-300)
    curved = torch.tensor([row[1] for row in rows], dtype=torch.float64)
    if len(rows) == 1:
        return float(v[0])
    design = torch.stack([1 / v, curved / v], 1)
    unit = design.norm(dim=0)
    solved = torch.linalg.lstsq(design / unit, torch.ones(len(rows), 1, dtype=torch.float64), driver="gelsd").solution
    noise, bend = (float(c) for c in solved[:, 0] / unit)
    return float(v.min()) if bend < 0 else max(noise, 0.0)
