"""The certified span as something with brackets: affine fields as matrices, others at points."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.answers.span import affine_fields, algebra_at_points, constants_at_points
from symfind.errors import InputError
from symfind.fields.polynomial import linear_fields, polynomial_fields
from symfind.lie.algebras.classify import UNIDENTIFIED, identify

F64 = torch.float64


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_the_projective_fields_of_the_line_are_sl2() -> None:
    # ∂x, x ∂x, x² ∂x: [∂x, x ∂x] = ∂x, [∂x, x² ∂x] = 2x ∂x, [x ∂x, x² ∂x] = x² ∂x.
    space = polynomial_fields(1, 2)
    unit = torch.eye(3, dtype=F64)
    f = constants_at_points(space, unit, normal(300, 1))
    assert f[0, 1].tolist() == [1.0, 0.0, 0.0]
    assert f[0, 2].tolist() == [0.0, 2.0, 0.0]
    assert f[1, 2].tolist() == [0.0, 0.0, 1.0]
    algebra = algebra_at_points(space, unit, normal(300, 1), 1e-9)
    report = identify(algebra)
    assert report.name == "sl(2,R)" and report.killing_signature == (2, 1)
    assert algebra.closure < 1e-10


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(-20, 20), st.floats(-2, 2))
def test_neither_basis_nor_origin_nor_units_change_it(seed: int, offset: float, power: float) -> None:
    points = normal(300, 1, seed) * 10**power + offset
    # A basis of condition below 4, or the noise is amplified beyond what the test is about.
    u, _, v = torch.linalg.svd(normal(3, 3, seed))
    mix = u @ torch.diag(torch.tensor([1.0, 0.5, 0.3], dtype=F64)) @ v
    space = polynomial_fields(1, 2).centred(points.mean(0), points.std(0))
    assert identify(algebra_at_points(space, mix, points, 1e-9)).name == "sl(2,R)"


def test_fields_of_which_one_is_missing_are_not_closed() -> None:
    # [∂x, x² ∂x] = 2x ∂x is not in the span of the two.
    space = polynomial_fields(1, 2)
    algebra = algebra_at_points(space, torch.eye(3, dtype=F64)[:, [0, 2]], normal(300, 1), 1e-9)
    assert algebra.closure > 0.1
    assert identify(algebra).name == UNIDENTIFIED


@pytest.mark.parametrize("noise", [1e-6, 1e-3, 1e-2])
def test_noisy_fields_are_named_rightly_or_not_at_all(noise: float) -> None:
    space = polynomial_fields(1, 2)
    for seed in range(4):
        vectors = torch.eye(3, dtype=F64) + noise * normal(3, 3, seed) / 3
        assert identify(algebra_at_points(space, vectors, normal(300, 1), noise)).name in ("sl(2,R)", UNIDENTIFIED)


def test_an_abelian_span_stays_abelian() -> None:
    # ∂y, x ∂y, x² ∂y commute.
    space = polynomial_fields(2, 2)
    names = space.names(["x", "y"])
    chosen = [names.index(n) for n in ("∂y", "x ∂y", "x² ∂y")]
    algebra = algebra_at_points(space, torch.eye(space.dim, dtype=F64)[:, chosen], normal(300, 2), 1e-9)
    assert identify(algebra).name == "R^3"


def test_dependent_fields_are_refused() -> None:
    space = polynomial_fields(1, 2)
    with pytest.raises(InputError, match="independent"):
        algebra_at_points(space, torch.ones(3, 2, dtype=F64), normal(50, 1), 1e-9)


def test_affine_fields_come_back_as_matrices() -> None:
    # −(y − 1) ∂x + (x − 2) ∂y, a turn about (2, 1).
    points = normal(200, 2) + torch.tensor([2.0, 1.0], dtype=F64)
    space = polynomial_fields(2, 1).centred(points.mean(0), points.std(0))
    basis = space.evaluate(points).transpose(1, 2).reshape(-1, space.dim)
    turn = torch.stack([-(points[:, 1] - 1), points[:, 0] - 2], 1).reshape(-1, 1)
    vector = torch.linalg.lstsq(basis, turn).solution
    fields = affine_fields(space, vector, points, None)
    assert fields is not None
    expected = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -2.0], [0.0, 0.0, 0.0]], dtype=F64)
    assert torch.allclose(fields.homogeneous[0], expected, atol=1e-10)


def test_linear_fields_are_centred_on_the_origin_and_others_are_not_affine() -> None:
    points = normal(100, 2) + 5.0
    fields = affine_fields(linear_fields(2), torch.eye(4, dtype=F64), points, None)
    assert fields is not None and torch.equal(fields.centre, torch.zeros(2, dtype=F64))
    space = polynomial_fields(2, 2)
    assert affine_fields(space, torch.eye(space.dim, dtype=F64), points, None) is None
