"""Flows whose linear symmetries are known, and trajectories that cannot tell."""

from pathlib import Path

import pytest
import torch
from oracle_files import ask, certified, file_of, matrices, normal, principal_cosines

from symfind.samples.catalogue import write_sample
from symfind.samples.draws import hopf_equations


def test_an_asymmetric_rigid_body_has_the_scaling_with_time_alone(tmp_path: Path) -> None:
    write_sample("rigid-body", tmp_path / "f.h5", rows=600)
    report = ask(tmp_path / "f.h5", space="linear")
    (only,) = certified(report)
    assert report.algebra.dimension == 1
    assert only.expression == "w1 ∂w1 + w2 ∂w2 + w3 ∂w3 − t ∂t"
    assert only.defect is not None and only.defect < 1e-9


def test_a_symmetric_top_has_three(tmp_path: Path) -> None:
    write_sample("symmetric-top", tmp_path / "f.h5", rows=600)
    report = ask(tmp_path / "f.h5", space="linear")
    expected = torch.tensor([[0.0, -1, 0, 1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 1]])
    found = matrices(certified(report))
    assert found.shape[0] == 3
    assert float(principal_cosines(found, expected.double()).min()) > 1 - 1e-9
    assert report.fit is not None and report.fit.r2 == pytest.approx(1.0)  # dω₃/dt = 0 is no failure of the fit


@pytest.mark.parametrize("space", ["linear", "affine"])
def test_lorenz_has_none(tmp_path: Path, space: str) -> None:
    write_sample("lorenz", tmp_path / "f.h5", rows=1600)
    report = ask(tmp_path / "f.h5", space=space)
    assert certified(report) == []
    if report.generators:  # on the attractor (x, y) say what z is but for a few per cent: told as broken, with its η
        assert all(g.verdict in ("approximate", "undecided") for g in report.generators)
        return
    assert report.spectrum[0].lower is not None and report.spectrum[0].lower > 0.05


def cycle(n: int, phase: float) -> torch.Tensor:
    angle = torch.linspace(0, 6.2, n, dtype=torch.float64) + phase
    return torch.stack([angle.cos(), angle.sin()], 1)


def test_one_trajectory_is_undecided_with_the_reason(tmp_path: Path) -> None:
    x = cycle(200, 0.0)
    path = file_of(tmp_path / "f.h5", "flow", x=x, dx=hopf_equations(x), group=torch.zeros(200, dtype=torch.int64))
    report = ask(path, space="linear")
    assert certified(report) == []
    assert report.generators and all(g.verdict == "undecided" for g in report.generators)
    assert any("one trajectory" in w for w in report.warnings)


def test_two_trajectories_on_one_limit_cycle_say_nothing_off_it(tmp_path: Path) -> None:
    """On |x| = 1 the Hopf flow looks linear: x∂x + y∂y commutes with the fit, not the flow; turns keep the circle."""
    x = torch.cat([cycle(200, 0.0), cycle(200, 0.01)])
    path = file_of(tmp_path / "f.h5", "flow", x=x, dx=hopf_equations(x), group=torch.arange(400) // 200)
    report = ask(path, space="linear")
    assert [g.expression for g in certified(report)] in ([], ["x ∂y − y ∂x"])


@pytest.mark.slow
def test_eight_hopf_trajectories_have_the_rotation(tmp_path: Path) -> None:
    write_sample("hopf", tmp_path / "f.h5", rows=800)
    (only,) = certified(ask(tmp_path / "f.h5", space="linear"))
    assert only.expression == "x ∂y − y ∂x"


def test_noise_is_no_flow(tmp_path: Path) -> None:
    path = file_of(tmp_path / "f.h5", "flow", x=normal(400, 2), dx=normal(400, 2, seed=1))
    report = ask(path, space="linear")
    assert certified(report) == []
    assert any("held-out variance" in w for w in report.warnings)
