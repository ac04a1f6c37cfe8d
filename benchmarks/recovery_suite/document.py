"""Tables in Markdown, parts of a document between marks, and tasks over processes: no part of the program is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "recovery.md"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def share(hits: int, of: int) -> str:
    """Hits of all and per cent."""
    return f"{hits} of {of} ({100 * hits / of:.0f} %)" if of else "none"


def write_section(name: str, text: str) -> None:
    """Replace one part of the document, between its two marks."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    whole = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else "# Recovery of known symmetries\n"
    part = f"{start}\n{text}\n{end}"
    if start in whole and end in whole:
        before, after = whole.split(start, 1)[0], whole.split(end, 1)[1]
        whole = before + part + after
    else:
        whole = whole.rstrip() + "\n\n" + part + "\n"
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(whole, encoding="utf-8")


def computed(function: Callable[..., Any], tasks: list[tuple[Any, ...]], jobs: int) -> Iterator[Any]:
    """function(*task) for every task, as they end."""
    if jobs == 1:
        yield from (function(*task) for task in tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(function, *task) for task in tasks]):
            yield future.result()
