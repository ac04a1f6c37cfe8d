"""The spectrum of relative defects as an SVG drawing: no library, no script, legible in light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from symfind.render.pages.frame import slug
from symfind.schema.document import Report
from symfind.untrusted_text import shown

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 16, 46
# Below the rounding of float64 a defect says nothing more, and an exact zero has no logarithm.
_FLOOR = 1e-16
# Names of more points than this would lie on one another; each has its title.
_MOST_NAMED = 14
_LONGEST_NAME = 24


def spectrum_svg(report: Report) -> str:
    """Draw ρ against its rank, logarithmically, with the bounds and the tolerance; empty without a spectrum."""
    entries = [(i, e) for i, e in enumerate(report.spectrum, start=1) if e.defect is not None]
    if not entries:
        return ""
    listed = report.generators or report.conserved or ()
    tolerance = report.settings.get("tolerance")
    values = [v for _, e in entries for v in (e.defect, e.lower, e.upper) if v is not None]
    if isinstance(tolerance, float):
        values.append(tolerance)
    lowest = math.floor(min(exponent_of(v) for v in values))
    highest = max(math.ceil(max(exponent_of(v) for v in values)), lowest + 1)

    def across(rank: float) -> float:
        return LEFT + (rank - 0.5) / len(report.spectrum) * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return height_of(exponent_of(value), lowest, highest)

    parts = [*opened("Relative defect of every direction of the space, ascending", lowest, highest)]
    for rank in _ticks(len(report.spectrum)):
        parts.append(f'<text x="{across(rank):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{rank}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">direction of the space, by relative defect</text>')
    if isinstance(tolerance, float):
        y = down(tolerance)
        parts.append(f'<line class="tolerance" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT}" y="{y + 15:.1f}" text-anchor="end">tolerance {tolerance:g}</text>')
    radius = max(1.5, min(5.0, 200 / len(report.spectrum)))
    for rank, entry in entries:
        x = across(rank)
        if entry.lower is not None and entry.upper is not None:
            parts.append(
                f'<line class="bounds" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{down(entry.lower):.1f}" y2="{down(entry.upper):.1f}"/>'
            )
        assert entry.defect is not None  # entries were chosen so
        kind = listed[rank - 1].verdict if rank <= len(listed) else report.unlisted_verdict(entry)
        parts.append(
            f'<circle class="{slug(kind)}" cx="{x:.1f}" cy="{down(entry.defect):.1f}" r="{radius:.1f}">'
            f"<title>{rank}: {entry.defect:.3g}</title></circle>"
        )
        if rank <= len(listed) and len(listed) <= _MOST_NAMED:
            y = down(entry.defect)
            # Upwards where there is room above the point, else downwards.
            angle, shift = (-50, -8) if y > HEIGHT / 2 else (50, 12)
            name = escape(_shortened(shown(listed[rank - 1].expression)))
            place = f"translate({x:.1f} {y + shift:.1f}) rotate({angle})"
            parts.append(f'<text class="name" transform="{place}">{name}</text>')
    parts.append("</svg>")
    return "\n".join(parts)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def exponent_of(value: float) -> float:
    """log₁₀ of a defect or an error, not below rounding."""
    return math.log10(max(value, _FLOOR))


def height_of(exponent: float, lowest: int, highest: int) -> float:
    """Where 10^exponent lies on the logarithmic axis from 10^lowest at the bottom to 10^highest at the top."""
    return HEIGHT - BOTTOM - (exponent - lowest) / (highest - lowest) * (HEIGHT - TOP - BOTTOM)


def opened(label: str, lowest: int, highest: int) -> Iterator[str]:
    """The begin of a drawing with its logarithmic axis."""
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
    for exponent in range(lowest, highest + 1, max(1, math.ceil((highest - lowest) / 6))):
        y = height_of(exponent, lowest, highest)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_power(exponent)}</text>'


def _power(exponent: int) -> str:
    digits = str(abs(exponent)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return "1" if exponent == 0 else "10" + ("⁻" if exponent < 0 else "") + digits


def _ticks(count: int) -> list[int]:
    step = max(1, math.ceil(count / 16))
    return [rank for rank in range(1, count + 1) if rank == 1 or rank % step == 0]
