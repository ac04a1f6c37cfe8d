"""Sixty-two exact symmetries of physics, each with its algebra as an explicit basis."""

from __future__ import annotations

from witness_suite.case import Case
from witness_suite.physics.bodies import bodies_cases
from witness_suite.physics.flows import flow_cases
from witness_suite.physics.maps import map_cases
from witness_suite.physics.particles import particle_cases
from witness_suite.physics.potentials import potential_cases
from witness_suite.physics.scalings import scaling_cases
from witness_suite.physics.vectors import vector_cases

# Exact symmetries that are in no table: to look at while a rule is made, so that the table stays unseen.
SPARE = (
    "airy rings", "woods-saxon well", "vortex with a core", "two oscillators out of step",
    "four atoms, radius of gyration", "three atoms, bending", "one particle off its shell", "two channels",
    "singing wire", "fog of droplets", "two bodies about a centre", "volume of a tetrahedron",
    "four oscillators with a lag", "angle of two vectors", "torque of a soft lever",
)  # fmt: skip


def everything() -> list[Case]:
    """Those of the table, the spare ones, and labels and counts."""
    return [
        *potential_cases(), *bodies_cases(), *particle_cases(), *scaling_cases(), *vector_cases(), *flow_cases(),
        *map_cases(),
    ]  # fmt: skip


def physics() -> list[Case]:
    """The sixty-two of the table."""
    return [c for c in everything() if c.name not in SPARE and c.family != "labels"]


def spare() -> list[Case]:
    """Fifteen more, for development."""
    return [c for c in everything() if c.name in SPARE]


def labels() -> list[Case]:
    """Yes or no, and counts: the algebra of the probability or of the rate."""
    return [c for c in everything() if c.family == "labels"]
