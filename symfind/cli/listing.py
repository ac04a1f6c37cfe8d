"""What is no report: the content of a file, a catalogue. Values under labels, and rows under headings."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from symfind.cli.output import Output
from symfind.errors import UsageError
from symfind.schema.store import json_text

_WIDTH_OF_A_FILE = 100


def write_listing(listing: Any, output: Output) -> None:
    """Write a dataclass, or a sequence of dataclasses or mappings of one form, as a table or JSON.

    Raises
    ------
    UsageError
        The format is one of those for reports only.
    """
    plain = _plain(listing)
    renderable = _rows(plain) if isinstance(plain, tuple) else _labelled(plain)

    def encode(form: str) -> bytes:
        if form == "json":
            return (json_text(plain) + "\n").encode("utf-8", "backslashreplace")
        if form == "table":
            console = Console(file=io.StringIO(), width=_WIDTH_OF_A_FILE, color_system=None)
            with console.capture() as captured:
                console.print(renderable)
            return "".join(line.rstrip() + "\n" for line in captured.get().splitlines()).encode()
        raise UsageError(f"format {form} is for reports; use --format json or table")

    output.write(encode, lambda: renderable)


def _plain(value: Any) -> Any:
    """Return dataclasses as mappings in the order of their fields, and whatever JSON cannot say as text or None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _labelled(values: Mapping[str, Any]) -> RenderableType:
    """Set scalars beside their labels, and below them every list of records as a table."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    tables: list[RenderableType] = []
    for key, value in values.items():
        if value is None or value in ((), {}):
            continue
        label = key.replace("_", " ")
        if isinstance(value, tuple) and all(isinstance(item, Mapping) for item in value):
            tables += [Text(), Text(label, style="bold"), Padding(_rows(value), (0, 0, 0, 2))]
        elif isinstance(value, tuple) and any(isinstance(item, str) and " " in item for item in value):
            for i, item in enumerate(value):
                grid.add_row(Text("" if i else label), Text(_text(item)))
        elif isinstance(value, Mapping):
            for i, (name, item) in enumerate(value.items()):
                grid.add_row(Text("" if i else label), Text(f"{name} {_text(item)}"))
        else:
            grid.add_row(Text(label), Text(_text(value)))
    return Group(grid, *tables)


def _rows(records: Sequence[Mapping[str, Any]]) -> RenderableType:
    keys = records[0] if records else ()
    headings = [key for key in keys if any(record[key] not in (None, ()) for record in records)]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        grid.add_column(heading.replace("_", " "), overflow="fold")
    for record in records:
        grid.add_row(*(Text(_text(record[heading])) for heading in headings))
    return grid


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        if value and all(isinstance(item, int) for item in value):
            return str(value)  # a shape
        return ", ".join(_text(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
