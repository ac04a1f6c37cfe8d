"""Data on disk as rows of roles: x, y, x_next, dx, group, read a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symfind.data import files
from symfind.data.formats.stored import StoredFile
from symfind.data.rows import Rows, check_finite, is_finite
from symfind.errors import InputError

# A block of rows is held a few times over (as stored, as converted, in the caller's products), so it stays
# well below a gigabyte however wide a row is.
# Numbers of a block of narrow rows: what is done once a block (links, chunks, a call of Python) is then a hundredth.
_BLOCK_NUMBERS = 2**19
_MAX_BLOCK_BYTES = 2**27


# Squares of quadratic invariants, times their inverse: double precision ends at 1e308.
_LARGEST = 1e70


@dataclass(frozen=True)
class Dataset:
    """Rows of a file by role; nothing is held in memory but the declared shapes, and the axes of a field.

    Axis letters: N rows, d input dimension, k objects, m output dimension.

    Attributes
    ----------
    stored
        The file, or its copy as HDF5.
    kind
        ``function``, ``map``, ``flow``, ``points`` or ``field``.
    inferred
        How the kind was found and what is read as what, in words.
    names, units
        Names of the coordinates (as many as the last axis of x, or as the variables of a field) and units (one, or
        as many), or ``None``.
    rows
        How rows are read.
    warnings
        What may be wrong with the data, for the report.
    """

    stored: StoredFile
    kind: str
    inferred: str
    names: tuple[str, ...] | None
    units: tuple[str, ...] | None
    rows: Rows
    warnings: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file as it was named."""
        return self.stored.source

    @property
    def n_rows(self) -> int:
        """N."""
        return self.rows.n_rows

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Full shape of each role's array, N first."""
        return dict(self.rows.shapes)

    @property
    def messages(self) -> tuple[str, ...]:
        """What was inferred and done to the data, a line each."""
        return (self.inferred, *self.rows.messages)

    @property
    def groups(self) -> Tensor | None:
        """Integer label of each row (N,), rows of one label belonging together; ``None`` if all are independent."""
        if "group" not in self.rows.shapes:
            return None
        return self._collect(((start, stop, slice(None)) for start, stop in self._ranges(2**16)), ("group",))["group"]

    def sha256(self) -> str:
        """Return the digest of the whole file, in hexadecimal."""
        return files.sha256(self.path)

    def blocks(
        self, rows: int | None = None, start: int = 0, stop: int | None = None, dtype: torch.dtype = torch.float64
    ) -> Iterator[dict[str, Tensor]]:
        """Yield rows ``start:stop`` in order, a block at a time.

        Parameters
        ----------
        rows
            About how many rows a block has: it is rounded to whole chunks of the file, and reduced where rows
            are so wide that a block would exceed 128 MiB. By default 8,192, and more of narrow rows: 4 MiB.
        start, stop
            Range of rows; to the end by default.
        dtype
            Of the tensors; ``group`` is always int64.

        Raises
        ------
        InputError
            A value is NaN or infinite, or too large for ``dtype``; or a block cannot be read.
        """
        width = sum(prod(shape[1:]) for shape in self.rows.shapes.values())
        rows = rows or max(8192, _BLOCK_NUMBERS // max(1, width))
        with self.stored.opened() as file:
            for first, end in self._ranges(rows, start, stop):
                yield self._tensors(self.rows.read(file, first, end), dtype)

    def take(self, index: Tensor, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        """Return the rows with the given numbers, ascending ``(n,)``; repeats are allowed.

        Raises
        ------
        ValueError
            The numbers are not ascending or not rows of the file.
        """
        number = index.numpy()
        if number.size == 0 or np.any(np.diff(number) < 0) or number[0] < 0 or number[-1] >= self.n_rows:
            raise ValueError(f"row numbers must ascend and lie in 0 … {self.n_rows - 1}")

        def parts() -> Iterator[tuple[int, int, NDArray[Any]]]:
            for start, stop in self._ranges(8192):
                low, high = np.searchsorted(number, (start, stop))
                if low < high:
                    inside = number[low:high]
                    yield int(inside[0]), int(inside[-1]) + 1, inside - inside[0]

        return self._collect(parts(), tuple(self.rows.shapes), dtype)

    def sample(self, n: int, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        """Return n rows drawn uniformly without replacement, in the order of the file; all rows if n ≥ N."""
        return self.take(self.drawn(n, generator), dtype)

    def drawn(self, n: int, generator: torch.Generator) -> Tensor:
        """Numbers of n rows drawn uniformly without replacement, ascending; all if n ≥ N."""
        total = self.n_rows
        if n >= total:
            return torch.arange(total)
        drawn = torch.empty(0, dtype=torch.int64)
        if n > total // 2:
            drawn = torch.randperm(total, generator=generator)[:n]
        while len(drawn) < n:  # rejection: memory of order n, not N
            more = torch.randint(total, (n,), generator=generator)
            drawn = torch.unique(torch.cat([drawn, more]))
            if len(drawn) > n:  # by symmetry, dropping any at random leaves a uniform subset
                drawn = drawn[torch.randperm(len(drawn), generator=generator)[:n]]
        return drawn.sort().values

    def validate(self) -> None:
        """Read every row once and raise if a number is NaN or infinite.

        Raises
        ------
        InputError
            How many there are, and the position of the first in its dataset.
        """
        with self.stored.opened() as file:
            check_finite(file, self.rows.arrays)

    def _ranges(self, rows: int, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield consecutive ranges that break at multiples of the alignment."""
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        width = 8 * sum(prod(shape[1:]) for shape in self.rows.shapes.values())
        most = max(1, _MAX_BLOCK_BYTES // max(1, width))
        align = self.rows.alignment
        step = max(1, rows // align) * align
        if step > most:
            step = max(1, most // align) * align if align <= most else most
        while start < stop:
            end = min(stop, (start // step + 1) * step)
            yield start, end
            start = end

    def _collect(
        self, parts: Iterator[tuple[int, int, Any]], roles: tuple[str, ...], dtype: torch.dtype = torch.float64
    ) -> dict[str, Tensor]:
        pieces: list[dict[str, Tensor]] = []
        with self.stored.opened() as file:
            for start, stop, chosen in parts:
                read = self.rows.read(file, start, stop)
                pieces.append(self._tensors({role: read[role][chosen] for role in roles}, dtype))
        return {role: torch.cat([piece[role] for piece in pieces]) for role in roles}

    def _tensors(self, read: Mapping[str, NDArray[Any]], dtype: torch.dtype) -> dict[str, Tensor]:
        # Converted by numpy, in this thread: what is read is small, and threads of torch would only wait for it.
        target = torch.empty(0, dtype=dtype).numpy().dtype
        tensors: dict[str, Tensor] = {}
        for role, array in read.items():
            if role == "group":
                tensors[role] = torch.from_numpy(array.astype(np.int64))
                continue
            with np.errstate(over="ignore"):  # told below, with its remedy
                converted = np.ascontiguousarray(array, dtype=target)
            if not is_finite(converted):
                self.validate()
                raise InputError(f"{self.path}: {role} has numbers too large for {dtype}; use --dtype float64")
            if converted.size and max(float(converted.max()), -float(converted.min())) > _LARGEST:
                raise InputError(
                    f"{self.path}: {role} has numbers beyond {_LARGEST:g}, whose squares double precision does not "
                    "hold; store it in units in which it is of size 1"
                )
            tensors[role] = torch.from_numpy(converted)
        return tensors
