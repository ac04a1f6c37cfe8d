"""The equivariant model as a file of the kind it came from, and its weights layer by layer."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn

from symfind.data.files import appearing_whole
from symfind.data.hdf5 import write
from symfind.equivariance.subject import Subject, evaluated
from symfind.equivariance.verify import check_written
from symfind.errors import InputError, UsageError
from symfind.models.checkpoint import write_checkpoint
from symfind.models.exported import exported_program
from symfind.models.model_file import audited
from symfind.models.network import Layer, Step
from symfind.models.torchscript import one_line

PROVENANCE = "symfind.json"
"""Name of the extra file of an archive, and of the attribute of a checkpoint, that says where a model came from."""

ENDING = {"torchscript": ".pt", "torch.export": ".pt2"}
"""The ending of a module that is written anew."""

_ENDINGS = {"torchscript": (".pt", ".pth", ".ts"), "torch.export": (".pt2",), "hdf5": (".h5", ".hdf5")}
_BECOMES = {"torchscript": (), "torch.export": ("torchscript",), "hdf5": ("torchscript", "torch.export")}

# Rows on which a file of another kind is compared with the one it was made from: three sizes of batches.
_COMPARED = 9


class LayerWritten(Protocol):
    """A layer whose weights take the place of those in the file."""

    @property
    def after(self) -> Layer: ...  # noqa: D102


class Rewritten(Protocol):
    """A network of which layers were projected."""

    @property
    def steps(self) -> tuple[Step, ...]: ...  # noqa: D102
    @property
    def layers(self) -> Sequence[LayerWritten]: ...  # noqa: D102


def format_written(subject: Subject, in_place: bool, to: Path | None = None) -> str:
    """``torchscript``, ``torch.export`` or ``hdf5``: the kind of file made of this model, in place or as a new one."""
    if in_place:
        return {"torchscript": "torchscript", "torch.export": "torch.export"}.get(subject.format, "hdf5")
    return "torch.export" if to is not None and to.suffix.lower() == ".pt2" else "torchscript"


def form_asked(to: Path, form: str, method: str) -> str:
    """The kind of file that the ending of a name asks for, where the ``form`` that was made can become that one.

    A graph of torch.export, or the layers of a checkpoint, can be written as TorchScript, and such layers as a graph.

    Raises
    ------
    UsageError
        It cannot; naming the ending that fits.
    """
    asked = next((kind for kind, endings in _ENDINGS.items() if to.suffix.lower() in endings), form)
    if asked != form and asked not in _BECOMES[form]:
        does = f"method {method} writes {form} here"
        if method == "unchanged":
            does = f"the model has the symmetry already and stays {form}, which cannot become {asked}"
        raise UsageError(f"--output {to}: {does}; give a name that ends in {_ENDINGS[form][0]}")
    return asked


def converted(made: Path, subject: Subject, form: str, to: Path, provenance: Mapping[str, Any]) -> None:
    """Write the model in ``made``, a file of the kind of ``subject``, as one of kind ``form``; compare the two.

    Raises
    ------
    UsageError, InputError
        An operation that has no place in such a file, by name; or the file gives other values.
    """
    own = replace(subject, path=made)
    module, x = own.module(form), subject.x[:_COMPARED]
    rows = x.reshape(len(x), *own.fed_shape).to(own.dtype)
    if form == "torch.export":
        export_module(module, rows, own.only_batch, to, provenance)
    else:
        save_module(module, to, provenance)
    model = evaluated(made, x, subject.trust)
    batch = own.only_batch if form == "torch.export" else None
    check_written(to, form, model, x, own.dtype, own.fed_shape, batch)


def save_module(module: nn.Module, path: Path, provenance: Mapping[str, Any]) -> None:
    """Script a module and save it, its provenance inside; parameters ask for gradients again, as they did."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit says that it is deprecated; the users' files are TorchScript
        scripted = module.eval() if isinstance(module, torch.jit.ScriptModule) else torch.jit.script(module.eval())
        for parameter in scripted.parameters():
            if parameter.is_floating_point():
                parameter.requires_grad_(True)
        torch.jit.save(scripted, str(path), _extra_files={PROVENANCE: json.dumps(provenance)})


