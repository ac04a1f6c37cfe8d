"""Seconds and memory of whole processes beside ``import torch``, of large files, and of the certificates.

    python -m benchmarks.performance --write

Every comparison is made within one run: the processes that are compared take turns, and medians are compared. Beside
the wall clock stands the processor time, which says what is left when other programs take the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import torch

from benchmarks.speed_suite.commands import Run, run
from benchmarks.speed_suite.document import machine, write_part

DIMUONS = Path(__file__).parent.parent / "sample_data" / "dimuons.h5"
SYMFIND = [sys.executable, "-m", "symfind"]
WIDTH = 8
CHUNK = 8192
PARTS = ["processes", "certificates", "rows"]


def alternating(commands: dict[str, Sequence[str]], repeats: int) -> dict[str, Run]:
    """Medians of ``repeats`` runs of each command, taken in turns."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            runs[name].append(run(command))
    medians = {}
    for name, of in runs.items():
        wall, processor, memory = (statistics.median(getattr(r, field) for r in of) for field in Run.__annotations__)
        medians[name] = Run(wall, processor, memory)
    return medians


def write_function(path: Path, rows: int, seed: int = 0) -> None:
    """A quadratic form y = xᵀQx with 1 % noise, x (rows, 8) float32 in chunks of whole rows."""
    rng = np.random.default_rng(seed)
    q = rng.standard_normal((WIDTH, WIDTH))
    spread = 0.01 * float(np.sqrt(((q + q.T) ** 2).sum() / 2))
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "function"
        x = file.create_dataset("x", (rows, WIDTH), "f4", chunks=(CHUNK, WIDTH))
        y = file.create_dataset("y", (rows,), "f4", chunks=(CHUNK,))
        for start in range(0, rows, 8 * CHUNK):
            block = rng.standard_normal((min(8 * CHUNK, rows - start), WIDTH), dtype=np.float32)
            noise = spread * rng.standard_normal(len(block))
            x[start : start + len(block)] = block
            y[start : start + len(block)] = ((block @ q) * block).sum(1) + noise


def write_certificate(path: Path, kind: str, d: int, rows: int = 5000, seed: int = 0) -> None:
    """Data with a symmetry and 1 % noise: a flow with SO(d), or |x|² + |x|⁴/4 as a function."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, d))
    square = (x**2).sum(1, keepdims=True)
    y = x * (1 - square / d) if kind == "flow" else square + square**2 / (4 * d)
    y = y + 0.01 * y.std(0) * rng.standard_normal(y.shape)
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = kind
        file["x"], file["dx" if kind == "flow" else "y"] = x, y


def write_model(path: Path, d: int) -> None:
    """A network of two hidden layers with no symmetry built in, as TorchScript."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(d, 64), torch.nn.SiLU(), torch.nn.Linear(64, 64), torch.nn.SiLU(), torch.nn.Linear(64, 1)]
    torch.jit.save(torch.jit.trace(torch.nn.Sequential(*layers).eval(), torch.zeros(2, d)), str(path))


def phases(path: Path, options: Sequence[str], folder: Path, repeats: int) -> dict[str, float]:
    """Medians of the report's ``timing`` over whole processes."""
    out = folder / "report.json"
    timings = []
    for _ in range(repeats):
        run([*SYMFIND, "discover", str(path), *options, "--quiet", "--output", str(out)])
        timings.append(json.loads(out.read_text(encoding="utf-8"))["timing"])
        out.unlink()
    return {name: statistics.median(t[name] for t in timings) for name in timings[0]}


