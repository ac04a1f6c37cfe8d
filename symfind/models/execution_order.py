"""Layers in the order in which a computation graph applies them.

The order in which a module declares its parameters says nothing about the order in which they act. TorchScript
and torch.export graphs are both read into :class:`Operation`, and :func:`execution_order` walks those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from symfind.models.network import Activation, FirstLayer, Layer, Rearrangement, Step


@dataclass(frozen=True)
class Value:
    """A result inside a graph, by name."""

    name: str


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor of the file, by its path among the parameters (None for a constant of the graph)."""

    path: str | None
    tensor: Tensor
    transposed: bool = False


@dataclass(frozen=True, eq=False)
class Operation:
    """One node: ``results = name(*arguments)``; an argument is a Value, a Stored tensor, a list or a constant."""

    name: str
    arguments: tuple[Any, ...]
    results: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ExecutionOrder:
    """What :func:`execution_order` finds; the fields are those of :class:`symfind.models.network.Network`."""

    steps: tuple[Step, ...]
    sequential: bool
    first_layer: FirstLayer | None
    blocked: str = ""


# Activations by torch's name, with the names and defaults of what follows x in the operator's arguments.
ACTIVATIONS: Mapping[str, Mapping[str, Any]] = {
    "relu": {},
    "relu6": {},
    "silu": {},
    "mish": {},
    "tanh": {},
    "sigmoid": {},
    "log_sigmoid": {},
    "selu": {},
    "hardswish": {},
    "hardsigmoid": {},
    "sin": {},
    "cos": {},
    "exp": {},
    "abs": {},
    "square": {},
    "gelu": {"approximate": "none"},
    "softsign": {},
    "softplus": {"beta": 1, "threshold": 20},
    "elu": {"alpha": 1, "scale": 1, "input_scale": 1},
    "celu": {"alpha": 1},
    "leaky_relu": {"negative_slope": 0.01},
    "hardtanh": {"min_val": -1, "max_val": 1},
    "softmax": {"dim": -1},
    "log_softmax": {"dim": -1},
}
_CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "_convolution_mode", "_convolution", "convolution"}
# What changes nothing in eval mode.
_IDENTITIES = {"dropout", "dropout1d", "feature_dropout", "alpha_dropout", "contiguous", "clone", "alias"}
_SIZES = {"size", "sym_size", "dim"}
# Scalar arithmetic before the first layer keeps the width of a row.
_ARITHMETIC = {"add", "sub", "mul", "div", "neg", "pow"}


def execution_order(operations: Iterable[Operation], x: str, y: str) -> ExecutionOrder:
    """Return W₁, σ₁, W₂, … in the order of a graph from the value named ``x`` to the one named ``y``.

    A layer that acts twice appears twice; layers inside branches and loops appear in the order of the text. The
    graph is ``sequential`` if each step takes the result of the one before and nothing else touches x.
    """
    walk = _Walk(x)
    for operation in operations:
        walk.take(operation)
    sequential = walk.sequential and walk.current == y
    blocked = "" if sequential else walk.blocked or "an output that is not the last result"
    return ExecutionOrder(tuple(walk.steps), sequential, walk.first_layer, blocked)


class _Walk:
    """One pass over a graph, keeping what depends on x, what depends on its shape only, and what does not."""

    def __init__(self, x: str) -> None:
        self.current = x
        self.steps: list[Step] = []
        self.sequential = True
        self.blocked = ""  # the first operation that makes it more than a chain
        self.first_layer: FirstLayer | None = None
        self._axis: int | str | None = -1  # of x that the next layer sees: the last, None if flattened
        self._data = {x}
        self._shapes: set[str] = set()
        self._stored: dict[str, Stored] = {}

    def take(self, operation: Operation) -> None:
        arguments = tuple(self._known(argument) for argument in operation.arguments)
        values = list(_values(arguments))
        data = [value.name for value in values if value.name in self._data]
        if not data:
            self._take_constant(operation, arguments, values)
            return
        if operation.name in _SIZES:
            self._shapes.update(operation.results)
            return
        chained = data == [self.current]
        before = self.sequential
        step = _step(operation.name, arguments)
        if step is None:
            known = operation.name in _IDENTITIES
            self.sequential &= chained and known
            if not known and not (operation.name in _ARITHMETIC and _only_numbers_beside(arguments)):
                self._axis = "unknown"
        else:
            self.sequential &= chained
            self._see(step, chained)
            self.steps.append(step)
        if before and not self.sequential:
            self.blocked = operation.name if chained else f"{operation.name} of several results, a skip"
        self._data.update(operation.results)
        self.current = operation.results[0] if operation.results else self.current

    def _take_constant(self, operation: Operation, arguments: tuple[Any, ...], values: list[Value]) -> None:
        if any(value.name in self._shapes for value in values):
            self._shapes.update(operation.results)
        elif operation.name in ("t", "numpy_T") and isinstance(arguments[0], Stored):
            stored = arguments[0]
            if stored.tensor.ndim == 2:
                turned = Stored(stored.path, stored.tensor.t(), not stored.transposed)
                self._stored[operation.results[0]] = turned

    def _known(self, argument: Any) -> Any:
        if isinstance(argument, Value) and argument.name in self._stored:
            return self._stored[argument.name]
        return argument

    def _see(self, step: Step, chained: bool) -> None:
        """Note what the first layer asks of x, as long as the axes of x can be followed."""
        if not chained:
            self._axis = "unknown"
        if any(isinstance(earlier, Layer) for earlier in self.steps) or isinstance(self._axis, str):
            return
        if isinstance(step, Layer):
            if step.kind == "linear":
                parts = any("width" in earlier.attributes for earlier in self.steps if not isinstance(earlier, Layer))
                self.first_layer = FirstLayer(step.path, self._axis, step.weight.shape[1], parts)
            elif self._axis == -1:
                axis = 1 - step.weight.ndim  # channels stand before the spatial axes
                self.first_layer = FirstLayer(step.path, axis, step.weight.shape[1] * int(step.attributes["groups"]))
        elif isinstance(step, Rearrangement):
            self._axis = None


