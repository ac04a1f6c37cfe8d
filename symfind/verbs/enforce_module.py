"""``enforce(module, "so3", data)``: the user's own module made equivariant, as a module."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from symfind.data.scratch import scratch_folder
from symfind.equivariance.choose import Enforced, enforce_model
from symfind.equivariance.distillation.invariant_modules import GradientMLP, InvariantMLP
from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.equivariant_modules import EquivariantMLP, Intertwining
from symfind.equivariance.methods.average import AveragedNetwork
from symfind.equivariance.methods.frames import FrameAveragedNetwork
from symfind.equivariance.methods.graph import GraphProjection
from symfind.equivariance.methods.project import Projection
from symfind.equivariance.request import choices_of, prepared
from symfind.errors import InputError, UsageError, WorseThanBefore
from symfind.kinds.reading import open_dataset
from symfind.lie.groups.haar import HaarQuadrature
from symfind.linalg.threads import one_thread
from symfind.models.torchscript import ScriptError, one_line
from symfind.options.of_verbs import EnforceOptions
from symfind.progress import SilentProgress
from symfind.verbs.given.further_inputs import stored_rows

Rows = Tensor | tuple[Tensor, Tensor] | str | Path


@one_thread()
def enforce_module(module: nn.Module, group: str, data: Rows, **options: Any) -> nn.Module:
    """The equivariant map next to a module, as a module.

    Parameters
    ----------
    module
        F, of one tensor of independent rows; it is left as it is.
    group
        By name, as on the command line.
    data
        Rows x ``(n, *input_shape)``, rows and targets ``(x, y)``, or a file of them.
    options
        Of :class:`~symfind.options.of_verbs.EnforceOptions`: ``method``, ``rep_in``, ``rep_out``, ``force``, …

    Returns
    -------
    nn.Module
        A copy of the same class with other weights (``project``), the module inside an average or frames (its weights
        go on training under the group; torch.export takes it), or a new network (``distill``).

    Raises
    ------
    SymfindError
        As :func:`symfind.enforce`; the held-out loss is worse and ``force`` is not given.
    """
    own = copy.deepcopy(module).eval()
    with scratch_folder() as folder:
        rows = data if isinstance(data, (str, Path)) else _stored(data, folder / "data.h5")
        file = _saved(own, _example(data, own), folder)
        asked = EnforceOptions(model=str(file), group=group, data=str(rows), **options)
        if asked.model_output is not None:
            raise UsageError("model_output is for files; give a module that returns the tensor in question")
        rng = torch.Generator().manual_seed(asked.seed)
        ready = prepared(file, asked, None, rng)
        if ready.doubt:
            raise InputError(
                f"{type(module).__name__} obeys {group} under none of the representations that the shapes allow; give "
                f"rep_in and rep_out: {', or '.join(ready.doubt)}"
            )
        choices = choices_of(asked, ready, "torchscript")
        done = enforce_model(ready.subject, ready.task, choices, {}, folder, rng, SilentProgress())
        change = done.loss_change
        if change is not None and change.why and not asked.force:
            raise WorseThanBefore(
                f"{type(module).__name__}: {done.method} makes the held-out loss worse by {change.mean:.3g} "
                f"({change.why}); keep the module as it is, or give force=True",
                None,
            )
        return _as_module(own, done, ready.task, ready.subject.fed_shape)


def _as_module(own: nn.Module, done: Enforced, task: Equivariance, fed_shape: tuple[int, ...]) -> nn.Module:
    if done.chosen is None:
        return own
    made = done.chosen.made
    if made.method == "project":
        weights = _weights(done.path)
        known = own.state_dict()
        own.load_state_dict({k: weights.get(k, v).to(v) for k, v in known.items()})
        if isinstance(made.network, Projection):
            _tie(own, made.network)
        elif isinstance(made.network, GraphProjection):
            _tie_graph(own, made.network)
        return own
    if made.method == "average":
        arrays = made.weights()
        rule = HaarQuadrature(arrays["nodes"], arrays["node_weights"], 0, True)
        return AveragedNetwork(own, task, rule, fed_shape)
    if made.method == "frames":
        return FrameAveragedNetwork(own, task, fed_shape)
    if isinstance(made.meant, EquivariantMLP | InvariantMLP | GradientMLP):
        return made.meant.to(own_dtype(own)).requires_grad_(True)
    if isinstance(made.network, nn.Module):
        return made.network
    raise UsageError(f"method {made.method} makes no module; save the module and use symfind.enforce on its file")


def _tie(own: nn.Module, projection: Projection) -> None:
    """Make the projected weights functions of parameters that cannot leave the intertwiners in training."""
    for layer in projection.layers:
        if layer.after.attributes.get("transposed") or layer.space.source.dim != layer.after.weight[0].numel():
            continue  # stored the other way round, or with its bias inside: such weights are written, not tied
        places = ((layer.after.path, layer.space), (layer.after.attributes.get("bias_path"), layer.bias_space))
        for path, space in places:
            if path is not None and space is not None:
                name, _, kind = str(path).rpartition(".")
                parametrize.register_parametrization(own.get_submodule(name), kind, Intertwining(space))


def _tie_graph(own: nn.Module, projection: GraphProjection) -> None:
    """The same for the weights of a graph; recurrent layers look their weights up anew in every call."""
    for tie in projection.ties:
        owner, _, kind = tie.path.rpartition(".")
        module = own.get_submodule(owner)
        if isinstance(module, nn.RNNBase) and not parametrize.is_parametrized(module):
            module.register_forward_pre_hook(_looked_up)
        parametrize.register_parametrization(module, kind, Intertwining(tie.space))


def _looked_up(module: nn.Module, inputs: object) -> None:
    del inputs
    assert isinstance(module, nn.RNNBase)
    module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]


def own_dtype(module: nn.Module) -> torch.dtype:
    """The type of its real parameters; float64 without any."""
    return next((t.dtype for t in module.parameters() if t.is_floating_point()), torch.float64)


def _weights(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks of the loaders on their own formats
        if path.suffix == ".pt2":
            return dict(torch.export.load(path).state_dict)
        return dict(torch.jit.load(str(path)).state_dict())  # type: ignore[no-untyped-call]


def _stored(data: Tensor | tuple[Tensor, Tensor], path: Path) -> Path:
    x, y = data if isinstance(data, tuple) else (data, None)
    return stored_rows(x, y, path)


def _example(data: Rows, module: nn.Module) -> Tensor:
    """Three rows in the type of the module."""
    if isinstance(data, (str, Path)):
        x = open_dataset(str(data), kind="function").sample(3, torch.Generator().manual_seed(0))["x"]
    else:
        x = data[0] if isinstance(data, tuple) else data
    return x[:3].detach().cpu().to(own_dtype(module))


def _saved(module: nn.Module, x: Tensor, folder: Path) -> Path:
    """The module as a file: exported for any number of rows, else scripted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks of the exporters on their own formats
        try:
            program = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
            torch.export.save(program, folder / "model.pt2")
            return folder / "model.pt2"
        except Exception as error:
            said = one_line(error)  # the exporter raises what its parts raise, private classes among them
        try:
            torch.jit.save(torch.jit.script(module), str(folder / "model.pt"))
        except (RuntimeError, ScriptError, NotImplementedError, TypeError, OSError):
            raise InputError(
                f"{type(module).__name__} can be neither exported nor scripted ({said}); give a module of one tensor "
                "of rows that torch.export takes"
            ) from None
        return folder / "model.pt"
