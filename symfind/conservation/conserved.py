"""L_F f = 0: the dual nullspace, over functions f instead of fields, for one flow or one step of a map.

    ρ(f)² = E(F·∇f)² / ( (1/D) E[ ‖F‖²_{G⁻¹} (f − f̄)² ] )              flows
    ρ(f)² = E(f(F(x)) − f(x))² / ( (1/D) E[ ‖F(x) − x‖²_{G⁻¹} (f − f̄)² ] )   maps

f̄ is the mean under the weight ‖F‖²: how much f changes while the flow crosses the spread of the data, in units of what
f varies over them. ρ is 0 for a conserved quantity and about 1 for others, and it knows neither units nor the speed of
time. A function that does not vary over the data has no ρ: it is trivial, as the constants are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor

from symfind.conservation.functions import FunctionSpace
from symfind.decision.bounds import Side
from symfind.decision.evidence import Evidence, Surrogate, WithinData
from symfind.decision.given import GivenSide
from symfind.decision.halves import halves
from symfind.errors import InputError
from symfind.fields.space import VectorFieldSpace
from symfind.fits.geometry import Geometry
from symfind.fits.surrogate import Samples
from symfind.lie_derivative import Invariant
from symfind.linalg.nullspace import GeneralisedSpectrum, Pencil, Streamed

_BUDGET = 2**22


class Rate(Protocol):
    """What F does to functions: the one thing in which flows and maps differ."""

    def change(self, space: FunctionSpace, x: Tensor, value: Tensor) -> Tensor:
        """L_F φ ``(n, p)`` for F(x) ``(n, d)``."""
        ...

    def step(self, x: Tensor, value: Tensor) -> Tensor:
        """By how much x moves ``(n, d)``."""
        ...


class AlongFlow:
    """F·∇φ."""

    def change(self, space: FunctionSpace, x: Tensor, value: Tensor) -> Tensor:
        """F·∇φ ``(n, p)``."""
        return space.along(x, value)

    def step(self, x: Tensor, value: Tensor) -> Tensor:
        """F itself."""
        return value


class OverStep:
    """φ(F(x)) − φ(x)."""

    def change(self, space: FunctionSpace, x: Tensor, value: Tensor) -> Tensor:
        """φ(F(x)) − φ(x) ``(n, p)``."""
        return space(value) - space(x)

    def step(self, x: Tensor, value: Tensor) -> Tensor:
        """F(x) − x."""
        return value - x


RATES: dict[str, Rate] = {"flow": AlongFlow(), "map": OverStep()}


@dataclass(frozen=True)
class Conservation:
    """φ ↦ (L_F φ, φ − φ̄), measured: rows of a pencil at points with values (x, F(x)) ``(n, 2d)``.

    Attributes
    ----------
    space
        The candidates, centred on the data.
    rate
        A flow's or a map's.
    geometry
        G, for the length of a step.
    mean
        φ̄ ``(p,)`` under the weight ‖F‖².
    """

    space: FunctionSpace
    rate: Rate
    geometry: Geometry
    mean: Tensor

    @staticmethod
    def of(space: FunctionSpace, rate: Rate, geometry: Geometry, x: Tensor, value: Tensor) -> Conservation:
        """Means over rows x, F(x) ``(n, d)``.

        Raises
        ------
        InputError
            F moves no point, or a formula is not finite on the data.
        """
        plain = Conservation(space, rate, geometry, torch.zeros(space.dim, dtype=torch.float64))
        total, mass = torch.zeros(space.dim, dtype=torch.float64), 0.0
        for a, b in zip(torch.split(x, plain.rows_at_once), torch.split(value, plain.rows_at_once), strict=True):
            weight = plain.weight(a, b)
            total += weight @ space(a)
            mass += float(weight.sum())
        if mass == 0.0:
            raise InputError("F moves no point of the data: every function is conserved; give data that move")
        return Conservation(space, rate, geometry, total / mass)

    @property
    def unknowns(self) -> int:
        """Number p of functions."""
        return self.space.dim

    @property
    def rows_at_once(self) -> int:
        """How many points fit the memory budget."""
        return max(1, min(8192, _BUDGET // (4 * max(self.space.dim, 1) * max(self.space.d, 1))))

    def weight(self, x: Tensor, value: Tensor) -> Tensor:
        """‖F‖²_{G⁻¹}/D ``(n,)``."""
        moved = self.rate.step(x, value) @ self.geometry.inputs.whiten.T
        return moved.square().sum(1) / max(self.geometry.rank, 1)

    def pencil(self, x: Tensor) -> Pencil:
        """Rows of (M, S), one of each a point, for x ``(n, 2d)`` that holds the values too."""
        at, value = x[:, : self.space.d], x[:, self.space.d :]
        varied = (self.space(at) - self.mean) * self.weight(at, value).sqrt()[:, None]
        return Pencil(self.rate.change(self.space, at, value)[:, None], varied[:, None])

    def spectrum(self, x: Tensor, value: Tensor) -> GeneralisedSpectrum:
        """Generalised singular values over rows ``(n, d)``."""
        rows = torch.cat([x, value], 1)
        return Streamed().solve((self.pencil(part) for part in torch.split(rows, self.rows_at_once)), self.unknowns)


ONE_GROUP = "all rows are of one trajectory: whatever is constant along it, another one could tell against"


def enough_rows(space: FunctionSpace, rows: int) -> None:
    """Raise if there are fewer rows than twice the functions in each half.

    Raises
    ------
    InputError
        With the number of rows needed.
    """
    needed = max(16, 4 * space.dim)
    if rows < needed:
        raise InputError(
            f"{rows} rows are too few for the library '{space.name}' of {space.dim} functions; give at least {needed} "
            "rows or a smaller --library"
        )


def evidence_of_values(
    conservation: Conservation, samples: Samples, generator: torch.Generator, *, given: bool
) -> Evidence:
    """What F(x) conserves as it stands: a model's values, or measured ones, whose noise only makes ρ larger."""
    d = conservation.space.d
    rows = replace(samples, x=torch.cat([samples.x, samples.y], 1))
    split = halves(rows, generator)
    doubts: tuple[str, ...] = ()
    sides: tuple[GivenSide, GivenSide] | None = None
    if split is None:
        doubts = (ONE_GROUP,)
    else:
        sides = (GivenSide(split[0], conservation, (2 * d,)), GivenSide(split[1], conservation, (2 * d,)))
    spectrum = conservation.spectrum(samples.x, samples.y)
    return evidence(conservation, spectrum, sides, doubts, given=given)


def evidence(
    conservation: Conservation,
    spectrum: GeneralisedSpectrum,
    sides: tuple[Side, Side] | None,
    doubts: tuple[str, ...],
    *,
    given: bool,
    surrogate: Surrogate | None = None,
) -> Evidence:
    """Evidence on functions in place of fields: the decision asks a space for its dimension and its table alone."""
    return Evidence(
        cast(VectorFieldSpace, conservation.space),
        Invariant(),
        spectrum,
        sides,
        WithinData(),
        given=given,
        doubts=doubts,
        surrogate=surrogate,
        rank=spectrum.values.shape[0],
    )
