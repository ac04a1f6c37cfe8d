"""Differential equations as typed: names, faults under a caret, derivatives, points moved onto them."""

from __future__ import annotations

import pytest
import torch
from jet_samples import heat_jets, random_jets

from symfind.errors import UsageError
from symfind.kinds.field.equation import parse_equation

TX, U = ("t", "x"), ("u",)


def test_names_of_derivatives_in_any_order_and_right_sides() -> None:
    equation = parse_equation("u_xt + 2*u_t = u^2 + x", TX, U)
    assert equation.coordinates == ((0, (0, 0)), (0, (1, 0)), (0, (1, 1)))
    assert equation.order == 2
    same = parse_equation("u_tx - u**2 - x + 2*u_t", TX, U)
    jets = random_jets(same, 50)
    assert float(equation.linearised(jets).value.abs().max()) < 1e-9


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("u_t + u*u_z = 0", 9, "unknown name 'u_z'"),
        ("u_t + * u", 7, "does not parse"),
        ("u_t = u^2*u_xx + w", 18, "unknown name 'w'"),
        ("u_t = 1 = 2", 9, "one '='"),
        ("u_t + __import__('os')", 7, "only arithmetic"),
        ("u_t + v_x = 0", 7, "unknown name 'v_x'"),
    ],
)
def test_faults_are_pointed_at(text: str, column: int, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_equation(text, TX, U)
    message = str(caught.value)
    assert part in message and f"column {column}" in message
    lines = message.splitlines()
    assert lines[-2].strip() == text.strip()
    assert lines[-1].index("^") - (len(lines[-2]) - len(lines[-2].lstrip())) == column - 1


@pytest.mark.parametrize("text", ["", " ; ", "u + x = 0"])
def test_an_equation_without_derivatives_is_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_equation(text, TX, U)


def test_systems_are_separated_by_semicolons_or_listed() -> None:
    one = parse_equation("u_t = v_x; v_t = u_x", TX, ("u", "v"))
    two = parse_equation(["u_t = v_x", "v_t = u_x"], TX, ("u", "v"))
    assert len(one.sides) == 2 and one.coordinates == two.coordinates


def test_slopes_by_hand() -> None:
    equation = parse_equation("u_t*exp(-t/50) + u*u_x + u_xxx = 0", TX, U)
    jets = random_jets(equation, 30)
    at = equation.linearised(jets)
    values = {cj: at.slopes[:, 0, i] for i, cj in enumerate(equation.coordinates)}
    t = jets.points[:, 0]
    assert torch.allclose(values[(0, (1, 0))], torch.exp(-t / 50))
    assert torch.allclose(values[(0, (0, 0))], jets.derivatives[(0, 1)][:, 0])
    assert torch.allclose(at.explicit[:, 0, 0], -torch.exp(-t / 50) / 50 * jets.derivatives[(1, 0)][:, 0])


def test_the_residual_of_solutions_and_of_others() -> None:
    jets = heat_jets()
    true, expected = parse_equation("u_t = u_xx", TX, U).residual(jets)
    assert float(true) < 1e-12 and float(expected) < 1e-11
    false, _ = parse_equation("u_t + u*u_x + u_xxx = 0", TX, U).residual(jets)
    assert float(false) > 0.3


def test_points_move_along_the_least_certain_derivative() -> None:
    equation = parse_equation("u_t + u*u_x + u_xxx = 0", TX, U)
    jets = heat_jets()
    errors = {**jets.errors, (0, 3): 1e6 * jets.errors[(0, 3)]}
    moved, held = equation.solved(type(jets)(jets.independent, jets.dependent, jets.points, jets.derivatives, errors,
                                             jets.group))  # fmt: skip
    assert bool(held.all())
    assert float(equation.linearised(moved).value.abs().max()) < 1e-9
    assert torch.allclose(moved.derivatives[(1, 0)], jets.derivatives[(1, 0)], atol=1e-4)
    assert torch.equal(moved.values, jets.values)


def test_an_equation_without_solutions_holds_nowhere() -> None:
    equation = parse_equation("u_x**2 + u_t**2 + 1 = 0", TX, U)
    _, held = equation.solved(heat_jets(200))
    assert not bool(held.any())
