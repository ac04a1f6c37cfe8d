"""``symfind report``: a report rendered or converted."""

from __future__ import annotations

from symfind.cli.output import Output
from symfind.config import ReportOptions


def report(options: ReportOptions, output: Output) -> None:
    """Render a report as a table, Markdown or HTML with plots, or convert it between JSON and HDF5."""
    from symfind.report.store import read_report

    output.write_report(read_report(options.source))
