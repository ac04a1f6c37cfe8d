"""Which library an equation is found in, and that a wrong equation is noticed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from jet_samples import heat_jets
from torch import Tensor

from symfind.decision.finding import decide
from symfind.fields.catalogue import make_space
from symfind.kinds.field.determining_equations import Judged, evidence_of_equation
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.equation_fit import IdentifiedEquation, explained, identify_equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.term_library import libraries

TX, U = ("t", "x"), ("u",)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def terms_of(found: IdentifiedEquation) -> dict[str, float]:
    return {c.term: c.value for c in found.coefficients}


def exact(values: dict[tuple[int, ...], Tensor], points: Tensor, group: Tensor) -> JetSample:
    """A sample of one component with errors of rounding."""
    names = ("t", "x", "y")[: points.shape[1]]
    errors = {j: 1e-12 * v.square().mean(0).sqrt() for j, v in values.items()}
    return JetSample(names, U, points, values, errors, group)


def damped_waves(rows: int = 1200) -> JetSample:
    """Σ Re A e^{λt + ikx} with λ² + λ + k² = 0 in each of eight trajectories: solutions of u_tt + u_t = u_xx."""
    generator = seeded()
    group = torch.arange(rows) % 8
    t, x = (torch.rand(rows, generator=generator, dtype=torch.float64) * top for top in (3.0, 6.0))
    k = torch.tensor([0.3, 0.9, 1.6, 2.3], dtype=torch.float64).repeat(2)
    root = torch.sqrt((0.25 - k.square()).to(torch.complex128)) * torch.tensor([1.0] * 4 + [-1.0] * 4)
    rate = -0.5 + root
    size = torch.complex(*torch.randn(2, 8, 8, generator=generator, dtype=torch.float64))[group]
    wave = size * torch.exp(rate * t[:, None] + 1j * k * x[:, None])
    values = {
        (a, b): (wave * rate**a * (1j * k) ** b).sum(1, keepdim=True).real for a in range(4) for b in range(6)
    }  # fmt: skip
    return exact(values, torch.stack([t, x], 1), group)


def turning(rows: int = 1500) -> JetSample:
    """Σ A sin(k·R(t)x + φ), every field turned about the origin: u_t = y u_x − x u_y."""
    generator = seeded()
    group = torch.arange(rows) % 8
    t, x, y = (3 * torch.rand(rows, generator=generator, dtype=torch.float64) - 1.5 for _ in range(3))
    k, size, phase = (torch.randn(8, 6, generator=generator, dtype=torch.float64)[group] for _ in range(3))
    other = torch.randn(8, 6, generator=generator, dtype=torch.float64)[group]
    along = k * torch.cos(t[:, None]) - other * torch.sin(t[:, None])
    across = k * torch.sin(t[:, None]) + other * torch.cos(t[:, None])
    angle = along * x[:, None] + across * y[:, None] + 3 * phase

    def space(b: int, c: int) -> Tensor:
        return (size * along**b * across**c * torch.sin(angle + (b + c) * math.pi / 2)).sum(1, keepdim=True)

    values = {(0, b, c): space(b, c) for b in range(4) for c in range(4 - b)}
    values[(1, 0, 0)] = y[:, None] * space(1, 0) - x[:, None] * space(0, 1)
    return exact(values, torch.stack([t, x, y], 1), group)


def test_a_rate_damps_an_equation_of_second_order() -> None:
    found = identify_equation(damped_waves(), seeded(), libraries(TX, U, 2)[0])
    assert terms_of(found) == pytest.approx({"u_xx": 1.0, "u_t": -1.0}, abs=1e-9)
    assert found.explained


def test_explicit_variables_are_found_where_plain_terms_do_not_explain() -> None:
    jets = turning()
    plain, _, explicit = libraries(("t", "x", "y"), U)
    assert not identify_equation(jets, seeded(), plain).explained
    found = identify_equation(jets, seeded(), explicit)
    assert terms_of(found) == pytest.approx({"y*u_x": 1.0, "x*u_y": -1.0}, abs=1e-9)
    assert found.explained


def with_missing(share: float) -> JetSample:
    """Heat with a source sin(5u/σ) of a share of u_t, which no library holds."""
    jets = heat_jets()
    u, rate = jets.values, jets.derivatives[(1, 0)]
    source = torch.sin(5 * u / u.std()) * math.sqrt(2) * rate.square().mean().sqrt()
    return replace(jets, derivatives={**jets.derivatives, (1, 0): rate + share * source})


def finding(jets: JetSample, text: str | None):
    if text is None:
        found = identify_equation(jets, seeded())
        judged = Judged(found.equation, found)
    else:
        judged = Judged(parse_equation(text, TX, U), None)
    z = torch.cat([jets.points, jets.values], 1)
    space = make_space("point:1", 3, ("t", "x", "u")).centred(z.mean(0), z.std(0))
    return decide(evidence_of_equation(judged, jets, space, seeded()), 0.05, 0.05, 12, 0)


@pytest.mark.parametrize("text", [None, "u_t = u_xx"])
def test_a_missing_term_of_one_per_cent_is_noticed(text: str | None) -> None:
    result = finding(with_missing(0.01), text)
    assert result.evidence.equation is not None and not result.evidence.equation.explained
    assert not any(g.verdict == "certified" for g in result.generators)
    assert any("residual" in doubt for doubt in result.doubts)
    whole = finding(with_missing(0.0), text)
    assert whole.evidence.equation is not None and whole.evidence.equation.explained
    assert sum(g.verdict == "certified" for g in whole.generators) == 4


def test_no_library_explains_a_missing_term() -> None:
    jets = with_missing(0.01)
    for library in libraries(TX, U):
        assert not identify_equation(jets, seeded(), library).explained


def test_a_term_without_effect_is_left_out_and_one_with_effect_is_not() -> None:
    """u_t = u_xx + c u_xxxx: c that changes u_t by half of what is asked, and by ten times it."""
    jets = heat_jets()
    rate, fourth = jets.derivatives[(1, 0)], jets.derivatives[(0, 4)]
    unit = float(rate.square().mean().sqrt() / fourth.square().mean().sqrt())
    for share, kept in ((0.5, False), (10.0, True)):
        changed = rate + share * SETTINGS.resolution * unit * fourth
        found = identify_equation(replace(jets, derivatives={**jets.derivatives, (1, 0): changed}), seeded())
        assert ("u_xxxx" in terms_of(found)) is kept
        assert "u_xx" in terms_of(found) and found.explained


def test_what_explains_a_residual() -> None:
    assert explained(0.019, 0.01) and explained(0.9 * SETTINGS.resolution, 0.0)
    assert not explained(0.021, 0.01) and not explained(1.1 * SETTINGS.resolution, 0.0)


def test_the_residual_is_of_solutions_that_were_not_fitted() -> None:
    """Noise in u_t alone, 40 points in two trajectories: what is fitted leaves less than what is not."""
    jets = heat_jets(72, groups=2)
    rate = jets.derivatives[(1, 0)]
    noisy = rate + 0.3 * rate.std() * torch.randn(rate.shape, generator=seeded(), dtype=torch.float64)
    jets = replace(jets, derivatives={**jets.derivatives, (1, 0): noisy})
    found = identify_equation(jets, seeded())
    assert found.residual > float(found.equation.residual(jets)[0].max())
