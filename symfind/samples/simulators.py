"""The simulators by name, with the settings of Ko et al. (2024) where they have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from symfind.samples.advection import BURGERS, CKDV, KDV, KURAMOTO_SIVASHINSKY, NKDV
from symfind.samples.linear import heat, heat_2d, wave
from symfind.samples.navier_stokes import navier_stokes_2d
from symfind.samples.waves import coordinates


class Solutions(Protocol):
    """Random solutions of an equation."""

    def __call__(self, rows: int, times: Tensor, n: int, length: float, generator: torch.Generator, /) -> Tensor:
        """Solutions at the times on n even points a space axis: ``(rows, nt, n[, n], c)``."""
        ...


@dataclass(frozen=True)
class Simulator:
    """Solutions of a differential equation on a periodic grid.

    Attributes
    ----------
    equation
        As it is written for ``--equation``.
    symmetry
        The Lie point symmetries, in a line.
    solutions
        What draws them.
    length, end
        Period of each space axis, and the last time; the first is 0.
    times, points
        Size of the grid in time and along each space axis unless asked otherwise.
    rows
        Trajectories unless asked otherwise.
    space, components
        Names of the space axes and of the dependent variables.
    """

    equation: str
    symmetry: str
    solutions: Solutions
    length: float
    end: float
    times: int = 140
    points: int = 256
    rows: int = 8
    space: tuple[str, ...] = ("x",)
    components: tuple[str, ...] = ("u",)

    @property
    def names(self) -> tuple[str, ...]:
        """Independent variables, then dependent ones."""
        return ("t", *self.space, *self.components)

    def numbers(self, times: int | None, points: int | None) -> int:
        """How many numbers a trajectory has, and the simulation on twice the points holds at once."""
        fine = 2 * (points or self.points)
        return math.prod([times or self.times, *[fine] * len(self.space), len(self.components)])

    def arrays(
        self, rows: int, generator: torch.Generator, times: int | None = None, points: int | None = None
    ) -> dict[str, Tensor]:
        """Fields u ``(R, nt, nx[, ny][, c])`` and the axes t, x[, y]; c is left out where it is 1.

        A grid of other size shows the same solutions.
        """
        t = torch.linspace(0.0, self.end, times or self.times, dtype=torch.float64)
        n = points or self.points
        u = self.solutions(rows, t, n, self.length, generator)
        arrays = {"u": u[..., 0] if len(self.components) == 1 else u, "t": t}
        return {**arrays, **{name: coordinates(n, self.length) for name in self.space}}


_KDV_LIKE = "4, equivalent to Korteweg–de Vries; point:1 holds two of them"

SIMULATORS: Mapping[str, Simulator] = MappingProxyType(
    {
        "kdv": Simulator(
            "u_t + u*u_x + u_xxx = 0", "4: ∂t, ∂x, t∂x + ∂u, 3t∂t + x∂x − 2u∂u", KDV, 128.0, 100.0
        ),
        "ks": Simulator(
            "u_t + u*u_x + u_xx + u_xxxx = 0", "3: ∂t, ∂x, t∂x + ∂u", KURAMOTO_SIVASHINSKY, 64.0, 100.0
        ),
        "burgers": Simulator(
            "u_t + u*u_x - 0.01*u_xx = 0", "5, of which point:1 holds 4", BURGERS, 2 * pi, 10.0
        ),
        "nkdv": Simulator("exp(-t/50)*u_t + u*u_x + u_xxx = 0", _KDV_LIKE, NKDV, 128.0, 100.0),
        "ckdv": Simulator("u_t + u*u_x + u_xxx + u/(2*t + 2) = 0", _KDV_LIKE, CKDV, 128.0, 100.0),
        "heat": Simulator(
            "u_t - u_xx = 0", "6 and superposition: 4 in point:1, 5 in point:2, 6 in point:3",
            heat, 16.0, 4.0, times=100, points=64, rows=16,
        ),
        "wave": Simulator(
            "u_tt - u_xx = 0", "conformal ones, u∂u, and superposition",
            wave, 16.0, 16.0, times=140, points=128, rows=16,
        ),
        "heat-2d": Simulator(
            "u_t - u_xx - u_yy = 0", "9 and superposition: 8 in point:2",
            heat_2d, 8.0, 1.0, times=40, points=32, rows=8, space=("x", "y"),
        ),
        "navier-stokes-2d": Simulator(
            "u_t + u*u_x + v*u_y + p_x - 0.05*(u_xx + u_yy) = 0; "
            "v_t + u*v_x + v*v_y + p_y - 0.05*(v_xx + v_yy) = 0; u_x + v_y = 0",
            "∂t, the rotation, a scaling, accelerated frames and g(t)∂p",
            navier_stokes_2d, 2 * pi, 4.0, times=60, points=48, rows=4, space=("x", "y"), components=("u", "v", "p"),
        ),
    }
)  # fmt: skip
