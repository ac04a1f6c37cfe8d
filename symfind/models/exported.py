"""``torch.export`` archives (.pt2)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from symfind.errors import InputError
from symfind.models.execution_order import Operation, Stored, Value, execution_order
from symfind.models.model_file import AuditedFile, require_format
from symfind.models.network import Network
from symfind.models.torchscript import one_line


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
