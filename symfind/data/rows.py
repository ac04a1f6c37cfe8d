"""Rows of stored arrays: what every kind of data is read as, a range of rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from symfind.data.hdf5 import dataset_at, packing_of, rows_of
from symfind.data.mapping import NEW_AXIS, Selection
from symfind.errors import InputError

_SLAB_BYTES = 2**26  # read at once when a whole file is scanned
# Roles that are points of the space or tangent to it: an array (N,) of them is N points of the line, (N, 1).
STATE_ROLES = ("x", "x_next", "dx", "x_moved")


@dataclass(frozen=True)
class StoredArray:
    """An array that a file stores: a dataset, some of its columns, or several datasets side by side.

    Attributes
    ----------
    shape
        Rows first; a state given as (N,) has become (N, 1).
    chunk_rows
        Rows of a chunk, 1 if the storage is contiguous.
    chunks_cut_rows
        Whether a row lies in several chunks, which is slow to read.
    """

    selection: Selection
    shape: tuple[int, ...]
    dtype: str
    chunk_rows: int
    chunks_cut_rows: bool

    def read(self, file: h5py.File, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``; numbers that CF conventions packed into integers are unpacked."""
        parts = [self._part(dataset_at(file, name), start, stop) for name in self.selection.datasets]
        array = parts[0] if len(parts) == 1 else np.stack(parts, axis=-1)
        if self.selection.columns is not None:
            array = array[..., list(self.selection.columns)]
        return array.reshape(stop - start, *self.shape[1:])

    def _part(self, dataset: h5py.Dataset, start: int, stop: int) -> NDArray[Any]:
        packing = packing_of(dataset)
        order = self.selection.order
        if order is None:
            return packing.unpacked(rows_of(dataset, start, stop))
        along = order[0] if order[0] != NEW_AXIS else None
        read = rows_of(dataset, start, stop, along)
        return packing.unpacked(_in_order(read, order))


def _in_order(array: NDArray[Any], order: tuple[int, ...]) -> NDArray[Any]:
    """Return the axes of an array in another order, those of length 1 made or left out."""
    kept = [axis for axis in order if axis != NEW_AXIS]
    left_out = [axis for axis in range(array.ndim) if axis not in kept]
    turned = array.transpose(*kept, *left_out)
    sizes = iter(turned.shape)
    return turned.reshape([1 if axis == NEW_AXIS else next(sizes) for axis in order])


def stored_array(file: h5py.File, role: str, selection: Selection) -> StoredArray:
    """Look up what plays ``role`` in a file; its shape is checked, no value is read."""
    datasets = [dataset_at(file, name) for name in selection.datasets]
    shape: tuple[int, ...] = tuple(datasets[0].shape)
    named = "', '".join(selection.datasets)
    if not shape:
        raise InputError(f"{file.filename}: '{named}' is a single number, expected rows; store an array")
    if any(dataset.shape != shape for dataset in datasets):
        shapes = ", ".join(str(dataset.shape) for dataset in datasets)
        raise InputError(f"{file.filename}: '{named}' have shapes {shapes}; to stand side by side they must agree")
    order = selection.order or tuple(range(len(shape)))
    chunk_rows = max(
        1 if order[0] == NEW_AXIS else (dataset.chunks or (1,) * len(shape))[order[0]] for dataset in datasets
    )
    shape = tuple(1 if axis == NEW_AXIS else shape[axis] for axis in order)
    if len(datasets) > 1:
        shape = (*shape, len(datasets))
    if selection.columns is not None:
        if len(shape) < 2 or max(selection.columns) >= shape[-1]:
            raise InputError(
                f"{file.filename}: columns {list(selection.columns)} of '{named}' are asked for, "
                f"its shape is {shape}; columns count the last axis from 0"
            )
        shape = (*shape[:-1], len(selection.columns))
    if len(shape) == 1 and role in STATE_ROLES:
        shape = (*shape, 1)
    return StoredArray(
        selection=selection,
        shape=shape,
        dtype=str(np.result_type(*(packing_of(dataset).dtype(dataset.dtype) for dataset in datasets))),
        chunks_cut_rows=any((dataset.chunks or dataset.shape)[1:] != dataset.shape[1:] for dataset in datasets),
        chunk_rows=chunk_rows,
    )


