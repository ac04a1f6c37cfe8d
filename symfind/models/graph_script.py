"""The graph of a ``torch.export`` archive ↦ the same operations as TorchScript, one for one.

Nothing is taken apart into layers: each node is called as the graph calls it, so that skip connections, normalisations
and whatever else stand between two layers stay where they are.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from symfind.errors import UsageError
from symfind.models.torchscript import ScriptError, one_line

# Calls of the graph that read a size of a tensor, and how TorchScript spells them.
_SIZES = {"sym_size", "size"}
# What a graph asserts about its sizes is no part of the function.
_CHECKS = {"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "sym_constrain_range", "ge",
           "le", "gt", "lt", "eq", "ne"}  # fmt: skip


def scripted_graph(module: fx.GraphModule, path: str) -> nn.Module:
    """A scripted module with the weights of ``module`` and the operations of its graph.

    Parameters
    ----------
    module
        Of an exported program, one input and one output.
    path
        Of the file, for messages.

    Raises
    ------
    UsageError
        An operation that TorchScript does not have; the message names it and says what to do.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own copying of its trees warns of torch
        plain = copy.deepcopy(module)
    graph = plain.graph
    for node in list(graph.nodes):
        if node.op == "call_module" and "guard" in str(node.target):
            graph.erase_node(node)
        elif node.op == "output":
            while isinstance(node.args[0], (list, tuple)) and len(node.args[0]) == 1:
                node.args = (node.args[0][0],)
        elif node.op == "call_function":
            _respelled(graph, node, path)
    for node in reversed(list(graph.nodes)):
        if _name(node) in _CHECKS and not node.users:
            graph.erase_node(node)
    graph.set_codegen(fx.graph.CodeGen())  # without the unpacking of arguments, which TorchScript cannot read
    made = fx.GraphModule(plain, graph)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit says that it is deprecated; TorchScript is what is written
            scripted: nn.Module = torch.jit.script(made)
    except (RuntimeError, ScriptError, NotImplementedError, TypeError) as error:
        raise _cannot(path, _blamed(made, error), one_line(error)) from None
    return scripted


def _respelled(graph: fx.Graph, node: fx.Node, path: str) -> None:
    target: Any = node.target
    name = _name(node)
    if name in _SIZES and len(node.args) == 2:
        with graph.inserting_before(node):
            size = graph.call_method("size", node.args)
        node.replace_all_uses_with(size)
        graph.erase_node(node)
    elif isinstance(target, torch._ops.OpOverload):
        if target.namespace != "aten":
            raise _cannot(path, str(target), "an operator outside torch")
        node.target = target.overloadpacket
        # Memory formats and layouts are hints that TorchScript spells otherwise; they change no value.
        node.kwargs = {k: v for k, v in node.kwargs.items() if k not in ("memory_format", "layout", "pin_memory")}
    elif isinstance(target, torch._ops.HigherOrderOperator):
        raise _cannot(path, str(target), "control flow inside the graph")


def _name(node: fx.Node) -> str:
    if node.op != "call_function":
        return ""
    schema = getattr(node.target, "_schema", None)
    return str(schema.name.rpartition("::")[2] if schema else getattr(node.target, "__name__", node.target))


def _blamed(module: fx.GraphModule, error: BaseException) -> str:
    """The operation that torch's message speaks of, else the first one that the message's text holds."""
    text = str(error)
    for name in _operations(module):
        if name in text:
            return name
    return "an operation"


def _operations(module: fx.GraphModule) -> Iterator[str]:
    for node in module.graph.nodes:
        if node.op == "call_function":
            yield str(getattr(node.target, "__name__", node.target))


def _cannot(path: str, operation: str, why: str) -> UsageError:
    return UsageError(
        f"{path}: '{operation}' of the exported graph cannot be written as TorchScript ({why}); give an --output that "
        "ends in .pt2, or save the model as TorchScript yourself"
    )
