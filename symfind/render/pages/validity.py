"""How far images may be moved along each generator, as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

from symfind.schema.coverage import ValidityCurve

VALIDITY = ("generator", "t", "right after moving", "right after going forth and back")
# More steps along a generator than a reader compares.
_MOST_STEPS = 8


def validity_rows(curves: Sequence[ValidityCurve]) -> list[tuple[str, ...]]:
    """Cells of a few amounts of each generator, its name in the first."""
    rows: list[tuple[str, ...]] = []
    for curve in curves:
        every = list(zip(curve.amounts, curve.accuracy, curve.control, strict=True))
        chosen = every if len(every) <= _MOST_STEPS else [every[i * (len(every) - 1) // 7] for i in range(_MOST_STEPS)]
        for i, (amount, moved, control) in enumerate(chosen):
            t = f"{amount:.3g}".replace("-", "−")
            rows.append(("" if i else curve.expression, t, f"{100 * moved:.1f} %", f"{100 * control:.1f} %"))
    return rows
