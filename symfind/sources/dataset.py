"""Data on disk as rows of roles: x, y, x_next, dx, group, read a block at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.sources import files
from symfind.sources.hdf5 import holds, listing, opened, root_text
from symfind.sources.kinds import KINDS, Kind, Layout
from symfind.sources.mapping import (
    ROLES,
    RoleMapping,
    Selection,
    Source,
    mapping_from,
    nearest,
    read_mapping,
    split_words,
)
from symfind.sources.rows import Rows, StoredArray, check_finite, is_finite, stored_array

# A block of rows is held a few times over (as stored, as converted, in the caller's products), so it stays
# well below a gigabyte however wide a row is.
_MAX_BLOCK_BYTES = 2**27
# Which option names the dataset of a role.
_OPTIONS = {"x": "--input", "y": "--output-name"}


@dataclass(frozen=True)
class Dataset:
    """Rows of a file by role; nothing is held in memory but the declared shapes, and the axes of a field.

    Axis letters: N rows, d input dimension, k objects, m output dimension.

    Attributes
    ----------
    path
        The file.
    kind
        ``function``, ``map``, ``flow``, ``points`` or ``field``.
    inferred
        How the kind was found, in words.
    names, units
        Names of the coordinates (as many as the last axis of x, or as the variables of a field) and units (one, or
        as many), or ``None``.
    rows
        How rows are read.
    warnings
        What may be wrong with the data, for the report.
    """

    path: Path
    kind: str
    inferred: str
    names: tuple[str, ...] | None
    units: tuple[str, ...] | None
    rows: Rows
    warnings: tuple[str, ...] = ()

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
        self,
        rows: int = 8192,
        start: int = 0,
        stop: int | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield rows ``start:stop`` in order, a block at a time.

        Parameters
        ----------
        rows
            About how many rows a block has: it is rounded to whole chunks of the file, and reduced where rows
            are so wide that a block would exceed 128 MiB.
        start, stop
            Range of rows; to the end by default.
        dtype
            Of the tensors; ``group`` is always int64.

        Raises
        ------
        InputError
            A value is NaN or infinite, or too large for ``dtype``; or a block cannot be read.
        """
        with opened(self.path) as file:
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
        total = self.n_rows
        if n >= total:
            return self.take(torch.arange(total), dtype)
        drawn = torch.empty(0, dtype=torch.int64)
        if n > total // 2:
            drawn = torch.randperm(total, generator=generator)[:n]
        while len(drawn) < n:  # rejection: memory of order n, not N
            more = torch.randint(total, (n,), generator=generator)
            drawn = torch.unique(torch.cat([drawn, more]))
            if len(drawn) > n:  # by symmetry, dropping any at random leaves a uniform subset
                drawn = drawn[torch.randperm(len(drawn), generator=generator)[:n]]
        return self.take(drawn.sort().values, dtype)

    def validate(self) -> None:
        """Read every row once and raise if a number is NaN or infinite.

        Raises
        ------
        InputError
            How many there are, and the position of the first in its dataset.
        """
        with opened(self.path) as file:
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
        self,
        parts: Iterator[tuple[int, int, Any]],
        roles: tuple[str, ...],
        dtype: torch.dtype = torch.float64,
    ) -> dict[str, Tensor]:
        pieces: list[dict[str, Tensor]] = []
        with opened(self.path) as file:
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
            tensors[role] = torch.from_numpy(converted)
        return tensors


def open_dataset(
    path: Path | str,
    *,
    kind: str | None = None,
    input: str | None = None,
    output_name: str | None = None,
    mapping: Path | str | RoleMapping | Mapping[str, Any] | None = None,
    grid: str | None = None,
) -> Dataset:
    """Open the data in an HDF5 file (DESIGN §3); shapes are checked, no row is read but a few of a field.

    Parameters
    ----------
    path
        The file.
    kind
        Overrides the mapping's, the file's own attribute and what the names suggest, in that order.
    input, output_name
        Datasets that hold x (u of a field) and y, overriding the mapping.
    mapping
        A YAML mapping: the file, its content, or what :func:`~symfind.sources.mapping.mapping_from` made of it.
    grid
        The axes of a field (:func:`~symfind.sources.field_axes.parse_grid`), overriding the mapping.

    Raises
    ------
    UsageError
        ``kind`` is no kind, or ``grid`` cannot be read or goes with another kind.
    InputError
        The file, or what it holds, cannot be used; the message says what to do.
    """
    path = Path(path)
    given = _role_mapping(mapping)
    given = replace(given, grid=grid or given.grid)
    axes = _given_axes(given)
    if kind is not None and kind not in {entry.name for entry in KINDS}:
        raise UsageError(f"unknown kind '{kind}'{nearest(kind, [entry.name for entry in KINDS])}")
    with opened(path) as file:
        stated = _stated_kind(file, kind, given)
        if axes and stated and not stated[0].first_axis:
            raise UsageError(f"--grid gives the axes of a field, and this is {stated[1]}; leave one of the two out")
        if axes and stated and stated[0].first_axis != axes[0]:
            raise UsageError(
                f"--grid begins with {axes[0]}, and this is {stated[1]}, whose axes begin with {stated[0].first_axis}"
            )
        named = ((stated[0].input_role if stated else "x", input), ("y", output_name))
        given = replace(given, roles={**given.roles, **{role: Selection((name,)) for role, name in named if name}})
        arrays = _arrays(file, given.roles, stated[0].roles if stated else ROLES)
        present = {*arrays, *axes, *(("t",) if given.axis else ())}
        chosen, inferred = stated or _inferred_kind(file, arrays, present)
        layout = _layout(file, chosen, present)
        used = {role: array for role, array in arrays.items() if role in (*layout.roles, *layout.optional)}
        rows = layout.read(file, used, given)
        labelled = chosen.labelled(rows.shapes[chosen.input_role][1:])
        names, units, warnings = _labels(file, given, labelled, chosen.input_role)
    return Dataset(path, chosen.name, inferred, names, units, rows, (*rows.warnings, *warnings))


