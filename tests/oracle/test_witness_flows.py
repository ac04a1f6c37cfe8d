"""Flows judged by prediction: what they keep, and what only noise or a small term seems to leave them."""

from pathlib import Path

import pytest
import torch
from oracle_files import ask, certified, file_of, matrices, normal, principal_cosines

from symfind.schema.document import Report


def flow(folder: Path, x: torch.Tensor, dx: torch.Tensor, noise: float = 0.01, **options: object) -> Report:
    dx = dx + noise * dx.square().mean().sqrt() * normal(*dx.shape, seed=99)
    return ask(file_of(folder / "f.h5", "flow", x=x, dx=dx), **options)


def planet(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Places in a ring about the centre, and velocities."""
    g = torch.Generator().manual_seed(3)
    angle = 6.2832 * torch.rand(n, generator=g, dtype=torch.float64)
    r = 0.6 + 1.4 * torch.rand(n, 1, generator=g, dtype=torch.float64)
    return r * torch.stack([angle.cos(), angle.sin()], 1), 0.8 * normal(n, 2, seed=4)


def test_kepler_has_turns_and_the_third_law(tmp_path: Path) -> None:
    """Places by e^{2s}, velocities by e^{−s}, time by e^{3s}: T² ∝ a³."""
    q, p = planet(1200)
    found = certified(flow(tmp_path, torch.cat([q, p], 1), torch.cat([p, -q / q.norm(dim=1, keepdim=True) ** 3], 1)))
    turn = torch.block_diag(*[torch.tensor([[0.0, -1], [1, 0]])] * 2)
    law = torch.diag(torch.tensor([2.0, 2, -1, -1]))
    truth = torch.stack([turn.flatten(), law.flatten()]).double()
    assert len(found) == 2
    assert float(principal_cosines(matrices(found), truth).min()) > 1 - 1e-9
    assert any("t ∂t" in g.expression for g in found)


@pytest.mark.slow
def test_a_force_of_two_powers_has_the_turns_alone(tmp_path: Path) -> None:
    q, p = planet(1200)
    r = q.norm(dim=1, keepdim=True)
    (only,) = certified(flow(tmp_path, torch.cat([q, p], 1), torch.cat([p, -q * (r**-3 + 0.3 / r)], 1)))
    assert "∂t" not in only.expression


def body(w: torch.Tensor, *inertia: float) -> torch.Tensor:
    i, j, k = inertia
    turned = torch.stack([w[:, 1] * w[:, 2], w[:, 0] * w[:, 2], w[:, 0] * w[:, 1]], 1)
    return turned * torch.tensor([(j - k) / i, (k - i) / j, (i - j) / k]).double()


def test_a_component_of_noise_alone_does_not_count_as_the_others(tmp_path: Path) -> None:
    """A symmetric top: dω₃/dt is nothing but noise, which no symmetric model predicts."""
    w = 2 * torch.rand(1000, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64) - 1
    report = flow(tmp_path, w, body(w, 1, 1, 2), 0.03)
    assert len(certified(report)) == 3


@pytest.mark.parametrize(("damping", "expected"), [(0.0, 1), (0.3, 0)])
def test_a_body_scales_with_time_unless_it_is_damped(tmp_path: Path, damping: float, expected: int) -> None:
    """Components of either sign: they are measured by their length, not by each."""
    w = 2 * torch.rand(1500, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64) - 1
    assert len(certified(flow(tmp_path, w, body(w, 1, 2, 3) - damping * w, 0.03))) == expected


@pytest.mark.slow
def test_two_bodies_in_the_plane_keep_all_motions(tmp_path: Path) -> None:
    """Softened gravity of (q₁, q₂, p₁, p₂): turns and shifts of both."""
    x = normal(1600, 8)
    apart = x[:, :2] - x[:, 2:4]
    force = apart / (apart.square().sum(1, keepdim=True) + 0.5) ** 1.5
    report = flow(tmp_path, x, torch.cat([x[:, 4:6], x[:, 6:] / 2, -force, force], 1), space="affine")
    assert len(certified(report)) == 3
