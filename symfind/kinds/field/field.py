"""From gridded solutions to evidence: their derivatives, the equation they obey, its determining equations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.data.dataset import Dataset
from symfind.decision.evidence import Examined
from symfind.decision.halves import groups_with_copies
from symfind.errors import UsageError
from symfind.fields.catalogue import make_space
from symfind.kinds.field import DEFAULT_SPACE
from symfind.kinds.field.determining_equations import Judged, evidence_of_equation
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.grid.field_data import FieldData, field_of
from symfind.kinds.field.grid.jets import jets
from symfind.kinds.field.identification import ROWS, identified, sample_of
from symfind.kinds.field.learned.search import learned_evidence, orders_of_variant
from symfind.kinds.field.one_solution import space_time_blocks
from symfind.kinds.field.right_side.fit import LEARNED, learned
from symfind.kinds.field.right_side.witness import judge_of
from symfind.kinds.field.term_library import asked_library

if TYPE_CHECKING:
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock


def evidence_of_field(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    """Point symmetries of the equation that is given, or of the one that is identified.

    Raises
    ------
    SymfindError
        The equation does not parse, or the grid is too coarse for it.
    """
    field = field_of(dataset, stop)
    field = replace(field, groups=groups_with_copies(field.groups, field.blocks()))
    independent, dependent = tuple(axis.name for axis in field.axes), field.components
    names = (*independent, *dependent)
    space = make_space(request.space or DEFAULT_SPACE, len(names), names)
    # Of one solution the blocks of space-time stand for solutions.
    alone = int(torch.unique(field.groups).numel()) < 2
    blocks = space_time_blocks if alone else None
    if request.equation is not None and request.library is not None:
        raise UsageError(
            "--library names terms of an equation that is sought, and --equation gives one; give one of both"
        )
    if request.equation == LEARNED:
        if request.method == "validity":
            raise UsageError(
                "--method validity differentiates a formula, and --equation learned has none; take --method nullspace"
            )
        with clock.phase("fit"):
            sample, found = learned(
                independent, dependent, lambda orders: sample_of(field, orders, generator, blocks), generator
            )
        judged = Judged(found.equation, found, alone)
    elif request.equation is not None:
        equation = parse_equation(request.equation, independent, dependent)
        with clock.phase("derivatives"):
            sample = sample_of(field, equation.needed, generator, blocks)
        judged = Judged(equation, None, alone)
    else:
        with clock.phase("fit"):
            settings = asked_library(request, independent, dependent)
            sample, found = identified(field, generator, settings, blocks)
        judged = Judged(found.equation, found, alone)
    z = torch.cat([sample.points, sample.values], 1)
    spread = z.std(0, correction=0)
    centred = space.centred(z.mean(0), torch.where(spread > 0, spread, torch.ones_like(spread)))
    with clock.phase("nullspace"):
        evidence = evidence_of_equation(judged, sample, centred, generator)
    if request.equation == LEARNED:
        evidence = replace(evidence, judge=judge_of(evidence, sample, generator))
    if request.method == "validity":
        sample = jets(field, orders_of_variant(request.variant, judged.equation), generator, ROWS)
        evidence = learned_evidence(request, judged, sample, evidence, generator, clock)
    messages = (*evidence.messages, *sample.messages)
    return Examined(replace(evidence, messages=messages, curve=_profile(field)), names)


def _profile(field: FieldData) -> Tensor:
    """The first solution in the middle of its times along x, in the middle of the other axes: ``(nx, 1 + axes)``."""
    u = field.take(torch.tensor([0]))[0].double()
    middle = [axis.coordinates[axis.points // 2] for axis in field.axes]
    along = field.axes[1].coordinates if len(field.axes) > 1 else field.axes[0].coordinates
    columns = [torch.full_like(along, float(value)) for value in middle]
    columns[1 if len(field.axes) > 1 else 0] = along
    index = [axis.points // 2 for axis in field.axes]
    values = u[tuple(slice(None) if i == min(1, len(index) - 1) else k for i, k in enumerate(index))]
    return torch.cat([torch.stack(columns, 1), values], 1)
