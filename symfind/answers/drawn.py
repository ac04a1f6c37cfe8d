"""The few rows that a report carries so that pictures can be drawn where the data are not."""

from __future__ import annotations

from torch import Tensor

from symfind.schema.coverage import Drawn

# As many dots as a small picture shows apart; more would make the report longer, not the picture better.
_MOST_ROWS = 120
# A picture shows two coordinates at a time: among more than these no pair says much.
_MOST_COORDINATES = 12
_MOST_ON_A_CURVE = 128


def drawn_rows(points: Tensor, curve: Tensor | None = None) -> Drawn | None:
    """Every so-manieth row of ``(n, d)``, and of a curve ``(m, d)``; None where d or n leave nothing to draw."""
    if points.dim() != 2 or not 2 <= points.shape[1] <= _MOST_COORDINATES or points.shape[0] < 2:
        return None
    curve = points[:0] if curve is None else curve
    return Drawn(rows=_few(points, _MOST_ROWS), curve=_few(curve, _MOST_ON_A_CURVE))


def _few(points: Tensor, most: int) -> tuple[tuple[float, ...], ...]:
    chosen = points[:: max(1, -(-points.shape[0] // most))].double().cpu().tolist()
    return tuple(tuple(float(f"{value:.4g}") for value in row) for row in chosen)
