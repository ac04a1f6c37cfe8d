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
class SymmetricEquationEntry(Record):
    """The witness: u_t = N(jet) with the certified symmetries, fitted to one half of the solutions, told of the other.

    Attributes
    ----------
    residual
        What it leaves of its terms on solutions that it was not fitted to.
    without
        What a right side without the symmetries leaves, fitted and told on the same solutions.
    defect
        ρ of the symmetries on it.
    functions
        The functions of the jet whose sum each line is.
    """

    residual: float
    without: float
    defect: float
    functions: int


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
        The terms that were tried; of a learned right side what it depends on.
    functions
        Of a learned right side, the number of functions whose sum it is.
    symmetric
        Beside a learned right side, one that has the certified symmetries.
    """

    text: str
    given: bool
    residual: float
    expected: float
    explained: bool = True
    coefficients: tuple[CoefficientEntry, ...] = ()
    library: tuple[str, ...] = ()
    functions: int | None = None
    symmetric: SymmetricEquationEntry | None = None
