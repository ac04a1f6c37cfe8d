"""Rows, candidates and metrics of one promotion, from a file."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from symfind.decision.halves import with_duplicates_grouped
from symfind.errors import InputError, UsageError
from symfind.fields.actions import fields_of_actions
from symfind.fields.catalogue import make_space
from symfind.fields.space import VectorFieldSpace
from symfind.fits.geometry import Moments, input_geometry, output_root
from symfind.fits.surrogate import Samples, fold_labels
from symfind.kinds.frame import Frame
from symfind.kinds.question import Question, objects_of
from symfind.kinds.reading import open_dataset
from symfind.kinds.registry import KINDS
from symfind.kinds.search import coordinate_names
from symfind.kinds.size import check_size
from symfind.names import PROMOTED_KINDS
from symfind.options.of_verbs import PromoteOptions
from symfind.promotion.setting import Setting

# Fewer leave nothing to hold out.
_FEWEST_ROWS = 20
# A derivative this share of the others is their rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class ReportedFields:
    """Generators of a report, as its ``input_action`` gives them, to be candidates; d of the points they act on."""

    name: str
    dimension: int
    actions: tuple[object, ...]


@dataclass(frozen=True)
class Ready:
    """What is fitted.

    Attributes
    ----------
    train, test
        Rows to fit, and rows no fit sees.
    setting, frame
        Candidates and metrics, for the fit and for the certificate.
    kind, shapes, names, sha256, read_as
        Of the file.
    input_shape, output_shape
        Of one row.
    question
        What the kind of the data asks.
    messages
        What was chosen for the user.
    """

    train: Samples
    test: Samples
    setting: Setting
    frame: Frame
    kind: str
    shapes: dict[str, tuple[int, ...]]
    names: tuple[str, ...]
    sha256: str
    read_as: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    question: Question
    messages: tuple[str, ...]

    @property
    def scalar(self) -> bool:
        """Whether F is one scalar of one object, so that every quadratic has symmetries of its own."""
        return self.question.scalar_gauge and self.frame.objects[0] == 1 and prod(self.frame.output_objects) == 1


def ready(request: PromoteOptions, path: Path, space: str | ReportedFields | None, generator: torch.Generator) -> Ready:
    """Read the rows, split some off, and set up the candidates.

    Raises
    ------
    UsageError
        The kind of the data has no F to fit, or an option does not go with it.
    InputError
        The file cannot be used, has too few rows, or the candidates do not fit it.
    """
    dataset = open_dataset(
        path,
        kind=request.kind,
        input=request.input,
        output_name=request.output_name,
        mapping=request.mapping,
        transpose=request.transpose,
    )
    kind = KINDS[dataset.kind]
    if kind.promoted != "values":
        known = ", ".join(PROMOTED_KINDS())
        raise UsageError(f"{path}: promote fits data of kind {known}, and these are of kind {dataset.kind}")
    question = kind.asked()
    assert question.target is not None
    held = dataset.sample(request.max_rows, generator)
    x, y = held["x"].flatten(1), held[question.target].reshape(len(held["x"]), -1)
    if len(x) < _FEWEST_ROWS:
        raise InputError(f"{path}: {len(x)} rows are too few to fit and to compare on; give {_FEWEST_ROWS} or more")
    row = dataset.shapes["x"][1:]
    objects = objects_of(row, request.acts_on)
    outputs = objects_of(dataset.shapes[question.target][1:], request.acts_on)
    action, why = question.action(request.output_action, objects, outputs)
    named = "" if isinstance(space, ReportedFields) else space or "linear"
    check_size(request.data, named, objects, len(x), transposed=request.transpose)
    moments = Moments(x.shape[1])
    moments.add(x)
    geometry = input_geometry(moments, objects[0])
    if geometry.rank == 0:
        raise InputError(f"{path}: all rows of x are equal, nothing varies; give data that vary")
    if question.like_inputs:
        y = _without_rounding(y, geometry.scale)
    names = coordinate_names(dataset.names, objects[1])
    fields = _space(space or "linear", objects[1], names).centred(geometry.mean, geometry.scale)
    root = geometry.inputs.whiten.T if question.like_inputs else output_root([y.reshape(-1, *outputs)])
    if root.shape[1] == 0:
        raise InputError(f"{path}: F(x) is the same in every row: every field is a symmetry; give data that vary")
    samples = with_duplicates_grouped(Samples(x, y, held.get("group")))
    test = fold_labels(len(samples), samples.group, max(2, round(1 / request.held_out)), generator) == 0
    if not bool(test.any()) or bool(test.all()):
        test = torch.arange(len(samples)) >= round(len(samples) * (1 - request.held_out))
    return Ready(
        samples.rows((~test).nonzero()[:, 0]),
        samples.rows(test.nonzero()[:, 0]),
        Setting(fields, action, objects, outputs, geometry, root, request.metric),
        Frame(question, objects, outputs, geometry, fields, action),
        dataset.kind,
        dataset.shapes,
        names,
        dataset.sha256(),
        dataset.inferred,
        tuple(row),
        tuple(dataset.shapes[question.target][1:]),
        question,
        (*dataset.messages, f"output action: {why}", *dataset.warnings),
    )


def _without_rounding(velocity: Tensor, scale: Tensor) -> Tensor:
    """dx/dt, components that are the rounding of the others (the spin of a symmetric top) made zero."""
    rate = velocity.square().mean(0).sqrt().reshape(-1, scale.shape[0]) / scale
    return velocity * (rate > _ROUNDING * rate.max()).flatten()


def _space(asked: str | ReportedFields, d: int, names: tuple[str, ...]) -> VectorFieldSpace:
    """The candidates by name, or the span of a report's generators.

    Raises
    ------
    InputError
        The generators of the report do not act on points of this dimension.
    """
    if isinstance(asked, str):
        return make_space(asked, d, names)
    return fields_of_actions(asked.name, asked.dimension, d, asked.actions)
