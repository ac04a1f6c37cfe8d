"""The differential equation behind fields, as evidence and reports tell it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Coefficient:
    """One number of an identified equation, with its interval (blocks of trajectories drawn again).

    Attributes
    ----------
    term
        What it multiplies, or ``exp rate`` and ``time shift`` inside a term.
    value, lower, upper
        Estimate and 95 % interval.
    """

    term: str
    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ObeyedEquation:
    """The differential equation of fields, and how well they obey it.

    Attributes
    ----------
    text, given
        The equation, and whether it was given or identified.
    residual, expected
        Share of its terms that is left, and what errors of the derivatives would leave.
    coefficients, library
        Numbers with intervals, and the terms tried, where it was identified.
    """

    text: str
    given: bool
    residual: float
    expected: float
    coefficients: tuple[Coefficient, ...] = ()
    library: tuple[str, ...] = ()