def _role_mapping(mapping: Path | str | RoleMapping | Mapping[str, Any] | None) -> RoleMapping:
    match mapping:
        case None:
            return RoleMapping()
        case RoleMapping():
            return mapping
        case str() | Path():
            return read_mapping(Path(mapping))
        case _:
            return mapping_from(dict(mapping), "mapping")


def _stated_kind(file: h5py.File, asked: str | None, given: RoleMapping) -> tuple[Kind, str] | None:
    by_name = {entry.name: entry for entry in KINDS}
    stored = next(iter(root_text(file, "kind")), None)
    origins = (
        (asked, "as asked"),
        (given.kind, "from the mapping"),
        (_gridded_kind(given, stored), "as its grid is given"),
        (stored, "from the file's attribute"),
    )
    for name, origin in origins:
        if name is not None:
            if name not in by_name:
                raise InputError(
                    f"{file.filename}: kind '{name}' ({origin}) is none of {', '.join(by_name)}; say which with --kind"
                )
            return by_name[name], f"kind {name}, {origin}"
    return None


def _given_axes(given: RoleMapping) -> tuple[str, ...]:
    """Names of the axes that were given as text."""
    if not given.grid:
        return ()
    from symfind.sources.field_axes import parse_grid  # only fields have a grid

    return tuple(source.name for source in parse_grid(given.grid))


def _gridded_kind(given: RoleMapping, stored: str | None) -> str | None:
    """Return the kind whose axes are those given; None where they are not, or the file says that kind itself."""
    if not given.grid:
        return None
    first = _given_axes(given)[0]
    named = [entry.name for entry in KINDS if entry.first_axis == first]
    return None if stored in named else named[0]


def _arrays(file: h5py.File, asked: Mapping[str, Source], roles: Collection[str]) -> dict[str, StoredArray]:
    """Return the array of each role: those asked for, and datasets at the root that bear a role's name."""
    sources = {stored.name: Selection((stored.name,)) for stored in listing(file) if stored.name in roles}
    sources |= {role: source for role, source in asked.items() if isinstance(source, Selection)}
    return {role: stored_array(file, role, source) for role, source in sources.items()}


def _inferred_kind(file: h5py.File, arrays: Mapping[str, StoredArray], present: set[str]) -> tuple[Kind, str]:
    for entry in KINDS:
        if entry.recognised(arrays, present):
            return entry, f"kind {entry.name}, inferred from the names {', '.join(sorted(present))}"
    raise InputError(f"{file.filename}: no dataset 'x'; {holds(file)}; name one with --input")


def _layout(file: h5py.File, kind: Kind, present: set[str]) -> Layout:
    if not kind.layouts:
        known = ", ".join(entry.name for entry in KINDS if entry.layouts)
        raise InputError(f"{file.filename}: data of kind {kind.name} are not read, only {known}; set --kind")
    for layout in kind.layouts:
        if present.issuperset(layout.roles):
            return layout
    missing = [role for role in kind.layouts[0].roles if role not in present]
    needed = ", or ".join(" and ".join(layout.roles) for layout in kind.layouts)
    options = {"u": "--input", "t": "--grid", "x": "--grid"} if kind.input_role == "u" else _OPTIONS
    how = " and ".join(dict.fromkeys(options.get(role, "a mapping") for role in missing))
    raise InputError(
        f"{file.filename}: kind {kind.name} needs {needed}; there is no {' and no '.join(missing)}; "
        f"{holds(file)}; name it with {how}"
    )


def _labels(
    file: h5py.File, given: RoleMapping, row: tuple[int, ...], role: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None, tuple[str, ...]]:
    """Return names and units of the coordinates, and warnings where the file's own do not fit."""
    labels: list[tuple[str, ...] | None] = []
    warnings: list[str] = []
    for key, chosen in (("names", given.names), ("units", given.units)):
        found = chosen or root_text(file, key)
        if len(found) == 1:
            found = split_words(found[0], key)
        fits = {row[-1], prod(row)} | ({1} if key == "units" else set())
        if found and len(found) not in fits:
            fault = f"{key} {', '.join(found[:8])} are {len(found)}, {role} has {row[-1]} coordinates"
            if chosen:
                raise InputError(f"{file.filename}: {fault}; give one a coordinate in the mapping")
            warnings.append(f"{fault}: not used")
            found = ()
        if len(set(found)) < len(found) and key == "names":
            warnings.append(f"names {', '.join(found[:8])} repeat: not used")
            found = ()
        labels.append(found or None)
    return labels[0], labels[1], tuple(warnings)
