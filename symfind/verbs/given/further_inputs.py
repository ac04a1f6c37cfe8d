"""Models of several inputs, F(x, s, …): the group acts on x, the others are held fixed, row by row.

Rows (x, s, …) are laid side by side as one row, on which the group acts by ρ ⊕ 1. What comes out takes the inputs that
the model took.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, fx, nn

from symfind.data.hdf5 import write
from symfind.equivariance.equivariance import Function
from symfind.equivariance.infer import usual_of_rows
from symfind.equivariance.request import read_rows
from symfind.equivariance.verify import check_written
from symfind.equivariance.writing import ENDING, export_module, save_module
from symfind.errors import InputError, UsageError
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.models.exported import exported_program
from symfind.models.model_file import audited
from symfind.models.torchscript import ScriptError, one_line, scripted_module
from symfind.options.of_verbs import ActionOptions

Options = TypeVar("Options", bound=ActionOptions)

# Rows with which the types of the inputs of a TorchScript model are found out.
_TRIED = 3


@dataclass(frozen=True)
class Input:
    """One input: its name in ``forward``, the shape of a row, and its type."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class SideBySide(Generic[Options]):
    """A model of one row in place of one of several inputs.

    Attributes
    ----------
    path
        The file of that model, of the same kind as the one given.
    asked
        The options with its rows and its representation.
    inputs
        What the model takes, in order.
    batch
        The only number of rows that it takes; None for any.
    message
        What is moved and what is held fixed.
    numbers
        Of its rows in the file that was given, ``(n,)``.
    """

    path: Path
    asked: Options
    inputs: tuple[Input, ...]
    batch: int | None
    message: str
    numbers: Tensor

    def parts(self, rows: Tensor) -> tuple[Tensor, ...]:
        """The inputs of rows ``(n, Σ widths)``, each in its own shape and type."""
        pieces = torch.split(rows, [prod(i.shape) for i in self.inputs], 1)
        real = rows.dtype
        out = []
        for one, piece in zip(self.inputs, pieces, strict=True):
            whole = piece.round() if not one.dtype.is_floating_point else piece
            out.append(whole.to(real if one.dtype.is_floating_point else one.dtype).reshape(-1, *one.shape))
        return tuple(out)

    def written(
        self,
        made: Path,
        form: str,
        folder: Path,
        wanted: Function,
        x: Tensor,
        dtype: torch.dtype,
        about: Mapping[str, Any],
    ) -> Path:
        """The file ``made``, of kind ``form`` and one row, as one that takes the inputs; compared with ``wanted``.

        Raises
        ------
        InputError
            It cannot be traced, or gives other values.
        """
        with audited(made, trust=True) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = form == "torch.export"
            inner = (
                exported_program(file, torch.device("cpu")).module()
                if exported
                else scripted_module(file, torch.device("cpu"))
            )
        module, to = _taking(inner, self.inputs), folder / f"inputs{ENDING[form]}"
        rows = x.to(dtype)
        if exported:
            export_module(module, self.parts(rows), self.batch, to, about)
        else:
            save_module(module, to, about)
        check_written(to, form, wanted, x, dtype, tuple(x.shape[1:]), self.batch if exported else None, self.parts)
        return to


