"""Fields on images: stencils on waves, −ξ·∇u against finite motion, colours, and names."""

import math

import pytest
import torch

from symfind.errors import UsageError
from symfind.fields.plane import STENCILS, Grid, derivative_stencil, flowed, image_space


@pytest.mark.parametrize("stencil", STENCILS)
def test_stencils_differentiate_slow_waves(stencil: str) -> None:
    s = torch.arange(64, dtype=torch.float64)
    window = torch.exp(-(((s - 31.5) / 9) ** 2))
    slope = derivative_stencil(64, stencil) @ (window * torch.sin(0.3 * s))
    exact = window * (0.3 * torch.cos(0.3 * s) - 2 * (s - 31.5) / 81 * torch.sin(0.3 * s))
    tolerance = {"sinc": 1e-6, "central": 0.01, "smoothed": 0.04}[stencil]
    assert float((slope - exact).abs().max()) < tolerance


def blob(grid: Grid, x: float, y: float) -> torch.Tensor:
    gap = grid.points - torch.tensor([x, y], dtype=torch.float64)
    return torch.exp(-40 * gap.square().sum(1)).reshape(1, 1, grid.height, grid.width)


def test_the_lie_derivative_is_the_slope_of_the_motion() -> None:
    grid, space = Grid(33, 41), image_space("image-affine", 1)
    u = blob(grid, 0.2, -0.1)
    slopes = space.derivative(u, grid, "sinc")[0, :, 0]
    h = 1e-4
    for i, unit in enumerate(torch.eye(space.dim, dtype=torch.float64)):

        def at(t: float, unit: torch.Tensor = unit) -> torch.Tensor:
            assert space.plane is not None
            origin = flowed(space.plane, unit, grid.points, -t)
            gap = origin - torch.tensor([0.2, -0.1], dtype=torch.float64)
            return torch.exp(-40 * gap.square().sum(1)).reshape(33, 41)

        torch.testing.assert_close(slopes[i], (at(h) - at(-h)) / (2 * h), atol=1e-4, rtol=0)


def test_a_turn_is_counterclockwise_and_comes_back() -> None:
    grid, space = Grid(41, 41), image_space("image-rotation", 1)
    one = torch.ones(1, dtype=torch.float64)
    quarter = space.moved(blob(grid, 0.4, 0.0), grid, one, math.pi / 2)
    torch.testing.assert_close(quarter, blob(grid, 0.0, 0.4), atol=0.02, rtol=0)
    whole = space.moved(quarter, grid, one, 3 * math.pi / 2)
    torch.testing.assert_close(whole, blob(grid, 0.4, 0.0), atol=0.03, rtol=0)


def test_polynomial_fields_follow_their_own_flow() -> None:
    space = image_space("image-polynomial:2", 1)
    assert space.plane is not None and space.dim == 12
    x_squared = [n for n in space.plane.names(("x", "y"))].index("x² ∂x")
    point = torch.tensor([[0.4, 0.1]], dtype=torch.float64)
    vector = torch.eye(12, dtype=torch.float64)[x_squared]
    moved = flowed(space.plane, vector, point, 0.5)  # x′ = x² has x(t) = x₀/(1 − x₀t)
    torch.testing.assert_close(moved, torch.tensor([[0.4 / (1 - 0.2), 0.1]], dtype=torch.float64), atol=1e-6, rtol=0)


def test_colours_move_by_matrices_and_offsets() -> None:
    space = image_space("image-affine+colour", 3)
    assert space.dim == 6 + 12 and space.names() == ("x", "y", "r", "g", "b")
    u = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    change = space.derivative(u, Grid(8, 8))
    assert change.shape == (2, 18, 3, 8, 8)
    offset = change[:, 6]  # ∂r
    assert bool((offset[:, 0] == 1).all()) and bool((offset[:, 1:] == 0).all())
    names = space.fields.names(space.names())
    gain = torch.zeros(18, dtype=torch.float64)
    gain[names.index("g ∂g")] = 1.0
    moved = space.moved(u, Grid(8, 8), gain, 0.5)
    torch.testing.assert_close(moved[:, 1], u[:, 1] * math.exp(0.5))
    torch.testing.assert_close(moved[:, 0], u[:, 0])


@pytest.mark.parametrize("name", ["affine", "image-affine+image-rotation", "image-polynomial:x", "colour+colour"])
def test_other_spaces_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="image-affine"):
        image_space(name, 3)
