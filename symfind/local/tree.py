"""A region as the leaves of a small regression tree (Breiman et al. 1984), grown on a number of [0, 1] a row.

Axis letters: n rows, f features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.local.settings import SETTINGS

# (lowest, highest) of some features; a row is inside from the first, included, to the second, left out.
Box = dict[int, tuple[float, float]]


@dataclass(frozen=True)
class Region:
    """Rows inside any of some boxes.

    Attributes
    ----------
    boxes
        Bounds by feature.
    """

    boxes: tuple[Box, ...]

    def holds(self, features: Tensor) -> Tensor:
        """Which rows ``(n, f)`` are inside."""
        out = torch.zeros(len(features), dtype=torch.bool)
        for box in self.boxes:
            inside = torch.ones(len(features), dtype=torch.bool)
            for j, (low, high) in box.items():
                inside &= (features[:, j] >= low) & (features[:, j] < high)
            out |= inside
        return out

    def text(self, names: Sequence[str]) -> str:
        """``|x| < 1.02 or x1 < −0.1 and |x| ≥ 1.02``."""
        parts = []
        for box in self.boxes:
            terms = []
            for j, (low, high) in sorted(box.items()):
                between = math.isfinite(low) and math.isfinite(high)
                above, below = (f"{v:.3g}".replace("-", "−") for v in (low, high))
                if between:
                    terms.append(f"{above} ≤ {names[j]} < {below}")
                else:
                    terms.append(f"{names[j]} ≥ {above}" if math.isfinite(low) else f"{names[j]} < {below}")
            parts.append(" and ".join(terms))
        return " or ".join(parts)

    def used(self) -> list[int]:
        """Features by how often they bound it."""
        count: dict[int, int] = {}
        for box in self.boxes:
            for j in box:
                count[j] = count.get(j, 0) + 1
        return sorted(count, key=lambda j: (-count[j], j))


@dataclass(frozen=True)
class _Node:
    rows: Tensor
    mean: float
    split: tuple[int, float, _Node, _Node] | None = None


def region_of(features: Tensor, value: Tensor, weight: Tensor, most: float, *, inwards: bool) -> Region:
    """The leaves of weighted mean value at most ``most``; ``inwards`` moves their cuts into them by the margin."""
    root = _grown(features, value, weight, torch.arange(len(features)), int(SETTINGS.depth))
    return Region(tuple(_boxes(root, features, most, {}, inwards)))


def _grown(features: Tensor, value: Tensor, weight: Tensor, rows: Tensor, depth: int) -> _Node:
    v, w = value[rows], weight[rows]
    mean = float((w * v).sum() / w.sum().clamp(min=1e-300))
    least = max(20, int(SETTINGS.leaf * len(features)))
    if depth == 0 or len(rows) < 2 * least or float(v.std()) == 0:
        return _Node(rows, mean)
    at, order = features[rows].sort(dim=0)
    cw, cv = w[order].cumsum(0), (w * v)[order].cumsum(0)
    total_w, total_v = cw[-1], cv[-1]
    # The sum of squares that a cut after row i explains.
    gain = cv.square() / cw.clamp(min=1e-300) + (total_v - cv).square() / (total_w - cw).clamp(min=1e-300)
    allowed = torch.zeros_like(gain, dtype=torch.bool)
    allowed[least - 1 : len(rows) - least] = True
    allowed[:-1] &= at[1:] > at[:-1]
    gain = torch.where(allowed, gain - total_v.square() / total_w, torch.full_like(gain, -math.inf))
    best = int(gain.argmax())
    i, j = divmod(best, features.shape[1])
    # A cut by chance explains about (log of the number of cuts) variances of a row.
    spread = float((w.square() * (v - mean).square()).sum() / w.sum())
    if float(gain[i, j]) <= 2 * math.log(gain.numel()) * spread:
        return _Node(rows, mean)
    cut = 0.5 * float(at[i, j] + at[i + 1, j])
    below = features[rows, j] < cut
    children = (_grown(features, value, weight, part, depth - 1) for part in (rows[below], rows[~below]))
    first, second = children
    return _Node(rows, mean, (j, cut, first, second))


def _within(node: _Node, most: float) -> bool:
    """Whether all leaves below are inside."""
    if node.split is None:
        return node.mean <= most
    return all(_within(child, most) for child in node.split[2:])


def _boxes(node: _Node, features: Tensor, most: float, box: Box, inwards: bool) -> list[Box]:
    if _within(node, most):
        return [box]
    if node.split is None:
        return []
    j, cut, first, second = node.split
    out = []
    for child, lower in ((first, True), (second, False)):
        edge = cut
        if inwards and _within(child, most) and not _within(second if lower else first, most):
            own = features[child.rows, j]
            edge = float(torch.quantile(own, 1 - SETTINGS.margin if lower else SETTINGS.margin))
        low, high = box.get(j, (-math.inf, math.inf))
        out += _boxes(child, features, most, {**box, j: (low, edge) if lower else (edge, high)}, inwards)
    return out
