"""Canonical generators: sparse, rational, in a standard order, whatever basis they came in."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.errors import InputError
from symfind.lie.algebras.canonical import canonical_basis
from symfind.lie.groups.catalogue import parse_group

F64 = torch.float64


def linear_coefficients(name: str) -> torch.Tensor:
    """Coefficients of x_j ∂_i in the order of the space ``linear``."""
    return parse_group(name).generators.transpose(1, 2).flatten(1)


def mixed(rows: torch.Tensor, seed: int, noise: float = 0.0) -> torch.Tensor:
    """Another basis of the span, orthogonally mixed, with noise."""
    rng = torch.Generator().manual_seed(seed)
    k = rows.shape[0]
    out = torch.linalg.qr(torch.randn(k, k, generator=rng, dtype=F64)).Q @ rows
    return out + noise * torch.randn(out.shape, generator=rng, dtype=F64)


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-6, 1e-4])
@pytest.mark.parametrize("name", ["so3", "so(1,3)", "so5", "sl2", "se3", "sim2"])
def test_known_generators_come_back_exactly(name: str, noise: float) -> None:
    truth = linear_coefficients(name)
    found = canonical_basis(mixed(truth, 3, noise))
    assert bool(found.snapped.all())
    # Each vector has entries 0, ±1 only and the span is the true one.
    assert set(found.coefficients.unique().tolist()) <= {-1.0, 0.0, 1.0}
    stacked = torch.cat([found.coefficients, truth])
    assert torch.linalg.matrix_rank(stacked) == truth.shape[0]


def test_lorentz_generators_are_three_rotations_then_three_boosts() -> None:
    found = canonical_basis(mixed(linear_coefficients("so(1,3)"), 0, 1e-12)).coefficients.reshape(6, 4, 4)
    for i, (a, b) in enumerate([(1, 2), (1, 3), (2, 3)]):
        # x_a ∂_b − x_b ∂_a: positive first.
        expected = torch.zeros(4, 4, dtype=F64)
        expected[a, b], expected[b, a] = 1.0, -1.0
        assert torch.equal(found[i], expected)
    for i in (1, 2, 3):
        expected = torch.zeros(4, 4, dtype=F64)
        expected[0, i] = expected[i, 0] = 1.0
        assert torch.equal(found[2 + i], expected)


def test_scalings_become_coprime_integers() -> None:
    # KdV: ∂t, ∂x, t∂x + ∂u, 3t∂t + x∂x − 2u∂u.
    truth = torch.zeros(4, 9, dtype=F64)
    truth[0, 0] = truth[1, 1] = truth[2, 2] = truth[2, 5] = 1.0
    truth[3, 4], truth[3, 7], truth[3, 8] = 3.0, 1.0, -2.0
    found = canonical_basis(mixed(truth, 5, 1e-7))
    assert torch.equal(found.coefficients, truth)


def test_irrational_entries_are_kept_as_they_are() -> None:
    truth = torch.tensor([[1.0, 2.0**0.5, 0.0]], dtype=F64)
    found = canonical_basis(truth)
    ratio = float(found.coefficients[0, 1] / found.coefficients[0, 0])
    assert ratio == pytest.approx(2**0.5, rel=1e-12)
    assert not bool(found.snapped.all())


def test_standard_errors_decide_what_is_recognised() -> None:
    rows = torch.tensor([[1.0, 0.503, 1e-3]], dtype=F64)
    tight = canonical_basis(rows, torch.full_like(rows, 1e-5))
    assert not bool(tight.snapped[0, 1]) and float(tight.coefficients[0, 2]) != 0.0
    loose = canonical_basis(rows, torch.full_like(rows, 2e-3))
    assert torch.equal(loose.coefficients, torch.tensor([[2.0, 1.0, 0.0]], dtype=F64))


def test_wide_intervals_prove_no_fraction() -> None:
    rows = torch.tensor([[1.0, 0.45]], dtype=F64)
    found = canonical_basis(rows, torch.full_like(rows, 0.02))
    assert not bool(found.snapped[0, 1])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_result_does_not_depend_on_the_basis(seed: int) -> None:
    truth = linear_coefficients("se2")
    assert torch.equal(canonical_basis(mixed(truth, seed)).coefficients, canonical_basis(truth).coefficients)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        canonical_basis(torch.zeros(3, dtype=F64))
    with pytest.raises(InputError, match="standard errors"):
        canonical_basis(torch.eye(2, dtype=F64), torch.zeros(1, 2, dtype=F64))
    assert canonical_basis(torch.zeros(0, 4, dtype=F64)).coefficients.shape == (0, 4)
