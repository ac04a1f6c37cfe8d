"""Where the rows are in every tensor of an exported graph: found by running it, not by knowing its operations.

Axis letters: n rows, D numbers of a row.
"""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from symfind.errors import UsageError
from symfind.models.modules import converted
from symfind.models.torchscript import one_line

_F64 = torch.float64
# Assertions about sizes and types are no part of the function.
_CHECKS = ("_assert", "sym_constrain", "_guards")

Values = dict[str, Any]


def operation_of(node: fx.Node) -> str:
    """The operation of a node by torch's name: ``linear``, ``layer_norm``, ``getitem``."""
    schema = getattr(node.target, "_schema", None)
    name = schema.name.rpartition("::")[2] if schema else str(getattr(node.target, "__name__", node.target))
    return str(name).removesuffix("_") if schema else str(name)


@dataclass(frozen=True)
class Layout:
    """How the rows lie in a tensor.

    Attributes
    ----------
    axis
        That holds the rows.
    outer, inner
        Its size is outer · n · inner: a view may have merged the rows with what is before or behind them.
    sizes
        Of the other axes of one row, in order; those merged with the rows among them.
    """

    axis: int
    outer: int
    inner: int
    sizes: tuple[int, ...]

    def rows(self, t: Tensor) -> Tensor:
        """``(n, D)``."""
        before, after = t.shape[: self.axis], t.shape[self.axis + 1 :]
        n = t.shape[self.axis] // (self.outer * self.inner)
        split = t.reshape(*before, self.outer, n, self.inner, *after)
        return split.movedim(len(before) + 1, 0).reshape(n, -1)

    def tensor(self, rows: Tensor, like: tuple[int, ...]) -> Tensor:
        """The tensor with these rows, of the shape ``like`` but for their number."""
        before, after = like[: self.axis], like[self.axis + 1 :]
        n = len(rows)
        split = rows.reshape(n, *before, self.outer, self.inner, *after).movedim(0, len(before) + 1)
        return split.reshape(*before, self.outer * n * self.inner, *after)


