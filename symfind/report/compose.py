"""A finding as a report: expressions, actions in the user's coordinates, and what the reader must be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symfind.discover import finding as found
from symfind.discover.evidence import Evidence
from symfind.fields.typeset import number_text
from symfind.lie_derivative import Bracket, constant_slope
from symfind.report.document import (
    Algebra,
    Coverage,
    Environment,
    Fit,
    Generator,
    Report,
    SetApart,
    Source,
    Space,
    SpectrumEntry,
)


def report_of_finding(
    finding: found.Finding, source: Source, settings: Mapping[str, Any], environment: Environment, *, close: bool
) -> Report:
    """The report of one discovery, without its timing."""
    evidence = finding.evidence
    names = source.names
    generators = tuple(_generator(evidence, g, names) for g in finding.generators)
    certified = sum(g.verdict == "certified" for g in generators)
    return Report(
        source=source,
        settings=settings,
        environment=environment,
        fit=_fit(evidence),
        space=Space(
            name=evidence.space.name,
            dimension=evidence.space.dim + evidence.action.extra,
            trivial=tuple(_expression(evidence, c, names) for c in evidence.spectrum.trivial.T),
        ),
        spectrum=tuple(SpectrumEntry(defect=d, lower=lo, upper=up) for d, lo, up in finding.spectrum),
        generators=generators,
        set_apart=tuple(SetApart(expression=s.expression, reason=s.reason) for s in evidence.set_apart),
        algebra=Algebra(dimension=certified),
        coverage=_coverage(finding, certified),
        warnings=(*finding.doubts, *evidence.messages),
    )


def _generator(evidence: Evidence, g: found.Generator, names: tuple[str, ...]) -> Generator:
    space, action = evidence.space, evidence.action
    output = action.matrix(space, g.vector)
    slope = constant_slope(space, g.vector)
    return Generator(
        expression=_expression(evidence, g.vector, names),
        latex=_expression(evidence, g.vector, names, latex=True),
        defect=g.defect,
        lower=g.lower,
        upper=g.upper if g.upper < float("inf") else None,
        verdict=g.verdict,
        reach=g.reach,
        coefficients=tuple(g.vector.tolist()),
        input_action=(space.table(g.vector[: space.dim, None])[0] if slope is None else slope).tolist(),
        output_action=None if output is None else output.tolist(),
    )


def _expression(evidence: Evidence, vector: Tensor, names: tuple[str, ...], *, latex: bool = False) -> str:
    """ξ as text, with the rescaling of time −c t ∂t of a flow (L_ξF = cF means that time runs as −c t ∂t)."""
    space = evidence.space
    text = space.expression(vector[: space.dim], names, latex=latex)
    if isinstance(evidence.action, Bracket):
        rate = -float(vector[space.dim])
        if abs(rate) > 1e-6 * float(vector.abs().max()):
            size = number_text(abs(rate))
            time = r"t \partial_{t}" if latex else "t ∂t"
            minus = "-" if latex else "−"
            term = time if size == "1" else f"{size} {time}"
            return f"{text} {'+' if rate > 0 else minus} {term}"
    return text


def _fit(evidence: Evidence) -> Fit | None:
    s = evidence.surrogate
    return None if s is None else Fit(surrogate=s.name, degree=s.degree, r2=s.r2)


def _coverage(finding: found.Finding, certified: int) -> Coverage:
    evidence = finding.evidence
    total = evidence.space.dim + evidence.action.extra
    rank = evidence.rank
    if rank < total:
        message = f"{rank} of the {total} directions of the space; {total - rank} act as zero on the data"
    else:
        message = f"all {total} directions of the space"
    factor = finding.coverage if torch.isfinite(torch.tensor(finding.coverage)) else None
    return Coverage(factor=factor, rank=rank, message=message)
