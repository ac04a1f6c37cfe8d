"""Columns of a table as roles: which of them are x, which y, dx or x_next, which labels and times."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import numpy as np

from symfind.data.formats.contents import Array, Contents
from symfind.errors import InputError

_TIMES = ("t", "time")
_GROUPS = ("group", "run", "trajectory", "episode")
# How people write the rate of q, and its next value.
_RATES = ("d{}", "d{}_dt", "d{}dt", "{}_dot", "{}dot")
_NEXTS = ("{}_next", "next_{}", "{}_new")
_SHOWN = 12
# The root attribute of what a table became: its columns have the roles that were asked for.
TABLE = "columns"


@dataclass(frozen=True)
class TableRequest:
    """What is asked of a table: kind, and columns by name, several between commas."""

    kind: str | None = None
    input: str | None = None
    output_name: str | None = None


@dataclass(frozen=True)
class _Columns:
    """The columns of a table by what they can be."""

    where: str
    numbers: Mapping[str, Array]
    texts: tuple[str, ...]
    time: str | None
    label: str | None
    named: bool
    label_values: Array | None = field(default=None, repr=False)

    @property
    def states(self) -> tuple[str, ...]:
        """Columns that are neither time nor label."""
        return tuple(name for name in self.numbers if name not in (self.time, self.label))


def table_roles(contents: Contents, asked: TableRequest, where: str) -> Contents:
    """Return x, y, dx, … with names, from the columns that were asked for or that pair up by their names.

    Raises
    ------
    InputError
        A column is not there or is text, or nothing says what is asked: the message has the commands that do.
    """
    columns = _sorted_out(contents, where)
    if asked.output_name is not None:
        y = _listed(columns, asked.output_name)
        x = _listed(columns, asked.input) if asked.input else _without(columns, y, keep_time=True)
        return _function(columns, x, y, contents)
    pairs = _paired(columns, _RATES), _paired(columns, _NEXTS)
    if asked.kind == "flow" and not pairs[0] and columns.time is not None:
        return _trajectories(columns, asked, contents)
    if asked.kind == "field":
        return _grid(columns, asked, contents)
    if asked.kind in (None, "flow", "map") and not asked.input:
        for kind, role, found in (("flow", "dx", pairs[0]), ("map", "x_next", pairs[1])):
            if found and asked.kind in (None, kind):
                return _pairs(columns, kind, role, found, contents)
    if asked.kind in ("flow", "map"):
        wanted = "q and dq, or times t with --kind flow" if asked.kind == "flow" else "q and q_next"
        raise InputError(f"{where}: no columns pair up as {wanted}, {_told(columns)}; rename them, or give --mapping")
    if asked.input or asked.kind == "points" or (asked.kind is None and len(columns.states) == 1 and not columns.time):
        x = _listed(columns, asked.input) if asked.input else columns.states
        return _made(columns, {"x": x}, asked.kind or "points", contents, f"x is {_words(x)}")
    raise _question(columns, asked.kind)


def _sorted_out(contents: Contents, where: str) -> _Columns:
    numbers = {n: a for n, a in contents.arrays.items() if a.dtype.kind in "fiub" and a.ndim == 1}
    texts = tuple(n for n in contents.arrays if n not in numbers)
    time = next((n for n in numbers if n.lower() in _TIMES), None)
    label = next((n for n in contents.arrays if n.lower() in _GROUPS), None)
    values = None
    if label is not None:
        column = contents.arrays[label]
        if column.dtype.kind == "f" and not np.array_equal(column, np.round(column)):
            label = None
        else:
            values = np.unique(column, return_inverse=True)[1].astype(np.int64)
    if not numbers:
        raise InputError(f"{where}: none of the columns {_words(texts)} holds numbers; give a table of numbers")
    return _Columns(where, numbers, tuple(t for t in texts if t != label), time, label, contents.named, values)


def _listed(columns: _Columns, text: str) -> tuple[str, ...]:
    """The columns of a list between commas; a name with a comma in it is found first."""
    if text in columns.numbers:
        return (text,)
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name in columns.texts:
            raise InputError(f"{columns.where}: the column '{name}' holds texts, expected numbers; code it as numbers")
        if name not in columns.numbers:
            near = get_close_matches(name, columns.numbers, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"{_told(columns)}"
            raise InputError(f"{columns.where}: no column '{name}'; {hint}")
    if len(set(names)) < len(names):
        raise InputError(f"{columns.where}: a column is named twice in '{text}'; name each once")
    return names


def _without(columns: _Columns, taken: Sequence[str], *, keep_time: bool) -> tuple[str, ...]:
    left = [n for n in columns.numbers if n not in taken and n != columns.label and (keep_time or n != columns.time)]
    if not left:
        raise InputError(f"{columns.where}: no column is left for x beside {_words(taken)}; {_told(columns)}")
    return tuple(left)


def _function(columns: _Columns, x: Sequence[str], y: Sequence[str], contents: Contents) -> Contents:
    if set(x) & set(y):
        both = next(name for name in x if name in y)
        raise InputError(f"{columns.where}: the column '{both}' is asked to be x and y; leave it out of one of them")
    return _made(columns, {"x": x, "y": y}, "function", contents, f"x is {_words(x)}; y is {_words(y)}")


def _paired(columns: _Columns, patterns: Sequence[str]) -> dict[str, str]:
    """State ↦ partner, where every column that is no time nor label has or is one."""
    found: dict[str, str] = {}
    for name in columns.states:
        partner = next((p.format(name) for p in patterns if p.format(name) in columns.numbers), None)
        if partner is not None:
            found[name] = partner
    named = {*found, *found.values()}
    return found if found and named == set(columns.states) and not set(found) & set(found.values()) else {}


def _pairs(columns: _Columns, kind: str, role: str, found: Mapping[str, str], contents: Contents) -> Contents:
    told = f"x is {_words(tuple(found))}; {role} is {_words(tuple(found.values()))}, by the names of the columns"
    return _made(columns, {"x": tuple(found), role: tuple(found.values())}, kind, contents, told)


def _made(columns: _Columns, roles: Mapping[str, Sequence[str]], kind: str, contents: Contents, told: str) -> Contents:
    arrays: dict[str, Array] = {}
    for role, names in roles.items():
        stacked = np.stack([columns.numbers[name] for name in names], axis=-1)
        arrays[role] = stacked[:, 0] if role == "y" and len(names) == 1 else stacked
    used = {name for names in roles.values() for name in names}
    if columns.label_values is not None and columns.label not in used:
        arrays["group"] = columns.label_values
        told += f"; rows of one '{columns.label}' belong together"
    return replace(_plain(columns, arrays, roles["x"], kind), notes=(*contents.notes, told, *_left_out(columns, used)))


def _plain(columns: _Columns, arrays: Mapping[str, Array], names: Sequence[str], kind: str) -> Contents:
    root: dict[str, object] = {"kind": kind, TABLE: tuple(columns.numbers)}
    if columns.named:
        root["names"] = tuple(names)
    return Contents(arrays, root=root)


def _left_out(columns: _Columns, used: set[str]) -> tuple[str, ...]:
    """What plays no role, said aloud."""
    unused = [name for name in columns.numbers if name not in used and name != columns.label]
    told = [f"not used: {_words(unused)}"] if unused else []
    return (*told, *((f"left out, as they hold texts: {_words(columns.texts)}",) if columns.texts else ()))


def _trajectories(columns: _Columns, asked: TableRequest, contents: Contents) -> Contents:
    """Rows (label, t, x) as x (R, T, d) and t (R, T); runs of one length, in order of time."""
    assert columns.time is not None
    x = _listed(columns, asked.input) if asked.input else columns.states
    t = np.asarray(columns.numbers[columns.time], dtype=np.float64)
    label = np.zeros(len(t), dtype=np.int64) if columns.label_values is None else columns.label_values
    runs, counts = np.unique(label, return_counts=True)
    if len(set(counts.tolist())) > 1:
        raise InputError(
            f"{columns.where}: the runs of '{columns.label}' have {counts.min()} to {counts.max()} times, expected as "
            "many in each; cut them to one length"
        )
    order = np.lexsort((t, label))
    states = np.stack([columns.numbers[name] for name in x], axis=-1)[order].reshape(len(runs), -1, len(x))
    arrays = {"x": states, "t": t[order].reshape(len(runs), -1)}
    used = {*x, columns.time}
    told = f"x is {_words(x)} along '{columns.time}', {len(runs)} run{'s' if len(runs) > 1 else ''}"
    found = _plain(columns, arrays, x, "flow")
    return replace(found, notes=(*contents.notes, told, *_left_out(columns, used)))


def _grid(columns: _Columns, asked: TableRequest, contents: Contents) -> Contents:
    """Rows (label, t, x[, y], u) as u (R, nt, nx[, ny], c), where every point of the grid has one row."""
    axes = [n for n in ("t", "x", "y") if n in columns.numbers]
    axes = [columns.time, *axes] if columns.time not in (None, "t") else axes
    label = np.zeros(len(next(iter(columns.numbers.values()))), np.int64)
    label = label if columns.label_values is None else columns.label_values
    u = _listed(columns, asked.input) if asked.input else tuple(n for n in columns.states if n not in axes)
    if len(axes) < 2 or columns.time is None or not u:
        raise InputError(
            f"{columns.where}: a field needs columns t, x[, y] and its values, {_told(columns)}; rename them"
        )
    keys = [np.unique(label), *(np.unique(columns.numbers[str(n)]) for n in axes)]
    shape = tuple(len(key) for key in keys)
    if np.prod(shape, dtype=float) != len(label):
        raise InputError(
            f"{columns.where}: {len(label)} rows, {' × '.join(map(str, shape))} points of a grid; write one row for "
            "each point of the grid, or an array"
        )
    order = np.lexsort(tuple(reversed([label, *(columns.numbers[str(n)] for n in axes)])))
    values = np.stack([columns.numbers[name] for name in u], axis=-1)[order].reshape(*shape, len(u))
    arrays = {"u": values, **{("t", "x", "y")[i]: np.asarray(key, np.float64) for i, key in enumerate(keys[1:])}}
    found = _plain(columns, arrays, (*map(str, axes), *u), "field")
    told = f"u is {_words(u)} on a grid of {' × '.join(map(str, shape[1:]))} points, {shape[0]} runs"
    return replace(found, notes=(*contents.notes, told))


def _question(columns: _Columns, kind: str | None) -> InputError:
    """What the table does not say, with the commands that say it."""
    command = f"symfind discover {shlex.quote(columns.where)}"
    last = columns.states[-1] if columns.states else next(iter(columns.numbers))
    choices = [f"`{command} --output-name {shlex.quote(last)}` ('{last}' as a function of the others)"]
    if columns.time is not None:
        choices.insert(0, f"`{command} --kind flow` (the others along '{columns.time}')")
    if kind is None:
        choices.append(f"`{command} --kind points` (what keeps their distribution)")
    return InputError(
        f"{columns.where}: {_told(columns)}, and nothing says what is asked; type {', or '.join(choices)}"
    )


def _told(columns: _Columns) -> str:
    rows = len(next(iter(columns.numbers.values())))
    return f"a table of {rows} rows with the columns {_words(tuple(columns.numbers))}"


def _words(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
