"""min ‖Θw − y‖² + λ‖w‖₁ for several λ and several sets of rows at once (FISTA, Beck, Teboulle 2009, with restarts)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# A change below this share of the largest entry is the end; it is looked at now and then, for it costs a pass.
_SETTLED, _LOOK_EVERY = 1e-5, 10
_MOST = 1000


def lasso(squares: Tensor, moment: Tensor, weights: Tensor) -> Tensor:
    """W ``(b, l, f, m)`` of every set of rows and every λ.

    Parameters
    ----------
    squares
        Θ*Θ ``(b, f, f)``.
    moment
        Θ*Y ``(b, f, m)``.
    weights
        λ ``(l,)``.
    """
    b, f, m = moment.shape
    largest = torch.linalg.eigvalsh(squares)[:, -1].clamp(min=1e-300)
    step = (0.5 / largest)[:, None, None]
    right = moment.repeat(1, 1, len(weights))  # (b, f, l m)
    cut = step * weights.repeat_interleave(m)
    w = torch.zeros_like(right)
    ahead, weight = w, 1.0
    for iteration in range(1, _MOST + 1):
        moved = ahead - 2 * step * (squares @ ahead - right)
        new = moved.sign() * (moved.abs() - cut).clamp(min=0)
        change = new - w
        if float(((ahead - new) * change).sum()) > 0:  # momentum against the descent: begin anew
            weight = 1.0
        heavier = (1 + math.sqrt(1 + 4 * weight * weight)) / 2
        ahead, w, weight = new + (weight - 1) / heavier * change, new, heavier
        if iteration % _LOOK_EVERY == 0 and float(change.abs().max()) <= _SETTLED * float(w.abs().max()):
            break
    return w.reshape(b, f, len(weights), m).transpose(1, 2)
