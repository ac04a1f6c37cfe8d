"""Solutions moved on their grid, against the closed forms of the moved solutions."""

from __future__ import annotations

import math

import pytest
import torch

from symfind.data.axes import Axis
from symfind.kinds.field.grid.interpolation import Interpolant
from symfind.kinds.field.grid.moves import closing, flow, linear_motion, moved

T = torch.linspace(0.0, 2.0, 41, dtype=torch.float64)
X = torch.arange(64, dtype=torch.float64) * 20.0 / 64
AXES = (Axis("t", T, False), Axis("x", X, True))


def wave(t, x):
    """sin 3k(x − t)/2 + cos k(x + t/2), periodic."""
    k = 2 * math.pi / 20
    return torch.sin(3 * k * (x - t)) / 2 + torch.cos(k * (x + t / 2))


U = wave(T[:, None], X[None, :])[..., None]


def boost(z):
    """t∂x + ∂u."""
    return torch.stack([torch.zeros_like(z[:, 0]), z[:, 0], torch.ones_like(z[:, 0])], 1)


def scaling(z):
    """3t∂t + x∂x − 2u∂u."""
    return z * torch.tensor([3.0, 1.0, -2.0], dtype=torch.float64)


def along(field):
    """exp(αξ) of a field, by integration."""
    return lambda z, parameter: flow(field, z, parameter)


def test_between_the_points():
    g = torch.Generator().manual_seed(0)
    points = torch.rand(300, 2, generator=g, dtype=torch.float64) * torch.tensor([2.0, 60.0], dtype=torch.float64)
    found = Interpolant(AXES, U)(points)[:, 0]
    assert torch.allclose(found, wave(points[:, 0], points[:, 1]), atol=1e-8)


def test_galilean_boost_is_the_closed_form():
    found = moved(AXES, U, along(boost), 0.7, (T, X))
    assert found is not None
    expected = wave(T[:, None], X[None, :] - 0.7 * T[:, None]) + 0.7
    assert torch.allclose(found[..., 0], expected, atol=1e-7)


def test_scaling_stretches_the_period():
    """ũ(t, x) = e^{−2α} u(e^{−3α}t, e^{−α}x) inside the support."""
    a = 0.2
    found = moved(AXES, U, along(scaling), a, (T, X))
    assert found is not None
    expected = math.exp(-2 * a) * wave(math.exp(-3 * a) * T[:, None], math.exp(-a) * X[None, :])
    assert torch.allclose(found[..., 0], expected, atol=1e-6)


def test_which_fields_keep_the_period():
    both = closing(AXES, lambda z: torch.stack([scaling(z), boost(z)], 1), torch.ones(1, 3, dtype=torch.float64))
    assert both.tolist() == [[True, True], [False, True]]  # t has no period to keep


def test_linear_motions_are_exact():
    matrix = torch.zeros(4, 4, dtype=torch.float64)
    matrix[1, 0], matrix[2, 3] = 1.0, 1.0  # the boost
    z = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    expected = torch.tensor([[1.0, 2.5, 3.5]], dtype=torch.float64)
    assert torch.allclose(linear_motion(matrix)(z, 0.5), expected, atol=1e-15)
    found, other = (moved(AXES, U, motion, 0.7, (T, X)) for motion in (linear_motion(matrix), along(boost)))
    assert found is not None and other is not None and torch.allclose(found, other, atol=1e-9)


def test_the_support_is_not_left():
    assert moved(AXES, U, along(scaling), -0.2, (T, X)) is None  # asks for t up to 3.6
    assert moved(AXES, U, along(scaling), -0.1, (T[:20], X)) is not None


def test_a_graph_that_folds_is_refused():
    """x ↦ x + αu breaks after 1/max|u_x|."""

    def shear(z):
        return torch.stack([torch.zeros_like(z[:, 0]), z[:, 2], torch.zeros_like(z[:, 0])], 1)

    gentle = moved(AXES, U, along(shear), 0.3, (T, X))
    assert gentle is not None
    # On a characteristic the value stays: ũ(t, x + αu) = u.
    there = Interpolant(AXES, gentle)(torch.stack([T, 3.0 + 0.3 * wave(T, torch.full_like(T, 3.0))], 1))[:, 0]
    assert torch.allclose(there, wave(T, torch.full_like(T, 3.0)), atol=1e-5)
    assert moved(AXES, U, along(shear), 6.0, (T, X)) is None


def test_flow_there_and_back():
    z = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    assert torch.allclose(flow(scaling, flow(scaling, z, 0.3), -0.3), z, rtol=1e-6)
    assert float(flow(scaling, z, 0.3)[0, 1]) == pytest.approx(2 * math.exp(0.3), rel=1e-7)
