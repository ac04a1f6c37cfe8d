"""The recovery suite: ``python benchmarks/recovery.py [--quick] [--only PATTERN] [--seeds N] [--jobs N]``.

Every problem's exact algebra is computed from its exact F, the program is asked what it certifies, and the tables
of docs/recovery.md are written (a full run writes them; a partial one prints them). ``--simulations N`` measures
instead how often the bounds hold.
"""

from __future__ import annotations

import os

# Before torch is imported: each process works on one thread, processes share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time

from recovery_suite import simulations, tables, worst_case
from recovery_suite.catalogue import chosen, suite
from recovery_suite.document import computed, write_section
from recovery_suite.evaluation import Outcome, evaluate


def outcome(name: str, seed: int) -> Outcome:
    return evaluate(next(p for p in suite() if p.name == name), seed)


def recovery_section(outcomes: list[Outcome], command: str, seconds: float) -> str:
    return "\n\n".join([
        f"`{command}` ({seconds / 60:.0f} minutes)",
        "### Summary", tables.summary(outcomes),
        "### Cost", tables.cost(outcomes),
        "### Every problem", tables.problems(outcomes),
    ])  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="PATTERN", help="problems whose kind/name matches, such as 'flow/*hopf*'")
    parser.add_argument("--quick", action="store_true", help="a subset, under two minutes")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="draw each problem N times")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes at once")
    parser.add_argument("--simulations", type=int, default=0, metavar="N", help="measure the bounds in N draws instead")
    parser.add_argument("--worst-case", action="store_true", help="compare with the worst-case certificate instead")
    parser.add_argument("--list", action="store_true", help="only list the problems")
    options = parser.parse_args()
    command = " ".join(["python benchmarks/recovery.py", *sys.argv[1:]])
    start = time.perf_counter()
    if options.simulations:
        tasks = [(i, s) for i in range(len(simulations.simulated())) for s in range(options.simulations)]
        draws = list(computed(simulations.simulate, tasks, options.jobs))
        text = f"### Do the bounds hold?\n\n`{command}`\n\n" + simulations.coverage(draws)
        print(text)
        write_section("simulations", text)
        return 0
    if options.worst_case:
        posed = worst_case.comparable(suite())
        text = f"### The worst-case certificate\n\n`{command}`\n\n" + worst_case.comparison(
            list(computed(worst_case.compare, [(p,) for p in posed], 1))
        )
        print(text)
        write_section("worst case", text)
        return 0
    problems = chosen(options.only, options.quick)
    if options.list:
        for p in problems:
            print(f"{p.kind:9s} {p.name:34s} {p.algebra:24s} dimension {p.dimension:2d} N {p.n:6d} noise {p.noise:g}")
        return 0
    tasks = [(p.name, seed) for seed in range(options.seeds) for p in problems]
    order = {p.name: i for i, p in enumerate(problems)}
    outcomes: list[Outcome] = []
    for done in computed(outcome, tasks, options.jobs):
        outcomes.append(done)
        print(tables.line(done), flush=True)
    outcomes.sort(key=lambda o: order[o.name])
    print("\n" + tables.summary(outcomes) + "\n\n" + tables.cost(outcomes))
    if options.only is None and not options.quick:
        write_section("recovery", recovery_section(outcomes, command, time.perf_counter() - start))
    return 0 if not any(o.false or o.astray or o.crash for o in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
