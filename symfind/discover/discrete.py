"""F(gx) = B F(x): finite candidates g with their relative defect, bounded as those of generators are.

    ρ_g² = E‖F(gx) − B F(x)‖²_H / (2 E‖F − EF‖²_H)

with B the identity, g itself, their negatives; for dx/dt (which is measured about zero) B = −g turns time around. Two
values of F that have nothing to do with one another give 1. Of a distribution, ρ_g² is what a linear rule in the test
functions of the weak form tells the points from the moved points by: the share of variance between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from symfind.discover.evidence import Evidence
from symfind.discover.finite import Move
from symfind.discover.nullspace import MapExtent
from symfind.discover.weak import WeakForm, WeakSide
from symfind.errors import UsageError
from symfind.lie_derivative import Bracket, Commuting, Invariant, LieDerivative
from symfind.significance.bounds import direction_bounds, exponential_weights
from symfind.significance.given import GivenSide
from symfind.significance.reach import Inside, leverage_inside
from symfind.significance.refits import RefitSide, pair_mean
from symfind.sources.features import PolynomialFeatures, Standardiser

# A candidate that moves more of the points than this off the data says nothing about F there.
_LEAST_INSIDE = 0.5
_POINTS = 600
_GIVEN_POINTS = 4000
_TEST_CUT = 1e-4


@dataclass(frozen=True)
class Act:
    """A candidate and what it does to F(x), flattened.

    Attributes
    ----------
    move
        G on x.
    output
        B ``(M, M)``; None for a distribution, which has no F.
    about
        B in words; empty for the identity.
    """

    move: Move
    output: Tensor | None
    about: str


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


class _Moved(Protocol):
    """One half of the data and C candidates: a :class:`~symfind.significance.bounds.Side` whose directions they are."""

    @property
    def blocks(self) -> int: ...  # noqa: D102

    def squares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Numerators and denominators ``(R, C)`` of ρ² for weights ``(R, B)``."""
        ...

    def misfits(self) -> list[Tensor]:
        """Numerators ``(C,)`` from what richer families find in the residual."""
        ...

    def untested(self) -> tuple[float, float]:
        """As of the fit."""
        ...


class _Candidates:
    """Candidates as the directions of a side: Gram matrices that are diagonal."""

    def __init__(self, moved: _Moved) -> None:
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
        """The same: random weights move it as fresh rows would."""
        return self.grams(weights)

    def misfit(self) -> list[Tensor]:
        """Diagonal ``(C, C)``."""
        return [torch.diag(m) for m in self._moved.misfits()]

    def untested(self) -> tuple[float, float]:
        """What was not tested of F was not tested of gF either; its slope does not matter."""
        share, steep = self._moved.untested()
        return share, min(steep, 1.0)


def _measured(derivative: LieDerivative, y: Tensor) -> Tensor:
    """H^{1/2}y ``(…, k′h)`` for y ``(…, k′m)``."""
    shaped = y.reshape(*y.shape[:-1], *derivative.output_objects)
    return (shaped @ derivative.geometry.outputs).flatten(-2)


