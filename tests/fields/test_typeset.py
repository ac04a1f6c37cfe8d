"""Fields as text: signs, unit coefficients, powers, subscripts."""

import torch

from symfind.fields.catalogue import make_space
from symfind.fields.typeset import latex_name, monomial_text, number_text, sum_text


def test_numbers() -> None:
    assert number_text(1.0) == "1"
    assert number_text(0.123456) == "0.1235"
    assert number_text(1.5e-7) == "1.5e-7"
    assert number_text(2.0e12) == "2e12"


def test_monomials() -> None:
    assert monomial_text((0, 0), ("x", "y")) == ""
    assert monomial_text((2, 1), ("x", "y")) == "x² y"
    assert monomial_text((2, 1), ("x1", "p_x"), latex=True) == "x_{1}^{2} p_{x}"


def test_latex_names() -> None:
    assert [latex_name(n) for n in ("x", "x12", "px", "p_xy", "mass")] == [
        "x", "x_{12}", "p_{x}", "p_{xy}", r"\mathrm{mass}",
    ]  # fmt: skip


def test_sums() -> None:
    assert sum_text([]) == "0"
    assert sum_text([(0.0, "a")]) == "0"
    assert sum_text([(-1.0, "a"), (2.0, "b"), (-0.5, "c"), (1e-9, "d")]) == "−a + 2 b − 0.5 c"
    assert sum_text([(1.0, "a"), (-1.0, "b")], latex=True) == "a - b"


def test_a_rotation_and_a_shift_of_a_centred_space_read_in_the_users_coordinates() -> None:
    affine = make_space("affine", 2, ("x", "y"))
    moved = affine.centred(torch.tensor([3.0, 4.0]).double(), torch.tensor([2.0, 0.5]).double())
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn = torch.stack([-x[:, 1], x[:, 0]], 1)
    basis = moved.evaluate(x).transpose(1, 2).reshape(60, -1)
    c = torch.linalg.lstsq(basis, turn.reshape(60, 1)).solution[:, 0]
    assert moved.expression(c, ("x", "y")) == "x ∂y − y ∂x"
    assert moved.expression(c, ("x", "y"), latex=True) == r"x \partial_{y} - y \partial_{x}"
