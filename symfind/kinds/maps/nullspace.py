"""The nullspace over ξ of L_ξF: for a trained model, or for a fit to samples of F."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from symfind.decision.bounds import Side
from symfind.decision.coverage import coverage_factors
from symfind.decision.evidence import Evidence
from symfind.decision.gauge import Parting, parting
from symfind.decision.given import GivenSide
from symfind.decision.halves import Half, halves
from symfind.decision.on_support import fields_on_support, whitened_slope
from symfind.decision.reach import Follower, Inside, Reach, leverage_inside
from symfind.decision.refits import RefitSide
from symfind.fields.space import VectorFieldSpace
from symfind.fits.geometry import Geometry, output_root
from symfind.fits.surrogate import Choice, Samples
from symfind.kinds.frame import Frame, enough_rows
from symfind.lie_derivative import LieDerivative, constant_slope, field_mean
from symfind.linalg.nullspace import GeneralisedSpectrum, generalised_spectrum
from symfind.linalg.processes import Processes
from symfind.linalg.tsqr import StreamedFactor
from symfind.models.differentiable_map import DifferentiableMap
from symfind.progress import Advance
from symfind.tensor_actions import TensorAction

_ALONE = Processes()
# Points for coverage and reach: these are suprema and yes-or-no questions, not averages to be sharpened.
_EXTENT_POINTS = 800
_REACH_POINTS = 200
# A given F is known everywhere: no point is lost on the way, and no verdict hangs on the reach. This many points, both
# ways, cost less than the nullspace does.
_REACH_POINTS_OF_A_MODEL = 16
# A share of ‖dF‖² below this along a direction means that F does not depend on it: rounding of exact networks is below
# (of those in float32 3e-13), and real dependence that small could not be told from none.
_DEAD = 1e-12
# A sum of rounded terms is off by the root of their number: this stands for 4,096 of them.
_ROUNDED_TERMS = 64.0
# Points at which the rounding of dF is measured: a root mean square to 10 %.
_ROUNDING_POINTS = 64
# Held-out R² below this: the fit says little about F, and nothing may be certified from it.
POOR_FIT = 0.5


@dataclass(frozen=True)
class MapExtent:
    """Coverage and reach for a map F with a Lie derivative."""

    derivative: LieDerivative
    points: Tensor
    inside: Inside | None
    degree: int
    scalar_gauge: bool

    def coverage(self, vectors: Tensor) -> Tensor:
        """ω by polynomials that vanish on the data but not along ξ."""
        x = self.points.flatten(1)
        fields = fields_on_support(self.derivative, x, vectors)
        return coverage_factors(x, fields, self.derivative.geometry, self.derivative.objects, self.degree)

    @cached_property
    def _follower(self) -> Follower:
        count = _REACH_POINTS_OF_A_MODEL if self.inside is None else _REACH_POINTS
        return Follower(self.derivative, self.points[:count], self.inside, leaps=self.inside is None)

    def reach(self, vector: Tensor, tolerance: float) -> Reach | None:
        """t* along exp(tξ)."""
        return self._follower.reach(vector, tolerance)

    def parting(self, vectors: Tensor, tolerance: float) -> Parting:
        """The flow's own symmetries and the gauge of a scalar function set apart."""
        points = self.points[:_REACH_POINTS]
        return parting(self.derivative, vectors, points, tolerance, scalar_gauge=self.scalar_gauge)


def lie_derivative(frame: Frame, function: DifferentiableMap, x: Tensor, used: Tensor | None = None) -> LieDerivative:
    """L for one F, H and the means taken over rows x ``(n, *input_shape)``; ``used`` inputs are known for a fit."""
    k, d = frame.objects
    points = x.reshape(-1, k, d)
    tensor = frame.action if isinstance(frame.action, TensorAction) else None
    if frame.question.like_inputs:
        root = frame.geometry.inputs.whiten.T
    else:
        values = (function(part).reshape(-1, *frame.output_objects) for part in torch.split(x, 4096))
        # A tensor is measured index by index, as a constant one has no spread.
        root = output_root(values) if tensor is None else tensor.root(values, frame.geometry.inputs)
    geometry = replace(frame.geometry, outputs=root.to(x)).to(x.device)
    live = None
    if frame.question.target == "y" and root.shape[1] and tensor is None:
        live = _live_inputs(frame, geometry, function, x) if used is None or bool(used.all()) else torch.diag(used)
    mean = field_mean(frame.space, geometry, points, live)
    return LieDerivative(
        function, frame.space, frame.action, geometry, frame.objects, frame.output_objects, mean, live,
        against_value=tensor is not None,
    )  # fmt: skip


