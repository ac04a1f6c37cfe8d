"""Do the bounds hold? Nearly symmetric problems drawn again and again, true ρ from the exact F."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recovery_suite import systems
from recovery_suite.document import share, table
from recovery_suite.evaluation import run_program, unknowns
from recovery_suite.flows import flow_problem
from recovery_suite.functions import broken_quartic, function_problem
from recovery_suite.problem import Problem
from recovery_suite.truth import pencil

# Rows of the population, fresh in every simulation.
_POPULATION = 3000 * 8


@dataclass(frozen=True)
class Draw:
    """One simulation: for every direction that the report lists, certified or undecided.

    Attributes
    ----------
    name
        Of the problem.
    sample, population
        Largest true ρ over the rows and over fresh rows, less the upper bound: positive where the bound fails.
    lower
        Lower bound less the true ρ over the rows, the largest.
    listed, certified
        Numbers of directions.
    """

    name: str
    sample: float
    population: float
    lower: float
    listed: int
    certified: int
    rho: float
    bound: float


def simulated() -> list[Problem]:
    """Cheap problems whose smallest defects are near, below and above the tolerance."""
    return [
        flow_problem("broken hopf", "nearly so(2)", 0, systems.broken_hopf(0.12), 2, 2000, 0.05, 3),
        function_problem("broken quartic", "nearly so(3)", 1, broken_quartic(0.15), 1, 3, 2000, 0.05, 4),
    ]


def simulate(index: int, seed: int) -> Draw:
    """One problem, one seed."""
    problem = simulated()[index]
    data = problem.make(seed)
    assert data.draw is not None
    with tempfile.TemporaryDirectory() as folder:
        report, _ = run_program(problem, data, seed, Path(folder))
    rng = np.random.default_rng([seed, 99])
    fresh = [pencil(data, problem.space, problem.action, data.draw(3000, rng)) for _ in range(_POPULATION // 3000)]
    rows = pencil(data, problem.space, problem.action)
    over, outside, under, rhos, bounds = [-np.inf], [-np.inf], [-np.inf], [0.0], [0.0]
    for g in report.generators:
        c = unknowns(g, problem.objects[1])[:, None]
        rho = float(rows.defects(c)[0])
        many = float(np.sqrt(np.mean([np.square(f.m @ c).sum() for f in fresh])
                             / np.mean([np.square(f.s @ c).sum() for f in fresh])))  # fmt: skip
        upper = np.inf if g.upper is None else g.upper
        over.append(rho - upper)
        outside.append(many - upper)
        under.append((g.lower or 0.0) - rho)
        rhos.append(rho)
        bounds.append(upper)
    certified = sum(g.verdict == "certified" for g in report.generators)
    return Draw(problem.name, max(over), max(outside), max(under), len(report.generators), certified, max(rhos),
                max(bounds))  # fmt: skip


def coverage(draws: Sequence[Draw]) -> str:
    """How often every listed direction is inside its bounds."""
    rows = []
    for name in dict.fromkeys(d.name for d in draws):
        mine = [d for d in draws if d.name == name and d.listed]
        if not mine:
            rows.append([name, str(sum(d.name == name for d in draws)), "0", "", "", "", "", ""])
            continue
        rows.append([
            name, str(sum(d.name == name for d in draws)), str(len(mine)),
            f"{np.median([d.rho for d in mine]):.3f}", f"{np.median([d.bound for d in mine]):.3f}",
            share(sum(d.sample <= 0 for d in mine), len(mine)), share(sum(d.population <= 0 for d in mine), len(mine)),
            share(sum(d.lower <= 0 for d in mine), len(mine)),
        ])  # fmt: skip
    head = ["problem", "simulations", "with a direction listed", "median true ρ", "median upper bound",
            "upper bound holds, sample", "upper bound holds, population", "lower bound holds, sample"]  # fmt: skip
    return table(head, rows)
