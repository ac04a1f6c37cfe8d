"""ω: zero where the data see every polynomial, large where one vanishes on them and not along the field."""

import pytest
import torch
from torch import Tensor

from symfind.decision.coverage import coverage_factors
from symfind.fits.geometry import Geometry, Moments, input_geometry


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def geometry_of(x: Tensor) -> Geometry:
    moments = Moments(x.shape[1])
    moments.add(x)
    return input_geometry(moments, 1)


def circle(n: int) -> Tensor:
    angle = torch.linspace(0, 6.283, n, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], 1)


def fields_of(x: Tensor, *matrices: list[list[float]]) -> Tensor:
    return torch.stack([x @ torch.tensor(m, dtype=torch.float64).T for m in matrices], 1)


TURN, STRETCH = [[0.0, -1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]


def omega(x: Tensor, fields: Tensor, degree: int = 1) -> list[float]:
    return coverage_factors(x, fields, geometry_of(x), (1, x.shape[1]), degree).tolist()


def test_open_data_cover_every_field() -> None:
    x = normal(1000, 2)
    assert max(omega(x, fields_of(x, TURN, STRETCH))) < 0.01


def test_a_circle_says_nothing_about_what_leaves_it() -> None:
    """v = |x|² − 1 vanishes on the circle; along x∂x + y∂y its derivative is 2: ω is of order one, for any τ."""
    x = circle(400)
    turn, both = omega(x, fields_of(x, TURN, STRETCH))
    assert turn < 0.01
    assert both > 0.5


def test_the_order_decides_where_the_cut_falls_and_it_does_not_recover() -> None:
    x = circle(400)
    factors = omega(x, fields_of(x, STRETCH, TURN))
    assert factors[0] == factors[1] > 0.5


@pytest.mark.parametrize("thickness", [1e-6, 1e-2, 0.3])
def test_a_thicker_ring_is_seen_the_better(thickness: float) -> None:
    x = circle(1000) * (1 + thickness * normal(1000, 1))
    factor = omega(x, fields_of(x, STRETCH))[0]
    assert (factor > 0.3) == (thickness < 1e-4)
    if thickness == 0.3:
        assert factor < 0.02


def test_units_change_nothing() -> None:
    x = circle(300) * (1 + 0.001 * normal(300, 1))
    units = torch.tensor([1e3, 1e-3], dtype=torch.float64)
    plain = omega(x, fields_of(x, TURN, STRETCH))
    fields = fields_of(x, TURN, STRETCH) * units
    assert omega(x * units, fields) == pytest.approx(plain, rel=1e-6)


def test_a_field_of_zero_is_covered() -> None:
    x = normal(200, 2)
    assert omega(x, torch.zeros(200, 1, 2).double()) == [0.0]
