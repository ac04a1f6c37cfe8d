"""Models, which are F itself: three atoms, the O(5) network, a model without symmetry."""

from pathlib import Path

import pytest
import torch
from oracle_files import ask, certified, file_of, matrices, normal, principal_cosines, rotations
from torch import Tensor

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


class ThreeAtoms(torch.nn.Module):
    """Σ w (|r_i − r_j|² − c)², three pairs."""

    def forward(self, x: Tensor) -> Tensor:
        r = x.reshape(-1, 3, 3)
        a = (r[:, 0] - r[:, 1]).square().sum(1)
        b = (r[:, 0] - r[:, 2]).square().sum(1)
        c = (r[:, 1] - r[:, 2]).square().sum(1)
        return ((a - 1.0) ** 2 + 0.6 * (b - 1.7) ** 2 + 0.35 * (c - 2.4) ** 2)[:, None]


class Crooked(torch.nn.Module):
    """A cubic without linear or affine symmetry."""

    def forward(self, x: Tensor) -> Tensor:
        a, b, c = x[:, 0], x[:, 1], x[:, 2]
        return (a + b * c + a**2 * b / 2 + b * c**2 / 3 - c**3 / 4 + b**3 / 5)[:, None]


def saved(module: torch.nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


def test_the_same_action_on_three_atoms_is_e3(tmp_path: Path) -> None:
    report = ask(saved(ThreeAtoms(), tmp_path / "v.pt"), sample="normal", shape=(3, 3), n_samples=600, space="affine")
    assert sorted(g.expression for g in certified(report)) == [
        "x ∂y − y ∂x", "x ∂z − z ∂x", "y ∂z − z ∂y", "∂x", "∂y", "∂z",
    ]  # fmt: skip


@pytest.mark.slow
def test_on_nine_coordinates_three_atoms_have_9n_plus_6(tmp_path: Path) -> None:
    """Translations with coefficients affine in the nine coordinates, 3 · 10, and three rotations: 33."""
    report = ask(
        saved(ThreeAtoms(), tmp_path / "v.pt"),
        sample="normal", shape=(3, 3), n_samples=400, space="affine", acts_on="all",
    )  # fmt: skip
    assert len(certified(report)) == 33
    defects = [e.defect for e in report.spectrum]
    assert all(d is not None for d in defects)
    assert max(d for d in defects[:33] if d is not None) < 1e-9
    assert min(d for d in defects[33:] if d is not None) > 0.05


def test_the_o5_network_has_ten_generators_approximately() -> None:
    """It learned them: no two are exact."""
    report = ask(SAMPLE_DATA / "o5.pt", data=str(SAMPLE_DATA / "o5.h5"), max_rows=1500, space="linear")
    assert {g.verdict for g in report.held} == {"approximate"}
    assert "the approximate generators form so(5)" in report.notes
    found = matrices(list(report.held))
    assert found.shape[0] == 10
    assert float(principal_cosines(found, rotations(5)).min()) >= 0.9999


@pytest.mark.parametrize("space", ["linear", "affine"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_model_without_symmetry_has_none(tmp_path: Path, space: str, dtype: str) -> None:
    path = saved(Crooked(), tmp_path / "m.pt")
    report = ask(path, sample="normal", shape=(3,), n_samples=400, space=space, dtype=dtype)
    assert report.generators == ()


def test_one_group_of_inputs_is_undecided(tmp_path: Path) -> None:
    data = file_of(tmp_path / "d.h5", "points", x=normal(300, 3, 3), group=torch.zeros(300, dtype=torch.int64))
    report = ask(saved(ThreeAtoms(), tmp_path / "v.pt"), data=str(data), space="affine")
    assert certified(report) == []
    assert len(report.generators) == 6
    assert any("one group" in w for w in report.warnings)
