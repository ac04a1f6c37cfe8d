"""Verdicts by prediction, measured: ``python benchmarks/witness.py --part PART [--seed N …] [--noise SHARE …]``.

PART is physics, spare, labels, attacks, points, dynamics or tolerance. Cases with exactly known symmetries, and attacks
that only seem to have them, go through ``symfind discover``; a line a case is printed, a line of JSON is kept
(``--lines FILE``), and ``--tables FILE…`` makes the tables of docs/recovery.md of such lines (``--write`` puts them
there). Development uses seeds 1, 2, …; what is reported is drawn with seeds from 1000.
"""

from __future__ import annotations

import os

# Before torch is imported: each process works on one thread, processes share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from pathlib import Path

from recovery_suite.document import computed, write_section
from witness_suite import tables
from witness_suite.catalogue import PARTS, cases
from witness_suite.outcome import Outcome
from witness_suite.running import line, outcome, write_case

TITLES = {
    "physics": "Exact symmetries of physics",
    "spare": "Exact symmetries outside the table",
    "labels": "Labels and counts",
    "attacks": "Attacks",
    "points": "Distributions",
    "tolerance": "The tolerance curve",
    "dynamics": "Polynomial dynamics, the settings of the equivalence test",
}
# Noise of a run that names none; attacks and dynamics carry their own.
NOISES = {"physics": (0.0, 0.01, 0.05), "spare": (0.01,)}


def run(part: str, name: str, seed: int, noise: float | None, apart: bool, limit: float) -> Outcome:
    case = next(c for c in cases(part) if c.name == name)
    return outcome(part, case, seed, noise, apart, limit)


def read_lines(paths: list[str]) -> list[Outcome]:
    lines = [text for path in paths for text in Path(path).read_text(encoding="utf-8").splitlines() if text.strip()]
    kept = {(o.part, o.name, o.seed, o.noise): o for o in (Outcome.of(json.loads(text)) for text in lines)}
    return list(kept.values())


def print_tables(outcomes: list[Outcome], command: str, write: bool) -> None:
    for part in dict.fromkeys(o.part for o in outcomes):
        of = [o for o in outcomes if o.part == part]
        seeds = sorted({o.seed for o in of})
        drawn = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
        text = f"### {TITLES[part]}\n\n`{command}` ({len(of)} runs, {drawn})\n\n" + tables.section(part, of)
        print("\n" + text)
        if write:
            write_section(f"witness {part}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=PARTS, default="physics")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], metavar="N", help="1, 2, … or, reported, 1000, …")
    parser.add_argument("--noise", type=float, nargs="+", metavar="SHARE", help="of the spread of y; each case's own")
    parser.add_argument("--only", metavar="TEXT", help="cases whose family or name contains this")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many cases, spread over the list")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at once")
    parser.add_argument("--apart", action="store_true", help="each case in a process of its own, with a time limit")
    parser.add_argument("--seconds", type=float, default=900, help="the limit of --apart")
    parser.add_argument("--lines", metavar="FILE", help="append one line of JSON a case")
    parser.add_argument("--resume", action="store_true", help="pass over what --lines already holds")
    parser.add_argument("--files", metavar="FOLDER", help="only write the cases as HDF5 files")
    parser.add_argument("--list", action="store_true", help="only list the cases")
    parser.add_argument("--tables", nargs="+", metavar="FILE", help="only make the tables of earlier lines")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/recovery.md")
    options = parser.parse_args()
    command = " ".join(["python benchmarks/witness.py", *sys.argv[1:]])
    if options.tables:
        print_tables(read_lines(options.tables), command, options.write)
        return 0
    chosen = [c for c in cases(options.part) if options.only is None or options.only in f"{c.family}: {c.name}"]
    if options.limit is not None and len(chosen) > options.limit:
        chosen = [chosen[i * len(chosen) // options.limit] for i in range(options.limit)]
    if options.list:
        for c in chosen:
            print(f"{c.kind:9s} {c.family:20s} {c.name:52s} dimension {c.dimension:2d} {' '.join(c.argv)}")
        print(f"{len(chosen)} cases")
        return 0
    if options.files:
        folder = Path(options.files)
        folder.mkdir(parents=True, exist_ok=True)
        for c in chosen:
            path = folder / (c.name.replace(" ", "_").replace("%", "").replace("/", "-") + ".h5")
            write_case(c, path, options.seed[0], None if options.noise is None else options.noise[0])
            print(f"symfind discover {path} {' '.join(c.argv)}   # dimension {c.dimension}")
        return 0
    noises = options.noise or NOISES.get(options.part, (None,))
    if options.part == "dynamics":
        noises = (None,)
    tasks = [
        (options.part, c.name, seed, noise, options.apart, options.seconds)
        for seed in options.seed for noise in noises for c in chosen
    ]  # fmt: skip
    outcomes: list[Outcome] = []
    if options.resume and options.lines and Path(options.lines).exists():
        outcomes = [o for o in read_lines([options.lines]) if o.part == options.part]
        own = {c.name: c.noise for c in chosen}
        done = {(o.name, o.seed, o.noise) for o in outcomes}
        tasks = [t for t in tasks if (t[1], t[2], own[t[1]] if t[3] is None else t[3]) not in done]
    for done_one in computed(run, tasks, options.jobs):
        outcomes.append(done_one)
        print(line(done_one), flush=True)
        if options.lines:
            with Path(options.lines).open("a", encoding="utf-8") as file:
                file.write(json.dumps(done_one.plain(), ensure_ascii=False) + "\n")
    print_tables(outcomes, command, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
