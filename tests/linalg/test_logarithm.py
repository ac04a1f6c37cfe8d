"""The principal logarithm inverts the exponential, and says where it need not."""

import math

import pytest
import torch
from torch import Tensor

from symfind.linalg.logarithm import nearest_orthogonal, real_logarithm


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("d", [1, 2, 5, 8])
def test_the_logarithm_inverts_the_exponential(d: int) -> None:
    a = normal(d, d, seed=d)
    a = a / torch.linalg.matrix_norm(a, 2)  # phases below one
    found = real_logarithm(torch.linalg.matrix_exp(a))
    torch.testing.assert_close(found.matrix, a, atol=1e-9, rtol=0)
    assert found.ambiguous == 0


def test_a_shear_has_too_few_eigenvectors_and_a_logarithm_all_the_same() -> None:
    shear = torch.tensor([[0.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(real_logarithm(torch.linalg.matrix_exp(shear)).matrix, shear, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("angle", "ambiguous"), [(2.5, 0), (3.0, 2), (-3.1, 2)])
def test_phases_near_half_a_turn_are_counted(angle: float, ambiguous: int) -> None:
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    found = real_logarithm(torch.linalg.matrix_exp(angle * turn))
    assert found.ambiguous == ambiguous
    torch.testing.assert_close(found.phases, torch.full((2,), abs(angle), dtype=torch.float64))
    assert math.isclose(float(found.matrix[1, 0]), angle, abs_tol=1e-9)


def test_the_nearest_orthogonal_matrix_is_nearest() -> None:
    r = normal(4, 4)
    q = nearest_orthogonal(r)
    torch.testing.assert_close(q @ q.T, torch.eye(4, dtype=torch.float64))
    for seed in range(20):
        other = torch.linalg.qr(q + 0.2 * normal(4, 4, seed=seed + 1)).Q
        assert float((r - q).norm()) <= float((r - other).norm()) + 1e-12
