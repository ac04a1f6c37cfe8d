"""Closures, representations, scalings, forces: found / expected beside what peers publish.

    python -m benchmarks.novel closures          seconds; all strings of PauLie's table at 6 and 10 letters
    python -m benchmarks.novel representations   minutes; orbits of 800 points, 20 seeds a representation
    python -m benchmarks.novel scalings forces   minutes; laws of physics and what obeys none, 20 seeds

Each part writes its table between its marks in docs/novel.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.novel_suite import closures, forces, representations, scalings

PAGE = Path(__file__).parents[1] / "docs" / "novel.md"
PARTS: dict[str, Callable[[], str]] = {
    "closures": closures.table,
    "representations": representations.table,
    "scalings": scalings.table,
    "forces": forces.table,
}


def written(page: str, part: str, table: str) -> str:
    """The page with the part's table between its marks."""
    begin, end = f"<!-- {part}: written by benchmarks/novel.py -->", f"<!-- end of {part} -->"
    before, rest = page.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{table}\n{end}{after}"


def main() -> None:
    for part in sys.argv[1:] or list(PARTS):
        start = time.perf_counter()
        table = PARTS[part]()
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), part, table), encoding="utf-8")
        print(f"{part}: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
