"""A YAML mapping: which datasets of a foreign file play which role, so that it need not be rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from symfind.errors import InputError
from symfind.small_input import read_yaml

ROLES = ("x", "y", "x_next", "dx", "t", "group", "u", "x_moved", "grid_x", "grid_y")
_KEYS = ("kind", "names", "units", "grid", *ROLES)


# In an order of axes: one that the dataset has not.
NEW_AXIS = -1


@dataclass(frozen=True)
class Selection:
    """Datasets that make up one role: one, or several stacked along a new last axis.

    Attributes
    ----------
    datasets
        Paths inside the file.
    columns
        Entries of the last axis to keep, in this order; ``None`` keeps all.
    order
        Axes of the dataset in the order in which they are read, rows first, :data:`NEW_AXIS` for one of length 1 that
        it lacks, those of length 1 that are left out not named; ``None`` leaves them as they are stored.
    """

    datasets: tuple[str, ...]
    columns: tuple[int, ...] | None = None
    order: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Axis:
    """t_i = start + i·step: an evenly spaced axis that the file does not store."""

    start: float
    step: float


Source: TypeAlias = Selection | Axis


@dataclass(frozen=True)
class RoleMapping:
    """What a mapping file says: kind, sources by role, coordinate names and units, axes of a field; each optional."""

    kind: str | None = None
    roles: Mapping[str, Source] = field(default_factory=dict)
    names: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None
    grid: str | None = None

    @property
    def axis(self) -> Axis | None:
        """The times, if they are evenly spaced and not stored."""
        t = self.roles.get("t")
        return t if isinstance(t, Axis) else None


def read_mapping(path: Path) -> RoleMapping:
    """Read a YAML mapping (docs/data.md).

    Raises
    ------
    InputError
        Missing, not YAML, an unknown key (the message names the nearest), or a value of the wrong form.
    """
    remedy = "expected a YAML mapping with lines such as 'x: group/positions'"
    return mapping_from(read_yaml(path, remedy), str(path))


def mapping_from(content: Any, where: str) -> RoleMapping:
    """Check the parsed content of a mapping; ``where`` begins the errors."""
    if not isinstance(content, dict) or not content:
        raise InputError(f"{where}: expected a mapping of roles to datasets, such as 'x: group/positions'")
    for key in content:
        if key not in _KEYS:
            raise InputError(f"{where}: unknown key '{key}'{nearest(str(key), _KEYS)}")
    kind = content.get("kind")
    if kind is not None and not isinstance(kind, str):
        raise InputError(f"{where}: kind is {kind!r}, expected a name such as function")
    grid = content.get("grid")
    if grid is not None and not isinstance(grid, str):
        raise InputError(f"{where}: grid is {grid!r}, expected a text such as 't=0:100, x=0:128 periodic'")
    return RoleMapping(
        kind=kind,
        roles={role: _source(content[role], role, where) for role in ROLES if role in content},
        names=_words(content.get("names"), "names", where),
        units=_words(content.get("units"), "units", where),
        grid=grid,
    )


# More words than a line of an error serves: whoever asks says where they are listed.
_LISTED = 60


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown word: the nearest known one, or all of them if they are few."""
    known = tuple(known)
    close = get_close_matches(word, known, n=1)
    if close:
        return f", did you mean '{close[0]}'?"
    return f"; expected one of {', '.join(known)}" if len(known) <= _LISTED else ""


def _source(value: Any, role: str, where: str) -> Source:
    match value:
        case str():
            return Selection((value,))
        case [str(), *_] if all(isinstance(name, str) for name in value):
            return Selection(tuple(value))
        case {"dataset": str() as name, "columns": [int(), *_] as columns} if len(value) == 2:
            if all(isinstance(column, int) and column >= 0 for column in columns):
                return Selection((name,), tuple(columns))
        case {"start": int() | float() as start, "step": int() | float() as step} if len(value) == 2:
            if role != "t":
                raise InputError(f"{where}: {role} is given as an axis, only t can be; name its dataset")
            if step <= 0:
                raise InputError(f"{where}: the step of {role} is {step}, expected a positive number")
            return Axis(float(start), float(step))
    raise InputError(
        f"{where}: {role} is {value!r}, expected a dataset's path, a list of paths, "
        "{dataset: PATH, columns: [0, 1]} or, for t, {start: 0.0, step: 0.1}"
    )


def _words(value: Any, key: str, where: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    words = split_words(value, key) if isinstance(value, str) else value
    if isinstance(words, (list, tuple)) and words and all(isinstance(word, str) for word in words):
        return tuple(words)
    raise InputError(f"{where}: {key} is {value!r}, expected a list of words such as [E, px, py, pz]")


def split_words(text: str, key: str) -> tuple[str, ...]:
    """Split one string of names at commas or spaces, of units (which may hold spaces) at commas."""
    parts = text.replace(",", " ").split() if key == "names" else text.split(",")
    return tuple(part.strip() for part in parts if part.strip())
