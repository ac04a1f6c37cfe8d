"""How far a finite transformation leaves a task valid, as a record of the report."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.schema.records import Record


@dataclass(frozen=True, kw_only=True)
class ValidityCurve(Record):
    """How valid the data stay along a generator: the accuracy of a task against that of a control, amount by amount.

    Attributes
    ----------
    expression
        The generator ξ.
    amounts
        t of exp(tξ), ascending.
    accuracy, control
        Shares recognised after exp(tξ), and after going t/2 forth and back.
    lower, upper
        One-sided bounds of their difference.
    range
        The largest |t| up to which both ways hold.
    coefficients
        Of ξ in the basis of the space.
    """

    expression: str
    amounts: tuple[float, ...]
    accuracy: tuple[float, ...]
    control: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    range: float
    coefficients: tuple[float, ...] = ()
