"""Rows of images: (N, C, H, W) whatever the order in which they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from symfind.data.rows import StoredArray, StoredRows, stored_rows
from symfind.errors import InputError

# Grey, grey and alpha, red-green-blue, red-green-blue-alpha: an axis of more entries is one of pixels.
_MOST_CHANNELS = 4
# Smaller images have no inside.
SMALLEST_SIDE = 5


@dataclass(frozen=True)
class ImageRows:
    """x as (N, C, H, W); other roles as they are stored.

    Attributes
    ----------
    stored
        The rows of the file.
    last
        Whether channels are the last axis of the file.
    messages
        What was understood of the axes.
    """

    stored: StoredRows
    last: bool
    messages: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """N."""
        return self.stored.n_rows

    @property
    def arrays(self) -> Mapping[str, StoredArray]:
        """As stored."""
        return self.stored.arrays

    @property
    def alignment(self) -> int:
        """Rows of the largest chunk."""
        return self.stored.alignment

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each role's array, channels before pixels."""
        n, *row = self.stored.shapes["x"]
        if len(row) == 2:
            row = [1, *row]
        elif self.last:
            row = [row[2], row[0], row[1]]
        return {**self.stored.shapes, "x": (n, *row)}

    def read(self, file: h5py.File, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return rows ``start:stop`` of every role."""
        read = self.stored.read(file, start, stop)
        x = read["x"]
        if self.last:
            x = np.moveaxis(x, -1, 1)
        return {**read, "x": x.reshape(stop - start, *self.shapes["x"][1:])}


def image_rows(file: h5py.File, arrays: Mapping[str, StoredArray]) -> ImageRows:
    """Find the axis of channels and check that images are large enough and labels are one number each."""
    stored = stored_rows(file, arrays)
    shape = arrays["x"].shape
    if len(shape) not in (3, 4):
        raise InputError(
            f"{file.filename}: x has shape {shape}, images are (N, C, H, W), (N, H, W, C) or (N, H, W); reshape it"
        )
    row = shape[1:]
    # Channels are few and pixels are many; where both readings fit, they come first as documented.
    first = len(row) == 3 and row[0] <= _MOST_CHANNELS and min(row[1:]) >= SMALLEST_SIDE
    last = len(row) == 3 and row[2] <= _MOST_CHANNELS and min(row[:2]) >= SMALLEST_SIDE and not first
    height, width = row[:2] if last else row[-2:]
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"{file.filename}: images of {height} × {width} pixels, expected at least {SMALLEST_SIDE} × "
            f"{SMALLEST_SIDE}; check the order of the axes of x, {shape}"
        )
    if "y" in arrays and len(arrays["y"].shape) != 1:
        raise InputError(f"{file.filename}: labels y have shape {arrays['y'].shape}, expected one number an image")
    told = "one channel"
    if len(row) == 3:
        order = "last, (N, H, W, C)" if last else "first, (N, C, H, W)"
        count = row[2] if last else row[0]
        told = f"{count} channel{'s' if count > 1 else ''} {order}"
    return ImageRows(stored, last, (f"images of {height} × {width} pixels, {told}",))
