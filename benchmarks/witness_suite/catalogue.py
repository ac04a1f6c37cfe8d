"""The parts of the suite by name."""

from __future__ import annotations

from functools import cache

from witness_suite.attacks import attacks
from witness_suite.case import Case
from witness_suite.dynamics import dynamics
from witness_suite.physics import labels, physics, spare
from witness_suite.points import points
from witness_suite.tolerance import tolerance

PARTS = ("physics", "spare", "labels", "attacks", "points", "dynamics", "tolerance")


@cache
def cases(part: str) -> tuple[Case, ...]:
    """Every case of a part, in the order of its table."""
    found = {
        "physics": physics, "spare": spare, "labels": labels, "attacks": attacks, "points": points,
        "dynamics": dynamics, "tolerance": tolerance,
    }[part]()  # fmt: skip
    names = [c.name for c in found]
    assert len(set(names)) == len(names), "names are unique"
    return tuple(found)