def export_module(
    module: nn.Module, x: Tensor | tuple[Tensor, ...], batch: int | None, path: Path, provenance: Mapping[str, Any]
) -> None:
    """Export a module of x, or of several inputs, for any number of rows like them (or for ``batch``), and save it.

    Raises
    ------
    InputError
        torch.export cannot trace it; the message says what it stopped at.
    """
    inputs = x if isinstance(x, tuple) else (x,)
    rows = tuple(one[torch.arange(batch or 3) % len(one)] for one in inputs)
    any_number = {0: torch.export.Dim("n", min=1)}
    dynamic = None if batch is not None else (any_number,) * len(rows)
    try:
        with warnings.catch_warnings(), _silent_export():
            warnings.simplefilter("ignore")
            # A loaded graph refuses to be told its mode; it has the one that it was exported in.
            mode = module if any(isinstance(part, fx.GraphModule) for part in module.modules()) else module.eval()
            program = torch.export.export(mode, rows, dynamic_shapes=dynamic)
            torch.export.save(program, path, extra_files={PROVENANCE: json.dumps(provenance)})
    # The tracer raises what its parts raise, private classes among them.
    except Exception as error:
        raise InputError(
            f"torch.export cannot trace the equivariant module ({one_line(error)}); give an --output that ends in .pt"
        ) from None


@contextmanager
def _silent_export() -> Iterator[None]:
    """Without the graph that the tracer prints when it gives up: the error says where."""
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)


def save_projection(projection: Rewritten, subject: Subject, path: Path, provenance: Mapping[str, Any]) -> None:
    """Write the projected weights into a copy of the model, in the dtype they were stored in."""
    after = [layer.after for layer in projection.layers]
    if subject.format == "torchscript":
        module = subject.stored().module
        _replace(
            {**dict(module.named_parameters()), **dict(module.named_buffers())}, _stored_as(after, subject), subject
        )
        save_module(module, path, provenance)
    elif subject.format == "torch.export":
        save_graph(_stored_as(after, subject), subject, path, provenance)
    else:
        dtypes = (layer for layer in subject.stored().steps if isinstance(layer, Layer))
        steps: list[Step] = []
        for step in projection.steps:
            if isinstance(step, Layer):
                dtype = next(dtypes).weight.dtype
                bias = None if step.bias is None else step.bias.to(dtype)
                step = Layer(step.kind, step.path, step.weight.to(dtype), bias, step.attributes)
            steps.append(step)
        write_checkpoint(path, steps, subject.fed_shape, {PROVENANCE: json.dumps(provenance)})


def save_graph(weights: Mapping[str, Tensor], subject: Subject, path: Path, provenance: Mapping[str, Any]) -> None:
    """Write an exported program again with other weights, named as in the file, in the type they were stored in."""
    with audited(subject.path, trust=subject.trust) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = exported_program(file, torch.device("cpu"))
        _replace({**program.state_dict, **program.constants}, weights, subject)
        torch.export.save(program, path, extra_files={PROVENANCE: json.dumps(provenance)})


def _stored_as(layers: Sequence[Layer], subject: Subject) -> dict[str, Tensor]:
    """Weights and biases by their names in the file, transposed where it holds the transpose."""
    out: dict[str, Tensor] = {}
    for layer in layers:
        for name, value in ((layer.path, layer.weight), (layer.attributes.get("bias_path"), layer.bias)):
            if value is None:
                continue
            if name is None:
                raise _constants_of(subject, "of a layer")
            out[name] = value.t() if layer.attributes.get("transposed") and value.ndim == 2 else value
    return out


def _replace(stored: Mapping[str, Any], weights: Mapping[str, Tensor], subject: Subject) -> None:
    with torch.no_grad():
        for name, value in weights.items():
            if name not in stored:
                raise _constants_of(subject, f"'{name}'")
            if stored[name].shape != value.shape:
                raise InputError(f"{subject.path}: '{name}' is {tuple(stored[name].shape)}, not {tuple(value.shape)}")
            stored[name].copy_(value.to(stored[name]))


def _constants_of(subject: Subject, what: str) -> InputError:
    return InputError(
        f"{subject.path}: the weights {what} are constants of the file and cannot be replaced; use --method average or "
        "frames"
    )


def write_weights(path: Path, arrays: Mapping[str, Tensor], attributes: Mapping[str, str]) -> None:
    """Weights, bases and coefficients by layer as HDF5 datasets; the file appears when it is whole."""
    with appearing_whole(path) as part:
        write(part, {name: value.detach().numpy() for name, value in arrays.items()}, dict(attributes))
