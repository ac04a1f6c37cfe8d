"""Rows of pairs of fields: x (N, [c,] n₁[, n₂]) and y on the same grid, channels before the grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symfind.data.axes import AXES, Axis, AxisSource, check_increasing, closes, parse_grid
from symfind.data.hdf5 import root_text
from symfind.data.mapping import RoleMapping, Selection
from symfind.data.rows import StoredArray, stored_array, stored_rows
from symfind.errors import InputError

# Axes shorter than this are channels where the file gives no grid, and cannot be differentiated where it does.
FEWEST_POINTS = 8
# Whether an axis closes is asked of so many rows.
_LOOKED_AT = 16


@dataclass(frozen=True)
class OperatorRows:
    """Pairs of fields, each a row ``(c, n₁[, n₂])``.

    Attributes
    ----------
    arrays
        x, y, and group (N,) if it is given.
    axes
        x[, y] of the grid that both fields live on.
    channels
        (c, c′) of x and of y, 1 where there is no axis for it.
    messages, warnings
        What was understood of the axes.
    """

    arrays: Mapping[str, StoredArray]
    axes: tuple[Axis, ...]
    channels: tuple[int, int]
    messages: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """N."""
        return self.arrays["x"].shape[0]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes with an axis of channels."""
        grid = tuple(axis.points for axis in self.axes)
        out = {role: (self.n_rows, c, *grid) for role, c in zip(("x", "y"), self.channels, strict=True)}
        return {**out, "group": (self.n_rows,)} if "group" in self.arrays else out

    @property
    def alignment(self) -> int:
        """Rows of the largest chunk."""
        return max(array.chunk_rows for array in self.arrays.values())

    def read(self, file: h5py.File, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return rows ``start:stop`` of every role."""
        read = {role: array.read(file, start, stop) for role, array in self.arrays.items()}
        for role in ("x", "y"):
            read[role] = read[role].reshape(stop - start, *self.shapes[role][1:])
        return read


def operator_rows(file: h5py.File, arrays: Mapping[str, StoredArray], given: RoleMapping) -> OperatorRows:
    """Tell channels from space, and check that x and y lie on one grid.

    Raises
    ------
    InputError
        The shapes do not go with the axes, the grids of x and y differ, an axis does not increase or is too short.
    """
    kept = {role: array for role, array in arrays.items() if role in ("x", "y", "group")}
    stored_rows(file, kept)  # as many rows of each
    sources = _sources(file, arrays, given)
    count, understood = _dimension(file, arrays, sources)
    x, y = (arrays[role].shape[1:] for role in ("x", "y"))
    grid = x[-count:]
    for role, row in (("x", x), ("y", y)):
        if len(row) not in (count, count + 1):
            raise InputError(
                f"{file.filename}: {role} has shape {arrays[role].shape}; on a grid of {count} axes it must be "
                f"(N, {_words(count)}) or (N, c, {_words(count)}), channels before the grid"
            )
    if y[-count:] != grid:
        raise InputError(
            f"{file.filename}: x lies on a grid of {_times(grid)} points, y on one of {_times(y[-count:])} (shapes "
            f"{arrays['x'].shape} and {arrays['y'].shape}); interpolate both to one grid, channels before the grid"
        )
    axes, told = [], [understood] if understood else []
    if sources is None:
        sources = _unit_square(grid)
        told.append("no coordinates are stored: the longer side runs from −1 to 1; give others with --grid")
    for place, (source, n) in enumerate(zip(sources, grid, strict=False)):
        axis, how = _axis(file, source, arrays, n, place - count)
        axes.append(axis)
        told.append(how)
    channels = tuple(row[0] if len(row) > count else 1 for row in (x, y))
    return OperatorRows(kept, tuple(axes), (channels[0], channels[1]), tuple(told))


def _sources(file: h5py.File, arrays: Mapping[str, StoredArray], given: RoleMapping) -> tuple[AxisSource, ...] | None:
    if given.grid:
        return parse_grid(given.grid)
    stated = {word for text in root_text(file, "periodic") for word in text.replace(",", " ").split()}
    names = [name for name in AXES[1:] if f"grid_{name}" in arrays]
    if not names:
        return None
    return tuple(AxisSource(name, f"grid_{name}", None, (name in stated) if stated else None) for name in names)


def _dimension(
    file: h5py.File, arrays: Mapping[str, StoredArray], sources: tuple[AxisSource, ...] | None
) -> tuple[int, str]:
    """Return the number of axes of the grid, and how it was understood where nothing states it."""
    if sources is not None:
        return len(sources), ""
    row = arrays["x"].shape[1:]
    if len(row) not in (1, 2, 3):
        raise InputError(
            f"{file.filename}: x has shape {arrays['x'].shape}, pairs of fields are (N, n), (N, c, n), (N, n₁, n₂) or "
            "(N, c, n₁, n₂); reshape x, or say with --grid which axes it has"
        )
    if len(row) == 2:
        few, many = sorted(row)
        if row[0] < FEWEST_POINTS <= row[1]:
            return 1, f"the axis of {few} is read as channels of a line of {many} points; if it is space, give --grid"
        if few < FEWEST_POINTS:
            raise InputError(
                f"{file.filename}: x has shape {arrays['x'].shape}, of which channels and space cannot be told; put "
                "channels before the grid, or say with --grid which axes it has"
            )
    return min(len(row), 2), ""


def _axis(
    file: h5py.File, source: AxisSource, arrays: Mapping[str, StoredArray], n: int, place: int
) -> tuple[Axis, str]:
    """Return one axis with what the data say of its ends."""
    name = source.name
    if n < FEWEST_POINTS:
        raise InputError(
            f"{file.filename}: the fields have {n} points along {name}, at least {FEWEST_POINTS} are needed to "
            "differentiate; give a finer grid, channels before it"
        )
    coordinates = _coordinates(file, source, arrays, n)
    even = Axis(name, coordinates, False).even
    periodic, how = source.periodic, "as stated"
    if periodic and not even:
        raise InputError(
            f"{file.filename}: {name} is periodic but its steps differ; interpolate the fields to an even grid, or "
            "call it open with --grid"
        )
    if periodic is None:
        some = min(_LOOKED_AT, arrays["x"].shape[0])
        values = [torch.from_numpy(arrays[r].read(file, 0, some).astype(np.float64)).nan_to_num() for r in ("x", "y")]
        periodic, how = even and all(closes(v, v.dim() + place) for v in values), "as its ends show"
        if periodic and source.span is not None:
            coordinates = AxisSource(name, None, source.span, True).coordinates(n)
    axis = Axis(name, coordinates, bool(periodic))
    return axis, f"{axis}, {how}" if periodic else str(axis)


def _coordinates(file: h5py.File, source: AxisSource, arrays: Mapping[str, StoredArray], n: int) -> Tensor:
    if source.dataset is None:
        return source.coordinates(n)
    name = source.dataset
    stored = arrays.get(name) or stored_array(file, source.name, Selection((name,)))
    shape = tuple(size for size in stored.shape if size != 1)
    if shape != (n,):
        raise InputError(
            f"{file.filename}: {name} has shape {stored.shape}, the fields have {n} points along {source.name}; store "
            f"{n} coordinates, or give the ends with --grid"
        )
    values = torch.from_numpy(stored.read(file, 0, stored.shape[0]).astype(np.float64)).reshape(n)
    check_increasing(values, name, file.filename)
    return values


def _unit_square(grid: tuple[int, ...]) -> tuple[AxisSource, ...]:
    """Axes that are stated nowhere: centred, one step along both, the longer from −1 to 1."""
    longest = max(grid)
    return tuple(
        AxisSource(name, None, (-n / longest, n / longest), None) for name, n in zip(AXES[1:], grid, strict=False)
    )


def _words(count: int) -> str:
    return ", ".join(("nx", "ny")[:count])


def _times(grid: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in grid)
