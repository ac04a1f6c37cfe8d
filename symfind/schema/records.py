"""Frozen dataclasses ↔ plain JSON values, checked by the annotations of the fields.

A :class:`Record` accepts lists, tuples, arrays and tensors where its annotation says ``tuple``, and holds
only immutable plain values afterwards. So two records with equal content are equal and are written as equal
bytes.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, Self, TypeAlias, Union, get_args, get_origin, get_type_hints

Json: TypeAlias = object
"""Any JSON value, held as None, bool, int, float, str, tuple and dict."""


class Mismatch(ValueError):
    """A value is not of the annotated type; the message says where, what was given and what is expected."""

    def __init__(self, where: str, given: str, expected: str) -> None:
        self.where, self.given, self.expected = where, given, expected
        super().__init__(f"{where} is {given}, expected {expected}")

    @classmethod
    def of(cls, where: str, value: object, expected: str) -> Self:
        """Show the value itself, shortened to what fits in a line."""
        text = repr(value)
        return cls(where, text if len(text) <= 60 else text[:57] + "...", expected)


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base of the parts of a report: plain values of checked type, unknown keys kept in ``extra``."""

    extra: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Conform every field to its annotation; raises :class:`Mismatch`."""
        for name, hint in field_types(type(self)).items():
            object.__setattr__(self, name, conform(getattr(self, name), hint, name))
        own: Any = type(self)
        for name in _numeric(own):
            value = getattr(self, name)
            if value is not None and not _is_numeric(value):
                raise Mismatch.of(name, value, "numbers, in lists of equal length")

    def to_plain(self) -> dict[str, Any]:
        """Return the fields in their declared order, then the extra keys, as dicts and lists."""
        own = {f.name: _thawed(getattr(self, f.name)) for f in fields(self) if f.name != "extra"}
        return own | {key: _thawed(value) for key, value in self.extra.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str = "") -> Self:
        """Build the record from a mapping; keys that are no fields go to ``extra``.

        Raises
        ------
        Mismatch
            A field without a default is missing, or a value is not of its annotated type.
        """
        hints = field_types(cls)
        for f in fields(cls):
            if f.name not in plain and _is_required(cls, f.name):
                raise Mismatch(_join(where, f.name), "missing", "a value")
        known = {
            key: conform(value, hints[key], _join(where, key))
            for key, value in plain.items()
            if key in hints and key != "extra"
        }
        unknown = {key: value for key, value in plain.items() if key not in known}
        try:
            return cls(**known, extra=unknown)
        except Mismatch as mismatch:
            raise Mismatch(_join(where, mismatch.where), mismatch.given, mismatch.expected) from None


# Of a field that holds a number, a vector, a matrix …, or a mapping of matrices: readers count on its being
# rectangular, whoever wrote the report.
NUMBERS: Mapping[str, Any] = types.MappingProxyType({"numbers": True})


@cache
def _numeric(cls: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls) if f.metadata.get("numbers"))


def _is_numeric(value: Json) -> bool:
    if isinstance(value, Mapping):
        own = {key: _shape(value[key]) for key in ("exponents", "coefficients") if key in value}
        two = all(shape is not None and len(shape) == 2 for shape in own.values())
        return two and (len(own) < 2 or own["exponents"] == own["coefficients"])
    return _shape(value) is not None


def _shape(value: Json) -> tuple[int, ...] | None:
    """Of nested tuples of numbers; None for whatever is ragged or no number."""
    if isinstance(value, tuple):
        shapes = {_shape(item) for item in value}
        inner = shapes.pop() if shapes else ()
        return None if inner is None or shapes else (len(value), *inner)
    return () if isinstance(value, int | float) and not isinstance(value, bool) else None


def conform(value: Any, hint: Any, where: str) -> Any:
    """Return ``value`` as the annotated type ``hint``: immutable, finite, without array types.

    NaN and infinities become None where None is allowed. ``where`` names the place in messages. Raises
    :class:`Mismatch`.
    """
    if hasattr(value, "tolist"):  # a NumPy array or scalar, a torch tensor
        value = value.tolist()
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is object:
        return _conform_json(value, where)
    if origin in (Union, types.UnionType):
        return _conform_union(value, arguments, where)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise Mismatch.of(where, value, "a list")
        return tuple(conform(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise Mismatch.of(where, value, "a mapping")
        return {str(key): conform(value[key], arguments[1], _join(where, str(key))) for key in sorted(value, key=str)}
    if isinstance(hint, type) and issubclass(hint, Record):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            raise Mismatch.of(where, value, "a mapping")
        return hint.from_plain(value, where)
    return _conform_scalar(value, hint, where)


def field_types(cls: Any) -> Mapping[str, Any]:
    """Return the resolved annotations of the fields of a dataclass, in order."""
    return _resolved(cls)


@cache  # a spectrum has thousands of entries of one class
def _resolved(cls: Any) -> Mapping[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


def _conform_union(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if type(None) in arguments and (value is None or (isinstance(value, float) and not math.isfinite(value))):
        return None
    failures = []
    for candidate in (a for a in arguments if a is not type(None)):
        try:
            return conform(value, candidate, where)
        except Mismatch as failure:
            failures.append(failure)
    raise failures[0]


def _conform_scalar(value: Any, hint: Any, where: str) -> Any:
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Mismatch.of(where, value, "a number")
        if not math.isfinite(value):
            raise Mismatch.of(where, value, "a finite number")
        return float(value) + 0.0  # −0.0 equals 0.0, so it is written alike
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    nouns = {int: "a whole number", bool: "true or false", str: "a text"}
    raise Mismatch.of(where, value, nouns[hint])


def _conform_json(value: Any, where: str) -> Json:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None
    if isinstance(value, Record):
        return _conform_json(value.to_plain(), where)
    if isinstance(value, Mapping):
        return {str(k): _conform_json(value[k], _join(where, str(k))) for k in sorted(value, key=str)}
    if hasattr(value, "tolist"):
        return _conform_json(value.tolist(), where)
    if isinstance(value, Sequence):
        items = tuple(_conform_json(item, f"{where}[{i}]") for i, item in enumerate(value))
        # A list that mixes 0 and 0.5 is a list of real numbers: HDF5 would give it back so.
        if any(isinstance(item, float) for item in items):
            return tuple(float(item) if type(item) is int else item for item in items)
        return items
    raise Mismatch.of(where, value, "a JSON value")


def _thawed(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_plain()
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_thawed(item) for item in value]
    return value


def _is_required(cls: type[Record], name: str) -> bool:
    f = cls.__dataclass_fields__[name]
    return f.default is MISSING and f.default_factory is MISSING


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
