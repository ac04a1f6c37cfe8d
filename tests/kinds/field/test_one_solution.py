"""Statements from one solution: of a rich one, and none of those that obey more equations than one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jet_samples import heat_jets
from test_equations_found import exact, seeded
from torch import Tensor

import symfind
from benchmarks.field_suite.evolution import Evolution, with_noise, write_field
from symfind.decision.finding import decide
from symfind.fields.catalogue import make_space
from symfind.kinds.field.determining_equations import Judged, evidence_of_equation
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.equation_fit import identify_equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.identification import cut_into_blocks
from symfind.kinds.field.one_solution import space_time_blocks
from symfind.options.of_verbs import DiscoverOptions


def waves(k: list[float], rate, drift: float, rows: int = 4000) -> JetSample:
    """Σ aᵢ e^{rᵢt} sin(kᵢ(x − ct) + φᵢ), one trajectory."""
    generator = seeded()
    t, x = (torch.rand(rows, generator=generator, dtype=torch.float64) * top for top in (3.0, 9.0))
    waves = torch.tensor(k, dtype=torch.float64)
    rates = torch.tensor([rate(w) for w in k], dtype=torch.float64)
    size, phase = torch.rand(2, len(k), generator=generator, dtype=torch.float64) + 0.5
    place = x[:, None] - drift * t[:, None]
    z = torch.complex(size, 0 * size) * torch.exp(
        rates * t[:, None] + 1j * (waves * place + 6 * phase)
    )  # fmt: skip
    values = {}
    for a in (0, 1, 2):
        for b in range(6):
            values[(a, b)] = (z * (rates - 1j * waves * drift) ** a * (1j * waves) ** b).sum(1, keepdim=True).imag
    return exact(values, torch.stack([t, x], 1), torch.zeros(rows, dtype=torch.int64))


def finding(jets: JetSample, text: str | None = None):
    jets = cut_into_blocks(jets, space_time_blocks)
    if text is None:
        found = identify_equation(jets, seeded())
        judged = Judged(found.equation, found, alone=True)
    else:
        judged = Judged(parse_equation(text, ("t", "x"), ("u",)), None, alone=True)
    z = torch.cat([jets.points, jets.values], 1)
    space = make_space("point:1", 3, ("t", "x", "u")).centred(z.mean(0), z.std(0))
    return decide(evidence_of_equation(judged, jets, space, seeded()), 0.05, 0.05, 12, 0)


def certified(result) -> int:
    return sum(g.verdict == "certified" for g in result.generators)


@pytest.mark.parametrize("text", [None, "u_t = 0.2*u_xx"])
def test_a_rich_solution_tells_its_equation(text: str | None) -> None:
    result = finding(waves([0.4, 0.9, 1.5, 2.0, 2.6], lambda w: -0.2 * w * w, 0.0), text)
    assert result.evidence.equation is not None
    assert certified(result) == 4 and len(result.apart) == 2
    which = "identified" if text is None else "given"
    assert any(f"of the {which} equation" in message for message in result.evidence.messages)


@pytest.mark.parametrize(
    ("k", "rate", "drift", "text"),
    [
        ([0.4, 0.9, 1.5, 2.0, 2.6], 0.0, 0.7, None),  # a travelling wave
        ([0.4, 0.9, 1.5, 2.0, 2.6], 0.0, 0.7, "u_t = -0.7*u_x"),
        ([0.4, 0.9, 1.5, 2.0, 2.6], 0.0, 0.0, None),  # a steady state
        ([1.5], -0.2, 0.0, None),  # a single mode
        ([1.5], -0.2, 0.0, "u_t = 0.2*u_xx"),
        ([0.9, 2.0], -0.2, 0.0, None),  # two modes: u_xxxx is a combination of u and u_xx
    ],
)
def test_a_solution_of_more_equations_than_one_tells_none(k, rate, drift, text) -> None:
    jets = waves(k, lambda w: rate * w * w, drift)
    if rate == drift == 0.0:
        rounding = {j: 1e-15 * torch.randn(v.shape, generator=seeded()).double() if j[0] else v
                    for j, v in jets.derivatives.items()}  # fmt: skip
        jets = replace(jets, derivatives=rounding)
    result = finding(jets, text)
    assert certified(result) == 0
    assert any("another solution is needed" in doubt for doubt in result.doubts)


def test_several_solutions_that_stand_still_tell_no_equation() -> None:
    jets = heat_jets()
    still = {j: 1e-16 * torch.randn(v.shape, generator=seeded()).double() if j[0] else v
             for j, v in jets.derivatives.items()}  # fmt: skip
    found = identify_equation(replace(jets, derivatives=still), seeded())
    assert found.text == "u_t = 0"
    z = torch.cat([jets.points, jets.values], 1)
    space = make_space("point:1", 3, ("t", "x", "u")).centred(z.mean(0), z.std(0))
    evidence = evidence_of_equation(Judged(found.equation, found), replace(jets, derivatives=still), space, seeded())
    result = decide(evidence, 0.05, 0.05, 12, 0)
    assert certified(result) == 0 and any("does not change" in doubt for doubt in result.doubts)


def test_blocks_are_apart() -> None:
    points = torch.cartesian_prod(torch.linspace(0, 1, 81).double(), torch.linspace(5, 9, 61).double())
    block = space_time_blocks(points)
    assert set(block.tolist()) == set(range(-1, 16))
    unit = (points - points.amin(0)) / (points.amax(0) - points.amin(0))
    for first, second in ((0, 1), (0, 4), (5, 10)):
        gap = torch.cdist(unit[block == first], unit[block == second], p=math.inf).min()
        assert float(gap) > 0.04  # a fifth of a quarter, less a step


def from_noise(u: Tensor, t: Tensor, x: Tensor, folder: Path):
    noisy = with_noise(u[None, ..., None], 0.01, 5)
    path = write_field(folder / "one.h5", noisy, t, [("x", x)], ["u"], "x")
    return symfind.discover(DiscoverOptions(source=str(path), bootstrap=40))


def test_a_rich_solution_tells_its_equation_under_noise(tmp_path: Path) -> None:
    """KdV from one solution with 1 % noise: chance in sums over windows falls with their number."""
    evolution = Evolution("u_t = -u*u_x - u_xxx", length=32.0, end=20.0, times=200, points=256, highest=4)
    u, t, x = evolution.solutions(3, rows=1)
    report = from_noise(u[0, ..., 0], t, x, tmp_path)
    assert [g.expression for g in report.certified] == ["∂t", "∂x", "∂u + t ∂x", "3 t ∂t + x ∂x − 2 u ∂u"]


@pytest.mark.slow
def test_two_modes_tell_no_equation_under_noise_either(tmp_path: Path) -> None:
    x = torch.arange(192, dtype=torch.float64) / 12
    t = torch.linspace(0, 3, 160, dtype=torch.float64)
    modes = [
        a * torch.exp(-0.2 * k**2 * t)[:, None] * torch.sin(k * x + p)
        for a, k, p in ((1.0, math.pi / 4, 0.0), (0.8, math.pi / 2, 1.0))
    ]
    assert len(from_noise(sum(modes[1:], modes[0]), t, x, tmp_path).certified) == 0
