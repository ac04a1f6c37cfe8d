"""How a model was promoted, as lines, as tables and as a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from symfind.schema.promotion import Promotion

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 44
_FLOOR = 1e-16

Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


def promotion_pairs(promotion: Promotion) -> Iterator[tuple[str, str]]:
    """Yield what was promoted in two or three lines: label and text."""
    rows = promotion.held_out
    yield (
        "held out",
        (
            f"{_share(rows.promoted)} of the variance missed on {rows.rows} rows, {_share(rows.plain)} without "
            f"promotion (difference ± {_share(rows.difference_error)})"
        ),
    )
    if promotion.freedom is not None and promotion.freedom < promotion.unknowns:
        yield "parameters", f"{promotion.freedom} of {promotion.unknowns} free"
    if promotion.refits:
        tried = ", ".join(f"{_share(r.error)} with {r.symmetries}" for r in promotion.refits)
        yield "symmetries", f"cross-validated error {tried}"
    if promotion.epochs:
        last = promotion.epochs[-1]
        yield "training", f"{last.epoch} epochs, validation {_share(last.validation)}, γ = {promotion.gamma:.3g}"


def promotion_tables(promotion: Promotion) -> Iterator[tuple[str, Table]]:
    """Yield a heading, and a header with rows, for each thing that was varied."""
    if promotion.path:
        yield (
            "Weight of the nuclear norm",
            (
                ("γ", "exact symmetries", "cross-validated error"),
                tuple((f"{p.gamma:.3g}", str(p.symmetries), _share(p.error)) for p in promotion.path),
            ),
        )
    if promotion.refits:
        yield (
            "Refits with exact symmetries",
            (
                ("symmetries", "cross-validated error"),
                tuple((str(r.symmetries), _share(r.error)) for r in promotion.refits),
            ),
        )
    if promotion.epochs:
        yield (
            "Training",
            (
                ("epoch", "γ", "loss", "validation", "nuclear norm"),
                tuple(
                    (str(e.epoch), f"{e.gamma:.3g}", _share(e.loss), _share(e.validation), _share(e.nuclear))
                    for e in promotion.epochs
                ),
            ),
        )


def path_svg(promotion: Promotion) -> str:
    """Draw the error against γ (or against the epoch), logarithmically; empty where there are fewer than two points."""
    if len(promotion.path) > 1:
        points = [(-math.log10(max(p.gamma, 1e-300)), p.error) for p in promotion.path]
        label = "cross-validated error against the weight γ of the nuclear norm, falling"
    elif len(promotion.epochs) > 1:
        points = [(float(e.epoch), e.validation) for e in promotion.epochs]
        label = "validation error against the epoch"
    else:
        return ""
    return _drawing(points, label)


def _drawing(points: Sequence[tuple[float, float]], label: str) -> str:
    heights = [math.log10(max(y, _FLOOR)) for _, y in points]
    low, high = math.floor(min(heights)), max(math.ceil(max(heights)), math.floor(min(heights)) + 1)
    left, right = min(x for x, _ in points), max(x for x, _ in points)

    def place(x: float, height: float) -> tuple[float, float]:
        across = (x - left) / ((right - left) or 1.0) * (_WIDTH - _LEFT - _RIGHT)
        down = (high - height) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + across, _TOP + down

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">']
    for exponent in range(low, high + 1, max(1, (high - low + 5) // 6)):
        y = place(left, float(exponent))[1]
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">1e{exponent}</text>')
    places = [place(x, h) for (x, _), h in zip(points, heights, strict=True)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline class="bounds" fill="none" points="{line}"/>')
    for (x, y), (_, error) in zip(places, points, strict=True):
        parts.append(f'<circle class="certified" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{error:.3g}</title></circle>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{label}</text></svg>')
    return "\n".join(parts)


def _share(value: float) -> str:
    """Show a share of variance."""
    return "0" if value == 0 else f"{value:.3g}"
