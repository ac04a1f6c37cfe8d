"""NetCDF 4 whose variables lie along one common axis: a table, its axis a column as well."""

from __future__ import annotations

from pathlib import Path

import h5py

from symfind.data.dimensions import Variable, variables
from symfind.data.formats.contents import Contents
from symfind.data.hdf5 import dataset_at, opened, packing_of, rows_of
from symfind.data.memory import check_memory


def are_columns(path: Path, head: bytes) -> bool:
    """Whether an HDF5 file holds several variables along one common axis, and nothing else."""
    if not head.startswith(b"\x89HDF"):
        return False
    try:
        with h5py.File(path, "r") as file:
            return bool(_columns(file))
    except Exception:  # whatever is wrong with it is told where it is read as HDF5
        return False


def _columns(file: h5py.File) -> tuple[Variable, ...]:
    found = variables(file)
    along = {tuple(axis.name for axis in v.axes) for v in found}
    return found if len(along) == 1 and len(next(iter(along))) == 1 and len(found) > 1 else ()


def columns_of(path: Path) -> Contents:
    """Read the variables, and their axis where it has coordinates that are no mere count."""
    with opened(path) as file:
        found = _columns(file)
        check_memory(16 * sum(v.shape[0] for v in found), f"{path}: reading it", "write fewer rows")
        axis = found[0].axes[0]
        names = [*((axis.name,) if axis.stored and axis.role else ()), *(v.name for v in found)]
        order = [name for name in file if name in names]  # in the order of the file
        datasets = {name: dataset_at(file, name) for name in order}
        arrays = {n: packing_of(d).unpacked(rows_of(d, 0, d.shape[0])) for n, d in datasets.items()}
    return Contents(arrays, table=True)
