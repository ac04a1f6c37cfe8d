"""Files on their way in and out: standard input, digest, and a file that appears only when it is whole."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from symfind.errors import InputError, SymfindError

# How an HDF5 file starts, and the root attribute ``format`` of a network that symfind wrote into one.
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
CHECKPOINT_FORMAT = "symfind.sequential/1"


@contextmanager
def readable(source: str | Path, stream: BinaryIO | None = None) -> Iterator[Path]:
    """Give a path that can be opened for ``source``, where ``-`` is standard input.

    HDF5 and zip archives are read at random, so standard input is first copied to a temporary file, removed at
    the end of the block.

    Parameters
    ----------
    source
        A path, or ``-``.
    stream
        What ``-`` stands for; standard input by default.
    """
    if str(source) != "-":
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="symfind-") as folder:
        spooled = Path(folder) / "standard-input"
        with spooled.open("wb") as out:
            shutil.copyfileobj(stream if stream is not None else sys.stdin.buffer, out)
        if spooled.stat().st_size == 0:
            raise InputError("standard input is empty; pipe a file into it, or name one instead of '-'")
        try:
            yield spooled
        except SymfindError as error:  # the copy means nothing to whoever piped the file
            raise type(error)(str(error).replace(str(spooled), "standard input")) from error


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal, read piece by piece."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None


@contextmanager
def appearing_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; it takes that name at the end of the block, or vanishes on an error.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); check the folder") from None
    with folder as name:
        part = Path(name) / path.name
        yield part
        part.replace(path)
