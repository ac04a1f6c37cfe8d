"""What data of one kind ask: which role is F(x), how ξ acts on it, how sizes are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from symfind.data.dataset import Dataset
from symfind.decision.evidence import Examined
from symfind.kinds.request import Request
from symfind.lie_derivative import OutputAction
from symfind.progress import Clock
from symfind.tensor_actions import TensorAction, TensorType

Objects = tuple[int, int]


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


def objects_of(shape: tuple[int, ...], acts_on: str) -> Objects:
    """(k, d) of one row of x: the last axis is the space, the axes before it count objects.

    ``acts_on = "all"`` makes one object of everything.
    """
    if acts_on == "all" or len(shape) <= 1:
        return 1, max(1, prod(shape))
    return prod(shape[:-1]), shape[-1]
