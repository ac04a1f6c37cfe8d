"""Where the time of ten commands goes: ``python -m benchmarks.where_time_goes [--write] [--only WORD]``.

Seconds by phase are those of the report's own ``timing``; the import of torch alone is a process of its own, the other
imports are what `python -X importtime` says of the same command above torch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.speed_suite.commands import environment, python, run, ten_commands
from benchmarks.speed_suite.document import machine, table, write_part

# Phases that are not the method: choosing a fit and fitting again, naming and writing down.
NOT_THE_METHOD = ("fit", "refit", "algebra", "read", "moments")


def timing_of(command: list[str], folder: Path) -> dict[str, float]:
    """Phases of a command that prints a report as JSON."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment())
    timing = json.loads(done.stdout).get("timing") or {}
    if "witness" in timing:  # bounds hold the witness
        timing["bounds"] = timing.get("bounds", 0.0) - timing["witness"]
    return {name: seconds for name, seconds in timing.items() if seconds >= 0.005}


def imports_of(command: list[str], folder: Path) -> float:
    """Seconds of imports other than torch's."""
    timed = [command[0], "-X", "importtime", *command[1:]]
    done = subprocess.run(timed, capture_output=True, text=True, check=True, cwd=folder, env=environment())
    own = torch = 0.0
    for line in done.stderr.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            own += int(parts[0]) / 1e6
            if parts[2].strip() == "torch":
                torch = int(parts[1]) / 1e6
    return max(0.0, own - torch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--only", default="", help="commands whose name holds this word")
    given = parser.parse_args()
    load = os.getloadavg()
    rows = []
    with tempfile.TemporaryDirectory(prefix="symfind-profile-") as name:
        folder = Path(name)
        torch = run(python("import torch"))
        for what, command in ten_commands(folder).items():
            if given.only not in what:
                continue
            timing, imports = timing_of(command, folder), imports_of(command, folder)
            whole = run(command, folder)
            above = whole.wall - torch.wall
            spent = sum(timing.values())
            beside = sum(timing.get(phase, 0.0) for phase in NOT_THE_METHOD)
            share = 1 - max(0.0, spent - beside) / max(above, spent, 1e-9)
            phases = ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in timing.items())
            rows.append(
                [what, f"{whole.wall:.2f}", f"{above:.2f}", f"{whole.processor - torch.processor:.2f}",
                 f"{imports:.2f}", phases, f"{share:.0%}"]
            )  # fmt: skip
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    text = (
        "## Where the time goes\n\nSeconds of whole commands: on the wall, on the wall and of the processor above "
        f"`import torch` ({torch.wall:.2f} s), of the other imports, and by phase of the report. Last the share of the "
        "time above `import torch` that is not the method: imports, reading, the choice of a fit, refits, naming, "
        "rendering.\n\n"
        + table(["command", "wall", "above torch", "processor", "imports", "phases", "not the method"], rows)
        + f"\n\n{machine(load)}"
    )
    if given.write:
        write_part("profile", "make profile", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
