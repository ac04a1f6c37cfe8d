"""What a report says of the directions that it does not list one by one, and a few rows to draw."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.schema.records import Record


@dataclass(frozen=True, kw_only=True)
class Coverage(Record):
    """How many of the candidate directions the data can speak about.

    Attributes
    ----------
    factor
        The supremum ω of what a candidate can do where the data cannot see it; 0 is full coverage, None
        unbounded.
    rank
        The number of directions of the space that the data determine.
    message
        The same as a sentence.
    """

    factor: float | None = None
    rank: int | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Undecided(Record):
    """The undecided directions as a whole: they are listed up to a number that can be read.

    Attributes
    ----------
    count
        How many there are.
    listed
        How many of them are among the generators, those of least defect.
    algebra
        The name of the Lie algebra that all of them form, where they form one that has a name; else None.
    """

    count: int
    listed: int
    algebra: str | None = None


@dataclass(frozen=True, kw_only=True)
class Drawn(Record):
    """What pictures are drawn over: a report may travel without its data.

    Attributes
    ----------
    rows
        Some rows of the data ``(n, d)`` to four digits, in the coordinates that the generators act on.
    curve
        Of fields one solution at one time, ``(t, x, …, u)`` in order along x; else empty.
    """

    rows: tuple[tuple[float, ...], ...] = ()
    curve: tuple[tuple[float, ...], ...] = ()
