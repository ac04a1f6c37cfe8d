"""The worst-case simultaneous certificate for fits that are linear in their parameters, beside the program's bounds.

With y = Φw + noise and the rows of Φ whitened, w lies in the ball ‖w − ŵ‖² ≤ σ̂² χ²_f(1 − α)/n with probability 1 − α,
whatever directions are asked afterwards. In a direction ξ therefore

    ρ(ξ) ≤ ( ‖L_ξF̂‖ + r · sup_{‖w‖ = 1} ‖L_ξ(Φw)‖ ) / ‖ξ‖_S,       r² = σ̂² χ²_f(1 − α)/n.

It holds for every direction at once and knows nothing of misfit; here it is even helped: the size ‖ξ‖_S is taken as
it is, and a span is given the bound of its worst basis vector. Invariance of one scalar under linear fields.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import chi2

from recovery_suite.evaluation import run_program
from recovery_suite.problem import Problem
from recovery_suite.tables import table
from recovery_suite.truth import generalised, inverse_root, pencil, value_and_derivative
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.surrogate import Family, LinearFit, fit_weights

# Rows on which the Lie derivatives of the features are averaged.
_ROWS = 1500


@dataclass(frozen=True)
class Compared:
    """Both upper bounds over the leading directions, as many as the algebra's dimension."""

    name: str
    dimension: int
    features: int
    rows: int
    noise: float
    worst_case: float
    program: float


def comparable(problems: list[Problem]) -> list[Problem]:
    """One scalar of one object, F in a polynomial family, linear fields, a symmetry."""
    return [
        p for p in problems
        if p.kind == "function" and p.dimension and p.degree and p.objects[0] == 1 and p.space == "linear"
        and p.action == "invariant" and not p.degenerate and p.noise > 0
    ]  # fmt: skip


def compare(problem: Problem, seed: int = 0, alpha: float = 0.05) -> Compared:
    """One problem."""
    data = problem.make(seed)
    with tempfile.TemporaryDirectory() as folder:
        report, _ = run_program(problem, data, seed, Path(folder))
    assert report.fit is not None and problem.degree is not None
    x = torch.from_numpy(data.x).reshape(len(data.x), -1)
    y = torch.from_numpy(data.arrays["y"]).reshape(len(x), 1)
    features = PolynomialFeatures.of_degree(
        Standardiser.of(x.mean(0), x.std(0, correction=0)), report.fit.degree or problem.degree
    )
    weights, n = fit_weights(Family(features), [(x, y)], 1)
    fit = LinearFit(features, weights, (x.shape[1],), (1,))
    fitted = pencil(replace(data, f=fit), problem.space, problem.action)
    # Noise makes the plain defects of the fit positive; the directions are those of the exact algebra.
    exact = pencil(data, problem.space, problem.action)
    directions = generalised(exact.m, exact.s)[1][:, : problem.dimension]
    residual = float((y - fit(x).reshape(-1, 1)).square().sum()) / (n - features.size)
    phi = features(x)
    basis = torch.linalg.solve_triangular(torch.linalg.qr(phi, mode="r").R / n**0.5, torch.eye(features.size).double(),
                                          upper=True)  # fmt: skip
    radius = (residual * chi2.ppf(1 - alpha, features.size) / n) ** 0.5
    some = x[torch.linspace(0, n - 1, min(n, _ROWS)).long()]
    d = problem.objects[1]
    height = inverse_root(np.cov(value_and_derivative(fit, some.numpy())[0].T, bias=True).reshape(1, 1))[0][0, 0]
    bounds = []
    for direction in directions.T:
        matrix = torch.from_numpy(direction[: d * d].reshape(d, d).copy())
        moved = features.push(some, (some @ matrix.T)[:, None])[:, :, 0] @ basis
        steepest = float(torch.linalg.matrix_norm(moved, 2)) / some.shape[0] ** 0.5 * height
        at = np.linalg.norm(fitted.m @ direction)
        bounds.append((at + radius * steepest) / np.linalg.norm(fitted.s @ direction))
    own = report.spectrum[problem.dimension - 1].upper
    return Compared(
        problem.name, problem.dimension, features.size, n, problem.noise, float(max(bounds)),
        float("inf") if own is None else own,
    )  # fmt: skip


def comparison(rows: list[Compared]) -> str:
    """The table."""
    head = ["problem", "dimension", "features", "N", "noise", "worst case", "symfind", "certified at δ = 0.05"]
    lines = []
    for r in rows:
        below = [name for name, bound in (("worst case", r.worst_case), ("symfind", r.program)) if bound < 0.05]
        numbers = [str(r.dimension), str(r.features), str(r.rows), f"{100 * r.noise:g} %"]
        bounds = [f"{r.worst_case:.3f}", f"{r.program:.3f}"]
        lines.append([r.name, *numbers, *bounds, " and ".join(below) or "neither"])
    return table(head, lines)
