"""Spans, ranks that are clear or refused, sparse bases, simplest rationals."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.errors import InputError
from symfind.linalg.subspaces import (
    UnclearRank,
    clear_rank,
    largest_sine,
    nullspace,
    orthogonal_complement,
    principal_cosines,
    simplest_rational,
    span_basis,
    sparsest_basis,
)

F64 = torch.float64


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_principal_cosines_of_planes_that_share_a_line() -> None:
    # span{e1, e2} and span{e1, cos 60° e2 + sin 60° e3}: angles 0 and 60 degrees.
    a = torch.eye(3, dtype=F64)[:2]
    b = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.75**0.5]], dtype=F64)
    assert torch.allclose(principal_cosines(a, 3.0 * b), torch.tensor([1.0, 0.5], dtype=F64))
    assert largest_sine(a, b) == pytest.approx(0.75**0.5)


def test_largest_sine_sees_angles_below_the_square_root_of_rounding() -> None:
    a = torch.eye(4, dtype=F64)[:2]
    b = a.clone()
    b[1, 3] = 1e-12
    assert largest_sine(a, b) == pytest.approx(1e-12, rel=1e-3)
    assert largest_sine(a, torch.eye(4, dtype=F64)[:3]) == 1.0


def test_rank_is_refused_where_a_singular_value_is_near_the_cut() -> None:
    assert clear_rank(torch.tensor([1.0, 0.1, 1e-9]), 1e-6) == 2
    with pytest.raises(UnclearRank, match="smaller errors"):
        clear_rank(torch.tensor([1.0, 2e-6]), 1e-6)


def test_nullspace_of_a_tall_matrix() -> None:
    kernel = torch.linalg.qr(torch.randn(6, 2, generator=rng(), dtype=F64)).Q.T
    rows = torch.randn(40, 6, generator=rng(1), dtype=F64) @ (torch.eye(6, dtype=F64) - kernel.T @ kernel)
    assert largest_sine(nullspace(rows, 1e-9), kernel) < 1e-12
    assert nullspace(torch.randn(9, 4, generator=rng(2), dtype=F64), 1e-9).shape == (0, 4)


@pytest.mark.parametrize(("k", "p"), [(0, 4), (1, 4), (3, 4), (4, 4)])
def test_complement_is_orthogonal_and_complete(k: int, p: int) -> None:
    rows = torch.randn(k, p, generator=rng(), dtype=F64)
    rest = orthogonal_complement(rows)
    assert rest.shape == (p - k, p)
    assert torch.allclose(rest @ rest.T, torch.eye(p - k, dtype=F64), atol=1e-12)
    assert (rest @ rows.T).abs().max() < 1e-12 if k and k < p else True


def test_span_basis_drops_what_is_dependent() -> None:
    a = torch.randn(2, 5, generator=rng(), dtype=F64)
    assert span_basis(torch.cat([a, a.sum(0, keepdim=True)])).shape == (2, 5)
    assert span_basis(torch.zeros(3, 5, dtype=F64)).shape == (0, 5)


def planted(k: int, p: int, entries: int, seed: int) -> torch.Tensor:
    """k vectors of R^p with a few entries ±1 in random places, independent."""
    generator = rng(seed)
    while True:
        rows = torch.zeros(k, p, dtype=F64)
        for row in rows:
            places = torch.randperm(p, generator=generator)[:entries]
            row[places] = torch.randint(0, 2, (entries,), generator=generator, dtype=torch.int64).double() * 2 - 1
        if float(torch.linalg.svdvals(rows)[-1]) > 0.3:
            return rows


@pytest.mark.parametrize("noise", [0.0, 1e-6])
@pytest.mark.parametrize("seed", range(4))
def test_planted_sparse_vectors_are_found_again(seed: int, noise: float) -> None:
    truth = planted(4, 24, 2, seed)
    mixed = torch.linalg.qr(torch.randn(4, 4, generator=rng(seed), dtype=F64)).Q @ truth
    mixed = mixed + noise * torch.randn(mixed.shape, generator=rng(9), dtype=F64)
    found = sparsest_basis(mixed, max(noise, 1e-10))
    counts = sorted(int((row.abs() > 1e-3).sum()) for row in found)
    assert counts == [2, 2, 2, 2]
    assert largest_sine(found, truth) < 1e-9 + 30 * noise


def test_dependent_or_infinite_vectors_are_refused() -> None:
    with pytest.raises(InputError, match="rank 1"):
        sparsest_basis(torch.ones(2, 3, dtype=F64))
    with pytest.raises(InputError, match="finite"):
        sparsest_basis(torch.full((1, 3), float("nan"), dtype=F64))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.3, 0.34, Fraction(1, 3)),
        (-0.6701, -0.6601, Fraction(-2, 3)),
        (-0.1, 0.2, Fraction(0)),
        (2.9, 3.2, Fraction(3)),
        (3.1415, 3.1417, Fraction(333, 106)),
        (0.5, 0.5, Fraction(1, 2)),
    ],
)
def test_simplest_rational(low: float, high: float, expected: Fraction) -> None:
    assert simplest_rational(low, high) == expected


def test_simplest_rational_respects_the_largest_denominator_and_refuses_nonsense() -> None:
    assert simplest_rational(2**0.5 - 1e-9, 2**0.5 + 1e-9, 100) is None
    with pytest.raises(InputError):
        simplest_rational(1.0, 0.0)
    with pytest.raises(InputError):
        simplest_rational(float("nan"), 1.0)


@settings(max_examples=60, deadline=None)
@given(st.fractions(-5, 5, max_denominator=40), st.floats(1e-6, 1e-1))
def test_no_simpler_rational_lies_inside(centre: Fraction, half: float) -> None:
    low, high = float(centre) - half, float(centre) + half
    found = simplest_rational(low, high)
    assert found is not None
    assert low <= found <= high
    for q in range(1, found.denominator):
        # An integer p with low ≤ p/q ≤ high exists iff ⌈low·q⌉ ≤ high·q.
        assert -(-Fraction(low) * q // 1) * -1 > Fraction(high) * q or -((-Fraction(low) * q) // 1) > Fraction(high) * q
