"""Data that travel with symfind, so that there is something to look at wherever it is installed."""

from __future__ import annotations

from pathlib import Path

from symfind.errors import InputError

# In a wheel, and in a clone.
_FOLDERS = (Path(__file__).with_name("data"), Path(__file__).parents[2] / "sample_data")


def packaged(name: str) -> Path:
    """Where a file lies that came with symfind.

    Raises
    ------
    InputError
        It is not there.
    """
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{_FOLDERS[0] / name}: no such file; install symfind again")
