"""The lasso against its closed form and its conditions of optimality."""

from __future__ import annotations

import torch

from symfind.linalg.lasso import lasso

_F64 = torch.float64


def test_orthonormal_features_have_a_closed_form() -> None:
    """For Θ*Θ = 1 the solution is Θ*y softened by λ/2."""
    moment = torch.tensor([[[3.0, 0.1], [-0.2, -1.0], [0.5, 0.0]]], dtype=_F64)
    weights = torch.tensor([0.0, 0.6, 10.0], dtype=_F64)
    w = lasso(torch.eye(3, dtype=_F64)[None], moment, weights)
    assert w.shape == (1, 3, 3, 2)
    for i, weight in enumerate(weights):
        expected = moment[0].sign() * (moment[0].abs() - weight / 2).clamp(min=0)
        torch.testing.assert_close(w[0, i], expected, atol=1e-4, rtol=0)


def test_the_conditions_of_optimality_hold_in_every_set_of_rows() -> None:
    """|2Θ*(y − Θw)| ≤ λ everywhere, with equality where w ≠ 0."""
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(2, 30, 8, generator=generator, dtype=_F64)
    y = theta[:, :, :1] - 2 * theta[:, :, 3:4] + 0.1 * torch.randn(2, 30, 1, generator=generator, dtype=_F64)
    squares, moment = theta.transpose(1, 2) @ theta, theta.transpose(1, 2) @ y
    weights = torch.tensor([1.0, 8.0], dtype=_F64)
    w = lasso(squares, moment, weights)
    slope = 2 * (moment[:, None] - squares[:, None] @ w)
    level = weights[None, :, None, None]
    assert bool((slope.abs() <= level + 1e-2).all())
    torch.testing.assert_close(slope[w != 0], (w.sign() * level)[w != 0], atol=1e-2, rtol=0)
    assert bool((w[:, 1] == 0).any())
