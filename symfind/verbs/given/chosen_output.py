"""One of several outputs: a model that gives a dictionary or a tuple, as a file of one that gives a tensor."""

import warnings
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from symfind.errors import InputError, UsageError
from symfind.models.exported import exported_program
from symfind.models.model_file import AuditedFile, audited
from symfind.models.torchscript import ScriptError, one_line, scripted_module

# No postponed annotations here: TorchScript reads the types of a class's attributes as they are.


class _ByName(nn.Module):
    def __init__(self, model: nn.Module, key: str) -> None:
        super().__init__()
        self.model, self.key = model, key

    def forward(self, x: Tensor) -> Tensor:
        """F(x)[key]."""
        return self.model(x)[self.key]  # type: ignore[no-any-return]


class _ByPlace(nn.Module):
    place: Final[int]

    def __init__(self, model: nn.Module, place: int) -> None:
        super().__init__()
        self.model, self.place = model, place

    def forward(self, x: Tensor) -> Tensor:
        """F(x)[place]."""
        return self.model(x)[self.place]  # type: ignore[no-any-return]


def with_output(path: Path, name: str, folder: Path, trust: bool) -> Path:
    """Write the model that gives the output ``name`` alone, of the same kind as the file.

    Parameters
    ----------
    path
        TorchScript or a torch.export archive.
    name
        A key of the dictionary, or a place in the tuple, from 0.
    folder
        Where the new file goes.
    trust
        Whether the file's code is trusted.

    Raises
    ------
    InputError
        The file cannot be loaded, is of another kind, or the wrapped model cannot be saved.
    UsageError
        There is no such output; those that there are are named.
    """
    with audited(path, trust=trust) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks of torch on its own formats
        if file.format == "torch.export":
            return _exported(file, name, folder / "chosen.pt2")
        if file.format == "torchscript":
            return _scripted(file, name, folder / "chosen.pt")
    raise InputError(f"{path}: --model-output is for TorchScript and torch.export models; a checkpoint has one output")


def _exported(file: AuditedFile, name: str, to: Path) -> Path:
    program = exported_program(file, torch.device("cpu"))
    inputs = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    if len(inputs) != 1:
        given = ", ".join(node.name for node in inputs)
        raise InputError(
            f"{file.path}: the program takes ({given}), expected one tensor of rows; export one that takes x"
        )
    like = inputs[0].meta["val"]
    fixed = isinstance(like.shape[0], int)
    if not all(isinstance(size, int) for size in like.shape[1:]):
        raise InputError(f"{file.path}: exported for rows of any shape; --model-output needs one, export it for one")
    x = torch.zeros(like.shape[0] if fixed else 3, *like.shape[1:], dtype=like.dtype)
    module = program.module()
    with torch.no_grad():
        picked = _picked(file, module, module(x), name)
    shapes = None if fixed else ({0: torch.export.Dim("n", min=1)},)
    try:
        torch.export.save(torch.export.export(picked, (x,), dynamic_shapes=shapes), to)
    except Exception as error:  # the tracer raises what its parts raise, private classes among them
        raise InputError(
            f"{file.path}: output '{name}' cannot be exported apart ({one_line(error)}); export a module of it"
        ) from None
    return to


def _scripted(file: AuditedFile, name: str, to: Path) -> Path:
    module = scripted_module(file, torch.device("cpu"))
    kind = str(module.forward.schema.returns[0].type)
    if kind.startswith("Dict"):
        picked: nn.Module = _ByName(module, name)
    elif kind.startswith(("Tuple", "List", "(")) or kind.endswith("[]"):
        picked = _ByPlace(module, _place(file, name))
    else:
        raise UsageError(f"{file.path}: the model gives a {kind}, not several outputs; leave --model-output out")
    try:
        torch.jit.save(torch.jit.script(picked), str(to))
    except (RuntimeError, ScriptError) as error:
        raise UsageError(
            f"{file.path}: --model-output {name}: the model gives {kind} ({one_line(error)}); name one of its outputs"
        ) from None
    return to


def _picked(file: AuditedFile, module: nn.Module, value: object, name: str) -> nn.Module:
    if isinstance(value, dict):
        if name not in value:
            raise UsageError(
                f"{file.path}: --model-output {name}: the model gives {', '.join(map(str, value))}; name one"
            )
        return _ByName(module, name)
    if not isinstance(value, tuple | list):
        raise UsageError(f"{file.path}: the model gives one tensor, not several outputs; leave --model-output out")
    place = _place(file, name)
    if place >= len(value):
        raise UsageError(f"{file.path}: --model-output {name}: the model gives {len(value)} outputs, from 0; name one")
    return _ByPlace(module, place)


def _place(file: AuditedFile, name: str) -> int:
    if not name.isdecimal() or len(name) > 4:
        raise UsageError(f"{file.path}: --model-output {name}: the model gives outputs by place; give 0, 1, …")
    return int(name)
