"""Finite transformations of jets against closed forms of transformed solutions."""

from __future__ import annotations

import math

import pytest
import torch

from symfind.errors import InputError
from symfind.fields.taylor import Series
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.transformed_jets import total_degree, transformed


def soliton_jets(order: int, t: torch.Tensor, x: torch.Tensor) -> JetSample:
    """u = 12 k² sech²(k(x − 4k²t)), k = 0.4, solves u_t + u u_x + u_xxx = 0; derivatives by autograd."""
    t, x = t.clone().requires_grad_(), x.clone().requires_grad_()
    k = 0.4
    found = {(0, 0): 12 * k**2 / torch.cosh(k * (x - 4 * k**2 * t)) ** 2}
    for j in sorted(total_degree(2, order), key=sum)[1:]:
        i = 0 if j[0] else 1
        lower = found[(j[0] - 1, j[1]) if i == 0 else (j[0], j[1] - 1)]
        found[j] = torch.autograd.grad(lower.sum(), (t, x)[i], create_graph=True)[0]
    points = torch.stack([t, x], 1).detach()
    values = {j: v.detach()[:, None] for j, v in found.items()}
    errors = {j: torch.zeros(1, dtype=torch.float64) for j in values}
    return JetSample(("t", "x"), ("u",), points, values, errors, torch.zeros(len(points), dtype=torch.int64))


@pytest.fixture(name="jets")
def _jets() -> JetSample:
    g = torch.Generator().manual_seed(0)
    t = torch.rand(40, generator=g, dtype=torch.float64)
    return soliton_jets(3, t, 4 * torch.rand(40, generator=g, dtype=torch.float64) - 2)


def field(table: dict[str, list[list[float]]]) -> object:
    """ξ^a = Σ_b A[a, b] z_b + c_a."""
    a = torch.tensor(table["linear"], dtype=torch.float64)
    c = torch.tensor(table["shift"], dtype=torch.float64)

    def of(z: Series) -> Series:
        return z.linear(lambda v: v @ a.T) + c

    return of


SCALING = {"linear": [[3, 0, 0], [0, 1, 0], [0, 0, -2]], "shift": [0, 0, 0]}
BOOST = {"linear": [[0, 0, 0], [1, 0, 0], [0, 0, 0]], "shift": [0, 0, 1]}
SHEAR = {"linear": [[0, 0.3, 0.1], [0, 0, 0.2], [0.1, 0, 0]], "shift": [0, 0, 0]}


def test_scaling_multiplies_every_derivative(jets: JetSample) -> None:
    """u_J ↦ λ^{−2 − 3J_t − J_x} u_J under (t, x, u) ↦ (λ³t, λx, λ⁻²u)."""
    moved = transformed(jets, 3, field(SCALING), math.log(1.2), 20)  # type: ignore[arg-type]
    for (a, b), value in moved.derivatives.items():
        # Runge–Kutta of order four with 20 steps of h = 0.03
        assert torch.allclose(value, jets.derivatives[a, b] * 1.2 ** (-2 - 3 * a - b), rtol=1e-6, atol=1e-9)


def test_boost_is_the_closed_form(jets: JetSample) -> None:
    """ũ(t, x) = u(t, x − αt) + α: ũ_t = u_t − αu_x, exact since the field is nilpotent."""
    moved = transformed(jets, 3, field(BOOST), 0.7, 1)  # type: ignore[arg-type]
    d = jets.derivatives
    assert torch.allclose(moved.points[:, 1], jets.points[:, 1] + 0.7 * jets.points[:, 0])
    assert torch.allclose(moved.derivatives[0, 0], d[0, 0] + 0.7)
    assert torch.allclose(moved.derivatives[1, 0], d[1, 0] - 0.7 * d[0, 1])
    assert torch.allclose(moved.derivatives[2, 0], d[2, 0] - 1.4 * d[1, 1] + 0.49 * d[0, 2])
    assert torch.allclose(moved.derivatives[0, 3], d[0, 3])


def test_symmetries_keep_the_equation_and_others_do_not(jets: JetSample) -> None:
    """Residual of KdV after finite transformations."""
    equation = parse_equation("u_t + u*u_x + u_xxx = 0", ("t", "x"), ("u",))
    for table in (SCALING, BOOST):
        moved = transformed(jets, 3, field(table), 0.3, 20)  # type: ignore[arg-type]
        assert float(equation.residual(moved)[0]) < 1e-6
    assert float(equation.residual(transformed(jets, 3, field(SHEAR), 0.3, 20))[0]) > 1e-2  # type: ignore[arg-type]


def test_there_and_back(jets: JetSample) -> None:
    """exp(−αξ) exp(αξ) = 1 also where t, x and u mix."""
    there = transformed(jets, 3, field(SHEAR), 0.4, 20)  # type: ignore[arg-type]
    back = transformed(there, 3, field(SHEAR), -0.4, 20)  # type: ignore[arg-type]
    for j, value in back.derivatives.items():
        assert torch.allclose(value, jets.derivatives[j], rtol=1e-6, atol=1e-7)


def test_missing_derivatives_are_named(jets: JetSample) -> None:
    """Order four of jets of order three."""
    with pytest.raises(InputError, match="u_xxxx"):
        transformed(jets, 4, field(BOOST), 0.1)  # type: ignore[arg-type]
