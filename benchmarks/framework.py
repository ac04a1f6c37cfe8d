"""The sections of the unified framework, one row each: what the mathematics says, the command, and what it found.

    python -m benchmarks.framework --output docs/framework.md

Each row is a command run as a process with one thread on data that are made on the spot; seconds and MB are its own,
the import of torch (about 2 s, 300 MB) among them. Every section has its case without symmetry.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.framework_suite.case import Case, measure

MODULES = ("operators", "networks", "tensors", "submanifolds", "conserved", "discrete")
_HEAD = ("| case | command | expected | found | verdict | seconds | MB |", "|---|---|---|---|---|---|---|")


def cases(only: str) -> list[Case]:
    """Every case of the modules that are asked for (all where none is named)."""
    chosen = [name for name in MODULES if not only or name in only.split(",")]
    return [case for name in chosen for case in import_module(f"benchmarks.framework_suite.{name}").CASES]


def earlier(page: Path | None) -> dict[str, list[str]]:
    """Section → lines of its table, from a page written before."""
    found: dict[str, list[str]] = {}
    if page is not None and page.exists():
        section = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                section = line[3:]
            elif section and line.startswith("| ") and line not in _HEAD:
                found.setdefault(section, []).append(line)
    return found


def document(rows: dict[str, list[str]]) -> str:
    """The page."""
    text = [
        "# The unified framework, section by section",
        "",
        "Written by `python -m benchmarks.framework --output docs/framework.md`; not edited by hand.",
        "",
        " ".join((__doc__ or "").split("\n\n", 2)[2].split()),
    ]
    for section, lines in rows.items():
        text += ["", f"## {section}", "", *_HEAD, *lines]
    return "\n".join([*text, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cases and write the page; sections that were not run stay as they were."""
    parser = argparse.ArgumentParser(description="the sections of the unified framework")
    parser.add_argument("--output", type=Path, default=None, help="page to write; standard output otherwise")
    parser.add_argument("--only", default="", help=f"of {', '.join(MODULES)}, separated by commas")
    given = parser.parse_args(arguments)
    fresh: dict[str, list[str]] = {}
    for case in cases(given.only):
        with tempfile.TemporaryDirectory() as folder:
            row = measure(case, Path(folder)).text()
        fresh.setdefault(case.section, []).append(row)
        print(row, flush=True)
        if given.output is not None:
            given.output.write_text(document(earlier(given.output) | fresh), encoding="utf-8")


if __name__ == "__main__":
    main()
