"""Are rows x and rows ρ(g)x alike? If not, a network was trained on some orientations only."""

from __future__ import annotations

import torch
from torch import Tensor

from symfind.equivariance.equivariance import Equivariance

# With 199 exchanges the smallest level is 1/200; one in a hundred is what a sentence of explanation may be wrong by.
_EXCHANGES, _LEVEL = 199, 0.01


def seen_in_one_orientation(task: Equivariance, x: Tensor, elements: Tensor) -> bool:
    """2E‖x − ρ(g)x′‖ − E‖x − x′‖ − E‖ρ(g)x − ρ(g′)x′‖ is larger than by chance (energy distance).

    If the distribution of rows is invariant, xᵢ and ρ(gᵢ)xᵢ can be exchanged: the level is exact for any number of
    rows (Székely, Rizzo 2013, J. Stat. Plan. Inference 143).

    Parameters
    ----------
    task
        Group and representations.
    x, elements
        Rows ``(n, …)`` and elements of the group; one pair each.
    """
    count = min(len(x), len(elements))
    if count < 8:  # 2⁸ exchanges are the fewest that reach the level
        return False
    rows = x[:count].reshape(count, -1).double()
    moved = task.moved_input(elements[:count], x[:count]).reshape(count, -1).double()
    distances = torch.cdist(torch.cat([rows, moved]), torch.cat([rows, moved]))
    rng = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (_EXCHANGES + 1, count), generator=rng).double() * 2 - 1
    signs[0] = 1.0
    signs = torch.cat([signs, -signs], 1)  # +1 for what is taken for a row, −1 for what is taken for a moved one
    energies = -torch.einsum("ei,ij,ej->e", signs, distances, signs)
    return int((energies >= energies[0]).sum()) <= _LEVEL * (_EXCHANGES + 1)
