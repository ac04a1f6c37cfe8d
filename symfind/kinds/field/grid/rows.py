"""u (R, nt, nx[, ny][, c]) of a file as rows: one trajectory a row, on axes that are stored or described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symfind.data.axes import AXES, Axis, AxisSource, check_increasing, closes, parse_grid, repeats_its_start
from symfind.data.hdf5 import root_text
from symfind.data.mapping import NEW_AXIS, RoleMapping, Selection
from symfind.data.rows import StoredArray, stored_array
from symfind.errors import InputError

# Whether an axis closes is asked of so many trajectories, and of no more than so many bytes of them.
_LOOKED_AT = 4
_LOOKED_AT_BYTES = 2**26
# An axis of fewer points cannot be differentiated by any of the filters.
FEWEST_POINTS = 8


@dataclass(frozen=True)
class FieldRows:
    """Trajectories of a field, each a row ``(nt, nx[, ny], c)``.

    Attributes
    ----------
    arrays
        u, and group (R,) if it is given.
    axes
        t, x[, y].
    components
        c, 1 where u has no axis for it.
    messages, warnings
        The axes, and what was inferred of them.
    """

    arrays: Mapping[str, StoredArray]
    axes: tuple[Axis, ...]
    components: int
    messages: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """R."""
        return self.arrays["u"].shape[0]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of u with all its axes, and of group."""
        u = (self.n_rows, *(axis.points for axis in self.axes), self.components)
        return {"u": u, "group": (self.n_rows,)} if "group" in self.arrays else {"u": u}

    @property
    def alignment(self) -> int:
        """Rows of the largest chunk."""
        return max(array.chunk_rows for array in self.arrays.values())

    def read(self, file: h5py.File, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return rows ``start:stop`` of u, a repeated end of a period left out, and of group."""
        read = {role: array.read(file, start, stop) for role, array in self.arrays.items()}
        u = read["u"].reshape(stop - start, *self.arrays["u"].shape[1 : 1 + len(self.axes)], self.components)
        read["u"] = u[(slice(None), *(slice(axis.points) for axis in self.axes))]
        return read


def field_rows(file: h5py.File, arrays: Mapping[str, StoredArray], given: RoleMapping) -> FieldRows:
    """Check that u and its axes belong together; a few trajectories are read to see whether an axis is periodic.

    Raises
    ------
    InputError
        u has not as many axes as there are coordinates, an axis does not increase, is not as long as u, or has too
        few points.
    """
    u = arrays["u"]
    sources = parse_grid(given.grid) if given.grid else _named_axes(file, arrays)
    if given.axis is not None:
        t = AxisSource("t", None, (given.axis.start, given.axis.start + given.axis.step * (u.shape[1] - 1)), False)
        sources = (t, *sources[1:])
    u = _with_runs(u, sources, arrays)
    arrays = {**arrays, "u": u}
    names = ", ".join(source.name for source in sources)
    lengths = u.shape[1 : 1 + len(sources)]
    if len(u.shape) - 1 - len(sources) not in (0, 1):
        wanted = ", ".join(f"n{source.name}" for source in sources)
        raise InputError(
            f"{file.filename}: u has shape {u.shape}, with the axes {names} it must be (R, {wanted}) or "
            f"(R, {wanted}, c); reshape u, or say with --grid which axes it has"
        )
    read = {source.name: _coordinates(file, source, arrays, n) for source, n in zip(sources, lengths, strict=True)}
    if "group" in arrays and (arrays["group"].shape != u.shape[:1] or "int" not in arrays["group"].dtype):
        raise InputError(
            f"{file.filename}: group has shape {arrays['group'].shape} and dtype {arrays['group'].dtype}, expected "
            f"one integer label for each of the {u.shape[0]} trajectories"
        )
    axes, messages = _closed(file, u, sources, read)
    kept = {role: array for role, array in arrays.items() if role in ("u", "group")}
    return FieldRows(kept, axes, prod(u.shape[1 + len(axes) :]), messages)


def _with_runs(u: StoredArray, sources: tuple[AxisSource, ...], arrays: Mapping[str, StoredArray]) -> StoredArray:
    """One run of a field, stored without an axis for runs, gets one: where the axes leave no other reading."""
    count = len(sources)
    lengths = [max(arrays[s.name].shape) if s.name in arrays and s.dataset == s.name else None for s in sources]
    fits = [
        len(u.shape) >= start + count
        and all(n in (None, size) for n, size in zip(lengths, u.shape[start : start + count], strict=True))
        for start in (0, 1)
    ]
    if not fits[0] or fits[1] or u.selection.columns is not None:
        return u
    order = u.selection.order or tuple(range(len(u.shape) - (len(u.selection.datasets) > 1)))
    selection = replace(u.selection, order=(NEW_AXIS, *order))
    return replace(u, selection=selection, shape=(1, *u.shape), chunk_rows=1)


def _named_axes(file: h5py.File, arrays: Mapping[str, StoredArray]) -> tuple[AxisSource, ...]:
    """Return the axes that the file holds under their names, periodic where its attribute says so."""
    stated = {word for text in root_text(file, "periodic") for word in text.replace(",", " ").split()}
    names = [name for name in AXES if name == "t" or name in arrays]
    return tuple(AxisSource(name, name, None, (name in stated) if stated else None) for name in names)


def _coordinates(file: h5py.File, source: AxisSource, arrays: Mapping[str, StoredArray], n: int) -> Tensor:
    name = source.name
    if n < FEWEST_POINTS:
        raise InputError(
            f"{file.filename}: u has {n} points along {name}, at least {FEWEST_POINTS} are needed to differentiate; "
            "give a finer grid"
        )
    if source.dataset is None:
        return source.coordinates(n)
    stored = arrays.get(name) if source.dataset == name else None
    stored = stored or stored_array(file, name, Selection((source.dataset,)))
    shape = stored.shape[:-1] if stored.shape[-1:] == (1,) and len(stored.shape) > 1 else stored.shape
    if shape[-1] != n or len(shape) > 2 or (len(shape) == 2 and prod(shape) > 2**24):
        raise InputError(
            f"{file.filename}: {name} has shape {shape}, u has {n} points along {name}; "
            f"they must match, so store {name} with {n} values, or give its ends with --grid"
        )
    values = torch.from_numpy(stored.read(file, 0, stored.shape[0]).astype(np.float64)).reshape(-1, n)
    check_increasing(values[0], name, file.filename)
    # Steps of rounded decimals differ by less; anything else is another grid.
    if (values - values[0]).abs().max() > 1e-4 * values[0].diff().min():
        raise InputError(
            f"{file.filename}: {name} differs between trajectories, which are read on one grid; "
            "write those of each grid to a file of their own"
        )
    return values[0]


def _closed(
    file: h5py.File, u: StoredArray, sources: tuple[AxisSource, ...], read: Mapping[str, Tensor]
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    """Return the axes, with what the data say of their ends."""
    rows = min(_LOOKED_AT, u.shape[0], max(1, _LOOKED_AT_BYTES // (8 * prod(u.shape[1:]))))
    looked_at: Tensor | None = None
    axes = [Axis("t", read["t"], False)]
    messages = [str(axes[0])]
    for place, source in enumerate(sources[1:], start=2):
        coordinates = read[source.name]
        periodic, how = source.periodic, "as stated"
        even = Axis(source.name, coordinates, False).even
        if periodic and not even:
            raise InputError(
                f"{file.filename}: {source.name} is periodic but its steps differ; interpolate u to an even grid, or "
                f"call it open with --grid"
            )
        if periodic is not False and even and source.span is None:
            if looked_at is None:
                values = np.nan_to_num(u.read(file, 0, rows).astype(np.float64))  # told where the rows are read
                looked_at = torch.from_numpy(values)
            if repeats_its_start(looked_at, place):
                periodic, coordinates = True, coordinates[:-1]
                how = "its last point is the first again and is left out"
            elif periodic is None:
                periodic, how = closes(looked_at, place), "as its ends show"
        axis = Axis(source.name, coordinates, bool(periodic))
        axes.append(axis)
        messages.append(f"{axis}, {how}" if periodic else str(axis))
    return tuple(axes), tuple(messages)
