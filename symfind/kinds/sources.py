"""Which datasets of a file play which role, and in which order their axes are read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from math import prod

import h5py

from symfind.data.dimensions import field_layout, scales
from symfind.data.hdf5 import StoredDataset, dataset_at, listing
from symfind.data.mapping import RoleMapping, Selection
from symfind.errors import InputError
from symfind.kinds.asking import groups_of_roles
from symfind.kinds.kind import Kind
from symfind.kinds.registry import KINDS

# Roles that are one number a row, or an axis: an axis of length 1 beside it says nothing.
_FLAT = ("t", "group")


@dataclass(frozen=True)
class Asked:
    """What the user said: the kind if it is known, --input, --output-name, whether --grid is given, --transpose."""

    kind: Kind | None
    input: str | None
    output_name: str | None
    gridded: bool
    transpose: bool


@dataclass(frozen=True)
class Sources:
    """What plays which role.

    Attributes
    ----------
    roles
        Role ↦ datasets and the order of their axes.
    given
        The mapping, with what the file says of names and kind.
    axes
        Datasets that are axes of others, which are not data.
    asked
        Whether the user, or the names of the axes, said what is read.
    told
        What was understood, a line each.
    """

    roles: Mapping[str, Selection]
    given: RoleMapping
    axes: frozenset[str]
    asked: bool
    told: tuple[str, ...] = field(default=())


def sources_of(file: h5py.File, asked: Asked, given: RoleMapping) -> Sources:
    """Return the datasets of each role: those asked for, those that named axes tell, else those that bear its name.

    Raises
    ------
    InputError
        Roles are held by several groups, or fields lie on several grids, and nothing says which is meant.
    """
    known = asked.kind.roles if asked.kind else frozenset(role for entry in KINDS for role in entry.roles)
    axes = scales(file)
    wants_field = asked.kind is None or asked.kind.input_role == "u"
    if axes and wants_field and not given.roles and not asked.output_name and not asked.transpose:
        layout = field_layout(file, asked.input)
        if layout is not None:
            roles = layout.roles if not asked.gridded else {"u": layout.roles["u"]}
            units = given.units or (layout.units if given.names in (None, layout.names) else ())
            given = replace(given, names=given.names or layout.names or None, units=units or None)
            return Sources(roles, given, axes, True, (layout.told,))
    datasets = listing(file)
    prefix, told = _group(file, asked, datasets, known)
    roles = {
        stored.name[len(prefix) :]: Selection((stored.name,))
        for stored in datasets
        if stored.name.startswith(prefix) and stored.name[len(prefix) :] in known and stored.name not in axes
    }
    named = {} if prefix else _named(datasets, asked)
    roles |= {role: source for role, source in given.roles.items() if isinstance(source, Selection)} | named
    roles |= {} if roles else _only_one(datasets, asked, axes)
    roles = {role: _ordered(file, role, source, asked.transpose) for role, source in roles.items()}
    labels = next((s.datasets for s in roles.values() if len(s.datasets) > 1), ())
    if labels and given.names is None:
        given = replace(given, names=tuple(name.rpartition("/")[2] for name in labels))
    told += tuple(f"{role} is {_shown(source)}" for role, source in roles.items() if source.datasets != (role,))
    return Sources(roles, given, axes, bool(named or given.roles or prefix), told)


def _named(datasets: tuple[StoredDataset, ...], asked: Asked) -> dict[str, Selection]:
    """What --input and --output-name name, several datasets between commas."""
    role = asked.kind.input_role if asked.kind else "x"
    known = {stored.name for stored in datasets}
    named = ((role, asked.input), ("y", asked.output_name))
    return {role: Selection(_parts(text, known)) for role, text in named if text}


def _parts(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The names in a list; a name that has a comma itself is one."""
    if text.strip("/") in known or "," not in text:
        return (text,)
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _group(
    file: h5py.File, asked: Asked, datasets: tuple[StoredDataset, ...], known: frozenset[str]
) -> tuple[str, tuple[str, ...]]:
    """Return what stands before the names of roles: the group that --input names, the only one there is, or nothing."""
    held = dict(groups_of_roles([stored.name for stored in datasets if stored.fault is None], known))
    if asked.input is not None:
        group = asked.input.strip("/")
        return (f"{group}/", (f"the group '{group}'",)) if group in held else ("", ())
    if any("/" not in stored.name and stored.name in known for stored in datasets) or not held:
        return "", ()
    if len(held) > 1:
        shown = ", or ".join(f"--input {group} (its {', '.join(roles)})" for group, roles in list(held.items())[:6])
        raise InputError(f"{file.filename}: {len(held)} groups hold data; say which: {shown}")
    group = next(iter(held))
    return f"{group}/", (f"the group '{group}', the only one that holds {' and '.join(held[group])}",)


def _only_one(datasets: tuple[StoredDataset, ...], asked: Asked, axes: frozenset[str]) -> dict[str, Selection]:
    """A file of one array: what it is needs no name, where the kind or the grid was said."""
    usable = [stored for stored in datasets if stored.name not in axes and prod(stored.shape) > 1]
    if len(usable) != 1 or (asked.kind is None and not asked.gridded):
        return {}
    return {asked.kind.input_role if asked.kind else "u": Selection((usable[0].name,))}


def _ordered(file: h5py.File, role: str, source: Selection, transpose: bool) -> Selection:
    """The axes in reverse where the user, or MATLAB's own attribute, says that rows are last."""
    if source.order is not None:
        return source
    dataset = dataset_at(file, source.datasets[0])
    from_matlab = "MATLAB_class" in dataset.attrs
    if not (from_matlab or transpose) or dataset.ndim < 2:
        return source
    long = [axis for axis, n in enumerate(dataset.shape) if n > 1]
    if from_matlab and (role in _FLAT or (role == "y" and dataset.ndim == 2)) and len(long) == 1:
        return replace(source, order=tuple(long))
    return replace(source, order=tuple(reversed(range(dataset.ndim))))


def _shown(source: Selection) -> str:
    names = ", ".join(source.datasets[:12]) + (" …" if len(source.datasets) > 12 else "")
    return f"'{names}'"
