"""Folders for files that are being made; what a killed process left is removed by the next that works in its place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows removes nothing of others
    fcntl = None  # type: ignore[assignment]

# A folder whose file of this name is locked belongs to a living process, whatever its number and whichever machine.
_LOCK = ".lock"


@contextmanager
def scratch_folder(prefix: str = "symfind-", inside: Path | None = None) -> Iterator[Path]:
    """Give an empty folder that only this user can enter; it vanishes with the block.

    Parameters
    ----------
    prefix
        How its name begins. Folders of the same beginning beside it whose process was killed are removed first.
    inside
        Where it is made; the folder for temporary files (``TMPDIR``) if not given.

    Raises
    ------
    OSError
        It cannot be made.
    """
    parent = Path(tempfile.gettempdir()) if inside is None else inside
    _remove_strays(parent, prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        lock = _locked(Path(name))
        try:
            yield Path(name)
        finally:
            if lock is not None:
                os.close(lock)


def _locked(folder: Path) -> int | None:
    """Make the file of the lock appear locked: nobody sees it before."""
    if fcntl is None:
        return None
    with suppress(OSError):  # a file system without locks; then strays stay
        number = os.open(folder / f"{_LOCK}-new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / f"{_LOCK}-new").rename(folder / _LOCK)
        except OSError:
            os.close(number)
            raise
        return number
    return None


def _remove_strays(parent: Path, prefix: str) -> None:
    if fcntl is None:
        return
    with suppress(OSError):
        for entry in list(os.scandir(parent)):
            if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False):
                _remove_if_dead(Path(entry.path))


def _remove_if_dead(folder: Path) -> None:
    with suppress(OSError):  # no lock, somebody else's, or it went meanwhile
        number = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(number).st_uid == os.getuid():
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
        finally:
            os.close(number)
