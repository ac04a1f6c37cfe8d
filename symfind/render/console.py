"""What all tables for a console share: labelled lines, columns under headings, and both as plain text."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from symfind.untrusted_text import shown

# A width that most windows and mail programs show without wrapping, for tables that go to a file.
_WIDTH_OF_A_FILE = 100


def labelled(pairs: Sequence[tuple[str, str]], style: str = "bold") -> Table:
    """Texts beside their labels; all blocks of a document share one left column, so that texts stand below another."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=style, no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    for label, text in pairs:
        grid.add_row(Text(shown(label)), Text(shown(text)))
    return grid


def plain_table(header: Sequence[str] = (), rows: Sequence[Sequence[str]] = ()) -> Table:
    """Rows of texts under their headings; a column without any text is left out."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    used = [i for i in range(len(header)) if any(len(row) > i and row[i] for row in rows)]
    for i in used:
        out.add_column(Text(shown(header[i])), overflow="fold")
    for row in rows:
        out.add_row(*(Text(shown(row[i]) if i < len(row) else "") for i in used))
    return out


def plain_text(renderable: RenderableType) -> str:
    """The same for a file or a pipe: no colours, no white space at the end of a line."""
    console = Console(file=io.StringIO(), width=_WIDTH_OF_A_FILE, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(renderable)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())
