"""Weak form: the numbers of an equation from solutions with noise, without differentiating them."""

from math import pi

import pytest
import torch
from torch import Tensor

from symfind.data.axes import Axis
from symfind.errors import InputError
from symfind.kinds.field.grid.field_data import FieldData
from symfind.kinds.field.weak_form import weak_rows
from symfind.samples.advection import KDV
from symfind.samples.linear import heat_2d
from symfind.samples.waves import coordinates


def held(u: Tensor, *axes: Axis) -> FieldData:
    return FieldData(axes, ("u",), torch.arange(len(u)), lambda rows: u[rows])


def noisy(u: Tensor, share: float) -> Tensor:
    return u + share * u.std() * torch.randn(u.shape, generator=torch.Generator().manual_seed(1), dtype=u.dtype)


def solution(field: FieldData, *terms: str, order: int = 1) -> list[float]:
    rows = weak_rows(field, order)
    columns = rows.columns[:, [rows.terms.index(term) for term in terms]]
    return torch.linalg.lstsq(columns, rows.target[:, None]).solution[:, 0].tolist()


@pytest.fixture(scope="module")
def kdv() -> tuple[Tensor, Axis, Axis]:
    t = torch.linspace(0.0, 30.0, 60, dtype=torch.float64)
    u = KDV(3, t, 128, 64.0, torch.Generator().manual_seed(0))
    return u, Axis("t", t, False), Axis("x", coordinates(128, 64.0), True)


@pytest.mark.parametrize(("share", "accuracy"), [(0.0, 1e-4), (0.01, 5e-3), (0.05, 2e-2)])
def test_korteweg_de_vries(kdv: tuple[Tensor, Axis, Axis], share: float, accuracy: float) -> None:
    u, *axes = kdv
    field = held(noisy(u, share), *axes)
    found = solution(field, "u*u_x", "u_xxx")
    assert found == pytest.approx([-1, -1], abs=accuracy)
    # what is not in the equation comes out as zero, in units of what it could do
    rows = weak_rows(field)
    names = ["u", "u_x", "u*u_x", "u_xx", "u_xxx"]
    columns = rows.columns[:, [rows.terms.index(name) for name in names]]
    weighed = torch.linalg.lstsq(columns, rows.target[:, None]).solution[:, 0] * columns.std(0) / rows.target.std()
    assert weighed[[0, 1, 3]].abs().max() < max(3 * share, 1e-3)


def test_terms_are_written_as_in_an_equation(kdv: tuple[Tensor, Axis, Axis]) -> None:
    u, *axes = kdv
    rows = weak_rows(held(u, *axes))
    assert rows.terms == (
        "u", "u_x", "u_xx", "u_xxx", "u_xxxx",
        "u*u/2", "u*u_x", "u*u_xx + u_x*u_x", "u*u_xxx + 3*u_x*u_xx", "u*u*u/3", "u*u*u_x",
    )  # fmt: skip
    assert rows.columns.shape == (len(rows.target), 11) and rows.centres.shape == (len(rows.target), 2)
    assert set(rows.group.tolist()) == {0, 1, 2}


def test_waves_and_open_axes() -> None:
    t = Axis("t", torch.linspace(0.0, 4.0, 80, dtype=torch.float64), False)
    x = Axis("x", torch.linspace(0.0, 6.0, 120, dtype=torch.float64), False)
    at, place = t.coordinates[:, None], x.coordinates
    u = torch.sin(place - at) + torch.cos(2 * (place + at)) + 0.3 * torch.sin(3 * (place - at))
    assert solution(held(noisy(u[None, ..., None], 0.01), t, x), "u_xx", order=2) == pytest.approx([1.0], abs=5e-3)


def test_two_space_axes() -> None:
    t = torch.linspace(0.0, 1.0, 40, dtype=torch.float64)
    u = heat_2d(2, t, 32, 8.0, torch.Generator().manual_seed(0))
    grid = coordinates(32, 8.0)
    field = held(noisy(u, 0.01), Axis("t", t, False), Axis("x", grid, True), Axis("y", grid, True))
    assert solution(field, "u_xx", "u_yy") == pytest.approx([1.0, 1.0], abs=2e-2)
    assert "u*u_xy + u_x*u_y" in weak_rows(field, highest=2).terms


def test_what_it_does_not_take() -> None:
    t, x = Axis("t", torch.arange(30.0).double(), False), Axis("x", coordinates(32, 2 * pi), True)
    two = FieldData((t, x), ("u", "v"), torch.arange(1), lambda rows: torch.zeros(1, 30, 32, 2))
    with pytest.raises(InputError, match="takes one component, there are 2"):
        weak_rows(two)
    with pytest.raises(InputError, match="t has 10 points, the weak form needs 24"):
        weak_rows(held(torch.zeros(1, 10, 32, 1), Axis("t", t.coordinates[:10], False), x))
