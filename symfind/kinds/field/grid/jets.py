"""u_J of gridded solutions with an estimate of the error of each: from a field to a sample of its jets.

Periodic axes are taken apart into waves, whose derivatives are exact; t, and space axes that do not close, are
differentiated by local polynomials. In t each shell of waves has a filter of its own, so that slow long waves are
averaged over more points than fast short ones, and waves that drown in noise are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from math import ceil

import torch
from torch import Tensor

from symfind.data.axes import Axis
from symfind.errors import InputError
from symfind.kinds.field.grid.derivative_plan import Plan, plan_of
from symfind.kinds.field.grid.field_data import FieldData
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.grid.local_polynomials import doublings, through
from symfind.kinds.field.grid.waves import Grid
from symfind.kinds.field.settings import SETTINGS
from symfind.linalg.threads import one_thread

# Trajectories that are read: more hardly make the sample richer, and each costs its transforms.
_MOST_TRAJECTORIES = 64
# Trajectories on which filters are chosen, of so many points in all.
_PILOTS = 12
_PILOT_POINTS = 2**19
# Noise below this is the rounding of float32.
_NOISE_TOLD = 1e-6


def multi_indices(orders: Sequence[int]) -> tuple[MultiIndex, ...]:
    """All J with Jᵢ ≤ ordersᵢ."""
    return tuple(product(*(range(order + 1) for order in orders)))


@one_thread()  # many small products; threads that wait for each other take ten times as long
def jets(
    field: FieldData, orders: Iterable[int] | Iterable[MultiIndex], generator: torch.Generator, rows: int = 8192
) -> JetSample:
    """u_J at points of the grid drawn at random, as many from each trajectory.

    Parameters
    ----------
    field
        R trajectories on a grid.
    orders
        The highest order along each axis, such as (1, 4), for all J up to it; or the multi-indices themselves. The
        values themselves are always there.
    generator
        Draws trajectories, if there are more than 64, and points.
    rows
        How many points.

    Returns
    -------
    JetSample
        Points lie inside the range of t (and of axes that do not close), where windows are whole. The errors are
        estimates: bias² + noise of the filters chosen, waves that were left out, and those beyond the grid.

    Raises
    ------
    InputError
        An axis has too few points for the order asked of it, or a number is not finite.
    """
    indices = _indices(orders, len(field.axes))
    highest = tuple(max(index[place] for index in indices) for place in range(len(field.axes)))
    for axis, order in zip(field.axes, highest, strict=True):
        _check_points(axis, order)
    numbers = torch.arange(field.trajectories)
    if field.trajectories > _MOST_TRAJECTORIES:
        numbers = torch.randperm(field.trajectories, generator=generator)[:_MOST_TRAJECTORIES].sort().values
    grid = Grid(field.axes)
    resolved = _resolved(field, grid, numbers, highest)
    left_out = 1 - float(resolved.double().mean())
    any_time = resolved.any(1)
    numbers, resolved = numbers[any_time], resolved[any_time]
    every = -(-len(numbers) // max(1, min(_PILOTS, _PILOT_POINTS // grid.points)))
    pilots, seen = field.take(numbers[::every]), resolved[::every].T
    plans = [plan_of(grid, pilots[..., i], seen, indices, field.rounding) for i in range(len(field.components))]
    share = rows / float(resolved.sum())
    points, groups = [], []
    values: dict[MultiIndex, list[list[Tensor]]] = {index: [[] for _ in plans] for index in indices}
    for block, u in field.blocks(numbers):
        times = resolved[torch.searchsorted(numbers, block)]
        at = [grid.draw(ceil(share * int(kept.sum())), kept, generator) for kept in times]
        points += [grid.coordinates(places) for places in at]
        groups += [label.expand(len(places)) for label, places in zip(field.groups[block], at, strict=True)]
        for i, plan in enumerate(plans):
            for index, derived in plan.derivatives(u[..., i]):
                at_points = [derived[r].flatten()[places] for r, places in enumerate(at)]
                values[index][i].append(torch.cat(at_points))
    derivatives = {index: torch.stack([torch.cat(parts) for parts in each], dim=1) for index, each in values.items()}
    errors = {index: torch.stack([plan.errors[index] for plan in plans]) for index in indices}
    sample = JetSample(
        independent=tuple(axis.name for axis in field.axes),
        dependent=field.components,
        points=torch.cat(points),
        derivatives=derivatives,
        errors=errors,
        group=torch.cat(groups),
        noise=tuple(plan.noise for plan in plans),
    )
    return _with_messages(sample, plans, left_out)


def _indices(orders: Iterable[int] | Iterable[MultiIndex], axes: int) -> tuple[MultiIndex, ...]:
    given: tuple[int | MultiIndex, ...] = tuple(orders)
    highest = [entry for entry in given if isinstance(entry, int)]
    if highest:
        if len(highest) != axes or len(given) != axes or min(highest) < 0:
            raise ValueError(f"orders are {given}, expected one for each of the {axes} axes")
        return multi_indices(highest)
    chosen: set[MultiIndex] = {entry for entry in given if not isinstance(entry, int)} | {(0,) * axes}
    if any(len(index) != axes or min(index) < 0 for index in chosen):
        raise ValueError(f"multi-indices are {given}, expected {axes} orders in each")
    return tuple(sorted(chosen))


def _check_points(axis: Axis, order: int) -> None:
    # Two windows at least, so that their difference tells the error; 2m ≥ order points on each side.
    needed = 2 * order + 2 if axis.periodic else 5 * max(2, (order + 1) // 2 + 1) + 1
    if axis.points < needed:
        raise InputError(
            f"{axis.name} has {axis.points} points, derivatives of order {order} along it need at least {needed}; "
            "give a finer grid, or ask for lower orders"
        )


def _resolved(field: FieldData, grid: Grid, numbers: Tensor, highest: MultiIndex) -> Tensor:
    """Return at which times each trajectory is resolved as well as it is elsewhere: ``(R, nt − 2M)``."""
    found = [_unseen(grid, u[..., i], highest) for _, u in field.blocks(numbers) for i in range(u.shape[-1])]
    count = len(field.components)
    worst = torch.zeros((len(numbers), grid.inner[0]), dtype=torch.float64)
    for i in range(count):
        unseen, size = (torch.cat([pair[which] for pair in found[i::count]]) for which in (0, 1))  # (R, nt − 2M, parts)
        worst = torch.maximum(worst, (unseen / size.mean((0, 1)).clamp(min=1e-300)).amax(-1))
    doubts = worst.sqrt()
    # torch's quantile takes no more than 16 million numbers.
    lower = doubts.flatten().sort().values[doubts.numel() // 5]
    return doubts <= max(SETTINGS.unresolved, SETTINGS.times_the_least * float(lower))


def _unseen(grid: Grid, u: Tensor, highest: MultiIndex) -> tuple[Tensor, Tensor]:
    """Mean squares over space of what the grid hardly sees in the highest derivatives, and of the whole of them.

    Along t it is the difference of a window and one of half its length, along a periodic axis the last quarter of the
    waves: ``(r, nt, nx[, ny]) → (r, nt − 2M, parts)``.
    """
    parts = [torch.zeros((len(u), grid.inner[0]), dtype=torch.float64)]
    sizes = [torch.ones_like(parts[0])]
    time = grid.axes[0]
    inner = u.narrow(1, grid.margins[0], grid.inner[0])
    if highest[0]:
        short, long = (f(u.transpose(0, 1)) for f in doublings(through(time.coordinates, 1, time.even))[-2:])
        parts.append((long - short).square().flatten(2).mean(2).T)
        # A field that stands still has no rate to compare with: then with the whole of it in the whole time.
        still = inner.square().flatten(2).mean(2) / (time.step * time.points) ** 2
        sizes.append(long.square().flatten(2).mean(2).T + still)
    for place in grid.open:
        inner = inner.narrow(place + 1, grid.margins[place], grid.inner[place])
    for place in grid.periodic:
        index = tuple(highest[p] if p == place else 0 for p in range(len(highest)))
        power = (grid.waves(inner) * grid.factor(index)).abs().square() * grid.copies  # (nt − 2M, r, K)
        k = grid.k[place - 1].abs()
        parts.append(power[..., k > 0.75 * k.max()].sum(-1).T)
        sizes.append(power.sum(-1).T)
    return torch.stack(parts, dim=-1), torch.stack(sizes, dim=-1)


def _with_messages(sample: JetSample, plans: Sequence[Plan], left_out: float) -> JetSample:
    told = []
    for i, plan in enumerate(plans):
        sizes = {index: float(values[:, i].square().mean().sqrt()) for index, values in sample.derivatives.items()}
        name = sample.dependent[i]
        level = plan.noise / max(sizes[(0,) * len(sample.independent)], plan.noise, 1e-300)
        if level > _NOISE_TOLD:
            told.append(f"{name} has noise of {level:.1e} of its size")
        pure = [index for index in sizes if sum(order > 0 for order in index) == 1 and sizes[index] > 0]
        shares = ", ".join(f"{sample.name(index, i)} {float(plan.errors[index]) / sizes[index]:.0e}" for index in pure)
        told.append(f"estimated relative errors: {shares}" if shares else f"no derivative of {name} differs from 0")
    if left_out:
        told.append(f"{left_out:.1%} of the times are left out, at which the grid resolves the fields less well")
    return replace(sample, messages=tuple(told))
