"""JSON values ↔ a tree of HDF5 groups, without loss and laid out for readers that know nothing of symfind.

A mapping is a group; a scalar is an attribute; a rectangular list of numbers, or a list of texts, is a dataset; a
list of records with the same scalar fields is a group with one dataset a field (attribute ``@rows``); any other
list is a group of numbered members (attribute ``@items``). None is an empty attribute, or NaN among numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from symfind.data.hdf5 import fault_of
from symfind.schema.records import Json

_ITEMS, _ROWS = "@items", "@rows"
# HDF5 keeps an attribute in the header of its group, which ends at 64 KiB; longer texts become datasets.
_LONGEST_ATTRIBUTE = 60_000
# A report of 5,000 generators in 100 dimensions has 0.4 GB; what declares more is no report but a trap.
_LARGEST_DATASET = 2**30
_DEEPEST_GROUP = 32


class UnsafeTree(ValueError):
    """The file leads elsewhere, or declares more than a report can hold."""


def write_mapping(group: h5py.Group, values: Mapping[str, Json]) -> None:
    """Write every member of a mapping of JSON values into an empty group."""
    for key, value in values.items():
        _write(group, _escaped(key), value)


def read_mapping(group: h5py.Group, depth: int = 0) -> dict[str, Any]:
    """Return the mapping that :func:`write_mapping` wrote.

    Raises
    ------
    UnsafeTree
        A link leaves the file, a dataset lies outside it or was never written, or sizes and depth are absurd.
    """
    return {_unescaped(key): value for key, value in _members(group, depth).items()}


def _write(group: h5py.Group, name: str, value: Any) -> None:
    if value is None:
        group.attrs[name] = h5py.Empty("f8")
    elif isinstance(value, Mapping):
        write_mapping(group.create_group(name), value)
    elif isinstance(value, list | tuple):
        _write_list(group, name, value)
    elif isinstance(value, str):
        text = _storable(value)
        if len(text.encode()) > _LONGEST_ATTRIBUTE:
            group.create_dataset(name, data=text, dtype=h5py.string_dtype())
        else:
            group.attrs[name] = text
    else:
        group.attrs[name] = value


def _write_list(group: h5py.Group, name: str, values: list[Any] | tuple[Any, ...]) -> None:
    array = _as_array(values)
    if array is not None:
        group.create_dataset(name, data=array)
        return
    columns = _as_columns(values)
    child = group.create_group(name)
    if columns is not None:
        child.attrs[_ROWS] = len(values)
        for key, column in columns.items():
            child.create_dataset(_escaped(key), data=column)
        return
    child.attrs[_ITEMS] = len(values)
    for i, item in enumerate(values):
        _write(child, str(i), item)


def _as_array(values: Any) -> Any:
    """Return a rectangular list of one scalar type as an array, None where it is not one."""
    if len(values) == 0:
        return np.zeros((0,))
    shape: list[int] = []
    level: list[Any] = list(values)
    shape.append(len(level))
    while all(isinstance(item, list | tuple) for item in level):
        lengths = {len(item) for item in level}
        if len(lengths) != 1 or lengths == {0}:
            return None
        shape.append(lengths.pop())
        level = [scalar for item in level for scalar in item]
    kinds = {type(item) for item in level}
    if kinds == {str}:
        return np.array([_storable(text) for text in level], dtype=h5py.string_dtype()).reshape(shape)
    if kinds == {bool}:
        return np.array(level).reshape(shape)
    if kinds == {int} and max(map(abs, level)) < 2**63:
        return np.array(level, dtype=np.int64).reshape(shape)
    if float in kinds and kinds <= {float, type(None)}:
        return np.array([math.nan if item is None else item for item in level]).reshape(shape)
    return None


def _as_columns(values: Any) -> dict[str, Any] | None:
    """Return a list of records with the same scalar fields as one array a field, None where it is not one."""
    if not all(isinstance(item, Mapping) for item in values):
        return None
    keys = list(values[0])
    if not keys or any(list(item) != keys for item in values):
        return None
    columns = {}
    for key in keys:
        column = [item[key] for item in values]
        if any(isinstance(item, list | tuple | Mapping) for item in column):
            return None
        array = np.full(len(column), math.nan) if set(column) == {None} else _as_array(column)
        if array is None:
            return None
        columns[key] = array
    return columns


def _members(group: h5py.Group, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST_GROUP:
        raise UnsafeTree(f"groups are nested deeper than {_DEEPEST_GROUP}")
    found = {name: _scalar(value) for name, value in group.attrs.items() if not name.startswith("@")}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UnsafeTree(f"{name} is a link to another place")
        member = group[name]
        found[name] = _dataset(member) if isinstance(member, h5py.Dataset) else _group(member, depth + 1)
    return found


def _group(group: h5py.Group, depth: int) -> Any:
    if _ITEMS in group.attrs:
        members = _members(group, depth)
        return [members[str(i)] for i in range(len(members))]
    if _ROWS in group.attrs:
        columns = {_unescaped(key): column for key, column in _members(group, depth).items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return read_mapping(group, depth)


def _dataset(dataset: h5py.Dataset) -> Any:
    if dataset.is_virtual or dataset.external:
        raise UnsafeTree(f"{dataset.name} lies in another file")
    if dataset.size * dataset.dtype.itemsize > _LARGEST_DATASET:
        raise UnsafeTree(f"{dataset.name} declares {dataset.shape}, more than a report can hold")
    if h5py.check_string_dtype(dataset.dtype):
        values = dataset.asstr()[()]
        return values if isinstance(values, str) else values.tolist()
    fault = fault_of(dataset) if dataset.size else None
    if fault:
        raise UnsafeTree(f"{dataset.name} {fault}")
    return _without_nan(dataset[()].tolist())


def _scalar(value: Any) -> Any:
    if isinstance(value, h5py.Empty):
        return None
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


# "/" separates groups, "." is the group itself, "@" marks our own attributes, and no name may be empty.
_ESCAPES = {"%": "%25", "/": "%2F", ".": "%2E", "@": "%40"}


def _escaped(key: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in _storable(key)) or "%"


def _storable(text: str) -> str:
    r"""Show as ``\x00`` and ``\udce9`` what HDF5 texts cannot hold: NUL, and the bytes of a non-Unicode name."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _unescaped(name: str) -> str:
    if name == "%":
        return ""
    for letter, code in reversed(_ESCAPES.items()):
        name = name.replace(code, letter)
    return name
