"""docs/performance.md: each command writes its own part, between its marks."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "performance.md"


def write_part(name: str, command: str, text: str, document: Path = DOCUMENT) -> None:
    """Put a part between its marks, at the end where there are none."""
    begin, end = f"<!-- {name}: written by {command} -->", f"<!-- end of {name} -->"
    part = f"{begin}\n{text.strip()}\n{end}"
    whole = document.read_text(encoding="utf-8") if document.exists() else "# Speed and memory\n"
    pattern = re.compile(rf"<!-- {re.escape(name)}: written by .*?-->.*?{re.escape(end)}", re.DOTALL)
    there = pattern.search(whole) is not None
    text = pattern.sub(lambda _: part, whole) if there else f"{whole.rstrip()}\n\n{part}\n"
    document.write_text(text, encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine(load: tuple[float, float, float]) -> str:
    """When and where, with the load before and after."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("symfind", "torch", "numpy"))
    before, after = (", ".join(f"{value:.1f}" for value in of) for of in (load, os.getloadavg()))
    return (
        f"{date.today().isoformat()}, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {versions}; load over 1, 5 and 15 minutes {before} before, {after} after."
    )
