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
    def __init__(self, width: int = 0) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        if self.width > 0:
            return x.reshape(-1, self.width)
        return x[:, None] if x.dim() == 1 else x.flatten(1)


class InBatches(nn.Module):
    """F(x) in calls of exactly ``size`` rows, the last one filled up: a module of fixed batch for any number of rows.

    Parameters
    ----------
    model
        F, rows independent.
    size
        Rows of one call.
    """

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model = model
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """``(n, …)`` → ``(n, …)``."""
        n = x.shape[0]
        missing = (self.size - n % self.size) % self.size if n > 0 else self.size
        if missing > 0:
            last = x[-1:] if n > 0 else torch.zeros([1] + list(x.shape)[1:], dtype=x.dtype, device=x.device)
            x = torch.cat([x, last.expand([missing] + list(x.shape)[1:])])
        parts = [self.model(part) for part in torch.split(x, self.size)]
        return torch.cat(parts)[:n]


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


def types_of(module: nn.Module) -> list[torch.dtype]:
    """The types of its tensors, in the order in which a module walks through them."""
    found: list[torch.dtype] = []

    def note(t: Tensor) -> Tensor:
        found.append(t.dtype)
        return t

    module._apply(note)  # type: ignore[no-untyped-call]
    return found


def with_types(module: nn.Module, types: Sequence[torch.dtype]) -> nn.Module:
    """The module with its tensors in ``types`` again: some files hold numbers of two precisions."""
    left = iter(types)
    made: nn.Module = module._apply(lambda t: t.to(next(left)))  # type: ignore[no-untyped-call]
    return made


def converted(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The module with its real numbers in ``dtype`` and its complex ones in the complex type of that precision.

    ``module.to(dtype)`` would drop the imaginary parts.
    """
    twin = {torch.float64: torch.complex128, torch.float32: torch.complex64}.get(dtype)

    def cast(t: Tensor) -> Tensor:
        if t.is_complex():
            return t if twin is None else t.to(twin)
        return t.to(dtype) if t.is_floating_point() else t

    made: nn.Module = module._apply(cast)  # type: ignore[no-untyped-call]
    return made


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
        return _Rows(step.attributes.get("width", 0))
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
