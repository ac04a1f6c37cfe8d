"""Projection of any exported graph: a representation for every result, and every weight to what commutes with it.

The graph is walked in its order. A result whose operation has no weights gets a representation that is tried on
numbers; weights are projected under the choices of :mod:`symfind.equivariance.methods.graph_weights`. Where an
operation commutes with none, the last choice before it is taken back, until the whole graph commutes from ρ_in to
ρ_out, or no choice is left; the operation that the walk never passed is then named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx

from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.methods.graph_actions import Acted, Actions, entries_kept
from symfind.equivariance.methods.graph_rows import TracedGraph, operation_of, taken, width
from symfind.equivariance.methods.graph_weights import Tied, Weighted, Weights
from symfind.errors import UsageError
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import Representation

_F64 = torch.float64

# Rows, each with its own element, on which an operation is tried; a coincidence in all of them is none.
_ROWS = 6
# Operations that are taken together at most.
_DEFERRED = 3
# Choices that are tried in all before the walk is given up: a graph of 60 operations passes in 200.
_MOST_CHOICES = 2000

Reps = Representation | tuple["Reps", ...] | None


@dataclass(frozen=True, eq=False)
class GraphProjection:
    """A projected graph.

    Attributes
    ----------
    ties
        The weights that are bound to a space, in execution order.
    hidden
        How the representation behind each weight was chosen, by its name.
    graph
        What was projected.
    """

    ties: tuple[Tied, ...]
    hidden: Mapping[str, str]
    graph: TracedGraph

    def function(self, x: Tensor) -> Tensor:
        """The graph with those weights, in float64: ``(n, *fed_shape)`` → ``(n, …)``."""
        return self.graph.function(x, self.weights)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The projected weights by name."""
        return {tie.path: tie.after for tie in self.ties}


@dataclass(frozen=True, eq=False)
class _Choice:
    """What a result is: rows under a representation, several of them, or not yet anything.

    A result without ``reps`` that is ``deferred`` is taken together with the next operation: the square of a vector
    commutes with nothing, the sum over it does.
    """

    reps: Reps = None
    tied: tuple[Tied, ...] = ()
    name: str = ""
    learned: tuple[Representation, ...] = field(default=())
    deferred: int = 0


def project_graph(
    module: fx.GraphModule, fed: Tensor, task: Equivariance, rep_hidden: str | None = None
) -> GraphProjection:
    """The projection of every weight of an exported graph.

    Parameters
    ----------
    module
        Of an exported program of one input and one output; left as it is.
    fed
        Rows ``(n, *fed_shape)`` as the network takes them; 12 or as many as the program was exported for.
    task
        Group and representations at both ends.
    rep_hidden
        Formulas separated by semicolons, each for the hidden layers of its dimension.

    Raises
    ------
    UsageError
        An operation that commutes with the group under no choice of hidden representations, by name.
    """
    if task.rep_in.dim != task.input_width or task.rep_out.dim != task.output_width:
        raise UsageError("affine groups act on (x, 1), which a graph does not hold; use --method average or frames")
    hidden = [parse_representation(task.group, text.strip()) for text in (rep_hidden or "").split(";") if text.strip()]
    return _Walk(module, fed, task, hidden).projection()


