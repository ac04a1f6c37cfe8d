"""Weights kept in an HDF5 file, as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from symfind.data import hdf5
from symfind.errors import InputError

# Weights of more numbers fit in no memory that a network is used in (16 GiB): a declared size, not a real one.
_MOST_NUMBERS = 2**31


def stored_tensor(file: Any, name: str) -> Tensor:
    """Return the dataset ``name`` of an open file as a tensor in its own dtype.

    Raises
    ------
    InputError
        Missing, outside the file, not floating-point, never written, not finite, or beyond any memory.
    """
    dataset = hdf5.dataset_at(file, name)
    if dataset.dtype.kind != "f":
        raise InputError(f"{file.filename}: weights '{name}' have dtype {dataset.dtype}; expected float32 or float64")
    if dataset.size > _MOST_NUMBERS or dataset.ndim == 0:
        raise InputError(f"{file.filename}: weights '{name}' have shape {dataset.shape}; no layer has such weights")
    array = hdf5.rows_of(dataset, 0, len(dataset))
    finite = np.isfinite(array)
    if not finite.all():
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(
            f"{file.filename}: weights '{name}' hold {int((~finite).sum())} values that are not finite, the first at "
            f"{first}; train or export the model again"
        )
    return torch.from_numpy(array)
