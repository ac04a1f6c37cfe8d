"""What every method hands on: a spectrum, two halves that can be weighted anew, coverage and reach; and the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from symfind.decision.bounds import Side
from symfind.decision.gauge import Parting, nothing_apart
from symfind.decision.reach import Reach
from symfind.fields.space import VectorFieldSpace
from symfind.lie_derivative import OutputAction
from symfind.linalg.nullspace import GeneralisedSpectrum
from symfind.schema.document import Fit
from symfind.schema.equation import EquationEntry
from symfind.schema.validity import ValidityCurve
from symfind.schema.witness import Witness


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


class Judge(Protocol):
    """What makes a finding of evidence: a frozen object that holds the evidence and whatever else it looks at."""

    def __call__(self, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
        """Verdicts at tolerance δ and level α, from so many weightings of the rows where it draws any."""
        ...


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
    rounding
        Of a given F, the ρ that rounding makes: what is surely larger is approximate. Infinite where that is not asked.
    bracket_points
        Rows in the coordinates of the space, at which brackets are compared.
    curve
        Of fields one solution at one time, ``(m, d)``, to be drawn.
    judge
        What decides, where that is not :class:`~symfind.decision.finding.BoundsJudge`.
    """

    space: VectorFieldSpace
    action: OutputAction
    spectrum: GeneralisedSpectrum
    sides: tuple[Side, Side] | None
    extent: Extent
    given: bool
    pooled: bool = False
    doubts: tuple[str, ...] = ()
    surrogate: Fit | None = None
    rank: int = 0
    thin: str = ""
    messages: tuple[str, ...] = ()
    equation: EquationEntry | None = None
    exactness: float = math.inf
    rounding: float = math.inf
    bracket_points: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    curve: Tensor | None = None
    judge: Judge | None = None


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


@dataclass(frozen=True)
class Generator:
    """One listed generator.

    Attributes
    ----------
    vector
        ``(P,)`` coefficients, the output action's unknowns behind those of ξ.
    defect, lower, upper
        ρ and its bounds.
    verdict
        ``certified``, ``approximate`` or ``undecided``.
    reach
        t*, or None.
    error
        Standard error of an entry of the coefficients, relative to the largest.
    """

    vector: Tensor
    defect: float
    lower: float
    upper: float
    verdict: str
    reach: float | None
    error: float


@dataclass(frozen=True)
class Finding:
    """The answer.

    Attributes
    ----------
    evidence
        What it rests on.
    spectrum
        (defect, lower, upper) for each direction, ascending; bounds None where none were computed.
    generators
        Certified ones first, each group in canonical order.
    coverage
        ω over the certified directions, or over the first direction if none is certified.
    doubts
        Why directions that are small were not certified.
    apart
        Vectors ``(P,)`` that are certified but no findings, and why.
    notes
        What the reader should know about the generators.
    validity
        Along each candidate, where that was followed.
    witness
        What the report says of the symmetric model that decided, where one did.
    symmetric_model
        That model, x ``(n, …)`` ↦ F_g(x), where it stands for a symmetry that was certified or is approximate.
    """

    evidence: Evidence
    spectrum: tuple[tuple[float, float | None, float | None], ...]
    generators: tuple[Generator, ...]
    coverage: float
    doubts: tuple[str, ...]
    apart: tuple[tuple[Tensor, str], ...] = ()
    notes: tuple[str, ...] = ()
    validity: tuple[ValidityCurve, ...] = ()
    witness: Witness | None = None
    symmetric_model: torch.nn.Module | None = None
