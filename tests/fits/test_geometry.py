"""G, H and the support: against plain covariances, on degenerate data, in any blocks and units."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.fits.geometry import Moments, covariance_root, input_geometry, output_root, pooled


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moments_of(x: Tensor, block: int = 10_000) -> Moments:
    moments = Moments(x.shape[1])
    for part in x.split(block):
        moments.add(part)
    return moments


@given(st.integers(1, 50), st.floats(-1e6, 1e6))
@settings(max_examples=20, deadline=None)
def test_moments_do_not_depend_on_blocks_and_survive_an_offset(block: int, offset: float) -> None:
    x = normal(100, 3) + offset
    moments = moments_of(x, block)
    torch.testing.assert_close(moments.mean, x.mean(0), rtol=1e-14, atol=1e-12)
    exact = torch.cov((x - x.mean(0)).T, correction=0)
    # Merging centred blocks loses offset²·ε of the covariance at most once, not offset²/1.
    torch.testing.assert_close(moments.covariance, exact, rtol=1e-9, atol=1e-15 * (1 + offset**2))


def test_a_coordinate_that_varies_by_rounding_is_constant() -> None:
    x = normal(1000, 3)
    x[:, 1] = 0.1
    covariance = moments_of(x, 7).covariance
    assert float(covariance[1].abs().max()) == 0.0
    assert float(covariance[0, 0]) > 0.5


@given(st.lists(st.floats(-8, 8), min_size=4, max_size=4))
@settings(max_examples=20, deadline=None)
def test_roots_of_a_covariance(powers: list[float]) -> None:
    units = 10.0 ** torch.tensor(powers, dtype=torch.float64)
    g = torch.cov((normal(200, 4) * units).T, correction=0)
    root = covariance_root(g)
    assert root.rank == 4
    torch.testing.assert_close(root.colour @ root.colour.T / units[:, None] / units, g / units[:, None] / units)
    torch.testing.assert_close(root.whiten @ root.colour, torch.eye(4, dtype=torch.float64), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_a_dependent_coordinate_lowers_the_rank_in_any_unit(unit: float) -> None:
    x = normal(500, 3)
    x[:, 2] = (x[:, 0] - 3 * x[:, 1]) * unit
    root = covariance_root(moments_of(x).covariance)
    assert root.rank == 2
    torch.testing.assert_close(root.whiten @ root.colour, torch.eye(2, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_pooling_counts_every_object_alike() -> None:
    x = normal(400, 2, 3) + torch.tensor([[0.0, 0, 0], [1.0, 2, 3]])
    moments = moments_of(x.flatten(1))
    mean, covariance = pooled(moments.mean, moments.covariance, 2)
    flat = x.reshape(-1, 3)
    torch.testing.assert_close(mean, flat.mean(0))
    torch.testing.assert_close(covariance, torch.cov(flat.T, correction=0))


def test_full_support_needs_no_projection() -> None:
    geometry = input_geometry(moments_of(normal(300, 6)), 2)
    assert geometry.support is None
    assert geometry.rank == 6


def test_objects_bound_to_one_another_have_a_smaller_support() -> None:
    """Two objects with the sum of a third: the support of the whole input is less than k·d."""
    x = normal(300, 2, 3)
    x[:, 1] = -x[:, 0]
    geometry = input_geometry(moments_of(x.flatten(1)), 2)
    assert geometry.rank == 3
    assert geometry.support is not None
    torch.testing.assert_close(geometry.support.T @ geometry.support, torch.eye(3, dtype=torch.float64))


def test_all_rows_equal_have_rank_zero() -> None:
    geometry = input_geometry(moments_of(torch.full((50, 2), 0.3, dtype=torch.float64)), 1)
    assert geometry.rank == 0
    assert bool((geometry.scale > 0).all())


def test_output_root_is_the_inverse_covariance() -> None:
    y = normal(500, 1, 3) * torch.tensor([1.0, 1e-3, 50.0]) + 7
    root = output_root(part for part in y.split(64))
    torch.testing.assert_close(root @ root.T @ torch.cov(y[:, 0].T, correction=0), torch.eye(3, dtype=torch.float64))


def test_constant_outputs_are_not_measured() -> None:
    y = normal(500, 1, 2)
    y[:, :, 1] = 0.1
    assert output_root([y]).shape == (2, 1)
    assert output_root([torch.full((20, 1, 2), 0.7, dtype=torch.float64)]).shape == (2, 0)
