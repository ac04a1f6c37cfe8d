"""Singular value thresholding, the duality gap, and both problems against closed forms and a general solver."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.errors import InputError, UsageError
from symfind.linalg.nuclear import NuclearProblem
from symfind.linalg.thresholding import DenseMap, SingularValueThreshold, nuclear_norm

_F64 = torch.float64


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=_F64)


def low_rank(seed: int, rows: int, columns: int, sigma: list[float]) -> torch.Tensor:
    u = torch.linalg.qr(normal(seed, rows, len(sigma))).Q
    v = torch.linalg.qr(normal(seed + 1, columns, len(sigma))).Q
    return u * torch.tensor(sigma, dtype=_F64) @ v.T


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (6, 6)])
def test_thresholding_shrinks_every_singular_value(shape: tuple[int, int]) -> None:
    x = normal(0, *shape)
    u, sigma, vh = torch.linalg.svd(x, full_matrices=False)
    tau = float(sigma[1] + sigma[2]) / 2
    cut = SingularValueThreshold()(x, tau)
    assert cut.rank == 2
    torch.testing.assert_close(cut.value, u * (sigma - tau).clamp(min=0) @ vh)


def test_a_warm_subspace_gives_what_a_whole_decomposition_gives() -> None:
    threshold = SingularValueThreshold()
    base, drift = low_rank(1, 60, 50, [9.0, 8.0, 7.0, 0.3, 0.2]), normal(3, 60, 50) * 1e-3
    for step in range(6):
        x = base + step * drift
        warm, cold = threshold(x, 1.0), SingularValueThreshold()(x, 1.0)
        assert warm.rank == cold.rank == 3
        torch.testing.assert_close(warm.value, cold.value, atol=1e-7, rtol=0)


def test_a_subspace_that_is_too_small_is_noticed() -> None:
    threshold = SingularValueThreshold()
    threshold(low_rank(1, 60, 50, [9.0]), 1.0)
    x = low_rank(5, 60, 50, [9.0 - 0.1 * i for i in range(20)])
    assert threshold(x, 1.0).rank == 20


def test_thresholds_below_the_accuracy_of_a_gram_matrix() -> None:
    x = low_rank(2, 8, 6, [1.0, 1e-7, 1e-9])
    cut = SingularValueThreshold()(x, 1e-8)
    assert cut.rank == 2
    assert nuclear_norm(cut.value) == pytest.approx(1.0 - 1e-8 + 9e-8, abs=1e-13)


def test_denoising_a_matrix_has_a_closed_form() -> None:
    """Θ = 1, L(w) = w as a matrix: the minimiser of ‖w − y‖² + γ‖w‖_* thresholds y at γ/2."""
    y = normal(4, 6, 5)
    table = torch.eye(30, dtype=_F64).reshape(6, 5, 30)
    solved = NuclearProblem(torch.eye(30, dtype=_F64), y.flatten(), DenseMap(table)).solve(1.5, tolerance=1e-10)
    expected = SingularValueThreshold()(y, 0.75)
    torch.testing.assert_close(solved.w.reshape(6, 5), expected.value, atol=1e-6, rtol=0)
    assert solved.rank == expected.rank and solved.converged
    value = float((expected.value - y).square().sum()) + 1.5 * nuclear_norm(expected.value)
    assert solved.objective == pytest.approx(value, rel=1e-9)
    assert 0 <= solved.gap <= 1e-9 * value


def test_completion_of_a_matrix_of_rank_one() -> None:
    """Of a b* all entries but one are known; the least nuclear norm is ‖a‖‖b‖ if the missing entry is small enough."""
    whole = torch.tensor([[1.0, 1.0], [1.0, 1.0]], dtype=_F64)
    table = torch.eye(4, dtype=_F64).reshape(2, 2, 4)
    theta = torch.eye(4, dtype=_F64)[:3]
    solved = NuclearProblem(theta, whole.flatten()[:3], DenseMap(table), equality=True).solve(tolerance=1e-9)
    assert solved.objective == pytest.approx(2.0, rel=1e-8)
    torch.testing.assert_close(solved.w, torch.ones(4, dtype=_F64), atol=1e-4, rtol=0)


def test_without_a_weight_it_is_least_squares() -> None:
    theta, y = normal(0, 20, 5), normal(1, 20)
    solved = NuclearProblem(theta, y, DenseMap(normal(2, 4, 3, 5))).solve(0.0, tolerance=1e-10)
    expected = torch.linalg.lstsq(theta, y[:, None]).solution[:, 0]
    torch.testing.assert_close(solved.w, expected, atol=1e-6, rtol=0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.floats(0.05, 3.0))
def test_the_gap_bounds_the_distance_to_the_minimum(seed: int, equality: bool, gamma: float) -> None:
    theta, y = normal(seed, 5 if equality else 12, 8), normal(seed + 1, 5 if equality else 12)
    problem = NuclearProblem(theta, y, DenseMap(normal(seed + 2, 6, 5, 8)), equality=equality)
    rough = problem.solve(gamma, tolerance=1e-2)
    exact = problem.solve(gamma, tolerance=1e-9)
    assert exact.converged
    assert rough.objective - rough.gap <= exact.objective * (1 + 1e-9)
    assert exact.objective <= rough.objective * (1 + 1e-8)
    if equality:
        torch.testing.assert_close(theta @ exact.w, y, atol=1e-9, rtol=0)


def test_a_warm_start_takes_fewer_iterations() -> None:
    problem = NuclearProblem(normal(0, 30, 12), normal(1, 30), DenseMap(normal(2, 9, 6, 12)))
    near = problem.solve(1.0, tolerance=1e-8)
    assert problem.solve(1.001, start=near.state, tolerance=1e-4).iterations <= near.iterations


def test_a_sparsity_makes_entries_exactly_zero() -> None:
    """Θ = 1 and γ = 0: ‖w − y‖² + λ‖w‖₁ is minimised by the soft threshold of y at λ/2."""
    y = torch.tensor([3.0, -0.2, 0.4, -2.0], dtype=_F64)
    problem = NuclearProblem(torch.eye(4, dtype=_F64), y, DenseMap(normal(0, 3, 2, 4)), sparse=True)
    solved = problem.solve(0.0, sparsity=1.0, tolerance=1e-9)
    expected = torch.tensor([2.5, 0.0, 0.0, -1.5], dtype=_F64)
    torch.testing.assert_close(solved.w, expected, atol=1e-5, rtol=0)
    assert ((solved.sparse != 0) == (expected != 0)).all()


def test_equations_that_repeat_one_another() -> None:
    row = normal(0, 1, 6)
    lie = DenseMap(normal(1, 5, 4, 6))
    once = NuclearProblem(row, torch.ones(1, dtype=_F64), lie, equality=True).solve(tolerance=1e-8)
    twice = NuclearProblem(torch.cat([row, 2 * row]), torch.tensor([1.0, 2.0], dtype=_F64), lie, equality=True).solve(
        tolerance=1e-8
    )
    assert twice.objective == pytest.approx(once.objective, rel=1e-7)


def test_equations_that_no_w_meets() -> None:
    row = normal(0, 1, 6)
    with pytest.raises(InputError, match="no model of 6 unknowns meets all 2 equations"):
        NuclearProblem(
            torch.cat([row, row]), torch.tensor([1.0, 2.0], dtype=_F64), DenseMap(normal(1, 5, 4, 6)), equality=True
        )


@pytest.mark.parametrize("gamma", [-1.0, float("nan"), float("inf")])
def test_weights_out_of_range(gamma: float) -> None:
    problem = NuclearProblem(normal(0, 4, 3), normal(1, 4), DenseMap(normal(2, 3, 2, 3)))
    with pytest.raises(UsageError, match="at least 0"):
        problem.solve(gamma)
    with pytest.raises(UsageError, match="sparse=True"):
        problem.solve(1.0, sparsity=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_objective_agrees_with_a_general_solver(seed: int) -> None:
    cvxpy = pytest.importorskip("cvxpy")
    equality, sparse = seed % 2 == 1, seed % 4 >= 2
    theta, y = normal(seed, 6 if equality else 20, 10), normal(seed + 100, 6 if equality else 20)
    table, gamma = normal(seed + 200, 7, 5, 10), 0.2 + 0.3 * seed
    sparsity = 0.4 if sparse else 0.0
    problem = NuclearProblem(theta, y, DenseMap(table), equality=equality, sparse=sparse)
    ours = problem.solve(gamma, sparsity=sparsity, tolerance=1e-9, most=20_000)
    w = cvxpy.Variable(10)
    matrix = cvxpy.reshape(table.flatten(0, 1).numpy() @ w, (7, 5), order="C")
    total = gamma * cvxpy.normNuc(matrix) + sparsity * cvxpy.norm1(w)
    if not equality:
        total = total + cvxpy.sum_squares(theta.numpy() @ w - y.numpy())
    conditions = [theta.numpy() @ w == y.numpy()] if equality else []
    task = cvxpy.Problem(cvxpy.Minimize(total), conditions)
    task.solve(solver=cvxpy.SCS, eps_abs=1e-10, eps_rel=1e-10, max_iters=200_000)
    assert ours.objective == pytest.approx(float(task.value), rel=1e-6)
