"""What a file of any format holds: named arrays, with the names of their axes where the format has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Contents:
    """Arrays by name.

    Attributes
    ----------
    arrays
        Numbers; of a table, columns of one length, among them texts.
    dims
        Names of the axes of an array.
    attributes
        Of an array, such as its ``units``.
    named
        Of a table: whether the names of its columns are its own.
    table
        Whether the arrays are columns, one row of each belonging together.
    root
        Attributes of the whole.
    notes
        What was left out or understood, a line each.
    """

    arrays: Mapping[str, Array]
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    table: bool = False
    named: bool = True
    root: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileFormat:
    """A format of files.

    Attributes
    ----------
    name
        As people call it.
    endings
        By which it is recognised where its first bytes do not tell.
    signature
        First bytes → whether they are those of such a file.
    read
        File → contents.
    needs
        The module that reads it, beyond what symfind needs anyhow.
    about
        What such a file is read as, for the documentation.
    tried_first
        Whether all of reading is done beside this process first: no bytes of a text can crash who reads it, those of
        others may; of an archive only the loading is, after it was audited.
    """

    name: str
    endings: tuple[str, ...]
    read: Callable[[Path], Contents]
    about: str
    signature: Callable[[Path, bytes], bool] = lambda path, head: False
    needs: str = ""
    tried_first: bool = True


def unnamed_columns(array: Array) -> dict[str, Array]:
    """Columns of (N, d) by the names c1 … cd."""
    return {f"c{i + 1}": array[:, i] for i in range(array.shape[1])}


def write_contents(path: Path, contents: Contents) -> None:
    """Write arrays as datasets of those names; named axes become dimension scales, as NetCDF 4 has them."""
    with h5py.File(path, "w", track_order=True) as file:
        for key, value in contents.root.items():
            file.attrs[key] = np.array(value, dtype=h5py.string_dtype()) if isinstance(value, tuple) else value
        for name, array in contents.arrays.items():
            if array.dtype.kind not in "fiub":
                continue
            rows = min(len(array), max(1, 2**21 // max(1, array[:1].nbytes))) if array.ndim else 0
            chunks = (rows, *array.shape[1:]) if rows and array.size else None
            dataset = file.create_dataset(name, data=array, chunks=chunks, track_times=False)
            for key, value in contents.attributes.get(name, {}).items():
                dataset.attrs[key] = value
        _attach(file, contents)


def _attach(file: h5py.File, contents: Contents) -> None:
    lengths = {
        axis: n
        for name, axes in contents.dims.items()
        if name in file
        for axis, n in zip(axes, file[name].shape, strict=True)
    }
    for axis, n in lengths.items():
        if axis not in file:
            # An axis without coordinates is a dataset that was never written, as the NetCDF library does it.
            file.create_dataset(axis, shape=(n,), dtype="f4", track_times=False)
        if contents.dims.get(axis, (axis,)) == (axis,):
            file[axis].make_scale(axis)
    for name, axes in contents.dims.items():
        if name in file and name not in axes:
            for place, axis in enumerate(axes):
                if h5py.h5ds.is_scale(file[axis].id):
                    file[name].dims[place].attach_scale(file[axis])
