"""Generalised singular vectors of (M, S): exact pencils, trivial directions, invariances."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rounding import rounding
from torch import Tensor

from symfind.linalg.nullspace import GeneralisedSpectrum, Pencil, generalised_spectrum, streamed_pencil_spectrum


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def known_pencil(values: list[float], rows: int = 200) -> tuple[Tensor, Tensor, Tensor]:
    """M, S and T with generalised singular values ``values`` in the columns of T."""
    p = len(values)
    t = normal(p, p, seed=1)
    inverse = torch.linalg.inv(t)
    u = torch.linalg.qr(normal(rows, p, seed=2)).Q
    v = torch.linalg.qr(normal(rows, p, seed=3)).Q
    return u @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ inverse, v @ inverse, t


def dense_spectrum(blocks: list[Pencil], columns: int) -> GeneralisedSpectrum:
    """The reference: all rows at once."""
    m = torch.cat([b.m.double().flatten(0, 1) for b in blocks])
    return generalised_spectrum(m, torch.cat([b.s.double().flatten(0, 1) for b in blocks]))


@pytest.mark.parametrize("solver", [dense_spectrum, streamed_pencil_spectrum])
def test_values_and_vectors_of_a_known_pencil(solver: Callable[[list[Pencil], int], GeneralisedSpectrum]) -> None:
    m, s, t = known_pencil([0.0, 1e-9, 0.3, 2.0])
    blocks = [Pencil(a[:, None], b[:, None]) for a, b in zip(m.split(17), s.split(17), strict=True)]
    found = solver(blocks, 4)
    torch.testing.assert_close(
        found.values, torch.tensor([0.0, 1e-9, 0.3, 2.0], dtype=torch.float64), rtol=1e-5, atol=1e-13
    )
    torch.testing.assert_close((s @ found.vectors).norm(dim=0), torch.ones(4, dtype=torch.float64))
    cosine = (found.vectors[:, 3] @ t[:, 3]).abs() / (found.vectors[:, 3].norm() * t[:, 3].norm())
    assert float(cosine) == pytest.approx(1.0, abs=1e-12)
    assert found.trivial.shape == (4, 0)


def test_streamed_equals_dense() -> None:
    m, s = normal(3000, 2, 6), normal(3000, 3, 6, seed=5)
    m[..., 0] = m[..., 1]  # one exactly null direction
    blocks = [Pencil(a, b) for a, b in zip(m.split(100), s.split(100), strict=True)]
    dense, streamed = dense_spectrum(blocks, 6), streamed_pencil_spectrum(blocks, 6)
    close = rounding(terms=6000, factor=10)  # rows are added up in another order
    torch.testing.assert_close(streamed.values, dense.values, rtol=close, atol=close)
    overlap = torch.linalg.solve(dense.vectors, streamed.vectors)
    torch.testing.assert_close(overlap.abs(), torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-10)


def test_directions_on_which_s_vanishes_are_trivial() -> None:
    s = normal(50, 4)
    s[:, 2] = s[:, 0] - 2 * s[:, 1]
    m = normal(50, 4, seed=1)
    found = generalised_spectrum(m, s)
    assert found.values.shape == (3,)
    direction = found.trivial[:, 0]
    expected = torch.tensor([1.0, -2.0, -1.0, 0.0], dtype=torch.float64)
    cosine = (direction @ expected) / (direction.norm() * expected.norm())
    assert abs(float(cosine)) == pytest.approx(1.0, abs=1e-12)


def test_a_column_of_zeros_in_s_is_trivial_and_mixes_with_nothing() -> None:
    s, m = normal(50, 3), normal(50, 3, seed=1)
    s[:, 1] = 0.0
    found = generalised_spectrum(m, s)
    assert found.trivial.shape == (3, 1)
    torch.testing.assert_close(found.vectors[1], torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-14)


def test_everything_is_trivial_where_s_is_zero() -> None:
    found = generalised_spectrum(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(5, 3, dtype=torch.float64))
    assert found.values.numel() == 0
    assert found.trivial.shape == (3, 3)


def test_an_exactly_null_column_stays_null() -> None:
    m, s = normal(100, 5), normal(100, 5, seed=1)
    m[:, 3] = 0.0
    m[:, 4] = 1e-16 * normal(100, seed=9)
    values = generalised_spectrum(m, s).values
    assert float(values[1]) < 1e-14 < 1e-2 < float(values[2])


@given(st.integers(0, 10_000), st.lists(st.floats(-4, 4), min_size=4, max_size=4))
@settings(max_examples=25, deadline=None)
def test_values_do_not_depend_on_the_basis_or_its_scale(seed: int, powers: list[float]) -> None:
    m, s = normal(40, 4, seed=seed), normal(40, 4, seed=seed + 1)
    change = torch.linalg.qr(normal(4, 4, seed=seed + 2)).Q * 10.0 ** torch.tensor(powers, dtype=torch.float64)
    plain, moved = generalised_spectrum(m, s).values, generalised_spectrum(m @ change, s @ change).values
    torch.testing.assert_close(moved, plain, rtol=1e-8, atol=0)


def test_fewer_rows_than_columns_leave_exact_zeros() -> None:
    values = generalised_spectrum(normal(2, 5), normal(30, 5, seed=1)).values
    assert values.shape == (5,)
    assert float(values[2]) < 1e-14 < float(values[3])
