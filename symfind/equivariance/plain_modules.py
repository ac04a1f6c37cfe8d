"""A sequence of steps as torch's own modules, which TorchScript can save."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from symfind.errors import UsageError
from symfind.models.network import Activation, Layer, Step


class _Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x)


class _Cosine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cos(x)


class _Exponential(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


class _Absolute(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.abs(x)


class _Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.square(x)


# σ by the names and attributes of symfind.models.execution_order.ACTIVATIONS.
_MODULES: Mapping[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "log_sigmoid": nn.LogSigmoid,
    "selu": nn.SELU,
    "softsign": nn.Softsign,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "sin": _Sine,
    "cos": _Cosine,
    "exp": _Exponential,
    "abs": _Absolute,
    "square": _Square,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "celu": nn.CELU,
    "leaky_relu": nn.LeakyReLU,
    "hardtanh": nn.Hardtanh,
    "softmax": nn.Softmax,
    "log_softmax": nn.LogSoftmax,
}
_CONVOLUTIONS: Mapping[str, type[Any]] = {"conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv3d": nn.Conv3d}


def plain_module(steps: Sequence[Step]) -> nn.Sequential:
    """F = σ_L ∘ W_L ∘ … ∘ σ₁ ∘ W₁ as ``nn.Sequential``, weights in their own dtype.

    Raises
    ------
    UsageError
        For a step without a counterpart; the message names it.
    """
    return nn.Sequential(*(_module(step) for step in steps))


def _module(step: Step) -> nn.Module:
    if isinstance(step, Activation):
        if step.kind == "elu":
            alpha, scale, input_scale = (float(step.attributes.get(k, 1)) for k in ("alpha", "scale", "input_scale"))
            if scale == input_scale == 1:
                return nn.ELU(alpha)
        if step.kind in _MODULES:
            wanted = {k: v for k, v in step.attributes.items() if k not in ("dtype",)}
            return _MODULES[step.kind](**wanted)
    elif isinstance(step, Layer):
        return _layer(step)
    elif step.kind == "flatten":
        return nn.Flatten()
    raise UsageError(f"'{step.kind}' has no TorchScript counterpart here; save the model as TorchScript yourself")


def _layer(step: Layer) -> nn.Module:
    weight, bias = step.weight, step.bias
    made: Any
    if step.kind == "linear":
        made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    else:
        pairs = step.attributes["padding"]
        if any(before != after for before, after in pairs):
            raise UsageError(f"'{step.path}' pads its two sides differently; save the model as TorchScript yourself")
        made = _CONVOLUTIONS[step.kind](
            weight.shape[1] * step.attributes["groups"],
            weight.shape[0],
            tuple(weight.shape[2:]),
            stride=step.attributes["stride"],
            padding=tuple(before for before, _ in pairs),
            dilation=step.attributes["dilation"],
            groups=step.attributes["groups"],
            bias=bias is not None,
        )
    made.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone())
    return made  # type: ignore[no-any-return]