def modules_of_help() -> list[str]:
    """Which of torch and h5py ``symfind --help`` imports."""
    code = (
        "import sys\nsys.argv = ['symfind', '--help']\nfrom symfind.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'h5py') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [name for name in ("torch", "h5py") if name in done.stderr]


def row(what: str, measured: str, bound: str, holds: bool) -> str:
    return f"| {what} | {measured} | {bound} | {'yes' if holds else 'no'} |"


def process_rows(repeats: int) -> list[str]:
    """Rows for start-up and for the dimuon data."""
    done = alternating(
        {
            "help": [*SYMFIND, "--help"],
            "torch": [sys.executable, "-c", "import torch"],
            "discover": [*SYMFIND, "discover", str(DIMUONS), "--format", "json"],
        },
        repeats,
    )
    help_, base, discover = done["help"], done["torch"], done["discover"]
    extra, work = discover.wall - base.wall, discover.processor - base.processor
    imported = modules_of_help()
    return [
        row("`symfind --help`", f"{help_.wall:.2f} s ({help_.processor:.2f} s processor)", "0.3 s", help_.wall <= 0.3),
        row("torch, h5py imported by it", ", ".join(imported) or "none", "none", not imported),
        row(
            f"`discover sample_data/dimuons.h5` ({discover.wall:.2f} s) above `import torch` ({base.wall:.2f} s)",
            f"{extra:+.2f} s ({work:+.2f} s processor)",
            "+2 s",
            extra <= 2,
        ),
    ]


def memory_rows(folder: Path, counts: Sequence[int]) -> list[str]:
    """Rows for large files; each file is removed before the next is made."""
    lines = []
    for rows in counts:
        path = folder / "rows.h5"
        write_function(path, rows)
        command = [*SYMFIND, "discover", str(path), "--surrogate", "polynomial:2", "--quiet", "--format", "json"]
        done = run(command)
        path.unlink()
        what = f"{rows:,} rows × {WIDTH} float32, `--surrogate polynomial:2`: peak memory"
        told = f"{done.memory:.0f} MB, {done.wall:.0f} s ({done.processor:.0f} s processor)"
        lines.append(row(what, told, "2,000 MB", done.memory * 2**20 < 2e9))
    return lines


def certificate_rows(folder: Path, repeats: int) -> list[str]:
    """Rows for the cost of the bounds."""
    lines = []
    for d, bound in ((3, 0.5), (6, 10.0)):
        for kind in ("flow", "function"):
            path = folder / f"{kind}{d}.h5"
            write_certificate(path, kind, d)
            timing = phases(path, [], folder, repeats)
            told = f"{timing['bounds']:.2f} s (fit {timing['fit']:.2f} s, nullspace {timing['nullspace']:.2f} s)"
            lines.append(row(f"bounds, {kind}, d = {d}, N = 5,000", told, f"{bound:g} s", timing["bounds"] <= bound))
    for d in (3, 6):
        path = folder / f"model{d}.pt"
        write_model(path, d)
        options = ["--sample", "normal", "--n-samples", "20000"]
        timing = phases(path, options, folder, repeats)
        share = timing["bounds"] / timing["nullspace"]
        told = f"{share:+.0%} of {timing['nullspace']:.2f} s"
        lines.append(row(f"bounds, given model, d = {d}, N = 20,000", told, "+50 %", share <= 0.5))
    return lines


def document(lines: Sequence[str], repeats: int, load: tuple[float, float, float]) -> str:
    return f"""## Processes, bounds, large files

Medians of {repeats} whole processes that take turns; the large files are read once. "Bounds" and "nullspace" are phases
of the report's `timing`. A bound is on the wall clock of an idle machine: with more programs than cores the wall clock
says little, and the processor time in brackets more.

| what | measured | bound | holds |
|---|---|---|---|
{chr(10).join(lines)}

{machine(load)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--repeats", type=int, default=5, help="processes whose median is taken")
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000], help="sizes of the large files")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="what is measured; all of it without")
    options = parser.parse_args()
    if options.repeats < 1 or any(rows < 1 for rows in options.rows):
        parser.error("--repeats and --rows take positive numbers")
    before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="symfind-performance-") as name:
        folder = Path(name)
        lines: list[str] = []
        if "processes" in options.parts:
            lines += process_rows(options.repeats)
        if "certificates" in options.parts:
            lines += certificate_rows(folder, options.repeats)
        if "rows" in options.parts:
            lines += memory_rows(folder, options.rows)
    text = document(lines, options.repeats, before)
    if options.write:
        write_part("processes", "python -m benchmarks.performance --write", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
