"""Networks that are one step after another: their shapes and their evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch

from symfind.errors import InputError
from symfind.models.modules import CONVOLUTIONS, MODULES, plain_module
from symfind.models.network import Activation, FirstLayer, Layer, Network, Rearrangement, Step


def sequential_network(
    source: str, steps: Sequence[Step], input_shape: tuple[int, ...], form: str, device: torch.device
) -> Network:
    """Return F from its steps, the shapes of which are followed from ``input_shape`` to the end.

    Raises
    ------
    InputError
        A step that does not fit what comes before it; ``source`` and the step are named.
    """
    shape = input_shape
    for step in steps:
        shape = shape_after(source, step, shape)
    layers = [step for step in steps if isinstance(step, Layer)]
    first = None
    if layers and steps[0] is layers[0]:
        axis = -1 if layers[0].kind == "linear" else 1 - layers[0].weight.ndim
        first = FirstLayer(layers[0].path, axis, input_shape[axis])
    module = plain_module(steps).requires_grad_(False).to(device).eval()
    return Network(module, form, tuple(steps), True, first, input_shape)


def shape_after(source: str, step: Step, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a row after a step.

    Raises
    ------
    InputError
        The step does not take rows of this shape, or its kind is unknown.
    """
    if isinstance(step, Activation):
        if step.kind not in MODULES:
            raise InputError(f"{source}: unknown activation '{step.kind}'; known are {', '.join(sorted(MODULES))}")
        return shape
    if isinstance(step, Rearrangement):
        return _shape_rearranged(source, step, shape)
    if step.bias is not None and step.bias.shape != step.weight.shape[:1]:
        raise InputError(
            f"{source}: '{step.path}' has shape {tuple(step.weight.shape)} but its bias {tuple(step.bias.shape)}; "
            f"expected ({step.weight.shape[0]},)"
        )
    if step.kind == "linear":
        if step.weight.ndim != 2 or not shape or shape[-1] != step.weight.shape[1]:
            raise _misfit(source, step, shape)
        return (*shape[:-1], step.weight.shape[0])
    if step.kind not in CONVOLUTIONS:
        raise InputError(
            f"{source}: unknown layer '{step.kind}' at '{step.path}'; known are linear, conv1d, conv2d and conv3d"
        )
    kernel = step.weight.shape[2:]
    channels = step.weight.shape[1] * step.attributes["groups"] if len(kernel) else 0
    if len(kernel) != int(step.kind[4]) or len(shape) != len(kernel) + 1 or shape[0] != channels:
        raise _misfit(source, step, shape)
    sizes = [
        (size + sum(pair) - dilation * (k - 1) - 1) // stride + 1
        for size, pair, dilation, k, stride in zip(
            shape[1:],
            step.attributes["padding"],
            step.attributes["dilation"],
            kernel,
            step.attributes["stride"],
            strict=True,
        )
    ]
    if min(sizes) < 1:
        raise _misfit(source, step, shape)
    return (step.weight.shape[0], *sizes)


def _shape_rearranged(source: str, step: Rearrangement, shape: tuple[int, ...]) -> tuple[int, ...]:
    if step.kind == "flatten":
        width = step.attributes.get("width", prod(shape))
        if width != prod(shape):
            raise InputError(
                f"{source}: view(-1, {width}) makes {prod(shape) / width:g} rows of one row of shape {shape}, so that "
                "layers act on its parts; use --method average or frames"
            )
        return (prod(shape),)
    axes = step.attributes.get("axes", ())
    if step.kind != "permute" or sorted(axes) != list(range(len(shape))):
        raise InputError(
            f"{source}: '{step.kind}' with axes {tuple(axes)} does not rearrange rows of shape {shape}; expected "
            "flatten, or permute with each axis once"
        )
    return tuple(shape[axis] for axis in axes)


def _misfit(source: str, layer: Layer, shape: tuple[int, ...]) -> InputError:
    return InputError(
        f"{source}: the {layer.kind} layer '{layer.path}' has weights of shape {tuple(layer.weight.shape)} but gets "
        f"rows of shape {shape}; correct the weights, or the shape of the input"
    )
