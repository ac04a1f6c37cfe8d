"""A report's generators as matrices, and what was done to a model as a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from symfind.data.files import sha256
from symfind.equivariance.choose import Enforced, Verdict
from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.generators import NearestGroup
from symfind.equivariance.made import Candidate
from symfind.equivariance.methods.kernels import GridGroup, GridMeasured, KernelProjection
from symfind.equivariance.request import GivenGenerators, Prepared
from symfind.equivariance.scoring.score import SIZES
from symfind.equivariance.subject import Subject
from symfind.errors import InputError
from symfind.lie.groups.matrix_groups import CompactGroup
from symfind.schema.document import Environment, Report
from symfind.schema.enforcement import (
    Enforcement,
    ErrorMeasured,
    ErrorSpectrum,
    GeneratorScored,
    GroupUsed,
    LayerMoved,
    LayerScored,
    MethodTried,
    ModelSource,
    Score,
    blame_is_shared,
)

_SHARED = (
    "layers undo what others add (shares below zero): what the network holds in between moves by no linear action, and "
    "no single layer is to blame"
)


def generators_of(report: Report, name: str) -> GivenGenerators:
    """The certified and approximate generators of a report as matrices on one object.

    Raises
    ------
    InputError
        If there are none, or they are not linear or affine.
    """
    certified = report.held
    if not certified:
        raise InputError(
            f"{name}: the report has no certified generator, so there is no group to enforce; name one with --group"
        )
    try:
        matrices = torch.tensor([g.input_action for g in certified], dtype=torch.float64)
    except (TypeError, ValueError):
        matrices = torch.empty(0)
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise InputError(
            f"{name}: its generators are not linear or affine fields (space {report.space.name}), and only these act "
            "on a network's layers; discover with --space linear or affine, or name a group with --group"
        )
    upper = max((g.upper or g.defect or 0.0 for g in certified), default=0.0)
    others = [s.defect for s in report.spectrum[len(certified) :] if s.defect]
    # The error of the span: its largest bound over the next defect (Davis, Kahan 1970).
    noise = min(1.0, upper / others[0]) if others else upper
    names = report.source.names
    affine = bool(names) and matrices.shape[1] == len(names) + 1
    shape = tuple(report.source.shapes.get("x", ()))[1:]
    return GivenGenerators(matrices, max(noise, 1e-9), (report.source.path, report.source.sha256), affine, shape)


def enforcement_of(
    prepared: Prepared,
    enforced: Enforced,
    output: str | None,
    shown: str,
    settings: Mapping[str, Any],
    environment: Environment,
) -> Enforcement:
    """The document of one enforcement, without its timing.

    Parameters
    ----------
    prepared, enforced
        What was asked and what came of it.
    output
        The file that was written.
    shown
        The model's path as the user gave it.
    settings, environment
        Of the run.
    """
    chosen = enforced.chosen
    made = None if chosen is None else chosen.made
    after = enforced.before if chosen is None else chosen.error
    loss_after = enforced.loss_before if chosen is None else chosen.loss
    return Enforcement(
        source=_source(prepared, shown),
        group=group_used(prepared.task, prepared.nearest),
        method=enforced.method,
        reason=enforced.reason,
        output=output,
        error_before=enforced.before,
        error_after=after,
        loss_before=enforced.loss_before,
        loss_after=loss_after,
        loss_constant=enforced.loss_constant,
        loss_change=enforced.loss_change,
        change=0.0 if chosen is None else chosen.change,
        cost_ratio=1.0 if chosen is None else chosen.cost,
        layers=made.layers if made is not None else (),
        considered=tuple(_tried(v) for v in enforced.considered),
        notes=prepared.messages,
        warnings=made.notes if made is not None else (),
        settings=settings,
        environment=environment,
    )


def score_of(
    prepared: Prepared,
    scored: tuple[GeneratorScored, ...],
    error: ErrorMeasured,
    spectrum: ErrorSpectrum | str,
    layers: tuple[LayerScored, ...],
    shown: str,
    settings: Mapping[str, Any],
    environment: Environment,
) -> Score:
    """The document of one score, without its timing."""
    return Score(
        source=_source(prepared, shown),
        group=group_used(prepared.task, prepared.nearest),
        sizes=SIZES,
        generators=scored,
        error=error,
        spectrum=None if isinstance(spectrum, str) else spectrum,
        layers=layers,
        notes=prepared.messages
        + ((spectrum,) if isinstance(spectrum, str) else ())
        + ((_SHARED,) if blame_is_shared(layers) else ()),
        settings=settings,
        environment=environment,
    )


def enforcement_on_grid(
    subject: Subject,
    group: GridGroup,
    projection: KernelProjection,
    measured: GridMeasured,
    output: str | None,
    shown: str,
    settings: Mapping[str, Any],
    environment: Environment,
) -> Enforcement:
    """The document of kernels that were projected on a grid, without its timing."""
    return Enforcement(
        source=_model_source(subject, shown),
        group=GroupUsed(
            name=group.name, dimension=0, components=group.components, compact=True,
            rep_in=str(group), rep_out=str(group),
        ),
        method="project",
        reason="kernels on a grid: entries that the group carries into one another are made equal",
        output=output,
        error_before=measured.before,
        error_after=measured.after,
        loss_before=measured.loss_before,
        loss_after=measured.loss_after,
        loss_change=measured.loss_change,
        change=measured.change,
        cost_ratio=1.0,
        layers=tuple(
            LayerMoved(
                layer=str(k.before.path), distance=k.moved, dimension=k.dimension, representation=k.kernel
            )
            for k in projection.layers
        ),
        considered=(),
        notes=measured.notes,
        warnings=projection.notes,
        settings=settings,
        environment=environment,
    )  # fmt: skip


def as_it_was(document: Enforcement, tolerance: float) -> Enforcement:
    """The document of a model that obeys already and is written as it is."""
    return replace(
        document,
        method="unchanged",
        reason=f"the model commutes already: its largest error is {document.error_before.largest:.2g}, not above "
        f"--tolerance {tolerance:g}",
        error_after=document.error_before,
        loss_after=document.loss_before,
        loss_change=None,
        change=0.0,
        layers=(),
        warnings=(),
    )


def group_used(task: Equivariance, nearest: NearestGroup | None) -> GroupUsed:
    """The group and its actions."""
    group = task.group
    return GroupUsed(
        name=group.name,
        dimension=group.dimension,
        components=group.component_count,
        compact=isinstance(group, CompactGroup),
        rep_in=task.written_in,
        rep_out=task.written_out,
        coordinates=None if task.coordinates is None else task.coordinates.tolist(),
        distance=None if nearest is None else nearest.distance,
        closure=None if nearest is None else nearest.closure,
    )


def _source(prepared: Prepared, shown: str) -> ModelSource:
    return _model_source(prepared.subject, shown)


def _model_source(subject: Subject, shown: str) -> ModelSource:
    return ModelSource(
        path=shown,
        sha256=sha256(subject.path),
        format=subject.format,
        input_shape=subject.model.input_shape,
        output_shape=subject.model.output_shape,
    )


def _tried(verdict: Verdict) -> MethodTried:
    candidate: Candidate | None = verdict.candidate
    if candidate is None:
        return MethodTried(method=verdict.method, remark=verdict.why)
    return MethodTried(
        method=verdict.method,
        detail=candidate.made.detail,
        error=candidate.error,
        loss=candidate.loss,
        change=candidate.change,
        cost=candidate.cost,
        remark=verdict.why,
    )
