"""One method applied to one model: the network it makes, and what must be said of it."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from symfind.equivariance.distillation.distill import EquivariantNetwork, Lesson, Training, distilled_network
from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.equivariant_modules import EquivariantMLP, Started
from symfind.equivariance.made import Made, Yardstick
from symfind.equivariance.methods.average import (
    MOST_NODES,
    AveragedNetwork,
    LiftedNetwork,
    first_layer_orbit,
    rows_at_once,
    rule_for,
)
from symfind.equivariance.methods.frames import FrameAveragedNetwork, discontinuities, frame_support
from symfind.equivariance.methods.graph import GraphProjection, project_graph
from symfind.equivariance.methods.project import Projection, project_network
from symfind.equivariance.subject import Subject, stored_network
from symfind.equivariance.verify import Evaluated
from symfind.errors import UsageError
from symfind.lie.groups.haar import HaarQuadrature
from symfind.lie.groups.intertwiners import HomSpace
from symfind.models.model import Model
from symfind.models.modules import plain_module
from symfind.models.network import Layer
from symfind.progress import Advance
from symfind.schema.enforcement import LayerMoved

# Orbits of the first layer up to this size (8 MB of float64) are written out; larger files would cost more than the
# moving of inputs that they save, which is a share d/h of the first layer.
_WRITTEN_OUT = 2**20
# Rows on which a quadrature is chosen; the errors that are told are measured on others.
_SEEN = 64
# A dense basis of more numbers than this is left out of the weights file; the coefficients are always there.
_WRITTEN_BASIS = 2**24


def projected(subject: Subject, task: Equivariance, rep_hidden: str | None, rows: Tensor | None) -> Made:
    """The layerwise projection; ``rows`` give the metric of the first layer for representations not orthogonal."""
    if subject.format == "torch.export" and (subject.model.blocked or not _plain(subject)):
        return _projected_graph(subject, task, rep_hidden)
    covariance = None
    if rows is not None and not task.rep_in.is_orthogonal and task.rep_in.dim == task.input_width:
        flat = rows.reshape(len(rows), -1)
        covariance = flat.mT @ flat / len(flat)
    projection = project_network(subject.steps, subject.model.blocked, subject.fed_shape, task, rep_hidden, covariance)
    dead = None
    if projection.constant is not None:
        layer = projection.constant
        dead = (
            f"nothing of '{layer.before.path}' commutes with {task.group.name} and {layer.hidden}: the projected "
            "network is constant"
        )
    moved = tuple(
        LayerMoved(
            layer=str(layer.before.path), distance=layer.moved, dimension=layer.space.dim, representation=layer.hidden
        )
        for layer in projection.layers
    )
    notes = () if covariance is None else ("the first layer minimises E‖ΔW x‖² over the data",)
    weights = partial(_projected_weights, projection)

    def meant(x: Tensor) -> Tensor:
        out: Tensor = plain_module(projection.steps)(x.reshape(len(x), *subject.fed_shape))
        return out

    return Made("project", projection, f"{len(moved)} layers", notes, moved, weights, dead, meant)


def _plain(subject: Subject) -> bool:
    """Whether a chain has only layers that are projected one by one: on whole rows, or on images, none twice."""
    layers = [step for step in subject.steps if isinstance(step, Layer)]
    linear = all(step.kind != "linear" or len(subject.fed_shape) == 1 or step is not layers[0] for step in layers)
    usual = all(step.kind == "linear" or (step.kind == "conv2d" and step.attributes["groups"] == 1) for step in layers)
    return linear and usual and len({step.path for step in layers}) == len(layers)


# Rows, half of them moved, on which operations of a graph are tried; a program of a fixed batch is given its own.
_TRIED = 12


def _projected_graph(subject: Subject, task: Equivariance, rep_hidden: str | None) -> Made:
    """The projection of every operation of an exported graph."""
    module, fed = subject.stored().module, subject.fed_shape
    assert isinstance(module, fx.GraphModule)
    least, most = subject.model.batch
    if (most is not None and most < _TRIED) or least > _TRIED:
        called = f"{least}" if least == most else f"{least} to {most}"
        raise UsageError(
            f"{subject.path}: exported for {called} rows a call, and operations are "
            f"tried on {_TRIED}; export it for any number of rows (dynamic_shapes), or use --method average or frames"
        )
    rows = subject.x[torch.arange(_TRIED) % len(subject.x)].reshape(_TRIED, *fed)
    projection = project_graph(module, rows, task, rep_hidden)
    moved = tuple(
        LayerMoved(layer=t.path, distance=t.moved, dimension=t.space.dim, representation=projection.hidden[t.path])
        for t in projection.ties
    )
    detail = f"{len(moved)} weights of the exported graph" if moved else "all operations commute, whatever the weights"

    def meant(x: Tensor) -> Tensor:
        return projection.function(x.reshape(len(x), *fed))

    return Made(
        "project", projection, detail, (), moved,
        partial(_tied_weights, projection), None, meant,
    )  # fmt: skip


def _tied_weights(projection: GraphProjection) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for i, tie in enumerate(projection.ties):
        name = f"layers/{i:03d}"
        matrix = tie.after.reshape(tie.space.target.dim, tie.space.source.dim)
        out |= {f"{name}/weight": tie.after, f"{name}/weight_before": tie.before}
        out |= _basis_arrays(name, tie.space, tie.space.coefficients(matrix))
    return out


def _projected_weights(projection: Projection) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for i, layer in enumerate(projection.layers):
        name = f"layers/{i:03d}"
        out |= _layer_arrays(name, layer.after.weight, layer.after.bias)
        out[f"{name}/weight_before"] = layer.before.weight
        out |= _basis_arrays(name, layer.space, layer.coefficients)
    return out


def _basis_arrays(name: str, space: HomSpace, coefficients: Tensor) -> dict[str, Tensor]:
    """Coefficients, and the basis as dense matrices where it is not too large."""
    if space.dim == 0:
        return {}
    out = {f"{name}/coefficients": coefficients}
    if space.dim * space.source.dim * space.target.dim <= _WRITTEN_BASIS:
        out[f"{name}/basis"] = space.basis()
    return out


def averaged(
    subject: Subject,
    task: Equivariance,
    yardstick: Yardstick,
    rng: torch.Generator,
    budget: int | None = None,
    form: str = "torchscript",
) -> Made:
    """The Reynolds average, its quadrature refined until the error measured on other rows is below the tolerance."""
    rows, tolerance = rows_at_once(subject.widest()), yardstick.tolerance
    working = Evaluated(subject.model, task.input_shape)
    most = MOST_NODES if budget is None else min(budget, MOST_NODES)
    seen = yardstick.train[:_SEEN]
    chosen = rule_for(working, task, seen, yardstick.unit, tolerance, rng, rows=rows, max_nodes=most)
    rule, notes = chosen.rule, []
    if not chosen.reached:
        why = "samples of the group, whose error falls like 1/√nodes" if not rule.exact else "the largest rule tried"
        notes.append(
            f"average: the error stays at {chosen.error:.2g}, above the tolerance {tolerance:g}, with {why}"
            + (", as the activation has kinks" if _kinked(subject) else "")
        )
    if budget is not None and len(rule.nodes) == budget:
        notes.append(f"average: --budget {budget} ends the quadrature")
    network, lifted = _orbit_network(subject, task, rule, rows, form)
    detail = chosen.description + (", first layer written out" if lifted else "")
    weights = partial(_averaged_weights, subject, task, rule)
    meant = AveragedNetwork(working, task, rule, rows_at_once=rows)
    return Made("average", network, detail, tuple(notes), (), weights, meant=meant)


def _averaged_weights(subject: Subject, task: Equivariance, rule: HaarQuadrature) -> dict[str, Tensor]:
    """Nodes and weights of the quadrature, and the orbit of the first layer where it is linear and not too large."""
    out = {"nodes": rule.nodes, "node_weights": rule.weights}
    first = subject.steps[0] if subject.steps else None
    if not isinstance(first, Layer) or first.kind != "linear" or not _on_whole_rows(subject, first):
        return out
    if len(rule.nodes) * first.weight.numel() <= _WRITTEN_BASIS:
        out |= _layer_arrays("layers/000", first_layer_orbit(first.weight, task, rule), first.bias)
    return out


def _kinked(subject: Subject) -> bool:
    return any(step.kind in ("relu", "relu6", "leaky_relu", "hardtanh", "abs") for step in subject.steps)


def _on_whole_rows(subject: Subject, first: Layer) -> bool:
    return subject.fed_shape == (first.weight.shape[1],)


def _orbit_network(
    subject: Subject, task: Equivariance, rule: HaarQuadrature, rows: int, form: str
) -> tuple[nn.Module, bool]:
    """The averaged network, with the orbit of its first layer as plain weights where they are few."""
    steps = subject.stored().steps
    first = steps[0] if steps else None
    if (
        isinstance(first, Layer)
        and first.kind == "linear"
        and first.path is not None
        and subject.model.is_sequential
        and subject.only_batch is None
        and _on_whole_rows(subject, first)
        and len(rule.nodes) * first.weight.numel() <= _WRITTEN_OUT
    ):
        try:
            rest = plain_module(steps[1:])
        except UsageError:
            pass  # a step without a module of its own: the network is wrapped as it is
        else:
            return LiftedNetwork(first.weight, first.bias, rest, task, rule, rows), True
    return AveragedNetwork(subject.module(form), task, rule, subject.fed_shape, rows), False


def framed(
    subject: Subject, task: Equivariance, yardstick: Yardstick, budget: int | None = None, form: str = "torchscript"
) -> Made:
    """The mean over frames."""
    network = FrameAveragedNetwork(subject.module(form), task, subject.fed_shape)
    if budget is not None and len(network.signs) > budget:
        raise UsageError(
            f"--method frames calls the model {len(network.signs)} times a row, --budget allows {budget}; give "
            "more, or use --method project or distill"
        )
    support = frame_support(network, yardstick.x)
    notes = list(discontinuities(task))
    if support.degenerate:
        notes.append(
            f"frames: {100 * support.degenerate:.3g} % of the rows have degenerate frames and are averaged over "
            f"{len(network.nodes)} rotations, exact only to that quadrature"
        )
    if support.missing == 1.0:
        raise UsageError(
            "--method frames: the vectors of no row span a timelike direction, so there is no rest frame; give --data "
            "with physical momenta, or use --method distill"
        )
    if support.missing:
        notes.append(f"frames: {100 * support.missing:.3g} % of the rows have no rest frame")
    count = len(network.signs)
    meant = FrameAveragedNetwork(Evaluated(subject.model, task.input_shape), task)
    detail = (
        f"{count} frame{'s' if count > 1 else ''} a row, {100 * support.degenerate:.3g} % of the rows in the fallback"
    )
    return Made("frames", network, detail, tuple(notes), meant=meant)


def distilled(
    subject: Subject,
    task: Equivariance,
    yardstick: Yardstick,
    teacher: tuple[Model, str],
    training: Training,
    start: Model | None,
    rng: torch.Generator,
    advance: Advance | None,
) -> Made:
    """An equivariant network fitted to the targets or a teacher on the rows that are not held out."""
    x = yardstick.train
    first = None if start is None else start(x).double()
    lesson = Lesson(x, teacher[0](x).double(), teacher[1], yardstick.y_train, yardstick.loss, first)
    done = distilled_network(task, lesson, rng, training, advance)
    network: nn.Module = copy.deepcopy(done.network.plain()).to(subject.dtype)
    meant: nn.Module = done.network
    detail = done.detail
    if done.started and start is not None:
        network = Started(stored_network(Path(start.path), subject.trust).module, network)
        meant = Started(Evaluated(start, task.input_shape), done.network)
        detail += f", added to {Path(start.path).name}"
    return Made(
        "distill",
        network,
        detail,
        ("distill: a new network, whose agreement with the model is measured, not guaranteed",),
        (),
        partial(_distilled_weights, done.network),
        meant=meant,
    )


def _distilled_weights(network: EquivariantNetwork) -> dict[str, Tensor]:
    if not isinstance(network, EquivariantMLP):
        return {name.replace(".", "/"): value for name, value in network.state_dict().items() if value.numel()}
    out: dict[str, Tensor] = {}
    for i, layer in enumerate(network.linear_layers):
        name = f"layers/{i:03d}"
        out |= _layer_arrays(name, layer.weight, layer.bias)
        out |= _basis_arrays(name, layer.space, layer.coefficients)
    return out


def _layer_arrays(name: str, weight: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    out = {f"{name}/weight": weight}
    if bias is not None:
        out[f"{name}/bias"] = bias
    return out
