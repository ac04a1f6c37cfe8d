"""The recovery suite: stated algebras are those of the exact pencil, and the pencil agrees with ρ by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from recovery_suite import systems  # noqa: E402
from recovery_suite.catalogue import chosen, suite  # noqa: E402
from recovery_suite.flows import flow_problem  # noqa: E402
from recovery_suite.functions import box, function_problem  # noqa: E402
from recovery_suite.points import points  # noqa: E402
from recovery_suite.truth import generalised, gradient_share, pencil, principal_cosine  # noqa: E402

SUITE = suite()


def truth_of(problem, seed=0):
    return pencil(problem.make(seed), problem.space, problem.action).truth()


def test_the_suite_is_as_large_and_as_varied_as_is_asked():
    assert len(SUITE) >= 120
    assert sum(p.control for p in SUITE) >= 40
    assert {p.kind for p in SUITE} == {"function", "map", "flow", "points", "model"}
    assert {0.0, 0.01, 0.05, 0.1} <= {p.noise for p in SUITE}
    assert min(p.n for p in SUITE) <= 200 and max(p.n for p in SUITE) == 20_000
    assert {p.objects[1] for p in SUITE} >= {2, 3, 4, 5, 6, 7, 8, 10}
    assert {p.name for p in chosen(None, quick=True)} < {p.name for p in SUITE}


@pytest.mark.parametrize("problem", [p for p in SUITE if p.quick], ids=lambda p: p.name)
def test_stated_dimension_is_that_of_the_exact_pencil(problem):
    truth = truth_of(problem)
    assert truth.dimension == problem.dimension
    if problem.dimension == 0 and not problem.degenerate and problem.kind != "points":
        assert truth.gap >= 0.09


@pytest.mark.slow
@pytest.mark.parametrize("problem", SUITE, ids=lambda p: p.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_stated_dimension(problem, seed):
    assert truth_of(problem, seed).dimension == problem.dimension


def test_defect_of_a_linear_function_by_hand():
    # y = a·x with x of covariance 1 about its mean: ρ² of ξ = E_ab x is (a_a² E x_b²)/(a² · Var(x_b)/d) for every a, b.
    problem = function_problem(
        "hand", "", 0, lambda z: z @ z.new_tensor([2.0, 1.0]), 1, 2, 2000, 0.0, 1, draw=box, axes=True
    )
    data = problem.make(0)
    matrices = pencil(data, "linear", "invariant")
    x, a = data.x, np.array([2.0, 1.0])
    covariance = np.cov(x.T, bias=True)
    spread = np.linalg.inv(covariance)
    slope = a @ covariance @ a
    for i in range(2):
        for j in range(2):
            unit = np.zeros((4, 1))
            unit[2 * i + j] = 1.0
            size = slope / 2 * spread[i, i] * x[:, j].var()
            expected = np.sqrt(a[i] ** 2 * np.square(x[:, j]).mean() / size)
            assert matrices.defects(unit)[0] == pytest.approx(expected, rel=1e-9)


def test_defects_do_not_depend_on_units():
    data = [
        flow_problem("units", "", 0, systems.lotka_volterra, 2, 500, 0.0, 2, condition=c).make(3) for c in (1.0, 90.0)
    ]
    # The box is drawn after the coordinates and the coordinates take the same number of draws: same z in both.
    gaps = [pencil(d, "linear", "bracket").truth().gap for d in data]
    assert gaps[0] == pytest.approx(gaps[1], rel=1e-6)


def test_centraliser_of_a_jordan_block_and_its_time():
    nilpotent = flow_problem("j0", "", 4, systems.linear(systems.jordan(0.0, 3)), 3, 300, 0.0, 1)
    invertible = flow_problem("j1", "", 3, systems.linear(systems.jordan(1.0, 3)), 3, 300, 0.0, 1)
    assert (truth_of(nilpotent).dimension, truth_of(invertible).dimension) == (4, 3)


def test_generalised_values_against_a_direct_solution():
    rng = np.random.default_rng(0)
    m, s = rng.standard_normal((30, 5)), rng.standard_normal((40, 5))
    values, vectors = generalised(m, s)
    direct = np.sort(np.linalg.eigvals(np.linalg.solve(s.T @ s, m.T @ m)).real) ** 0.5
    np.testing.assert_allclose(values, direct, rtol=1e-8)
    np.testing.assert_allclose(vectors.T @ (s.T @ s) @ vectors, np.eye(5), atol=1e-9)


def test_every_symmetric_field_of_a_normal_distribution_is_a_gradient():
    problem = next(p for p in points() if p.name == "normal d2")
    data = problem.make(0)
    truth = pencil(data, "affine", "invariant").truth()
    assert truth.dimension == 1
    assert gradient_share(data, "affine", truth.basis, draws=4000, waves=30) == pytest.approx(1.0, abs=0.05)


def test_principal_cosine_of_the_exact_span_is_one_and_of_another_is_not():
    problem = next(p for p in SUITE if p.name == "so3 clean")
    data = problem.make(0)
    basis = pencil(data, "linear", "invariant").truth().basis
    exact = basis.T.reshape(3, 3, 3)
    mixed = np.einsum("ij,jab->iab", np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.5]]), exact)
    assert principal_cosine(mixed, basis, data) == pytest.approx(1.0, abs=1e-9)
    assert principal_cosine(np.eye(3)[None], basis, data) < 0.2
