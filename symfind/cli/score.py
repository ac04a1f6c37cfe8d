"""``symfind score``: how well a model obeys a group."""

from __future__ import annotations

from symfind.cli.model_output import write_document
from symfind.cli.output import Output
from symfind.config import ScoreOptions


def score(options: ScoreOptions, output: Output) -> None:
    """Measure how well a trained model obeys a group.

    For each generator its relative defect (0 exact, 1 what a random direction does) and the error along finite
    transformations of growing size; for the whole group the error on random elements.
    """
    from symfind import api
    from symfind.report.enforcement_render import score_table

    with output.progress() as progress:
        document = api.score(options, progress)
    write_document(document, score_table, output)
