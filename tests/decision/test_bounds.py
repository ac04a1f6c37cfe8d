"""Bounds: top eigenvalues of leading blocks, weights, a quadratic form whose true size is known, exchange."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from symfind.decision.bounds import (
    _judged,
    _top_eigenvalues,
    direction_bounds,
    exchanged_bounds,
    exponential_weights,
    quantile_factor,
)
from symfind.linalg.nullspace import GeneralisedSpectrum


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass
class Rows:
    """A side and its own along: block sums of rows b with E b = truth, the form ‖Σ wb/n‖² over the unit matrix."""

    rows: Tensor  # (B, r, K)
    misfits: tuple[Tensor, ...] = ()
    share: float = 0.0
    steep: float = 1.0

    @property
    def blocks(self) -> int:
        return self.rows.shape[0]

    def directions(self) -> GeneralisedSpectrum:
        mean = self.rows.mean(0)
        _, sigma, vh = torch.linalg.svd(mean)
        return GeneralisedSpectrum(sigma.flip(0), vh.T.flip(1), mean.new_zeros(mean.shape[1], 0))

    def along(self, vectors: Tensor) -> "Rows":
        moved = tuple(vectors.T @ m @ vectors for m in self.misfits)
        return Rows(self.rows @ vectors, moved, self.share, self.steep)

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        mean = torch.einsum("rb,bik->rik", weights, self.rows) / weights.sum(1)[:, None, None]
        return mean.mT @ mean, torch.eye(self.rows.shape[2]).double().expand(len(weights), -1, -1)

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        return self.grams(weights)

    def misfit(self) -> list[Tensor]:
        return list(self.misfits)

    def untested(self) -> tuple[float, float]:
        return self.share, self.steep


def draws(sides: int, refits: int = 40, seed: int = 0) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [exponential_weights(refits, 40, g) for _ in range(sides)]


def noisy(truth: Tensor, noise: float, seed: int, blocks: int = 40) -> Rows:
    return Rows(truth + noise * normal(blocks, *truth.shape, seed=seed))


def test_top_eigenvalues_are_those_of_every_leading_block() -> None:
    a, b = normal(2, 4, 4), normal(2, 9, 4, seed=1)
    numerator, denominator = a.mT @ a, b.mT @ b
    found = _top_eigenvalues(numerator, denominator)
    for i in range(2):
        for k in range(1, 5):
            whole = torch.linalg.solve(denominator[i, :k, :k], numerator[i, :k, :k])
            assert float(found[i, k - 1]) == pytest.approx(float(torch.linalg.eigvals(whole).real.max()), rel=1e-9)


def test_an_indefinite_denominator_does_not_make_a_direction_small() -> None:
    numerator = torch.eye(2).double()[None]
    denominator = torch.diag(torch.tensor([1.0, -0.5]).double())[None]
    assert float(_top_eigenvalues(numerator, denominator)[0, 1]) > 1.0


def test_weights_have_mean_one_and_unit_variance() -> None:
    weights = exponential_weights(200, 400, torch.Generator().manual_seed(0))
    torch.testing.assert_close(weights.mean(1), torch.ones(200).double())
    assert float(weights.var()) == pytest.approx(1.0, abs=0.05)
    assert float(weights.min()) >= 0


def test_a_smaller_alpha_widens() -> None:
    assert quantile_factor(0.05) == pytest.approx(2.13)
    assert quantile_factor(0.01) > quantile_factor(0.05) > quantile_factor(0.2) > 0


def test_upper_bounds_do_not_fall_and_hold_the_truth() -> None:
    """200 simulations of ‖b‖ for b known: the 95 % upper bound of the leading block holds in at least 94 %."""
    truth = torch.diag(torch.tensor([0.02, 0.04, 0.3, 0.8]).double())
    held = 0
    for seed in range(200):
        side = noisy(truth, 0.05, seed)
        upper = _judged(torch.eye(4).double(), side, draws(1, 80, seed)[0]).upper(0.05)
        assert bool((upper.diff() >= 0).all())
        held += float(upper[1]) >= 0.04
    assert held >= 188


def test_without_noise_the_bounds_are_the_truth() -> None:
    truth = torch.diag(torch.tensor([0.0, 0.04, 0.3]).double())
    bounds = direction_bounds(torch.eye(3).double(), [noisy(truth, 0.0, 0)] * 2, 0.05, draws(2))
    for found in (bounds.estimate, bounds.lower, bounds.upper):
        torch.testing.assert_close(found, truth.diagonal(), rtol=1e-9, atol=1e-9)


def test_two_sided_bounds_hold_the_truth() -> None:
    truth = torch.diag(torch.tensor([0.1, 0.5]).double())
    lower = upper = 0
    for seed in range(100):
        sides = [noisy(truth, 0.2, 2 * seed), noisy(truth, 0.2, 2 * seed + 1)]
        bounds = direction_bounds(torch.eye(2).double(), sides, 0.05, draws(2, 80, seed))
        assert bool((bounds.lower <= bounds.upper).all())
        lower += bool((bounds.lower <= truth.diagonal()).all())
        upper += bool((bounds.upper >= truth.diagonal()).all())
    assert min(lower, upper) >= 88  # 95 % each, less four standard errors of 100 draws of two


def test_misfit_widens_both_ways() -> None:
    truth = torch.diag(torch.tensor([0.3, 0.5]).double())
    plain = noisy(truth, 0.0, 0)
    doubted = Rows(plain.rows, (0.01 * torch.eye(2).double(),))
    narrow = direction_bounds(torch.eye(2).double(), [plain, plain], 0.05, draws(2))
    wide = direction_bounds(torch.eye(2).double(), [doubted, doubted], 0.05, draws(2))
    torch.testing.assert_close(wide.lower, narrow.lower - 0.1)
    torch.testing.assert_close(wide.upper, (narrow.upper.square() + 0.01).sqrt())
    upper = _judged(torch.eye(2).double(), doubted, draws(1)[0]).upper(0.05)
    torch.testing.assert_close(upper, (truth.diagonal().square() + 0.01).sqrt())


def test_what_could_not_be_tested_widens_both_ways() -> None:
    truth = torch.diag(torch.tensor([0.3, 0.5]).double())
    plain = noisy(truth, 0.0, 0)
    untested = Rows(plain.rows, (), 0.01, 2.0)
    found = direction_bounds(torch.eye(2).double(), [untested, untested], 0.05, draws(2))
    assert bool((found.lower < truth.diagonal() - 0.1).all())
    torch.testing.assert_close(found.upper, (truth.diagonal().square() + 0.01).sqrt())


def test_exchange_takes_the_worse_order_and_pads_with_infinity() -> None:
    small = noisy(torch.diag(torch.tensor([0.01, 0.5]).double()), 0.0, 0)
    large = noisy(torch.diag(torch.tensor([0.2, 0.6]).double()), 0.0, 1)
    upper = exchanged_bounds((small, large), 3, 0.05, draws(2))
    torch.testing.assert_close(upper, torch.tensor([0.2, 0.6, torch.inf]).double())


def test_a_direction_chosen_from_noise_is_not_believed() -> None:
    """Pure noise of size 0.3 in 30 directions: the smallest looks small on the half that chose it, not on the other."""
    truth = 0.2 * torch.linalg.qr(normal(60, 30, seed=5)).Q
    certified = 0
    for seed in range(50):
        sides = (noisy(truth, 0.3, 2 * seed), noisy(truth, 0.3, 2 * seed + 1))
        upper = exchanged_bounds(sides, 3, 0.05, draws(2, 40, seed))
        certified += float(upper[0]) < 0.1
    assert certified == 0
