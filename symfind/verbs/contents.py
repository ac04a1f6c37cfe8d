"""What a file holds, data, a trained model or a report, and what could be asked of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from symfind.data.files import HDF5_SIGNATURE
from symfind.data.hdf5 import opened, root_text
from symfind.errors import InputError, UsageError
from symfind.kinds.asking import Question
from symfind.kinds.inspection import Inspection, inspection
from symfind.models.model import Model, load_model
from symfind.models.network import Layer, Step
from symfind.render.summary import algebra_text
from symfind.schema.document import Report
from symfind.schema.numbers import number_text
from symfind.schema.store import read_report

# What follows white space at the start of a file of text that could be a report.
_JSON = b"{"


@dataclass(frozen=True)
class ModelContents:
    """What a model file holds.

    Attributes
    ----------
    path, size
        The file, and its bytes.
    kind
        ``"model"``.
    format
        ``torchscript``, ``torch.export`` or ``checkpoint``.
    dtype
        Of the weights.
    input_shape, output_shape
        Of one row, where the file tells them.
    input_width
        Numbers (channels, for a convolution) that the first layer takes, where the network tells it.
    sequential
        Whether the network is nothing but its layers, one after the other.
    parameters
        How many numbers the weights and biases of the layers are.
    questions
        What could be asked.
    layers
        In the order in which they act.
    """

    path: str
    size: int
    kind: str
    format: str
    dtype: str | None
    input_shape: tuple[int, ...] | None
    input_width: int | None
    output_shape: tuple[int, ...] | None
    sequential: bool
    parameters: int
    questions: tuple[Question, ...]
    layers: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class ReportContents:
    """What a report holds: its source, its algebra, its generators, and what could be done with them."""

    path: str
    size: int
    kind: str
    schema: str
    source: str
    source_kind: str
    space: str
    algebra: str
    questions: tuple[Question, ...]
    generators: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]


Contents: TypeAlias = Inspection | ModelContents | ReportContents


def contents(path: Path, name: str, *, is_model: bool) -> Contents:
    """Look into a file without reading its data.

    Parameters
    ----------
    path
        The file.
    name
        As the user gave it; ``-`` for a copy of standard input.
    is_model
        Whether its first bytes are those of a model.

    Raises
    ------
    InputError
        Missing, or neither data nor a model nor a report.
    """
    if is_model:
        return _model_contents(load_model(path), path, name)
    if is_report(path):
        return _report_contents(read_report(str(path)), path, name)
    found = inspection(path)
    if name == str(path):
        return found
    questions = tuple(replace(q, command=q.command.replace(shlex.quote(str(path)), name)) for q in found.questions)
    return replace(found, path=name, questions=questions)


def is_report(path: Path) -> bool:
    """Whether a file is a report, by how it begins or by the schema that it names."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(HDF5_SIGNATURE):
        with opened(path) as stored:
            return bool(root_text(stored, "schema"))
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_JSON)


def _model_contents(model: Model, path: Path, name: str) -> ModelContents:
    width = model.input_width
    shape = _bound_shape(model, width)
    layers = tuple(_layer(step) for step in model.layers())
    parameters = sum(
        step.weight.numel() + (0 if step.bias is None else step.bias.numel())
        for step in model.layers()
        if isinstance(step, Layer)
    )
    dtype = next((str(s.weight.dtype).removeprefix("torch.") for s in model.layers() if isinstance(s, Layer)), None)
    command = f"symfind discover {shlex.quote(name)}"
    shown = ",".join(map(str, shape)) if shape else "…"
    return ModelContents(
        path=name,
        size=path.stat().st_size,
        kind="model",
        format=model.format,
        dtype=dtype,
        input_shape=shape,
        input_width=width,
        output_shape=model.output_shape if shape else None,
        sequential=model.is_sequential,
        parameters=parameters,
        questions=(
            Question("symmetries of the model on the inputs it is used for", f"{command} --data FILE"),
            Question("symmetries of the model on normal inputs", f"{command} --sample normal --shape {shown}"),
        ),
        layers=layers,
    )


def _bound_shape(model: Model, width: int | None) -> tuple[int, ...] | None:
    """The shape of a row, as the file tells it or as the first layer leads to expect; None if neither fits."""
    try:
        return model.input_shape
    except UsageError:  # the file does not tell it
        if width is None:
            return None
    try:
        return model.bind((width,)).input_shape
    except InputError:  # a convolution, or a network that rearranges its input first
        return None


def _layer(step: Step) -> Mapping[str, Any]:
    weight = tuple(step.weight.shape) if isinstance(step, Layer) else None
    return {
        "kind": step.kind,
        "path": step.path if isinstance(step, Layer) else None,
        "weight": weight,
        "bias": step.bias is not None if isinstance(step, Layer) else None,
    }


def _report_contents(report: Report, path: Path, name: str) -> ReportContents:
    quoted = shlex.quote(name)
    return ReportContents(
        path=name,
        size=path.stat().st_size,
        kind="report",
        schema=report.schema,
        source=report.source.path,
        source_kind=report.source.kind,
        space=report.space.name,
        algebra=algebra_text(report.algebra),
        questions=(
            Question("the report as a page with plots", f"symfind report {quoted} --output report.html"),
            Question("the Lie algebra of its generators", f"symfind identify {quoted}"),
        ),
        generators=tuple(
            {"expression": g.expression, "defect": number_text(g.defect), "verdict": g.verdict}
            for g in report.generators
        ),
        warnings=report.warnings,
    )
