"""A report as one HTML file: nothing is loaded from elsewhere, no script runs."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path

from symfind.errors import UsageError
from symfind.kinds.registry import KINDS
from symfind.render.conservation import HEADER, conserved_rows
from symfind.render.plots import slug, spectrum_svg
from symfind.render.promotion import path_svg, promotion_tables
from symfind.render.summary import bracket_texts, coefficient_text, conclusions, generator_rows, headline, matrix_of
from symfind.render.tables import title
from symfind.render.witness import ALTERNATIVES, alternative_rows, graph_svg
from symfind.schema.document import Report
from symfind.schema.promotion import Promotion
from symfind.schema.witness import Witness
from symfind.untrusted_text import shown

# Wider matrices are no longer read entry by entry; they are in the JSON report.
_WIDEST_MATRIX = 16

_STYLE = "\n" + Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def escape(text: str) -> str:
    """Text of a report, which may come from anybody, as one line of HTML."""
    return html.escape(shown(text))


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
    if report.witness is not None:
        yield from _witness(report.witness)
    drawing = spectrum_svg(report)
    if drawing:
        yield "<h2>Spectrum</h2>"
        yield drawing
    if report.promotion is not None:
        yield from _promotion(report.promotion)
    kind = KINDS.get(report.source.kind)
    if kind is not None and kind.pictures:
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
            f'<tr class="{slug(row.verdict)}"><td>{row.number}</td>'
            f'<td class="expression">{escape(row.expression)}</td>'
            f"<td>{row.defect}</td><td>{row.interval}</td><td>{row.reach}</td>"
            f'<td class="{slug(row.verdict)}">{row.verdict}</td></tr>'
        )
    yield "</table></div>"


def _conserved_table(report: Report) -> Iterator[str]:
    yield '<div class="scroll"><table class="generators">'
    yield "<tr>" + "".join(f"<th>{escape(text)}</th>" for text in HEADER) + "</tr>"
    for number, expression, *cells, verdict in conserved_rows(report):
        middle = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        yield (
            f'<tr><td>{number}</td><td class="expression">{escape(expression)}</td>{middle}'
            f'<td class="{slug(verdict)}">{verdict}</td></tr>'
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


def _witness(witness: Witness) -> Iterator[str]:
    if witness.graph is not None:
        yield "<h2>The symmetric model and rows it has not seen</h2>"
        yield graph_svg(witness.graph)
    if witness.alternatives:
        yield "<details><summary>What was tried</summary>"
        yield '<div class="scroll"><table class="generators">'
        yield "<tr>" + "".join(f"<th>{escape(text)}</th>" for text in ALTERNATIVES) + "</tr>"
        for *cells, verdict in alternative_rows(witness):
            yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            yield f'<td class="{slug(verdict)}">{verdict}</td></tr>'
        yield "</table></div></details>"


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
        yield "<details><summary>LaTeX</summary><pre>" + "\n".join(map(escape, lines)) + "</pre></details>"


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
