"""The discrete symmetries that ``--discrete`` asks for, put into a report."""

from __future__ import annotations

from dataclasses import replace

from symfind.decision.evidence import Evidence
from symfind.discrete.search import asked_symmetries
from symfind.schema.discrete import Discrete, DiscreteGroup
from symfind.schema.document import Report


def with_discrete(
    report: Report, evidence: Evidence, asked: str, tolerance: float, alpha: float, refits: int, seed: int
) -> Report:
    """The report with the verdicts on what ``--discrete`` asks."""
    found, group = asked_symmetries(evidence, asked, report.source.names, tolerance, alpha, refits, seed)
    entries = tuple(
        Discrete(
            name=s.act.move.name,
            matrix=s.act.move.matrix.tolist(),
            output=s.act.about,
            output_action=None if s.act.output is None else s.act.output.tolist(),
            defect=s.defect,
            lower=s.lower,
            upper=s.upper,
            verdict=s.verdict,
            inside=s.inside,
        )
        for s in found
    )
    together = DiscreteGroup(order=group.order, name=group.name, generators=group.generators)
    return replace(report, discrete=entries, discrete_group=together)
