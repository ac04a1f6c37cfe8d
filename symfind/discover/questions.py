"""From the kind of the data to the Lie derivative: which role is F(x), how ξ acts on it, how sizes are measured.

A kind is an entry of :data:`QUESTIONS`; nothing above this table asks what kind the data are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, OutputAction, Same
from symfind.tensor_actions import TensorAction, TensorType, components_told, tensor_type

if TYPE_CHECKING:
    from symfind.discover.evidence import Examined
    from symfind.discover.search import Clock, Request
    from symfind.sources.dataset import Dataset

Objects = tuple[int, int]
# More outputs than this give more unknown entries of B ∈ gl(m) than most data can speak about.
_MOST_FREE_OUTPUTS = 8


@dataclass(frozen=True)
class Question:
    """What data of one kind ask.

    Attributes
    ----------
    target
        The role that holds F(x); None for a distribution, which has no F.
    action
        (asked, objects of x, objects of y) → the output action and why it was chosen.
    like_inputs
        Whether F(x) is a vector of x's space, measured by G⁻¹ like ξ itself: the noise of measured derivatives
        would otherwise enter the metric.
    scalar_gauge
        Whether one scalar F of one object has the gauge fields ∂ᵢF∂ⱼ − ∂ⱼF∂ᵢ, so that a quadratic fit alone says
        nothing (DESIGN §8 "Gauge").
    space
        The candidates when none are named.
    examine
        (request, dataset, rows to read, generator, clock) → evidence, for kinds that are neither fitted nor sampled
        as points: images, pairs, fields of differential equations.
    tensor
        What F(x) is at each point, where it is no point of a space of its own: a vector at x, a metric at x. A field
        along which such an F is constant is then a symmetry, however few coordinates F depends on.
    """

    target: str | None
    action: Callable[[str, Objects, Objects], tuple[OutputAction, str]]
    like_inputs: bool = False
    scalar_gauge: bool = False
    space: str = "linear"
    examine: Callable[[Request, Dataset, int, torch.Generator, Clock], Examined] | None = None
    tensor: TensorType | None = None

    def outputs(self, shape: tuple[int, ...], acts_on: str) -> Objects:
        """(k′, m) of one row of F(x); the components of a tensor are of one object."""
        return objects_of(shape, acts_on) if self.tensor is None else (1, prod(shape))

    def check(self, action: OutputAction, values: Iterable[Tensor], scale: Tensor) -> None:
        """Look at all values of a tensor, in units ``(d,)`` of x; raises InputError where they are none."""
        if isinstance(action, TensorAction):
            action.check(values, scale)


def _function_action(asked: str, x: Objects, y: Objects) -> tuple[OutputAction, str]:
    (_, d), (count, m) = x, y
    if asked == "same" and m != d:
        raise UsageError(f"--output-action same needs y with {d} components like x, y has {m}; use free or invariant")
    if asked == "auto":
        if count * m == 1:
            return Invariant(), "invariant, because y is one number"
        if m <= _MOST_FREE_OUTPUTS:
            return Free(m), f"free, because y has {m} components: any matrix may act on them"
        if m == d:
            return Same(), f"same, because y has {m} components like x and too many for a free action"
        return Invariant(), f"invariant, because y has {m} components, too many for a free action"
    chosen: dict[str, OutputAction] = {"invariant": Invariant(), "same": Same(), "free": Free(m)}
    return chosen[asked], f"{asked}, as asked"


def _implied(action: OutputAction, why: str) -> Callable[[str, Objects, Objects], tuple[OutputAction, str]]:
    def choose(asked: str, x: Objects, y: Objects) -> tuple[OutputAction, str]:
        if asked not in ("auto", action.name):
            raise UsageError(f"--output-action {asked} does not go with these data: the action is {why}; leave it out")
        if x != y:
            raise InputError(f"F(x) has the shape {y}, x has {x}; for this kind both are points of one space")
        return action, why

    return choose


def _images(request: Request, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock) -> Examined:
    from symfind.discover.image import evidence_of_images

    return evidence_of_images(request, dataset, stop, generator, clock)


def _pairs(request: Request, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock) -> Examined:
    from symfind.discover.lconv import evidence_of_pairs  # only those pay for the import who ask

    return evidence_of_pairs(request, dataset, stop, generator, clock)


def _field(request: Request, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock) -> Examined:
    from symfind.discover.field_search import evidence_of_field

    return evidence_of_field(request, dataset, stop, generator, clock)


def _operator(request: Request, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock) -> Examined:
    from symfind.discover.operators import evidence_of_operator

    return evidence_of_operator(request, dataset, stop, generator, clock)


QUESTIONS: Mapping[str, Question] = {
    "function": Question("y", _function_action, scalar_gauge=True),
    "map": Question("x_next", _implied(Commuting(), "ξ at F(x), so that its flow commutes with the step")),
    "flow": Question("dx", _implied(Bracket(), "the bracket dξ·F with a rescaling of time, c t ∂t"), like_inputs=True),
    "points": Question(None, _function_action, space="affine"),
    "pairs": Question(None, _function_action, examine=_pairs),
    "image": Question("y", _function_action, examine=_images),
    "field": Question(None, _function_action, space="point:1", examine=_field),
    "operator": Question(None, _function_action, space="affine", examine=_operator),
}


def question_of(kind: str, output_type: str | None) -> Question:
    """What data of a kind ask, y being a tensor of the given type at each point (None: numbers alone).

    Raises
    ------
    UsageError
        There is no such type, or the kind has no y.
    """
    question = QUESTIONS[kind]
    if output_type is None:
        return question
    tensor = tensor_type(output_type)
    if kind != "function":
        raise UsageError(f"--output-type says what y of function data is, these data are of kind {kind}; leave it out")
    if tensor is None:
        return replace(question, action=_scalars)
    return replace(question, action=_tensor_action(tensor), scalar_gauge=False, tensor=tensor)


def _scalars(asked: str, x: Objects, y: Objects) -> tuple[OutputAction, str]:
    if asked not in ("auto", "invariant"):
        raise UsageError(f"--output-action {asked} does not go with --output-type scalar; leave one of them out")
    return Invariant(), "invariant, as scalars are"


def _tensor_action(tensor: TensorType) -> Callable[[str, Objects, Objects], tuple[TensorAction, str]]:
    def choose(asked: str, x: Objects, y: Objects) -> tuple[TensorAction, str]:
        if asked != "auto":
            raise UsageError(f"--output-action {asked} does not go with --output-type {tensor.name}; leave one out")
        if x[0] > 1:
            raise UsageError(f"a {tensor.name} lives on one space, x holds {x[0]} objects a row; add --acts-on all")
        action = tensor.on(x[1], prod(y))
        return action, f"that of dξ on {components_told(action)}"

    return choose


def objects_of(shape: tuple[int, ...], acts_on: str) -> Objects:
    """(k, d) of one row of x: the last axis is the space, the axes before it count objects.

    ``acts_on = "all"`` makes one object of everything.
    """
    if acts_on == "all" or len(shape) <= 1:
        return 1, max(1, prod(shape))
    return prod(shape[:-1]), shape[-1]
