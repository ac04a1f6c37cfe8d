"""A given F: what is broken by little is approximate, what nothing sees is trivial, and coverage knows no tolerance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracle_files import ask, certified, file_of
from torch import Tensor

from symfind.schema.document import Generator, Report


class Pairs(torch.nn.Module):
    """Σ exp(−|r_i − r_j|²/4) of four bodies, and a term along fixed axes."""

    def __init__(self, broken: float) -> None:
        super().__init__()
        self.broken = broken
        self.width = torch.nn.Parameter(torch.tensor(4.0))

    def forward(self, x: Tensor) -> Tensor:
        apart = x[:, :, None] - x[:, None]
        pairs = torch.exp(-apart.square().sum(3) / self.width).sum((1, 2))
        return (pairs + self.broken * apart[:, :, :, 2].square().sum((1, 2)))[:, None]


class Centred(torch.nn.Module):
    """The same of positions less a mean: over the bodies (1), or by a slip over the components (2)."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        u = x - x.mean(self.axis, keepdim=True)
        apart = (u[:, :, None] - u[:, None]).square().sum(3)
        return torch.exp(-apart / 4).sum((1, 2))[:, None]


class Waters(torch.nn.Module):
    """Three atoms whose bonds are far stiffer than their surroundings: data that hardly leave a thin shell."""

    def forward(self, x: Tensor) -> Tensor:
        r = x.reshape(-1, 3, 3)
        a = (r[:, 0] - r[:, 1]).square().sum(1).sqrt()
        b = (r[:, 0] - r[:, 2]).square().sum(1).sqrt()
        c = (r[:, 1] - r[:, 2]).square().sum(1).sqrt()
        return (torch.tanh(a - 1) + 0.6 * torch.tanh(b - 1) ** 2 + 0.4 * torch.tanh(c))[:, None]


def model(module: torch.nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


def asked(module: torch.nn.Module, tmp_path: Path, **options: object) -> Report:
    settings = {"sample": "normal", "shape": (4, 3), "n_samples": 400, "space": "affine"} | options
    return ask(model(module, tmp_path / "f.pt"), **settings)  # type: ignore[arg-type]


def of_verdict(report: Report, verdict: str) -> list[Generator]:
    return [g for g in report.generators if g.verdict == verdict]


@pytest.mark.parametrize("single", [False, True])
def test_a_term_along_fixed_axes_is_told_with_its_size(tmp_path: Path, single: bool) -> None:
    exact, broken = Pairs(0.0), Pairs(2e-4)
    modules = (exact, broken) if single else (exact.double(), broken.double())
    whole, less = (asked(module, tmp_path) for module in modules)
    assert len(certified(whole)) == 6 and not of_verdict(whole, "approximate")
    assert len(certified(less)) == 4  # translations and the turn about the axis
    turns = of_verdict(less, "approximate")
    assert len(turns) == 2
    for g in turns:
        assert g.lower is not None and g.defect is not None and g.upper is not None
        assert 1e-5 < g.lower <= g.defect <= g.upper < 1e-2


def test_rounding_far_from_the_origin_is_none_of_the_model(tmp_path: Path) -> None:
    from oracle_files import file_of

    x = torch.randn(400, 4, 3, generator=torch.Generator().manual_seed(3)).double() + 1e3
    data = file_of(tmp_path / "x.h5", kind="points", x=x)
    report = ask(model(Pairs(0.0).double(), tmp_path / "f.pt"), data=str(data), space="affine")
    assert len(certified(report)) == 6 and not of_verdict(report, "approximate")


def test_coverage_does_not_depend_on_the_tolerance(tmp_path: Path) -> None:
    options = {"shape": (3, 3), "acts_on": "last", "n_samples": 400, "space": "affine"}
    wide = asked(Waters(), tmp_path, tolerance=0.05, **options)
    assert wide.coverage.factor is not None
    tight = asked(Waters(), tmp_path, tolerance=wide.coverage.factor / 2, **options)
    assert len(certified(wide)) == len(certified(tight)) == 6


def test_fields_that_no_body_is_seen_along_are_trivial(tmp_path: Path) -> None:
    slipped = asked(Centred(2), tmp_path)
    assert len(slipped.space.trivial) == 4
    assert any("∂x + ∂y + ∂z" in text for text in slipped.space.trivial)
    assert len(certified(slipped)) == 3 and slipped.algebra.name == "e(2)"
    right = asked(Centred(1), tmp_path)
    assert right.space.trivial == ()
    assert len(certified(right)) == 6 and right.algebra.name == "e(3)"


def test_arithmetic_in_single_precision_gives_the_same_verdicts(tmp_path: Path) -> None:
    report = asked(Pairs(0.0), tmp_path, dtype="float32")
    assert len(certified(report)) == 6 and all(g.reach is not None for g in certified(report))


def test_an_exact_generator_is_followed_in_one_step(tmp_path: Path) -> None:
    from symfind.decision.reach import STEPS

    report = asked(Pairs(0.0), tmp_path)
    assert {g.reach for g in certified(report)} == {STEPS[-1]}


class Squares(torch.nn.Module):
    """|x|²."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum(1, keepdim=True)


def test_far_from_the_origin_a_turn_is_exact_up_to_the_digits_that_are_lost(tmp_path: Path) -> None:
    """At a distance of 1e5 spreads x is known to 1e-11 of its spread; |x|² is nearly linear there: all else is 1e-5."""
    x = 1e5 + torch.randn(300, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    data = file_of(tmp_path / "x.h5", "points", x=x)
    report = ask(model(Squares(), tmp_path / "f.pt"), data=str(data), space="linear")
    assert len(certified(report)) == 3
    others = [g for g in report.generators if g.verdict != "certified"]
    assert {g.verdict for g in others} == {"approximate"} and all(g.defect > 1e-6 for g in others)
