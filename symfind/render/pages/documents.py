"""What ``enforce``, ``score`` and ``augment`` say, as the page that reports have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from symfind.render.enforcement import (
    enforcement_pairs,
    enforcement_tables,
    layer_rows,
    score_pairs,
    score_rows,
    spectrum_pairs,
    spectrum_rows,
)
from symfind.render.pages.frame import definitions, escape, page, table, warning
from symfind.render.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, exponent_of, height_of, opened
from symfind.schema.augmentation import (
    Augmentation,
    FieldScore,
    augmentation_pairs,
    field_score_pairs,
    field_score_table,
)
from symfind.schema.document import Environment
from symfind.schema.enforcement import Enforcement, Score

Document = Enforcement | Score | FieldScore | Augmentation
# Curves of more generators than this are one grey band; the table has them all.
_MOST_CURVES = 40


def document_html(document: Document) -> str:
    """Return a self-contained page: what was done, tables, a picture, settings."""
    return page(
        _title(document), "\n".join([*_sections(document), *_settings(document.settings, document.environment)])
    )


def _title(document: Document) -> str:
    path = document.source if isinstance(document.source, str) else document.source.path
    name = "standard input" if path == "-" else PurePath(path).name
    verbs = {Enforcement: "made equivariant", Score: "and the group", FieldScore: "and its equation"}
    return f"{name}, {verbs.get(type(document), 'moved along its symmetries')}"


def _sections(document: Document) -> Iterator[str]:
    if isinstance(document, Augmentation):
        yield definitions(augmentation_pairs(document))
        return
    if isinstance(document, FieldScore):
        yield definitions(field_score_pairs(document))
        yield "<h2>Residual after finite transformations</h2>"
        yield table(*field_score_table(document))
        yield curves_svg(
            document.sizes, [(g.name, g.finite) for g in document.generators], "size of the transformation"
        )
        return
    notes = [("note", text) for text in document.notes]
    if isinstance(document, Score):
        yield definitions(score_pairs(document))
        yield "<h2>Error along each generator</h2>"
        yield table(*score_rows(document))
        flows = [(g.name, g.finite) for g in document.generators if g.defect is not None]
        yield curves_svg(document.sizes, flows, "size t of the transformation")
        spectrum = spectrum_rows(document)
        if spectrum is not None and document.spectrum is not None:
            yield "<h2>Error by part and degree</h2>"
            yield definitions(spectrum_pairs(document))
            yield table(*spectrum)
            if document.spectrum.rms > 0:
                s = document.spectrum
                bars = [(str(p), share, "refuted") for p, share in zip(s.degrees, s.shares, strict=True) if share > 0]
                yield bars_svg(bars, "share of the squared error at each degree")
        if document.layers:
            yield "<h2>What each layer adds to the Lie derivative</h2>"
            yield table(*layer_rows(document))
        yield definitions(notes)
        return
    yield definitions(enforcement_pairs(document))
    yield from map(warning, document.warnings)
    drawn = [("before", document.error_before.largest, "refuted")]
    drawn += [(m.method, m.error.largest, "certified") for m in document.considered if m.error is not None]
    if len(drawn) == 1:
        drawn.append((document.method, document.error_after.largest, "certified"))
    yield "<h2>Equivariance error before and after</h2>"
    yield bars_svg(drawn, "largest error, in units of the spread of the model's values")
    for header, rows in enforcement_tables(document):
        yield f"<h2>{'What was tried' if 'cost' in header else 'Layers'}</h2>"
        yield table(header, rows)
    yield definitions(notes)


def curves_svg(sizes: Sequence[float], curves: Sequence[tuple[str, Sequence[float]]], across: str) -> str:
    """Errors against the size of a transformation, a curve a generator, both logarithmic; empty with one size."""
    curves = [(name, values) for name, values in curves if len(values) == len(sizes)][:_MOST_CURVES]
    positive = [s for s in sizes if s > 0]
    if len(positive) < 2 or not curves:
        return ""
    heights = [exponent_of(v) for _, values in curves for v in values]
    low, high = math.floor(min(heights)), max(math.ceil(max(heights)), math.floor(min(heights)) + 1)
    ends = math.log10(positive[0]), math.log10(positive[-1])

    def place(size: float) -> float:
        return LEFT + (math.log10(size) - ends[0]) / ((ends[1] - ends[0]) or 1.0) * (WIDTH - LEFT - RIGHT)

    parts = [*opened(f"error against {across}", low, high)]
    for name, values in curves:
        points = [(s, v) for s, v in zip(sizes, values, strict=True) if s > 0]
        path = " ".join(f"{place(s):.1f},{height_of(exponent_of(v), low, high):.1f}" for s, v in points)
        parts.append(f'<polyline class="orbit" points="{path}"><title>{escape(name)}</title></polyline>')
    for size in positive:
        parts.append(f'<text x="{place(size):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{size:g}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{escape(across)}</text></svg>')
    return "\n".join(parts)


def bars_svg(bars: Sequence[tuple[str, float, str]], label: str) -> str:
    """Errors by name as dots on stems, on a logarithmic axis."""
    heights = [exponent_of(value) for _, value, _ in bars]
    low, high = math.floor(min(heights)) - 1, max(math.ceil(max(heights)), math.floor(min(heights)) + 1)
    parts = [*opened(label, low, high)]
    for i, (name, value, kind) in enumerate(bars):
        x = LEFT + (i + 0.5) / len(bars) * (WIDTH - LEFT - RIGHT)
        y = height_of(exponent_of(value), low, high)
        parts.append(f'<line class="bounds" x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM}" y2="{y:.1f}"/>')
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
        above = max(y - 9, TOP + 4)
        parts.append(f'<text x="{x:.1f}" y="{above:.1f}" text-anchor="middle">{value:.2g}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(name)}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{escape(label)}</text></svg>')
    return "\n".join(parts)


def _settings(settings: Mapping[str, object], environment: Environment) -> Iterator[str]:
    rows = [(key, "" if value is None else str(value)) for key, value in settings.items()]
    cells = "\n".join(f"<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>" for key, value in rows)
    yield f'<details><summary>Settings</summary><table class="settings">{cells}</table></details>'
    told = f"symfind {environment.symfind}, torch {environment.torch}, {environment.device}, {environment.dtype}"
    yield f"<footer>{escape(told)}</footer>"
