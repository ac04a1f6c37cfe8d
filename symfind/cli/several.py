"""One verb on several files: a report each, and a table of them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from symfind.cli.listing import write_listing
from symfind.cli.output import Output
from symfind.errors import SymfindError, UsageError
from symfind.render.formats import FORMATS

# What a report's file is called after where nobody chose a form.
_ENDING = ".json"


def run_each(
    sources: Sequence[str], run: Callable[[str, Output], Any], path: str | None, form: str | None, *rest: Any
) -> int:
    """Run a verb on each source, its report to the folder ``path`` or to standard output; the table comes last.

    A source that cannot be used is told of, and the others go on; the first such status is returned.

    Raises
    ------
    UsageError
        The reports would share one file.
    """
    folder = None if path in (None, "-") else Path(str(path))
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--output {path}: {len(sources)} sources have a report each; give a folder that is there")
    known = None if form is None else FORMATS[form]
    ending = known.endings[0] if known is not None and known.endings else _ENDING
    stems = [Path(source).stem for source in sources]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if folder is not None and twice is not None:
        raise UsageError(f"--output {path}: two sources are called {twice}, and so would be their reports; rename one")
    rows, status = [], 0
    for source, stem in zip(sources, stems, strict=True):
        own = None if folder is None else str(folder / f"{stem}{ending}")
        output = Output(own, form, *rest)
        output.message(f"{source}:")
        try:
            rows.append(_row(source, run(source, output), ""))
        except SymfindError as error:
            status = status or error.exit_code
            rows.append(_row(source, None, str(error).removeprefix(f"{source}: ")))
            output.message(f"symfind: {error}")
    summary = Output(None, "table" if folder is None else form if form in ("json", "table") else None, *rest)
    if folder is None and Output(None, form, *rest).chosen_format() != "table":
        return status  # a pipe gets one report after the other, and nothing else
    write_listing(rows, summary)
    return status


def _row(source: str, report: Any, fault: str) -> dict[str, Any]:
    if report is None:
        return {"source": source, "kind": None, "rows": None, "algebra": None, "certified": None, "remark": fault}
    rows = next(iter(report.source.shapes.values()), (0,))[0]
    return {
        "source": source,
        "kind": report.source.kind,
        "rows": rows,
        "algebra": report.algebra.name or "unidentified",
        "certified": len(report.certified),
        "remark": f"{len(report.warnings)} warnings" if report.warnings else None,
    }
