"""Fits: exact recovery, streaming, folds that keep groups whole, honest choices, too few rows."""

import pytest
import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fits.features import FourierFeatures, PolynomialFeatures, Standardiser
from symfind.fits.surrogate import (
    Family,
    LinearFit,
    Samples,
    choose_family,
    fit_weights,
    fold_labels,
    held_out_error,
    whiten_features,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cubic(x: Tensor) -> Tensor:
    return torch.stack([x[:, 0] ** 3 - x[:, 1] * x[:, 2] + 1, x[:, 1] ** 2 * x[:, 0] - 5 * x[:, 2]], 1)


def standard_of(x: Tensor) -> Standardiser:
    return Standardiser.of(x.mean(0), x.std(0, correction=0))


def test_a_polynomial_is_recovered_with_its_derivative() -> None:
    x = normal(300, 3) * torch.tensor([1.0, 1e3, 1e-3])
    family = Family(PolynomialFeatures.of_degree(standard_of(x), 3))
    weights, count = fit_weights(family, zip(x.split(64), cubic(x).split(64), strict=True), 2)
    assert count == 300
    fit = LinearFit(family.features, weights, (3,), (2,))
    fresh = normal(20, 3, seed=5) * torch.tensor([1.0, 1e3, 1e-3])
    # Relative to the largest value of each output: the sums cancel.
    scale = cubic(x).abs().amax(0)
    torch.testing.assert_close(fit(fresh) / scale, cubic(fresh) / scale, rtol=0, atol=1e-12)
    slope = torch.func.vmap(torch.func.jacrev(lambda z: cubic(z[None])[0]))(fresh)
    units = scale[:, None] / x.std(0)
    torch.testing.assert_close(fit.value_and_jacobian(fresh)[1] / units, slope / units, rtol=0, atol=1e-11)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_streamed_weights_solve_the_normal_equations(ridge: float) -> None:
    x = normal(200, 2)
    y = (x[:, :1] * 3).sin() + 0.1 * normal(200, 1, seed=1)
    family = Family(PolynomialFeatures.of_degree(standard_of(x), 3), ridge)
    weights, _ = fit_weights(family, zip(x.split(17), y.split(17), strict=True), 1)
    phi = family.features(x)
    gram = phi.T @ phi / 200 + ridge * torch.eye(phi.shape[1], dtype=torch.float64)
    torch.testing.assert_close(weights, torch.linalg.solve(gram, phi.T @ y / 200), rtol=1e-9, atol=1e-10)


def test_functions_that_the_points_cannot_see_get_no_weight() -> None:
    angle = torch.linspace(0, 6, 100, dtype=torch.float64)
    x = torch.stack([angle.cos(), angle.sin()], 1)  # x² + y² = 1: two of the six monomials depend
    family = Family(PolynomialFeatures.of_degree(Standardiser.of(torch.zeros(2), torch.ones(2)), 2))
    weights, _ = fit_weights(family, [(x, x[:, :1] ** 2)], 1)
    torch.testing.assert_close(family.features(x) @ weights, x[:, :1] ** 2, rtol=0, atol=1e-12)
    null = torch.tensor([1.0, 0, 0, -1, 0, -1], dtype=torch.float64)
    assert abs(float(null @ weights[:, 0])) < 1e-12


def test_whitened_features_have_unit_gram() -> None:
    phi = normal(300, 5) @ normal(5, 5, seed=1)
    white = whiten_features(torch.linalg.qr(phi, mode="r").R, 300, 0.0)
    moved = phi @ white.transform
    torch.testing.assert_close(moved.T @ moved / 300, torch.eye(5, dtype=torch.float64), rtol=1e-10, atol=1e-10)


def test_an_offset_is_added_to_value_and_slope() -> None:
    x = normal(30, 3)
    family = Family(PolynomialFeatures.of_degree(standard_of(x), 1))
    weights, _ = fit_weights(family, [(x, x[:, :2])], 2)
    base = LinearFit(family.features, weights, (3,), (2,))
    twice = LinearFit(family.features, weights, (3,), (2,), base)
    torch.testing.assert_close(twice(x), 2 * base(x))
    torch.testing.assert_close(twice.value_and_jacobian(x)[1], 2 * base.value_and_jacobian(x)[1])


def test_folds_are_even_and_keep_groups_whole() -> None:
    labels = fold_labels(101, None, 4, seeded())
    assert sorted(torch.bincount(labels).tolist()) == [25, 25, 25, 26]
    group = torch.arange(100) // 10
    grouped = fold_labels(100, group, 4, seeded())
    assert all(len(grouped[group == g].unique()) == 1 for g in range(10))
    assert int(torch.bincount(grouped).min()) >= 20


def test_held_out_error_of_noise_is_above_one_and_of_an_exact_family_is_zero() -> None:
    x = normal(200, 3)
    labels = fold_labels(200, None, 4, seeded())
    family = Family(PolynomialFeatures.of_degree(standard_of(x), 3))
    assert held_out_error(Samples(x, cubic(x)), family, labels)[0] < 1e-20
    assert held_out_error(Samples(x, normal(200, 1, seed=9)), family, labels)[0] > 1.0
    assert held_out_error(Samples(x, torch.ones(200, 1).double()), family, labels) == [0.0]


def test_held_out_error_is_that_of_refitting_without_the_fold() -> None:
    x, y = normal(60, 2), normal(60, 1, seed=1)
    family = Family(PolynomialFeatures.of_degree(standard_of(x), 2))
    labels = fold_labels(60, None, 3, seeded())
    total = 0.0
    for fold in range(3):
        phi = family.features(x)
        w = torch.linalg.lstsq(phi[labels != fold], y[labels != fold]).solution
        total += float((y - phi @ w)[labels == fold].square().sum())
    found = held_out_error(Samples(x, y), family, labels)[0]
    assert found == pytest.approx(total / float((y - y.mean()).square().sum()), rel=1e-10)


def test_the_simplest_family_that_is_exact_is_chosen() -> None:
    x = normal(500, 3)
    choice = choose_family(Samples(x, cubic(x)), "auto", 1, seeded())
    assert choice.family.degree == 3
    assert choice.r2 > 1 - 1e-15


def test_a_scalar_of_one_object_is_not_fitted_by_a_quadratic_alone() -> None:
    x = normal(500, 3)
    choice = choose_family(Samples(x, x.square().sum(1, keepdim=True)), "auto", 3, seeded())
    assert (choice.family.degree or 3) >= 3


def test_noise_is_told_by_its_r2() -> None:
    choice = choose_family(Samples(normal(300, 3), normal(300, 1, seed=1)), "auto", 1, seeded())
    assert choice.r2 < 0.1


def test_waves_fit_what_polynomials_do_not() -> None:
    x = normal(800, 2)
    choice = choose_family(Samples(x, (1.5 * x[:, :1] + x[:, 1:]).sin()), "auto", 1, seeded())
    assert isinstance(choice.family.features, FourierFeatures)
    assert choice.r2 > 0.99


@pytest.mark.parametrize("n", [60, 200, 1200])
@pytest.mark.parametrize("request_", ["auto", "polynomial", "features"])
def test_what_is_chosen_can_be_fitted_again_to_half_of_the_rows(n: int, request_: str) -> None:
    x = normal(n, 3)
    choice = choose_family(Samples(x, (x[:, :1] * x[:, 1:2]).sin().exp()), request_, 1, seeded())
    assert n // 2 >= 2 * choice.family.features.size


def test_one_group_is_still_fitted() -> None:
    x = normal(100, 2)
    group = torch.zeros(100, dtype=torch.int64)
    assert choose_family(Samples(x, x[:, :1] ** 2, group), "auto", 1, seeded()).family.degree == 2


@pytest.mark.parametrize("request_", ["polynomial:0", "cubic", "features:3", "polynomial:2,ridge=-1", ""])
def test_unknown_requests(request_: str) -> None:
    with pytest.raises(UsageError, match="--surrogate"):
        choose_family(Samples(normal(50, 2), normal(50, 1)), request_, 1, seeded())


def test_a_ridge_can_be_asked_for() -> None:
    choice = choose_family(Samples(normal(50, 2), normal(50, 1)), "polynomial:2,ridge=0.3", 1, seeded())
    assert (choice.family.degree, choice.family.ridge) == (2, 0.3)


def test_too_few_rows_are_told_with_the_number_needed() -> None:
    with pytest.raises(InputError, match="at least 20"):
        choose_family(Samples(normal(10, 3), normal(10, 1)), "polynomial:2", 1, seeded())
    with pytest.raises(InputError, match="at least"):
        choose_family(Samples(normal(5, 3), normal(5, 1)), "auto", 1, seeded())


@pytest.mark.parametrize("request_", ["auto", "polynomial", "features"])
@pytest.mark.parametrize("min_degree", [1, 3])
def test_the_number_of_rows_that_is_asked_for_is_enough(request_: str, min_degree: int) -> None:
    with pytest.raises(InputError) as fault:
        choose_family(Samples(normal(5, 3), normal(5, 1)), request_, min_degree, seeded())
    n = int(str(fault.value).rsplit(" ", 1)[1])
    choose_family(Samples(normal(n, 3), normal(n, 1)), request_, min_degree, seeded())
