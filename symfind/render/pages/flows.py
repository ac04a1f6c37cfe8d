"""What generators do to the data: orbits through the rows, a solution and its moved copies, level sets of invariants.

Of three and more coordinates two are drawn, those along which a generator moves the rows most.
"""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from symfind.errors import SymfindError
from symfind.render.pages.mathml import math
from symfind.render.pages.scene import Scene
from symfind.schema.document import Generator, Report
from symfind.schema.shown import followed
from symfind.untrusted_text import LONGEST_NAME, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# More pictures than a reader compares.
_MOST_PICTURES = 12
_ORBITS = 14
_STEPS = 24
# An orbit is followed until its rows have moved by about this many spreads, both ways.
_LENGTH = 0.7
# A moved copy goes further: it is one curve among five, not one of many.
_AMOUNTS = (-1.0, -0.5, 0.5, 1.0)
# What is drawn reaches beyond the rows by this share of their range, where orbits go on.
_BEYOND = 0.2
_CELLS = 48
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def flow_cards(report: Report) -> Iterator[str]:
    """Yield a figure a generator whose flow can be followed, certified ones first; of fields on the graph of u."""
    if report.drawn is None or len(report.drawn.rows) < 2:
        return
    import numpy as np

    rows = np.asarray(report.drawn.rows)
    names = _names(report, rows.shape[1])
    curve = np.asarray(report.drawn.curve)
    listed = [(i, g) for i, g in enumerate(report.generators, start=1) if g.verdict != "undecided"]
    listed = listed or list(enumerate(report.generators, start=1))
    for i, generator in listed[:_MOST_PICTURES]:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                solution = len(curve) > 0
                scene, text = _copies(generator, curve, rows, names) if solution else _orbits(generator, rows, names)
        except SymfindError:
            continue
        yield _card(f"{i}: {math(generator.expression)}", text, scene)


def level_cards(report: Report) -> Iterator[str]:
    """Yield a figure an invariant or a conserved function: level sets in a plane through the middle of the rows."""
    if report.drawn is None or len(report.drawn.rows) < 2:
        return
    functions = [c.expression for c in report.conserved or () if c.verdict == "certified"]
    functions = functions or [v.expression for v in report.algebra.invariants]
    if not functions:
        return
    import numpy as np

    rows = np.asarray(report.drawn.rows)
    names = _names(report, rows.shape[1])
    for text in functions[:_MOST_PICTURES]:
        value = _function(text, names)
        if value is None:
            continue
        with np.errstate(all="ignore"):
            drawn = _levels(value, rows, names, text)
        if drawn is not None:
            yield _card(math(text), drawn[1], drawn[0])


def _card(caption: str, text: str, scene: Scene) -> str:
    return f'<figure><figcaption>{caption}<br><span class="soft">{text}</span></figcaption>\n{scene.svg()}</figure>'


def _names(report: Report, d: int) -> tuple[str, ...]:
    names = report.source.names
    return names if len(names) == d else tuple(f"x{i}" for i in range(1, d + 1))


