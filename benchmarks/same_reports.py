"""Whether two source trees give the same reports: ``python benchmarks/same_reports.py BEFORE AFTER [SAMPLE …]``.

Each tree runs ``symfind discover SAMPLE --format json`` on every file of its own ``sample_data``; the reports are
compared without what a run may change: ``timing``, ``environment`` and paths. Exit status 1 if any differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Times and the machine, and where files lie.
LEFT_OUT = {"timing", "environment", "path", "source", "checkpoint"}
# A network is judged on rows that are drawn.
OPTIONS = {"o5.pt": ("--sample", "normal", "--shape", "2,5")}
_MOST_SHOWN = 10


def report(tree: Path, sample: Path) -> Any:
    """The report of a tree on a sample, or the last line of what it said where there is none."""
    command = [sys.executable, "-m", "symfind", "discover", str(sample), "--format", "json"]
    settings = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [*command, *OPTIONS.get(sample.name, ())], capture_output=True, text=True, cwd=tree, env=settings, check=False
    )
    if ran.returncode and not ran.stdout:
        return {"error": (ran.stderr.strip().splitlines() or [f"status {ran.returncode}"])[-1]}
    return json.loads(ran.stdout)


def kept(value: Any, name: str = "") -> Any:
    """A report without what :data:`LEFT_OUT` names; ``source`` is a path in settings, and data where it is a part."""
    if isinstance(value, dict):
        return {
            key: kept(inner, key)
            for key, inner in value.items()
            if key not in LEFT_OUT or (key == "source" and isinstance(inner, dict))
        }
    if isinstance(value, list):
        return [kept(inner, name) for inner in value]
    return value


def differences(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """Yield each place at which two reports differ, with both values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from differences(before.get(key, "nothing"), after.get(key, "nothing"), f"{where}.{key}".lstrip("."))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{where}[{number}]")
    elif before != after:
        yield f"{where}: {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 100 else f"{text[:97]}…"


def main(before: Path, after: Path, names: list[str]) -> int:
    """Print a line a sample; 1 if any report differs."""
    samples = sorted(p for p in (after / "sample_data").iterdir() if p.suffix in (".h5", ".pt"))
    status = 0
    for sample in samples:
        if names and sample.name not in names:
            continue
        one, other = report(before, before / "sample_data" / sample.name), report(after, sample)
        found = list(differences(kept(one), kept(other)))
        failed = " (no report: " + one["error"] + ")" if "error" in one and not found else ""
        print(f"{sample.name}: {'differs' if found else 'same' + failed}", flush=True)
        for line in found[:_MOST_SHOWN]:
            print(f"    {line}")
        if len(found) > _MOST_SHOWN:
            print(f"    and {len(found) - _MOST_SHOWN} more")
        status |= bool(found)
    return status


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("python benchmarks/same_reports.py BEFORE AFTER [SAMPLE …]")
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3:]))
