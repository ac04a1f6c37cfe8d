"""The symmetric model that decided: in words, as a drawing of f with unseen rows, and what was tried beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from symfind.render.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from symfind.schema.numbers import bounds_text, number_text
from symfind.schema.witness import Graph, Local, Witness

ALTERNATIVES = ("functions symmetric under", "dimension", "R of unseen rows", "verdict")


def witness_pairs(witness: Witness) -> Iterator[tuple[str, str]]:
    """Yield the model, its formula and its file: label and text."""
    yield "witness", witness_text(witness)
    if witness.formula:
        yield "formula", witness.formula
    if witness.output is not None:
        yield "written", witness.output


def witness_text(witness: Witness) -> str:
    """Describe the symmetric model: its algebra, its invariants, what it explains of rows it has not seen."""
    count = f"{witness.invariants} invariant{'s' * (witness.invariants != 1)}"
    learned = ", learned" if witness.refined else ""
    left = f", {100 * witness.left_over:.2g} % of it structured" if witness.left_over else ""
    share = 1.0 - witness.r2
    low, high = number_text(witness.eta_lower), number_text(witness.eta_upper)
    return (
        f"functions of {count} of {witness.candidate}{learned}: all but {100 * share:.2g} % of unseen rows{left}"
        f" (R = {number_text(share)}); η {number_text(witness.eta)} in [{low}, {high}]"
    )


def local_pairs(local: Sequence[Local]) -> Iterator[tuple[str, str]]:
    """Yield each local symmetry: label and text."""
    if not local:
        yield "local", "no symmetry of a part of the domain beside what holds everywhere"
    for found in local:
        share = f"{100 * found.share:.0f} % of the rows"
        size = f"{number_text(found.eta)} {bounds_text(0.0, found.upper)}"
        yield "local", f"{found.candidate} where {found.region} ({share})   {size}"


def alternative_rows(witness: Witness) -> list[tuple[str, ...]]:
    """Everything that was judged, as texts."""
    return [(a.candidate, str(a.dimension), number_text(a.share), a.verdict) for a in witness.alternatives]


def graph_svg(graph: Graph) -> str:
    """The curve of the model and unseen rows as points, on linear axes."""
    label = f"{graph.up} against {graph.across}: the symmetric model and unseen rows"
    return _drawn(label, graph.across, graph.curve, (("refuted", graph.rows),), graph.curve)


def region_svg(local: Local) -> str:
    """Rows inside and outside of a region, in two features, the second upwards."""
    label = f"{local.axes[1]} against {local.axes[0]}: rows inside and outside of the region"
    across = f"{local.axes[0]} (up: {local.axes[1]}); filled: inside the region"
    points = (("certified", local.inside), ("outside", local.outside))
    return _drawn(label, across, (*local.inside, *local.outside), points, ())


def _drawn(
    title: str,
    axis: str,
    points: Sequence[Sequence[float]],
    clouds: Sequence[tuple[str, Sequence[Sequence[float]]]],
    curve: Sequence[Sequence[float]],
) -> str:
    points = [*points, *(p for _, rows in clouds for p in rows)]
    (x0, x1), (y0, y1) = (_range([p[i] for p in points]) for i in (0, 1))

    def across(x: float) -> float:
        return LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)

    label = escape(title, quote=True)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">']
    for y in _ticks(y0, y1):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(y):.1f}" y2="{down(y):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{down(y) + 4:.1f}" text-anchor="end">{_tick(y)}</text>')
    for x in _ticks(x0, x1):
        parts.append(f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_tick(x)}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{escape(axis)}</text>')
    for kind, rows in clouds:
        look = 'fill="none" stroke="currentColor" stroke-opacity="0.4"' if kind == "outside" else f'class="{kind}"'
        parts += [f'<circle {look} cx="{across(p[0]):.1f}" cy="{down(p[1]):.1f}" r="2.5"/>' for p in rows]
    if curve:
        path = " ".join(f"{across(p[0]):.1f},{down(p[1]):.1f}" for p in curve)
        parts.append(f'<polyline class="model" points="{path}"/>')
    return "\n".join([*parts, "</svg>"])


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers between two."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")
