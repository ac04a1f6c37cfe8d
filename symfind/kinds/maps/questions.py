"""What functions, maps and flows ask: which role is F(x), how ξ acts on it, how sizes are measured."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from symfind.errors import InputError, UsageError
from symfind.kinds.question import Objects, Question
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, OutputAction, Same
from symfind.tensor_actions import TensorAction, TensorType, components_told, tensor_type

# More outputs than this give more unknown entries of B ∈ gl(m) than most data can speak about.
_MOST_FREE_OUTPUTS = 8


def function_question(output_type: str | None) -> Question:
    """What a function asks, y being a tensor of the given type at each point (None: numbers alone).

    Raises
    ------
    UsageError
        There is no such type.
    """
    if output_type is None:
        return Question("y", _function_action, scalar_gauge=True)
    tensor = tensor_type(output_type)
    if tensor is None:
        return Question("y", _scalars, scalar_gauge=True)
    return Question("y", _tensor_action(tensor), tensor=tensor)


def map_question() -> Question:
    """A map commutes with the flow of ξ."""
    return Question("x_next", _implied(Commuting(), "ξ at F(x), so that its flow commutes with the step"))


def flow_question() -> Question:
    """The flow of ξ carries solutions to solutions, at another pace perhaps."""
    why = "the bracket dξ·F with a rescaling of time, c t ∂t"
    return Question("dx", _implied(Bracket(), why), like_inputs=True)


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


def _scalars(asked: str, x: Objects, y: Objects) -> tuple[OutputAction, str]:
    del x, y
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
