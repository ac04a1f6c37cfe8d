"""A report as a table for a terminal and as Markdown."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from symfind import untrusted_text
from symfind.render.conservation import HEADER, conserved_rows
from symfind.render.console import bare_table, labelled, plain_text
from symfind.render.matrices import coefficient_text, matrix_of, shown_matrix
from symfind.render.promotion import promotion_tables
from symfind.render.summary import GeneratorRow, algebra_text, bracket_texts, conclusions, generator_rows, headline
from symfind.render.witness import ALTERNATIVES, alternative_rows
from symfind.schema.conservation import Conserved
from symfind.schema.document import Generator, Report
from symfind.schema.numbers import number_text

VERDICT_STYLES = {
    "certified": "green",
    "approximate": "cyan",
    "undecided": "yellow",
    "refuted": "dim",
    "not decided": "dim",
}
# Below this the bounds would leave the expression less than 16 columns; they are in every other format.
_WIDTH_FOR_BOUNDS = 62
# Lines of one generator: longer sums are in every other format.
_MOST_LINES = 3
# A column that leaves a term no room wraps inside it, whatever is left out.
_NARROWEST = 16
# What formulas of reports are made of: no command that reads or defines anything.
_TEX = re.compile(
    r"(?:\\(?:partial|mathrm|sin|cos|tan|exp|log|sqrt|sinh|cosh|tanh|cdot|frac|left|right|backslash|hat|sim)(?![A-Za-z])"
    r"|\\[,{}#$%&_ ]|[^\\%#&$~])*"
)


def table(report: Report) -> RenderableType:
    """Return the report as a rich renderable that fits the width of the console it is printed on."""
    warnings = [("warning", text) for text in report.warnings]
    return Group(
        labelled(list(headline(report))),
        Text(),
        *(_conserved_table(report) if report.conserved else ()),
        *((Padding(_GeneratorTable(rows), (0, 0, 0, 2)), Text()) if (rows := generator_rows(report)) else ()),
        labelled(list(conclusions(report))),
        *([labelled(warnings, style="yellow")] if warnings else []),
    )


def to_table_text(report: Report) -> str:
    """Return the table as plain text for a file or a pipe."""
    return plain_text(table(report))


def to_markdown(report: Report) -> str:
    """Return the report as Markdown: the findings as tables, the settings at the end."""
    return "\n".join(_markdown_lines(report)) + "\n"


def _found(report: Report) -> Sequence[Generator | Conserved]:
    return report.generators or report.conserved or ()


def to_csv(report: Report) -> str:
    """Return what was found as rows with numbers as they are: generators, else conserved functions."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("number", "expression", "defect", "lower", "upper", "reach", "verdict", "algebra"))
    for i, found in enumerate(_found(report), start=1):
        reach = getattr(found, "reach", None)
        numbers = ["" if v is None else repr(v) for v in (found.defect, found.lower, found.upper, reach)]
        text = untrusted_text.shown(found.expression)
        # A spreadsheet would run it.
        text = f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
        algebra = report.algebra.name if found.verdict == "certified" and report.generators else ""
        rows.writerow((i, text, *numbers, found.verdict, algebra or ""))
    return out.getvalue()


def to_tex(report: Report) -> str:
    """Return what was found as a LaTeX tabular; expressions as plain text stand in comments."""
    lines = [f"% {untrusted_text.shown(title(report))}: {untrusted_text.shown(algebra_text(report.algebra))}"]
    lines += [r"\begin{tabular}{rlll}", r"\# & generator & defect & verdict \\", r"\hline"]
    for i, found in enumerate(_found(report), start=1):
        plain = untrusted_text.shown(found.expression)
        safe = _TEX.fullmatch(found.latex) and found.latex.count("{") == found.latex.count("}")
        shown = f"${found.latex}$" if safe and found.latex else rf"\mbox{{{untrusted_text.latex(plain)}}}"
        lines.append(rf"{i} & {shown} & {number_text(found.defect)} & {found.verdict} \\  % {plain}".replace("–", "--"))
    return "\n".join([*lines, r"\end{tabular}"]) + "\n"


def title(report: Report) -> str:
    """Name the report by its source."""
    name = "standard input" if report.source.path == "-" else PurePath(report.source.path).name
    if report.conserved is not None and not report.generators:
        return f"Conserved quantities of {name}"
    return f"Continuous symmetries of {name}"


