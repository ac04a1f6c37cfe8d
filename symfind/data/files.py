"""Files on their way in and out: standard input, digest, and a file that appears only when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from symfind.errors import InputError, SymfindError, UsageError

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
            text = str(error).replace(f"discover {spooled}", "discover -")  # a command to type
            raise type(error)(text.replace(str(spooled), "standard input")) from error


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal, read piece by piece."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None


@contextmanager
def appearing_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path; what is written there takes the name ``path`` at the end of the block, or vanishes.

    The one way in which files are written. A link is followed, and the file that it names is replaced, which keeps
    its mode and, where the system allows it, its owner. A device or a pipe is never replaced: it is written to, after
    the block.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written, or ``path`` is a folder or a file that may not be written.
    """
    try:
        old = path.stat() if path.exists() else None
        # What /dev/stdout leads to has a name that cannot be opened.
        target = path.resolve() if old is None or stat.S_ISREG(old.st_mode) else path
        if old is not None and not stat.S_ISDIR(old.st_mode) and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if old is not None and stat.S_ISDIR(old.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        beside = old is None or stat.S_ISREG(old.st_mode)
        folder = tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent if beside else None)
    # A circle of links is a RuntimeError before Python 3.13.
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its links lead in a circle"
        raise InputError(f"{path}: cannot be written ({reason}); check the folder") from None
    with folder as name:
        part = Path(name) / target.name
        yield part
        if not beside:
            with part.open("rb") as source, target.open("wb", buffering=0) as out:
                shutil.copyfileobj(source, out)
            return
        if old is not None:
            part.chmod(stat.S_IMODE(old.st_mode))
            if (part.stat().st_uid, part.stat().st_gid) != (old.st_uid, old.st_gid):
                with suppress(PermissionError):  # only root gives files away
                    os.chown(part, old.st_uid, old.st_gid)
                    part.chmod(stat.S_IMODE(old.st_mode))  # which giving away may have narrowed
        part.replace(target)


def check_apart(outputs: Mapping[str, str], inputs: Mapping[str, str]) -> None:
    """Refuse outputs that would destroy an input, or one another, whatever names and links lead there.

    Parameters
    ----------
    outputs, inputs
        Name of the option ↦ path. A path that is no file there, a device or a pipe is no input to destroy.

    Raises
    ------
    UsageError
        Two are the same file.
    """
    taken = {name: Path(path).resolve() for name, path in inputs.items() if path and _is_file(path)}
    for name, path in outputs.items():
        target = Path(path).resolve()
        for other, there in taken.items():
            if target == there or (_is_file(path) and there.exists() and target.samefile(there)):
                raise UsageError(f"{name} {path}: is the same file as {other}; choose another {name}")
        if not target.exists() or target.is_file():
            taken[name] = target


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long for a name, or not one
        return False
