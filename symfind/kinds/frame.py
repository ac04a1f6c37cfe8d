"""Shapes, metrics and candidates that the data fix before anything is asked of F."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from symfind.errors import InputError
from symfind.fields.space import VectorFieldSpace
from symfind.fits.geometry import Geometry
from symfind.kinds.question import Question
from symfind.lie_derivative import OutputAction


@dataclass(frozen=True)
class Frame:
    """Shapes and metrics that the data fix before anything is asked of F.

    Attributes
    ----------
    question
        What the kind of the data asks.
    objects, output_objects
        (k, d) of x, (k′, m) of y.
    geometry
        G and the support.
    space, action
        The candidates, centred on the data.
    """

    question: Question
    objects: tuple[int, int]
    output_objects: tuple[int, int]
    geometry: Geometry
    space: VectorFieldSpace
    action: OutputAction


def rows_needed(unknowns: int, outputs: int) -> int:
    """How many rows have twice as many equations as unknowns in each half."""
    return max(16, -(-4 * unknowns // max(1, outputs)))


def enough_rows(frame: Frame, rows: int) -> None:
    """Raise if there are fewer rows of the Lie derivative than twice the unknowns in each half.

    Raises
    ------
    InputError
        With the number of rows needed.
    """
    unknowns = frame.space.dim + frame.action.extra
    needed = rows_needed(unknowns, prod(frame.output_objects))
    if rows < needed:
        raise InputError(
            f"{rows} rows are too few for the space '{frame.space.name}' with {unknowns} unknowns; "
            f"give at least {needed} rows or a smaller --space"
        )
