"""A report as one HTML file: nothing is loaded from elsewhere, no script runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape

from symfind.errors import UsageError
from symfind.render.conservation import HEADER, conserved_rows
from symfind.render.plots import spectrum_svg
from symfind.render.promotion import path_svg, promotion_tables
from symfind.render.summary import bracket_texts, coefficient_text, conclusions, generator_rows, headline, matrix_of
from symfind.render.tables import title
from symfind.schema.document import Report
from symfind.schema.promotion import Promotion

# Wider matrices are no longer read entry by entry; they are in the JSON report.
_WIDEST_MATRIX = 16

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5c6675; --line: #dfe3e8; --paper: #ffffff;
  --card: #f6f7f9; --good: #16794c; --unsure: #9a6700; --plus: 36, 99, 201; --minus: 201, 72, 36; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #98a2b0; --line: #333b47;
  --paper: #14181e; --card: #1c222b; --good: #4ac38a; --unsure: #d9a531; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.25rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.generators { width: 100%; }
.generators th { text-align: left; color: var(--soft); font-weight: 600; }
.generators th, .generators td { padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.expression { font-family: "STIX Two Math", "Cambria Math", Georgia, serif; font-size: 1.08em; }
td.certified { color: var(--good); font-weight: 600; } td.undecided { color: var(--unsure); font-weight: 600; }
tr.refuted td { color: var(--soft); }
.warning { border-left: 4px solid var(--unsure); background: var(--card); padding: .6rem .9rem; margin: .6rem 0; }
img { max-width: 100%; background: #ffffff; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
svg .grid { stroke: var(--line); } svg .bounds { stroke: var(--soft); stroke-width: 1.5; }
svg .tolerance { stroke: var(--unsure); stroke-dasharray: 5 4; }
svg .certified { fill: var(--good); } svg .undecided { fill: var(--unsure); } svg .refuted { fill: var(--soft); }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem; }
figcaption { color: var(--soft); margin-bottom: .5rem; max-width: 24rem; overflow-wrap: anywhere; }
.matrix td { width: 3.2rem; padding: .2rem .35rem; text-align: right; font-size: .85rem;
  border: 1px solid var(--line); }
.brackets { columns: 16rem; padding-left: 1.2rem; margin: 0; }
pre { overflow-x: auto; background: var(--card); padding: .8rem; border-radius: 8px; font-size: .85rem; }
details { margin-top: 2.25rem; } summary { cursor: pointer; font-weight: 600; }
.settings td { padding: .15rem 1.25rem .15rem 0; overflow-wrap: anywhere; }
footer { margin-top: 2rem; color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
"""


def to_html(report: Report) -> str:
    """Return the report as a self-contained page: findings, spectrum, matrices, settings."""
    heading = escape(title(report))
    body = "\n".join(_sections(report))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{heading}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _sections(report: Report) -> Iterator[str]:
    yield _definitions(headline(report))
    for text in report.warnings:
        yield f'<p class="warning" role="note">{escape(text)}</p>'
    if report.conserved:
        yield "<h2>Conserved</h2>"
        yield from _conserved_table(report)
    if report.generators or report.conserved is None:
        yield "<h2>Generators</h2>"
        yield from _generator_table(report)
    yield "<h2>What they span</h2>" if report.generators else "<h2>What was found</h2>"
    yield _definitions(conclusions(report))
    drawing = spectrum_svg(report)
    if drawing:
        yield "<h2>Spectrum</h2>"
        yield drawing
    if report.promotion is not None:
        yield from _promotion(report.promotion)
    if report.source.kind in ("image", "pairs"):
        yield from _pictures(report)
    yield from _brackets(report)
    yield from _matrices(report)
    yield from _typeset(report)
    yield from _settings(report)


def _definitions(pairs: Iterator[tuple[str, str]]) -> str:
    lines = (f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in pairs)
    return "<dl>\n" + "\n".join(lines) + "\n</dl>"


def _generator_table(report: Report) -> Iterator[str]:
    yield '<div class="scroll"><table class="generators">'
    yield "<tr><th>#</th><th>generator</th><th>defect</th><th>bounds</th><th>reach</th><th>verdict</th></tr>"
    for row in generator_rows(report):
        yield (
            f'<tr class="{row.verdict}"><td>{row.number}</td>'
            f'<td class="expression">{escape(row.expression)}</td>'
            f"<td>{row.defect}</td><td>{row.interval}</td><td>{row.reach}</td>"
            f'<td class="{row.verdict}">{row.verdict}</td></tr>'
        )
    yield "</table></div>"


