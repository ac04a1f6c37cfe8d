"""One method applied to one model: the file it makes, and what that file costs and misses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Equivariance, EquivarianceError, equivariance_error
from symfind.equivariance.equivariant_modules import EquivariantMLP
from symfind.equivariance.measure import Loss, loss_of, relative_change, seconds_per_call
from symfind.equivariance.methods.average import (
    AveragedNetwork,
    LiftedNetwork,
    first_layer_orbit,
    rows_at_once,
    rule_for,
)
from symfind.equivariance.methods.distill import distilled_network
from symfind.equivariance.methods.frames import FrameAveragedNetwork, discontinuities, frame_support
from symfind.equivariance.methods.project import Projection, project_network
from symfind.equivariance.plain_modules import plain_module
from symfind.equivariance.subject import Subject, evaluated
from symfind.equivariance.writing import save_module, save_projection
from symfind.errors import UsageError
from symfind.lie.groups.haar import HaarQuadrature
from symfind.lie.groups.intertwiners import HomSpace
from symfind.models.model import Model
from symfind.models.network import Layer
from symfind.progress import Advance

# Orbits of the first layer up to this size (8 MB of float64) are written out; larger files would cost more than the
# moving of inputs that they save, which is a share d/h of the first layer.
_WRITTEN_OUT = 2**20
# A dense basis of more numbers than this is left out of the weights file; the coefficients are always there.
_WRITTEN_BASIS = 2**24


@dataclass(frozen=True)
class MovedLayer:
    """How far a layer was moved: ‖W̄ − W‖/‖W‖ with its bias, dimension of Hom, representation behind it."""

    layer: str
    distance: float
    dimension: int
    hidden: str


@dataclass(frozen=True, eq=False)
class Made:
    """What a method makes of a model, before it is measured.

    Attributes
    ----------
    method
        ``project``, ``average``, ``frames`` or ``distill``.
    network
        A module to be scripted, or a projection to be written into the model.
    detail
        Nodes, frames, steps: in a few words.
    notes
        What the user must know.
    layers
        Distances, for a projection.
    weights
        Makes the arrays for ``--weights``.
    dead
        Why the result is of no use, if it is constant.
    """

    method: str
    network: nn.Module | Projection
    detail: str
    notes: tuple[str, ...] = ()
    layers: tuple[MovedLayer, ...] = ()
    weights: Callable[[], Mapping[str, Tensor]] = dict
    dead: str | None = None

    def save(self, subject: Subject, path: Path, provenance: Mapping[str, Any]) -> None:
        """Write the file."""
        if isinstance(self.network, Projection):
            save_projection(self.network, subject, path, provenance)
        else:
            save_module(self.network, path, provenance)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A file that a method made, loaded again and measured.

    Attributes
    ----------
    made
        Method and notes.
    path
        The file.
    error
        Of equivariance, on fresh elements.
    loss
        On held-out rows; None without targets.
    change
        √E‖F̄ − F‖² in units of the spread of F.
    cost
        Time of a call relative to the model's.
    """

    made: Made
    path: Path
    error: EquivarianceError
    loss: Loss | None
    change: float
    cost: float


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What all candidates are measured with.

    Attributes
    ----------
    x, y
        Held-out rows and their targets.
    train
        The other rows, for distillation.
    values
        F(x) of the model as it was given.
    elements
        Fresh elements ``(256, d, d)``.
    unit
        Spread of F on the rows.
    seconds
        Time of a call of F.
    """

    x: Tensor
    y: Tensor | None
    train: Tensor
    values: Tensor
    elements: Tensor
    unit: float
    seconds: float


def measured(made: Made, subject: Subject, task: Equivariance, yardstick: Yardstick, path: Path) -> Candidate:
    """Load the file at ``path`` and measure it as a user would meet it."""
    model = evaluated(path, yardstick.x, subject.trust)
    values = model(yardstick.x)
    return Candidate(
        made,
        path,
        equivariance_error(model, task, yardstick.x, yardstick.elements, yardstick.unit, values),
        None if yardstick.y is None else loss_of(values, yardstick.y),
        relative_change(values, yardstick.values, yardstick.unit),
        seconds_per_call(model, yardstick.x) / yardstick.seconds,
    )


def projected(subject: Subject, task: Equivariance, rep_hidden: str | None, rows: Tensor | None) -> Made:
    """The layerwise projection; ``rows`` give the metric of the first layer for representations not orthogonal."""
    covariance = None
    if rows is not None and not task.rep_in.is_orthogonal and task.rep_in.dim == task.input_width:
        flat = rows.reshape(len(rows), -1)
        covariance = flat.mT @ flat / len(flat)
    projection = project_network(
        subject.steps, subject.model.is_sequential, subject.fed_shape, task, rep_hidden, covariance
    )
    dead = None
    if projection.constant is not None:
        layer = projection.constant
        dead = (
            f"nothing of '{layer.before.path}' commutes with {task.group.name} and {layer.hidden}: the projected "
            "network is constant"
        )
    moved = tuple(
        MovedLayer(str(layer.before.path), layer.moved, layer.space.dim, layer.hidden) for layer in projection.layers
    )
    notes = () if covariance is None else ("the first layer minimises E‖ΔW x‖² over the data",)
    weights = partial(_projected_weights, projection)
    return Made("project", projection, f"{len(moved)} layers", notes, moved, weights, dead)


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
    subject: Subject, task: Equivariance, yardstick: Yardstick, tolerance: float, rng: torch.Generator
) -> Made:
    """The Reynolds average, its quadrature refined until the measured error is below ``tolerance``."""
    dtype = subject.model.compute_dtype
    working = subject.module().to(dtype)
    rows = rows_at_once(subject.widest())
    chosen = rule_for(
        working,
        task,
        yardstick.x.to(dtype),
        yardstick.unit,
        tolerance,
        rng,
        fed_shape=subject.fed_shape,
        rows=rows,
    )
    rule, notes = chosen.rule, []
    if not chosen.reached:
        why = "samples of the group, whose error falls like 1/√nodes" if not rule.exact else "the largest rule tried"
        notes.append(
            f"average: the error stays at {chosen.error:.2g}, above the tolerance {tolerance:g}, with {why}"
            + (", as the activation has kinks" if _kinked(subject) else "")
        )
    network, lifted = _orbit_network(subject, task, rule, rows)
    detail = chosen.description + (", first layer written out" if lifted else "")
    weights = partial(_averaged_weights, subject, task, rule)
    return Made("average", network, detail, tuple(notes), (), weights)


def _averaged_weights(subject: Subject, task: Equivariance, rule: HaarQuadrature) -> dict[str, Tensor]:
    """Nodes and weights of the quadrature, and the orbit of the first layer where it is linear and not too large."""
    out = {"nodes": rule.nodes, "node_weights": rule.weights}
    first = subject.steps[0] if subject.steps else None
    if isinstance(first, Layer) and first.kind == "linear" and _on_whole_rows(subject, first):
        if len(rule.nodes) * first.weight.numel() <= _WRITTEN_BASIS:
            out |= _layer_arrays("layers/000", first_layer_orbit(first.weight, task, rule), first.bias)
    return out


def _kinked(subject: Subject) -> bool:
    return any(step.kind in ("relu", "relu6", "leaky_relu", "hardtanh", "abs") for step in subject.steps)


def _on_whole_rows(subject: Subject, first: Layer) -> bool:
    return subject.fed_shape == (first.weight.shape[1],)


def _orbit_network(subject: Subject, task: Equivariance, rule: HaarQuadrature, rows: int) -> tuple[nn.Module, bool]:
    """The averaged network, with the orbit of its first layer as plain weights where they are few."""
    steps = subject.stored().steps
    first = steps[0] if steps else None
    if (
        isinstance(first, Layer)
        and first.kind == "linear"
        and first.path is not None
        and subject.model.is_sequential
        and _on_whole_rows(subject, first)
        and len(rule.nodes) * first.weight.numel() <= _WRITTEN_OUT
    ):
        try:
            rest = plain_module(steps[1:])
        except UsageError:
            pass  # a step without a module of its own: the network is wrapped as it is
        else:
            return LiftedNetwork(first.weight, first.bias, rest, task, rule, rows), True
    return AveragedNetwork(subject.module(), task, rule, subject.fed_shape, rows), False


def framed(subject: Subject, task: Equivariance, yardstick: Yardstick) -> Made:
    """The mean over frames."""
    network = FrameAveragedNetwork(subject.module(), task, subject.fed_shape)
    support = frame_support(network, yardstick.x)
    notes = list(discontinuities(task))
    if support.degenerate:
        notes.append(
            f"frames: {100 * support.degenerate:.3g} % of the rows have degenerate frames and are averaged over "
            f"{len(network.nodes)} rotations, exact only to that quadrature"
        )
    if support.missing == 1.0:
        raise UsageError(
            "--method frames: no row has a timelike sum of vectors, so there is no rest frame; give --data with "
            "physical momenta, or use --method distill"
        )
    if support.missing:
        notes.append(f"frames: {100 * support.missing:.3g} % of the rows have no rest frame")
    count = len(network.signs)
    return Made("frames", network, f"{count} frame{'s' if count > 1 else ''} a row", tuple(notes))


def distilled(
    subject: Subject,
    task: Equivariance,
    yardstick: Yardstick,
    teacher: Model,
    teacher_name: str,
    steps: int,
    rng: torch.Generator,
    advance: Advance | None,
) -> Made:
    """An equivariant network fitted to a teacher on the rows that are not held out."""
    rows = yardstick.train
    network = distilled_network(task, rows, teacher(rows), rng, steps=steps, advance=advance)
    count = sum(p.numel() for p in network.parameters())
    return Made(
        "distill",
        network.plain().to(subject.stored().dtype or torch.float64),
        f"{count} parameters fitted to the {teacher_name} on {len(rows)} rows",
        ("distill: a new network, whose agreement with the model is measured, not guaranteed",),
        (),
        partial(_distilled_weights, network),
    )


def _distilled_weights(network: EquivariantMLP) -> dict[str, Tensor]:
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
