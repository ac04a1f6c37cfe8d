"""HDF5 files, opened as what they are: input written by somebody else.

The one module that calls h5py to read. A path inside a file is followed link by link, so that nothing outside
the file is ever touched; what cannot be read is an :class:`~symfind.errors.InputError` of one line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, prod
from pathlib import Path
from typing import Any

# "::" stops HDF5 from loading filter plugins (shared libraries) that a file asks for. It is read when the
# library starts, hence before the import; a user who wants a plugin sets the variable first.
os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")

import h5py
import numpy as np
from numpy.typing import NDArray

from symfind.beside import tried
from symfind.data.files import check_regular, state_of
from symfind.errors import InputError

# What h5py raises for the different faults of a file (missing filter, broken link, bad type, corrupt chunk …).
_FAULTS = (
    OSError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
    NotImplementedError,
    OverflowError,
    MemoryError,
    IndexError,
)
_MAX_SOFT_LINKS = 16  # a chain of soft links longer than any person writes is a loop
_MAX_LISTED = 2000  # a listing is for people and for inference: beyond this it helps neither
_MAX_CHUNK_BYTES = 2**30  # HDF5 holds a whole chunk in memory; a tiny compressed file can declare a huge one
_READABLE = "fiub"  # numpy's letters for real, signed, unsigned and Boolean numbers


@dataclass(frozen=True)
class StoredDataset:
    """One dataset of a file as the file declares it, none of its values read.

    Attributes
    ----------
    name
        Path inside the file, without the leading ``/``.
    shape, dtype
        As declared; ``dtype`` in numpy's words.
    chunks, compression
        Chunk shape and filter, ``None`` for contiguous or plain storage.
    fault
        Why it cannot be used, ``None`` if it can.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...] | None
    compression: str | None
    fault: str | None


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open the HDF5 file at ``path`` for reading.

    Raises
    ------
    InputError
        Missing, a directory, empty, not HDF5, truncated, or locked by a writer.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; check the path")
    if path.is_dir():
        raise InputError(f"{path}: a directory, expected an HDF5 file; name a file inside it")
    check_regular(path)
    with translated(path, "cannot be opened"):
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes), expected HDF5; write or copy it again")
        with path.open("rb"):  # permission faults in the system's own words
            pass
        if not h5py.is_hdf5(path):
            raise InputError(f"{path}: not an HDF5 file; convert it with h5py (layout in docs/data.md)")
        _survives(path, state_of(path))
        file = h5py.File(path, "r")
    try:
        yield file
    finally:
        file.close()


@lru_cache(maxsize=64)  # a file is opened for every pass over its rows
def _survives(path: Path, state: tuple[int, ...] | None) -> None:
    """Go through all that says what a file holds beside this process: the library loops or crashes on some damage."""
    del state  # of which the answer is

    def looked_through() -> None:
        with suppress(*_FAULTS), h5py.File(path, "r") as file:
            for key in list(file.attrs):
                with suppress(*_FAULTS):
                    file.attrs[key]
            listing(file)

    tried(path, looked_through, "looking through it", "write the file again")


@contextmanager
def translated(path: Path, action: str) -> Iterator[None]:
    """Turn whatever h5py raises inside the block into one line: ``path: action (reason)``."""
    try:
        yield
    except _FAULTS as error:
        reason = " ".join(str(error).split()).strip("'\"") or type(error).__name__
        raise InputError(f"{path}: {action} ({reason}); {_remedy(reason)}") from None


def _remedy(reason: str) -> str:
    for sign, remedy in (
        ("truncated", "the file is cut short, copy it again"),
        ("unable to lock", "it is open for writing elsewhere, close it there"),
        ("ermission denied", "allow this user to read it"),
        ("filter", "rewrite it with the gzip filter, or plain"),
    ):
        if sign in reason:
            return remedy
    return "the file is damaged or not plain HDF5, write it again"


def dataset_at(file: h5py.File, name: str) -> h5py.Dataset:
    """Return the dataset stored under the path ``name``, checked to be numbers that lie inside the file.

    Raises
    ------
    InputError
        No such path (the message lists what is there), a group, or a fault of :func:`fault_of`.
    """
    path = Path(file.filename)
    with translated(path, f"dataset '{name}' cannot be opened"):
        found = _follow(file, name)
        if found is None:
            raise InputError(f"{path}: no dataset '{name}'; {holds(file)}")
        if not isinstance(found, h5py.Dataset):
            raise InputError(f"{path}: '{name}' is a group, expected a dataset; {holds(file)}")
        fault = fault_of(found)
    if fault:
        raise InputError(f"{path}: dataset '{name}' {fault}")
    return found


