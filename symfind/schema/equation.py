"""The differential equation that fields obey: part of the report of ``discover`` on fields."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.schema.records import Record


@dataclass(frozen=True, kw_only=True)
class CoefficientEntry(Record):
    """One number of an identified equation with its 95 % interval, from trajectories drawn again.

    Attributes
    ----------
    term
        What it multiplies; ``rate of exp, …`` and ``shift of time, …`` for the numbers inside a(t).
    value, lower, upper
        The estimate and its interval.
    """

    term: str
    value: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class EquationEntry(Record):
    """Δ = 0, whose point symmetries the generators are.

    Attributes
    ----------
    text
        As it can be given to ``--equation``.
    given
        Whether it was given; else it was identified.
    residual
        Root mean square of Δ over that of its terms; of an identified equation on solutions that its numbers were not
        fitted to.
    expected
        What the estimated errors of the derivatives alone would give.
    explained
        Whether that, or the resolution, explains the residual; if not, nothing is certified.
    coefficients
        Of an identified equation.
    library
        The terms that were tried.
    """

    text: str
    given: bool
    residual: float
    expected: float
    explained: bool = True
    coefficients: tuple[CoefficientEntry, ...] = ()
    library: tuple[str, ...] = ()
