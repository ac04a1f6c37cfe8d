"""The discrete symmetries that ``--discrete`` asks for, put into a report."""

from __future__ import annotations

from dataclasses import replace

from symfind.decision.evidence import Evidence
from symfind.discrete.search import asked_symmetries
from symfind.schema.document import Report


def with_discrete(
    report: Report, evidence: Evidence, asked: str, tolerance: float, alpha: float, refits: int, seed: int
) -> Report:
    """The report with the verdicts on what ``--discrete`` asks."""
    found, group = asked_symmetries(evidence, asked, report.source.names, tolerance, alpha, refits, seed)
    return replace(report, discrete=found, discrete_group=group)
