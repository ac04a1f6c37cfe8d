"""Square matrices from files: HDF5 and npz with `generators`, npy; real or complex."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symfind.data.files import HDF5_SIGNATURE
from symfind.data.hdf5 import opened, translated
from symfind.data.memory import check_memory
from symfind.errors import InputError

NAME = "generators"
_FORM = f"store them as one array `{NAME}` of shape (k, d, d), real or complex"
_NPY, _ZIP = b"\x93NUMPY", b"PK"


def holds_matrices(path: Path, head: bytes) -> bool:
    """Whether a file is npy, npz, or HDF5 with a dataset of generators (a report has a group of that name)."""
    if head.startswith((_NPY, _ZIP)):
        return True
    if not head.startswith(HDF5_SIGNATURE):
        return False
    with opened(path) as file:
        return "schema" not in file.attrs and "schema" not in file


def stored_matrices(path: Path) -> NDArray[Any]:
    """The matrices ``(k, d, d)`` that a file holds, float64 or complex128.

    Raises
    ------
    InputError
        It is damaged, or holds no array of that shape; the message says what there is.
    """
    with path.open("rb") as file:
        head = file.read(8)
    array = _of_hdf5(path) if head.startswith(HDF5_SIGNATURE) else _of_numpy(path)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[1] != array.shape[2] or not array.size or array.dtype.kind not in "fiuc":
        raise InputError(f"{path}: `{NAME}` is {array.dtype} of shape {tuple(array.shape)}; {_FORM}")
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _of_hdf5(path: Path) -> NDArray[Any]:
    with opened(path) as file, translated(path, "cannot be read"):
        names = list(file)
        if NAME not in file or not hasattr(file[NAME], "shape"):
            raise InputError(f"{path}: holds {', '.join(names[:6]) or 'nothing'}, no dataset `{NAME}`; {_FORM}")
        dataset = file[NAME]
        check_memory(2 * dataset.size * dataset.dtype.itemsize, f"{path}: reading it", "give fewer matrices")
        return np.asarray(dataset[()])


def _of_numpy(path: Path) -> NDArray[Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if not hasattr(loaded, "files"):
            return np.asarray(loaded)
        with loaded:
            names = loaded.files
            if NAME not in names and len(names) != 1:
                raise InputError(f"{path}: holds {', '.join(names[:6]) or 'nothing'}, no array `{NAME}`; {_FORM}")
            return np.asarray(loaded[NAME if NAME in names else names[0]])
    except (ValueError, OSError, EOFError, KeyError, MemoryError, NotImplementedError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); {_FORM}") from None
