"""The symmetries of parts of the domain that ``--local`` asks for, put into a report."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from symfind.decision.evidence import Finding
from symfind.decision.witness.trial import Rows
from symfind.errors import UsageError
from symfind.kinds.maps.witness import WitnessJudge
from symfind.local.search import LocalFound, local_features, local_symmetries
from symfind.schema.document import Report
from symfind.schema.witness import Bound, Local

# Rows of a picture: more lie on one another.
_DRAWN = 400


def with_local(report: Report, judge: object, finding: Finding, tolerance: float, seed: int) -> Report:
    """The report with what holds on a part of the domain alone.

    Raises
    ------
    UsageError
        The evidence is none of rows of a function, a map or a flow in a space of affine fields.
    """
    if not isinstance(judge, WitnessJudge):
        raise UsageError("--local needs rows of a function, a map or a flow and a space of affine fields; leave it out")
    problem, rows, _ = judge.problem(seed)
    span = [g.vector for g in finding.generators if g.verdict == "certified"]
    span += [vector for vector, _ in finding.apart]
    empty = torch.zeros(problem.space.dim + problem.action.extra, 0, dtype=torch.float64)
    known = torch.stack(span, 1) if span else empty
    found = local_symmetries(problem, rows, known, tolerance, seed, judge.settings)
    k, names = problem.objects[0], report.source.names
    every = names if k == 1 else tuple(f"{name}{i + 1}" for i in range(k) for name in names)
    return replace(report, local=tuple(_entry(f, rows, every) for f in found))


def _entry(found: LocalFound, rows: Rows, names: tuple[str, ...]) -> Local:
    features, names = local_features(rows.x, names)
    # Coordinates are drawn, those that bound the region first: in them |x| is seen as a circle.
    used = [j for j in found.region.used() if j < rows.x.shape[1]]
    axes = [*used, *(j for j in range(rows.x.shape[1]) if j not in used)][:2]
    shown = features[:_DRAWN, axes]
    inside = found.inside[:_DRAWN]
    return Local(
        candidate=found.name,
        dimension=found.vectors.shape[1],
        coefficients=tuple(map(tuple, found.vectors.T.tolist())),
        region=found.region.text(names),
        boxes=tuple(
            tuple(Bound(feature=names[j], least=_finite(a), below=_finite(b)) for j, (a, b) in sorted(box.items()))
            for box in found.region.boxes
        ),
        share=float(found.inside.double().mean()),
        agreement=found.agreement,
        eta=found.verdict.eta,
        upper=found.verdict.upper,
        axes=tuple(names[j] for j in axes),
        inside=_pairs(shown[inside]),
        outside=_pairs(shown[~inside]),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _pairs(rows: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{v:.4g}") for v in row) for row in rows.tolist())
