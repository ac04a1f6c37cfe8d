"""Samples needed to recover a polynomial, by the published binary search; and the time of a solve beside cvxpy."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from promotion.published import CASES, Case, Problem, problem

from symfind.linalg.nuclear import NuclearProblem

# The published criterion, and the accuracy of a solve (the default of SCS).
SUCCESS = 5e-3
TOLERANCE = 1e-4
MOST = 3000
# At this gap an error that is ten times smaller or larger than the criterion is not followed further.
FIRST_LOOK, CLEAR = 1e-3, 10.0


@dataclass(frozen=True)
class Recovery:
    """Samples needed in one instance, seconds of its solves, and the slowest of them."""

    samples: int
    seconds: tuple[float, ...]


def searched(case: Case, seed: int) -> Recovery:
    """The published search: bisection between 1 and one more than there are features, samples nested."""
    p = problem(case, seed)
    low, high = 1, len(p.truth) + 1
    gram = p.lie.gram()  # the same for every count of samples
    seconds = []
    while high - low > 1:
        count = (low + high) // 2
        start = time.process_time()
        solves = NuclearProblem(p.theta[:count], p.y[:count], p.lie, equality=True, gram=gram)
        solved = solves.solve(tolerance=FIRST_LOOK, most=MOST)
        if 1 / CLEAR < p.error(solved.w) / SUCCESS < CLEAR:
            solved = solves.solve(tolerance=TOLERANCE, most=MOST, start=solved.state)
        seconds.append(time.process_time() - start)
        low, high = (low, count) if p.error(solved.w) < SUCCESS else (count, high)
    return Recovery(high, tuple(seconds))


def recovery_row(case: Case, found: list[Recovery]) -> str:
    samples = [r.samples for r in found]
    median = statistics.median(samples)
    verdict = "yes" if median <= case.highest else "no"
    slowest = max(max(r.seconds) for r in found)
    per_search = statistics.median(sum(r.seconds) for r in found)
    return (
        f"| {case.name} | {case.d} | {case.r} | {case.median:g} [{case.lowest}–{case.highest}] | {median:g} "
        f"[{min(samples)}–{max(samples)}] | {verdict} | {case.seconds:g} | {per_search:.2f} | {slowest:.2f} |"
    )


RECOVERY_HEAD = (
    "| case | d | r | published samples | samples | within or below | published s | s a search | slowest solve |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def remembered(case: Case, seed: int, kept: Path | None) -> Recovery:
    """The search, or what an earlier run that was cut short found."""
    key = f"{case.name} {case.d} {case.r} {seed}"
    if kept is not None and kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            held = json.loads(line)
            if held["key"] == key:
                return Recovery(held["samples"], tuple(held["seconds"]))
    found = searched(case, seed)
    if kept is not None:
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "samples": found.samples, "seconds": found.seconds}) + "\n")
    return found


def recovery_table(seeds: int, only: str | None, kept: Path | None, say) -> str:  # type: ignore[no-untyped-def]
    rows = []
    for case in CASES:
        if only and not re.search(only, case.name):
            continue
        found = []
        for seed in range(seeds):
            found.append(remembered(case, seed, kept))
            say(f"{case.name} d={case.d} r={case.r} seed {seed}: {found[-1].samples}, {sum(found[-1].seconds):.1f} s")
        rows.append(recovery_row(case, found))
    return "\n".join([RECOVERY_HEAD, *rows])


def success_table(seeds: Iterable[int], say) -> str:  # type: ignore[no-untyped-def]
    """SE(30): seconds to success where the instance recovers, and to the stopping rule."""
    case = CASES[7]
    head = "| seed | samples | s to success | s to the stopping rule | error | gap |\n|---|---|---|---|---|---|"
    rows = []
    for seed in seeds:
        p = problem(case, seed)
        for count in (80, 118, 150, 180):
            begin = time.perf_counter()
            reached: list[float] = []

            def watch(w: torch.Tensor, p: Problem = p, reached: list[float] = reached, begin: float = begin) -> bool:
                if not reached and p.error(w) < SUCCESS:
                    reached.append(time.perf_counter() - begin)
                return False

            s = NuclearProblem(p.theta[:count], p.y[:count], p.lie, equality=True).solve(
                tolerance=TOLERANCE, most=MOST, watch=watch
            )
            whole = time.perf_counter() - begin
            recovers = p.error(s.w) < SUCCESS
            # The last check is not told: the rule stops there.
            shown = f"{reached[0] if reached else whole:.1f}" if recovers else "does not recover"
            rows.append(
                f"| {seed} | {count} | {shown} | {whole:.1f} | {p.error(s.w):.1e} | {s.gap / s.objective:.1e} |"
            )
            say(rows[-1])
    return "\n".join([head, *rows])
