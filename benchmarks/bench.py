"""Ratios of processor time within one run: ``python -m benchmarks.bench [--quick] [--keep] [--write] [--only WORD]``.

Processor seconds of one thread: what other programs do to the machine is left out. A peer's own solver is compared
with our **whole** command above ``import torch``: imports, reading, the fit, bounds or witness, the report. ``--keep``
keeps the ratios as those that later runs are compared with; exit status 1 where one is more than FACTOR times as large.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.performance import write_function
from benchmarks.speed_suite import peers
from benchmarks.speed_suite.commands import SAMPLES, python, run, symfind, ten_commands, write_ridge
from benchmarks.speed_suite.document import machine, table, write_part

KEPT = Path(__file__).parent / "speed_suite" / "ratios.json"
# Processor times of one commit on one machine differ by a tenth to a fifth; half as much again is no noise.
FACTOR = 1.5
_ROWS = 200_000

Row = tuple[str, str, float, float]


def above_torch(command: list[str], folder: Path, repeats: int) -> float:
    """Processor seconds of a command above those of `import torch`, medians taken in turns."""
    both = [
        (
            run(command, folder, OMP_NUM_THREADS="1").processor,
            run(python("import torch"), OMP_NUM_THREADS="1").processor,
        )
        for _ in range(repeats)
    ]
    return statistics.median(a for a, _ in both) - statistics.median(b for _, b in both)


def least(action: Callable[[], float | None]) -> float:
    """The shortest of three times."""
    return min(t for t in (action() for _ in range(3)) if t is not None)


def gram_and_reading(path: Path) -> float:
    """Seconds to read a file of x and y once and to sum up the Gram matrix of its quadratic features."""
    code = (
        "import time, h5py, numpy as np, torch\n"
        "torch.set_num_threads(1)\n"
        "i, j = np.triu_indices(8)\n"
        "s, g = time.process_time(), 0\n"
        f"with h5py.File({str(path)!r}) as f:\n"
        "    for a in range(0, len(f['y']), 65536):\n"
        "        x, y = f['x'][a:a + 65536].astype('f8'), f['y'][a:a + 65536].astype('f8')\n"
        "        p = torch.from_numpy(np.column_stack([np.ones(len(x)), x, x[:, i] * x[:, j], y]))\n"
        "        g = g + p.T @ p\n"
        "print(time.process_time() - s)"
    )
    return float(subprocess.run(python(code), capture_output=True, text=True, check=True).stdout)


def factor_beside_gram(columns: int, rows: int, null: int = 3) -> tuple[float, float]:
    """Seconds for singular values and vectors by our streamed factor, and by a Gram matrix in float64."""
    from symfind.linalg.tsqr import StreamedFactor

    g = torch.Generator().manual_seed(columns)
    q = torch.linalg.qr(torch.randn(columns, columns, generator=g, dtype=torch.float64)).Q
    sizes = torch.logspace(0, -3, columns - null, dtype=torch.float64)
    a = (torch.randn(rows, columns - null, generator=g, dtype=torch.float64) * sizes) @ q[:, : columns - null].T
    blocks = torch.split(a, 8192)

    def gram() -> None:
        total = torch.zeros(columns, columns, dtype=torch.float64)
        for block in blocks:
            total += block.T @ block
        torch.linalg.eigh(total)

    def ours() -> None:
        factor = StreamedFactor(columns)
        for block in blocks:
            factor.add(block)
        torch.linalg.svd(factor.factor())

    gram()
    return least(lambda: peers.seconds(ours)), least(lambda: peers.seconds(gram))


def rows_of_bench(folder: Path, repeats: int, quick: bool) -> Iterator[tuple[str, Callable[[], Row | None]]]:
    """Names of rows, and what measures them: what is compared, with what, both in seconds."""
    commands = ten_commands(folder)
    torch_alone = run(python("import torch"), OMP_NUM_THREADS="1").processor

    def whole(what: str) -> float:
        return above_torch(commands[what], folder, repeats)

    def against(what: str, peer: str, other: Callable[[], float | None]) -> Callable[[], Row | None]:
        def measured() -> Row | None:
            found = other()
            return None if found is None else (what, peer, whole(what), found)

        return measured

    first = "function of 3 inputs, 1,200 rows"
    net, flow, promoted = (
        "network of O(5), 10,000 rows", "flow of a rigid body", "promote polynomial:2, 60 rows",
    )  # fmt: skip
    yield "help", lambda: (
        "`symfind --help`", "a bare interpreter",
        run(symfind("--help"), OMP_NUM_THREADS="1").processor, run(python("pass")).processor,
    )  # fmt: skip
    for what in (first, flow, promoted):
        yield what, against(what, "`import torch`", lambda: torch_alone)
    for columns, count in ((16, 100_000), (64, 100_000), (256, 50_000 if quick else 200_000)):
        yield f"factor {columns}", lambda columns=columns, count=count: (  # type: ignore[misc]
            f"streamed factor, {columns} columns, {count:,} rows", "Gram matrix, float64",
            *factor_beside_gram(columns, count),
        )  # fmt: skip
    yield "liegg", against(net, "LieGG, own: ∇F ⊗ x, full SVD", lambda: least(lambda: peers.liegg(SAMPLES / "o5.pt")))
    yield "symdisc", against(first, "symdisc's regression, own", lambda: peers.symdisc(folder / "radial.h5"))

    def many(rows: int) -> Row:
        path = folder / "rows.h5"
        write_function(path, rows)
        command = symfind("discover", str(path), "--surrogate", "polynomial:2", "--quiet", "--format", "json")
        done = f"{rows:,} rows × 8, quadratic fit", "reading + Gram", above_torch(command, folder, 1)
        found = *done, gram_and_reading(path)
        path.unlink()
        return found

    yield "rows", lambda: many(_ROWS)
    if quick:
        return
    yield "million", lambda: many(1_000_000)
    yield "cvxpy", against(promoted, "cvxpy + SCS over the same path", lambda: _scs(folder))
    yield "pysindy", against(flow, "PySINDy, one threshold", lambda: peers.pysindy_fit(SAMPLES / "rigid_body.h5"))
    yield "liegan", lambda: ("LieGAN, own, 2,000 steps", "`import torch`", peers.liegan(2000)[0], torch_alone)


def _scs(folder: Path) -> float | None:
    write_ridge(folder / "ridge.h5", 60)
    return peers.scs_cross_validated(folder / "ridge.h5")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="what takes below three minutes")
    parser.add_argument("--keep", action="store_true", help="keep the ratios to be compared with")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    given = parser.parse_args()
    torch.set_num_threads(1)
    load, kept = os.getloadavg(), json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    lines, ratios, worse = [], {}, []
    with tempfile.TemporaryDirectory(prefix="symfind-bench-") as name:
        for row, measure in rows_of_bench(Path(name), 1 if given.quick else 3, given.quick):
            if given.only not in row:
                continue
            found = measure()
            if found is None:
                lines.append([row, "not installed", "", "", "", ""])
                continue
            what, other, ours, theirs = found
            ratio = ours / max(theirs, 1e-6)
            ratios[row] = round(ratio, 3)
            before = kept.get(row)
            if before is not None and ratio > FACTOR * before:
                worse.append(f"{row}: {ratio:.3g}, was {before:.3g}")
            shown = "" if before is None else f"{before:.3g}"
            lines.append([what, other, f"{ours:.3g} s", f"{theirs:.3g} s", f"{ratio:.3g}", shown])
            print(*lines[-1], sep=" | ", file=sys.stderr, flush=True)
    if given.keep:
        KEPT.write_text(json.dumps(kept | ratios, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    text = (
        "## Beside others\n\nProcessor seconds of one thread. Ours are whole commands above `import torch` (imports, "
        'reading, fit, bounds or witness, report), a peer\'s are those of its solver alone. "Own" is the published '
        "algorithm, written here. The last column is the ratio that is kept in "
        f"`benchmarks/speed_suite/ratios.json`; beyond {FACTOR} times that a run fails.\n\n"
        + table(["what", "beside", "ours", "theirs", "ratio", "kept"], lines)
        + f"\n\n{machine(load)}"
    )
    if given.write:
        write_part("bench", "make bench", text)
    else:
        print(text)
    for line in worse:
        print(f"slower than kept: {line}", file=sys.stderr)
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
