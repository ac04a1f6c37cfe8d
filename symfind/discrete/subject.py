"""What finite candidates are asked about: a fitted F, a given F, or a distribution; one class each way of asking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, WithinData
from symfind.decision.given import GivenSide
from symfind.decision.reach import Inside, leverage_inside
from symfind.decision.refits import RefitSide
from symfind.discrete.acts import Act, best_act, outputs_of, plain_defect, solved
from symfind.discrete.acts import centre as centre_of
from symfind.discrete.finite import Move, signed_permutation
from symfind.discrete.output_matrix import BY_MATRIX
from symfind.discrete.sides import FitMoved, ModelMoved, Moved, PointsMoved
from symfind.discrete.signed_search import Element, Expanded, expansion, moments
from symfind.discrete.span_search import span_expansion
from symfind.errors import UsageError
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.kinds.maps.nullspace import MapExtent
from symfind.kinds.points.weak import WeakSide
from symfind.lie_derivative import Free

Worth = Callable[[Element, int], bool]


class Subject(Protocol):
    """Rows in two halves, and what a candidate does to them."""

    @property
    def objects(self) -> tuple[int, int]:
        """(k, d): k objects of d coordinates."""
        ...

    def acts(self, moves: Sequence[Move]) -> list[Act]:
        """Candidates with the actions on F(x) that fit best."""
        ...

    def shares(self, acts: Sequence[Act]) -> list[float]:
        """For each candidate, the share of the points that it leaves where F is known."""
        ...

    def halves(self, acts: Sequence[Act]) -> list[Moved]:
        """Both halves with the candidates as directions."""
        ...

    def searched(
        self, names: Sequence[str], most: float, judged: Callable[[Move], float]
    ) -> tuple[Expanded, tuple[int, ...], Worth]:
        """Coefficients and signs of B to search by, and whether a complete element has a defect below ``most``."""
        ...


def subject_of(evidence: Evidence) -> Subject:
    """What the evidence is about.

    Raises
    ------
    UsageError
        The data are of a kind that has neither F nor points, or cannot be halved.
    """
    if evidence.sides is None:
        raise UsageError("--discrete needs rows that can be split in two halves: " + "; ".join(evidence.doubts))
    made = _SUBJECTS.get((type(evidence.sides[0]), type(evidence.extent)))
    if made is None:
        raise UsageError("--discrete goes with functions, maps, flows, points and models; leave it out")
    return made(evidence)


@dataclass(frozen=True)
class _Points:
    """A distribution, by means over points and moved points."""

    evidence: Evidence

    @cached_property
    def _sides(self) -> list[WeakSide]:
        return [side for side in self.evidence.sides or () if isinstance(side, WeakSide)]

    @property
    def objects(self) -> tuple[int, int]:
        return self._sides[0].form.frame.objects

    def acts(self, moves: Sequence[Move]) -> list[Act]:
        return [Act(move, None, "") for move in moves]

    def shares(self, acts: Sequence[Act]) -> list[float]:
        return [1.0] * len(acts)

    def halves(self, acts: Sequence[Act]) -> list[Moved]:
        return [PointsMoved(side, side.form, acts) for side in self._sides]

    def searched(
        self, names: Sequence[str], most: float, judged: Callable[[Move], float]
    ) -> tuple[Expanded, tuple[int, ...], Worth]:
        def worth(element: Element, sign: int) -> bool:
            del sign  # a distribution has no F whose sign could change
            return judged(signed_permutation(element, names, self.objects[0])) < most

        return moments(self._sides[0].half.samples.x), (1,), worth


@dataclass(frozen=True)
class _Map:
    """F at points of the data and at moved points."""

    evidence: Evidence

    @cached_property
    def _extent(self) -> MapExtent:
        extent = self.evidence.extent
        assert isinstance(extent, MapExtent)
        return extent

    @property
    def objects(self) -> tuple[int, int]:
        return self._extent.derivative.objects

    @cached_property
    def inside(self) -> Inside:
        """Where F is known; without a fit, where a linear one to the points would not extrapolate."""
        points = self._extent.points.double().cpu().flatten(1)
        standard = Standardiser.of(points.mean(0), points.std(0, correction=0))
        return self._extent.inside or leverage_inside(PolynomialFeatures.of_degree(standard, 1), points)

    @cached_property
    def centre(self) -> Tensor:
        """EF, or zero for a flow."""
        return centre_of(self._extent.derivative, self._extent.points)

    def acts(self, moves: Sequence[Move]) -> list[Act]:
        return [best_act(self._extent.derivative, self._known(move), move) for move in moves]

    def _known(self, move: Move) -> Tensor:
        """Points that a candidate leaves where F is known, if B is solved for; all of them else, or where none is."""
        points, inside = self._extent.points, self._extent.inside
        if inside is None or not isinstance(self._extent.derivative.action, Free):
            return points
        kept = inside(points.double().cpu().flatten(1) @ move.matrix.T)
        return points[kept] if bool(kept.any()) else points

    def solved_by(self, f: Callable[[Tensor], Tensor], acts: Sequence[Act], x: Tensor) -> list[Act]:
        """Candidates with B solved for from F̂ ``(n, D) ↦ (n, M)`` at rows of one half, to be judged on the other."""
        out, outputs = [], self._extent.derivative.output_objects
        for act in acts:
            if act.about == BY_MATRIX:
                at = x @ act.move.matrix.T.to(x)
                kept = torch.ones(len(x), dtype=torch.bool) if self._extent.inside is None else self._extent.inside(at)
                if bool(kept.any()):
                    act = replace(act, output=solved(act.move, outputs, f(x[kept]), f(at[kept])))
            out.append(act)
        return out

    def shares(self, acts: Sequence[Act]) -> list[float]:
        points = self._extent.points.double().cpu().flatten(1)
        return [float(self.inside(points @ act.move.matrix.T).double().mean()) for act in acts]

    def searched(
        self, names: Sequence[str], most: float, judged: Callable[[Move], float]
    ) -> tuple[Expanded, tuple[int, ...], Worth]:
        k, d = self.objects
        derivative, inside = self._extent.derivative, self._extent.inside
        points = self._extent.points.double()
        value = derivative.map(points).reshape(len(points), -1)

        free = isinstance(derivative.action, Free)

        def outputs(move: Move) -> list[tuple[Tensor, str]]:
            return outputs_of(derivative.action, derivative.objects, derivative.output_objects, move)

        def worth(element: Element, sign: int) -> bool:
            move = signed_permutation(element, names, k)
            if free:
                act = best_act(derivative, self._known(move), move)
                return plain_defect(derivative, self._known(move), act) < most
            options = outputs(move)
            if sign < 0 and len(options) < 2:
                return False
            output, about = options[0 if sign > 0 else 1]
            at = points if inside is None else points[inside(points.flatten(1) @ move.matrix.T)]
            return len(at) > 0 and plain_defect(derivative, at, Act(move, output, about)) < most

        if free:
            return span_expansion(points.flatten(1), value), (1,), worth
        labels = [about for _, about in outputs(signed_permutation([(i, 1) for i in range(d)], names, k))]
        turning = any("likewise" in text for text in labels) and "" not in labels
        signs = (1, -1) if len(labels) > 1 else (1,)
        return expansion(points.flatten(1), value, self.objects, turning), signs, worth


class _Fitted(_Map):
    """F refitted."""

    def halves(self, acts: Sequence[Act]) -> list[Moved]:
        sides = [side for side in self.evidence.sides or () if isinstance(side, RefitSide)]
        made: list[Moved] = []
        for side, other in zip(sides, sides[::-1], strict=True):
            plain = other.plain_weights()
            own = self.solved_by(
                lambda x, fit=other, w=plain: fit.values(x, w)[0],  # type: ignore[misc]
                acts,
                other.half.samples.x,
            )
            made.append(FitMoved(side, own, self.inside, self.centre))
        return made


class _Given(_Map):
    """F itself."""

    def halves(self, acts: Sequence[Act]) -> list[Moved]:
        sides = [side for side in self.evidence.sides or () if isinstance(side, GivenSide)]
        derivative = self._extent.derivative

        def value(x: Tensor) -> Tensor:
            return derivative.map(x.reshape(-1, *derivative.map.input_shape)).reshape(len(x), -1)

        return [
            ModelMoved(side, derivative, self.solved_by(value, acts, other.inputs.flatten(1)), self.centre)
            for side, other in zip(sides, sides[::-1], strict=True)
        ]


# By the halves and how generators are followed: a pencil of points on a set has the halves of a model, and no F.
_SUBJECTS: dict[tuple[type, type], Callable[[Evidence], Subject]] = {
    (WeakSide, WithinData): _Points,
    (RefitSide, MapExtent): _Fitted,
    (GivenSide, MapExtent): _Given,
}
