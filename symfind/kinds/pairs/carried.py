"""Generators that carry each x to its partner x′, judged on rows that the fit has not seen.

ρ² = E‖x′ − exp(Σ t_a ξ_a)x‖² / E‖x′ − x‖²: 0 where x′ is what the generators make of x, 1 where they explain nothing.
Axis letters: n pairs, p candidates, k generators.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from symfind.decision.bounds import exponential_weights
from symfind.decision.evidence import Evidence, Finding, Generator, WithinData
from symfind.decision.finding import canonical_vectors
from symfind.errors import InputError
from symfind.fields.polynomial import PolynomialFields
from symfind.fields.typeset import number_text
from symfind.fits.surrogate import fold_labels
from symfind.kinds.pairs.settings import SETTINGS
from symfind.lie_derivative import Invariant, constant_slope
from symfind.linalg.nullspace import GeneralisedSpectrum

# Quantiles of 5 % need a few hundred draws; they are means over rows and cost nothing.
_DRAWS = 400
# Amounts that differ by less than this share are one amount.
_ALIKE = 1e-9


@dataclass(frozen=True)
class Carried:
    """What a fit says of some rows.

    Attributes
    ----------
    vectors
        ``(p, k)`` generators.
    left, whole
        ‖x′ − exp(Σ t_a ξ_a)x‖² and ‖x′ − x‖² of each row ``(n,)``.
    amounts
        t ``(n, k)``.
    doubts
        Why the generators may not be determined.
    floor, lost
        The ρ that is left for a reason other than the generators, and this reason.
    bias
        Error of the entries that all rows share, so that halves of them do not disagree by it; relative to the largest.
    messages
        For the reader.
    """

    vectors: Tensor
    left: Tensor
    whole: Tensor
    amounts: Tensor
    doubts: tuple[str, ...] = ()
    floor: float = 0.0
    lost: str = ""
    bias: float = 0.0
    messages: tuple[str, ...] = ()

    @property
    def defect(self) -> float:
        """ρ over the rows."""
        return math.sqrt(float(self.left.sum() / self.whole.sum().clamp(min=1e-300)))


Fit: TypeAlias = Callable[[Tensor, Tensor], Carried]


@dataclass(frozen=True)
class Parametrisation:
    """How generators are parametrised.

    Attributes
    ----------
    space, names
        What they are reported in.
    points
        ``(r, d)`` of that space, for brackets and for the size of errors.
    common
        (rows to fit, rows to judge) → outcome, with known amounts or one amount for all.
    own
        The same with an amount for each row; None where that cannot be, or amounts are known.
    """

    space: PolynomialFields
    names: tuple[str, ...]
    points: Tensor
    common: Fit
    own: Fit | None


def evidence_of_carried(
    made: Parametrisation, count: int, group: Tensor | None, tolerance: float, generator: torch.Generator
) -> Evidence:
    """Fit on each half, judge on the other; one amount for all unless amounts of their own leave clearly less.

    Raises
    ------
    InputError
        Fewer than two groups: nothing could be held out.
    """
    if count < 4 or (group is not None and len(torch.unique(group)) < 2):
        raise InputError(f"{count} pairs of one group: some must be held out to judge by; give more, or other groups")
    label = fold_labels(count, group, 2, generator)
    p, q = ((label == side).nonzero()[:, 0] for side in (0, 1))
    fit, sides = made.common, (made.common(p, q), made.common(q, p))
    excused = all(side.defect < side.floor for side in sides)
    if made.own is not None and _defect(sides) > tolerance and not excused:
        other = (made.own(p, q), made.own(q, p))
        if _defect(other) < SETTINGS.clearly_less * _defect(sides):
            fit, sides = made.own, other
    everything = torch.arange(count)
    whole = fit(everything, everything)
    k = whole.vectors.shape[1]
    reported = whole.vectors
    if reported.shape[0] != made.space.dim:  # a space that the learned matrices themselves span
        reported = torch.eye(made.space.dim, k, dtype=torch.float64)
    left, size = (torch.zeros(count, dtype=torch.float64) for _ in range(2))
    for rows, side in ((q, sides[0]), (p, sides[1])):
        left[rows], size[rows] = side.left, side.whole
    blocks = everything if group is None else torch.unique(group, return_inverse=True)[1]
    plain = GeneralisedSpectrum(
        torch.full((k,), _defect(sides), dtype=torch.float64), reported, reported.new_zeros(len(reported), 0)
    )
    evidence = Evidence(
        made.space,
        Invariant(),
        plain,
        None,
        WithinData(),
        given=False,
        doubts=whole.doubts,
        rank=made.space.dim,
        messages=("ρ is the share of the displacement x_moved − x that is left, on held-out rows", *whole.messages),
        bracket_points=made.points,
    )
    error = max(_disagreement(sides[0].vectors, sides[1].vectors), whole.bias)
    judge = _Judge(evidence, whole, left, size, blocks, error, fit is made.own)
    return replace(evidence, judge=judge)


def _defect(sides: tuple[Carried, Carried]) -> float:
    left, whole = (sum(float(getattr(side, name).sum()) for side in sides) for name in ("left", "whole"))
    return math.sqrt(left / max(whole, 1e-300))


def _disagreement(a: Tensor, b: Tensor) -> float:
    """Half the sine of the largest angle between the spans that two halves gave: the error of their mean."""
    if a.shape[1] != b.shape[1]:
        return 1.0
    qa, qb = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
    sine: Tensor = torch.linalg.matrix_norm(qa - qb @ (qb.T @ qa), 2)
    return float(sine) / 2


@dataclass(frozen=True)
class _Judge:
    """Verdicts from ρ on held-out rows, with bounds from weights drawn for rows (or groups)."""

    evidence: Evidence
    whole: Carried
    left: Tensor
    size: Tensor
    blocks: Tensor
    error: float
    varying: bool

    def __call__(self, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
        """Certified below δ, refuted above it and above what is lost otherwise, else undecided."""
        generator = torch.Generator().manual_seed(seed + 31)
        weights = exponential_weights(max(refits, _DRAWS), int(self.blocks.max()) + 1, generator)[:, self.blocks]
        drawn = ((weights @ self.left) / (weights @ self.size).clamp(min=1e-300)).sqrt()
        defect = float(self.evidence.spectrum.values[0])
        lower, upper = (float(torch.quantile(drawn, share)) for share in (alpha, 1 - alpha))
        lower, upper = min(lower, defect), max(upper, defect)
        doubts = list(self.evidence.doubts)
        excused = self.whole.floor > tolerance and lower <= self.whole.floor
        if upper >= tolerance and excused:
            doubts.append(
                f"{self.whole.lost} alone leaves ρ = {self.whole.floor:.2g}, as much as is left: "
                "smoother or larger images would tell"
                if self.whole.lost == "interpolation"
                else f"{self.whole.lost} leaves ρ = {self.whole.floor:.2g}: no such exp(tL) can do better"
            )
        verdict = "certified" if upper < tolerance and not doubts else "undecided"
        if lower > tolerance and not excused:
            verdict = "refuted"
        # Half a percent of the amount of any one row says nothing about the entries: errors are those of the halves.
        vectors = canonical_vectors(self.evidence, self.evidence.spectrum.vectors, max(self.error, 1e-10))
        amounts = self._amounts(vectors)
        entries = tuple((defect, lower, upper) for _ in vectors.T)
        generators: tuple[Generator, ...] = ()
        apart: tuple[tuple[Tensor, str], ...] = ()
        if verdict == "refuted":
            reason = f"refuted: it leaves {100 * defect:.3g} % of the displacement, on held-out rows"
            apart = tuple((v, reason) for v in vectors.T)
        else:
            generators = tuple(
                Generator(v, defect, lower, upper, verdict, self._distance(v, t), self.error)
                for v, t in zip(vectors.T, amounts.T, strict=True)
            )
        return Finding(self.evidence, entries, generators, 0.0, tuple(doubts), apart, self._notes(amounts))

    def _amounts(self, vectors: Tensor) -> Tensor:
        """T ``(n, k)`` in units of the generators as they are reported."""
        mix = torch.linalg.lstsq(vectors, self.evidence.spectrum.vectors, driver="gelsd").solution
        amounts: Tensor = self.whole.amounts @ mix.T
        return amounts

    def _distance(self, vector: Tensor, amounts: Tensor) -> float | None:
        """The largest amount, in units of one over the spectral radius."""
        slope = constant_slope(self.evidence.space, vector)
        if slope is None:
            return None
        radius = float(torch.linalg.eigvals(slope).abs().max())
        return float(amounts.abs().max()) * radius if radius > 0 else None

    def _notes(self, amounts: Tensor) -> tuple[str, ...]:
        out = []
        for i, t in enumerate(amounts.T.tolist()):
            name = "ξ" if amounts.shape[1] == 1 else f"ξ{i + 1}"
            low, high = min(t), max(t)
            if high - low <= _ALIKE * max(abs(low), abs(high)):
                out.append(f"x_moved = exp(t {name})x with t = {number_text(high)} in every row")
            else:
                how = "found row by row" if self.varying else "as given"
                out.append(f"x_moved = exp(t {name})x with t from {number_text(low)} to {number_text(high)}, {how}")
        return tuple(out)
