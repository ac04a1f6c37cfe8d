"""A file of any format as HDF5 in the layout of docs/data.md."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from symfind.data.dataset import Dataset
from symfind.data.files import appearing_whole, readable
from symfind.data.formats.contents import Array
from symfind.data.hdf5 import write
from symfind.data.memory import check_memory
from symfind.kinds.field.grid.rows import FieldRows
from symfind.kinds.maps.rows import TrajectoryRows
from symfind.kinds.operator.rows import OperatorRows
from symfind.kinds.reading import open_asked
from symfind.options.of_files import ConvertOptions


def convert(options: ConvertOptions, to: Path) -> str:
    """Write what discover would read, under the names of the roles; return what that is, in words.

    Raises
    ------
    InputError
        The file cannot be used, does not say what is asked of it, or does not fit into memory.
    """
    with readable(options.source) as path:
        dataset = open_asked(path, options)
        size = 8 * sum(prod(shape) for shape in dataset.shapes.values())
        check_memory(2 * size, f"{options.source}: converting it", "convert it in parts")
        arrays, periodic = _arrays(dataset)
        attributes: dict[str, str | tuple[str, ...]] = {"kind": dataset.kind}
        attributes |= {k: v for k, v in (("names", dataset.names), ("units", dataset.units)) if v is not None}
        attributes |= {"periodic": periodic} if periodic else {}
        with appearing_whole(to) as part:
            write(part, arrays, attributes)
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    return f"{dataset.inferred}; {shapes}"


def _arrays(dataset: Dataset) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Arrays by role with the axes that they lie on, and which of those are periodic."""
    rows = dataset.rows
    with dataset.stored.opened() as file:
        if isinstance(rows, FieldRows):
            arrays = rows.read(file, 0, rows.n_rows)
        else:
            arrays = {role: array.read(file, 0, array.shape[0]) for role, array in rows.arrays.items()}
    if isinstance(rows, TrajectoryRows) and rows.axis is not None:
        arrays["t"] = rows.axis.start + rows.axis.step * np.arange(rows.length)
    axes = rows.axes if isinstance(rows, FieldRows | OperatorRows) else ()
    prefix = "grid_" if isinstance(rows, OperatorRows) else ""
    # An axis that is stored is written with what was read of it; its name is the role.
    arrays |= {f"{prefix}{axis.name}": axis.coordinates.numpy() for axis in axes}
    return arrays, tuple(axis.name for axis in axes if axis.periodic)