class _FitMoved:
    """Refits of one half at points and at the moved points that stay where the fit was made."""

    def __init__(self, side: RefitSide, acts: Sequence[Act], inside: Inside, centre: Tensor) -> None:
        self._side, self._acts, self._centre = side, acts, centre
        index = side.points(_POINTS)
        self._x, self._block = side.half.samples.x[index], side.half.block[index]
        self._at = [self._x @ act.move.matrix.T for act in acts]
        self._keep = [inside(at) for at in self._at]

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return self._side.blocks

    def _rows(self, c: int, base: Tensor, at: Tensor) -> Tensor:
        """F(gx) − B F(x) ``(R, n, k′h)``."""
        output = self._acts[c].output
        assert output is not None
        return _measured(self._side.template, at - base @ output.T)

    def squares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Numerators from refits, denominators from pairs of fits on disjoint folds."""
        side = self._side
        fits = side.refits(weights)
        base = side.values(self._x, fits)
        w = weights[:, self._block]
        folds = _measured(side.template, side.values(self._x, side.fold_weights) - self._centre)
        spread = 2 * pair_mean(folds[..., None])[:, 0, 0]  # (n,)
        numerator, denominator = [], []
        for c, keep in enumerate(self._keep):
            square = self._rows(c, base, side.values(self._at[c], fits)).square().sum(2)
            count = max(float(keep.sum()), 1.0)
            numerator.append((w * square)[:, keep].sum(1) / count)
            # The spread of F over all points: where the candidate keeps points, F may hardly vary.
            denominator.append((w * spread).mean(1))
        return torch.stack(numerator, 1), torch.stack(denominator, 1)

    def misfits(self) -> list[Tensor]:
        """F(gx) − B F(x) of what richer families find in the residual."""
        out = []
        for fitted in self._side.residual_fits:
            w = fitted.weights(self._side.fold_indicators())
            base = torch.einsum("nf,rfm->rnm", fitted.family.features(self._x), w)
            totals = []
            for c, keep in enumerate(self._keep):
                at = torch.einsum("nf,rfm->rnm", fitted.family.features(self._at[c]), w)
                rows = self._rows(c, base, at)[:, keep]
                totals.append(pair_mean(rows[..., None])[:, 0, 0].mean() if bool(keep.any()) else torch.tensor(0.0))
            out.append(torch.stack([t.double() for t in totals]))
        return out

    def untested(self) -> tuple[float, float]:
        """Of the fit."""
        return self._side.untested


class _ModelMoved:
    """A given F at points and at the moved points, all of them: a model can be asked anywhere."""

    def __init__(self, side: GivenSide, derivative: LieDerivative, acts: Sequence[Act], centre: Tensor) -> None:
        x = side.inputs[:_GIVEN_POINTS]
        self.blocks = side.blocks
        f, flat = derivative.map, x.flatten(1)
        value = f(x).flatten(1)
        block = side.half.block[:_GIVEN_POINTS]
        squares = [_measured(derivative, value - centre).square().sum(1) * 2]
        for act in acts:
            assert act.output is not None
            at = f((flat @ act.move.matrix.T.to(flat)).reshape(x.shape)).flatten(1)
            squares.append(_measured(derivative, at - value @ act.output.T.to(value)).square().sum(1))
        rows = torch.stack(squares).double().cpu()
        sums = torch.zeros(len(squares), side.blocks, dtype=torch.float64).index_add_(1, block, rows) / len(flat)
        self._spread, self._squares = sums[0], sums[1:]

    def squares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over the blocks."""
        numerator = weights @ self._squares.T
        return numerator, (weights @ self._spread)[:, None].expand_as(numerator)

    def misfits(self) -> list[Tensor]:
        """Nothing: F was given."""
        return []

    def untested(self) -> tuple[float, float]:
        """Nothing was fitted."""
        return 0.0, 0.0


