"""TorchScript archives: the one module that calls ``torch.jit``."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.models.execution_order import Operation, Stored, Value, execution_order
from symfind.models.model_file import AuditedFile, require_format
from symfind.models.network import Network

# What the interpreter raises beside torch's own RuntimeError; not derived from it.
ScriptError: type[Exception] = torch.jit.Error
_REASON = re.compile(r"((?:\w+\.)*\w*(?:Error|Exception)): (.+)")
_LONGEST_REASON = 160  # of torch's words in a message of one line


def known_fault(error: Exception) -> str:
    """The operation that real rows, or values without a record of gradients, are no input of, and what to do."""
    if "embedding" in str(error):
        return (
            "'embedding' looks up whole numbers, and rows are real; wrap the model in a module that takes real rows, "
            "rounds those columns (x[:, i].long()) and moves the others"
        )
    if "does not require grad" in str(error):
        return (
            "'autograd.grad' inside forward needs a record of gradients, and values are taken without; save the energy "
            "alone, enforce that with --rep-out 1 and take the gradient of the result: it turns as the positions do"
        )
    return ""


def scripted_module(file: AuditedFile, device: torch.device) -> Any:
    """Load a scripted or traced module as it was saved, in eval mode.

    Raises
    ------
    InputError
        The archive is no TorchScript, from another version, or what is in it does not fit together.
    """
    require_format(file, "torchscript")
    # In profiling mode forward-mode derivatives are silently wrong from the second call on (pytorch issue 73972);
    # the switch has to be set before the first forward, and it is private, so it may vanish.
    if hasattr(torch._C, "_jit_set_profiling_mode"):
        torch._C._jit_set_profiling_mode(False)
    try:
        with warnings.catch_warnings():
            # torch.jit is deprecated since torch 2.11; whoever has such a file cannot do anything about it here.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(file.contents), map_location=device)  # type: ignore[no-untyped-call]
        return module.eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"{file.path}: TorchScript cannot be loaded ({one_line(error)}); copy the file again or save it with "
            f"torch {torch.__version__}"
        ) from None


def load_torchscript(file: AuditedFile, device: torch.device) -> Network:
    """Load a scripted or traced module as a network whose layers are told.

    Raises
    ------
    InputError
        It cannot be loaded, or ``forward`` does not take one tensor.
    """
    module = scripted_module(file, device)
    # Parameters that ask for gradients are what makes the interpreter build its own derivatives (the second lock on
    # the trap above), and cost memory. module.requires_grad_() raises on a ScriptModule.
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    _check_signature(file.path, module)
    graph = module.inlined_graph
    reader = _GraphReader(module)
    x = list(graph.inputs())[1].debugName()
    operations = list(reader.operations(graph))
    output = reader.argument(next(iter(graph.outputs())))
    order = execution_order(operations, x, output.name if isinstance(output, Value) else "")
    return Network(module, "torchscript", order.steps, order.sequential, order.first_layer, blocked=order.blocked)


def _check_signature(path: Path, module: Any) -> None:
    if not hasattr(module, "forward"):
        raise InputError(f"{path}: the module has no 'forward'; script a module that maps x to F(x)")
    inputs = [argument for argument in module.forward.schema.arguments[1:] if not argument.has_default_value()]
    names = ", ".join(argument.name for argument in inputs)
    if len(module.forward.schema.arguments) < 2 or len(inputs) > 1:
        raise InputError(
            f"{path}: forward({names}) takes {len(inputs)} inputs, expected one tensor of rows; wrap the model in a "
            "module whose forward takes x"
        )


class _GraphReader:
    """An inlined TorchScript graph as operations; branches that eval mode settles are followed."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._alias: dict[str, Any] = {}  # results of settled branches, inputs of loop bodies

    def operations(self, block: Any) -> Iterator[Operation]:
        for node in block.nodes():
            kind = node.kind()
            if kind in ("prim::Constant", "prim::GetAttr", "prim::ListConstruct", "prim::TupleConstruct"):
                continue
            if kind == "prim::If":
                yield from self._branch(node)
            elif kind == "prim::Loop":
                yield from self._loop(node)
            else:
                arguments = tuple(self.argument(value) for value in node.inputs())
                name = kind.rpartition("::")[2]
                if name != "numpy_T":
                    name = name.removesuffix("_") if kind.startswith("aten::") else name
                yield Operation(name, arguments, tuple(value.debugName() for value in node.outputs()))

    def _branch(self, node: Any) -> Iterator[Operation]:
        condition = self.argument(next(iter(node.inputs())))
        blocks = list(node.blocks())
        outputs = [value.debugName() for value in node.outputs()]
        if isinstance(condition, bool):
            block = blocks[0] if condition else blocks[1]
            yield from self.operations(block)
            for output, value in zip(outputs, block.outputs(), strict=True):
                self._alias[output] = self.argument(value)
            return
        results = [condition]
        for block in blocks:
            yield from self.operations(block)
            results += [self.argument(value) for value in block.outputs()]
        yield Operation("If", tuple(results), tuple(outputs))

    def _loop(self, node: Any) -> Iterator[Operation]:
        body = next(iter(node.blocks()))
        before = [self.argument(value) for value in node.inputs()]
        for inside, value in zip(list(body.inputs())[1:], before[2:], strict=True):
            self._alias[inside.debugName()] = value
        yield from self.operations(body)
        after = [self.argument(value) for value in body.outputs()]
        yield Operation("Loop", (*before, *after), tuple(value.debugName() for value in node.outputs()))

    def argument(self, value: Any) -> Any:
        """Return a constant, a stored tensor, a list of those, or the name of a result."""
        name = value.debugName()
        if name in self._alias:
            return self._alias[name]
        node = value.node()
        kind = node.kind()
        if kind == "prim::Constant":
            if value.type().kind() == "FunctionType":
                return None
            constant = value.toIValue()
            return Stored(None, constant) if isinstance(constant, Tensor) else constant
        if kind == "prim::GetAttr":
            return self._attribute(value)
        if kind in ("prim::ListConstruct", "prim::TupleConstruct"):
            return [self.argument(entry) for entry in node.inputs()]
        return Value(name)

    def _attribute(self, value: Any) -> Any:
        names: list[str] = []
        while value.node().kind() == "prim::GetAttr":
            names.insert(0, value.node().s("name"))
            value = next(iter(value.node().inputs()))
        found = self._module
        for name in names:
            found = getattr(found, name)
        return Stored(".".join(names), found) if isinstance(found, Tensor) else found


def one_line(error: BaseException) -> str:
    """Return what an error of torch says in one line: of a trace the reason at its end."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [found[2] for found in map(_REASON.match, lines) if found]
    text = (reasons[-1:] or lines[:1] or [type(error).__name__])[0]
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 3]}..."
