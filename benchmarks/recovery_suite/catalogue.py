"""The whole suite, in the order of the table."""

from __future__ import annotations

from fnmatch import fnmatch

from recovery_suite.degenerate import controls
from recovery_suite.flows import asymmetric_flows, symmetric_flows
from recovery_suite.functions import symmetric_functions
from recovery_suite.models import models
from recovery_suite.points import maps, points
from recovery_suite.problem import Problem


def suite() -> list[Problem]:
    """Every problem."""
    problems = [
        *symmetric_functions(), *symmetric_flows(), *maps(), *points(), *models(), *controls(), *asymmetric_flows()
    ]  # fmt: skip
    names = [p.name for p in problems]
    assert len(set(names)) == len(names), "names are unique"
    return problems


def chosen(pattern: str | None, quick: bool) -> list[Problem]:
    """Those whose name, kind or "kind/name" matches a pattern; a plain word matches anywhere in it."""
    selected = [p for p in suite() if p.quick or not quick]
    if pattern is None:
        return selected
    wild = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    return [p for p in selected if fnmatch(f"{p.kind}/{p.name}", wild)]
