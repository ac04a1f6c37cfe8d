"""``symfind score``: how well a model obeys a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.cli.model_output import write_document
from symfind.cli.output import Output

if TYPE_CHECKING:
    from symfind.verbs.options import ScoreOptions


def score(options: ScoreOptions, output: Output) -> None:
    """Measure how well a model obeys a group, or fields an equation.

    For each generator its relative defect (0 exact, 1 what a random direction does) and the error along finite
    transformations of growing size; for the whole group the error on random elements. MODEL may be a dataset of
    fields: then the error is the residual of the equation after transformations along --generators.
    """
    from symfind import api
    from symfind.render.enforcement import plain_document, score_table
    from symfind.schema.augmentation import FieldScore, field_score_pairs, field_score_table

    with output.progress() as progress:
        document = api.score(options, progress)
    if isinstance(document, FieldScore):
        write_document(document, lambda d: plain_document(field_score_pairs(d), field_score_table(d)), output)
    else:
        write_document(document, score_table, output)
