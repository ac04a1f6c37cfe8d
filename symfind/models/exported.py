"""``torch.export`` archives (.pt2)."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from symfind.errors import InputError, UsageError
from symfind.models.execution_order import Operation, Stored, Value, execution_order
from symfind.models.model_file import AuditedFile, require_format
from symfind.models.network import Network
from symfind.models.torchscript import ScriptError, one_line

# Calls of the graph that read a size of a tensor, and how TorchScript spells them.
_SIZES = {"sym_size", "size"}
# What a graph asserts about its sizes is no part of the function.
_CHECKS = {"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "sym_constrain_range", "ge",
           "le", "gt", "lt", "eq", "ne"}  # fmt: skip


def exported_program(file: AuditedFile, device: torch.device) -> Any:
    """Load an exported program as it was saved.

    Raises
    ------
    InputError
        The archive is no exported program, from another version, or what is in it does not fit together.
    """
    require_format(file, "torch.export")
    try:
        with warnings.catch_warnings(), nullcontext() if file.trusted else _tensors_only():
            warnings.simplefilter("ignore")  # remarks of the loader on its own formats
            program = torch.export.load(file.contents)
            if device.type != "cpu":
                from torch.export.passes import move_to_device_pass

                program = move_to_device_pass(program, device)
            return program
    # The loader raises what its parsers raise: KeyError, TypeError, AssertionError, zip and JSON errors.
    except Exception as error:
        raise _cannot_be_loaded(file.path, error) from None


def _cannot_be_loaded(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: torch.export cannot load it ({one_line(error)}); export it again with torch {torch.__version__}"
    )


@contextmanager
def _tensors_only() -> Iterator[None]:
    """Make torch unpickle tensors and nothing else: a second lock, should the audit have missed something.

    The loader asks for ``weights_only=False`` itself, and these variables are the only way to overrule it.
    """
    only, anything = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    before = {name: os.environ.pop(name, None) for name in (only, anything)}
    os.environ[only] = "1"
    try:
        yield
    finally:
        os.environ.pop(only)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def load_exported(file: AuditedFile, device: torch.device) -> Network:
    """Load an exported program as a network; its own sizes tell the shape of a row, and how many one call takes.

    Raises
    ------
    InputError
        It cannot be loaded, or the program does not take one tensor.
    """
    path = file.path
    program = exported_program(file, device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = program.module()
    except Exception as error:
        raise _cannot_be_loaded(path, error) from None
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    graph = module.graph
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1 or not isinstance(inputs[0].meta.get("val"), Tensor) or inputs[0].meta["val"].ndim == 0:
        names = ", ".join(node.name for node in inputs)
        raise InputError(
            f"{path}: the program takes ({names}), expected one tensor of rows; export a module whose forward takes x"
        )
    sizes = inputs[0].meta["val"].shape
    fixed = all(isinstance(size, int) for size in sizes[1:])
    output = next(node for node in graph.nodes if node.op == "output").args[0]
    returned = output[0] if isinstance(output, (list, tuple)) and len(output) == 1 else output
    order = execution_order(_operations(module), inputs[0].name, returned.name if isinstance(returned, fx.Node) else "")
    return Network(
        module,
        "torch.export",
        order.steps,
        order.sequential,
        order.first_layer,
        tuple(int(size) for size in sizes[1:]) if fixed else None,
        _batch(program, sizes[0]),
        order.blocked,
    )


def _batch(program: Any, size: Any) -> tuple[int, int | None]:
    """Return the fewest and the most rows that the program was exported for."""
    if isinstance(size, int):
        return size, size
    bounds = program.range_constraints.get(size.node.expr)
    if bounds is None:
        return 1, None
    lower = max(1, int(bounds.lower))
    # Unbounded is written as a huge integer or a symbol for infinity: no call has 2**31 rows.
    upper = int(bounds.upper) if bounds.upper < 2**31 else None
    return lower, upper


def _operations(module: fx.GraphModule) -> Iterator[Operation]:
    stored: dict[str, Stored] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            found: Any = module
            for name in str(node.target).split("."):
                found = getattr(found, name)
            if isinstance(found, Tensor):
                stored[node.name] = Stored(str(node.target), found)
        elif node.op == "call_function":
            schema = getattr(node.target, "_schema", None)
            name = schema.name.rpartition("::")[2] if schema else str(getattr(node.target, "__name__", node.target))
            arguments = tuple(_argument(argument, stored) for argument in (*node.args, *node.kwargs.values()))
            yield Operation(name.removesuffix("_"), arguments, (node.name,))


def _argument(argument: Any, stored: dict[str, Stored]) -> Any:
    if isinstance(argument, fx.Node):
        return stored.get(argument.name, Value(argument.name))
    if isinstance(argument, (list, tuple)):
        return [_argument(entry, stored) for entry in argument]
    return argument


def scripted_graph(module: fx.GraphModule, path: str) -> nn.Module:
    """A scripted module with the weights of ``module`` and the operations of its graph, one for one.

    Nothing is taken apart into layers: skip connections and normalisations stay where they are.

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
    for name in _called(module):
        if name in text:
            return name
    return "an operation"


def _called(module: fx.GraphModule) -> Iterator[str]:
    for node in module.graph.nodes:
        if node.op == "call_function":
            yield str(getattr(node.target, "__name__", node.target))


def _cannot(path: str, operation: str, why: str) -> UsageError:
    return UsageError(
        f"{path}: '{operation}' of the exported graph cannot be written as TorchScript ({why}); give an --output that "
        "ends in .pt2, or save the model as TorchScript yourself"
    )
