"""F(gx) = B F(x): finite candidates g with their relative defect, bounded as those of generators are.

    ρ_g² = E‖F(gx) − B F(x)‖²_H / (2 E‖F − EF‖²_H)

with B the identity, g itself, their negatives; for dx/dt (which is measured about zero) B = −g turns time around. Two
values of F that have nothing to do with one another give 1. Of a distribution, ρ_g² is what a linear rule in the test
functions of the weak form tells the points from the moved points by: the share of variance between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.bounds import direction_bounds, exponential_weights
from symfind.decision.evidence import Evidence
from symfind.decision.given import GivenSide
from symfind.decision.reach import Inside, leverage_inside
from symfind.decision.refits import RefitSide
from symfind.discrete.acts import Act, best_act
from symfind.discrete.acts import centre as centre_of
from symfind.discrete.finite import Move
from symfind.discrete.sides import FitMoved, ModelMoved, Moved, PointsMoved
from symfind.errors import UsageError
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.kinds.maps.nullspace import MapExtent
from symfind.kinds.points.weak import WeakSide

# A candidate that moves more of the points than this off the data says nothing about F there.
_LEAST_INSIDE = 0.5


@dataclass(frozen=True)
class DiscreteSymmetry:
    """One candidate and the verdict.

    Attributes
    ----------
    act
        The candidate with the action on F(x) that fits best.
    defect, lower, upper
        ρ_g and its bounds.
    verdict
        ``certified``, ``undecided`` or ``refuted``.
    inside
        Share of the points that it leaves inside the data.
    """

    act: Act
    defect: float
    lower: float
    upper: float
    verdict: str
    inside: float


class _Candidates:
    """Candidates as the directions of a side: Gram matrices that are diagonal."""

    def __init__(self, moved: Moved) -> None:
        self._moved = moved

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return self._moved.blocks

    def along(self, vectors: Tensor) -> _Candidates:
        """The candidates are all there is."""
        return self

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Diagonal ``(R, C, C)``."""
        numerator, denominator = self._moved.squares(weights)
        return torch.diag_embed(numerator), torch.diag_embed(denominator)

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Diagonal ``(R, C, C)``, spread as the estimate is from sample to sample."""
        numerator, denominator = self._moved.drawn(weights)
        return torch.diag_embed(numerator), torch.diag_embed(denominator)

    def misfit(self) -> list[Tensor]:
        """Diagonal ``(C, C)``."""
        return [torch.diag(m) for m in self._moved.misfits()]

    def untested(self) -> tuple[float, float]:
        """What was not tested of F was not tested of gF either; its slope does not matter."""
        share, steep = self._moved.untested()
        return share, min(steep, 1.0)


def discrete_symmetries(
    evidence: Evidence, moves: Sequence[Move], tolerance: float, alpha: float, refits: int, seed: int
) -> tuple[DiscreteSymmetry, ...]:
    """Verdicts on finite candidates, each with the action on F(x) that fits best; level α over all of them.

    Raises
    ------
    UsageError
        The data are of a kind that has neither F nor points, or cannot be halved.
    """
    if evidence.sides is None:
        raise UsageError("--discrete needs rows that can be split in two halves: " + "; ".join(evidence.doubts))
    if not moves:
        return ()
    acts, halves, share = _asked(evidence, moves)
    generator = torch.Generator().manual_seed(seed + 47)
    sides = [_Candidates(h) for h in halves]
    weights = [exponential_weights(refits, side.blocks, generator) for side in sides]
    units = torch.eye(len(acts), dtype=torch.float64)
    bounds = direction_bounds(units, sides, alpha / len(acts), weights)  # type: ignore[arg-type]
    out = []
    for i, act in enumerate(acts):
        defect, lower, upper = (float(b[i]) for b in (bounds.estimate, bounds.lower, bounds.upper))
        far = not evidence.given and share[i] < _LEAST_INSIDE
        verdict = "refuted" if lower > tolerance and not far else "undecided"
        if upper < tolerance and not far and not evidence.doubts:
            verdict = "certified"
        out.append(DiscreteSymmetry(act, defect, min(lower, defect), max(upper, defect), verdict, share[i]))
    return tuple(out)


def _asked(evidence: Evidence, moves: Sequence[Move]) -> tuple[list[Act], list[Moved], list[float]]:
    """The candidates with their actions, both halves, and what share of the points stays inside the data."""
    sides = evidence.sides
    assert sides is not None
    first, second = sides
    if isinstance(first, WeakSide) and isinstance(second, WeakSide):
        acts = [Act(move, None, "") for move in moves]
        return acts, [PointsMoved(side, side.form, acts) for side in (first, second)], [1.0] * len(acts)
    if not isinstance(evidence.extent, MapExtent):
        raise UsageError("--discrete goes with functions, maps, flows, points and models; leave it out")
    extent = evidence.extent
    derivative = extent.derivative
    points = extent.points.double().cpu().flatten(1)
    acts = [best_act(derivative, extent.points, move) for move in moves]
    centre = centre_of(derivative, extent.points)
    inside = extent.inside or _near(points)
    share = [float(inside(points @ act.move.matrix.T).double().mean()) for act in acts]
    if isinstance(first, RefitSide) and isinstance(second, RefitSide):
        return acts, [FitMoved(side, acts, inside, centre) for side in (first, second)], share
    if isinstance(first, GivenSide) and isinstance(second, GivenSide):
        return acts, [ModelMoved(side, derivative, acts, centre) for side in (first, second)], share
    raise UsageError("--discrete goes with functions, maps, flows, points and models; leave it out")


def _near(points: Tensor) -> Inside:
    """Where a linear fit to the points would not extrapolate."""
    standard = Standardiser.of(points.mean(0), points.std(0, correction=0))
    return leverage_inside(PolynomialFeatures.of_degree(standard, 1), points)
