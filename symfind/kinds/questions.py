"""From the kind of the data to the Lie derivative: which role is F(x), how ξ acts on it, how sizes are measured.

A kind is an entry of :data:`QUESTIONS`; nothing above this table asks what kind the data are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import torch

from symfind.errors import InputError, UsageError
from symfind.kinds.question import Objects, Question
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, OutputAction, Same
from symfind.tensor_actions import TensorAction, TensorType, components_told, tensor_type

if TYPE_CHECKING:
    from symfind.data.dataset import Dataset
    from symfind.decision.evidence import Examined
    from symfind.kinds.request import Request
    from symfind.progress import Clock


# More outputs than this give more unknown entries of B ∈ gl(m) than most data can speak about.
_MOST_FREE_OUTPUTS = 8


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
    from symfind.kinds.image.image import evidence_of_images

    return evidence_of_images(request, dataset, stop, generator, clock)


def _pairs(request: Request, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock) -> Examined:
    from symfind.kinds.pairs.lconv import evidence_of_pairs  # only those pay for the import who ask

    return evidence_of_pairs(request, dataset, stop, generator, clock)


def _field(request: Request, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock) -> Examined:
    from symfind.kinds.field.field import evidence_of_field

    return evidence_of_field(request, dataset, stop, generator, clock)


def _operator(request: Request, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock) -> Examined:
    from symfind.kinds.operator.operator import evidence_of_operator

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
