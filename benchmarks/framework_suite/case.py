"""One row of docs/framework.md: data made on the spot, a command run as a process, an answer read from its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """What is asked and what the mathematics answers.

    Attributes
    ----------
    section
        Of the paper, as a heading.
    name
        The row.
    arguments
        folder → the arguments after ``symfind``; writes the files they name into the folder first. The row shows
        them with the folder cut off. ``--format json`` is added.
    expected
        In words, from mathematics.
    read
        The JSON that the command printed → what was found in words, and whether it is what is expected.
    """

    section: str
    name: str
    arguments: Callable[[Path], Sequence[str]]
    expected: str
    read: Callable[[dict[str, Any]], tuple[str, bool]]


@dataclass(frozen=True)
class Row:
    """What one case gave: cells of the table."""

    case: Case
    command: str
    found: str
    right: bool
    seconds: float
    megabytes: float

    def text(self) -> str:
        """A line of the table."""
        case = self.case
        verdict = "right" if self.right else "not as expected"
        return (
            f"| {case.name} | `{self.command}` | {case.expected} | {self.found} | {verdict} | "
            f"{self.seconds:.1f} | {self.megabytes:.0f} |"
        )


def measure(case: Case, folder: Path) -> Row:
    """Run one case as a process of its own, with one thread, its time and its peak memory."""
    arguments = [str(a) for a in case.arguments(folder)]
    command = " ".join(["symfind", *arguments]).replace(f"{folder}/", "")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "symfind", *arguments, "--format", "json"], stdout=out, stderr=err, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, fault = out.read(), err.read().decode()
    if process.returncode:
        found, right = f"exit {process.returncode}: {' '.join(fault.split())[:200]}", False
    else:
        found, right = case.read(json.loads(printed))
    return Row(case, command, found, right, seconds, usage.ru_maxrss / 1024)
