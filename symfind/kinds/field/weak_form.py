"""∫ φ (u_t − Σ aₗ fₗ) = 0 over windows: regression on noisy solutions that differentiates no data.

A term that is the derivative of a power of u is integrated by parts, so that the derivatives fall on the window φ:
∫ φ ∂^J u^m = (−1)^|J| ∫ (∂^J φ) u^m (Messenger and Bortz 2021). Noise then enters through sums over many points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, prod

import torch
from torch import Tensor

from symfind.data.axes import Axis
from symfind.errors import InputError
from symfind.kinds.field.grid.field_data import FieldData
from symfind.kinds.field.grid.jet_sample import MultiIndex

# (1 − s²)^p vanishes at the ends of the window with its derivatives up to p − 1: sums over points are then integrals to
# an accuracy that noise hides, for derivatives up to order 4.
_POWER = 10
# Half a window: as many points average noise, and more would average waves of opposite sign.
_WIDEST = {"t": 12, "space": 24}
_FEWEST_POINTS = 24


@dataclass(frozen=True)
class WeakRows:
    """One row a window: ∫ φ ∂_t^k u and ∫ φ fₗ.

    Attributes
    ----------
    target
        ``(n,)``.
    columns
        ``(n, L)``.
    terms
        The L terms fₗ as they are written in an equation.
    shaken
        What noise of the size that the data have changes in target and columns, ``(n, 1 + L)``.
    group
        The trajectory of each window, ``(n,)``.
    centres
        Where the windows are, ``(n, q)``.
    """

    target: Tensor
    columns: Tensor
    terms: tuple[str, ...]
    shaken: Tensor
    group: Tensor
    centres: Tensor


def weak_rows(field: FieldData, order: int = 1, highest: int = 4, noise: float = 0.0, seed: int = 0) -> WeakRows:
    """The rows of ∂_t^order u = Σ aₗ fₗ for fₗ = ∂^J u^m/m, |J| ≤ highest, m ≤ 3; of one component.

    Of higher powers the derivatives go up to order 3 (m = 2) and 1 (m = 3). ``noise`` is the standard deviation of that
    of the data: as much is added once more, to see what it does to the sums.

    Raises
    ------
    InputError
        There is more than one component, or an axis has fewer than 24 points.
    """
    if len(field.components) != 1:
        raise InputError(f"the weak form takes one component, there are {len(field.components)}; give the equation")
    for axis in field.axes:
        if axis.points < _FEWEST_POINTS:
            raise InputError(f"{axis.name} has {axis.points} points, the weak form needs {_FEWEST_POINTS}; give more")
    most = (highest, min(highest, 3), min(highest, 1))
    kept = [(m, index) for m in (1, 2, 3) for index in _indices(len(field.axes) - 1, most[m - 1])]
    time, *space = field.axes
    halves = [_half(axis, place == 0) for place, axis in enumerate(field.axes)]
    middles = [_middles(axis, half) for axis, half in zip(field.axes, halves, strict=True)]
    along = {k: _windows(time, middles[0], halves[0], k) for k in (0, order)}
    across = [
        [_windows(axis, middle, half, k) for k in range(highest + 1)]
        for axis, middle, half in zip(space, middles[1:], halves[1:], strict=True)
    ]

    def sums(v: Tensor) -> Tensor:
        """Target and columns ``(n, 1 + L)`` of some trajectories."""
        first = _integrals(v, [along[order], *(windows[0] for windows in across)])
        integrals = [
            _integrals(v**m / m, [along[0], *(windows[k] for windows, k in zip(across, index, strict=True))])
            for m, index in kept
        ]
        return torch.stack([first, *integrals], dim=-1)

    generator = torch.Generator().manual_seed(seed)
    rows, changes, groups = [], [], []
    for block, u in field.blocks():
        v = u[..., 0]
        found = sums(v)
        more = noise * torch.randn(v.shape, generator=generator, dtype=v.dtype)
        rows.append(found.flatten(0, 1))
        changes.append((sums(v + more) - found if noise else torch.zeros_like(found)).flatten(0, 1))
        groups.append(field.groups[block].repeat_interleave(found.shape[1]))
    centres = torch.cartesian_prod(*(axis.coordinates[m] for axis, m in zip(field.axes, middles, strict=True)))
    letters = [axis.name for axis in space]
    return WeakRows(
        target=torch.cat(rows)[:, 0],
        columns=torch.cat(rows)[:, 1:],
        shaken=torch.cat(changes),
        terms=tuple(_written(field.components[0], m, letters, index) for m, index in kept),
        group=torch.cat(groups),
        centres=centres.repeat(field.trajectories, 1),
    )


def _indices(axes: int, most: int) -> list[MultiIndex]:
    return [index for index in product(range(most + 1), repeat=axes) if sum(index) <= most]


def _half(axis: Axis, is_time: bool) -> int:
    return min(_WIDEST["t" if is_time else "space"], axis.points // 8)


def _middles(axis: Axis, half: int) -> Tensor:
    """Centres of windows, half a window apart."""
    ends = (0, axis.points) if axis.periodic else (half, axis.points - half)
    return torch.arange(ends[0], ends[1], half)


def _windows(axis: Axis, middles: Tensor, half: int, order: int) -> Tensor:
    """(−1)^k ∂^k φ at the points of each window, times the length they stand for: ``(windows, n)``.

    φ = (1 − s²)^p with s from −1 to 1 over the window.
    """
    n = axis.points
    x = axis.coordinates
    offsets = torch.arange(-half, half + 1)
    points = middles[:, None] + offsets
    if axis.periodic:
        positions = (offsets * axis.step).expand(len(middles), -1)
        lengths = torch.full_like(positions, axis.step)
    else:
        positions = x[points] - x[middles, None]
        steps = x.diff()
        padded = torch.cat([steps[:1], steps, steps[-1:]])
        lengths = ((padded[:-1] + padded[1:]) / 2)[points]
    width = positions.abs().amax(1, keepdim=True)
    powers = torch.zeros(2 * _POWER + 1, dtype=torch.float64)
    powers[::2] = torch.tensor([(-1.0) ** j * comb(_POWER, j) for j in range(_POWER + 1)], dtype=torch.float64)
    for _ in range(order):
        powers = powers[1:] * torch.arange(1, len(powers), dtype=torch.float64)
    s = positions / width
    values = (s[..., None] ** torch.arange(len(powers), dtype=torch.float64)) @ powers
    weights = (-1.0) ** order * values / width**order * lengths
    return torch.zeros((len(middles), n), dtype=torch.float64).scatter_(1, points % n, weights)


def _integrals(values: Tensor, windows: Sequence[Tensor]) -> Tensor:
    """Sums over the windows along each axis: ``(r, nt, nx[, ny]) → (r, n)``."""
    for window in windows:
        values = torch.tensordot(values, window, dims=([1], [1]))  # the axis summed over is first, its windows go last
    return values.flatten(1)


def _written(u: str, power: int, space: Sequence[str], index: MultiIndex) -> str:
    """∂^J (u^m/m) as it is written in an equation."""

    def jet(orders: MultiIndex) -> str:
        letters = "".join(name * k for name, k in zip(space, orders, strict=True))
        return f"{u}_{letters}" if letters else u

    still = (0,) * len(space)
    if power == 1:
        return jet(index)
    if index == still:
        return f"{'*'.join([u] * power)}/{power}"
    if sum(index) == 1:
        return "*".join([*[u] * (power - 1), jet(index)])
    sums: dict[tuple[str, str], int] = {}
    for part in product(*(range(k + 1) for k in index)):
        rest = tuple(k - j for k, j in zip(index, part, strict=True))
        ways = prod(comb(k, j) for k, j in zip(index, part, strict=True))
        pair = tuple(sorted((jet(part), jet(rest)), key=lambda name: (len(name), name)))
        sums[pair[0], pair[1]] = sums.get((pair[0], pair[1]), 0) + ways
    return " + ".join(f"{ways / 2:g}*{a}*{b}".removeprefix("1*") for (a, b), ways in sums.items())
