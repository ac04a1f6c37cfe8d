"""From a file to rows of roles: which kind it is, which dataset plays which role, on which axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Protocol

import h5py

from symfind.data.dataset import Dataset
from symfind.data.formats.stored import stored_file
from symfind.data.formats.tables import TABLE, TableRequest
from symfind.data.hdf5 import holds, listing, root_text
from symfind.data.mapping import RoleMapping, mapping_from, read_mapping, split_words
from symfind.data.rows import StoredArray, stored_array
from symfind.errors import InputError, UsageError
from symfind.kinds.asking import asked_back
from symfind.kinds.kind import Kind, Layout
from symfind.kinds.registry import KINDS
from symfind.kinds.sources import Asked, Sources, sources_of
from symfind.names import KIND_NAMES

# Which option names the dataset of a role.
_OPTIONS = {"x": "--input", "y": "--output-name"}


def open_dataset(
    path: Path | str,
    *,
    kind: str | None = None,
    input: str | None = None,
    output_name: str | None = None,
    mapping: Path | str | RoleMapping | Mapping[str, Any] | None = None,
    grid: str | None = None,
    transpose: bool = False,
) -> Dataset:
    """Open the data in a file (docs/data.md); shapes are checked, no row of HDF5 is read but a few of a field.

    Parameters
    ----------
    path
        The file: HDF5, or any of :data:`~symfind.data.formats.registry.FILE_FORMATS`.
    kind
        Overrides the mapping's, the file's own attribute and what the names suggest, in that order.
    input, output_name
        Datasets that hold x (u of a field) and y, overriding the mapping; several between commas stand side by side,
        and ``input`` may be a group whose datasets bear the names of roles.
    mapping
        A YAML mapping: the file, its content, or what :func:`~symfind.data.mapping.mapping_from` made of it.
    grid
        The axes of a field (:func:`~symfind.data.axes.parse_grid`), overriding the mapping.
    transpose
        Whether the axes of every array are stored in reverse, rows last.

    Raises
    ------
    UsageError
        ``kind`` is no kind, or ``grid`` cannot be read or goes with another kind.
    InputError
        The file, or what it holds, cannot be used, or does not say what is asked of it; the message says what to do.
    """
    path = Path(path)
    given = _role_mapping(mapping)
    given = replace(given, grid=grid or given.grid)
    axes = _given_axes(given)
    if kind is not None:
        KINDS[kind]
    plain = bool(given.roles)  # a mapping names columns by themselves
    stored = stored_file(path, None if plain else TableRequest(kind or given.kind, input, output_name))
    with stored.opened() as file:
        if root_text(file, TABLE):  # its columns have become roles
            input = output_name = None
        stated = _stated_kind(file, kind, given)
        if axes and stated and not stated[0].first_axis:
            raise UsageError(f"--grid gives the axes of a field, and this is {stated[1]}; leave one of the two out")
        if axes and stated and stated[0].first_axis != axes[0]:
            raise UsageError(
                f"--grid begins with {axes[0]}, and this is {stated[1]}, whose axes begin with {stated[0].first_axis}"
            )
        found = sources_of(
            file, Asked(stated[0] if stated else None, input, output_name, bool(given.grid), transpose), given
        )
        given = found.given
        arrays = {role: stored_array(file, role, source) for role, source in found.roles.items()}
        present = {*arrays, *axes, *(("t",) if given.axis else ())}
        chosen, inferred = stated or _inferred_kind(file, arrays, present)
        layout = _layout(file, chosen, present)
        used = {role: array for role, array in arrays.items() if role in (*layout.roles, *layout.optional)}
        told = _told_of_unread(file, found, used, sure=stated is not None or found.asked)
        rows = layout.read(file, used, given)
        labelled = chosen.labelled(rows.shapes[chosen.input_role][1:])
        names, units, warnings = _labels(file, given, labelled, chosen.input_role)
    inferred = "; ".join([inferred, *stored.notes, *found.told, *told])
    return Dataset(stored, chosen.name, inferred, names, units, rows, (*rows.warnings, *warnings))


class ReadingOptions(Protocol):
    """What the verbs that read data are asked about them; :func:`open_dataset` says what each is."""

    @property
    def kind(self) -> str | None: ...  # noqa: D102
    @property
    def input(self) -> str | None: ...  # noqa: D102
    @property
    def output_name(self) -> str | None: ...  # noqa: D102
    @property
    def mapping(self) -> str | Mapping[str, Any] | None: ...  # noqa: D102
    @property
    def grid(self) -> str | None: ...  # noqa: D102
    @property
    def transpose(self) -> bool: ...  # noqa: D102


def open_asked(path: Path | str, options: ReadingOptions) -> Dataset:
    """:func:`open_dataset` with the options of a verb; raises what it raises."""
    return open_dataset(
        path,
        kind=options.kind,
        input=options.input,
        output_name=options.output_name,
        mapping=options.mapping,
        grid=options.grid,
        transpose=options.transpose,
    )


def _told_of_unread(file: h5py.File, found: Sources, used: Mapping[str, StoredArray], *, sure: bool) -> tuple[str, ...]:
    """What a file holds beside what is read, said aloud; asked back where it is more and nobody said what is meant."""
    largest = max(prod(array.shape) for array in used.values())
    read = {name.strip("/") for array in used.values() for name in array.selection.datasets}
    unread = [
        stored
        for stored in listing(file)
        if stored.fault is None and stored.name not in (*read, *found.axes) and prod(stored.shape) > 1
    ]
    larger = [stored for stored in unread if prod(stored.shape) > largest]
    if larger and not sure:
        shown = ", ".join(f"'{stored.name}' {stored.shape}" for stored in larger[:4])
        small = " and ".join(f"'{name}'" for name in sorted(read))
        raise InputError(
            f"{file.filename}: {small} could be read, and larger data would be left unread, {shown}"
            f"{asked_back(file.filename, larger)}"
        )
    shown = ", ".join(f"'{stored.name}'" for stored in unread[:4]) + (" and more" if len(unread) > 4 else "")
    return (f"not read: {shown}",) if unread else ()


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
    stored = next(iter(root_text(file, "kind")), None)
    origins = (
        (asked, "as asked"),
        (given.kind, "from the mapping"),
        (_gridded_kind(given, stored), "as its grid is given"),
        (stored, "by its columns" if root_text(file, TABLE) else "from the file's attribute"),
    )
    for name, origin in origins:
        if name is not None:
            known = KINDS.get(name)
            if known is None:
                raise InputError(
                    f"{file.filename}: kind '{name}' ({origin}) is none of {', '.join(KIND_NAMES())}; say which with "
                    "--kind"
                )
            return known, f"kind {name}, {origin}"
    return None


def _given_axes(given: RoleMapping) -> tuple[str, ...]:
    """Names of the axes that were given as text."""
    if not given.grid:
        return ()
    from symfind.data.axes import parse_grid  # only fields have a grid

    return tuple(source.name for source in parse_grid(given.grid))


def _gridded_kind(given: RoleMapping, stored: str | None) -> str | None:
    """Return the kind whose axes are those given; None where they are not, or the file says that kind itself."""
    if not given.grid:
        return None
    first = _given_axes(given)[0]
    named = [entry.name for entry in KINDS if entry.first_axis == first]
    return None if stored in named else named[0]


def _inferred_kind(file: h5py.File, arrays: Mapping[str, StoredArray], present: set[str]) -> tuple[Kind, str]:
    for entry in KINDS:
        if entry.recognised(arrays, present):
            return entry, f"kind {entry.name}, inferred from the names {', '.join(sorted(present))}"
    raise InputError(f"{file.filename}: no dataset 'x'; {holds(file)}{asked_back(file.filename, listing(file))}")


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