def _follow(file: h5py.File, name: str, links: int = 0) -> Any:
    """Return the object at ``name``, or None; link types are looked at before anything is opened."""
    if links > _MAX_SOFT_LINKS:
        raise InputError(f"{file.filename}: '{name}' runs through a loop of soft links; name the data itself")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    here: Any = file
    for depth, part in enumerate(parts):
        key = part.encode()
        if not isinstance(here, h5py.Group) or not here.id.links.exists(key):
            return None
        kind = here.id.links.get_info(key).type
        if kind == h5py.h5l.TYPE_SOFT:
            target = here.id.links.get_val(key).decode()
            if not target.startswith("/"):
                target = f"{here.name}/{target}"
            return _follow(file, "/".join([target, *parts[depth + 1 :]]), links + 1)
        if kind != h5py.h5l.TYPE_HARD:
            raise InputError(
                f"{file.filename}: '{name}' is an external link to another file, which is not followed; "
                "copy the data into this file"
            )
        here = here[part]
    return here


def fault_of(dataset: h5py.Dataset) -> str | None:
    """Say why a dataset cannot be used, with the remedy; None if it can. No value is read."""
    if dataset.is_virtual:
        return "is virtual (assembled from other files), which is not followed; copy the data into this file"
    if dataset.external:
        return "lies in external raw storage, which is not followed; copy the data into this file"
    dtype = dataset.dtype
    if dtype.kind not in _READABLE:
        return f"has dtype {dtype}, expected real or integer numbers; store it as float64"
    if dataset.shape is None or dataset.size == 0:
        return f"is empty (shape {dataset.shape}); write at least one row"
    if dataset.id.get_storage_size() == 0:
        return f"was declared with shape {dataset.shape} but never written; write its rows"
    if dataset.chunks is not None:
        if prod(dataset.chunks) * dtype.itemsize > _MAX_CHUNK_BYTES:
            return f"has chunks of shape {dataset.chunks}, above 1 GiB; store it in smaller chunks of rows"
        declared = prod(ceil(n / c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
        written = dataset.id.get_num_chunks()
        if written < declared:  # HDF5 would hand out zeros for the rest
            return f"has {written} of {declared} chunks written; write the other rows or shrink it to those there"
    return None


def listing(file: h5py.File) -> tuple[StoredDataset, ...]:
    """List the datasets of a file by path, those that cannot be used with their fault."""
    found: list[StoredDataset] = []
    with translated(Path(file.filename), "cannot be listed"):
        _list(file, file, "", set(), found)
    return tuple(found)


def _list(file: h5py.File, group: h5py.Group, prefix: str, seen: set[Any], found: list[StoredDataset]) -> None:
    for key in group:
        if len(found) >= _MAX_LISTED:
            return
        name = f"{prefix}{key}"
        hard = group.id.links.get_info(key.encode()).type == h5py.h5l.TYPE_HARD
        try:
            child = _follow(file, name)
            if isinstance(child, h5py.Dataset):
                found.append(_declared(name, child))
        except (InputError, *_FAULTS) as error:
            found.append(StoredDataset(name, (), "unknown", None, None, " ".join(str(error).split())))
            continue
        if isinstance(child, h5py.Group) and hard:
            address = h5py.h5o.get_info(child.id).addr
            if address not in seen:  # hard links may form a loop
                seen.add(address)
                _list(file, child, f"{name}/", seen, found)


def _declared(name: str, dataset: h5py.Dataset) -> StoredDataset:
    return StoredDataset(
        name=name,
        shape=tuple(dataset.shape or ()),
        dtype=str(dataset.dtype),
        chunks=dataset.chunks,
        compression=dataset.compression,
        fault=fault_of(dataset),
    )


def holds(file: h5py.File) -> str:
    """Say in a few words which datasets a file holds, for the end of an error."""
    names = [f"'{stored.name}'" for stored in listing(file)]
    if not names:
        return "the file holds no datasets"
    rest = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"the file holds {', '.join(names[:12])}{rest}"


@dataclass(frozen=True)
class Packing:
    """v = scale · stored + offset, and which stored number stands for none (CF conventions, section 8.1)."""

    scale: float = 1.0
    offset: float = 0.0
    missing: float | None = None

    def dtype(self, stored: Any) -> Any:
        """The type of what is unpacked from numbers of the type ``stored``."""
        return stored if self == Packing() else np.dtype(np.float64)

    def unpacked(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return v, NaN where there is none."""
        if self == Packing():
            return stored
        values = self.scale * stored.astype(np.float64) + self.offset
        if self.missing is not None:
            values[stored == self.missing] = np.nan
        return values


def packing_of(dataset: h5py.Dataset) -> Packing:
    """How the numbers of a dataset are packed, as its attributes say; plain where they say nothing."""
    scale, offset = (_number(dataset, key) for key in ("scale_factor", "add_offset"))
    missing = _number(dataset, "_FillValue")
    if missing is None:
        missing = _number(dataset, "missing_value")
    if missing is not None and np.isnan(missing):
        missing = None  # stands for itself
    return Packing(1.0 if scale is None else scale, 0.0 if offset is None else offset, missing)


def _number(dataset: h5py.Dataset, key: str) -> float | None:
    with translated(Path(dataset.file.filename), f"the attribute '{key}' of '{dataset.name}' cannot be read"):
        value = dataset.attrs.get(key)
    array = np.asarray(value)
    return float(array.ravel()[0]) if array.size == 1 and array.dtype.kind in _READABLE else None


def rows_of(dataset: h5py.Dataset, start: int, stop: int, axis: int | None = 0) -> NDArray[Any]:
    """Return rows ``start:stop`` along an axis (all of it for None) as a writable array of the machine's own format."""
    with translated(Path(dataset.file.filename), f"rows {start}:{stop} of '{dataset.name}' cannot be read"):
        read = np.asarray(dataset[()] if axis is None else dataset[(*(slice(None),) * axis, slice(start, stop))])
    native = read.dtype.newbyteorder("=")
    if native.kind == "f" and native.itemsize > 8:  # long double: torch has none
        native = np.dtype(np.float64)
    return read.astype(native, copy=False)


def root_text(file: h5py.File, key: str) -> tuple[str, ...]:
    """Return a text attribute of the root as its strings; empty if it is absent or not text."""
    with translated(Path(file.filename), f"its attribute '{key}' cannot be read"):
        value = file.attrs.get(key)
    if not isinstance(value, (str, bytes, np.ndarray)):
        return ()
    entries = np.atleast_1d(np.asarray(value, dtype=object)).ravel().tolist()
    words = [entry.decode(errors="replace") if isinstance(entry, bytes) else entry for entry in entries]
    return tuple(words) if all(isinstance(word, str) for word in words) else ()


def write(path: Path, datasets: Mapping[str, NDArray[Any]], attributes: Mapping[str, str | tuple[str, ...]]) -> None:
    """Write arrays in chunks of rows (2 MiB, what reads fastest) with text attributes at the root.

    The same arrays give the same bytes. ``path`` is written in place: wrap it in
    :func:`symfind.data.files.appearing_whole`. The file is made in memory first: the library cannot close a file on a
    disk that is full, and takes the process with it.

    Raises
    ------
    OSError
        There is no room.
    """
    # Grown by 4 MiB at a time, so that memory is a little more than the arrays twice.
    with h5py.File(path, "w", track_order=True, driver="core", backing_store=False, block_size=2**22) as file:
        for key, value in attributes.items():
            file.attrs[key] = value if isinstance(value, str) else np.array(value, dtype=h5py.string_dtype())
        for name, array in datasets.items():
            rows = min(len(array), max(1, 2**21 // max(1, array[:1].nbytes)))
            file.create_dataset(name, data=array, chunks=(rows, *array.shape[1:]), track_times=False)
        file.flush()
        content = file.id.get_file_image()
    path.write_bytes(content)


@contextmanager
def growing(path: Path, chunks: int, numbers: int) -> Iterator[h5py.File]:
    """Give a new HDF5 file that is written chunk by chunk, after room for all chunks of so many numbers was found.

    Raises
    ------
    OSError
        There is no room.
    """
    size = chunks * (8 * numbers + 4096) + 2**20  # with a header a chunk, and the tree that finds them
    room = path.with_name(f"{path.name[:40]}-room")
    with room.open("wb") as held:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(held.fileno(), 0, max(1, size))
    room.unlink()
    with h5py.File(path, "w") as file:
        yield file
