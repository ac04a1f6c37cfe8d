"""The spectrum of relative defects as an SVG drawing: no library, no script, legible in light and dark."""

from __future__ import annotations

import math

from symfind.schema.document import Report

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 44
# Below the rounding of float64 a defect says nothing more, and an exact zero has no logarithm.
_FLOOR = 1e-16


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
    lowest = math.floor(min(_exponent(v) for v in values))
    highest = max(math.ceil(max(_exponent(v) for v in values)), lowest + 1)

    def across(rank: float) -> float:
        return _LEFT + (rank - 0.5) / len(report.spectrum) * (_WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        share = (_exponent(value) - lowest) / (highest - lowest)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-label="Relative defect of every direction of the space, ascending">'
    ]
    step = max(1, math.ceil((highest - lowest) / 6))
    for exponent in range(lowest, highest + 1, step):
        y = down(10.0**exponent)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_power(exponent)}</text>')
    for rank in _ticks(len(report.spectrum)):
        parts.append(f'<text x="{across(rank):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{rank}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">direction of the space, by relative defect</text>')
    if isinstance(tolerance, float):
        y = down(tolerance)
        parts.append(f'<line class="tolerance" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{y + 15:.1f}" text-anchor="end">tolerance {tolerance:g}</text>')
    radius = max(1.5, min(5.0, 200 / len(report.spectrum)))
    for rank, entry in entries:
        x = across(rank)
        if entry.lower is not None and entry.upper is not None:
            parts.append(
                f'<line class="bounds" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{down(entry.lower):.1f}" y2="{down(entry.upper):.1f}"/>'
            )
        assert entry.defect is not None  # entries were chosen so
        kind = listed[rank - 1].verdict if rank <= len(listed) else "refuted"
        parts.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{down(entry.defect):.1f}" r="{radius:.1f}">'
            f"<title>{rank}: {entry.defect:.3g}</title></circle>"
        )
    parts.append("</svg>")
    return "\n".join(parts)


def _exponent(value: float) -> float:
    return math.log10(max(value, _FLOOR))


def _power(exponent: int) -> str:
    digits = str(abs(exponent)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return "1" if exponent == 0 else "10" + ("⁻" if exponent < 0 else "") + digits


def _ticks(count: int) -> list[int]:
    step = max(1, math.ceil(count / 16))
    return [rank for rank in range(1, count + 1) if rank == 1 or rank % step == 0]
