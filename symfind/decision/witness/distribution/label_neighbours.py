"""E[s(x) s(x′)] over nearest neighbours: what position tells of whether a row is as drawn (s = 1) or moved (s = −1).

With r = (p − p_g)/(p + p_g) the product has the mean E r² (Schilling 1986; Henze 1988), the share of the label that
could be predicted. A row and its image are exchangeable where the distribution is kept, so that the labels of every
pair may be swapped: under swaps the sum has mean zero and the variance Σ m², m the edges between two pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NeighbourSettings:
    """Which neighbours vote.

    Attributes
    ----------
    rows
        At most so many are moved: in five dimensions a tree of twice as many is asked in a second.
    numbers
        Neighbours of each row: one for what is as narrow as rows are apart, some for what is wider.
    """

    rows: int = 8000
    numbers: tuple[int, ...] = (1, 8)


@dataclass(frozen=True)
class LabelShare:
    """Σ s s′ over edges.

    Attributes
    ----------
    share
        Its mean over edges, which estimates E r².
    spread
        Its standard deviation under swaps.
    neighbours
        How many.
    """

    share: float
    spread: float
    neighbours: int


def label_shares(x: Tensor, moved: Tensor, group: Tensor | None, settings: NeighbourSettings) -> list[LabelShare]:
    """For rows ``(n, D)`` and their images; rows of one ``group`` ``(n,)`` never vote for one another."""
    from scipy.spatial import cKDTree  # slow to import, and only points need it

    n = x.shape[0]
    unit = torch.arange(n) if group is None else torch.unique(group, return_inverse=True)[1]
    owner = torch.cat([unit, unit])
    pooled = torch.cat([x, moved])
    label = torch.cat([torch.ones(n), -torch.ones(n)]).double()
    most = max(settings.numbers)
    extra = 2 if group is None else 2 + min(2 * int(torch.bincount(unit).max()), 64)
    tree = cKDTree(pooled.numpy())
    near = torch.from_numpy(tree.query(pooled.numpy(), k=min(most + extra, 2 * n))[1]).long()
    foreign = owner[near] != owner[:, None]
    rank = foreign.cumsum(1) * foreign
    out = []
    for number in settings.numbers:
        at = (rank >= 1) & (rank <= number)
        left = at.nonzero()[:, 0]
        right = near[at]
        product = label[left] * label[right]
        low, high = torch.minimum(owner[left], owner[right]), torch.maximum(owner[left], owner[right])
        key, inverse = torch.unique(low * (int(owner.max()) + 1) + high, return_inverse=True)
        edge = torch.zeros(len(key), dtype=torch.float64).index_add_(0, inverse, product)
        count = max(1, len(product))
        out.append(LabelShare(float(product.sum()) / count, math.sqrt(float(edge.square().sum())) / count, number))
    return out
