"""What a method makes of a model, what it is measured with, and what that file costs and misses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Equivariance, Function, equivariance_error
from symfind.equivariance.measure import TaskLoss, relative_change, seconds_per_call
from symfind.equivariance.methods.graph import GraphProjection
from symfind.equivariance.methods.project import Projection
from symfind.equivariance.settings import SETTINGS
from symfind.equivariance.subject import Subject, evaluated
from symfind.equivariance.verify import check_written
from symfind.equivariance.writing import export_module, save_graph, save_module, save_projection
from symfind.models.model import Model
from symfind.schema.enforcement import ErrorMeasured, LayerMoved, LossMeasured


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
    meant
        The function that the file is to hold, by way of the model as it was given; None where there is no other way.
    """

    method: str
    network: nn.Module | Projection | GraphProjection
    detail: str
    notes: tuple[str, ...] = ()
    layers: tuple[LayerMoved, ...] = ()
    weights: Callable[[], Mapping[str, Tensor]] = dict
    dead: str | None = None
    meant: Function | None = None

    def save(self, subject: Subject, path: Path, form: str, provenance: Mapping[str, Any]) -> None:
        """Write the file, of kind ``form`` where the method makes a new module."""
        if isinstance(self.network, Projection):
            save_projection(self.network, subject, path, provenance)
        elif isinstance(self.network, GraphProjection):
            save_graph(self.network.weights, subject, path, provenance)
        elif form == "torch.export":
            rows = subject.x.reshape(len(subject.x), *subject.model.input_shape).to(subject.dtype)
            export_module(self.network, rows, subject.only_batch, path, provenance)
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
    loss, losses
        On held-out rows, and of each of them; None without targets.
    change
        √E‖F̄ − F‖² in units of the spread of F.
    cost
        Time of a call relative to the model's.
    dead
        Why it is of no use, if it is constant.
    tolerance
        The error that counts as none, for this file: of it or of the model as given, whose rounding is the larger.
    """

    made: Made
    path: Path
    error: ErrorMeasured
    loss: LossMeasured | None
    losses: Tensor | None
    change: float
    cost: float
    dead: str | None
    tolerance: float

    @property
    def is_exact(self) -> bool:
        """Whether its error is none."""
        return self.error.largest <= self.tolerance


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What all candidates are measured with.

    Attributes
    ----------
    x, y
        Held-out rows and their targets.
    train, y_train
        The other rows, on which methods choose and fit, and their targets.
    loss
        The loss that the targets are compared by; None without them.
    values
        F(x) of the model as it was given, in the dtype of its file.
    elements
        Fresh elements ``(256, d, d)``.
    unit
        Spread of F on the rows.
    seconds
        Time of a call of F.
    tolerance
        The error that counts as none: what was asked for, or what the rounding of the file makes of moved rows.
    """

    x: Tensor
    y: Tensor | None
    train: Tensor
    y_train: Tensor | None
    loss: TaskLoss | None
    values: Tensor
    elements: Tensor
    unit: float
    seconds: float
    tolerance: float


# Rows on which a written file is compared with what it is to hold.
_COMPARED = 9


def measured(
    made: Made, subject: Subject, task: Equivariance, yardstick: Yardstick, path: Path, form: str
) -> Candidate:
    """Load the file at ``path``, compare it with what was meant and measure it, all as a user would meet it.

    Raises
    ------
    InputError
        The file holds another function than it should, or does not load with torch alone.
    """
    x, y, loss = yardstick.x, yardstick.y, yardstick.loss
    if made.meant is not None and form in ("torchscript", "torch.export"):
        fed = subject.fed_shape if isinstance(made.network, Projection | GraphProjection) else task.input_shape
        batch = subject.only_batch if form == "torch.export" else None
        check_written(path, form, made.meant, x[:_COMPARED], subject.dtype, fed, batch)
    model = evaluated(path, x, subject.trust)
    values = model(x)
    known = loss is not None and y is not None
    own = rounding_of(model, task, x, yardstick.elements, yardstick.unit)
    return Candidate(
        made,
        path,
        equivariance_error(model, task, x, yardstick.elements, yardstick.unit, values),
        loss.measured(values, y) if known else None,  # type: ignore[union-attr, arg-type]
        loss.rows(values, y) if known else None,  # type: ignore[union-attr, arg-type]
        relative_change(values, yardstick.values, yardstick.unit),
        seconds_per_call(model, x) / yardstick.seconds,
        made.dead or _constant(made.method, values, yardstick, task),
        max(yardstick.tolerance, min(SETTINGS.most_rounding, own)),
    )


def rounding_of(own: Model, task: Equivariance, x: Tensor, elements: Tensor, unit: float) -> float:
    """What rounding may make, by √E‖F(ρ(g)⁻¹ρ(g)x) − F(x)‖² in the type of the file, in units of the spread."""
    index = torch.arange(len(elements)) % len(x)
    rows = x[index].to(own.dtype)
    back = task.moved_input(torch.linalg.inv(elements), task.moved_input(elements, rows))
    return SETTINGS.roundings * relative_change(own(back), own(rows), unit)


def _constant(method: str, values: Tensor, yardstick: Yardstick, task: Equivariance) -> str | None:
    """Why values that do not vary are of no use, where those of the model do."""
    flat = values.reshape(len(values), -1).double()
    deviation = float((flat - flat.mean(0)).square().sum(1).mean().sqrt())
    # Rounding of a constant in the type of the file, in units of the spread of the model.
    if len(values) == 1 or deviation > max(1e-6, 64 * torch.finfo(values.dtype).eps) * yardstick.unit:
        return None
    name = task.group.name
    if task.is_compact:
        return f"what {method} makes of it is constant: nothing of the model is left under {name}"
    return (
        f"what {method} makes of it is constant: {name} has no polynomial invariants of {task.rep_in}, only ratios of "
        "them (lengths by lengths); train on such ratios, or name the largest compact part of the group"
    )