class _Walk:
    """One depth-first search over choices, node by node."""

    def __init__(
        self, module: fx.GraphModule, fed: Tensor, task: Equivariance, hidden: Sequence[Representation]
    ) -> None:
        self.graph = TracedGraph(module, fed.to(_F64))
        self.task = task
        self.actions = Actions(task, self.graph.count // 2)
        for rep in hidden:
            self.actions.remember(rep)
        self.weights = Weights(self.graph, self.actions, hidden)
        self.nodes = [n for n in self.graph.nodes if n.name in self.graph.data or n.op == "output"]
        self.chosen: dict[str, _Choice] = {}
        self.fresh: dict[str, Any] = {}
        self.vanished: dict[str, Weighted] = {}

    def projection(self) -> GraphProjection:
        """Search; after a failure the choice that is taken back is the last one that the failure depends on."""
        self.graph.output()
        place = {node.name: i for i, node in enumerate(self.nodes)}
        iterators = [self._choices(self.nodes[0])]
        blamed: list[set[int]] = [set()]
        deepest = 0
        for _ in range(_MOST_CHOICES):
            at = len(iterators) - 1
            node = self.nodes[at]
            choice = next(iterators[-1], None)
            if choice is None:
                deepest = max(deepest, at)
                reasons = blamed[at] | {place[name] for name in self._sources(node)}
                if not reasons:
                    break
                back = max(reasons)
                del iterators[back + 1 :], blamed[back + 1 :]
                blamed[back] |= reasons - {back}
                continue
            self.chosen[node.name] = choice
            for rep in choice.learned:
                self.actions.remember(rep)
            if at + 1 == len(self.nodes):
                return self._made()
            iterators.append(self._choices(self.nodes[at + 1]))
            blamed.append(set())
        raise self._blocked(self.nodes[deepest])

    def _sources(self, node: fx.Node) -> list[str]:
        """Nodes that a result depends on, through those that are deferred."""
        found: list[str] = []
        for a in node.all_input_nodes:
            if a.name in self.chosen:
                found.append(a.name)
                if self.chosen[a.name].deferred:
                    found += self._sources(a)
        return found

    def _made(self) -> GraphProjection:
        ties: dict[str, Tied] = {}
        hidden: dict[str, str] = {}
        for node in self.nodes:
            choice = self.chosen[node.name]
            for tie in choice.tied:
                ties.setdefault(tie.path, tie)
                hidden.setdefault(tie.path, choice.name)
        return GraphProjection(tuple(ties.values()), hidden, self.graph)

    def _choices(self, node: fx.Node) -> Iterator[_Choice]:
        if node.op == "placeholder":
            yield _Choice(self.task.rep_in)
        elif node.op == "output":
            yield from self._end(node)
        elif (index := taken(node)) is not None and isinstance(node.args[0], fx.Node):
            found = self.chosen[node.args[0].name].reps
            yield _Choice(found[index] if isinstance(found, tuple) else found)
        elif not isinstance(self.graph.values[node.name], Tensor | tuple | list):
            yield _Choice()
        else:
            yield from self._operation(node)

    def _end(self, node: fx.Node) -> Iterator[_Choice]:
        reps = self.chosen[self.graph.output().name].reps
        if isinstance(reps, Representation) and self.actions.same(self.task.rep_out, reps):
            yield _Choice(reps)

    def _operation(self, node: fx.Node) -> Iterator[_Choice]:
        inputs: dict[str, Representation] = {}
        for name in self._sources(node):
            reps = self.chosen[name].reps
            if isinstance(reps, Representation):
                inputs[name] = reps
        names = list(dict.fromkeys(self.graph.constants(node)))
        bound = {tie.path: tie for name in self.chosen_before(node) for tie in self.chosen[name].tied}
        if not names:
            found = False
            for choice in self._with(node, inputs, Weighted((), None, ""), {}):
                found = True
                yield choice
            behind = max(
                (self.chosen[a.name].deferred for a in node.all_input_nodes if a.name in self.chosen), default=0
            )
            if not found and behind < _DEFERRED and isinstance(self.graph.values[node.name], Tensor) and inputs:
                yield _Choice(deferred=behind + 1)
            return
        layout = self.graph.layouts.get(node.name)
        end = self.task.rep_out if layout is not None and width(layout) == self.task.rep_out.dim else None
        for weighted in self.weights.choices(node, names, inputs, end):
            if weighted.vanished:
                self.vanished[node.name] = weighted
                continue
            # A weight that acts twice has to be the same both times.
            tied = tuple(bound.get(t.path, t) for t in weighted.tied)
            values = self.weights.disturbed(names, {**bound, **{t.path: t for t in tied}})
            yield from self._with(node, inputs, replace(weighted, tied=tied), values)

    def chosen_before(self, node: fx.Node) -> Iterator[str]:
        """Names of the nodes before this one."""
        for other in self.nodes:
            if other is node:
                return
            yield other.name

    def _with(
        self, node: fx.Node, inputs: Mapping[str, Representation], weighted: Weighted, values: Mapping[str, Tensor]
    ) -> Iterator[_Choice]:
        result = self._tried(node, inputs, values)
        if result is None:
            return
        if isinstance(result, tuple | list):
            yield from self._several(node, result, inputs, weighted)
            return
        if not result.is_floating_point():
            return
        layout = self.graph.layouts[node.name]
        rows = layout.rows(result)
        if weighted.result is not None:
            if self.actions.obeys(weighted.result, rows):
                yield _Choice(weighted.result, weighted.tied, weighted.name, weighted.learned)
            return
        kept = self._kept(node, inputs) if not weighted.tied else None
        for rep in self.actions.of_result(rows, layout.sizes, self._acted(node, inputs), kept):
            yield _Choice(rep, weighted.tied, weighted.name, weighted.learned)

    def _several(
        self, node: fx.Node, result: Sequence[Any], inputs: Mapping[str, Representation], weighted: Weighted
    ) -> Iterator[_Choice]:
        """The first representation of each of several results that are used."""
        reps: list[Reps] = []
        used = {taken(user): user for user in node.users}
        for i, part in enumerate(result):
            if i not in used or not isinstance(part, Tensor) or not part.is_floating_point():
                reps.append(None)
                continue
            layout = self.graph.layouts[used[i].name]
            kept = self._kept(node, inputs, i)
            acted = self._acted(node, inputs)
            found = next(self.actions.of_result(layout.rows(part), layout.sizes, acted, kept), None)
            if found is None and used[i].users:
                return
            reps.append(found)
        yield _Choice(tuple(reps), weighted.tied, weighted.name, weighted.learned)

    def _acted(self, node: fx.Node, inputs: Mapping[str, Representation]) -> list[Acted]:
        """The inputs as often as they are taken, in order."""
        found: list[Acted] = []

        def see(a: fx.Node) -> fx.Node:
            if a.name in inputs:
                found.append(Acted(inputs[a.name], self.graph.layouts[a.name].sizes))
            return a

        fx.map_arg(node.args, see)
        return found

    def _kept(
        self, node: fx.Node, inputs: Mapping[str, Representation], part: int | None = None
    ) -> Representation | None:
        """The representation on the entries of the one input that the result holds; None where it computes others."""
        if len(inputs) != 1:
            return None
        ((name, rep),) = inputs.items()
        if rep.is_trivial:
            return None
        layout, like = self.graph.layouts[name], tuple(self.graph.values[name].shape)
        ids = torch.arange(rep.dim, dtype=_F64)
        rows = torch.stack([ids + 1, 3 * ids + 5])[torch.arange(2 * self.actions.count) % 2]
        try:
            result = self.graph.evaluated(node, {**self._others(node, inputs), name: layout.tensor(rows, like)}, {})
        except UsageError:
            return None
        result = result if part is None else result[part]
        where = self.graph.layouts[node.name if part is None else self._taker(node, part)]
        found = where.rows(result)
        source = found[0] - 1
        if source.numel() > rep.dim or not bool((found[1] == 3 * source + 5).all()):
            return None
        if not bool(((source >= 0) & (source < rep.dim) & (source == source.round())).all()):
            return None
        return entries_kept(rep, source.long())

    def _taker(self, node: fx.Node, part: int) -> str:
        return next(user.name for user in node.users if taken(user) == part)

    def _others(self, node: fx.Node, inputs: Mapping[str, Representation]) -> dict[str, Any]:
        """Values of arguments that carry no representation: sizes, masks, constants."""
        return {
            a.name: self.graph.values[a.name]
            for a in node.all_input_nodes
            if a.name in self.chosen and a.name not in inputs and not self.chosen[a.name].deferred
        }  # fmt: skip

    def _tried(self, node: fx.Node, inputs: Mapping[str, Representation], weights: Mapping[str, Tensor]) -> Any:
        """The operation on fresh rows and on the same rows moved; None where it gives no finite numbers."""
        for positive in (False, True):
            values = self._others(node, inputs)
            for name, rep in inputs.items():
                rows = self._rows(name, rep, positive)
                values[name] = self.graph.layouts[name].tensor(rows, tuple(self.graph.values[name].shape))
            result = self.graph.evaluated(node, values, weights)
            parts = result if isinstance(result, tuple | list) else [result]
            if all(bool(p.isfinite().all()) for p in parts if isinstance(p, Tensor) and p.is_floating_point()):
                return result
        return None

    def _rows(self, name: str, rep: Representation, positive: bool) -> Tensor:
        key = f"{name}+" if positive else name
        held = self.fresh.get(key)
        if held is None or held[0] is not rep:
            held = self.fresh[key] = (rep, self.actions.fresh(rep, positive))
        rows: Tensor = held[1]
        return rows

    def _blocked(self, node: fx.Node) -> UsageError:
        name, group = operation_of(node), self.task.group.name
        if node.op == "output":
            return UsageError(
                "under no hidden representations that were tried does the exported graph end in "
                f"{self.task.written_out} of {group}; give --rep-hidden, or use --method average, frames or distill"
            )
        if node.name in self.vanished:
            gone = self.vanished[node.name]
            return UsageError(
                f"'{name}': nothing of '{gone.vanished}' commutes with {group} and {gone.name}: the projected network "
                "would be constant; use --method average, frames or distill"
            )
        while waiting := [a for a in node.all_input_nodes if a.name in self.chosen and self.chosen[a.name].deferred]:
            node = waiting[0]
        name = operation_of(node)
        reps = [self.chosen[a.name].reps for a in node.all_input_nodes if a.name in self.chosen]
        told = ", ".join(str(rep) for rep in reps if isinstance(rep, Representation))
        return UsageError(
            f"'{name}' ('{node.name}' of the exported graph) commutes with {group} under none of the hidden "
            f"representations that were tried, {told or 'those of its inputs'} the last; use --method average, frames "
            "or distill, or give --rep-hidden that it respects"
        )