def _live_inputs(frame: Frame, geometry: Geometry, function: DifferentiableMap, x: Tensor) -> Tensor | None:
    """What F does not depend on taken off a displacement of an object, ``(d, d)``; None if F depends on all.

    Of several objects, a direction v is blind where none of them is seen along it (coordinates centred over the wrong
    axis, say): then f(x)v has L_ξF = 0 whatever f, which says nothing of F beyond v. Of one object only coordinates are
    blind: that F does not change along an oblique direction is what a translation says.
    """
    k, d = frame.objects
    whiten = geometry.inputs.whiten.to(x)
    total = torch.zeros(geometry.inputs.rank if k > 1 else d, 1 if k == 1 else geometry.inputs.rank).to(whiten)
    for part in torch.split(x[:_EXTENT_POINTS], 256):
        _, jacobian = function.value_and_jacobian(part)
        slopes = jacobian.to(whiten).reshape(part.shape[0], *frame.output_objects, k, d)
        measured = torch.einsum("nomkd,mh->nohkd", slopes, geometry.outputs)
        if k == 1:
            total[:, 0] += (measured * geometry.scale.to(x)).square().sum((0, 1, 2, 3))
        else:
            rows = (measured @ geometry.inputs.colour.to(x)).flatten(0, 3)
            total += rows.T @ rows
    if k == 1:
        alive = total[:, 0] > _DEAD * total.sum()
        return None if bool(alive.all()) else torch.diag(alive.to(x))
    values, vectors = torch.linalg.eigh(total)
    blind = vectors[:, values <= _DEAD * values.sum()]
    if blind.shape[1] in (0, len(values)):
        return None
    unseen: Tensor = geometry.inputs.colour.to(x) @ blind @ blind.T @ whiten
    return torch.eye(d).to(whiten) - unseen


def streamed_spectrum(
    derivative: LieDerivative, blocks: Iterator[Tensor], advance: Advance, processes: Processes = _ALONE
) -> GeneralisedSpectrum:
    """Generalised singular values over all rows, block by block; each process has blocks of its own."""
    q = derivative.monomials
    m, s = StreamedFactor(derivative.unknowns), StreamedFactor(derivative.unknowns)
    monomials = StreamedFactor(q or 0)
    for x in blocks:
        for part in torch.split(x, derivative.rows_at_once):
            if q is None:
                pencil = derivative.pencil(part)
                rows: Tensor = pencil.m
                sizes: Tensor | None = pencil.s
            else:
                rows, weighted, sizes = derivative.separated(part)
                monomials.add(weighted)
            m.add(rows.flatten(0, 1))
            if sizes is not None:
                s.add(sizes.flatten(0, 1))
        advance(x.shape[0])
    if q is not None:
        s.add(derivative.lifted(monomials.factor()))
    return generalised_spectrum(processes.joined_factor(m.factor()), processes.joined_factor(s.factor()))


def evidence_of_model(frame: Frame, model: DifferentiableMap, samples: Samples, generator: torch.Generator) -> Evidence:
    """A trained model over rows of its inputs, held in memory: both halves' factors serve the whole as well."""
    enough_rows(frame, len(samples))
    x = samples.x.reshape(-1, *model.input_shape)
    derivative = lie_derivative(frame, model, x)
    split = halves(samples, generator)
    doubts = tuple(_constant(derivative))
    sides: tuple[GivenSide, GivenSide] | None = None
    if split is None:
        doubts = (*doubts, "all rows are of one group, so that nothing can be said beyond it")
        whole = GivenSide(_one_block(samples), derivative, model.input_shape)
        spectrum = whole.directions()
    else:
        sides = (GivenSide(split[0], derivative, model.input_shape), GivenSide(split[1], derivative, model.input_shape))
        spectrum = generalised_spectrum(
            torch.cat([side.m.factor() for side in sides]), torch.cat([side.s.factor() for side in sides])
        )
    points = _some(x, generator)
    return Evidence(
        frame.space,
        frame.action,
        spectrum,
        sides,
        MapExtent(derivative, points, None, _degree(frame.space), frame.question.scalar_gauge),
        given=True,
        doubts=doubts,
        rank=spectrum.values.shape[0],
        bracket_points=points.reshape(-1, frame.objects[1])[:_REACH_POINTS],
    )


