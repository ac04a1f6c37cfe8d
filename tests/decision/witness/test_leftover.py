"""What the judges see of a residual: nothing of noise, nothing of a misfit in the invariants, all else."""

import torch

from symfind.decision.witness.families import RegressionSettings
from symfind.decision.witness.fitting.regression import fitted
from symfind.decision.witness.leftover import JudgeSettings, judged_alone, leftover

SETTINGS = JudgeSettings()
N = 3000


def plane(seed: int) -> torch.Tensor:
    return torch.randn(N, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(N, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def found(x: torch.Tensor, residual: torch.Tensor) -> list[str]:
    r2 = x.square().sum(1, keepdim=True)
    left, _ = leftover(x, r2, torch.ones(N, 1, 1).double(), r2 - r2.mean(), residual, None, 1, SETTINGS)
    return [j.judge for j in left.significant(SETTINGS)]


def test_noise_is_not_structure() -> None:
    assert all(found(plane(s), noise(100 + s)) == [] for s in range(6))


def test_heavy_tailed_noise_is_not_structure() -> None:
    e = noise(5)
    assert found(plane(5), e.sign() * e.abs() ** 3) == []


def test_a_misfit_in_the_invariants_is_not_held_against_the_symmetry() -> None:
    x = plane(7)
    bend = torch.sin(2 * x.square().sum(1, keepdim=True))
    assert found(x, 0.5 * bend + 0.5 * noise(8)) == []


def test_a_ripple_is_found_under_twice_its_size_of_noise() -> None:
    x = plane(9)
    assert found(x, 0.7 * torch.cos(6 * x[:, :1]) + noise(10))


def test_a_step_is_found() -> None:
    x = plane(11)
    assert found(x, 0.3 * torch.sign(x[:, :1] - 0.3) + noise(12))


def test_rows_of_one_group_are_no_evidence_of_structure() -> None:
    """Noise that is the same within a group of neighbours looks like structure unless groups are told."""
    x = plane(13)
    centres = x[: N // 3]
    x = centres.repeat_interleave(3, 0)[:N] + 1e-3 * plane(14)
    group = torch.arange(N // 3).repeat_interleave(3)[:N]
    r = noise(15)[: N // 3].repeat_interleave(3, 0)[:N]
    y = x.square().sum(1, keepdim=True)
    alone = judged_alone(x, y - y.mean(), r, group, 1, SETTINGS)
    told = judged_alone(x, y - y.mean(), r, None, 1, SETTINGS)
    assert alone.eta < 0.2 * told.eta


def test_a_spline_holds_a_smooth_function_of_one_invariant() -> None:
    z = plane(17).square().sum(1, keepdim=True)
    y = torch.exp(-z) * (1 + z)
    fit = fitted(z, torch.ones(N, 1, 1).double(), y, None, 0, RegressionSettings())
    fresh = plane(18).square().sum(1, keepdim=True)
    wrong = fit(fresh, torch.ones(N, 1, 1).double()) - torch.exp(-fresh) * (1 + fresh)
    assert float(wrong.square().mean() / y.var()) < 1e-6


def test_a_fit_of_noise_predicts_next_to_nothing() -> None:
    """Where most rows are: at the rim a line goes on from the last few."""
    z = plane(19)
    fit = fitted(z, torch.ones(N, 1, 1).double(), noise(20), None, 0, RegressionSettings(network=1e9))
    fresh = fit(plane(21), torch.ones(N, 1, 1).double())
    assert float(fresh.square().median()) < 0.02
