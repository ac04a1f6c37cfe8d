"""A report as one HTML file: nothing is loaded from elsewhere, no script runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping

from symfind.errors import UsageError
from symfind.kinds.registry import KINDS
from symfind.render.conservation import HEADER, conserved_rows
from symfind.render.matrices import coefficient_text, matrix_of, shown_matrix
from symfind.render.pages.flows import flow_cards, level_cards
from symfind.render.pages.frame import definitions, escape, page, table, warning
from symfind.render.pages.mathml import math
from symfind.render.pages.validity import VALIDITY, validity_rows
from symfind.render.plots import spectrum_svg
from symfind.render.promotion import path_svg, promotion_tables
from symfind.render.summary import bracket_texts, conclusions, generator_rows, headline
from symfind.render.tables import title
from symfind.render.witness import ALTERNATIVES, alternative_rows, graph_svg, region_svg
from symfind.schema.document import Report
from symfind.schema.promotion import Promotion
from symfind.schema.witness import Witness

# Wider matrices are no longer read entry by entry; they are in the JSON report.
_WIDEST_MATRIX = 16
GENERATORS = ("#", "generator", "defect", "bounds", "reach", "verdict")


def to_html(report: Report) -> str:
    """Return the report as a self-contained page: findings, pictures, spectrum, matrices, settings."""
    return page(title(report), "\n".join(_sections(report)))


def pictures_html(report: Report) -> str:
    """Return the pictures of a report alone, as a page: what ``report.plot()`` shows."""
    return page(title(report), "\n".join(_drawings(report)))


def _drawings(report: Report) -> Iterator[str]:
    yield from _cards("What they do", flow_cards(report))
    yield from _cards("What stays", level_cards(report))
    if report.witness is not None:
        yield from _witness(report.witness)
    drawing = spectrum_svg(report)
    if drawing:
        yield "<h2>Spectrum</h2>"
        yield drawing


def _sections(report: Report) -> Iterator[str]:
    yield definitions(headline(report))
    yield from map(warning, report.warnings)
    if report.conserved:
        yield "<h2>Conserved</h2>"
        yield table(HEADER, conserved_rows(report), formulas=("conserved", "follows from"))
    if report.generators or report.conserved is None:
        yield "<h2>Generators</h2>"
        rows = [(r.number, r.expression, r.defect, r.interval, r.reach, r.verdict) for r in generator_rows(report)]
        yield table(GENERATORS, rows, formulas=("generator",))
    yield "<h2>What they span</h2>" if report.generators else "<h2>What was found</h2>"
    yield definitions(conclusions(report))
    yield from _drawings(report)
    for found in report.local or ():
        if len(found.axes) == 2:
            yield f"<h3>{escape(found.candidate)} where {escape(found.region)}</h3>"
            yield region_svg(found)
    if report.promotion is not None:
        yield from _promotion(report.promotion)
    kind = KINDS.get(report.source.kind)
    if kind is not None and kind.pictures:
        yield from _pictures(report)
    if report.validity:
        yield "<h2>How far they hold</h2>"
        yield table(VALIDITY, validity_rows(report.validity), formulas=("generator",))
    yield from _brackets(report)
    yield from _matrices(report)
    yield from _typeset(report)
    yield from _settings(report)


def _cards(heading: str, cards: Iterator[str]) -> Iterator[str]:
    figures = list(cards)
    if figures:
        yield f"<h2>{heading}</h2>"
        yield '<div class="cards">'
        yield from figures
        yield "</div>"


def _matrices(report: Report) -> Iterator[str]:
    rows = report.drawn.rows if report.drawn is not None else ()
    figures = [
        _matrix(f"{i}: {math(generator.expression)}", shown_matrix(matrix, rows), report.source.names)
        for i, generator in enumerate(report.generators, start=1)
        if (matrix := matrix_of(generator.input_action)) is not None and len(matrix[0]) <= _WIDEST_MATRIX
    ]
    figures += [
        _matrix(f"preserved form, signature {form.signature}", form.matrix, report.source.names)
        for form in report.algebra.preserved_forms
        if len(form.matrix) <= _WIDEST_MATRIX
    ]
    yield from _cards("Matrices", iter(figures))


def _pictures(report: Report) -> Iterator[str]:
    from symfind.render.pictures import pictures  # torch, which other reports do without

    try:
        drawn = pictures(report)
    except UsageError as fault:
        yield warning(str(fault))
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
        tried = table(ALTERNATIVES, alternative_rows(witness))
        yield f"<details><summary>What was tried</summary>{tried}</details>"


def _promotion(promotion: Promotion) -> Iterator[str]:
    yield "<h2>How it was fitted</h2>"
    yield path_svg(promotion)
    for heading, (header, rows) in promotion_tables(promotion):
        yield f"<details><summary>{escape(heading)}</summary>{table(header, rows)}</details>"


def _brackets(report: Report) -> Iterator[str]:
    texts = bracket_texts(report)
    if texts:
        yield "<h2>Brackets</h2>"
        yield '<ul class="brackets">'
        yield from (f"<li>{math(text)}</li>" for text in texts)
        yield "</ul>"


def _typeset(report: Report) -> Iterator[str]:
    lines = [f"{i}: {g.latex}" for i, g in enumerate(report.generators, start=1) if g.latex]
    lines += [f"invariant: {v.latex}" for v in report.algebra.invariants if v.latex]
    if lines:
        yield "<details><summary>LaTeX</summary><pre>" + "\n".join(map(escape, lines)) + "</pre></details>"


def _matrix(caption: str, matrix: tuple[tuple[float, ...], ...], names: tuple[str, ...]) -> str:
    """Entries as numbers and colours, under the names of their columns where these are known."""
    largest = max(abs(entry) for row in matrix for entry in row) or 1.0
    homogeneous = len(matrix) == len(names) + 1
    known = (*names, "1") if homogeneous else names if len(names) == len(matrix) else ()
    rows = ["<tr><th></th>" + "".join(f"<th>{math(name)}</th>" for name in known) + "</tr>"] if known else []
    for i, row in enumerate(matrix):
        cells = [f"<th>{math(known[i])}</th>"] if known else []
        for entry in row:
            # Colour says sign and share of the largest entry; half opaque keeps the number legible.
            colour = f"rgba(var(--{'plus' if entry > 0 else 'minus'}), {0.5 * abs(entry) / largest:.2f})"
            cells.append(f'<td style="background: {colour}">{coefficient_text(entry)}</td>')
        rows.append("<tr>" + "".join(cells) + "</tr>")
    return (
        f"<figure><figcaption>{caption}</figcaption>"
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