def evidence_of_fit(
    frame: Frame,
    choice: Choice,
    function: DifferentiableMap,
    samples: Samples,
    spectrum_of: Callable[[LieDerivative], GeneralisedSpectrum],
    seed: int,
    used: Tensor | None = None,
) -> Evidence:
    """A fit: spectrum over all the data, bounds from refits of two halves of the rows in memory."""
    generator = torch.Generator().manual_seed(seed + 17)
    x = samples.x.reshape(-1, *function.input_shape)
    derivative = lie_derivative(frame, function, x, used)
    spectrum = spectrum_of(derivative)
    split = halves(samples, generator)
    doubts: list[str] = []
    sides: tuple[Side, Side] | None = None
    if split is None:
        doubts.append("all rows are of one group (one trajectory): another one could tell against every direction")
    elif min(len(h.samples) for h in split) < 2 * choice.family.features.size:
        doubts.append(f"half of the {len(samples)} rows is too few to fit {choice.family.name} again")
    else:
        sides = (
            RefitSide(split[0], derivative, choice.family, seed),
            RefitSide(split[1], derivative, choice.family, seed + 1),
        )
    doubts += _constant(derivative)
    if choice.r2 < POOR_FIT:
        doubts.append(f"the fit explains only {100 * max(choice.r2, 0):.0f} % of held-out variance")
    quadratic = (choice.family.degree or 3) < 3
    if frame.question.scalar_gauge and quadratic and prod(frame.output_objects) == 1 and frame.objects[0] == 1:
        doubts.append(
            "every quadratic function of one object has symmetries of its own: confirm with degree 3 or random features"
        )
    points = _some(x, generator)
    return Evidence(
        frame.space,
        frame.action,
        spectrum,
        sides,
        MapExtent(derivative, points, leverage_inside(choice.family.features, _some(x, generator, 4000).flatten(1)),
                  _degree(frame.space), frame.question.scalar_gauge),
        given=False,
        doubts=tuple(doubts),
        surrogate=choice.entry,
        rank=spectrum.values.shape[0],
        bracket_points=points.reshape(-1, frame.objects[1])[:_REACH_POINTS],
    )  # fmt: skip


def rounding_level(derivative: LieDerivative, x: Tensor, eps: float) -> float:
    """The ρ below which a given F cannot be told from an exactly symmetric one.

    √4096 times the change of dF, relative to its size, when inputs ``(n, *input_shape)`` move in their last digit, and
    at least so many times that digit itself, in units of the spread: a displacement ξ(x) is not known better than x.
    Numbers far from zero and steep functions lose digits, and this sees it.

    Parameters
    ----------
    eps
        The last digit of the numbers that the file holds or that F is evaluated in, whichever is coarser.
    """
    x = x[:_ROUNDING_POINTS]
    signs = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(0)).to(x) * 2 - 1
    at, beside = (
        whitened_slope(derivative, derivative.map.value_and_jacobian(points)[1].to(derivative.geometry.outputs), len(x))
        for points in (x, x * (1 + eps * signs))
    )
    size = float(at.norm())
    flat = x.flatten(1)
    spread = flat.std(0, correction=0)
    far = (flat.square().mean(0).sqrt() / spread)[spread > 0]
    digit = eps * max(1.0, float(far.max()) if far.numel() else 1.0)
    return _ROUNDED_TERMS * max(digit, float((beside - at).norm()) / size if size else 0.0)


def _constant(derivative: LieDerivative) -> list[str]:
    if derivative.geometry.outputs.shape[1]:
        return []
    return ["F is constant on the data: every field leaves it unchanged, so that nothing is found"]


def _one_block(samples: Samples) -> Half:
    return Half(samples, torch.zeros(len(samples), dtype=torch.int64))


def _some(x: Tensor, generator: torch.Generator, count: int = _EXTENT_POINTS) -> Tensor:
    return x[torch.randperm(x.shape[0], generator=generator)[:count].to(x.device)]


def _degree(space: VectorFieldSpace) -> int:
    """Degree of polynomial fields; 1 where the slope is constant, else 2 as the least nonlinear case."""
    degree = getattr(space, "degree", None)
    if isinstance(degree, int):
        return degree
    ones = torch.ones(space.dim, dtype=torch.float64)
    return 1 if constant_slope(space, ones) is not None else 2
