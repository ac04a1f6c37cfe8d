"""−ξ·∇u − w div ξ u on grids, against derivatives known from calculus."""

from __future__ import annotations

import torch

from symfind.fields.catalogue import make_space
from symfind.kinds.operator.spatial import (
    SpatialAction,
    SpatialGrid,
    mixed,
    seam,
    spectral_derivative,
    stencil_derivative,
)

N = 32
AXIS = -1 + 2 * torch.arange(N, dtype=torch.float64) / N
TORUS = SpatialGrid((AXIS, AXIS), (True, True), (False, False))


def bell(x0: float, y0: float, width: float = 0.14) -> torch.Tensor:
    x, y = TORUS.points.T.reshape(2, N, N)
    return torch.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * width**2))


def test_waves_are_differentiated_exactly() -> None:
    for k in (1, 5, 15):
        matrix = spectral_derivative(N, 2.0)
        u = torch.sin(torch.pi * k * AXIS + 0.3)
        assert (matrix @ u - torch.pi * k * torch.cos(torch.pi * k * AXIS + 0.3)).abs().max() < 1e-10 * k


def test_stencils_are_exact_for_degree_six_on_uneven_axes() -> None:
    axis = AXIS + 0.01 * torch.sin(7 * AXIS)
    assert (stencil_derivative(axis) @ axis**6 - 6 * axis**5).abs().max() < 1e-9


def test_the_rotation_and_the_scaling_of_a_bell() -> None:
    x, y = TORUS.points.T.reshape(2, N, N)
    u = bell(0.1, -0.2)
    slope_x, slope_y = -(x - 0.1) / 0.14**2 * u, -(y + 0.2) / 0.14**2 * u
    turn = SpatialAction(TORUS, make_space("so", 2, ("x", "y"))).moved(u[None, None])[0, 0, 0]
    assert (turn - (y * slope_x - x * slope_y)).abs().max() < 1e-7  # field x ∂y − y ∂x
    space = make_space("affine", 2, ("x", "y"))
    plain, density = (SpatialAction(TORUS, space, w).moved(u[None, None])[0, :, 0] for w in (0.0, 1.0))
    divergence = space.jacobian(TORUS.points[:1])[0].diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(plain - density, divergence[:, None, None] * u, atol=1e-12)


def test_nothing_happens_to_constants_under_functions() -> None:
    u = torch.ones(1, 1, N, N, dtype=torch.float64)
    assert SpatialAction(TORUS, make_space("affine", 2, ("x", "y"))).moved(u).abs().max() < 1e-12


def test_translations_close_on_a_torus_and_turns_do_not() -> None:
    u = torch.sin(torch.pi * TORUS.points[:, 0] + 1).reshape(1, 1, N, N)
    rows = seam(SpatialAction(TORUS, make_space("se", 2, ("x", "y"))), u)[0]
    size = rows.square().sum(1)
    assert size[:2].max() == 0 and size[2] > 1
    inside = seam(SpatialAction(TORUS, make_space("se", 2, ("x", "y"))), bell(0, 0)[None, None])[0]
    assert inside.abs().max() < 1e-6


def test_an_open_axis_is_crossed_by_what_moves_along_it_alone() -> None:
    strip = SpatialGrid((AXIS, AXIS), (True, False), (False, False))
    u = (2 + torch.cos(torch.pi * strip.points[:, 0])).reshape(1, 1, N, N)
    size = seam(SpatialAction(strip, make_space("translations", 2, ("x", "y"))), u)[0].square().sum(1)
    assert size[0] == 0 and size[1] > 0.1


def test_one_axis_and_channels() -> None:
    line = SpatialGrid((AXIS,), (True,), (False,))
    u = torch.stack([torch.sin(torch.pi * AXIS), torch.cos(torch.pi * AXIS)])[None]
    moved = SpatialAction(line, make_space("translations", 1, ("x",))).moved(u)
    quarter = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
    # d/dx (sin, cos) = π(cos, −sin): a shift is a turn of the components.
    assert torch.allclose(moved, torch.pi * mixed(u, quarter), atol=1e-10)
    assert seam(SpatialAction(line, make_space("affine", 1, ("x",))), u).shape[1] == 2
