"""A report as a table for a terminal and as Markdown."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from symfind.render.conservation import HEADER, conserved_rows
from symfind.render.promotion import promotion_tables
from symfind.render.summary import (
    GeneratorRow,
    bracket_texts,
    coefficient_text,
    conclusions,
    generator_rows,
    headline,
    matrix_of,
)
from symfind.schema.document import Report

VERDICT_STYLES = {
    "certified": "green",
    "approximate": "cyan",
    "undecided": "yellow",
    "refuted": "dim",
}
# A width that most windows and mail programs show without wrapping, for tables that go to a file.
_WIDTH_OF_A_FILE = 100
# Below this the bounds would leave the expression less than 16 columns; they are in every other format.
_WIDTH_FOR_BOUNDS = 62


def table(report: Report) -> RenderableType:
    """Return the report as a rich renderable that fits the width of the console it is printed on."""
    warnings = [("warning", text) for text in report.warnings]
    return Group(
        _pairs(list(headline(report))),
        Text(),
        *(_conserved_table(report) if report.conserved else ()),
        *((Padding(_GeneratorTable(rows), (0, 0, 0, 2)), Text()) if (rows := generator_rows(report)) else ()),
        _pairs(list(conclusions(report))),
        *([_pairs(warnings, style="yellow")] if warnings else []),
    )


def to_table_text(report: Report) -> str:
    """Return the table as plain text for a file or a pipe."""
    console = Console(file=io.StringIO(), width=_WIDTH_OF_A_FILE, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(table(report))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def to_markdown(report: Report) -> str:
    """Return the report as Markdown: the findings as tables, the settings at the end."""
    return "\n".join(_markdown_lines(report)) + "\n"


def title(report: Report) -> str:
    """Name the report by its source."""
    name = "standard input" if report.source.path == "-" else PurePath(report.source.path).name
    if report.conserved is not None and not report.generators:
        return f"Conserved quantities of {name}"
    return f"Continuous symmetries of {name}"


def _pairs(pairs: list[tuple[str, str]], style: str = "bold") -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    # All blocks of a report share one left column, so that their texts stand below one another.
    grid.add_column(style=style, no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    for label, text in pairs:
        grid.add_row(Text(label), Text(text))
    return grid


def _conserved_table(report: Report) -> tuple[RenderableType, ...]:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in HEADER:
        grid.add_column(heading, no_wrap=heading not in ("conserved", "follows from"), overflow="fold")
    for row in conserved_rows(report):
        cells = [Text(cell) for cell in row]
        cells[-1].stylize(VERDICT_STYLES[row[-1]])
        grid.add_row(*cells)
    return Padding(grid, (0, 0, 0, 2)), Text()


@dataclass(frozen=True)
class _GeneratorTable:
    """The table of generators, with as many columns as the width allows."""

    rows: list[GeneratorRow]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns: list[tuple[str, Callable[[GeneratorRow], str], bool]] = [
            ("#", lambda row: row.number, True),
            ("generator", lambda row: row.expression, True),
            ("defect", lambda row: row.defect, True),
            ("", lambda row: row.interval, options.max_width >= _WIDTH_FOR_BOUNDS),
            ("reach", lambda row: row.reach, any(row.reach for row in self.rows)),
            ("verdict", lambda row: row.verdict, True),
        ]
        shown = [(heading, cell) for heading, cell, wanted in columns if wanted]
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for heading, _ in shown:
            grid.add_column(
                heading,
                justify="right" if heading in ("#", "reach") else "left",
                no_wrap=heading != "generator",
                overflow="fold",
            )
        for row in self.rows:
            cells = [Text(cell(row), style="dim" if row.verdict == "refuted" else "") for _, cell in shown]
            cells[-1].stylize(VERDICT_STYLES[row.verdict])
            grid.add_row(*cells)
        yield grid


def _markdown_lines(report: Report) -> Iterator[str]:
    yield f"# {_escape(title(report))}"
    yield ""
    for label, text in headline(report):
        yield f"- **{label}**: {_escape(text)}"
    if report.conserved:
        yield ""
        yield "| " + " | ".join(HEADER) + " |"
        yield "| ---: | :--- | ---: | :--- | :--- | :--- |"
        yield from ("| " + " | ".join(map(_escape, cells)) + " |" for cells in conserved_rows(report))
    generators = generator_rows(report)
    if generators:
        yield ""
        yield "| # | generator | defect | bounds | reach | verdict |"
        yield "| ---: | :--- | ---: | :--- | ---: | :--- |"
    for row in generators:
        cells = (row.number, row.expression, row.defect, row.interval, row.reach, row.verdict)
        yield "| " + " | ".join(_escape(cell) for cell in cells) + " |"
    yield ""
    for label, text in conclusions(report):
        yield f"- **{label}**: {_escape(text)}"
    for text in report.warnings:
        yield f"- **warning**: {_escape(text)}"
    for heading, (header, rows) in promotion_tables(report.promotion) if report.promotion is not None else ():
        yield ""
        yield f"## {heading}"
        yield ""
        yield "| " + " | ".join(header) + " |"
        yield "|" + " ---: |" * len(header)
        yield from ("| " + " | ".join(cells) + " |" for cells in rows)
    brackets = bracket_texts(report)
    if brackets:
        yield ""
        yield "## Brackets"
        yield ""
        yield from (f"- {_escape(text)}" for text in brackets)
    typeset = [(i, g.latex) for i, g in enumerate(report.generators, start=1) if g.latex]
    if typeset:
        yield ""
        yield "## LaTeX"
        yield ""
        yield from (f"- generator {i}: `{latex}`" for i, latex in typeset)
        yield from (f"- invariant: `{v.latex}`" for v in report.algebra.invariants if v.latex)
    actions = [(i, matrix_of(g.input_action)) for i, g in enumerate(report.generators, start=1)]
    if any(matrix is not None for _, matrix in actions):
        yield ""
        yield "## Matrices of the generators"
    for number, matrix in actions:
        if matrix is None:
            continue
        texts = [[coefficient_text(entry) for entry in row] for row in matrix]
        width = max(len(text) for row in texts for text in row)
        yield ""
        yield f"Generator {number}:"
        yield ""
        yield from ("    " + " ".join(text.rjust(width) for text in row) for row in texts)
    yield ""
    yield "## Settings"
    yield ""
    yield "| option | value |"
    yield "| :--- | :--- |"
    for key, value in report.settings.items():
        yield f"| {_escape(key)} | {_escape('' if value is None else str(value))} |"
    environment = report.environment
    yield ""
    yield (
        f"symfind {environment.symfind}, torch {environment.torch}, {environment.device}, {environment.dtype}; "
        f"source SHA-256 `{report.source.sha256 or 'none'}`"
    )


# What Markdown would take for markup inside a line or a cell.
_MARKUP = str.maketrans({letter: "\\" + letter for letter in "\\`*_[]<>|#"} | {"\n": " "})


def _escape(text: str) -> str:
    return text.translate(_MARKUP)