def _conserved_table(report: Report) -> tuple[RenderableType, ...]:
    grid = bare_table()
    for heading in HEADER:
        grid.add_column(heading, no_wrap=heading not in ("conserved", "follows from"), overflow="fold")
    for row in conserved_rows(report):
        cells = [Text(untrusted_text.shown(cell)) for cell in row]
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
        grid = bare_table()
        for heading, _ in shown:
            grid.add_column(
                heading,
                justify="right" if heading in ("#", "reach") else "left",
                no_wrap=heading != "generator",
                overflow="fold",
            )
        others = [max(map(len, [h, *map(cell, self.rows)])) for h, cell in shown if h != "generator"]
        width = options.max_width - sum(others) - 2 * len(shown)
        for row in self.rows:
            row = replace(row, expression=in_lines(row.expression, max(width, _NARROWEST)))
            cells = [
                Text(untrusted_text.shown(cell(row)), style="dim" if row.verdict == "refuted" else "")
                for _, cell in shown
            ]
            cells[-1].stylize(VERDICT_STYLES[row.verdict])
            grid.add_row(*cells)
        yield grid


def in_lines(expression: str, width: int) -> str:
    """As many terms of a sum as three lines of this width hold, and how many more there are."""
    if len(textwrap.wrap(expression, width)) <= _MOST_LINES:
        return expression
    terms = re.split(r" (?=[+−] )", expression)
    for kept in range(len(terms) - 1, 0, -1):
        text = f"{' '.join(terms[:kept])} + … ({len(terms) - kept} more terms)"
        if len(textwrap.wrap(text, width)) <= _MOST_LINES:
            return text
    return expression


def _markdown_lines(report: Report) -> Iterator[str]:
    yield from (f"# {_escape(title(report))}", "")
    yield from (f"- **{label}**: {_escape(text)}" for label, text in headline(report))
    if report.conserved:
        yield from _markdown_table(HEADER, "---: :--- ---: :--- :--- :---", conserved_rows(report))
    generators = [(r.number, r.expression, r.defect, r.interval, r.reach, r.verdict) for r in generator_rows(report)]
    if generators:
        columns = ("#", "generator", "defect", "bounds", "reach", "verdict")
        yield from _markdown_table(columns, "---: :--- ---: :--- ---: :---", generators)
    yield ""
    yield from (f"- **{label}**: {_escape(text)}" for label, text in conclusions(report))
    yield from (f"- **warning**: {_escape(text)}" for text in report.warnings)
    for heading, (header, rows) in promotion_tables(report.promotion) if report.promotion is not None else ():
        yield from ("", f"## {heading}")
        yield from _markdown_table(header, " ".join("---:" for _ in header), rows)
    if report.witness is not None and report.witness.alternatives:
        yield from ("", "## What was tried")
        yield from _markdown_table(ALTERNATIVES, ":--- ---: ---: :---", alternative_rows(report.witness))
    brackets = bracket_texts(report)
    if brackets:
        yield from ("", "## Brackets", "")
        yield from (f"- {_escape(text)}" for text in brackets)
    typeset = [(i, g.latex) for i, g in enumerate(report.generators, start=1) if g.latex]
    if typeset:
        yield from ("", "## LaTeX", "")
        yield from (f"- generator {i}: {_code(latex)}" for i, latex in typeset)
        yield from (f"- invariant: {_code(v.latex)}" for v in report.algebra.invariants if v.latex)
    yield from _markdown_matrices(report)
    yield from ("", "## Settings")
    settings = [(key, "" if value is None else str(value)) for key, value in report.settings.items()]
    yield from _markdown_table(("option", "value"), ":--- :---", settings)
    environment = report.environment
    yield ""
    yield (
        _escape(f"symfind {environment.symfind}, torch {environment.torch}, {environment.device}, {environment.dtype}")
        + f"; source SHA-256 {_code(report.source.sha256 or 'none')}"
    )


def _markdown_table(header: Sequence[str], alignment: str, rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield from ("", "| " + " | ".join(header) + " |", "| " + " | ".join(alignment.split()) + " |")
    yield from ("| " + " | ".join(map(_escape, cells)) + " |" for cells in rows)


def _markdown_matrices(report: Report) -> Iterator[str]:
    actions = [(i, matrix_of(g.input_action)) for i, g in enumerate(report.generators, start=1)]
    matrices = [(i, matrix) for i, matrix in actions if matrix is not None]
    if matrices:
        yield from ("", "## Matrices of the generators")
    rows = report.drawn.rows if report.drawn is not None else ()
    for number, matrix in matrices:
        texts = [[coefficient_text(entry) for entry in row] for row in shown_matrix(matrix, rows)]
        width = max(len(text) for row in texts for text in row)
        yield from ("", f"Generator {number}:", "")
        yield from ("    " + " ".join(text.rjust(width) for text in row) for row in texts)


# What Markdown would take for markup inside a line or a cell.
_MARKUP = str.maketrans({letter: "\\" + letter for letter in "\\`*_[]<>|#"})


def _escape(text: str) -> str:
    return untrusted_text.shown(text).translate(_MARKUP)


def _code(text: str) -> str:
    """Text between backticks, which it may not end."""
    return "`" + untrusted_text.shown(text).replace("`", "'") + "`"
