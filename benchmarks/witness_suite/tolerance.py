"""The tolerance curve: functions S + aB whose distance η to the symmetric ones is stated, drawn again and again.

S is symmetric, B has mean zero on every orbit under the density of the rows, so that η² = a²E B²/(Var S + a²E B²).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from recovery_suite.document import table

from witness_suite import algebra as la
from witness_suite.attacks.builder import attack
from witness_suite.attacks.waves import fold
from witness_suite.case import Array, Case, Function
from witness_suite.distance import known
from witness_suite.draws import Draw, normal, plane, positive, square, vector
from witness_suite.outcome import TOLERANCE, Outcome
from witness_suite.physics.builder import DIAGONAL, SAME

ETAS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)
NOISE = 0.02
# Seeds that make two hundred simulations of eight distances and five families.
DRAWS = 5


def strength(draw: Draw, symmetric: Function, term: Function, eta: float) -> float:
    """The a of a stated η."""
    x = np.concatenate([draw(np.random.default_rng([11, i])) for i in range(10)])
    s, b = (np.asarray(f(x)).reshape(len(x), -1) for f in (symmetric, term))
    return float(np.sqrt(eta**2 / (1 - eta**2) * s.var(0).sum() / np.square(b).mean(0).sum()))


def family(
    name: str, draw: Draw, symmetric: Function, term: Function, words: str, *argv: str, kind: str = "function"
) -> Iterator[Case]:
    """One case a distance."""
    d = draw(np.random.default_rng(0)).shape[-1]
    for eta in ETAS:
        a = strength(draw, symmetric, term, eta)

        def f(x: Array, a: float = a) -> Array:
            return symmetric(x) + a * term(x)

        yield attack(f"{name}, η {eta}", name, draw, f, la.none(d), known(symmetric, words), *argv, kind=kind,
                     noise=NOISE)  # fmt: skip


def tolerance() -> list[Case]:
    """Eight distances in five families, none of which keeps anything."""
    wave = fold(5, 1.0)

    def turned(x: Array) -> Array:
        z = plane(x)
        return vector((z.conj() / np.sqrt(0.1 + np.abs(z) ** 2)) ** 4)

    def pushed(x: Array) -> Array:
        return -x / (0.3 + square(x))[:, None]

    return [
        *family("five-fold angle", normal(6000, 2), lambda x: np.log(0.3 + square(x)), wave, "so(2)"),
        *family("twelve-fold angle", normal(10_000, 2), lambda x: np.exp(-square(x) / 3), fold(12, 1.0), "so(2)"),
        *family("resonance of five", normal(5000, 2, spread=0.6),
                lambda x: vector((1 + 1j) * plane(x) - plane(x) * square(x)), turned, "so(2)", kind="flow"),
        *family("ratio", positive(4000, 2), lambda x: np.log(1 + x[:, 0] / x[:, 1]),
                lambda x: np.sin(3 * np.log(x[:, 0] * x[:, 1])), "a scaling", *DIAGONAL),
        *family("force", normal(6000, 2), pushed, lambda x: pushed(x) * fold(3, 1.0)(x)[:, None], "so(2)", *SAME),
    ]  # fmt: skip


def curve(outcomes: Sequence[Outcome]) -> str:
    """Verdicts against η, and how often [η_lower, η_upper] holds it."""
    rows, inside, bounded = [], 0, 0
    for eta in ETAS:
        at = [o for o in outcomes if f"η {eta}," in o.name]
        certified = sum(o.certified > 0 for o in at)
        approximate = sum(o.approximate > 0 and not o.certified for o in at)
        undecided = sum(o.undecided > 0 and not o.certified and not o.approximate for o in at)
        bounds = [(o.eta, *interval(o)) for o in at if o.witness]
        hits = sum(low <= true <= high for true, low, high in bounds)
        inside, bounded = inside + hits, bounded + len(bounds)
        width = f"{np.median([min(high, 9.99) - low for _, low, high in bounds]):.3f}" if bounds else ""
        rows.append([f"{eta:g}", str(len(at)), str(certified), str(approximate), str(undecided),
                     str(len(at) - certified - approximate - undecided), f"{hits} of {len(bounds)}",
                     width])  # fmt: skip
    rows.append(["**all**", str(len(outcomes)), "", "", "", "", f"{inside} of {bounded}", ""])
    head = ["η", "simulations", "certified", "approximate", "undecided", "refuted", "η inside its interval",
            "median width"]  # fmt: skip
    return f"δ = {TOLERANCE:g}, noise {100 * NOISE:g} %.\n\n" + table(head, rows)


def interval(o: Outcome) -> tuple[float, float]:
    """[η_lower, η_upper] of the report; what is missing is no bound."""
    witness = o.witness or {}
    low, high = witness.get("eta_lower"), witness.get("eta_upper")
    return (0.0 if low is None else float(low)), (float("inf") if high is None else float(high))
