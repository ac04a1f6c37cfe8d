"""Verdicts by prediction: exact symmetries that no general fit holds, and what only seems to be one."""

from pathlib import Path

import pytest
import torch
from oracle_files import certified, file_of, matrices, normal, principal_cosines, rotations

from symfind.api import discover
from symfind.options.of_verbs import DiscoverOptions
from symfind.schema.document import Report


def ask(path: Path, **options: object) -> Report:
    return discover(DiscoverOptions(source=str(path), **options))  # type: ignore[arg-type]


def function(path: Path, x: torch.Tensor, y: torch.Tensor, noise: float, **options: object) -> Report:
    y = y + noise * y.std() * normal(*y.shape, seed=99)
    return ask(file_of(path / "f.h5", "function", x=x, y=y), **options)


def r2(x: torch.Tensor) -> torch.Tensor:
    return x.square().sum(-1)


def test_a_screened_charge_is_spherical(tmp_path: Path) -> None:
    """e^{−r}/r near its centre: a general fit explains little of it."""
    v = normal(2500, 3)
    x = v / v.norm(dim=1, keepdim=True) * (0.4 + 2.6 * torch.rand(2500, 1, generator=torch.Generator().manual_seed(1)))
    r = x.norm(dim=1)
    report = function(tmp_path, x, torch.exp(-r) / r, 0.01)
    assert len(certified(report)) == 3
    assert report.algebra.name == "so(3)"
    assert float(principal_cosines(matrices(certified(report)), rotations(3)).min()) > 1 - 1e-9
    assert report.witness is not None
    assert report.witness.r2 > 0.999


def test_a_form_in_random_coordinates_is_learned(tmp_path: Path) -> None:
    t = normal(3, 3, seed=5)
    x = normal(3000, 3)
    report = function(tmp_path, x, torch.log(1 + r2(x @ t)), 0.01, space="linear")
    q = t @ t.T
    truth = torch.stack([torch.linalg.solve(q, a.reshape(3, 3)).flatten() for a in rotations(3)])
    found = certified(report)
    assert len(found) == 3
    assert float(principal_cosines(matrices(found), truth).min()) > 0.9999


def test_a_bell_about_a_point_has_its_centre(tmp_path: Path) -> None:
    x = normal(2500, 2)
    centre = torch.tensor([0.7, -0.4]).double()
    report = function(tmp_path, x, torch.exp(-r2(x - centre)), 0.01, space="affine")
    assert len(certified(report)) == 1
    fixed = report.algebra.fixed_points
    assert fixed is not None
    assert torch.tensor(fixed.point) == pytest.approx(centre, abs=0.01)


def test_a_dimensionless_number_leaves_its_scalings(tmp_path: Path) -> None:
    x = torch.exp(0.4 * normal(2500, 3))
    report = function(tmp_path, x, torch.sqrt(x[:, 0] * x[:, 1] / x[:, 2]), 0.01, space="diagonal")
    assert len(certified(report)) == 2


@pytest.mark.parametrize(
    "broken",
    [
        lambda x: 0.15 * torch.cos(8 * x[:, 0]),
        lambda x: 0.3 * torch.tanh((x[:, 0] - 0.3) / 0.02),
        lambda x: 2 * torch.exp(-r2(x - torch.tensor([1.2, 0.5]).double()) / 2 / 0.3**2),
    ],
    ids=["ripple", "step", "bump"],
)
def test_what_breaks_a_turn_is_seen(tmp_path: Path, broken: object) -> None:
    x = normal(4000, 2)
    report = function(tmp_path, x, r2(x) / 2 + broken(x), 0.03)  # type: ignore[operator]
    assert certified(report) == []


def test_a_turn_that_is_nearly_one_is_called_approximate(tmp_path: Path) -> None:
    """r²/2 + 0.04 x: broken by η = 0.04 of a spread of about one."""
    x = normal(6000, 2)
    report = function(tmp_path, x, torch.exp(-r2(x) / 2) * (1 + 0.06 * x[:, 0] ** 3), 0.005)
    assert certified(report) == []
    assert all(g.verdict in ("approximate", "undecided") for g in report.generators)


def test_nothing_is_refuted_by_a_poor_fit(tmp_path: Path) -> None:
    """Forty wiggles of the radius: whatever is said, an exact symmetry is not called refuted."""
    x = normal(1500, 3)
    report = function(tmp_path, x, torch.sin(25 * x.norm(dim=1)), 0.0)
    sure = sum(entry.lower is not None and entry.lower > 0.05 for entry in report.spectrum)
    assert sure <= 6  # of nine directions three are exact


def test_collinear_columns_are_no_symmetry(tmp_path: Path) -> None:
    a = normal(2500, 1)
    x = torch.cat([a, a + 0.01 * normal(2500, 1, seed=3)], 1)
    assert certified(function(tmp_path, x, a[:, 0] ** 2, 0.01)) == []


def test_nothing_flows_along_categories(tmp_path: Path) -> None:
    n = 2500
    kind = torch.randint(0, 3, (n,), generator=torch.Generator().manual_seed(2))
    x = torch.cat([normal(n, 2), torch.nn.functional.one_hot(kind).double()], 1)
    y = r2(x[:, :2]) + torch.tensor([0.0, 1.0, 3.0]).double()[kind]
    report = function(tmp_path, x, y, 0.01)
    found = certified(report)
    assert len(found) == 1  # the turn of the two axes that are numbers
    assert float(matrices(found).reshape(5, 5)[2:].abs().max()) < 1e-9
    assert any("categories" in note for note in report.notes)


def test_a_blind_oblique_direction_is_not_counted(tmp_path: Path) -> None:
    x = normal(3000, 3)
    report = function(tmp_path, x, torch.exp(-r2(x - x.mean(1, keepdim=True)) / 2), 0.01)
    assert len(certified(report)) == 1


def test_a_flow_of_coupled_phases_is_shifted_as_a_whole(tmp_path: Path) -> None:
    x = 6 * torch.rand(2500, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64) - 3
    dx = torch.tensor([-0.8, 0.1, 0.9]).double() + 0.4 * torch.sin(x[:, None, :] - x[:, :, None]).sum(2)
    dx = dx + 0.01 * dx.std(0) * normal(2500, 3, seed=8)
    report = ask(file_of(tmp_path / "k.h5", "flow", x=x, dx=dx), space="affine")
    assert len(certified(report)) == 1


def test_a_slope_that_is_small_for_sure_but_not_nothing_is_no_certificate(tmp_path: Path) -> None:
    """x² + xz³ beside a copy of x: a combination of ten fields has a defect of 0.02, and no symmetry is there."""
    a = normal(3000, 1, seed=1)
    z = normal(3000, 1, seed=3)
    x = torch.cat([a, a + 0.05 * normal(3000, 1, seed=2), z], 1)
    report = function(tmp_path, x, (a.square() + a * z**3)[:, 0], 0.01)
    assert certified(report) == []
