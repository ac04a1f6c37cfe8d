"""From jets to verdicts: certificates for given and identified equations, and none where there is no symmetry."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from jet_samples import heat_jets, random_jets

from symfind.decision.finding import decide
from symfind.errors import InputError
from symfind.fields.catalogue import make_space
from symfind.kinds.field.determining_equations import Judged, evidence_of_equation, probed
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.equation_fit import identify_equation
from symfind.kinds.field.superposition import is_linear

TX, U = ("t", "x"), ("u",)


def finding(jets, equation=None, space: str = "point:1"):
    generator = torch.Generator().manual_seed(3)
    if equation is None:
        found = identify_equation(jets, generator)
        judged = Judged(found.equation, found)
    else:
        judged = Judged(equation, None)
    z = torch.cat([jets.points, jets.values], 1)
    fields = make_space(space, 3, ("t", "x", "u")).centred(z.mean(0), z.std(0))
    return decide(evidence_of_equation(judged, jets, fields, generator), 0.05, 0.05, 40, 0)


def certified(result) -> list[str]:
    space = result.evidence.space
    return [space.expression(g.vector, ("t", "x", "u")) for g in result.generators if g.verdict == "certified"]


def apart(result) -> list[str]:
    return [result.evidence.space.expression(v, ("t", "x", "u")) for v, _ in result.apart]


def test_kdv_given() -> None:
    equation = parse_equation("u_t + u*u_x + u_xxx = 0", TX, U)
    result = finding(random_jets(equation, 800), equation)
    assert certified(result) == ["∂t", "∂x", "∂u + t ∂x", "3 t ∂t + x ∂x − 2 u ∂u"]
    assert not result.apart


def test_near_symmetries_are_not_certified() -> None:
    """KdV on a long time: t·∂t and its like are nearly symmetries, with defects that fall with the length."""
    equation = parse_equation("u_t + u*u_x + u_xxx = 0", TX, U)
    result = finding(random_jets(equation, 1200), equation, "point:2")
    assert len(certified(result)) == 4


def test_heat_identified_with_superpositions_apart() -> None:
    result = finding(heat_jets())
    assert certified(result) == ["∂t", "∂x", "u ∂u", "2 t ∂t + x ∂x"]
    assert apart(result) == ["∂u", "x ∂u"]


def test_a_generic_equation_has_none() -> None:
    equation = parse_equation("u_t = (1 + sin(3*t)*x)*u_xx + cos(x + 2*t)*u*u_x + u**2*x", TX, U)
    assert certified(finding(random_jets(equation, 800), equation)) == []


def test_data_that_do_not_satisfy_the_equation_certify_nothing() -> None:
    result = finding(heat_jets(), parse_equation("u_t + u*u_x + u_xxx = 0", TX, U))
    assert certified(result) == []
    assert any("do not satisfy the equation: residual" in doubt for doubt in result.doubts)


def test_a_small_term_that_is_left_out_counts_against_the_symmetries_it_breaks() -> None:
    """Heat with a source of 20 % of u_t that no term of the library explains."""
    jets = heat_jets()
    force = 0.2 * float(jets.derivatives[(1, 0)].std()) * torch.sin(2 * jets.points[:, 1:] + 5 * jets.points[:, :1])
    moved = {**jets.derivatives, (1, 0): jets.derivatives[(1, 0)] + force}
    assert certified(finding(replace(jets, derivatives=moved))) == []


def test_one_solution_alone_is_doubted() -> None:
    result = finding(heat_jets(groups=1))
    assert certified(result) == []
    assert any("one solution" in doubt for doubt in result.doubts)


def test_a_derivative_that_drowns_can_still_tell_against_a_field() -> None:
    """u_tx with an error of twice its size keeps 1 − 1/2² of its mean square, u_t with one of a tenth nearly all."""
    jets = heat_jets()
    errors = {**jets.errors}
    for j, share in (((1, 1), 2.0), ((1, 0), 0.1)):
        errors[j] = share * jets.derivatives[j].square().mean(0).sqrt()
    heat = parse_equation("u_t = u_xx", TX, U)
    asked = probed(heat, replace(jets, errors=errors), torch.Generator().manual_seed(0))
    for j, kept in (((1, 1), 0.75), ((1, 0), 0.99)):
        mean_square = float(jets.derivatives[j].square().mean())
        assert float(asked.derivatives[j].square().mean()) == pytest.approx(kept * mean_square)


def test_linearity() -> None:
    jets = heat_jets(200)
    assert is_linear(parse_equation("u_t = exp(t)*u_xx + x", TX, U), jets)
    assert not is_linear(parse_equation("u_t = u_xx + 0.01*u*u_x", TX, U), jets)


def test_missing_derivatives_are_named() -> None:
    jets = heat_jets()
    fewer = replace(jets, derivatives={j: v for j, v in jets.derivatives.items() if j != (1, 1)})
    with pytest.raises(InputError, match="u_tx"):
        finding(fewer, parse_equation("u_t = u_xx", TX, U))


def test_too_few_points() -> None:
    with pytest.raises(InputError, match="too few"):
        finding(heat_jets(20), parse_equation("u_t = u_xx", TX, U))
