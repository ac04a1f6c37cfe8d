"""What hostile inputs, faults, signals and load do to symfind; ``--write`` puts it into docs/reliability.md.

python -m benchmarks.reliability --part inputs|kills|signals|soak|parallel [--write] [--only SORT] [--seed N]
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from benchmarks.reliability_suite import faults, load, run_cases

DOCUMENT = Path(__file__).parents[1] / "docs" / "reliability.md"
PARTS = {
    "inputs": run_cases.table,
    "kills": faults.kills,
    "signals": faults.signals,
    "soak": load.soak,
    "parallel": load.parallel,
}


def written(part: str, text: str) -> None:
    """Put a part between its marks in the document."""
    begin, end = f"<!-- {part}: written by benchmarks/reliability.py -->", f"<!-- end of {part} -->"
    whole = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + "(.*?)" + re.escape(end), re.DOTALL)
    if part == "inputs":  # sorts that were not tried now keep their rows
        before = pattern.search(whole)
        text = run_cases.summed(run_cases.rows_of(before[1] if before else "") | run_cases.rows_of(text))
    DOCUMENT.write_text(pattern.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", whole), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        text = PARTS[asked.part](Path(folder), asked.seed, asked.only)
    print(text)
    if asked.write:
        written(asked.part, text)


if __name__ == "__main__":
    sys.exit(main())
