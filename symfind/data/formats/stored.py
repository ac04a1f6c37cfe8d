"""A file of any format as plain HDF5: itself where it is that, else a copy that lives as long as whoever reads it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py

from symfind.beside import TrialLimits, tried
from symfind.data.dimensions import role_of
from symfind.data.formats.contents import Contents, FileFormat, write_contents
from symfind.data.formats.registry import format_of
from symfind.data.formats.tables import TableRequest, table_roles
from symfind.data.hdf5 import opened
from symfind.data.scratch import scratch_folder
from symfind.errors import InputError


class StoredFile:
    """HDF5 that can be opened again and again.

    Attributes
    ----------
    source
        The file as it was named.
    path
        The HDF5 file, ``source`` itself or a copy in a folder of its own, which goes when this object does.
    notes
        What was understood of a file of another format.
    """

    def __init__(self, source: Path, contents: Contents | None = None) -> None:
        self.source = source
        self.path = source
        self.notes: tuple[str, ...] = ()
        if contents is not None:
            held = ExitStack()
            weakref.finalize(self, held.close)
            self.path = held.enter_context(scratch_folder()) / "data.h5"
            self.notes = contents.notes
            write_contents(self.path, contents)

    @contextmanager
    def opened(self) -> Iterator[h5py.File]:
        """Open it for reading; errors speak of the file that was named."""
        try:
            with opened(self.path) as file:
                yield file
        except InputError as error:
            if self.path == self.source:
                raise
            raise type(error)(str(error).replace(str(self.path), str(self.source))) from None


def stored_file(path: Path, asked: TableRequest | None = None) -> StoredFile:
    """The file at ``path`` as HDF5; of a table, the columns that play a role in what is asked.

    Parameters
    ----------
    path
        A file of one of the formats of :data:`~symfind.data.formats.registry.FILE_FORMATS`, or HDF5.
    asked
        What is asked of a table; without it, columns stay columns.

    Raises
    ------
    InputError
        It cannot be read, or a table does not say what is asked of it.
    """
    form = format_of(path)
    if form is None:
        return StoredFile(path)
    return stored_contents(read_tried(form, path), path, asked)


def read_tried(form: FileFormat, path: Path) -> Contents:
    """Read a file once it was read beside this process: what crafted bytes do to a library, they do there."""

    def read() -> None:
        form.read(path)

    if form.tried_first:
        tried(path, read, "while reading", "write the file again", TrialLimits(threads=True))
    return form.read(path)


def stored_contents(contents: Contents, path: Path, asked: TableRequest | None) -> StoredFile:
    """Contents from anywhere as HDF5; ``path`` is what they are called."""
    contents = _as_table(contents)
    if contents.table and asked is not None:
        contents = table_roles(contents, asked, str(path))
    return StoredFile(path, contents)


def _as_table(contents: Contents) -> Contents:
    """Arrays along one common axis, and no other, are the columns of a table."""
    axes = {axes for name, axes in contents.dims.items() if axes != (name,)}
    columns = [name for name, axis in contents.dims.items() if axis != (name,)]
    if len(axes) != 1 or len(next(iter(axes))) != 1 or len(columns) < 2 or set(contents.dims) != set(contents.arrays):
        return contents
    axis = next(iter(axes))[0]
    kept = [name for name in contents.arrays if name != axis or role_of(name)]
    return Contents({name: contents.arrays[name] for name in kept}, table=True, notes=contents.notes)
