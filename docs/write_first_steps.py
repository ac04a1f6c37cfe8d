"""Write docs/first-steps.md: the page's own commands are run in an empty folder, and what they print is shown.

Run it as ``python docs/write_first_steps.py``; a long test fails when the page is older.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

PAGE = Path(__file__).with_name("first-steps.md")
# `$ command` in a block, and what it printed the last time.
_BLOCK = re.compile(r"```console\n(\$ [^\n]*\n)(?:(?!\$ ).*?\n)??```", re.DOTALL)


def measurements(path: Path) -> None:
    """A dipole along z, far from it: 400 places, its potential with three digits, and what the thermometer said."""
    draws = np.random.default_rng(0)
    place = draws.normal(size=(400, 3))
    place *= (1 + draws.random(400) / 2)[:, None] / np.linalg.norm(place, axis=1)[:, None]
    potential = place[:, 2] / np.linalg.norm(place, axis=1) ** 3
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["x", "y", "z", "potential", "probe"])
        for i, (where, value) in enumerate(zip(place, potential, strict=True)):
            rows.writerow([*(f"{v:.6f}" for v in where), f"{value:.6f}", "AB"[i % 2]])


def printed(command: str, folder: Path) -> str:
    """What a command prints in a folder, standard error first."""
    program = command.replace("symfind ", f"{sys.executable} -m symfind ", 1)
    # The page is written, not piped: a table is what a terminal shows.
    environment = os.environ | {"COLUMNS": "96", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(program, shell=True, cwd=folder, capture_output=True, text=True, env=environment)  # noqa: PLW1510
    return ended.stderr + ended.stdout


def with_what_is_printed(text: str, prepare: Callable[[Path], None]) -> str:
    """A page whose commands are run one after the other in a folder that was prepared, with what they print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)

        def shown(block: re.Match[str]) -> str:
            command = block[1].removeprefix("$ ").strip()
            return f"```console\n{block[1]}{printed(command, folder)}```"

        return _BLOCK.sub(shown, text)


def page() -> str:
    """The page as it stands, with what its commands print now."""
    text = PAGE.read_text(encoding="utf-8")
    return with_what_is_printed(text, lambda folder: measurements(folder / "measurements.csv"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
