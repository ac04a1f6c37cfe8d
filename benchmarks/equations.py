"""Symmetries of equations that nobody gave: found and expected dimension, of forty equations from simulation.

    python -m benchmarks.equations --output docs/fields.md [--noise 0 0.01] [--only NAME …] [--results FILE]

Every equation is simulated (ETDRK4 on Fourier series), written to a file and searched in ``point:1`` without being
told. ``exact``: as many generators and superpositions as the literature has; ``fewer``; ``more``, which would be wrong.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

import symfind
from benchmarks.field_suite.evolution import with_noise, write_field
from benchmarks.field_suite.oracle import KNOWN, Known
from symfind.errors import SymfindError
from symfind.options.of_verbs import DiscoverOptions

# Enough for the standard deviations that the bounds are made of; a hundred change no verdict and take twice as long.
REFITS = 40
BEGIN, END = "<!-- equations: begin -->", "<!-- equations: end -->"


def measure(known: Known, noise: float, folder: Path, seed: int) -> dict[str, object]:
    """One line of the table."""
    evolution = known.evolution
    u, t, x = evolution.solutions(seed)
    if noise:
        u = with_noise(u, noise, seed)
    path = folder / "u.h5"
    write_field(path, u, t, [(s, x) for s in evolution.space], evolution.kept or evolution.components,
                ",".join(evolution.space))  # fmt: skip
    start = time.process_time()
    line: dict[str, object] = {"name": known.name, "noise": noise, "seed": seed}
    try:
        report = symfind.discover(DiscoverOptions(source=str(path), library=known.library, bootstrap=REFITS))
        assert report.equation is not None
        line |= {"proper": len(report.certified), "apart": len(report.set_apart), "read": report.equation.text}
    except SymfindError as fault:
        line |= {"proper": 0, "apart": 0, "read": str(fault).splitlines()[0]}
    line["seconds"] = time.process_time() - start
    return line


def verdict(known: Known, line: dict[str, object]) -> str:
    """``exact``, ``fewer`` or ``more``."""
    found = int(str(line["proper"])), int(str(line["apart"]))
    wanted = known.proper, known.apart
    if found == wanted:
        return "exact"
    return "fewer" if all(f <= w for f, w in zip(found, wanted, strict=True)) else "more"


def table(lines: Sequence[dict[str, object]]) -> Iterator[str]:
    """Markdown, clean data before noisy ones."""
    by_name = {known.name: known for known in KNOWN}
    for noise in sorted({float(str(line["noise"])) for line in lines}):
        rows = [line for line in lines if float(str(line["noise"])) == noise]
        told = [verdict(by_name[str(line["name"])], line) for line in rows]
        yield (
            f"{'Clean' if not noise else f'{100 * noise:g} % noise'}: "
            + ", ".join(f"{told.count(word)} {word}" for word in ("exact", "fewer", "more"))
            + f" of {len(rows)}."
        )
        yield ""
        yield "| equation | expected | found | verdict | seconds | read as |"
        yield "|---|---|---|---|---|---|"
        for line, word in zip(rows, told, strict=True):
            known = by_name[str(line["name"])]
            wanted = f"{known.proper}" + (f" + {known.apart}" if known.apart else "")
            found = f"{line['proper']}" + (f" + {line['apart']}" if line["apart"] else "")
            seconds = f"{float(str(line['seconds'])):.1f}"
            yield f"| {known.name} | {wanted} | {found} | {word} | {seconds} | `{line['read']}` |"
        yield ""


def with_part(page: str, lines: Sequence[dict[str, object]]) -> str:
    """The page with the part between the marks written anew, at its end if it has none."""
    part = "\n".join(
        [
            BEGIN, "", "Written by `python -m benchmarks.equations --output docs/fields.md`. Six solutions (four in "
            "the plane) of each equation, simulated on 64 to 96 points and 80 to 120 times (24 and 40 in the plane), "
            "are searched in `point:1`; the equation is not given. Sine-Gordon and Liouville name their function with "
            "`--library`. Seconds of one thread. Choices were made on seeds 1, 2, 11 and 12; the rows are of seed "
            + ", ".join(sorted({str(line.get("seed", 11)) for line in lines})) + ".", "", *table(lines), END,
        ]
    )  # fmt: skip
    if BEGIN in page:
        return page[: page.index(BEGIN)] + part + page[page.index(END) + len(END) :]
    return page.rstrip("\n") + "\n\n## Equations nobody gave\n\n" + part + "\n"


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.01])
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--results", type=Path, help="lines measured before are read from here, new ones added")
    parser.add_argument("--seed", type=int, default=21, help="of the solutions and the noise")
    args = parser.parse_args()
    torch.set_num_threads(1)
    held = args.results.read_text().splitlines() if args.results and args.results.exists() else []
    lines = {(line["name"], line["noise"]): line for line in map(json.loads, held)}
    with tempfile.TemporaryDirectory() as folder:
        for noise in args.noise:
            for known in KNOWN:
                if (args.only and known.name not in args.only) or (known.name, noise) in lines:
                    continue
                line = measure(known, noise, Path(folder), args.seed)
                lines[known.name, noise] = line
                print(verdict(known, line), json.dumps(line, ensure_ascii=False), flush=True)
                if args.results:
                    with args.results.open("a") as file:
                        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    if args.output:
        order = {known.name: i for i, known in enumerate(KNOWN)}
        ordered = sorted(lines.values(), key=lambda line: order[str(line["name"])])
        args.output.write_text(with_part(args.output.read_text(encoding="utf-8"), ordered), encoding="utf-8")


if __name__ == "__main__":
    main()
