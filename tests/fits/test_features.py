"""Features: counts, derivatives against differences, agreement of push, derivative and total, units."""

import math

import pytest
import torch
from torch import Tensor

from symfind.fits.features import Features, FourierFeatures, MultiquadricFeatures, PolynomialFeatures, Standardiser

G = torch.Generator()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


STANDARD = Standardiser.of(torch.tensor([1.0, -1.0, 0.0]).double(), torch.tensor([2.0, 0.5, 1.0]).double())
FEATURES: tuple[Features, ...] = (
    *(PolynomialFeatures.of_degree(STANDARD, k) for k in range(1, 6)),
    FourierFeatures.draw(STANDARD, 12, 1.0, torch.Generator().manual_seed(0)),
    MultiquadricFeatures.draw(STANDARD, normal(40, 3, seed=5), 12, 1.0, torch.Generator().manual_seed(0)),
)


@pytest.mark.parametrize("features", FEATURES, ids=lambda f: f.name)
def test_derivatives_agree_with_differences_and_with_one_another(features: Features) -> None:
    x, v, w, h = normal(7, 3), normal(7, 4, 3, seed=1), normal(features.size, 2, seed=2), 1e-5
    phi, pushed = features(x), features.push(x, v)
    assert phi.shape == (7, features.size)
    assert float((phi[:, 0] - 1).abs().max()) == 0.0
    for j in range(4):
        difference = (features(x + h * v[:, j]) - features(x - h * v[:, j])) / (2 * h)
        torch.testing.assert_close(pushed[:, :, j], difference, rtol=1e-6, atol=1e-6)
    along = torch.einsum("nmd,npd->nmp", features.derivative(x, w), v)
    torch.testing.assert_close(along, torch.einsum("nfp,fm->nmp", pushed, w), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(features.total_push(x, v), pushed.sum(0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("features", FEATURES, ids=lambda f: f.name)
def test_single_precision_stays_single(features: Features) -> None:
    assert features(normal(3, 3).float()).dtype == torch.float32


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_monomials_are_complete(degree: int) -> None:
    features = PolynomialFeatures.of_degree(STANDARD, degree)
    assert features.size == math.comb(3 + degree, 3)
    assert features.degree == degree
    assert torch.linalg.matrix_rank(features(normal(400, 3))) == features.size


def test_lower_degrees_are_leading_columns() -> None:
    x = normal(5, 3)
    small, large = PolynomialFeatures.of_degree(STANDARD, 2), PolynomialFeatures.of_degree(STANDARD, 4)
    torch.testing.assert_close(large(x)[:, : small.size], small(x))


def test_a_constant_coordinate_is_left_alone() -> None:
    standard = Standardiser.of(torch.tensor([1.0]), torch.tensor([0.0]))
    assert standard(torch.tensor([[3.0]])).tolist() == [[2.0]]


def test_waves_approximate_a_gaussian_kernel() -> None:
    """E 2cos(ωz + β)cos(ωz′ + β) = exp(−|z − z′|²/(2 ℓ² D)) (Rahimi, Recht 2007)."""
    standard = Standardiser.of(torch.zeros(2).double(), torch.ones(2).double())
    features = FourierFeatures.draw(standard, 40_000, 1.5, torch.Generator().manual_seed(3))
    z = normal(4, 2)
    wave = features(z)[:, 3:]
    found = wave @ wave.T / 40_000
    expected = torch.exp(-torch.cdist(z, z).square() / (2 * 1.5**2 * 2))
    # Monte Carlo over 40,000 waves: five standard errors of at most 1/200.
    torch.testing.assert_close(found, expected, rtol=0, atol=0.025)


def test_multiquadrics_are_the_same_in_every_linear_coordinates() -> None:
    """√(1 + |u − c|²/ℓ²) depends on x through distances in the metric of the covariance alone."""
    x, mix = normal(60, 3, seed=6), normal(3, 3, seed=7)
    values = []
    for points in (x, x @ mix):
        standard = Standardiser.of(points.mean(0), points.std(0, correction=0))
        drawn = MultiquadricFeatures.draw(standard, points, 10, 1.0, torch.Generator().manual_seed(1))
        values.append(drawn(points)[:, 4:])
    torch.testing.assert_close(values[0], values[1], rtol=1e-9, atol=1e-9)


def test_without_a_coordinate_a_feature_does_not_depend_on_it() -> None:
    x = normal(30, 3, seed=8)
    drawn = MultiquadricFeatures.draw(STANDARD, x, 8, 1.0, torch.Generator().manual_seed(1))
    moved = x.clone()
    moved[:, 1] += 1.0
    fewer = drawn.without(torch.tensor([True, False, True]))
    torch.testing.assert_close(fewer(moved), fewer(x))
    assert float((drawn(moved) - drawn(x)).abs().max()) > 0.1
