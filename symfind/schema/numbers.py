"""How a defect is shown."""

from __future__ import annotations


def number_text(value: float | None) -> str:
    """Show a defect: ``5e-13`` when it is small, two digits when it is not, ``–`` when there is none."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    return f"{value:.2g}" if abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def bounds_text(lower: float | None, upper: float | None) -> str:
    """Show confidence bounds as ``[4e-13, 7e-13]``; empty when there are none."""
    return "" if lower is None and upper is None else f"[{number_text(lower)}, {number_text(upper)}]"
