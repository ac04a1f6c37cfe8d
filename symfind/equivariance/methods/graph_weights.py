"""Weights of one operation, made to commute: W to Hom(ρ_in, ρ_out), all others to what the group leaves alone.

A weight that is added, multiplied or normalised by is invariant under the action on its own axes, that is an element of
Hom(1, ρ). That the operation then commutes is tried on numbers by who calls this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from symfind.equivariance.methods.graph_actions import Actions
from symfind.equivariance.methods.graph_rows import Layout, TracedGraph, operation_of
from symfind.equivariance.methods.hidden import hidden_candidates
from symfind.lie.groups.intertwiners import HomSpace, intertwiners, invariants
from symfind.lie.groups.representations import Representation, trivial

_F64 = torch.float64
# A later choice has to move the weights by plainly less than an earlier, more usual one.
_PLAINLY = 0.9
# Rounding of a projection to zero.
_GONE = 1e-12
# A tenth moves ones and zeros by far more than rounding, and keeps variances positive.
_NEAR = 0.1
# Actions on the axes of the weights of one operation that are tried.
_MOST_WAYS = 64


@dataclass(frozen=True, eq=False)
class Tied:
    """One weight before and after.

    Attributes
    ----------
    path
        Its name in the file.
    before, after
        In float64.
    space
        What it lies in: Hom(ρ_in, ρ_out) of the matrix that it is read as.
    """

    path: str
    before: Tensor
    after: Tensor
    space: HomSpace

    @property
    def moved(self) -> float:
        """‖W̄ − W‖ / ‖W‖."""
        size = float(self.before.norm())
        return float((self.after - self.before).norm()) / size if size else 0.0


@dataclass(frozen=True, eq=False)
class Weighted:
    """A choice for the weights of one operation.

    Attributes
    ----------
    tied
        Those that are bound to a space; the others stay as they are.
    result
        The representation of the result, where the weights decide it.
    name
        How it was chosen.
    learned
        Representations that axes of the network carry from here on.
    """

    tied: tuple[Tied, ...]
    result: Representation | None
    name: str
    learned: tuple[Representation, ...] = field(default=())

    @property
    def moved(self) -> float:
        """Of all weights together."""
        gap = sum(float((t.after - t.before).square().sum()) for t in self.tied)
        size = sum(float(t.before.square().sum()) for t in self.tied)
        return (gap / size) ** 0.5 if size else 0.0

    @property
    def vanished(self) -> str:
        """The first weight, if nothing of it is left; empty else."""
        first = next(iter(self.tied), None)
        gone = first is not None and float(first.after.norm()) <= _GONE * float(first.before.norm())
        return first.path if gone and first is not None else ""


def tied(path: str, weight: Tensor, source: Representation, target: Representation) -> Tied:
    """W read as a matrix ``(dim target, dim source)``, projected."""
    space = intertwiners(source, target)
    after = space.project(weight.reshape(target.dim, source.dim)).reshape(weight.shape)
    return Tied(path, weight, after, space)


def still(path: str, weight: Tensor, rep: Representation) -> Tied:
    """A weight projected to the invariants of an action on its own axes."""
    space = invariants(rep)
    return Tied(path, weight, space.project(weight.reshape(-1, 1)).reshape(weight.shape), space)


_LINEAR = {"linear": (1, 2, False), "matmul": (1, None, True), "mm": (1, None, True), "addmm": (2, 0, True)}
_GATES = {"gru": 3, "lstm": 4, "rnn_tanh": 1, "rnn_relu": 1}
_CONVOLUTIONS = {"conv1d": False, "conv2d": False, "conv3d": False, "conv_transpose1d": True, "conv_transpose2d": True,
                 "conv_transpose3d": True}  # fmt: skip


class Weights:
    """The choices for the weights of every operation of one graph.

    Parameters
    ----------
    graph
        With its rows.
    actions
        Of the group.
    hidden
        Representations that a user gave for hidden layers, each for layers of its dimension.
    """

    def __init__(self, graph: TracedGraph, actions: Actions, hidden: Sequence[Representation]) -> None:
        self.graph, self.actions, self.hidden = graph, actions, hidden
        self.rng = torch.Generator().manual_seed(1)

    def choices(
        self, node: fx.Node, names: Sequence[str], inputs: Mapping[str, Representation], end: Representation | None
    ) -> Iterator[Weighted]:
        """What the weights ``names`` of an operation may become, the least moved first.

        Parameters
        ----------
        node
            The operation.
        names
            Its weights.
        inputs
            Representations of the other arguments by name.
        end
            ρ_out, if the result has as many numbers.
        """
        operation = operation_of(node)
        first = next(iter(inputs), None)
        made: list[Weighted] = []
        if len(inputs) == 1 and first is not None:
            rep, layout = inputs[first], self.graph.layouts[first]
            if operation in _LINEAR and self._is_direct(node, _LINEAR[operation][0], names):
                made = list(self._linear(node, rep, layout, end))
            elif operation in _CONVOLUTIONS and self._is_direct(node, 1, names):
                made = list(self._convolution(node, rep, layout))
            elif operation in _GATES:
                made = list(self._recurrent(node, rep, layout))
        if made:
            order = sorted(range(len(made)), key=lambda i: made[i].moved / _PLAINLY**i)
            yield from (made[i] for i in order)
        else:
            yield from self._on_their_axes(names, inputs)

    def disturbed(self, names: Sequence[str], bound: Mapping[str, Tied]) -> dict[str, Tensor]:
        """Weights near those that are kept, each anywhere in its space: what commutes with them goes on in training.

        Ones and zeros, as normalisations have them at first, commute with more than what they become.
        """
        out: dict[str, Tensor] = {}
        for name in names:
            tie, kept = bound.get(name), self.graph.parameters[name]
            near = (kept if tie is None else tie.after) + _NEAR * torch.rand(kept.shape, dtype=_F64, generator=self.rng)
            if tie is not None:
                matrix = near.reshape(tie.space.target.dim, tie.space.source.dim)
                near = tie.space.project(matrix).reshape(kept.shape)
            out[name] = near
        return out

    def _is_direct(self, node: fx.Node, place: int, names: Sequence[str]) -> bool:
        args = node.args
        return len(args) > place and isinstance(args[place], fx.Node) and str(args[place].target) in names  # type: ignore[union-attr]

    def _stored(self, node: fx.Node, place: int | None) -> tuple[str, Tensor] | None:
        if place is None or len(node.args) <= place or not isinstance(node.args[place], fx.Node):
            return None
        name = str(node.args[place].target)  # type: ignore[union-attr]
        found = self.graph.parameters.get(name)
        return (name, found) if isinstance(found, Tensor) else None

    def _linear(
        self, node: fx.Node, rep: Representation, layout: Layout, end: Representation | None
    ) -> Iterator[Weighted]:
        weight_place, bias_place, transposed = _LINEAR[operation_of(node)]
        weight, bias = self._stored(node, weight_place), self._stored(node, bias_place)
        if weight is None or weight[1].ndim != 2:
            return
        matrix = weight[1].mT if transposed else weight[1]
        if not layout.sizes or layout.sizes[-1] != matrix.shape[1]:
            return
        parts = self.actions.shared(rep, layout.sizes[:-1], layout.sizes[-1:])
        if parts is None:
            return
        lead, source = parts
        targets = self._targets(matrix, None if bias is None else bias[1], source)
        if end is not None and end.dim == lead.dim * len(matrix):
            if lead.is_trivial and lead.dim == 1:
                targets.insert(0, ("output", end))
            else:
                shared = self.actions.shared(end, layout.sizes[:-1], (len(matrix),))
                if shared is not None and self.actions.same(shared[0], lead):
                    targets.insert(0, ("output", shared[1]))
        for name, target in targets:
            if transposed:
                bound = [tied(weight[0], weight[1], target.dual, source.dual)]
            else:
                bound = [tied(weight[0], weight[1], source, target)]
            if bias is not None and bias[1].numel() == target.dim:
                bound.append(still(bias[0], bias[1], target))
            yield Weighted(_bound(bound), lead * target, f"{target} ({name})", (target,))

    def _targets(self, matrix: Tensor, bias: Tensor | None, source: Representation) -> list[tuple[str, Representation]]:
        given = [("given", rep) for rep in self.hidden if rep.dim == len(matrix)]
        return given or list(hidden_candidates(self.actions.group, len(matrix), matrix, bias, source))

    def _convolution(self, node: fx.Node, rep: Representation, layout: Layout) -> Iterator[Weighted]:
        weight, bias = self._stored(node, 1), self._stored(node, 2)
        value = self.graph.layouts.get(node.name)
        if weight is None or value is None or len(layout.sizes) != weight[1].ndim - 1:
            return
        parts = self.actions.shared(rep, layout.sizes[:1], layout.sizes[1:])
        if parts is None:
            return
        up, group = _CONVOLUTIONS[operation_of(node)], self.actions.group
        channels, spatial = parts
        grouped = (value.sizes[0] if up else layout.sizes[0]) != weight[1].shape[1]
        if grouped and not channels.is_trivial:
            return
        first = trivial(group, weight[1].shape[0 if up else 1]) if grouped else channels
        for kernel in self.actions.kernel(weight[1].shape[2:]):
            if spatial.is_trivial and not kernel.is_trivial:
                continue
            shift = None if bias is None else bias[1]
            for name, target in self._channels(weight[1], shift, (first, kernel), up, grouped):
                if up:
                    bound = [tied(*weight, (target * kernel).dual, first.dual)]
                else:
                    bound = [tied(*weight, first * kernel, target)]
                out = trivial(group, value.sizes[0]) if grouped else target
                bound += [] if bias is None else [still(*bias, out)]
                for grid in self._grids(value.sizes[1:], spatial):
                    yield Weighted(_bound(bound), out * grid, f"{out} ({name})", (out, grid))

    def _channels(
        self, weight: Tensor, bias: Tensor | None, patch: tuple[Representation, Representation], up: bool, grouped: bool
    ) -> list[tuple[str, Representation]]:
        """Candidates for the channels after a convolution from channels ⊗ kernel."""
        first, kernel = patch
        usual = ("invariant units", trivial(self.actions.group, weight.shape[1 if up else 0]))
        if grouped or (up and first.is_trivial):
            return [usual]
        if up:
            return [usual, *(("as before", rep) for rep in self.actions.on_axis(weight.shape[1]))]
        return self._targets(weight.flatten(1), bias, first * kernel)

    def _grids(self, sizes: Sequence[int], before: Representation) -> Iterator[Representation]:
        """What the grid after a convolution may carry."""
        if before.is_trivial:
            yield trivial(self.actions.group, prod(sizes))
            return
        for rep in self.actions.on_axes(sizes):
            if not rep.is_trivial or prod(sizes) == 1:
                yield rep

    def _on_their_axes(self, names: Sequence[str], inputs: Mapping[str, Representation]) -> Iterator[Weighted]:
        """Every weight under an action on its axes, the same for weights of one shape; the identity first."""
        yield Weighted((), None, "as it is")
        if all(rep.is_trivial for rep in inputs.values()):
            return
        shapes = list(dict.fromkeys(tuple(self.graph.parameters[name].shape) for name in names))
        pools = [list(self.actions.on_axes(shape)) for shape in shapes]
        made = []
        for tried, reps in enumerate(product(*pools)):
            if tried > _MOST_WAYS:
                break
            if all(rep.is_trivial for rep in reps):
                continue
            by_shape = dict(zip(shapes, reps, strict=True))
            weights = [(name, self.graph.parameters[name]) for name in names]
            if any(not bool(w.isfinite().all()) for _, w in weights):
                continue
            bound = [still(name, w, by_shape[tuple(w.shape)]) for name, w in weights]
            label = ", ".join(str(rep) for rep in reps)
            made.append(Weighted(_bound(bound), None, f"{label} (on its own axes)"))
        yield from sorted(made, key=lambda choice: choice.moved)

    def _recurrent(self, node: fx.Node, rep: Representation, layout: Layout) -> Iterator[Weighted]:
        """Gates stand one behind the other, and each acts on units alone: ρ_h of the units, gates ⊗ ρ_h of the rows."""
        gates = _GATES[operation_of(node)]
        stored: Any = node.args[2]
        arguments: Any = node.args
        biases, layers, both, first = arguments[3], arguments[4], arguments[7], arguments[8]
        parts = self.actions.shared(rep, layout.sizes[:-1], layout.sizes[-1:])
        weights = [(str(a.target), self.graph.parameters[str(a.target)]) for a in stored]
        if parts is None or not first or not weights:
            return
        units, ways = weights[0][1].shape[0] // gates, 2 if both else 1
        each = 4 if biases else 2
        if len(weights) != each * layers * ways or layout.sizes[-1] != weights[0][1].shape[1]:
            return  # projected states (proj_size) have one weight more
        for unit in self.actions.on_axis(units):
            self.actions.remember(ways * unit)
            bound: list[Tied] = []
            for i in range(layers * ways):
                source = parts[1] if i < ways else ways * unit
                of_x, of_h, *rest = weights[each * i : each * (i + 1)]
                bound += [tied(*of_x, source, gates * unit), tied(*of_h, unit, gates * unit)]
                bound += [still(*bias, gates * unit) for bias in rest]
            yield Weighted(_bound(bound), None, f"{unit} (units of '{operation_of(node)}')", (ways * unit,))


def _bound(weights: Sequence[Tied]) -> tuple[Tied, ...]:
    """Without those that lie in a space of everything: they stay free."""
    return tuple(t for t in weights if t.space.dim < t.before.numel())