def _conserved_table(report: Report) -> Iterator[str]:
    yield '<div class="scroll"><table class="generators">'
    yield "<tr>" + "".join(f"<th>{escape(text)}</th>" for text in HEADER) + "</tr>"
    for number, expression, *cells, verdict in conserved_rows(report):
        middle = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        yield (
            f'<tr><td>{number}</td><td class="expression">{escape(expression)}</td>{middle}'
            f'<td class="{verdict}">{verdict}</td></tr>'
        )
    yield "</table></div>"


def _matrices(report: Report) -> Iterator[str]:
    figures = [
        _matrix(f"{i}: {generator.expression}", matrix)
        for i, generator in enumerate(report.generators, start=1)
        if (matrix := matrix_of(generator.input_action)) is not None and len(matrix[0]) <= _WIDEST_MATRIX
    ]
    figures += [
        _matrix(f"preserved form, signature {form.signature}", form.matrix)
        for form in report.algebra.preserved_forms
        if len(form.matrix) <= _WIDEST_MATRIX
    ]
    if figures:
        yield "<h2>Matrices</h2>"
        yield '<div class="cards">'
        yield from figures
        yield "</div>"


def _pictures(report: Report) -> Iterator[str]:
    from symfind.render.pictures import pictures  # torch, which other reports do without

    try:
        drawn = pictures(report)
    except UsageError as fault:
        yield f'<p class="warning" role="note">{escape(str(fault))}</p>'
        return
    if not drawn:
        return
    yield "<h2>Pictures</h2>"
    yield '<div class="cards">'
    for picture in drawn:
        source = "data:image/png;base64," + b64encode(picture.png).decode("ascii")
        caption = escape(picture.caption)
        yield f'<figure><figcaption class="expression">{caption}</figcaption>'
        yield f'<img src="{source}" alt="{caption}"></figure>'
    yield "</div>"


def _promotion(promotion: Promotion) -> Iterator[str]:
    yield "<h2>How it was fitted</h2>"
    yield path_svg(promotion)
    for heading, (header, rows) in promotion_tables(promotion):
        yield f"<details><summary>{escape(heading)}</summary>"
        yield '<div class="scroll"><table class="generators">'
        yield "<tr>" + "".join(f"<th>{escape(text)}</th>" for text in header) + "</tr>"
        yield from ("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rows)
        yield "</table></div></details>"


def _brackets(report: Report) -> Iterator[str]:
    texts = bracket_texts(report)
    if texts:
        yield "<h2>Brackets</h2>"
        yield '<ul class="brackets expression">'
        yield from (f"<li>{escape(text)}</li>" for text in texts)
        yield "</ul>"


def _typeset(report: Report) -> Iterator[str]:
    lines = [f"{i}: {g.latex}" for i, g in enumerate(report.generators, start=1) if g.latex]
    lines += [f"invariant: {v.latex}" for v in report.algebra.invariants if v.latex]
    if lines:
        yield "<details><summary>LaTeX</summary><pre>" + escape("\n".join(lines)) + "</pre></details>"


def _matrix(caption: str, matrix: tuple[tuple[float, ...], ...]) -> str:
    largest = max(abs(entry) for row in matrix for entry in row) or 1.0
    rows = []
    for row in matrix:
        cells = []
        for entry in row:
            # Colour says sign and share of the largest entry; half opaque keeps the number legible.
            colour = f"rgba(var(--{'plus' if entry > 0 else 'minus'}), {0.5 * abs(entry) / largest:.2f})"
            cells.append(f'<td style="background: {colour}">{coefficient_text(entry)}</td>')
        rows.append("<tr>" + "".join(cells) + "</tr>")
    return (
        f'<figure><figcaption class="expression">{escape(caption)}</figcaption>'
        f'<div class="scroll"><table class="matrix">{"".join(rows)}</table></div></figure>'
    )


def _settings(report: Report) -> Iterator[str]:
    yield "<details><summary>Settings</summary>"
    yield '<table class="settings">' + _rows(report.settings) + "</table></details>"
    environment = report.environment
    took = sum(report.timing.values())
    yield (
        f"<footer>symfind {escape(environment.symfind)}, torch {escape(environment.torch)}, "
        f"{escape(environment.device)}, {escape(environment.dtype)}; {took:.1f} s; "
        f"source SHA-256 {escape(report.source.sha256 or 'none')}</footer>"
    )


def _rows(values: Mapping[str, object]) -> str:
    return "\n".join(
        f"<tr><td>{escape(key)}</td><td>{escape('' if value is None else str(value))}</td></tr>"
        for key, value in values.items()
    )
