"""Equations identified from exact derivatives of exact solutions, whose terms and numbers are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from jet_samples import heat_jets

from symfind.data.axes import Axis
from symfind.errors import InputError
from symfind.kinds.field.equation_fit import Windows, identify_equation
from symfind.kinds.field.grid.field_data import FieldData
from symfind.kinds.field.sparse_regression import course
from symfind.kinds.field.term_library import LibrarySettings, libraries
from symfind.kinds.field.weak_form import weak_rows


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def terms_of(found) -> dict[str, float]:
    return {c.term: c.value for c in found.coefficients}


def test_heat() -> None:
    found = identify_equation(heat_jets(), seeded())
    assert terms_of(found) == pytest.approx({"u_xx": 1.0}, abs=1e-9)
    assert found.text == "u_t = u_xx"
    assert found.residual < 1e-9 and found.frequency == 1.0


def test_noise_widens_the_intervals_and_they_hold_the_truth() -> None:
    found = identify_equation(heat_jets(noise=0.01), seeded())
    (only,) = found.coefficients
    assert only.term == "u_xx"
    # One per cent of errors in the column biases its number by 1e-4 (attenuation), within the interval's own width.
    assert only.lower - 1e-3 < 1.0 < only.upper + 1e-3
    assert 1e-5 < only.upper - only.lower < 0.01


def test_a_coefficient_that_grows_exponentially() -> None:
    found = identify_equation(heat_jets(rate=lambda t: ((torch.exp(0.8 * t) - 1) / 0.8, torch.exp(0.8 * t))), seeded())
    assert terms_of(found) == pytest.approx({"u_xx": 1.0, "rate of exp, u_xx": 0.8}, abs=1e-6)


def test_a_coefficient_that_falls_like_a_reciprocal() -> None:
    """u = v/√(t + 1) with v_t = v_xx solves u_t = u_xx − u/(2(t + 1))."""
    jets = heat_jets()
    t = jets.points[:, :1]
    root = (t + 1).rsqrt()
    out = {}
    for (a, b), value in jets.derivatives.items():
        out[(a, b)] = root * value - (0.5 / (t + 1) * root * jets.derivatives[(0, b)] if a else 0.0)
    found = identify_equation(replace(jets, derivatives=out), seeded())
    wanted = {"u": -0.5, "shift of time, u": 1.0, "u_xx": 1.0}
    assert terms_of(found) == pytest.approx(wanted, abs=1e-5)


def test_a_nonlinear_equation() -> None:
    """v = −2 u_x/u for a heat solution u > 0 solves Burgers' v_t + v v_x = v_xx (Cole, Hopf)."""
    jets = heat_jets(order=6)
    u = {j: v[:, 0] for j, v in jets.derivatives.items()}
    u[(0, 0)] = u[(0, 0)] + 9.0  # constants solve the heat equation too
    # w = u_x/u: w_x = u_xx/u − w², and so on, by Leibniz for u_x = w u.
    from math import comb

    w: dict[tuple[int, int], torch.Tensor] = {}
    for a in (0, 1):
        for b in range(6):
            total = u[(a, b + 1)]
            for i in range(a + 1):
                for k in range(b + 1):
                    if (i, k) != (a, b):
                        total = total - comb(a, i) * comb(b, k) * w[(i, k)] * u[(a - i, b - k)]
            w[(a, b)] = total / u[(0, 0)]
    derivatives = {j: -2 * v[:, None] for j, v in w.items()}
    found = identify_equation(replace(jets, derivatives=derivatives), seeded())
    assert terms_of(found) == pytest.approx({"u_xx": 1.0, "u*u_x": -1.0}, abs=1e-6)


def test_what_the_library_lacks_stays_in_the_residual() -> None:
    """u_t = sin(3x) u_xx: no term has a coefficient that depends on x."""
    jets = heat_jets()
    wrong = {**jets.derivatives, (1, 0): torch.sin(3 * jets.points[:, 1:]) * jets.derivatives[(0, 2)]}
    found = identify_equation(replace(jets, derivatives=wrong), seeded())
    assert found.residual > 0.3 > found.expected