def side_by_side(options: Options, path: Path, folder: Path) -> SideBySide[Options] | None:
    """Lay the inputs of a model side by side; None where it takes but one.

    Parameters
    ----------
    options
        The model, its rows, and the representation on its first input.
    path
        TorchScript or a torch.export archive.
    folder
        Where the model and its rows are written.

    Raises
    ------
    UsageError, InputError
        No data for an input, by name; an input without an axis of rows; or a model that fails on them.
    """
    with audited(path, trust=options.trust_model) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks of torch on its own formats
        if file.format not in ("torch.export", "torchscript"):
            return None
        exported = file.format == "torch.export"
        if exported:
            program = exported_program(file, torch.device("cpu"))
            wanted = set(program.graph_signature.user_inputs)
            nodes = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in wanted]
            names, module = tuple(node.name for node in nodes), program.module()
        else:
            module = scripted_module(file, torch.device("cpu"))
            arguments = module.forward.schema.arguments[1:] if hasattr(module, "forward") else []
            nodes, names = [], tuple(a.name for a in arguments if not a.has_default_value())
        if len(names) < 2:
            return None
        columns, y, numbers = _read(options, names)
        batch = None
        if exported:
            values = [node.meta.get("val") for node in nodes]
            inputs, batch = _declared(options, names, values, columns)
        else:
            inputs = _found(options, names, module, columns)
        rows = torch.cat([column.reshape(len(column), -1) for column in columns], 1)
        to = folder / f"inputs{path.suffix}"
        try:
            packed = _of_one_row(module, inputs)
            if exported:
                like = rows.to(next(i.dtype for i in inputs if i.dtype.is_floating_point))
                export_module(packed, like, batch, to, {})
            else:
                save_module(packed, to, {})
        except (RuntimeError, ScriptError) as error:
            raise InputError(f"{path}: its inputs cannot be laid side by side ({one_line(error)})") from None
    data = stored_rows(rows, y, folder / "inputs.h5")
    rep_in = _on_all(options, inputs)
    asked = replace(options, data=str(data), rep_in=rep_in, input=None, output_name=None, mapping=None, transpose=False)
    fixed = ", ".join(f"'{one.name}'" for one in inputs[1:])
    said = f"the group acts on '{inputs[0].name}'; held fixed: {fixed} (--rep-in {rep_in} on all of them side by side)"
    return SideBySide(to, asked, inputs, batch, said, numbers)


def stored_rows(x: Tensor, y: Tensor | None, path: Path) -> Path:
    """Rows, and targets if there are any, as a file."""
    arrays = {"x": x.detach().cpu().double().numpy()}
    if y is not None:
        arrays["y"] = y.detach().cpu().double().numpy()
    write(path, arrays, {"kind": "points" if y is None else "function"})
    return path


def _read(options: ActionOptions, names: Sequence[str]) -> tuple[list[Tensor], Tensor | None, Tensor]:
    """The same rows of each input, targets, and the numbers of those rows in the file."""
    takes = f"{options.model}: it takes ({', '.join(names)})"
    if options.data is None:
        raise UsageError(
            f"{takes}; give --data FILE with a dataset for each of them, so that '{names[1]}' can be held fixed"
        )
    wanted = list(names) if options.input is None else [name.strip() for name in options.input.split(",")]
    if len(wanted) != len(names):
        raise UsageError(f"{takes}, and --input names {len(wanted)}; name a dataset for each, in this order")
    columns, y, numbers = [], None, torch.empty(0)
    for name, argument in zip(wanted, names, strict=True):
        try:
            column, y, numbers = read_rows(
                options.data, replace(options, input=name), torch.Generator().manual_seed(options.seed)
            )
        except InputError as error:
            raise InputError(
                f"{takes}, and no rows for '{argument}' were found ({error}); give --input NAME,NAME in this order"
            ) from None
        columns.append(column)
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(f"{len(c)} of '{n}'" for n, c in zip(names, columns, strict=True))
        raise InputError(f"{options.data}: {counts}; give a row of each input for each row (a cell too: repeat it)")
    return columns, y, numbers


def _declared(
    options: ActionOptions, names: Sequence[str], values: Sequence[Any], columns: Sequence[Tensor]
) -> tuple[tuple[Input, ...], int | None]:
    """The inputs as an archive declares them, and the number of rows if it is fixed."""
    inputs = []
    for name, value, column in zip(names, values, columns, strict=True):
        if not isinstance(value, Tensor) or value.ndim == 0 or str(value.shape[0]) != str(values[0].shape[0]):
            raise InputError(
                f"{options.model}: '{name}' has no axis of rows; hold it in a buffer, or export a model that takes one "
                "for each row"
            )
        shape = value.shape[1:]
        if not all(isinstance(size, int) for size in shape) or prod(shape) != column[0].numel():
            wanted = tuple(str(size) for size in shape)
            raise InputError(
                f"{options.model}: rows of '{name}' are ({', '.join(wanted)}), and those of {options.data} are "
                f"{tuple(column.shape[1:])}; give data of that shape"
            )
        inputs.append(Input(name, tuple(int(size) for size in shape), value.dtype))
    first = values[0].shape[0]
    return tuple(inputs), first if isinstance(first, int) else None