def check_finite(file: h5py.File, arrays: Mapping[str, StoredArray]) -> None:
    """Read every number once, a slab of rows at a time, and raise if one is NaN or infinite.

    Raises
    ------
    InputError
        How many there are, and the position of the first in its dataset.
    """
    bad = 0
    first = ""
    for role, array in arrays.items():
        step = max(1, _SLAB_BYTES // (8 * max(1, prod(array.shape[1:]))))
        for start in range(0, array.shape[0], step):
            values = array.read(file, start, min(start + step, array.shape[0]))
            if values.dtype.kind != "f" or is_finite(values):
                continue
            faulty = np.argwhere(~np.isfinite(values))
            bad += len(faulty)
            if not first:
                first = f"{role}[{', '.join(str(i) for i in (int(faulty[0][0]) + start, *faulty[0][1:]))}]"
    if bad:
        total = sum(prod(array.shape) for array in arrays.values())
        raise InputError(
            f"{file.filename}: {bad} of {total} numbers are NaN or infinite, the first is {first}; "
            "remove or repair these rows"
        )


def is_finite(array: NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite; one pass over them in the usual case."""
    with np.errstate(all="ignore"):  # a sum that overflows only means a closer look
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


class Rows(Protocol):
    """Rows by role, in ranges.

    Attributes
    ----------
    n_rows
        How many there are.
    shapes
        Full shape of each role's array, rows first.
    arrays
        What they are made of, as stored.
    alignment
        Rows that are cheapest read together: a chunk of the file, or a trajectory.
    messages, warnings
        What was done to the data, and what may be wrong with them, for the report.
    """

    @property
    def n_rows(self) -> int: ...  # noqa: D102
    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...  # noqa: D102
    @property
    def arrays(self) -> Mapping[str, StoredArray]: ...  # noqa: D102
    @property
    def alignment(self) -> int: ...  # noqa: D102
    @property
    def messages(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def warnings(self) -> tuple[str, ...]: ...  # noqa: D102

    def read(self, file: h5py.File, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return rows ``start:stop`` of every role."""
        ...


@dataclass(frozen=True)
class StoredRows:
    """One row of each role for every row of the file: function, map, points, and flow with dx given."""

    arrays: Mapping[str, StoredArray]
    messages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """N, the common length."""
        return self.arrays["x"].shape[0]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each role's array."""
        return {role: array.shape for role, array in self.arrays.items()}

    @property
    def alignment(self) -> int:
        """Rows of the largest chunk."""
        return max(array.chunk_rows for array in self.arrays.values())

    def read(self, file: h5py.File, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return rows ``start:stop`` of every role."""
        return {role: array.read(file, start, stop) for role, array in self.arrays.items()}


def stored_rows(file: h5py.File, arrays: Mapping[str, StoredArray]) -> StoredRows:
    """Check that the arrays pair up row by row; ``x_next`` and ``dx`` must have the shape of ``x``."""
    x = arrays["x"]
    for role, array in arrays.items():
        if array.shape[0] != x.shape[0]:
            raise InputError(
                f"{file.filename}: x has {x.shape[0]} rows, {role} has {array.shape[0]}; "
                "rows of the two belong together, store as many of each"
            )
        if role == "group" and (len(array.shape) != 1 or "int" not in array.dtype):
            raise InputError(
                f"{file.filename}: group has shape {array.shape} and dtype {array.dtype}, "
                "expected one integer label a row"
            )
        if role in STATE_ROLES and prod(array.shape) != prod(x.shape):
            raise InputError(
                f"{file.filename}: x has shape {x.shape}, {role} {array.shape}; they must have the same shape"
            )
    return StoredRows(arrays)