class _PointsMoved:
    """Means of test functions over points and moved points, block by block."""

    def __init__(self, side: WeakSide, form: WeakForm, acts: Sequence[Act]) -> None:
        x, block = side.half.samples.x, side.half.block
        self.blocks = side.blocks
        self._count = torch.bincount(block, minlength=self.blocks).double()
        value = form.values(x)
        self._means = []
        for act in acts:
            at = form.values(x @ act.move.matrix.T)
            both = torch.cat([value, at])
            covariance = (both - both.mean(0)).T @ (both - both.mean(0)) / len(both)
            size, axes = torch.linalg.eigh(covariance)
            keep = size > _TEST_CUT**2 * size[-1]
            gap = (at - value) / 2 @ (axes[:, keep] / size[keep].sqrt())
            sums = torch.zeros(self.blocks, gap.shape[1], dtype=torch.float64).index_add_(0, block, gap)
            self._means.append(sums)

    def squares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Means over pairs of blocks i ≠ j, whose sampling noise is independent."""
        numerator = []
        for sums in self._means:
            total = (weights @ sums).square().sum(1)
            own = weights.square() @ sums.square().sum(1)
            numerator.append(total - own)
        mass = weights @ self._count
        pairs = mass.square() - weights.square() @ self._count.square()
        stacked = torch.stack(numerator, 1) / pairs[:, None]
        return stacked, torch.ones_like(stacked)

    def misfits(self) -> list[Tensor]:
        """Nothing was fitted."""
        return []

    def untested(self) -> tuple[float, float]:
        """Nothing was fitted."""
        return 0.0, 0.0


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


def _asked(evidence: Evidence, moves: Sequence[Move]) -> tuple[list[Act], list[_Moved], list[float]]:
    """The candidates with their actions, both halves, and what share of the points stays inside the data."""
    sides = evidence.sides
    assert sides is not None
    first, second = sides
    if isinstance(first, WeakSide) and isinstance(second, WeakSide):
        acts = [Act(move, None, "") for move in moves]
        return acts, [_PointsMoved(side, side.form, acts) for side in (first, second)], [1.0] * len(acts)
    if not isinstance(evidence.extent, MapExtent):
        raise UsageError("--discrete goes with functions, maps, flows, points and models; leave it out")
    extent = evidence.extent
    derivative = extent.derivative
    points = extent.points.double().cpu().flatten(1)
    acts = [_best(derivative, extent.points, move) for move in moves]
    centre = _centre(derivative, extent.points)
    inside = extent.inside or _near(points)
    share = [float(inside(points @ act.move.matrix.T).double().mean()) for act in acts]
    if isinstance(first, RefitSide) and isinstance(second, RefitSide):
        return acts, [_FitMoved(side, acts, inside, centre) for side in (first, second)], share
    if isinstance(first, GivenSide) and isinstance(second, GivenSide):
        return acts, [_ModelMoved(side, derivative, acts, centre) for side in (first, second)], share
    raise UsageError("--discrete goes with functions, maps, flows, points and models; leave it out")


def _near(points: Tensor) -> Inside:
    """Where a linear fit to the points would not extrapolate."""
    standard = Standardiser.of(points.mean(0), points.std(0, correction=0))
    return leverage_inside(PolynomialFeatures.of_degree(standard, 1), points)


def _centre(derivative: LieDerivative, x: Tensor) -> Tensor:
    """EF, or zero for a flow, which is measured about rest."""
    value = derivative.map(x).flatten(1)
    return torch.zeros_like(value[0]) if isinstance(derivative.action, Bracket) else value.mean(0)


def outputs_of(derivative: LieDerivative, move: Move) -> list[tuple[Tensor, str]]:
    """Matrices B ``(M, M)`` that a candidate may act on F(x) by, in words."""
    k_out, m = derivative.output_objects
    eye = torch.eye(k_out * m, dtype=torch.float64)
    width = derivative.objects[0] * derivative.objects[1]
    likewise = None
    if width == k_out * m:
        likewise = move.matrix
    elif move.point is not None and m == derivative.objects[1]:
        likewise = torch.kron(torch.eye(k_out, dtype=torch.float64), move.point)
    if isinstance(derivative.action, Bracket) and likewise is not None:
        return [(likewise, "dx/dt likewise"), (-likewise, "with time turned around")]
    if isinstance(derivative.action, Commuting) and likewise is not None:
        return [(likewise, "the next x likewise")]
    found = [(eye, "")]
    if isinstance(derivative.action, Invariant) and k_out * m > 1:
        return found
    found.append((-eye, "y → −y"))
    if likewise is not None and k_out * m > 1:
        found += [(likewise, "y likewise"), (-likewise, "y likewise, with the other sign")]
    return found


def _best(derivative: LieDerivative, x: Tensor, move: Move) -> Act:
    """The action on F(x) of least plain defect."""
    value = derivative.map(x).flatten(1)
    at = derivative.map((x.flatten(1) @ move.matrix.T.to(x)).reshape(x.shape)).flatten(1)
    options = outputs_of(derivative, move)
    sizes = [float(_measured(derivative, at - value @ b.T.to(value)).square().sum()) for b, _ in options]
    output, about = options[min(range(len(sizes)), key=sizes.__getitem__)]
    return Act(move, output, about)


def plain_defect(derivative: LieDerivative, x: Tensor, act: Act) -> float:
    """ρ_g of F itself at points, without bounds."""
    assert act.output is not None
    value = derivative.map(x).flatten(1)
    at = derivative.map((x.flatten(1) @ act.move.matrix.T.to(x)).reshape(x.shape)).flatten(1)
    square = _measured(derivative, at - value @ act.output.T.to(value)).square().sum()
    spread = _measured(derivative, value - _centre(derivative, x)).square().sum()
    return float((square / (2 * spread).clamp(min=1e-300)).sqrt())
