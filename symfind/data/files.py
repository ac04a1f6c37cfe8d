"""Files on their way in and out: standard input, digest, and a file that appears only when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from symfind.data.scratch import scratch_folder
from symfind.errors import InputError, SymfindError, UsageError

# How an HDF5 file starts, and the root attribute ``format`` of a network that symfind wrote into one.
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
CHECKPOINT_FORMAT = "symfind.sequential/1"


@contextmanager
def readable(source: str | Path, stream: BinaryIO | None = None) -> Iterator[Path]:
    """Give a path that can be opened for ``source``, where ``-`` is standard input.

    HDF5 and zip archives are read at random, so standard input and pipes are first copied to a temporary file, removed
    at the end of the block.

    Parameters
    ----------
    source
        A path, or ``-``.
    stream
        What ``-`` stands for; standard input by default.

    Raises
    ------
    InputError
        It is a device, standard input is empty, or there is no room for the copy; or the file changed in the block.
    """
    piped = str(source) == "-"
    if not piped and not is_pipe(Path(source)):
        before = state_of(Path(source))
        yield Path(source)
        if state_of(Path(source)) != before:
            raise InputError(f"{source}: changed while it was read; run again when whoever writes it has finished")
        return
    name = "standard input" if piped else str(source)
    with scratch_folder() as folder:
        spooled = folder / "standard-input"
        try:
            with spooled.open("wb") as out:
                if not piped:
                    with Path(source).open("rb") as pipe:
                        shutil.copyfileobj(pipe, out)
                else:
                    shutil.copyfileobj(stream if stream is not None else sys.stdin.buffer, out)
        except OSError as error:
            raise InputError(
                f"{name}: cannot be copied to {folder} ({error.strerror}); make room there or set TMPDIR"
            ) from None
        if spooled.stat().st_size == 0:
            raise InputError(f"{name} is empty; pipe a file into it, or name one instead")
        try:
            yield spooled
        except SymfindError as error:  # the copy means nothing to whoever piped the file
            text = str(error).replace(f"discover {spooled}", "discover -")  # a command to type
            error.args = (text.replace(str(spooled), name),)
            raise


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe.

    Raises
    ------
    InputError
        It is a device or a socket, which cannot be read at random and may not end.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever opens it says what is wrong
        return False
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISFIFO(mode)):
        raise InputError(f"{path}: is a device, neither a file nor a pipe; name a file")
    return stat.S_ISFIFO(mode)


def check_regular(path: Path) -> None:
    """Refuse what is no file but would be waited for, as a pipe that nobody writes to.

    Raises
    ------
    InputError
        It is a pipe, a device or a socket.
    """
    if is_pipe(path):
        raise InputError(f"{path}: is a pipe, expected a file; write it to a file first")


def state_of(path: Path) -> tuple[int, ...] | None:
    """What tells whether a file is written to: its number, size and time of change; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


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
    old = _to_be_replaced(path)
    beside = old is None or stat.S_ISREG(old.st_mode)
    # What /dev/stdout leads to has a name that cannot be opened.
    target = path.resolve() if beside else path
    with ExitStack() as stack:
        try:
            # A name of 255 bytes leaves no room for more.
            inside = target.parent if beside else None
            folder = stack.enter_context(scratch_folder(f".{target.name[:40]}-", inside))
        except OSError as error:
            raise _cannot_be_written(path, error) from None
        part = folder / target.name
        try:
            yield part
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise _cannot_be_written(path, error) from None
            raise
        try:
            if beside:
                _replace(target, part, old)
            else:
                with part.open("rb") as source, target.open("wb", buffering=0) as out:
                    shutil.copyfileobj(source, out)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _cannot_be_written(path, error) from None


# No room, a limit of the size of files, a quota, a fault of the disk.
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)


def _cannot_be_written(path: Path, error: Exception) -> InputError:
    # A circle of links is a RuntimeError before Python 3.13.
    reason = getattr(error, "strerror", None) or "its links lead in a circle"
    what = "make room" if getattr(error, "errno", None) in _NO_ROOM else "check the folder"
    return InputError(f"{path}: cannot be written ({reason}); {what}")


def _to_be_replaced(path: Path) -> os.stat_result | None:
    """What is at ``path`` now; raises InputError where it cannot be written."""
    try:
        old = path.stat() if path.exists() else None  # ValueError: a NUL in the name
        if old is not None and stat.S_ISDIR(old.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if old is not None and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise _cannot_be_written(path, error) from None
    return old


def _replace(target: Path, part: Path, old: os.stat_result | None) -> None:
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
    taken = {name: resolved(Path(path)) for name, path in inputs.items() if path and _is_file(path)}
    for name, path in outputs.items():
        target = resolved(Path(path))
        for other, there in taken.items():
            if target == there or (_is_file(path) and there.exists() and target.samefile(there)):
                raise UsageError(f"{name} {path}: is the same file as {other}; choose another {name}")
        if not target.exists() or target.is_file():
            taken[name] = target


def resolved(path: Path) -> Path:
    """Where links lead; the path itself where they lead in a circle, which writing refuses."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path.absolute()


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long for a name, or not one
        return False
