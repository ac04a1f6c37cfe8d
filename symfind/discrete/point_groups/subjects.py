"""What point groups are asked about: rows of F in two halves, points, or a model; one class each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, WithinData
from symfind.decision.given import GivenSide
from symfind.decision.refits import RefitSide
from symfind.decision.witness.distribution.two_sample import one_row_a_group
from symfind.decision.witness.trial import Verdict
from symfind.discrete.point_groups.judge import (
    SymmetricFit,
    Tried,
    judge_function,
    judge_model,
    stepped,
    words_of_function,
)
from symfind.discrete.point_groups.judge_points import aligned_to_points, by_neighbours, judge_points, words_of_points
from symfind.discrete.point_groups.known import Ellipsoid, Known, known_of_points
from symfind.discrete.point_groups.orientation import Oriented, refined
from symfind.errors import UsageError
from symfind.fits.features import Features, FourierFeatures, Standardiser
from symfind.fits.surrogate import Family, LinearFit, Samples, fit_weights, polynomial_families
from symfind.kinds.maps.nullspace import MapExtent
from symfind.kinds.points.weak import WeakSide
from symfind.lie_derivative import Bracket, Commuting

# Degrees of Hermite functions by which a density is known, in the plane and in space: an icosahedron is seen from the
# sixth on, a twelvefold axis from the twelfth.
_DEGREES = {2: 14, 3: 8}
# Monomials of a symmetric fit at most.
_MONOMIALS = 500
# χ² of neighbours beyond which points are not aligned first: a fifth of a blob's width beside it makes 0.04.
_FAR = 0.5
# Share of the places that lie where rows are dense.
_DENSE = 0.95
# Steps by which the orientation of a function is brought to its rows.
_ROUNDS = 2
# Levels of functions and of neighbours that look at points, over which α is shared.
_LOOKS = 20
# Share of α at which something is left over, as for generators.
_LEVEL = 0.2
# Of a model, the least η that is more than what is left of an orientation after refining.
_REFINED_TO = 1e-6


class Rows(Protocol):
    """Rows and what point groups do to them.

    Attributes
    ----------
    turns
        Whether F(x) turns with x.
    """

    @property
    def turns(self) -> bool: ...  # noqa: D102
    @property
    def known(self) -> Known:
        """F from one half (or all of it), by which groups are found."""
        ...

    @property
    def centres(self) -> Sequence[Tensor]:
        """Centres ``(d,)`` that are tried."""
        ...

    @property
    def moves(self) -> bool:
        """Whether centres are refined."""
        ...

    def judged(
        self, oriented: Oriented, tolerance: float, alpha: float, seed: int
    ) -> tuple[Verdict, Sequence[Oriented]]:
        """The word on a group, and how each half orients it."""
        ...


@dataclass(frozen=True)
class PointRows:
    """A distribution."""

    evidence: Evidence
    turns: bool = False
    # A compact group that keeps a distribution keeps its mean.
    moves: bool = False

    @cached_property
    def _halves(self) -> list[tuple[Tensor, Tensor | None]]:
        out = []
        for side in self.evidence.sides or ():
            assert isinstance(side, WeakSide)
            x, group = one_row_a_group(side.half.samples.x, side.half.samples.group)
            out.append((x.reshape(-1, *side.form.frame.objects), group))
        return out

    @property
    def _degree(self) -> int:
        return _DEGREES[self._halves[0][0].shape[2]]

    def _known(self, x: Tensor) -> Known:
        return known_of_points(x, self._degree, torch.Generator().manual_seed(11))

    @cached_property
    def known(self) -> Known:
        """F from the first half, or the model."""
        return self._known(self._halves[0][0])

    @property
    def centres(self) -> list[Tensor]:
        """Those that are tried."""
        return [self._halves[0][0].mean((0, 1))]

    def judged(self, oriented: Oriented, tolerance: float, alpha: float, seed: int) -> tuple[Verdict, list[Oriented]]:
        """The word on a group, each half judged as the other orients it."""
        level = _LEVEL * alpha / _LOOKS
        generator = torch.Generator().manual_seed(seed + 61)
        x, group = self._halves[1]
        low, middle = by_neighbours(x, group, oriented, level, generator)
        if low > _FAR:  # no alignment brings that down
            told = [math.sqrt(v / (1 + v)) for v in (middle, low)]
            return Verdict(told[0], told[1], 1.0, "refuted", middle, "neighbours"), [oriented]
        found, ways = [], []
        for i, (x, group) in enumerate(self._halves):
            other = self._halves[1 - i][0]
            at = Oriented(oriented.group, oriented.h, other.mean((0, 1)), oriented.misfit)
            if i == 0:  # oriented by the first half, which now judges: orient by the other
                at = refined(oriented.group, oriented.h, at.centre, self._known(other), False)
            at = aligned_to_points(other, at, self._degree)
            ways.append(at)
            found.append(judge_points(x, group, at, self._degree, level, generator))
        return words_of_points(found, tolerance, level), ways


def _turning(evidence: Evidence) -> bool:
    return isinstance(evidence.action, Bracket | Commuting)


@dataclass(frozen=True)
class FittedRows:
    """A function, map or flow by its rows."""

    evidence: Evidence
    turns: bool
    moves: bool = True

    @cached_property
    def _sides(self) -> list[RefitSide]:
        return [side for side in self.evidence.sides or () if isinstance(side, RefitSide)]

    @cached_property
    def _objects(self) -> tuple[int, int]:
        assert isinstance(self.evidence.extent, MapExtent)
        return self.evidence.extent.derivative.objects

    def _known(self, samples: Samples) -> Known:
        k, d = self._objects
        family = self._sides[0].family
        weights, _ = fit_weights(family, [(samples.x, samples.y)], samples.y.shape[1])
        fit = LinearFit(family.features, weights, (k, d), (samples.y.shape[1],))
        x = samples.x.reshape(-1, k, d)
        return Known(x, fit, self.turns, Ellipsoid.of(x.flatten(0, 1)))

    @cached_property
    def _known_halves(self) -> list[Known]:
        return [self._known(side.half.samples) for side in self._sides]

    @property
    def known(self) -> Known:
        """F from the first half, or the model."""
        return self._known_halves[0]

    @property
    def centres(self) -> list[Tensor]:
        """Those that are tried."""
        x = self.known.x.flatten(0, 1)
        mean, spread = x.mean(0), x.std(0, correction=0)
        zero = torch.zeros_like(mean)
        # The origin where the data surround it, and the mean where it is another place.
        if bool((mean.abs() < 0.05 * spread).all()):
            return [zero]
        near = bool((mean.abs() < 2 * spread).all())
        return [zero, mean] if near else [mean]

    def _symmetric(self, oriented: Oriented, samples: Samples) -> SymmetricFit:
        """The family that knows no symmetry, or polynomials of two degrees more, of which few are symmetric."""
        family = self._sides[0].family
        options: list[Family] = [family]
        standard = family.features.standard  # type: ignore[attr-defined]
        degree = family.degree or 6
        options += polynomial_families(standard, 4 * _MONOMIALS, degree + 2, degree + 2, _MONOMIALS // 2)
        part = torch.arange(len(samples)) % 3 == 0
        best: tuple[float, Family] | None = None
        for option in options if len(options) > 1 else []:
            fit = SymmetricFit.of(
                option.features, oriented, samples.rows((~part).nonzero()[:, 0]), self._objects, self.turns
            )
            rest = samples.rows(part.nonzero()[:, 0])
            value = fit.value(fit.folded(rest.x.reshape(-1, *self._objects)))
            error = float((rest.y - value).square().mean())
            if best is None or error < best[0]:
                best = error, option
        chosen = best[1] if best else family
        return SymmetricFit.of(chosen.features, oriented, samples, self._objects, self.turns)

    def judged(self, oriented: Oriented, tolerance: float, alpha: float, seed: int) -> tuple[Verdict, list[Oriented]]:
        """The word on a group, each half judged as the other orients it."""
        tried: list[Tried | None] = []
        ways: list[Oriented] = []
        for i, side in enumerate(self._sides):
            other = self._sides[1 - i].half.samples
            plain = self._known_halves[1 - i]
            at = oriented if i else refined(oriented.group, oriented.h, oriented.centre, plain, self.moves)
            for _ in range(_ROUNDS):
                at = stepped(self._symmetric(at, other), other, self._objects[0])
            ways.append(at)
            fit = self._symmetric(at, other)
            tried.append(judge_function(fit, self._sets, side.half.samples, self._objects[0], seed + i, self._core))
        return words_of_function(tried[0], tried[1], tolerance, _LEVEL * alpha / _LOOKS), ways

    @cached_property
    def _core(self) -> Ellipsoid:
        """Where rows are dense: at the rim a few of them decide what a fit does."""
        whole = self.known.reach
        assert whole is not None
        radius = ((self.known.x.flatten(0, 1) - whole.mean) @ whole.whiten.T).square().sum(1)
        return Ellipsoid(whole.mean, whole.whiten, float(torch.quantile(radius, _DENSE)))

    @cached_property
    def _sets(self) -> list[Features]:
        """Functions that may be broken: polynomials, as many as an eighth of the rows, and waves of two lengths."""
        x = self._sides[0].half.samples.x
        standard = Standardiser.of(x.mean(0), x.std(0, correction=0))
        rows = len(x) // 2 * (3 if self.turns else 1)
        polynomials = polynomial_families(standard, rows, 1, 6, _MONOMIALS // 3)
        generator = torch.Generator().manual_seed(7)
        waves = [FourierFeatures.draw(standard, min(100, len(x) // 16), length, generator) for length in (0.5, 1.5)]
        return [*(f.features for f in polynomials[-2:]), *waves]


@dataclass(frozen=True)
class ModelRows:
    """A given F at the rows of its measure."""

    evidence: Evidence
    turns: bool
    moves: bool = True

    @cached_property
    def known(self) -> Known:
        """F from the first half, or the model."""
        extent = self.evidence.extent
        assert isinstance(extent, MapExtent)
        derivative = extent.derivative
        dtype = extent.points.dtype

        def value(x: Tensor) -> Tensor:
            return derivative.map(x.to(dtype).reshape(len(x), *extent.points.shape[1:])).double().flatten(1)

        return Known(extent.points.double().reshape(-1, *derivative.objects), value, self.turns, None)

    @property
    def centres(self) -> list[Tensor]:
        """Those that are tried."""
        x = self.known.x.flatten(0, 1)
        mean, spread = x.mean(0), x.std(0, correction=0)
        zero = torch.zeros_like(mean)
        return [zero] if bool((mean.abs() < 0.2 * spread).all()) else [zero, mean]

    def judged(self, oriented: Oriented, tolerance: float, alpha: float, seed: int) -> tuple[Verdict, list[Oriented]]:
        """The word on a group, each half judged as the other orients it."""
        del alpha, seed  # nothing is drawn: F was given
        rounding = self.evidence.rounding
        least = max(rounding if math.isfinite(rounding) else 0.0, _REFINED_TO)
        return judge_model(self.known, oriented, tolerance, least), [oriented]


def rows_of(evidence: Evidence) -> list[Rows]:
    """Ways of asking, the one with an action on y first.

    Raises
    ------
    UsageError
        The data are of a kind that has neither F nor points, are not of the plane or of space, or cannot be halved.
    """
    if evidence.sides is None:
        raise UsageError("--discrete needs rows that can be split in two halves: " + "; ".join(evidence.doubts))
    side, extent = evidence.sides[0], evidence.extent
    ways: list[Rows] = []
    if isinstance(side, WeakSide) and isinstance(extent, WithinData):
        objects = side.form.frame.objects
        ways = [PointRows(evidence)]
    elif isinstance(side, RefitSide | GivenSide) and isinstance(extent, MapExtent):
        objects = extent.derivative.objects
        made = FittedRows if isinstance(side, RefitSide) else ModelRows
        vectors = extent.derivative.output_objects[1] == objects[1] and objects[1] > 1
        turns = (True,) if _turning(evidence) else (True, False) if vectors else (False,)
        ways = [made(evidence, t) for t in turns]
    if not ways:
        raise UsageError("--discrete goes with functions, maps, flows, points and models; leave it out")
    if objects[1] not in _DEGREES:
        raise UsageError(
            f"--discrete point-groups are those of the plane and of space, x has {objects[1]} coordinates; "
            "give k objects of two or three coordinates as (N, k, 3)"
        )
    return ways
