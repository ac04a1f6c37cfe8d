"""Axes that a file names: NetCDF 4 and what xarray writes, told by their dimension scales and CF attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from symfind.data.hdf5 import dataset_at, listing, translated
from symfind.data.mapping import NEW_AXIS, Selection
from symfind.errors import InputError

# What an axis is, by the attributes of CF conventions (section 4), else by its name.
_BY_AXIS = {"T": "t", "X": "x", "Y": "y", "Z": "z"}
_BY_STANDARD_NAME = {
    "time": "t",
    "longitude": "x",
    "projection_x_coordinate": "x",
    "grid_longitude": "x",
    "latitude": "y",
    "projection_y_coordinate": "y",
    "grid_latitude": "y",
    "altitude": "z",
    "height": "z",
    "depth": "z",
    "realization": "run",
}
_BY_NAME = {
    "t": ("t", "time", "times"),
    "x": ("x", "lon", "longitude", "xc", "nx", "position"),
    "y": ("y", "lat", "latitude", "yc", "ny"),
    "z": ("z", "lev", "level", "height", "depth", "altitude", "plev"),
    "run": ("run", "runs", "ensemble", "member", "realization", "number", "trajectory", "sample", "batch", "case"),
    "component": ("component", "components", "channel", "channels", "variable", "var"),
}
_EAST, _NORTH = ("degrees_east", "degree_east"), ("degrees_north", "degree_north")
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"


@dataclass(frozen=True)
class NamedAxis:
    """An axis of an array: its name, what it is (t, x, y, z, run, component or nothing known), its coordinates."""

    name: str
    role: str
    stored: bool
    units: str


@dataclass(frozen=True)
class Variable:
    """An array whose axes have names, and its unit, if it is told."""

    name: str
    axes: tuple[NamedAxis, ...]
    shape: tuple[int, ...]
    units: str = ""

    @property
    def roles(self) -> tuple[str, ...]:
        """What its axes are."""
        return tuple(axis.role for axis in self.axes)


@dataclass(frozen=True)
class FieldLayout:
    """A field as the axes say: where u and its axes are, what their names are, and their units, as many."""

    roles: Mapping[str, Selection]
    names: tuple[str, ...]
    units: tuple[str, ...]
    told: str


def scales(file: h5py.File) -> frozenset[str]:
    """Names of the datasets that are nothing but axes of others."""
    with translated(Path(file.filename), "its dimension scales cannot be read"):
        return frozenset(
            stored.name
            for stored in listing(file)
            if stored.dtype != "unknown" and _is_scale(file[stored.name])  # what cannot be opened is told of elsewhere
        )


def _is_scale(dataset: Any) -> bool:
    return isinstance(dataset, h5py.Dataset) and h5py.h5ds.is_scale(dataset.id)


def variables(file: h5py.File) -> tuple[Variable, ...]:
    """The arrays of numbers whose axes have names, largest first."""
    found: list[Variable] = []
    with translated(Path(file.filename), "its dimension scales cannot be read"):
        for stored in listing(file):
            if stored.fault is not None or not stored.shape:
                continue
            dataset = dataset_at(file, stored.name)
            if _is_scale(dataset) or not any(len(dimension) for dimension in dataset.dims):
                continue
            axes = tuple(_axis(dataset, place) for place in range(dataset.ndim))
            found.append(Variable(stored.name, axes, stored.shape, _text(dataset.attrs.get("units"))))
    return tuple(sorted(found, key=lambda v: (-_size(v.shape), v.name)))


def _size(shape: Sequence[int]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _axis(dataset: h5py.Dataset, place: int) -> NamedAxis:
    dimension = dataset.dims[place]
    if not len(dimension):
        return NamedAxis(f"axis {place}", "", False, "")
    scale = dimension[0]
    name = str(scale.name).lstrip("/")
    text = {key: _text(scale.attrs.get(key)) for key in ("axis", "standard_name", "units", "NAME")}
    written = scale.id.get_storage_size() > 0 and not text["NAME"].startswith(_NO_VARIABLE) and scale.ndim == 1
    return NamedAxis(name, _role(name.rpartition("/")[2], text), written, text["units"])


def _role(name: str, text: Mapping[str, str]) -> str:
    if text["axis"].upper() in _BY_AXIS:
        return _BY_AXIS[text["axis"].upper()]
    if text["standard_name"] in _BY_STANDARD_NAME:
        return _BY_STANDARD_NAME[text["standard_name"]]
    if " since " in text["units"]:
        return "t"
    if text["units"] in _EAST:
        return "x"
    if text["units"] in _NORTH:
        return "y"
    return role_of(name)


def role_of(name: str) -> str:
    """What an axis of that name is: t, x, y, z, run or component; empty where the name says nothing."""
    return next((role for role, names in _BY_NAME.items() if name.lower() in names), "")


def _text(value: Any) -> str:
    value = value[0] if hasattr(value, "__len__") and not isinstance(value, str | bytes) and len(value) == 1 else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def field_layout(file: h5py.File, asked: str | None = None) -> FieldLayout | None:
    """The field that the named axes of a file describe; None where they describe none.

    Parameters
    ----------
    asked
        The variables that are u, between commas; all of the largest grid if not given.

    Raises
    ------
    InputError
        There are fields on several grids, and nothing says which.
    """
    fields = [v for v in variables(file) if _is_field(v)]
    if asked is not None:
        wanted = [name.strip().lstrip("/") for name in asked.split(",")]
        fields = [v for v in fields if v.name in wanted]
        if len(fields) != len(wanted):
            return None
        fields.sort(key=lambda v: wanted.index(v.name))
    if not fields:
        return None
    grids = {tuple(axis.name for axis in v.axes) for v in fields}
    if len(grids) > 1:
        shown = "; ".join(f"--input {v.name} on ({', '.join(axis.name for axis in v.axes)})" for v in fields[:8])
        raise InputError(f"{file.filename}: holds fields on several grids; say which: {shown}")
    return _layout(tuple(fields))


def _is_field(variable: Variable) -> bool:
    roles = variable.roles
    spaces = [role for role in roles if role in ("x", "y")]
    rest = [role for role in roles if role not in ("t", "x", "y", "component")]
    # One more axis, whatever its name, counts runs; two are too many to tell which.
    return (
        len(set(roles)) == len(roles)
        and "t" in roles
        and bool(spaces)
        and "z" not in roles
        and len(rest) <= 1
        and all(a.stored for a in variable.axes if a.role in ("t", "x", "y"))
    )


def _layout(fields: tuple[Variable, ...]) -> FieldLayout:
    first = fields[0]
    place = {role: i for i, role in enumerate(first.roles) if role in ("t", "x", "y", "component")}
    runs = [i for i in range(len(first.axes)) if i not in place.values()]
    # A lone axis of latitude is the one axis of space.
    inner = [role for role in ("x", "y") if role in place]
    order = (runs[0] if runs else NEW_AXIS, place["t"], *(place[role] for role in inner))
    if "component" in place:
        order = (*order, place["component"])
    names = tuple(v.name.rpartition("/")[2] for v in fields)
    roles = {"u": Selection(tuple(v.name for v in fields), order=order)}
    axes = [first.axes[place["t"]], *(first.axes[place[role]] for role in inner)]
    roles |= {role: Selection((axis.name,)) for role, axis in zip(("t", "x", "y"), axes, strict=False)}
    shown = f"{', '.join(names)}({', '.join(axis.name for axis in first.axes)})"
    labels = tuple(axis.name.rpartition("/")[2] for axis in axes)
    components = first.shape[place["component"]] if "component" in place else 1
    known = (*labels, *names) if components == 1 and not set(labels) & set(names) else ()
    units = (*(axis.units for axis in axes), *(v.units for v in fields))
    return FieldLayout(roles, known, units if known and any(units) else (), f"u is {shown}, by the names of its axes")
