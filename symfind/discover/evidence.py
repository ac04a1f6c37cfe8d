"""What every method hands on: a spectrum, two halves that can be weighted anew, coverage and reach."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from symfind.discover.apart import Parting, nothing_apart
from symfind.fields.space import VectorFieldSpace
from symfind.lie_derivative import OutputAction
from symfind.linalg.nullspace import GeneralisedSpectrum
from symfind.significance.bounds import Side
from symfind.significance.reach import Reach

if TYPE_CHECKING:
    from symfind.discover.finding import Finding
    from symfind.sources.equation_fit import Coefficient


class Extent(Protocol):
    """How far a generator can be followed, and what the data say about it."""

    def coverage(self, vectors: Tensor) -> Tensor:
        """ω of the leading subspaces ``(K,)`` for directions ``(P, K)``."""
        ...

    def reach(self, vector: Tensor, tolerance: float) -> Reach | None:
        """t* of a generator ``(P,)``; None where the method has no finite statement."""
        ...

    def parting(self, vectors: Tensor, tolerance: float) -> Parting:
        """Generators ``(P, k)`` split into findings and what every F of its kind has."""
        ...


class WithinData:
    """No finite statement beyond the data, and nothing that they did not see: means over the points themselves."""

    def coverage(self, vectors: Tensor) -> Tensor:
        """Zero."""
        return torch.zeros(vectors.shape[1], dtype=torch.float64)

    def reach(self, vector: Tensor, tolerance: float) -> Reach | None:
        """None."""
        return None

    def parting(self, vectors: Tensor, tolerance: float) -> Parting:
        """All are findings."""
        return nothing_apart(vectors.shape[1])


@dataclass(frozen=True)
class Surrogate:
    """The fit that stood for F."""

    name: str
    degree: int | None
    r2: float
    tried: tuple[tuple[str, float], ...]


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


@dataclass(frozen=True)
class Evidence:
    """Everything between the data and the decision.

    Attributes
    ----------
    space, action
        The candidates and what they do to y.
    spectrum
        Generalised singular values and vectors over all the data.
    sides
        Two halves for the bounds; None if the data cannot be halved, with the reason among ``doubts``.
    extent
        Coverage and reach.
    given
        Whether F itself was given, so that a defect is exact over the sample.
    pooled
        Whether the bounds of both halves may be averaged: nothing was fitted, the pencil is a mean over rows.
    doubts
        Reasons why nothing may be certified.
    surrogate
        The fit, where there is one.
    rank
        Directions of the space about which the data speak.
    thin
        Where the data spread much less than elsewhere, in words; empty if nowhere.
    messages
        For the reader.
    equation
        The differential equation, for fields.
    exactness
        Directions of a larger bound are only certified if they stand out from what follows. A differential equation
        has its symmetries exactly, but nearly has their slowly varying multiples.
    judge
        The decision, where it does not rest on bounds of ρ from two halves: (tolerance, alpha, refits, seed) → finding.
    """

    space: VectorFieldSpace
    action: OutputAction
    spectrum: GeneralisedSpectrum
    sides: tuple[Side, Side] | None
    extent: Extent
    given: bool
    pooled: bool = False
    doubts: tuple[str, ...] = ()
    surrogate: Surrogate | None = None
    rank: int = 0
    thin: str = ""
    messages: tuple[str, ...] = ()
    equation: ObeyedEquation | None = None
    exactness: float = math.inf
    bracket_points: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    judge: Callable[[float, float, int, int], Finding] | None = None


@dataclass(frozen=True)
class Examined:
    """What a kind's own examination hands on.

    Attributes
    ----------
    evidence
        For the decision.
    names
        Of the coordinates in which the generators are printed.
    """

    evidence: Evidence
    names: tuple[str, ...]