def _spread(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    spread = rows.std(0)
    return np.where(spread > 0, spread, 1.0)


def _plane(weight: NDArray[np.float64], names: Sequence[str]) -> tuple[int, int]:
    """The two coordinates of largest weight, in their order; the first two where nothing moves."""
    order = sorted(range(len(names)), key=lambda a: (-round(float(weight[a]), 6), a))
    first, second = sorted(order[:2])
    return first, second


def _frame(points: NDArray[np.float64], plane: tuple[int, int], names: Sequence[str], label: str) -> Scene:
    import numpy as np

    low, high = points[:, plane].min(0), points[:, plane].max(0)
    wide = np.where(high > low, high - low, np.maximum(1.0, np.abs(high)))
    beyond = _BEYOND * wide
    return Scene(low - beyond, high + beyond, [names[a] for a in plane], label)


def _orbits(generator: Generator, rows: NDArray[np.float64], names: Sequence[str]) -> tuple[Scene, str]:
    import numpy as np

    spread = _spread(rows)
    velocity = generator.velocity(rows) / spread
    moves = np.sqrt((velocity**2).mean(0))
    rate = float(np.sqrt((velocity**2).sum(1).mean()))
    # A coordinate that the velocity depends on is drawn where only one moves.
    centred = (rows - rows.mean(0)) / spread
    depends = np.abs((centred * velocity.sum(1, keepdims=True)).mean(0))
    plane = _plane(moves + 1e-3 * depends, names)
    scene = _frame(rows, plane, names, f"orbits of {generator.expression} through rows of the data")
    scene.dots(rows[:, plane])
    reach = _LENGTH / rate if rate > 0 else 0.0
    for start in rows[:: max(1, len(rows) // _ORBITS)][:_ORBITS]:
        scene.curve(_orbit(generator, start, reach)[:, plane], arrow=True)
    across, up = (names[a] for a in plane)
    others = "" if len(names) == 2 else f"; seen along the other {len(names) - 2}"
    return scene, f"orbits through rows, {_escaped(across)} and {_escaped(up)}{others}"


def _orbit(generator: Generator, start: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    import numpy as np

    forth, back = [start], [start]
    for points, sign in ((forth, 1.0), (back, -1.0)):
        for _ in range(_STEPS // 2):
            step = sign * 2 * reach / _STEPS
            # Scaled so that the method takes four steps: a picture shows no more.
            moved = followed(lambda x, s=step: 16 * s * generator.velocity(x), points[-1], 1 / 16)  # type: ignore[misc]
            if not np.isfinite(moved).all():
                break
            points.append(moved)
    return np.stack([*back[:0:-1], *forth])


def _copies(
    generator: Generator, curve: NDArray[np.float64], rows: NDArray[np.float64], names: Sequence[str]
) -> tuple[Scene, str]:
    """One solution at one time, and where exp(tξ) takes it: in x and u, the second and the last coordinate."""
    import numpy as np

    spread = _spread(rows)
    rate = float(np.sqrt(((generator.velocity(curve) / spread) ** 2).sum(1).mean())) or 1.0
    # Of several components the first that varies along the curve.
    last = len(names) - 1
    plane = (1, next((a for a in range(2, last) if float(curve[:, a].std()) > 0), last))
    copies = {t: followed(lambda x, s=t / rate: s * generator.velocity(x), curve, 1.0) for t in _AMOUNTS}  # type: ignore[misc]
    copies = {t: c for t, c in copies.items() if np.isfinite(c).all()}
    scene = _frame(
        np.concatenate([curve, *copies.values()]), plane, names, f"a solution moved along {generator.expression}"
    )
    for copy in copies.values():
        scene.curve(copy[:, plane], "orbit")
    scene.curve(curve[:, plane], "solution")
    before = _time(names[0], float(curve[0, 0]))
    after = [_time(names[0], float(c[0, 0])) for c in copies.values()]
    apart = f", at {', '.join(after)}" if any(t != before for t in after) else ""
    return scene, f"a solution at {before} and its moved copies{apart}"


def _time(name: str, value: float) -> str:
    return f"{_escaped(name)} = {value:.3g}".replace("-", "−")


def _function(text: str, names: Sequence[str]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    """The function that an expression of the report writes down; None where it is no formula of these names."""
    import numpy as np

    from symfind.fields.expressions import parse_expression  # torch, which reports without invariants do without

    python = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda found: "**" + found[0].translate(_SUPERSCRIPTS), text.replace("−", "-"))
    python = re.sub(r"(?<=[\w)\]]) (?=[\w(])", "*", python)
    try:
        parsed = parse_expression(python, names)
    except SymfindError:
        return None
    import torch

    def value(points: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = {name: torch.from_numpy(points[..., a].copy()) for a, name in enumerate(names)}
        return np.asarray(parsed(columns).numpy())

    return value


def _levels(
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    rows: NDArray[np.float64],
    names: Sequence[str],
    text: str,
) -> tuple[Scene, str] | None:
    import numpy as np

    middle, spread = np.median(rows, 0), _spread(rows)
    steps = 1e-3 * spread
    slopes = np.stack([value(rows + steps[a] * np.eye(len(names))[a]) - value(rows) for a in range(len(names))], 1)
    weight = np.sqrt((np.nan_to_num(slopes) ** 2).mean(0))
    plane = _plane(weight / (weight.max() or 1.0), names)
    scene = _frame(rows, plane, names, f"level sets of {text}")
    axes = [np.linspace(scene.low[i], scene.high[i], _CELLS + 1) for i in (0, 1)]
    points = np.broadcast_to(middle, (_CELLS + 1, _CELLS + 1, len(names))).copy()
    points[..., plane[0]], points[..., plane[1]] = np.meshgrid(*axes, indexing="ij")
    heights = value(points)
    if not np.isfinite(heights).all() or heights.max() <= heights.min():
        return None
    for level in np.quantile(heights, _LEVELS):
        scene.segments(contour(axes[0], axes[1], heights, float(level)), "level")
    scene.dots(rows[:, plane])
    others = "" if len(names) == 2 else "; the other coordinates at their medians"
    return scene, f"level sets, {_escaped(names[plane[0]])} and {_escaped(names[plane[1]])}{others}"


def contour(
    x: NDArray[np.float64], y: NDArray[np.float64], heights: NDArray[np.float64], level: float
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Segments of the level set of a function on a grid, by marching squares.

    Parameters
    ----------
    x, y
        ``(n,)``, ``(m,)``, ascending.
    heights
        ``(n, m)``.
    level
        The value.
    """
    import numpy as np

    out = []
    above = heights > level
    mixed = above[:-1, :-1] + 0 + above[1:, :-1] + above[:-1, 1:] + above[1:, 1:]
    for i, j in zip(*np.nonzero((mixed > 0) & (mixed < 4)), strict=True):
        corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
        crossed = []
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            if above[a] != above[b]:
                share = (level - heights[a]) / (heights[b] - heights[a])
                start, end = (np.array([x[k[0]], y[k[1]]]) for k in (a, b))
                crossed.append(start + share * (end - start))
        out += list(zip(crossed[::2], crossed[1::2], strict=True))
    return out


def _escaped(text: str) -> str:
    return html.escape(shown(text, LONGEST_NAME))
