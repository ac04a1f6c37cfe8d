"""How one component of a field is differentiated, and how large the errors of its derivatives are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.kinds.field.grid.filter_choice import Choice, choose
from symfind.kinds.field.grid.jet_sample import MultiIndex
from symfind.kinds.field.grid.local_polynomials import fitted, through
from symfind.kinds.field.grid.waves import Grid
from symfind.kinds.field.settings import SETTINGS

# The noise is the power of the weakest of so many bands of waves.
_BANDS = 10
# Differences of these orders remove what is smooth; the smallest of what they leave is taken for noise.
_DIFFERENCES = (3, 5, 7)


@dataclass(frozen=True)
class Plan:
    """The filters for one component of a field.

    Attributes
    ----------
    grid
        Its axes.
    scale
        The largest value seen, by which values are divided before their squares are taken.
    noise
        Estimated standard deviation of independent noise on each value; rounding at least.
    across
        (place of an open space axis, order) → filter.
    along
        (orders along the axes, those of periodic ones 0) → filters along t, for each shell of waves.
    errors
        J → root mean square error.
    """

    grid: Grid
    scale: float
    noise: float
    across: Mapping[tuple[int, int], Choice]
    along: Mapping[MultiIndex, Choice]
    errors: Mapping[MultiIndex, Tensor]

    def derivatives(self, u: Tensor) -> Iterator[tuple[MultiIndex, Tensor]]:
        """Yield (J, u_J) at the inner points of values ``(r, nt, nx[, ny])``."""
        grid, u = self.grid, u / self.scale
        for opened, choice in self.along.items():
            waves = choice(grid.waves(_across(grid, self.across, u, opened)), grid.shells)
            for index in self.errors:
                if _opened(grid, index) == opened:
                    yield index, self.scale * grid.values(waves * grid.factor(index))


def plan_of(grid: Grid, u: Tensor, times: Tensor, indices: Sequence[MultiIndex], rounding: float) -> Plan:
    """Choose filters for the derivatives ``indices`` of one component, by a few trajectories ``(r, nt, nx[, ny])``.

    What counts is the inner times of each trajectory that ``times`` says, ``(nt − 2M, r)``. Values were stored with a
    relative error of ``rounding``, which is the least that the noise can be.
    """
    scale = float(u.abs().max()) or 1.0
    u = u / scale
    noise = max(_noise(grid, u, times), float(u.square().mean()) * rounding**2)
    across: dict[tuple[int, int], Choice] = {}
    doubt: dict[tuple[int, int], float] = {}  # relative bias² of a filter along a space axis
    for place in grid.open:
        for order in sorted({index[place] for index in indices}):
            moved = u.movedim(place + 1, 0).flatten(1)[:, None, :]
            axis = grid.axes[place]
            across[place, order] = choice = choose(
                through(axis.coordinates, order, axis.even),
                fitted(axis.coordinates, order, axis.even),
                moved,
                torch.zeros(moved.shape[2], dtype=torch.int64),
                torch.tensor([noise], dtype=torch.float64),
                torch.ones((grid.inner[place], 1), dtype=torch.bool),
            )
            bias = float(choice.risk[0]) - noise * choice.gain(0)  # of a filter left out, its signal
            found = choice(moved, torch.zeros(moved.shape[2], dtype=torch.int64)).square().mean()
            doubt[place, order] = max(0.0, bias) / max(float(found), 1e-300)
    along: dict[MultiIndex, Choice] = {}
    waves: dict[MultiIndex, Tensor] = {}
    time = grid.axes[0]
    for index in sorted({_opened(grid, index) for index in indices}):
        space = (0, *index[1:])
        if space not in waves:
            waves[space] = grid.waves(_across(grid, across, u, space))
        gain, alike = 1.0, 1.0
        for place in grid.open:
            gain *= across[place, index[place]].gain(0)
            alike *= across[place, index[place]].width(0)
        along[index] = choose(
            through(time.coordinates, index[0], time.even),
            fitted(time.coordinates, index[0], time.even),
            waves[space],
            grid.shells,
            torch.full((int(grid.shells.max()) + 1,), noise * gain / grid.count, dtype=torch.float64),
            times,
            alike,
        )
    errors = {}
    for index in indices:
        opened = _opened(grid, index)
        choice, before = along[opened], waves[(0, *opened[1:])]
        weight = grid.copies * grid.factor(index).abs().square() / grid.points_across
        after = choice(before, grid.shells)[times].abs().square().mean(0)
        risk = weight * choice.risk[grid.shells]
        left_out = choice.chosen[grid.shells] < 0
        variance = risk[~left_out].sum() + risk[left_out].sum().clamp(min=0)
        size: Tensor = (weight * after).sum()
        variance = variance + _beyond(grid, _inner(grid, before)[times].abs().square().mean(0), weight) * size
        for place in grid.open:
            variance = variance + doubt[place, index[place]] * size
        errors[index] = scale * variance.sqrt()
    return Plan(grid, scale, scale * noise**0.5, across, along, errors)


def _opened(grid: Grid, index: MultiIndex) -> MultiIndex:
    return tuple(0 if place in grid.periodic else order for place, order in enumerate(index))


def _across(grid: Grid, across: Mapping[tuple[int, int], Choice], u: Tensor, index: MultiIndex) -> Tensor:
    """Differentiate along the open space axes, which leaves their inner points: ``(r, nt, nx[, ny])``."""
    for place in grid.open:
        moved = u.movedim(place + 1, 0)
        flat = moved.flatten(1)
        shells = torch.zeros(flat.shape[1], dtype=torch.int64)
        inner = across[place, index[place]](flat, shells)
        u = inner.reshape(-1, *moved.shape[1:]).movedim(0, place + 1)
    return u


def _inner(grid: Grid, waves: Tensor) -> Tensor:
    return waves.narrow(0, grid.margins[0], grid.inner[0])


def _noise(grid: Grid, u: Tensor, times: Tensor) -> float:
    """Return the variance of independent noise on each value: of the weakest waves, or what differences leave."""
    if grid.periodic:
        inner = u
        for place in grid.open:
            inner = inner.narrow(place + 1, grid.margins[place], grid.inner[place])
        power = _inner(grid, grid.waves(inner))[times].abs().square().mean(0)
        bands = torch.stack([band.mean() for band in power[grid.shells.argsort()].chunk(_BANDS)])
        # Of bands that hold nothing but noise the weakest is so by chance.
        weakest = bands[bands <= (1 + SETTINGS.chance) * bands.min()]
        return float(weakest.mean()) * grid.count
    levels = []
    for place in (0, *grid.open):
        difference, squares = u, 1.0
        for order in range(1, max(_DIFFERENCES) + 1):
            difference = difference.diff(dim=place + 1)
            squares *= 2 * (2 * order - 1) / order  # the central binomial coefficient: Σ of squared weights
            if order in _DIFFERENCES:
                levels.append(float(difference.square().mean()) / squares)
    return min(levels)


def _beyond(grid: Grid, power: Tensor, weight: Tensor) -> Tensor:
    """Return the share of the waves that the grid cannot hold, by the decay over the last quarter of those it can.

    Their power counts twice: they are missing, and come back as other waves. A spectrum that does not decay is noise,
    which ends with the grid, and is counted with the filters.

    Parameters
    ----------
    power, weight
        Of each wave, ``(K,)``, and its share in the derivative.
    """
    none = torch.zeros((), dtype=torch.float64)
    if not grid.periodic:
        return none
    last = min(grid.axes[place].points for place in grid.periodic) // 2 - 1
    first = 3 * last // 4
    plain, weighed = (
        torch.zeros(int(grid.shells.max()) + 1, dtype=torch.float64).index_add_(0, grid.shells, part)
        for part in (power, power * weight)
    )
    if last - first < 2 or float(weighed[last]) == 0 or float(plain[last]) * SETTINGS.decay > float(plain[first]):
        return none
    ratio = ((weighed[last] / weighed[first]) ** (1 / (last - first))).clamp(max=SETTINGS.slowest_decay)
    return 2 * weighed[last] / weighed.sum() * ratio / (1 - ratio)