def _values(argument: Any) -> Iterator[Value]:
    if isinstance(argument, Value):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for entry in argument:
            yield from _values(entry)


def _only_numbers_beside(arguments: tuple[Any, ...]) -> bool:
    return all(isinstance(argument, (Value, int, float)) for argument in arguments)


def _step(name: str, arguments: tuple[Any, ...]) -> Step | None:
    """Return the step that an operation with data among its arguments is, None if it is no known one."""
    if name == "linear":
        return _linear(arguments[1], arguments[2] if len(arguments) > 2 else None)
    if name in ("matmul", "mm") and isinstance(arguments[0], Value):
        return _linear(_turned(arguments[1]), None)
    if name == "addmm" and isinstance(arguments[1], Value) and arguments[3:] in ((), (1, 1)):
        return _linear(_turned(arguments[2]), arguments[0])
    if name in _CONVOLUTIONS:
        return _convolution(name, arguments)
    if name in ACTIVATIONS:
        defaults = ACTIVATIONS[name]
        given = dict(zip(defaults, arguments[1:], strict=False))
        if any(isinstance(value, (Value, Stored)) for value in given.values()):
            return None
        return Activation(name, {**defaults, **given})
    if name == "flatten" and arguments[1:] == (1, -1):
        return Rearrangement("flatten")
    if name in ("view", "reshape") and _flattens(arguments[1]):
        width = arguments[1][1]
        # view(-1, 3) of nine numbers makes three rows of one: only the width tells.
        return Rearrangement("flatten", {} if width == -1 or isinstance(width, Value) else {"width": width})
    return None


def _turned(weight: Any) -> Any:
    if isinstance(weight, Stored) and weight.tensor.ndim == 2:
        return Stored(weight.path, weight.tensor.t(), not weight.transposed)
    return None


def _flattens(shape: Any) -> bool:
    """True for (n, -1) and (-1, width): all but the batch axis in one."""
    if not isinstance(shape, (list, tuple)) or len(shape) != 2:
        return False
    return shape[1] == -1 or (shape[0] == -1 and isinstance(shape[1], int))


def _linear(weight: Any, bias: Any) -> Layer | None:
    if not isinstance(weight, Stored) or weight.tensor.ndim != 2 or isinstance(bias, Value):
        return None
    attributes: dict[str, Any] = {"bias_path": bias.path if isinstance(bias, Stored) else None}
    if weight.transposed:
        attributes["transposed"] = True
    return Layer(
        "linear",
        weight.path,
        weight.tensor.detach(),
        bias.tensor.detach() if isinstance(bias, Stored) else None,
        attributes,
    )


def _convolution(name: str, arguments: tuple[Any, ...]) -> Layer | None:
    weight, bias = arguments[1], arguments[2] if len(arguments) > 2 else None
    if not isinstance(weight, Stored) or isinstance(bias, Value):
        return None
    rest = list(arguments[3:])
    if name in ("_convolution", "convolution"):
        transposed, output_padding, groups = rest[3], rest[4], rest[5]
        if transposed or any(output_padding):
            return None
        rest = [*rest[:3], groups]
    rest += [1, 0, 1, 1][len(rest) :]
    dims = weight.tensor.ndim - 2
    dilation = _per_axis(rest[2], dims)
    return Layer(
        f"conv{dims}d",
        weight.path,
        weight.tensor.detach(),
        bias.tensor.detach() if isinstance(bias, Stored) else None,
        {
            "bias_path": bias.path if isinstance(bias, Stored) else None,
            "stride": _per_axis(rest[0], dims),
            "padding": padding_pairs(rest[1], tuple(weight.tensor.shape[2:]), dilation),
            "dilation": dilation,
            "groups": int(rest[3]),
        },
    )


def _per_axis(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * dims
    return tuple(value) * dims if len(value) == 1 else tuple(value)


def padding_pairs(
    padding: str | int | Sequence[int], kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Return the zeros before and after each axis; ``same`` keeps the size at stride 1, the odd zero at the end."""
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    assert not isinstance(padding, str)
    return tuple((p, p) for p in _per_axis(padding, len(kernel)))
