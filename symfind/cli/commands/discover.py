"""``symfind discover``: generators from a dataset or a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.cli.output import Output
from symfind.errors import NothingCertified

if TYPE_CHECKING:
    from symfind.verbs.options import DiscoverOptions


def discover(options: DiscoverOptions, output: Output) -> None:
    """Find the continuous symmetries of a dataset or a trained model.

    The answer is a basis of the Lie algebra of those vector fields, among the candidates of --space, under which
    the data or the model is invariant or equivariant; each with its relative defect (0 exact, 1 what a random
    direction does), confidence bounds and a verdict.
    """
    from symfind import api

    with output.progress() as progress:
        report = api.discover(options, progress)
    output.write_report(report)
    if options.require_symmetry and not report.certified:
        raise NothingCertified(
            f"{options.source}: no generator is certified, and --require-symmetry asks for one; "
            "more data, another --space or a larger --tolerance may help"
        )
