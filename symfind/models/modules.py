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


class _ScaledELU(nn.Module):
    def __init__(self, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> None:
        super().__init__()
        self.alpha, self.scale, self.input_scale = float(alpha), float(scale), float(input_scale)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.ops.aten.elu(x, self.alpha, self.scale, self.input_scale)
        return y


class _Rows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, None] if x.dim() == 1 else x.flatten(1)


class _Permuted(nn.Module):
    def __init__(self, axes: Sequence[int]) -> None:
        super().__init__()
        self.axes = [0, *(axis + 1 for axis in axes)]

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.axes)


# σ by the names and attributes of symfind.models.execution_order.ACTIVATIONS.
MODULES: Mapping[str, Callable[..., nn.Module]] = {
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
    "elu": _ScaledELU,
    "celu": nn.CELU,
    "leaky_relu": nn.LeakyReLU,
    "hardtanh": nn.Hardtanh,
    "softmax": nn.Softmax,
    "log_softmax": nn.LogSoftmax,
}
CONVOLUTIONS: Mapping[str, type[Any]] = {"conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv3d": nn.Conv3d}
_PADS: Mapping[int, type[Any]] = {1: nn.ConstantPad1d, 2: nn.ConstantPad2d, 3: nn.ConstantPad3d}


def plain_module(steps: Sequence[Step]) -> nn.Sequential:
    """F = σ_L ∘ W_L ∘ … ∘ σ₁ ∘ W₁ as ``nn.Sequential``, rows independent, weights in their own dtype.

    Raises
    ------
    UsageError
        For a step without a counterpart; the message names it.
    """
    return nn.Sequential(*(_module(step) for step in steps))


def _module(step: Step) -> nn.Module:
    if isinstance(step, Layer):
        return _layer(step)
    if isinstance(step, Activation) and step.kind in MODULES:
        return MODULES[step.kind](**{k: v for k, v in step.attributes.items() if k != "dtype"})
    if step.kind == "flatten":
        return _Rows()
    if step.kind == "permute":
        return _Permuted(step.attributes["axes"])
    raise UsageError(f"'{step.kind}' has no TorchScript counterpart here; save the model as TorchScript yourself")


def _layer(step: Layer) -> nn.Module:
    weight, bias = step.weight, step.bias
    made: Any
    around: nn.Module | None = None
    if step.kind == "linear":
        made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    else:
        pairs = step.attributes["padding"]
        even = all(before == after for before, after in pairs)
        if not even:
            around = _PADS[len(pairs)]([zeros for pair in reversed(pairs) for zeros in pair], 0.0)
        made = CONVOLUTIONS[step.kind](
            weight.shape[1] * step.attributes["groups"],
            weight.shape[0],
            tuple(weight.shape[2:]),
            stride=step.attributes["stride"],
            padding=tuple(before for before, _ in pairs) if even else 0,
            dilation=step.attributes["dilation"],
            groups=step.attributes["groups"],
            bias=bias is not None,
        )
    made.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone())
    return made if around is None else nn.Sequential(around, made)
