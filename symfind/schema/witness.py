"""The symmetric model that decided, and those of parts of the domain, in the report of ``discover`` (DESIGN §9)."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.schema.records import Record


@dataclass(frozen=True, kw_only=True)
class Alternative(Record):
    """One class of symmetric functions that was judged.

    Attributes
    ----------
    candidate, dimension
        The algebra in words, and its dimension in the space asked for.
    share
        R_g = E‖y − F_g‖²/E‖y − Ey‖² on unseen rows.
    verdict
        The word for it.
    """

    candidate: str
    dimension: int
    share: float
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Graph(Record):
    """The model beside rows that it has not seen, to be drawn.

    Attributes
    ----------
    across, up
        What the axes are.
    curve, rows
        Pairs (across, up): of the model, and of unseen rows.
    """

    across: str
    up: str
    curve: tuple[tuple[float, ...], ...]
    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Witness(Record):
    """An exactly symmetric model F_g, and how it predicts rows that it was not fitted to.

    Attributes
    ----------
    candidate, dimension, invariants
        The algebra in words, its dimension in the space asked for, and the number of its invariants.
    r2
        1 − R_g on unseen rows.
    eta, eta_lower, eta_upper
        Distance of F to the symmetric functions, in values, relative to the spread of F; and its interval.
    noise, left_over
        Shares of the variance of unseen rows: what no judge predicts, and what one does beyond the invariants.
    refined
        Whether forms, centres or exponents were learned.
    fit
        The regressor on the invariants.
    formula
        ``"y ≈ f(E² − p²)"``, where the invariants are few and short; else empty.
    graph
        f and unseen rows.
    output
        The file it was written to, if it was.
    alternatives
        All that was judged.
    """

    candidate: str
    dimension: int
    invariants: int
    r2: float
    eta: float
    eta_lower: float
    eta_upper: float
    noise: float
    left_over: float
    refined: bool
    fit: str = ""
    formula: str = ""
    graph: Graph | None = None
    output: str | None = None
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bound(Record):
    """One interval of a region; None where it is open.

    Attributes
    ----------
    feature
        A coordinate, or ``|x|``.
    least, below
        The row is inside from the first, included, to the second, left out.
    """

    feature: str
    least: float | None = None
    below: float | None = None


@dataclass(frozen=True, kw_only=True)
class Local(Record):
    """An algebra that F has on a region and has not elsewhere.

    Attributes
    ----------
    candidate, dimension
        The algebra in words, and its dimension in the space asked for.
    coefficients
        Of its fields in that space, one row a field.
    region
        In words: bounds of coordinates and of |x|.
    boxes
        The same as numbers: a row is inside if it keeps all bounds of any box.
    share, agreement
        Share of the rows inside; overlap over union of the regions that the two halves of the rows find.
    eta, upper
        Distance of F to the symmetric functions on the region, relative to the spread of F there, and its bound.
    axes, inside, outside
        Two features, and some rows in them, to be drawn.
    """

    candidate: str
    dimension: int
    coefficients: tuple[tuple[float, ...], ...] = ()
    region: str
    boxes: tuple[tuple[Bound, ...], ...] = ()
    share: float
    agreement: float
    eta: float
    upper: float
    axes: tuple[str, ...] = ()
    inside: tuple[tuple[float, ...], ...] = ()
    outside: tuple[tuple[float, ...], ...] = ()
