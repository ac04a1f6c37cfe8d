"""Ten commands alone and beside a busy process: ``python -m benchmarks.busy [--write] [--repeats N] [--only WORD]``.

The busy process multiplies matrices on two threads without an end. A fair scheduler leaves one of our threads two
thirds of a core then (three that want two), so that 1.5 is what can be had; the bound is 2.5. Exit status 1 beyond.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.speed_suite.commands import busy_process, run, ten_commands
from benchmarks.speed_suite.document import machine, table, write_part

BOUND = 2.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--repeats", type=int, default=3, help="runs each way whose median is taken")
    parser.add_argument("--only", default="", help="commands whose name holds this word")
    given = parser.parse_args()
    load = os.getloadavg()
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory(prefix="symfind-busy-") as name:
        folder = Path(name)
        for what, command in ten_commands(folder).items():
            if given.only not in what:
                continue
            alone, beside = [], []
            for _ in range(given.repeats):  # in turns: a machine changes its pace
                alone.append(run(command, folder).wall)
                with busy_process():
                    beside.append(run(command, folder).wall)
            one, two = statistics.median(alone), statistics.median(beside)
            worst = max(worst, two / one)
            rows.append([what, f"{one:.2f} s", f"{two:.2f} s", f"{two / one:.2f}"])
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    text = (
        "## Beside another program\n\nTen whole commands, alone and beside a process that multiplies matrices on "
        f"two threads: medians of {given.repeats} runs each, taken in turns. No number of threads is set. "
        f"Bound: {BOUND}.\n\n"
        + table(["command", "alone", "beside", "ratio"], rows)
        + f"\n\nLargest ratio {worst:.2f}. {machine(load)}"
    )
    if given.write:
        write_part("busy", "make bench-busy", text)
    else:
        print(text)
    return int(worst > BOUND)


if __name__ == "__main__":
    sys.exit(main())
