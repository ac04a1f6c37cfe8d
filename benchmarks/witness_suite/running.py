"""The program on one case: in this process, or in one of its own with a limit of time."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from witness_suite.case import Case
from witness_suite.outcome import Outcome, described, reading


class Declined(Exception):
    """The program said in one line why it has no answer."""


def write_case(case: Case, path: Path, seed: int, noise: float | None = None) -> Any:
    """One HDF5 file as a user would have it; the sample behind it is returned."""
    sample = case.sample(seed)
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = case.kind
        for name, array in case.arrays(sample, seed, noise).items():
            file[name] = array
    return sample


def report_here(path: Path, argv: Mapping[str, str], seed: int) -> dict[str, Any]:
    """``symfind.discover`` in this process, as plain values."""
    import symfind
    from symfind.errors import InputError, UsageError

    options: dict[str, Any] = {name.lstrip("-").replace("-", "_"): value for name, value in argv.items()}
    try:
        report = symfind.discover(symfind.DiscoverOptions(source=str(path), seed=seed, **options))
    except (InputError, UsageError) as refusal:
        raise Declined(str(refusal).replace(str(path), path.name)) from None
    return dict(report.to_plain())


def report_apart(path: Path, argv: Mapping[str, str], seed: int, limit: float) -> dict[str, Any]:
    """``symfind discover`` in a process of its own."""
    words = [word for pair in argv.items() for word in pair]
    call = ["discover", str(path), *words, "--seed", str(seed), "--format", "json", "--quiet"]
    command = [sys.executable, "-c", "from symfind.cli.main import process; process()", *call]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode in (2, 3):
        raise Declined(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return dict(json.loads(done.stdout))


def outcome(part: str, case: Case, seed: int, noise: float | None, apart: bool = False, limit: float = 900) -> Outcome:
    """One case, one seed, one noise."""
    share = case.noise if noise is None else noise
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.h5"
        sample = write_case(case, path, seed, share)
        base = described(part, case, sample, seed, share)
        if case.breaking is not None:
            base |= case.breaking.measured(case, sample, seed, share)
        start = time.perf_counter()
        found: dict[str, Any]
        try:
            report = report_apart(path, case.option, seed, limit) if apart else report_here(path, case.option, seed)
        except Declined as refusal:
            found = {"declined": str(refusal)}
        except Exception:
            found = {"crash": traceback.format_exc().strip().splitlines()[-1][:300]}
        else:
            found = reading(report, sample)
    return Outcome(**base, **found, seconds=time.perf_counter() - start)


def line(o: Outcome) -> str:
    """For the terminal, as each case ends."""

    def number(value: float, form: str) -> str:
        return "" if value != value else format(value, form)

    witness = o.witness or {}
    return (
        f"{o.kind:9s}{o.name:48.48s} {100 * o.noise:3.0f}% certified {o.certified:2d}/{o.dimension:2d} "
        f"~{o.approximate} ?{o.undecided} cos {number(o.cosine, '.5f'):7s} η {number(o.eta, '.3f'):5s} "
        f"{'seen' if o.visible else '':4s} {o.seconds:6.1f} s  {o.algebra:14.14s} {o.verdict}"
        + (f"  [η ≤ {witness.get('eta_upper')}]" if witness else "")
    )
