"""Flows: oblique turns, shifts that several coordinates share, turns of vectors in space about one axis."""

import math

import pytest
import torch
from torch import Tensor

from symfind.decision.witness.families import RegressionSettings
from symfind.decision.witness.learned import learned_turns
from symfind.decision.witness.leftover import JudgeSettings
from symfind.decision.witness.problem import Problem, WitnessSettings
from symfind.decision.witness.proposals import Shape, catalogue
from symfind.decision.witness.structure import SymmetricClass
from symfind.decision.witness.trial import Rows, Verdict, along_axes, joined, trial, verdict
from symfind.fields.catalogue import make_space
from symfind.lie_derivative import Bracket

JUDGES = JudgeSettings(centres=100, intervals=12)
FITS = RegressionSettings(
    knots=(8, 24), lengths=(2.0,), ridges=(1e-9, 1e-5), centres=200, unknowns=700, selection_rows=900, rich=False
)
# x = w Tᵀ of a turn in w.
OBLIQUE = torch.tensor([[1.0, 0.0], [0.4, 0.7]]).double()


def drawn(seed: int, n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def problem(d: int, space: str) -> Problem:
    fields = make_space(space, d, [f"x{i}" for i in range(d)])
    shape = Shape((1, d), d, True, True, space == "affine")
    eye = torch.eye(d, dtype=torch.float64)
    return Problem(shape, fields, Bracket(), (1, d), (1, d), eye, flow=True)


def rows_of(x: Tensor, y: Tensor) -> Rows:
    weights = along_axes(x, y, x.shape[1])
    return Rows(x, y * weights, None, (x - x.mean(0)) / x.std(0), weights)


def judged(structure: SymmetricClass, rows: Rows) -> Verdict:
    half = torch.arange(len(rows)) % 2 == 0
    first, second = rows.take(half.nonzero()[:, 0]), rows.take((~half).nonzero()[:, 0])
    trials = [trial(structure, a, b, 0, FITS, JUDGES) for a, b in ((first, second), (second, first))]
    assert trials[0] is not None and trials[1] is not None
    both = joined(trials[0], trials[1])
    return verdict(both, both.share, 0.05, JUDGES)


def cycle(x: Tensor, broken: float) -> Tensor:
    """ẇ = (1 + i)w − |w|²w + broken·w̄³ in coordinates x = Tw."""
    w = x @ torch.linalg.inv(OBLIQUE).T
    r2 = w.square().sum(1, keepdim=True)
    z = torch.complex(w[:, 0], -w[:, 1]) ** 3
    turned = torch.stack([-w[:, 1], w[:, 0]], 1)
    return (w + turned - r2 * w + broken * torch.stack([z.real, z.imag], 1)) @ OBLIQUE.T


@pytest.mark.parametrize("space", ["linear", "affine"])
def test_a_limit_cycle_in_oblique_coordinates_has_its_turn(space: str) -> None:
    x = drawn(1, 1200, 2) @ OBLIQUE.T
    asked = problem(2, space)
    y = cycle(x, 0.0)
    [(found, error, noise)] = learned_turns(
        asked, rows_of(x, y + 0.01 * y.std(0) * drawn(2, 1200, 2)), 0, WitnessSettings()
    )
    assert error < 1e-3 and noise < 0.02
    algebra = asked.algebra(found, x)
    assert algebra.dimension == 1
    linear = asked.space.evaluate(torch.eye(2).double()) - asked.space.evaluate(torch.zeros(2, 2).double())
    a = torch.einsum("npd,pc->dn", linear, algebra.vectors[: asked.space.dim])
    truth = OBLIQUE @ torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double() @ torch.linalg.inv(OBLIQUE)
    cosine = float((a * truth).sum() / a.norm() / truth.norm())
    assert abs(cosine) > 0.9999


def test_a_broken_cycle_is_not_certified() -> None:
    x = drawn(1, 1600, 2) @ OBLIQUE.T
    rows = rows_of(x, cycle(x, 0.15))
    learned = learned_turns(problem(2, "linear"), rows, 0, WitnessSettings())
    assert all(judged(found, rows).word != "certified" for found, _, _ in learned)


def test_a_flow_that_is_linear_but_for_its_noise_proposes_no_turn() -> None:
    """A Duffing oscillator under 30 % noise: its linear part has a turn, as all that oscillate; its cubic has none."""
    x = 2 * torch.rand(800, 2, generator=torch.Generator().manual_seed(6), dtype=torch.float64) - 1
    y = torch.stack([x[:, 1], -x[:, 0] - 0.3 * x[:, 1] + 0.2 * x[:, 0] ** 3], 1)
    rows = rows_of(x, y + 0.3 * y.std(0) * drawn(7, 800, 2))
    assert learned_turns(problem(2, "affine"), rows, 0, WitnessSettings()) == []


def test_oscillators_share_a_shift_unless_one_is_driven() -> None:
    x = math.pi * (2 * torch.rand(1600, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 1)
    y = torch.linspace(-1, 1, 4).double() + 0.3 * torch.sin(x[:, None, :] - x[:, :, None]).sum(2)
    [found] = [
        s for s in catalogue(problem(4, "affine").shape)
        if s.name == "common translation of all coordinates, by differences"
    ]  # fmt: skip
    assert problem(4, "affine").algebra(found, x).dimension == 1
    assert judged(found, rows_of(x, y)).word == "certified"
    driven = y + 0.5 * torch.sin(x[:, :1]) * torch.eye(4)[0]
    assert judged(found, rows_of(x, driven)).word != "certified"


def test_half_of_the_coordinates_share_a_shift_where_the_rest_are_rates() -> None:
    asked, x = problem(6, "affine"), drawn(4, 200, 6)
    for name in ("common translation of the first half", "common translation of the odd coordinates"):
        [found] = [s for s in catalogue(asked.shape) if s.name == name]
        assert asked.algebra(found, x).dimension == 1


def test_two_vectors_turn_about_the_axis_of_gravity_alone() -> None:
    """A mass on a spring: so(3) but for its weight, which is half of the pull."""
    x = drawn(5, 1600, 6)
    q, p = x[:, :3], x[:, 3:]
    pull = -q / (1 + q.square().sum(1, keepdim=True)).sqrt()
    rows = rows_of(x, torch.cat([p, pull - 0.5 * torch.eye(3).double()[2]], 1))
    found = {s.name: s for s in catalogue(problem(6, "linear").shape)}
    half, other = rows.take(torch.arange(800)), rows.take(torch.arange(800, 1600))
    upright, tilted = (
        trial(found[f"so(2) of axes {axes} on 2 vectors, stacked"], half, other, 0, FITS) for axes in ("1 2", "1 3")
    )
    assert upright is not None and tilted is not None
    assert upright.share < 0.01 and tilted.share > 0.03
    asked = problem(6, "affine")
    assert asked.algebra(upright.structure, x).dimension == 1
