"""From jets to learned fields, and from these to a finding in a polynomial space.

The fields are learned without a basis; what is reported is their projection onto the space that was named, with the
share of their norm that it explains. How many there are is the closed form's answer in that space where it has one. A
learned generator is certified only as far as it lies in the span that the closed form certified: its bound is that
span's, plus what strays from it.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, Finding, Generator
from symfind.decision.finding import decide
from symfind.fields.neural import NeuralFields
from symfind.fits.training import Recipe, Trained, train
from symfind.kinds.field.determining_equations import Judged, pencil, probed
from symfind.kinds.field.equation import Equation
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.learned.projection import projected
from symfind.kinds.field.learned.validity import TRIVIAL, Measure, check_variant, derivative_loss, flow_loss
from symfind.kinds.field.prolongation import Prolongation
from symfind.kinds.field.superposition import EquationExtent
from symfind.kinds.field.transformed_jets import total_degree
from symfind.linalg.nullspace import generalised_spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock

# Two fields more than wanted: the last ones of a logarithmic sum are the least exact.
_SPARE = 2
# Fields that are learned where their number is not known.
_UNKNOWN = 6
# The last layer is solved for in closed form: wide, it holds nKdV's exponentials, of which 64 left a cosine of 0.989.
_WIDTHS = (64, 160)
# Points of a step, and steps between looks; a flow costs some twenty derivatives.
_BATCH = {"derivative": 256, "flow": 48}
# Faster by derivative the first fields become exact at the cost of the next: KdV's scaling is lost after 4000 steps.
# Flows go on from fields that are nearly right: a step of Adam moves them by some seventy times its rate.
_RATE = {"derivative": 1e-3, "flow": 3e-5}
# Steps by derivative before those along flows, three for each but no more than this: from random weights 1250 steps
# along flows (five minutes) leave KdV's scaling at a cosine of 0.80.
_BEFORE_FLOWS = 1500
_STRETCH = 250
_HELD_OUT = 1024
_HEAD_POINTS = 4000
# Shares left unexplained that are rounding, and that are told in place of what is explained.
_NOTHING, _LITTLE = 1e-10, 1e-4


@dataclass(frozen=True)
class Learned:
    """What training gave.

    Attributes
    ----------
    fields
        K fields, ascending in ρ.
    values
        Their ρ ``(K,)``, measured as in the closed form.
    trained
        The course of the training.
    """

    fields: NeuralFields
    values: Tensor
    trained: Trained


@dataclass(frozen=True)
class LearnedJudge:
    """The decision on learned fields, which was made when they were counted.

    Attributes
    ----------
    learned
        The fields themselves.
    finding
        What is reported of them.
    """

    learned: Learned
    finding: Finding

    def __call__(self, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
        """The finding."""
        return self.finding


def learned_fields(
    request: DiscoverOptions, judged: Judged, jets: JetSample, wanted: int, generator: torch.Generator, clock: Clock
) -> Learned:
    """Train fields on the jets, by derivative or along finite flows.

    By derivative the head is solved for in the end, in closed form. Flows go on from fields by derivative, and these
    stay as they were learned then, but for the order in which they are listed.

    Raises
    ------
    SymfindError
        A checkpoint of something else, a loss that is not finite, or an option that does not go with the data.
    """
    variant, equation = request.variant, judged.equation
    measure = Measure.of(equation, probed(equation, jets, generator))
    order = torch.randperm(measure.jets.rows, generator=generator)
    test, rest = measure.take(order[: _HELD_OUT // 2]), measure.take(order[_HELD_OUT // 2 :])
    z = measure.points
    start = NeuralFields.draw(z.shape[1], wanted + _SPARE, _WIDTHS, generator)
    start = start.centred(z.mean(0), measure.scales.spread)

    def loss(parameters: Sequence[Tensor], source: torch.Generator) -> Tensor:
        fields = start.with_parameters(parameters)
        at = _some(rest, _BATCH[variant], source)
        if variant == "derivative":
            return derivative_loss(fields, at)
        return flow_loss(fields, at, _some(rest, _BATCH["derivative"], source), source)

    def score(parameters: Sequence[Tensor]) -> tuple[float, str]:
        fields = start.with_parameters(parameters)
        rho = " ".join(f"{v:.1e}" for v in test.spectrum(fields).values.tolist())
        if variant == "derivative":
            value = derivative_loss(fields, test)
        else:
            # The same transformations every time, so that scores can be compared.
            value = flow_loss(fields, test, test, torch.Generator().manual_seed(request.seed + 1))
        return float(value), f"validities {rho}"

    settings = f"{equation.text} {_digest(jets)} {variant} {request.seed} {request.steps} {wanted} {_WIDTHS}"
    checkpoint = None if request.checkpoint is None else Path(request.checkpoint)
    recipe = Recipe(request.steps, min(_STRETCH, request.steps), _RATE[variant], checkpoint, request.resume, settings)
    if variant == "flow" and not (request.resume and checkpoint is not None and checkpoint.exists()):
        start = _by_derivative(start, rest, test, min(_BEFORE_FLOWS, 3 * request.steps), generator, clock)
    trained = train(start.parameters, loss, score, recipe, generator, clock.progress)
    fields = start.with_parameters(trained.parameters)
    candidates = fields.opened() if variant == "derivative" else fields
    return _lowest(candidates, fields.dim, trained, _some(measure, _HEAD_POINTS, generator))


def _some(points: Measure, count: int, source: torch.Generator) -> Measure:
    """So many of the points, drawn at random."""
    return points.take(torch.randint(0, points.jets.rows, (count,), generator=source))


def _by_derivative(
    start: NeuralFields, rest: Measure, test: Measure, steps: int, generator: torch.Generator, clock: Clock
) -> NeuralFields:
    """Fields to begin the steps along flows with, orthogonal over the data as the loss there wants them."""

    def loss(parameters: Sequence[Tensor], source: torch.Generator) -> Tensor:
        return derivative_loss(start.with_parameters(parameters), _some(rest, _BATCH["derivative"], source))

    def score(parameters: Sequence[Tensor]) -> tuple[float, str]:
        return float(derivative_loss(start.with_parameters(parameters), test)), "by derivative"

    recipe = Recipe(steps, min(_STRETCH, steps), _RATE["derivative"], None, False, "")
    trained = train(start.parameters, loss, score, recipe, generator, clock.progress)
    fields = start.with_parameters(trained.parameters).opened()
    measure = _some(rest, _HEAD_POINTS, generator)
    lowest = _lowest(fields, start.dim, trained, measure).fields
    # Each is freed of those before it: the span of the first d stays what it is.
    return lowest.combined(torch.linalg.inv(torch.linalg.qr(measure.values(lowest)).R))


def orders_of_variant(variant: str, equation: Equation) -> tuple[MultiIndex, ...]:
    """The derivatives that a variant asks of the data: finite transformations may mix all of an order."""
    if variant == "derivative":
        return equation.needed
    check_variant(variant, equation)
    return tuple({*equation.needed, *total_degree(len(equation.independent), equation.order)})


def _lowest(candidates: NeuralFields, count: int, trained: Trained, measure: Measure) -> Learned:
    """The fields of least ρ in a span, the relative defect of the closed form.

    In the norm of the data alone slowly varying multiples of symmetries come before a symmetry that the network holds
    less well; ρ, which asks how far the terms of the determining equations cancel, tells them apart.
    """
    m, s, _ = pencil(Prolongation(measure.equation, candidates, measure.scales), measure.jets)
    spectrum = generalised_spectrum(m.flatten(0, 1), s.flatten(0, 1), TRIVIAL)
    return Learned(candidates.combined(spectrum.vectors[:, :count]), spectrum.values[:count], trained)


def _digest(jets: JetSample) -> str:
    """What the training has seen of the data."""
    return hashlib.sha256(jets.points.numpy().tobytes() + jets.values.numpy().tobytes()).hexdigest()[:16]


def learned_evidence(
    request: DiscoverOptions,
    judged: Judged,
    jets: JetSample,
    closed: Evidence,
    generator: torch.Generator,
    clock: Clock,
) -> Evidence:
    """The closed form's evidence with learned fields in place of its nullspace.

    Raises
    ------
    SymfindError
        As :func:`learned_fields`.
    """
    with clock.phase("bounds"):
        counted = decide(closed, request.tolerance, request.alpha, max(request.bootstrap, 40), request.seed)
    known = sum(g.verdict == "certified" for g in counted.generators) + len(counted.apart)
    certain = known > 0 or not counted.doubts
    with clock.phase("learn"):
        learned = learned_fields(request, judged, jets, known if certain else _UNKNOWN - _SPARE, generator, clock)
    finding = _finding(closed, counted, learned, known if certain else None, request.tolerance)
    messages = (*closed.messages, *_messages(learned, request.variant))
    return replace(closed, judge=LearnedJudge(learned, finding), messages=messages)


def _messages(learned: Learned, variant: str) -> tuple[str, ...]:
    rho = ", ".join(f"{v:.2g}" for v in learned.values.tolist())
    how = "by derivative" if variant == "derivative" else "along finite flows"
    return (f"fields learned {how} in {learned.trained.steps} steps; their relative defects: {rho}",)


def _finding(closed: Evidence, counted: Finding, learned: Learned, known: int | None, tolerance: float) -> Finding:
    """The lowest learned fields, projected, with bounds from the span that the closed form certified."""
    small = int((learned.values < tolerance).sum())
    number = small if known is None else min(known, learned.fields.dim)
    doubts = list(counted.doubts)
    notes = []
    if known is None:
        doubts.append(
            f"{small} learned fields have a defect below {tolerance:g}; validities have no clear gap, so their number "
            "is uncertain"
        )
    elif small > number:
        notes.append(
            f"{small - number} more learned fields have a defect below {tolerance:g}: slowly varying multiples of "
            f"symmetries, or symmetries outside the space '{closed.space.name}'"
        )
    generators, shares = _projected(closed, counted, learned, number, known, tolerance)
    names = [f"{i + 1}: {_percent(share)}" for i, share in enumerate(shares)]
    if shares:
        notes.append(f"share of the norm of each learned field that '{closed.space.name}' explains: {', '.join(names)}")
    entries = tuple((float(v), None, None) for v in learned.values)
    return Finding(closed, entries, tuple(generators), counted.coverage, tuple(doubts), (), tuple(notes))


def _percent(share: float) -> str:
    missing = 1.0 - share
    if missing < _NOTHING:
        return "all"
    return f"all but {100 * missing:.1g} %" if missing < _LITTLE else f"{100 * share:.4g} %"


def _projected(
    closed: Evidence, counted: Finding, learned: Learned, number: int, known: int | None, tolerance: float
) -> tuple[list[Generator], list[float]]:
    """Generators of the projected span in its sparsest basis, and the share of each field that it holds."""
    if number == 0:
        return [], []
    assert isinstance(closed.extent, EquationExtent)
    jets = closed.extent.jets
    z = torch.cat([jets.points, jets.values], 1)
    spread = closed.extent.prolongation.scales.spread
    fields = (learned.fields.evaluate(z)[:, :number] / spread).transpose(1, 2).flatten(0, 1)  # (n·d, k)
    design = (closed.space.evaluate(z) / spread).transpose(1, 2).flatten(0, 1)
    near = projected(closed.space, closed.spectrum, fields, design)
    worst = max((g.upper for g in counted.generators if g.verdict == "certified"), default=math.inf)
    out = []
    for vector, defect, away in zip(near.vectors.unbind(1), near.defects, near.strays, strict=True):
        bound = max(math.hypot(worst, away), defect)
        sure = known is not None and not counted.doubts and bound < tolerance
        # A formula that was recognised is as exact as its defect, however noisy the fields.
        error = max(1e-10, min(near.noise, bound))
        out.append(Generator(vector, defect, 0.0, bound, "certified" if sure else "undecided", None, error))
    return out, list(near.shares)
