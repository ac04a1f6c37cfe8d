"""Tables of pandas and Arrow: Parquet and Feather by pyarrow, pandas' HDF5 by h5py alone.

pandas and PyTables unpickle attributes of the file that they read, which can run any program: here a pickle is read
by an interpreter that knows no classes.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from symfind.data.formats.contents import Array, Contents
from symfind.data.hdf5 import opened, translated
from symfind.data.memory import check_memory
from symfind.errors import InputError

# Columns of Parquet unpack to about as much as they were packed from, tenfold where they repeat.
_UNPACKED = 10


def read_arrow(path: Path) -> Contents:
    """Read the columns of a Parquet or Feather file; those without numbers as texts."""
    try:
        import pyarrow as arrow
        from pyarrow import feather, parquet
    except ImportError:
        raise InputError(
            f"{path}: reading it needs pyarrow, which is not installed; pip install 'symfind[formats]', or save it as "
            "CSV"
        ) from None
    check_memory(_UNPACKED * path.stat().st_size, f"{path}: reading it", "write fewer rows, or HDF5")
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        table = (
            parquet.read_table(path, use_threads=False)
            if is_parquet
            else feather.read_table(path, memory_map=False, use_threads=False)
        )
    except (arrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read ({reason}); write it again") from None
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    return Contents({name: _column(table.column(name).to_numpy()) for name in names}, table=True)


def _column(values: Array) -> Array:
    if values.dtype.kind in "fiub":
        return values
    if values.dtype.kind in "mM":
        return np.asarray(values, dtype=str)
    return np.asarray([str(value) for value in values.tolist()], dtype=str)


def is_pandas(path: Path, head: bytes) -> bool:
    """Whether an HDF5 file is one that pandas wrote."""
    if not head.startswith(b"\x89HDF"):
        return False
    try:
        with h5py.File(path, "r") as file:
            return bool(_frames(file)) and all("pandas_type" in group.attrs for group in _groups(file).values())
    except (OSError, RuntimeError, KeyError, ValueError):
        return False  # reading it says what is wrong


def read_pandas(path: Path) -> Contents:
    """Read the frame of a file by ``DataFrame.to_hdf``, of the fixed or the table format.

    Raises
    ------
    InputError
        It holds several frames, or none.
    """
    with opened(path) as file, translated(path, "the frame cannot be read"):
        frames = _frames(file)
        if len(frames) > 1:
            raise InputError(
                f"{path}: holds the frames {', '.join(frames)}, and one is read; write the one you mean to a "
                "file of its own"
            )
        group = _groups(file)[frames[0]]
        held = {name: child for name, child in _own(group).items() if isinstance(child, h5py.Dataset)}
        check_memory(2 * sum(d.nbytes for d in held.values()), f"{path}: reading it", "write fewer rows")
        columns = dict(_table_columns(held, group.attrs) if "table" in held else _fixed_columns(held, group.attrs))
    if not columns:
        raise InputError(f"{path}: the frame '{frames[0]}' has no columns of numbers; store one that has")
    return Contents(columns, table=True)


def _own(group: h5py.Group) -> dict[str, Any]:
    """What lies in a group itself: a link to another file is not followed, nor are data stored outside."""
    held = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
    found = {name: group[name] for name in held}
    return {n: c for n, c in found.items() if not (isinstance(c, h5py.Dataset) and (c.is_virtual or c.external))}


def _groups(file: h5py.File) -> dict[str, h5py.Group]:
    return {name: child for name, child in _own(file).items() if isinstance(child, h5py.Group)}


def _frames(file: h5py.File) -> list[str]:
    """Names of the groups at the root that hold a frame or a series."""
    found = {name: child.attrs.get("pandas_type") for name, child in _groups(file).items()}
    kinds = (b"frame", b"frame_table", b"series", b"series_table", b"appendable_frame")
    return [name for name, kind in found.items() if isinstance(kind, bytes | str) and np.bytes_(kind) in kinds]


def _fixed_columns(group: Mapping[str, h5py.Dataset], attributes: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Blocks of columns of one type, with their names beside them, in the order of the frame."""
    if "values" in group:  # a series
        yield "values", np.asarray(group["values"])
        return
    found: dict[str, Array] = {}
    for i in range(int(attributes.get("nblocks", 0))):
        values = np.asarray(group[f"block{i}_values"])
        if values.dtype.kind not in "fiub":
            continue  # text is stored as a pickle
        found |= zip(_names(group[f"block{i}_items"]), values.T if values.ndim == 2 else [values], strict=True)
    order = [name for name in _names(group["axis0"]) if name in found]
    yield from ((name, found[name]) for name in order)


def _table_columns(group: Mapping[str, h5py.Dataset], attributes: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Fields of the rows of a table; a field of several columns has their names in a pickled list of texts."""
    table = group["table"]
    stored = np.asarray(table)
    found: dict[str, Array] = {}
    for field in stored.dtype.names or ():
        if field == "index":
            continue
        values = stored[field]
        names = _unpickled_names(table.attrs.get(f"{field}_kind")) or [field]
        columns = values.reshape(len(values), -1).T
        if columns.dtype.kind in "fiub" and len(names) == len(columns):
            found |= zip(names, columns, strict=True)
    # The order of the frame stands in a pickle as well: [(1, [name, …])].
    stored_order = _unpickled(attributes.get("non_index_axes"))
    order = stored_order[0][1] if _is_order(stored_order) else list(found)
    yield from (
        (name, found[name]) for name in sorted(found, key=lambda n: order.index(n) if n in order else len(order))
    )


def _is_order(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 1
        and isinstance(value[0], tuple | list)
        and len(value[0]) == 2
        and isinstance(value[0][1], list)
    )


def _names(dataset: h5py.Dataset) -> list[str]:
    values = np.asarray(dataset).ravel().tolist()
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]


class _PlainPickle(pickle.Unpickler):
    """A pickle of numbers, texts and lists of these: whatever would import something is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside")


def _unpickled_names(value: Any) -> list[str]:
    names = _unpickled(value)
    return [str(name) for name in names] if isinstance(names, list) else []


def _unpickled(value: Any) -> Any:
    """What a pickle of plain values holds; None for any other."""
    data = value.tobytes() if isinstance(value, np.ndarray | np.void) else value
    data = bytes(data) if isinstance(data, bytes | np.bytes_) else None
    if data is None:
        return None
    try:
        return _PlainPickle(io.BytesIO(data)).load()
    except Exception:  # a malformed pickle raises whatever it leads to
        return None
