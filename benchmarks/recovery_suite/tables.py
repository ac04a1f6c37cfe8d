"""Outcomes as the tables of docs/recovery.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from recovery_suite.document import share, table
from recovery_suite.evaluation import SMALLEST_GAP, Outcome


def number(value: float, digits: int = 2) -> str:
    """Short; empty for NaN."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞"
    return f"{value:.0e}" if 0 < abs(value) < 10**-digits else f"{value:.{digits}f}"


Cell = tuple[str, str, Callable[[Outcome], bool]]

# The cells of the exact dimension: points need more rows.
CELLS: tuple[Cell, ...] = (
    ("noise ≤ 1 %, N ≥ 2,000", "≥ 95 %", lambda o: o.noise <= 0.01 and o.n >= 2000),
    (
        "noise 5 %, N ≥ 5,000, dimension ≤ 6", "≥ 80 %",
        lambda o: o.noise == 0.05 and o.n >= (20000 if o.kind == "points" else 5000) and o.width <= 6,
    ),
    (
        "noise 10 %, N ≥ 5,000 (points 20,000), dimension ≤ 4", "≥ 80 %",
        lambda o: o.noise == 0.1 and o.n >= (20000 if o.kind == "points" else 5000) and o.width <= 4,
    ),
)  # fmt: skip


def detection(outcomes: Sequence[Outcome]) -> float:
    """Mean share of the true dimension that was certified."""
    return float(np.mean([min(o.certified, o.dimension) / o.dimension for o in outcomes])) if outcomes else math.nan


def summary(outcomes: Sequence[Outcome]) -> str:
    """What is asked and what was reached."""
    controls = [o for o in outcomes if o.control]
    counted = [o for o in controls if o.degenerate or not o.gap < SMALLEST_GAP]
    posed = [o for o in outcomes if o.well_posed]
    inside = [o for o in posed if o.in_class]
    others = [o for o in posed if not o.in_class]
    false = [o for o in outcomes if o.false]
    wrong = share(sum(o.false for o in counted), len(counted))
    waiting = share(sum(o.undecided > 0 for o in posed), len(posed))
    rows = [
        ["problems; of these without symmetry or degenerate", "≥ 120; ≥ 40", f"{len(outcomes)}; {len(counted)}"],
        ["false certifications, without symmetry or degenerate", "0", wrong],
        ["more certified than true, all problems", "0", share(len(false), len(outcomes))],
        ["a certified direction whose true ρ exceeds δ", "0", share(sum(o.astray for o in outcomes), len(outcomes))],
    ]
    for title, target, belongs in CELLS:
        cell = [o for o in inside if belongs(o)]
        rows.append([f"exact dimension: {title}", target, share(sum(o.exact for o in cell), len(cell))])
    rows += [
        ["exact dimension: F in no fitted class", "told", share(sum(o.exact for o in others), len(others))],
        ["detection over all well-posed problems", "≥ 0.8", f"{detection(posed):.3f} ({len(posed)} problems)"],
        ["exact dimension over all well-posed problems", "told", share(sum(o.exact for o in posed), len(posed))],
        ["well-posed problems with undecided directions", "told", waiting],
        ["smallest principal cosine where the dimension is exact", "told", cosines(posed)],
        ["crashes", "0", str(sum(bool(o.crash) for o in outcomes))],
    ]
    return table(["measure", "asked", "reached"], rows)


def cosines(outcomes: Sequence[Outcome]) -> str:
    """Median and minimum."""
    values = [o.cosine for o in outcomes if o.exact and not math.isnan(o.cosine)]
    return f"median {np.median(values):.6f}, minimum {min(values):.5f}" if values else "none"


def cost(outcomes: Sequence[Outcome]) -> str:
    """Seconds of ``discover`` by the dimension of the input."""
    rows = []
    for kind in ("function", "flow", "map", "points", "model"):
        for low, high in ((1, 3), (4, 6), (7, 12)):
            values = [
                o.seconds for o in outcomes if o.kind == kind and low <= o.width <= high and not math.isnan(o.seconds)
            ]
            if values:
                rows.append([kind, f"{low}–{high}", str(len(values)), f"{np.median(values):.2f}", f"{max(values):.2f}"])
    return table(["kind", "dimension k·d", "problems", "median s", "largest s"], rows)


def verdict(o: Outcome) -> str:
    """One word."""
    if o.crash:
        return f"crash: {o.crash}"
    if o.false:
        return "FALSE"
    if o.astray:
        return "WRONG DIRECTION"
    if o.declined:
        return "declined: " + o.declined.split(";")[0]
    if o.control and o.certified <= o.most:
        return "right"
    return "exact" if o.exact else "misses"


def problems(outcomes: Sequence[Outcome]) -> str:
    """One row a problem."""
    rows = []
    for o in outcomes:
        k, d = o.objects
        rows.append([
            o.name, o.kind, o.algebra, f"{k}×{d}" if k > 1 else str(d), f"{o.n:,}", f"{100 * o.noise:g}",
            o.degenerate, "yes" if o.in_class else "no", str(o.dimension), number(o.gap, 3),
            f"{o.certified} + {o.undecided}", number(o.bounds[0], 3), number(o.bounds[1], 3), number(o.worst, 3),
            number(o.seconds), verdict(o),
        ])  # fmt: skip
    head = ["problem", "kind", "algebra", "k×d", "N", "noise %", "lacks", "in class", "dimension", "smallest ρ outside",
            "certified + undecided", "U[dim]", "U[dim + 1]", "largest ρ certified", "s", ""]  # fmt: skip
    return table(head, rows)


def line(o: Outcome) -> str:
    """For the terminal, as each problem ends."""
    return (
        f"{o.kind:9s}{o.name:34.34s} dim {o.dimension:2d} gap {number(o.gap, 3):6s} certified {o.certified:2d} "
        f"undecided {o.undecided:2d} U {number(o.bounds[0], 3):>6s} {number(o.bounds[1], 3):>6s} "
        f"ω {number(o.covered):>6s} {number(o.seconds):>6s} s  {o.fit:38s} {verdict(o)}"
    )
