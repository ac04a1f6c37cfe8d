"""Promotion measured: ``python benchmarks/promote.py [--only PARTS] [--seeds N] [--output docs/promote.md]``.

Every part is written between its own marks of the document, so that parts can be run one by one.
"""

from __future__ import annotations

import os

# Before torch is imported: every number is that of one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from promotion import beside_scs, fits, recovery
from promotion.published import CASES, Case

_TITLE = "# Promotion: measured"


# Between the published sizes, for the time of cvxpy, which needs minutes here and hours for SE(30).
_SE20 = Case("ortho", "se", 2, 1, 20, 62.5, 54, 104, 2296)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def recovery_part(given: argparse.Namespace) -> str:
    return (
        "## Samples needed to recover a polynomial\n\n"
        "The problems of Otto, Zolman, Kutz, Brunton (2025), with their random numbers, candidates and search: "
        "min ‖L(W)‖_* subject to ΘW = Y, success when the largest error of a coefficient is below 5e-3 of the largest "
        f"coefficient, {given.seeds} seeds a row: median [range]. Published seconds are those of a whole search with "
        "cvxpy and SCS on the authors' machine; here processor seconds of one thread. A solve stops at a relative "
        f"duality gap of {recovery.TOLERANCE:g}, or at {recovery.FIRST_LOOK:g} where the error is already "
        f"{recovery.CLEAR:g} times below or above the criterion.\n\n"
        + recovery.recovery_table(given.seeds, given.case, given.kept, say)
    )


def speed_part(given: argparse.Namespace) -> str:
    counts = {0: 40, 2: 100, 3: 100, 4: 100, 5: 18, 6: 42, 9: 40}
    chosen = [*((CASES[i], count) for i, count in counts.items()), (_SE20, 130), (CASES[7], 150)]
    return (
        "## Beside cvxpy with SCS, at equal accuracy\n\nThe same instance (seed 0) in the same process, one thread, "
        "processor seconds, the least of three runs; setting up is counted for both. Accuracy: relative distance of "
        "the objective from the optimum and of ΘW from Y, the larger of the two; the optimum is that of a solve to a "
        "relative duality gap of 1e-10. SCS: the loosest of the settings eps = 1e-3, 1e-4, … at which its answer is as "
        "accurate, which a user would have to know; none tighter is tried after a solve of ten minutes. symfind: its "
        "own stopping rule at that relative gap, which it proves, and the accuracy it had then. cvxpy s: its "
        "translation of the problem, L without its zeros, into the form of SCS. At the end the sums of the seconds.\n\n"
        + beside_scs.speed_table(chosen, say)
    )


def success_part(given: argparse.Namespace) -> str:
    return (
        "## SE(30): 496 features, 465 candidates\n\nSeconds from the samples to the first check at which the error is "
        "below 5e-3, where the instance recovers, and to the stopping rule.\n\n"
        + recovery.success_table(range(given.seeds), say)
    )


def noise_part(given: argparse.Namespace) -> str:
    return (
        "## Noise: beside least squares and lasso\n\nShare of the law's variance that is missed on 4,000 fresh points, "
        f"median of {given.seeds} seeds; rows and noise vary. Least squares takes the smallest solution where there "
        "are fewer rows than unknowns; lasso and promotion choose their weights by cross-validation over 4 folds.\n\n"
        + fits.noise_table(given.seeds, say)
    )


def oblate_part(given: argparse.Namespace) -> str:
    return (
        "## A broken symmetry: gravity of an oblate body\n\nPotential and acceleration outside a body flattened along "
        "z (J = 0.3): of the rotations only the one about z is a symmetry. `symfind promote --model polynomial:4 "
        "--space so`.\n\n" + fits.oblate_table(given.seeds, say)
    )


def networks_part(given: argparse.Namespace) -> str:
    return (
        "## Networks: a scalar of three vectors\n\nAn invariant of so(3) of three vectors in R³ with 5 % of noise, "
        f"candidates gl(3); share of variance missed on 4,000 fresh rows, median of {given.seeds} seeds. All networks "
        f"are the same MLP 64-64 with {given.steps} steps; the one told so(3) is trained as the promoted one is, with "
        "the true generators in place of those found.\n\n" + fits.network_table(given.seeds, given.steps, say)
    )


PARTS: Mapping[str, Callable[[argparse.Namespace], str]] = {
    "recovery": recovery_part,
    "speed": speed_part,
    "se30": success_part,
    "noise": noise_part,
    "oblate": oblate_part,
    "networks": networks_part,
}


def written(document: Path, name: str, text: str) -> None:
    """Replace one part of the document, between its two marks."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    whole = document.read_text(encoding="utf-8") if document.exists() else _TITLE + "\n"
    part = f"{start}\n{text}\n{end}"
    if start in whole and end in whole:
        whole = whole.split(start, 1)[0] + part + whole.split(end, 1)[1]
    else:
        whole = whole.rstrip("\n") + f"\n\n{part}\n"
    document.write_text(whole, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas: " + ", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--case", help="recovery: cases whose name matches this")
    parser.add_argument("--steps", type=int, default=3000, help="networks: steps of training")
    parser.add_argument("--kept", type=Path, help="recovery: a file that keeps finished searches for the next run")
    parser.add_argument("--output", type=Path, help="write to this document; else to standard output")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.only.split(","):
        begin = time.perf_counter()
        body = PARTS[name](given)
        command = "python benchmarks/promote.py " + " ".join(sys.argv[1:])
        text = (
            f"{body}\n\nWritten by `{command}` in {time.perf_counter() - begin:.0f} s ({platform.machine()}, Python "
            f"{platform.python_version()}, torch {torch.__version__}); not edited by hand."
        )
        if given.output is None:
            print(text)
        else:
            written(given.output, name, text)


if __name__ == "__main__":
    main()
