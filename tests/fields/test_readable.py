"""Affine fields are written about their centre, and by what their terms move on the data."""

import torch

from symfind.fields.readable import affine_text, readable

UNIT = torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double()


def rows(centre: tuple[float, float], spread: tuple[float, float] = (1.0, 1.0)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(400, 2, generator=generator, dtype=torch.float64)
    return z * torch.tensor(spread).double() + torch.tensor(centre).double()


def about(centre: tuple[float, float], a: torch.Tensor = UNIT) -> torch.Tensor:
    """B of A(x − c)."""
    return -a @ torch.tensor(centre).double()


def text(points: torch.Tensor, b: torch.Tensor, a: torch.Tensor = UNIT) -> str:
    return affine_text(a, b, points, ("x", "y"), affine=True)


def test_a_rotation_far_from_the_origin_is_printed_about_its_centre() -> None:
    assert text(rows((1e6, 0.0)), about((1e6, 0.0))) == "(x − 1e6) ∂y − y ∂x"
    assert text(rows((1234567.0, -3.0)), about((1234567.5, -2.25))) == "(x − 1234567.5) ∂y − (y + 2.25) ∂x"


def test_a_centre_at_the_origin_is_not_printed() -> None:
    assert text(rows((0.3, 0.2)), torch.zeros(2).double()) == "x ∂y − y ∂x"


def test_a_small_entry_that_moves_much_is_kept_and_a_large_one_that_moves_nothing_is_dropped() -> None:
    points = rows((0.0, 0.0), (1e-4, 1e4))
    turn = torch.tensor([[0.0, -1e-8], [1e8, 0.0]]).double()
    assert text(points, torch.zeros(2).double(), turn / 1e8) == "x ∂y − 1e-16 y ∂x"
    # y moves by 1e4 in x's place: 1e-3 of x ∂y moves nothing there.
    shear = torch.tensor([[0.0, 1.0], [1e-3, 0.0]]).double()
    assert text(points, torch.zeros(2).double(), shear) == "y ∂x"


def test_a_translation_stays_one() -> None:
    assert text(rows((1e6, 0.0)), torch.tensor([0.0, 2.0]).double(), torch.zeros(2, 2).double()) == "2 ∂y"


def test_a_field_without_a_fixed_point_keeps_its_constants() -> None:
    """A screw: turns x, y and moves z."""
    a = torch.zeros(3, 3).double()
    a[:2, :2] = UNIT
    points = torch.randn(300, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    out = affine_text(a, torch.tensor([0.0, 0.0, 0.5]).double(), points, ("x", "y", "z"), affine=True)
    assert out == "0.5 ∂z + x ∂y − y ∂x"


def test_the_place_that_entries_are_judged_about() -> None:
    points = rows((50.0, 0.0))
    found = readable(points, UNIT[None], about((50.0, 0.25))[None], 1e-6, affine=True)
    assert found.fixed and torch.allclose(found.origin, torch.tensor([50.0, 0.25]).double())
    two = torch.stack([UNIT, UNIT])
    apart = torch.stack([about((50.0, 0.0)), about((51.0, 0.0))])
    assert not readable(points, two, apart, 1e-6, affine=True).fixed
    assert readable(rows((0.0, 0.0)), UNIT[None], torch.zeros(1, 2).double(), 1e-6, affine=False).own