def test_nothing_that_changes_is_refused() -> None:
    jets = heat_jets()
    still = {j: torch.zeros_like(v) if j[0] else v for j, v in jets.derivatives.items()}
    with pytest.raises(InputError, match="u_t is zero"):
        identify_equation(replace(jets, derivatives=still), seeded())
    with pytest.raises(InputError, match="too few"):
        identify_equation(jets.take(torch.arange(20)), seeded())


def test_libraries_hold_what_is_stated() -> None:
    plain, rich, higher, explicit = (set(library.terms) for library in libraries(("t", "x"), ("u",)))
    assert {"u_xxxxx", "u*u_xxx", "u_x*u_xx", "u*u*u_x"} <= higher
    assert {"u*u_x", "u_xxx", "u_xxxx", "u", "u*u*u", "u_x*u_x", "1"} <= plain
    assert {"u*u*u_x", "u*u_x*u_x", "u_x*u_x*u_xx"} <= rich - plain
    assert {"x*u_x", "t*u", "x*x*u", "t*x*u_xx"} <= explicit
    plane = libraries(("t", "x", "y"), ("u",))[0]
    assert {"u_xy", "u_yy", "u*u_y"} <= set(plane.terms)
    assert {(0, 4), (1, 3)} <= set(libraries(("t", "x"), ("u",))[0].orders(("t", "x"), ("u",)))
    second = libraries(("t", "x"), ("u",), 2)[0]
    assert {"u_t", "u_tx", "u*u_t"} <= set(second.terms) and (2, 0) in second.orders(("t", "x"), ("u",))


def test_the_degree_and_a_users_terms_are_in_every_library() -> None:
    settings = LibrarySettings(degree=2, user=("sin(x)*u_xx",))
    asked = libraries(("t", "x"), ("u", "v"), settings=settings)
    assert all("sin(x)*u_xx" in library.terms for library in asked)
    assert not any("u*u*v" in library.terms for library in asked)
    assert any("u*u*v" in library.terms for library in libraries(("t", "x"), ("u", "v")))


@pytest.mark.parametrize(
    ("curve", "form"),
    [
        (lambda t: 2.0 + 0 * t, "constant"),
        (lambda t: -0.3 * torch.exp(-0.5 * t), "exponential"),
        (lambda t: 4.0 / (t + 0.5), "reciprocal"),
        (lambda t: torch.sin(9 * t), "constant"),
    ],
)
def test_courses(curve, form: str) -> None:
    times = torch.linspace(0.1, 5.0, 12, dtype=torch.float64)
    assert course("u", times, curve(times)).form == form


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_windows_identify_without_derivatives(noise: float) -> None:
    """Heat on a grid with two per cent of noise: the weak form keeps the number within its interval's order."""
    generator = seeded()
    t, x = torch.linspace(0, 1, 96).double(), torch.arange(128).double() * 4 * math.pi / 128
    k = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0]).double()  # on a circle of twice the length
    size, phase = torch.randn(2, 6, 5, generator=generator).double()
    u = torch.einsum("rk,tk,rxk->rtx", size, torch.exp(-k.square() * t[:, None]),
                     torch.sin(k * x[:, None] + 3 * phase[:, None]))[..., None]  # fmt: skip
    u = u + noise * u.std() * torch.randn(u.shape, generator=generator).double()
    field = FieldData((Axis("t", t, False), Axis("x", x, True)), ("u",), torch.arange(6), lambda rows: u[rows])
    rows = weak_rows(field)
    found = identify_equation(heat_jets(), generator, windows=rows)
    assert terms_of(found) == pytest.approx({"u_xx": 1.0}, abs=1e-3 if not noise else 0.02)
    assert found.windows is not None and found.residual < (1e-3 if not noise else 0.05)
    value, slopes, _ = Windows(rows).linear(found.equation)
    assert torch.allclose(value[:, 0], rows.target + slopes[:, 0] @ found.equation.theta)