class TracedGraph:
    """The graph of an exported program in float64, and where its rows are.

    Parameters
    ----------
    module
        Of an exported program, one input and one output; left as it is.
    x
        Rows ``(n, *fed_shape)``, n ≥ 4, in float64.

    Raises
    ------
    UsageError
        An operation that cannot be evaluated in float64, by name.
    """

    def __init__(self, module: fx.GraphModule, x: Tensor) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own copying of its trees warns of torch
            self.module = converted(copy.deepcopy(module), _F64)
        self.nodes = [
            n for n in module.graph.nodes if not (n.op == "call_module" or operation_of(n).startswith(_CHECKS))
        ]
        self.count = len(x)
        self.parameters = {str(n.target): self._stored(str(n.target)) for n in self.nodes if n.op == "get_attr"}
        self.data = self._dependent()
        self.values = self._run(x)
        moved = x.clone()
        moved[1] = torch.randn(moved[1].shape, dtype=_F64, generator=torch.Generator().manual_seed(0))
        other, fewer = self._run(moved), self._run(x[:-1])
        self.layouts: dict[str, Layout] = {}
        for node in self.nodes:
            value = self.values.get(node.name)
            if node.name in self.data and isinstance(value, Tensor):
                self.layouts[node.name] = self._layout(node, value, other[node.name], fewer[node.name].shape)

    def _stored(self, target: str) -> Any:
        found: Any = self.module
        for name in target.split("."):
            found = getattr(found, name)
        return found.detach() if isinstance(found, Tensor) else found

    def _dependent(self) -> set[str]:
        """Nodes whose values depend on x by more than its sizes."""
        data: set[str] = set()
        for node in self.nodes:
            sized = operation_of(node) in ("sym_size", "size", "dim") if node.op == "call_function" else False
            if node.op == "placeholder" or (not sized and any(a.name in data for a in node.all_input_nodes)):
                data.add(node.name)
        return data

    def _run(self, x: Tensor, weights: Mapping[str, Tensor] | None = None) -> Values:
        values: Values = {}
        for node in self.nodes:
            if node.op == "placeholder":
                values[node.name] = x
            elif node.op != "output":
                values[node.name] = self.evaluated(node, values, weights or {})
        return values

    def output(self) -> fx.Node:
        """The node of the one result.

        Raises
        ------
        UsageError
            There are several, or none that depends on x.
        """
        last: Any = self.nodes[-1].args[0]
        while isinstance(last, list | tuple) and len(last) == 1:
            last = last[0]
        if not isinstance(last, fx.Node) or last.name not in self.data:
            raise UsageError("the exported graph gives no single result that depends on x, so it is not projected")
        return last

    def function(self, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """The graph with other weights, in float64."""
        out: Tensor = self._run(x.to(_F64), weights)[self.output().name]
        return out

    def evaluated(self, node: fx.Node, values: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Any:
        """The value of one node, weights replaced by ``weights`` where they are named there.

        Raises
        ------
        UsageError
            The operation fails; the message names it.
        """
        if node.op == "get_attr":
            return weights.get(str(node.target), self.parameters[str(node.target)])
        target: Any = node.target
        if target is torch.ops.aten.view.default:  # the rows that are tried lie in memory in another order
            target = torch.ops.aten.reshape.default

        mutable = bool(getattr(getattr(target, "_schema", None), "is_mutable", False))

        def argument(a: Any) -> Any:
            if isinstance(a, fx.Node):
                if a.name in values:
                    found = values[a.name]
                elif a.name in self.data or a.op == "get_attr" or any(True for _ in self.constants(a)):
                    found = self.evaluated(a, values, weights)
                else:
                    found = self.values[a.name]
                return found.clone() if mutable and isinstance(found, Tensor) else found
            if isinstance(a, list | tuple):
                return type(a)(argument(b) for b in a)
            return _F64 if a in (torch.float32, torch.float16, torch.bfloat16) else a

        try:
            with torch.no_grad():
                return target(*(argument(a) for a in node.args), **{k: argument(v) for k, v in node.kwargs.items()})
        except Exception as error:  # whatever torch raises in an operation of its own
            raise UsageError(
                f"'{operation_of(node)}' of the exported graph cannot be evaluated apart ({one_line(error)}), so it is "
                "not projected; use --method average or frames"
            ) from None

    def constants(self, node: fx.Node) -> Iterator[str]:
        """Weights that a node takes, directly or through operations on weights alone."""
        for a in node.all_input_nodes:
            if a.op == "get_attr":
                stored = self.parameters[str(a.target)]
                if isinstance(stored, Tensor) and stored.is_floating_point() and stored.numel():
                    yield str(a.target)
            elif a.name not in self.data and a.op == "call_function":
                yield from self.constants(a)

    def _layout(self, node: fx.Node, value: Tensor, moved: Tensor, fewer: torch.Size) -> Layout:
        n = self.count
        axes = [i for i, (a, b) in enumerate(zip(value.shape, fewer, strict=True)) if a != b]
        if len(axes) != 1 or value.shape[axes[0]] % n:
            raise UsageError(
                f"'{operation_of(node)}' of the exported graph mixes rows or drops some, so it is not projected; use "
                "--method average or frames"
            )
        axis, times = axes[0], value.shape[axes[0]] // n
        before, after = tuple(value.shape[:axis]), tuple(value.shape[axis + 1 :])
        changed = (value != moved) & ~(value.isnan() & moved.isnan())
        for outer in (1, *(k for k in range(2, times + 1) if times % k == 0)):
            inner = times // outer
            sizes = (*before, *(() if outer == 1 else (outer,)), *(() if inner == 1 else (inner,)), *after)
            layout = Layout(axis, outer, inner, sizes)
            where = layout.rows(changed)
            if not bool(where[0].any()) and not bool(where[2:].any()):
                return layout
        raise UsageError(
            f"in '{operation_of(node)}' of the exported graph rows depend on one another, so it is not projected"
        )


def width(layout: Layout) -> int:
    """D."""
    return prod(layout.sizes)


def taken(node: fx.Node) -> int | None:
    """Which of several results a node takes; None if it is no such node."""
    return int(node.args[1]) if node.target is operator.getitem else None  # type: ignore[arg-type]