def _found(
    options: ActionOptions, names: Sequence[str], module: nn.Module, columns: Sequence[Tensor]
) -> tuple[Input, ...]:
    """Types and shapes with which a TorchScript model takes the rows: real, whole, or true and false."""
    real = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float64)
    ways: list[list[Input]] = []
    for name, column in zip(names, columns, strict=True):
        shapes = [tuple(column.shape[1:]), *([()] if column[0].numel() == 1 else [])]
        types = [real]
        if ways and bool((column == column.round()).all()):
            types.append(torch.int64)
            if bool(((column == 0) | (column == 1)).all()):
                types.append(torch.bool)
        ways.append([Input(name, shape, kind) for shape in shapes for kind in types])
    fault = ""
    for inputs in itertools.product(*ways):
        try:
            with torch.no_grad():
                parts = [
                    c[:_TRIED].reshape(-1, *one.shape).to(one.dtype) for c, one in zip(columns, inputs, strict=True)
                ]
                module(*parts)
        except (RuntimeError, ScriptError, IndexError, TypeError) as error:
            fault = fault or one_line(error)
            continue
        return inputs
    rows = ", ".join(f"{n} {tuple(c.shape[1:])}" for n, c in zip(names, columns, strict=True))
    raise InputError(f"{options.model}: it fails on rows of {rows} ({fault}); give data as it was trained on")


def _of_one_row(module: nn.Module, inputs: Sequence[Input]) -> fx.GraphModule:
    """Rows ``(n, Σ widths)`` cut into inputs, then F of them."""
    graph = fx.Graph()
    rows, at, parts = graph.placeholder("rows"), 0, []
    for one in inputs:
        part = graph.call_function(torch.narrow, (rows, 1, at, prod(one.shape)))
        at += prod(one.shape)
        if not one.dtype.is_floating_point:
            part = graph.call_method("to", (graph.call_method("round", (part,)), one.dtype))
        parts.append(graph.call_method("reshape", (part, [-1, *one.shape])))
    graph.output(graph.call_module("model", tuple(parts)))
    return fx.GraphModule({"model": module}, graph)


def _taking(module: nn.Module, inputs: Sequence[Input]) -> fx.GraphModule:
    """Inputs laid side by side, then a function of one row; they keep their names."""
    graph = fx.Graph()
    given = [graph.placeholder(one.name) for one in inputs]
    parts = [
        graph.call_method("type_as", (graph.call_method("reshape", (x, [-1, prod(one.shape)])), given[0]))
        for x, one in zip(given, inputs, strict=True)
    ]
    row = graph.call_function(torch.cat, (parts, 1))
    graph.output(graph.call_module("model", (row,)))
    return fx.GraphModule({"model": module}, graph)


def _on_all(options: ActionOptions, inputs: Sequence[Input]) -> str:
    """ρ ⊕ 1 in words: the representation of the first input, as it was given or as it usually is, and scalars."""
    first, others = prod(inputs[0].shape), sum(prod(one.shape) for one in inputs[1:])
    group = None if options.group is None else parse_group(options.group, inputs[0].shape[-1])
    given = options.rep_in
    if given is None and group is not None:
        given = next(usual_of_rows(group, inputs[0].shape), None)
    if given is None:
        raise UsageError(
            f"{options.model}: give --rep-in, how the group acts on '{inputs[0].name}' {inputs[0].shape}; the other "
            "inputs are held fixed"
        )
    if group is not None and parse_representation(group, given).dim - first - others in (0, 1):
        return given  # of all inputs, such as a cell that turns with the positions
    return f"{given}+{others}"
