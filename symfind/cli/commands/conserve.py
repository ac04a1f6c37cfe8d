"""``symfind conserve``: conserved quantities of a flow or a map, invariants of an algebra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.cli.output import Output
from symfind.errors import NothingCertified

if TYPE_CHECKING:
    from symfind.verbs.options import ConserveOptions


def conserve(options: ConserveOptions, output: Output) -> None:
    """Find what a flow, a map or the generators of a report conserve.

    The answer is a basis of those functions, among the candidates of --library, that do not change along the flow
    (x, dx, or trajectories) or over a step of the map (x, x_next); each with its relative defect (0 conserved, 1 what
    other functions do), confidence bounds and a verdict, and whether it follows from the others. Constants are left
    out. Of a report, the polynomials up to --degree that all its certified generators leave unchanged.
    """
    from symfind import api

    with output.progress() as progress:
        report = api.conserve(options, progress)
    output.write_report(report)
    if options.require_symmetry and not any(c.verdict == "certified" for c in report.conserved or ()):
        raise NothingCertified(
            f"{options.source}: nothing conserved is certified, and --require-symmetry asks for it; "
            "more data, another --library or a larger --tolerance may help"
        )
