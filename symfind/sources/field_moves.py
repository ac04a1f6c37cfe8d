"""u ↦ ũ, the graph of a solution moved by exp(αξ), on the grid that it came from.

At a grid point z = (t, x) the moved solution has the value v for which exp(−αξ)(z, v) lies on the graph of u again: a
small nonlinear equation for each point, solved by Newton's method from the value that the flow itself suggests. For
fields whose motion of (t, x) does not depend on u it ends after one step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from symfind.sources.field_axes import Axis
from symfind.sources.field_interpolation import Interpolant

_STEPS = 16
_NEWTON = 20
# In units of the spread of u.
_SOLVED = 1e-9
_DIFFERENCE = 1e-6
# A change of ξ around a period, relative to its size, below which the moved field still closes.
_CLOSES = 1e-6


def flow(field: Callable[[Tensor], Tensor], z: Tensor, parameter: float) -> Tensor:
    """exp(αξ) z ``(n, d)`` by sixteen steps of the classical Runge–Kutta method."""
    h = parameter / _STEPS
    for _ in range(_STEPS):
        first = field(z)
        second = field(z + 0.5 * h * first)
        third = field(z + 0.5 * h * second)
        fourth = field(z + h * third)
        z = z + h / 6 * (first + 2 * second + 2 * third + fourth)
    return z


def moved(
    axes: Sequence[Axis], u: Tensor, field: Callable[[Tensor], Tensor], parameter: float, target: Sequence[Tensor]
) -> Tensor | None:
    """The moved solution on a grid; None where that asks for u outside its support, or the graph folds.

    Parameters
    ----------
    axes, u
        The solution ``(nt, nx[, ny], c)`` and its grid.
    field
        ξ ``(n, q + c)`` at ``(n, q + c)``.
    parameter
        α.
    target
        Coordinates of the grid that is wanted, an axis each.
    """
    graph = Interpolant(axes, u)
    q, c = len(axes), u.shape[-1]
    grid = torch.stack([part.flatten() for part in torch.meshgrid(*target, indexing="ij")], 1)
    spread = u.flatten(0, -2).std(0, correction=0).clamp(min=1e-300)

    def missed(v: Tensor) -> tuple[Tensor, Tensor]:
        """How far exp(−αξ)(z, v) is from the graph ``(n, c)``, and its place ``(n, q)``."""
        back = flow(field, torch.cat([grid, v], 1), -parameter)
        return back[:, q:] - graph(back[:, :q]), back[:, :q]

    v = flow(field, torch.cat([grid, graph(grid)], 1), parameter)[:, q:]
    for _ in range(_NEWTON):
        miss, place = missed(v)
        if not bool(torch.isfinite(miss).all()):
            return None
        if bool((miss.abs() <= _SOLVED * spread).all()):
            shape = tuple(len(axis) for axis in target)
            return v.reshape(*shape, c) if bool(graph.inside(place).all()) else None
        columns = []
        for i in range(c):
            step = torch.zeros(c, dtype=torch.float64)
            step[i] = _DIFFERENCE * spread[i]
            columns.append((missed(v + step)[0] - miss) / step[i])
        slope = torch.stack(columns, 2)
        if not bool((torch.linalg.det(slope).abs() > 1e-6).all()):
            return None
        v = v - torch.linalg.solve(slope, miss)
    return None


def closing_axes(axes: Sequence[Axis], fields: Callable[[Tensor], Tensor], points: Tensor) -> tuple[bool, ...]:
    """For each axis whether it closes and every field is the same a period further: moved fields then close too.

    Parameters
    ----------
    axes
        t, x[, y].
    fields
        ξᵢ ``(n, p, d)`` at ``(n, d)``.
    points
        Some of the data ``(n, d)``.
    """
    spread = points.std(0, correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    here, out = fields(points) / spread, []
    size = here.abs().amax((0, 2), keepdim=True).clamp(min=1e-300)
    for place, axis in enumerate(axes):
        further = points.clone()
        further[:, place] += axis.period
        change = ((fields(further) / spread - here).abs() / size).max()
        out.append(axis.periodic and bool(change <= _CLOSES))
    return tuple(out)
