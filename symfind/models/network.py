"""A network as it was stored: what evaluates it, and its layers in the order in which they act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Layer:
    """x ↦ W x + b, or W * x + b for a convolution.

    Attributes
    ----------
    kind
        ``linear``, ``conv1d``, ``conv2d`` or ``conv3d``.
    path
        Where W lives among the parameters (``body.0.weight``); None if the file holds it as a constant.
    weight, bias
        In the file's own dtype; W is ``(out, in)``, or ``(out, in / groups, *kernel)``. A linear layer that is
        stored as its transpose has ``attributes["transposed"]``.
    attributes
        ``bias_path``; of a convolution also ``stride``, ``dilation`` (one integer an axis), ``groups`` and
        ``padding``, zeros ``(before, after)`` for each axis.
    """

    kind: str
    path: str | None
    weight: Tensor
    bias: Tensor | None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Activation:
    """x ↦ σ(x): ``kind`` names σ as torch does, ``attributes`` holds its constants (``negative_slope`` …)."""

    kind: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rearrangement:
    """A relabelling of the axes of one row: ``flatten``, or ``permute`` with ``axes`` counted without the batch.

    A ``flatten`` with a ``width`` is ``view(-1, width)``, which keeps a row whole only if it has that many numbers.
    """

    kind: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


Step = Layer | Activation | Rearrangement


@dataclass(frozen=True)
class FirstLayer:
    """What the first layer asks of a row: ``width`` numbers along ``axis`` (negative), or in all if it is None.

    With ``parts`` a row may be cut into several of that width, as ``view(-1, width)`` does.
    """

    path: str | None
    axis: int | None
    width: int
    parts: bool = False

    def __str__(self) -> str:
        """Name the layer for a message."""
        return f"the first layer '{self.path}'" if self.path else "the first layer"

    def row_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return the shape in which rows of ``shape`` can be handed to the layer, None if they do not fit.

        A row that fits is left as it is. Else a linear layer that takes all the numbers of a row gets them
        flattened (k objects in d dimensions as k·d numbers), and a convolution of one channel gets its axis.
        """
        if self.axis is None:
            fits = prod(shape) % self.width == 0 if self.parts else prod(shape) == self.width
            return shape if fits else None
        if len(shape) >= -self.axis and shape[self.axis] == self.width:
            return shape
        if self.axis == -1:
            return (self.width,) if prod(shape) == self.width else None
        return (1, *shape) if len(shape) == -self.axis - 1 and self.width == 1 else None


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network, before it is asked for values.

    Attributes
    ----------
    module
        In eval mode, its parameters without gradient, on the device it was loaded for.
    format
        ``torchscript``, ``torch.export`` or ``checkpoint``.
    steps
        Layers, activations and rearrangements in execution order.
    sequential
        True if the network is nothing but ``steps``, one after the other: no skip connection, no other operation.
    first_layer
        What the first layer asks of a row, where the graph tells it.
    input_shape
        Shape of one row, where the file tells it.
    batch
        Fewest and most rows of one call; None stands for any number.
    blocked
        The first operation that makes it more than ``steps``, by torch's name; empty if ``sequential``.
    """

    module: nn.Module
    format: str
    steps: tuple[Step, ...]
    sequential: bool
    first_layer: FirstLayer | None = None
    input_shape: tuple[int, ...] | None = None
    batch: tuple[int, int | None] = (1, None)
    blocked: str = ""

    @property
    def dtype(self) -> torch.dtype | None:
        """The floating-point type of parameters, buffers or constant weights; None if there are none."""
        tensors = [*self.module.parameters(), *self.module.buffers()]
        tensors += [step.weight for step in self.steps if isinstance(step, Layer)]
        return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), None)
