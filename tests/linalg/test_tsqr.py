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
