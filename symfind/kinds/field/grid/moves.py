"""u ↦ ũ, the graph of a solution moved by exp(αξ), on the grid that it came from.

At a grid point z = (t, x) the moved solution has the value v for which exp(−αξ)(z, v) lies on the graph of u again: a
small nonlinear equation for each point, solved by Newton's method from the value that the flow itself suggests. Where
the motion of (t, x) does not depend on u it ends after one step, and u is interpolated once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from symfind.data.axes import Axis
from symfind.kinds.field.grid.interpolation import Interpolant

_STEPS = 16
_NEWTON = 20
# In units of the spread of u.
_SOLVED = 1e-9
_DIFFERENCE = 1e-6
# Places closer than this share of an axis are the same: what lies between is rounding.
_SAME = 1e-13
# A change of ξ around a period, relative to its size, below which the moved field still closes.
_CLOSES = 1e-6


# exp(αξ) z ``(n, d)`` of z ``(n, d)`` and α.
Motion = Callable[[Tensor, float], Tensor]


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


def linear_motion(matrix: Tensor) -> Motion:
    """exp(αξ) z of ξ(z) = Az + b, exactly, from the matrix ((A, b), (0, 0)) ``(d + 1, d + 1)``."""

    def motion(z: Tensor, parameter: float) -> Tensor:
        transformation = torch.linalg.matrix_exp(parameter * matrix)
        out: Tensor = z @ transformation[:-1, :-1].T + transformation[:-1, -1]
        return out

    return motion


def moved(axes: Sequence[Axis], u: Tensor, motion: Motion, parameter: float, target: Sequence[Tensor]) -> Tensor | None:
    """The moved solution on a grid; None where that asks for u outside its support, or the graph folds.

    Parameters
    ----------
    axes, u
        The solution ``(nt, nx[, ny], c)`` and its grid.
    motion
        exp(αξ) on ``(n, q + c)``.
    parameter
        α.
    target
        Coordinates of the grid that is wanted, an axis each.
    """
    graph = _Graph(Interpolant(axes, u), torch.tensor([axis.period for axis in axes], dtype=torch.float64))
    q, c = len(axes), u.shape[-1]
    grid = torch.stack([part.flatten() for part in torch.meshgrid(*target, indexing="ij")], 1)
    spread = u.flatten(0, -2).std(0, correction=0).clamp(min=1e-300)

    def missed(v: Tensor) -> tuple[Tensor, Tensor]:
        """How far exp(−αξ)(z, v) is from the graph ``(n, c)``, and its place ``(n, q)``."""
        back = motion(torch.cat([grid, v], 1), -parameter)
        return back[:, q:] - graph(back[:, :q]), back[:, :q]

    v = motion(torch.cat([grid, graph(grid)], 1), parameter)[:, q:]
    for _ in range(_NEWTON):
        miss, place = missed(v)
        if not bool(torch.isfinite(miss).all()):
            return None
        if bool((miss.abs() <= _SOLVED * spread).all()):
            shape = tuple(len(axis) for axis in target)
            return v.reshape(*shape, c) if bool(graph.interpolant.inside(place).all()) else None
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


class _Graph:
    """u at places, remembered for the last: Newton's method asks for the same ones where ξ moves (t, x) alike."""

    def __init__(self, interpolant: Interpolant, lengths: Tensor) -> None:
        self.interpolant = interpolant
        self._lengths = lengths
        self._last: tuple[Tensor, Tensor] | None = None

    def __call__(self, place: Tensor) -> Tensor:
        """``(n, c)`` at ``(n, q)``."""
        if self._last is not None and bool(((place - self._last[0]).abs() <= _SAME * self._lengths).all()):
            return self._last[1]
        self._last = place, self.interpolant(place)
        return self._last[1]


def closing(axes: Sequence[Axis], fields: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """For each axis and field whether the field is the same a period further ``(q, p)``; true where no axis closes.

    What such fields make of periodic solutions is periodic.

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
        change = ((fields(further) / spread - here).abs() / size).amax((0, 2))
        out.append(change <= _CLOSES if axis.periodic else torch.ones_like(change, dtype=torch.bool))
    return torch.stack(out)
