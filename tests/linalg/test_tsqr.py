"""TSQR: R of stacked blocks has RᵀR = AᵀA and the singular values of A, small ones included."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.linalg.tsqr import StreamedFactor, triangular_factor


def graded(rows: int, smallest: float) -> torch.Tensor:
    """A matrix (rows, 6) with singular values 1 … ``smallest``, made from two orthogonal factors."""
    g = torch.Generator().manual_seed(3)
    u = torch.linalg.qr(torch.randn(rows, 6, generator=g, dtype=torch.float64)).Q
    v = torch.linalg.qr(torch.randn(6, 6, generator=g, dtype=torch.float64)).Q
    return u @ torch.diag(torch.logspace(0, torch.log10(torch.tensor(smallest)).item(), 6, dtype=torch.float64)) @ v.T


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_gram_matrix_is_that_of_all_rows(blocks: list[int], columns: int) -> None:
    rows = torch.randn(sum(blocks), columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    factor = StreamedFactor(columns, buffer_rows=7)
    for block in torch.split(rows, blocks):
        factor.add(block)
    r = factor.factor()
    torch.testing.assert_close(r.T @ r, rows.T @ rows, rtol=1e-12, atol=1e-12)


def test_small_singular_values_keep_their_relative_accuracy() -> None:
    # A Gram matrix in float64 loses everything below 1e-8 of the largest; these end at 1e-12.
    rows = graded(4000, 1e-12)
    factor = StreamedFactor(6, buffer_rows=256)
    for block in torch.split(rows, 100):
        factor.add(block)
    expected = torch.logspace(0, -12, 6, dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.svdvals(factor.factor()), expected, rtol=1e-3, atol=0)


def test_float32_rows_are_widened_before_they_are_added() -> None:
    rows = torch.randn(2000, 3, generator=torch.Generator().manual_seed(1))
    factor = StreamedFactor(3, buffer_rows=64)
    for block in torch.split(rows, 50):
        factor.add(block)
    r = factor.factor()
    exact = rows.double().T @ rows.double()
    assert r.dtype == torch.float64
    torch.testing.assert_close(r.T @ r, exact, rtol=1e-13, atol=1e-10)


def test_nothing_added_is_a_factor_without_rows() -> None:
    assert StreamedFactor(4).factor().shape == (0, 4)


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_shape_of_a_factor_of_few_rows(rows: int) -> None:
    assert triangular_factor(torch.ones(rows, 4)).shape == (min(rows, 4), 4)


def wide_range(rows: int, columns: int, null: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A = BQᵀ with B of independent columns of sizes 1 … 1e-3, and the exact null directions of A, the last of Q."""
    g = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(columns, columns, generator=g, dtype=torch.float64)).Q
    sizes = torch.logspace(0, -3, columns - null, dtype=torch.float64)
    b = torch.randn(rows, columns - null, generator=g, dtype=torch.float64) * sizes
    return b @ q[:, : columns - null].T, q[:, columns - null :]


def streamed(rows: torch.Tensor, block: int = 2048) -> torch.Tensor:
    factor = StreamedFactor(rows.shape[1], buffer_rows=1024)
    for part in torch.split(rows, block):
        factor.add(part)
    return factor.factor()


@pytest.mark.parametrize(("columns", "null"), [(16, 3), (64, 5), (64, 50)])
def test_null_directions_of_a_long_stream_are_exact(columns: int, null: int) -> None:
    # 1e-12 where a Gram matrix in float64 has 3e-11; the sines to directions that are known beforehand.
    rows, known = wide_range(20_000, columns, null, columns)
    found = torch.linalg.svd(streamed(rows)).Vh[-null:].T
    assert float((found - known @ (known.T @ found)).norm(dim=0).max()) < 1e-12


@pytest.mark.parametrize("longer", [1.0, 1e3, 1e6])
def test_rows_that_grow_along_a_stream_keep_the_small_directions(longer: float) -> None:
    # One column of B becomes longer by so much in the second half: the singular values are those of all rows at once.
    rows, known = wide_range(16_000, 12, 2, 7)
    turn = torch.linalg.svd(rows[:8000]).Vh[0]
    rows[8000:] += (longer - 1) * torch.outer(rows[8000:] @ turn, turn)
    s = torch.linalg.svdvals(streamed(rows))[:10]
    torch.testing.assert_close(s, torch.linalg.svdvals(rows)[:10], rtol=1e-8, atol=0)


def test_columns_of_zeros_and_of_other_units_are_no_trouble() -> None:
    rows, _ = wide_range(9000, 8, 1, 2)
    rows = torch.cat([rows * 1e9, rows[:, :1] * 1e-9, torch.zeros(len(rows), 1).double()], 1)
    r = streamed(rows)
    assert float(r[:, 9].abs().max()) == 0
    torch.testing.assert_close(
        r.T @ r / rows.norm(dim=0)[:9].max() ** 2, rows.T @ rows / rows.norm(dim=0)[:9].max() ** 2
    )
    torch.testing.assert_close(r[:, 8].norm(), rows[:, 8].norm())
