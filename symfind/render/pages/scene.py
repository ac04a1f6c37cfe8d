"""A small drawing of two coordinates: dots, curves and arrows in a frame, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from symfind.untrusted_text import LONGEST_NAME, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE, MARGIN = 300, 26


@dataclass
class Scene:
    """A frame around [low, high] of two coordinates.

    Attributes
    ----------
    low, high
        ``(2,)`` each.
    names
        Of the two coordinates.
    label
        What the drawing shows, for those who hear the page.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    names: Sequence[str]
    label: str
    parts: list[str] = field(default_factory=list)

    def at(self, point: NDArray[np.float64]) -> str:
        """``x,y`` in the drawing."""
        share = (point - self.low) / (self.high - self.low)
        inner = SIDE - 2 * MARGIN
        return f"{MARGIN + inner * float(share[0]):.1f},{SIDE - MARGIN - inner * float(share[1]):.1f}"

    def dots(self, points: Iterable[NDArray[np.float64]], kind: str = "row") -> None:
        """A dot a point."""
        for point in points:
            x, y = self.at(point).split(",")
            self.parts.append(f'<circle class="{kind}" cx="{x}" cy="{y}" r="2"/>')

    def curve(self, points: NDArray[np.float64], kind: str = "orbit", arrow: bool = False) -> None:
        """A polyline through points ``(m, 2)``, with an arrow in its middle."""
        path = " ".join(self.at(p) for p in points)
        self.parts.append(f'<polyline class="{kind}" points="{path}"/>')
        if arrow and len(points) > 2:
            self._arrow(points[len(points) // 2 - 1], points[len(points) // 2])

    def segments(self, pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], kind: str) -> None:
        """Short lines, as one path."""
        path = "".join(f"M{self.at(a)}L{self.at(b)}" for a, b in pairs)
        self.parts.append(f'<path class="{kind}" d="{path}"/>')

    def _arrow(self, start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
        (x0, y0), (x1, y1) = (tuple(map(float, self.at(p).split(","))) for p in (start, end))
        size = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        if size < 1e-3:
            return
        u, v = (x1 - x0) / size, (y1 - y0) / size
        corners = [(x1 + 4 * u, y1 + 4 * v), (x1 - 4 * u - 3.5 * v, y1 - 4 * v + 3.5 * u)]
        corners.append((x1 - 4 * u + 3.5 * v, y1 - 4 * v - 3.5 * u))
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        self.parts.append(f'<polygon class="arrow" points="{path}"/>')

    def svg(self) -> str:
        """The drawing, with the range of both axes."""
        across, up = (escape(shown(name, LONGEST_NAME)) for name in self.names)
        low, high = ([_short(float(v)) for v in ends] for ends in (self.low, self.high))
        inner = SIDE - 2 * MARGIN
        return "\n".join(
            [
                f'<svg class="scene" viewBox="0 0 {SIDE} {SIDE}" role="img" '
                f'aria-label="{escape(shown(self.label), quote=True)}">',
                f'<svg x="{MARGIN}" y="{MARGIN}" width="{inner}" height="{inner}" '
                f'viewBox="{MARGIN} {MARGIN} {inner} {inner}">',
                *self.parts,
                "</svg>",
                f'<rect class="frame" x="{MARGIN}" y="{MARGIN}" width="{inner}" height="{inner}"/>',
                f'<text x="{MARGIN}" y="{SIDE - 8}">{low[0]}</text>',
                f'<text x="{SIDE / 2}" y="{SIDE - 8}" text-anchor="middle">{across}</text>',
                f'<text x="{SIDE - MARGIN}" y="{SIDE - 8}" text-anchor="end">{high[0]}</text>',
                f'<text x="{MARGIN}" y="{MARGIN - 8}">{up}: {low[1]} to {high[1]}</text>',
                "</svg>",
            ]
        )


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
