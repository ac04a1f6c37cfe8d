"""Networks that are one step after another: their shapes and their evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

import torch
import torch.nn.functional as fn
from torch import Tensor, nn

from symfind.errors import InputError
from symfind.models.network import Activation, FirstLayer, Layer, Network, Rearrangement, Step

_Function = Callable[..., Tensor]

# σ by the names and attributes of symfind.models.execution_order.ACTIVATIONS.
_SIGMA: Mapping[str, _Function] = {
    "relu": fn.relu,
    "relu6": fn.relu6,
    "silu": fn.silu,
    "mish": fn.mish,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "log_sigmoid": fn.logsigmoid,
    "selu": fn.selu,
    "softsign": fn.softsign,
    "hardswish": fn.hardswish,
    "hardsigmoid": fn.hardsigmoid,
    "sin": torch.sin,
    "cos": torch.cos,
    "exp": torch.exp,
    "abs": torch.abs,
    "square": torch.square,
    "gelu": fn.gelu,
    "softplus": fn.softplus,
    "elu": torch.ops.aten.elu,
    "celu": fn.celu,
    "leaky_relu": fn.leaky_relu,
    "hardtanh": fn.hardtanh,
    "softmax": torch.softmax,
    "log_softmax": torch.log_softmax,
}
_CONVOLUTION: Mapping[str, _Function] = {"conv1d": fn.conv1d, "conv2d": fn.conv2d, "conv3d": fn.conv3d}


class SequentialNetwork(nn.Module):
    """F = σ_L ∘ W_L ∘ … ∘ σ₁ ∘ W₁ from its steps, rows independent."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self.steps = tuple(steps)
        for i, step in enumerate(self.steps):
            if isinstance(step, Layer):
                self.register_parameter(f"weight{i}", nn.Parameter(step.weight.clone(), requires_grad=False))
                bias = None if step.bias is None else nn.Parameter(step.bias.clone(), requires_grad=False)
                self.register_parameter(f"bias{i}", bias)

    def forward(self, x: Tensor) -> Tensor:
        """F(x): ``(n, *input_shape)`` → ``(n, *output_shape)``."""
        for i, step in enumerate(self.steps):
            if isinstance(step, Layer):
                x = _affine(step, x, getattr(self, f"weight{i}"), getattr(self, f"bias{i}"))
            elif isinstance(step, Activation):
                x = _SIGMA[step.kind](x, **step.attributes)
            else:
                x = _rearranged(step, x)
        return x


def _affine(layer: Layer, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if layer.kind == "linear":
        return fn.linear(x, weight, bias)
    pairs = layer.attributes["padding"]
    padded = fn.pad(x, [zeros for pair in reversed(pairs) for zeros in pair]) if any(map(any, pairs)) else x
    return _CONVOLUTION[layer.kind](
        padded,
        weight,
        bias,
        stride=layer.attributes["stride"],
        dilation=layer.attributes["dilation"],
        groups=layer.attributes["groups"],
    )


def _rearranged(step: Rearrangement, x: Tensor) -> Tensor:
    if step.kind == "flatten":
        return x.flatten(1) if x.ndim > 1 else x[:, None]
    return x.permute(0, *(axis + 1 for axis in step.attributes["axes"]))


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
    module = SequentialNetwork(steps).to(device).eval()
    return Network(module, form, tuple(steps), True, first, input_shape)


def shape_after(source: str, step: Step, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a row after a step.

    Raises
    ------
    InputError
        The step does not take rows of this shape, or its kind is unknown.
    """
    if isinstance(step, Activation):
        if step.kind not in _SIGMA:
            raise InputError(f"{source}: unknown activation '{step.kind}'; known are {', '.join(sorted(_SIGMA))}")
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
    if step.kind not in _CONVOLUTION:
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
