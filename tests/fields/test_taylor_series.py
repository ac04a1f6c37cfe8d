"""Power series against repeated differentiation by autograd, and the algebra of truncated products."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.fields.expressions import parse_expression
from symfind.fields.taylor import Series, Truncation, sigmoid, variables

TOPS = Truncation.below([(1, 2), (0, 3)])


def solution(t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A smooth positive u(t, x)."""
    return 1.5 + 0.3 * torch.sin(x + 0.5 * t) * torch.exp(-0.2 * t) + 0.1 * t * x


def by_autograd(function, t: torch.Tensor, x: torch.Tensor, index: tuple[int, int]) -> torch.Tensor:
    """∂_t^a ∂_x^b of a function of (t, x) at points."""
    value = function(t, x)
    for leaf, order in ((t, index[0]), (x, index[1])):
        for _ in range(order):
            (value,) = torch.autograd.grad(value.sum(), leaf, create_graph=True)
    return value.detach()


def points() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    t, x = torch.rand(2, 7, generator=generator, dtype=torch.float64)
    return t.requires_grad_(True), x.requires_grad_(True)


@pytest.mark.parametrize(
    "text",
    ["t*x + u**3 - 2", "exp(-t/50)*u", "sqrt(t+1)/u", "sin(u)*cos(x)", "tanh(u+x)", "log(u)", "u**1.5", "1/(u*x+2)",
     "tan(0.3*x)", "sinh(x)*cosh(u)", "2**u", "u**x", "abs(-u)", "3"],
)  # fmt: skip
def test_a_formula_on_a_series_has_the_total_derivatives_of_the_composition(text: str) -> None:
    formula = parse_expression(text, ("t", "x", "u"))
    t, x = points()
    known = {j: by_autograd(solution, t, x, j) for j in TOPS.indices}
    u = variables(TOPS, known)
    zero = torch.zeros(7, dtype=torch.float64)
    one = torch.ones(7, dtype=torch.float64)
    series = {
        "t": variables(TOPS, {j: {(0, 0): t.detach(), (1, 0): one}.get(j, zero) for j in TOPS.indices}),
        "x": variables(TOPS, {j: {(0, 0): x.detach(), (0, 1): one}.get(j, zero) for j in TOPS.indices}),
        "u": u,
    }
    found = formula.on_series(series).derivatives

    def composed(t, x):
        return formula({"t": t, "x": x, "u": solution(t, x)}) + 0 * (t * x) ** 5

    for place, j in enumerate(TOPS.indices):
        wanted = 3.0 * one * (j == (0, 0)) if text == "3" else by_autograd(composed, t, x, j)
        assert torch.allclose(found[place], wanted, rtol=1e-9, atol=1e-10), j


def test_the_logistic_function_solves_its_equation() -> None:
    truncation = Truncation.below([(4,)])
    s = variables(truncation, {(0,): torch.tensor([0.3, -1.0]).double(), (1,): torch.ones(2).double(),
                               **{(k,): torch.zeros(2).double() for k in (2, 3, 4)}})  # fmt: skip
    y = sigmoid(s)
    slope = torch.stack([y.coefficients[k + 1] * (k + 1) for k in range(4)])
    assert torch.allclose(slope, (y * (1.0 - y)).coefficients[:4], atol=1e-14)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_products_commute_associate_and_divide(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b, c = (Series(TOPS, torch.randn(len(TOPS.indices), 3, generator=generator).double()) for _ in range(3))
    assert torch.allclose((a * b).coefficients, (b * a).coefficients)
    assert torch.allclose(((a * b) * c).coefficients, (a * (b * c)).coefficients)
    d = c * c + 1.0
    assert torch.allclose((a * d / d).coefficients, a.coefficients, atol=1e-9 * float(d.coefficients.abs().max()) ** 3)


def test_a_truncation_holds_what_lies_below() -> None:
    assert TOPS.indices == ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (0, 3), (1, 2))
    assert TOPS.factorials.tolist() == [1, 1, 1, 2, 1, 6, 2]
