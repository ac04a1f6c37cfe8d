"""(R[X] ⊗ W)^G of a finite group: orbits, and ⊕ W^Stab(x) over them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_F64 = torch.float64


def orbit_labels(permutations: Sequence[Sequence[Tensor]]) -> Tensor:
    """Orbit number of each point of X₁ × … × X_m under permutations given factor by factor.

    Parameters
    ----------
    permutations
        One entry a generator, each a list of σ ``(n_f,)`` for the factors.

    Returns
    -------
    Tensor
        Labels 0, 1, … of the flattened product, in order of first appearance, ``(Π n_f,)``.
    """
    maps = []
    for sigma in permutations:
        flat = torch.zeros(1, dtype=torch.int64)
        for s in sigma:
            flat = (flat[:, None] * len(s) + s[None, :]).reshape(-1)
        maps.append(flat)
    label = torch.arange(len(maps[0])) if maps else torch.arange(1)
    while True:
        # Every point takes the least label along each generator's arrow, both ways, then jumps to its label's label.
        before = label
        for flat in maps:
            low = torch.minimum(label, label[flat])
            label = low.clone().scatter_reduce_(0, flat, low, "amin")
        label = label[label]
        if torch.equal(label, before):
            break
    out: Tensor = torch.unique(label, return_inverse=True)[1]
    return out


def induced_invariants(permutations: Tensor, matrices: Tensor) -> Tensor:
    """Orthonormal invariants of R[X] ⊗ W from all elements of the group.

    Parameters
    ----------
    permutations
        σ_g of every element on X, ``(|G|, n)``.
    matrices
        ρ_W(g) of every element, orthogonal or not, ``(|G|, w, w)``.

    Returns
    -------
    Tensor
        ``(n w, r)``.
    """
    order, n = permutations.shape
    w = matrices.shape[-1]
    label = orbit_labels([[p] for p in permutations])
    columns = []
    for orbit in range(int(label.max()) + 1):
        x = int(torch.nonzero(label == orbit)[0, 0])
        reached = permutations[:, x]
        mean = matrices[reached == x].mean(0)
        # An average over a group is a projection: its singular values are 0 or at least 1.
        u, sigma, _ = torch.linalg.svd(mean)
        fixed = u[:, sigma > 0.5]
        if fixed.shape[1] == 0:
            continue
        out = torch.zeros(n, w, fixed.shape[1], dtype=_F64)
        spread = matrices @ fixed
        out[reached] = spread
        size = order // int((reached == x).sum())
        flat = out.reshape(n * w, -1) / math.sqrt(size)
        columns.append(flat)
    return torch.cat(columns, 1) if columns else torch.zeros(n * w, 0, dtype=_F64)
