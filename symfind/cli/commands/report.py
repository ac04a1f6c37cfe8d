"""``symfind report``: a report rendered or converted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from symfind.cli.output import Output

if TYPE_CHECKING:
    from symfind.verbs.options import ReportOptions


def report(options: ReportOptions, output: Output) -> None:
    """Show a report as a table, Markdown or HTML, or convert it.

    HTML has plots. Conversions are between JSON and HDF5, by the ending of --output.
    """
    from symfind.schema.store import read_report

    document = read_report(options.source)
    if options.pictures is not None:
        from symfind.render.pictures import write_pictures

        for path in write_pictures(document, Path(options.pictures)):
            output.message(f"wrote {path}")
    output.write_report(document)
