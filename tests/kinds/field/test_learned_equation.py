"""u_t = N(jet) without terms: its symmetries and no others, its slopes, and the witness."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from jet_samples import random_jets
from test_equations_found import TX, U, seeded

from symfind.decision.finding import decide
from symfind.errors import InputError
from symfind.fields.catalogue import make_space
from symfind.kinds.field.determining_equations import Judged, evidence_of_equation
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.right_side.basis import Degrees, JetBasis
from symfind.kinds.field.right_side.fit import learned
from symfind.kinds.field.right_side.witness import judge_of, symmetric_equation
from symfind.kinds.field.settings import SETTINGS

# Derivatives below one at random places, moved onto the equation: what its solutions would give.
SATURATING = "u_t = u_xx/(1 + u**2) - 2*u*u_x**2/(1 + u**2)**2"
EXPONENTIAL = "u_t = exp(u)*(u_xx + u_x**2)"
WITHOUT = "u_t = u_xx/(1 + u**2) + sin(2*u)"


def drawn(text: str, rows: int = 1600, seed: int = 1) -> JetSample:
    equation = parse_equation(text, TX, U)
    jets = random_jets(equation, rows, seed)
    bounded = {j: torch.tanh(v) for j, v in jets.derivatives.items()}
    return equation.solved(replace(jets, derivatives=bounded))[0]


def finding(jets: JetSample, space: str = "point:1"):
    def sampler(orders) -> JetSample:
        if missing := [j for j in orders if j not in jets.derivatives]:
            raise InputError(f"no {missing}")
        return jets

    _, found = learned(TX, U, sampler, seeded())
    z = torch.cat([jets.points, jets.values], 1)
    candidates = make_space(space, 3, ("t", "x", "u")).centred(z.mean(0), z.std(0))
    alone = int(torch.unique(jets.group).numel()) < 2
    evidence = evidence_of_equation(Judged(found.equation, found, alone), jets, candidates, seeded())
    return decide(replace(evidence, judge=judge_of(evidence, jets, seeded())), 0.05, 0.05, 12, 0)


def certified(result) -> int:
    return sum(g.verdict == "certified" for g in result.generators)


@pytest.mark.parametrize("kind", [Degrees(3), Degrees(1, smooth=5, bends=True), Degrees(1, lower=4, bends=True)])
def test_slopes_are_the_derivatives_of_the_functions(kind: Degrees) -> None:
    z = torch.randn(40, 3, generator=seeded(), dtype=torch.float64)
    powers = kind.powers([0, 1, 2], 200)
    assert powers is not None
    basis = JetBasis.of(z, kind.bent([0, 1, 2]), powers)
    weights = torch.randn(2, len(powers), generator=seeded(), dtype=torch.float64)
    moved = z.clone().requires_grad_()
    values = basis.values(moved) @ weights.T
    wanted = [torch.autograd.grad(values[:, e].sum(), moved, retain_graph=True)[0] for e in (0, 1)]
    assert torch.allclose(basis.slopes(z, weights), torch.stack(wanted, 1), rtol=1e-12, atol=1e-12)
    assert float(basis.coordinates(z).abs().max()) <= 1 + 1e-12


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (EXPONENTIAL, 4),  # ∂t, ∂x, 2t∂t + x∂x, x∂x + 2∂u
        (WITHOUT, 2),
        ("u_t = u_xx/(1 + u_x**2)", 5),  # the curve u(x) moves by its curvature: rotations too
    ],
)  # fmt: skip
def test_symmetries_of_an_equation_that_no_library_holds(text: str, count: int) -> None:
    result = finding(drawn(text))
    assert certified(result) == count
    assert result.evidence.equation is not None and result.evidence.equation.functions is not None
    witness = result.evidence.equation.symmetric
    assert witness is not None and witness.residual < 5e-3 and witness.defect < SETTINGS.resolution


def test_a_linear_equation_is_learned_as_linear() -> None:
    result = finding(drawn("u_t = u_xx"))
    assert certified(result) == 4 and len(result.apart) == 2


def test_no_equation_with_a_false_symmetry_predicts() -> None:
    """Scalings of the heat equation are none of one with a reaction."""
    jets = drawn(WITHOUT)
    result = finding(jets)
    judge = result.evidence.extent
    space = result.evidence.space
    place = space.evaluate(torch.cat([jets.points, jets.values], 1))
    wanted = torch.stack([2 * jets.points[:, 0], jets.points[:, 1], 0 * jets.points[:, 0]], 1)
    vector = torch.linalg.lstsq(place.movedim(1, 2).flatten(0, 1), wanted.flatten()[:, None]).solution[:, 0]
    true = [g.vector for g in result.generators if g.verdict == "certified"]
    honest = symmetric_equation(judge.prolongation, judge.jets, jets, true, 0.0, 0)
    forced = symmetric_equation(judge.prolongation, judge.jets, jets, [*true, vector], 0.0, 0)
    assert honest is not None and forced is not None
    assert honest.residual < 5e-3 and forced.residual > 0.05


def test_noise_and_one_solution_leave_it_undecided() -> None:
    jets = drawn(SATURATING)
    result = finding(replace(jets, group=torch.zeros_like(jets.group)))
    assert certified(result) == 0 and any("surface" in doubt for doubt in result.doubts)
    noisy = {**jets.derivatives, (1, 0): jets.derivatives[(1, 0)] + 0.3 * torch.randn(jets.rows, 1, generator=seeded())}
    assert certified(finding(replace(jets, derivatives=noisy))) == 0


@pytest.mark.slow
def test_a_function_of_the_place_has_no_translation() -> None:
    result = finding(drawn("u_t = (1 + 0.5*x)*u_xx"))
    assert certified(result) == 3 and len(result.apart) == 2  # ∂t, u∂u, t∂t + (x + 2)∂x; ∂u and x∂u
