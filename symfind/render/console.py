"""What all tables for a console share: labelled lines, columns under headings, and both as plain text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from symfind.untrusted_text import shown

# A width that most windows and mail programs show without wrapping, for tables that go to a file.
_WIDTH_OF_A_FILE = 100
# Two columns are a label and a text: there is no other way to set them.
_FEW_COLUMNS = 2


def labelled(pairs: Sequence[tuple[str, str]], style: str = "bold") -> Table:
    """Texts beside their labels; all blocks of a document share one left column, so that texts stand below another."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=style, no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    for label, text in pairs:
        grid.add_row(Text(shown(label)), Text(shown(text)))
    return grid


def bare_table() -> Table:
    """A table without lines, for columns of its user's own."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")


def plain_table(header: Sequence[str] = (), rows: Sequence[Sequence[str]] = ()) -> RenderableType:
    """Rows of texts under their headings; a column without any text is left out, and no word is broken.

    Where a console is too narrow for the longest words of all columns, each row is a block: its first text, and the
    others behind their headings.
    """
    used = [i for i in range(len(header)) if any(len(row) > i and row[i] for row in rows)]
    cells = [[shown(row[i]) if i < len(row) else "" for i in used] for row in rows]
    return _Rows([shown(header[i]) for i in used], cells)


@dataclass(frozen=True)
class _Rows:
    """A table as wide as the console allows."""

    header: list[str]
    rows: list[list[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = list(zip(*([self.header] + self.rows), strict=True))
        longest = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in columns]
        if len(columns) > _FEW_COLUMNS and sum(longest) + 2 * len(longest) > options.max_width:
            blocks = labelled([(row[0], self._told(row)) for row in self.rows])
            yield blocks
            return
        out = bare_table()
        for heading, least in zip(self.header, longest, strict=True):
            out.add_column(Text(heading), overflow="fold", min_width=min(least, options.max_width))
        for row in self.rows:
            out.add_row(*map(Text, row))
        yield out

    def _told(self, row: Sequence[str]) -> str:
        pairs = zip(self.header[1:], row[1:], strict=True)
        return "; ".join(f"{heading} {cell}".strip() for heading, cell in pairs if cell)


def plain_text(renderable: RenderableType) -> str:
    """The same for a file or a pipe: no colours, no white space at the end of a line."""
    console = Console(file=io.StringIO(), width=_WIDTH_OF_A_FILE, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(renderable)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())
