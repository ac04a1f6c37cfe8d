"""From data and models to the name of the algebra, where mathematics says what it is; and where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor, nn

from symfind import api
from symfind.schema.document import Report
from symfind.verbs.options import DiscoverOptions

SAMPLES = Path(__file__).parents[2] / "sample_data"


def scripted(module: nn.Module, path: Path) -> str:
    torch.jit.script(module).save(str(path))
    return str(path)


def inputs(x: Tensor, path: Path, names: tuple[str, ...]) -> str:
    with h5py.File(path, "w") as file:
        file["x"] = x.numpy()
        file.attrs["names"] = list(names)
    return str(path)


def discovered(source: str, **options: Any) -> Report:
    return api.discover(DiscoverOptions(source=source, bootstrap=40, **options))


class Attraction(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return -x / (x * x).sum(-1, keepdim=True) ** 1.5


class DistanceFrom(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor([0.5, -1.0, 2.0]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(-(x - self.centre).square().sum(-1, keepdim=True))


class Separation(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        r = (x[:, 0] - x[:, 1]).square().sum(-1, keepdim=True)
        return r + 0.3 * r.sin()


class Parabolas(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x[:, :1] + 0.5 * x[:, 1:] ** 2)


class Crooked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1] ** 3 + x[:, 1:2] ** 2 * x[:, 2:] + torch.sin(2 * x[:, :1] * x[:, 2:]) + x[:, 1:2]


def test_dimuons_have_the_lorentz_algebra() -> None:
    report = discovered(str(SAMPLES / "dimuons.h5"))
    algebra = report.algebra
    assert len(report.certified) == algebra.dimension == 6
    assert algebra.name == "so(1,3)" and "sl(2,C)" in algebra.aliases
    assert (algebra.simple, algebra.semisimple, algebra.compact, algebra.solvable) == (True, True, False, False)
    assert algebra.killing_signature == (3, 3)
    assert algebra.closure is not None and algebra.closure < 1e-9
    (form,) = algebra.preserved_forms
    assert torch.tensor(form.matrix).tolist() == torch.diag(torch.tensor([1.0, -1.0, -1.0, -1.0])).tolist()
    assert form.signature == (1, 3) and form.uncertainty is not None and 0 < form.uncertainty < 1e-6
    assert [v.expression for v in algebra.invariants] == ["E² − px² − py² − pz²"]
    assert algebra.fixed_points is not None and algebra.fixed_points.point == (0.0, 0.0, 0.0, 0.0)
    # [ξᵢ, ξⱼ] of so(p,q) in rotations and boosts: every bracket of two that share an axis is ± a third.
    f = torch.tensor(algebra.structure_constants)
    assert sorted(set(f.flatten().tolist())) == [-1.0, 0.0, 1.0] and int((f != 0).sum()) == 24
    assert report.spectrum == tuple(sorted(report.spectrum, key=lambda entry: entry.defect or 0.0))
    assert not report.warnings and any(note.startswith("output action") for note in report.notes)
    assert report.fit is not None and report.fit.surrogate == "polynomial" and report.fit.degree == 2


def test_a_shell_has_the_rotations() -> None:
    algebra = discovered(str(SAMPLES / "shell.h5"), tolerance=0.1).algebra
    assert (algebra.dimension, algebra.name, algebra.compact) == (3, "so(3)", True)
    assert algebra.killing_signature == (0, 3)
    (form,) = algebra.preserved_forms
    assert torch.allclose(torch.tensor(form.matrix), torch.eye(3), atol=0.1) and form.signature == (3, 0)


def test_a_symmetric_top_has_a_circle_and_two_scalings(tmp_path: Path) -> None:
    # dw/dt = (a w₂w₃, −a w₁w₃, 0): the turn about the axis, the scaling of (w₁, w₂), and that of w₃ against time.
    path = tmp_path / "top.h5"
    api.sample("symmetric-top", path, rows=600)
    algebra = discovered(str(path)).algebra
    assert (algebra.dimension, algebra.name) == (3, "so(2) + R^2")
    assert (algebra.solvable, algebra.compact, algebra.center_dimension) == (True, False, 3)
    assert algebra.derived_dimensions == (3, 0)


def test_a_central_force_has_rotations_and_the_scaling(tmp_path: Path) -> None:
    # a = −r/|r|³: so(3) with a turned alike, and r ↦ e^s r with a ↦ e^{−2s} a. On R³ their sum is co(3).
    x = torch.randn(600, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True) * torch.linspace(0.7, 1.5, 600, dtype=torch.float64)[:, None]
    data = inputs(x, tmp_path / "r.h5", ("x", "y", "z"))
    report = discovered(scripted(Attraction().double(), tmp_path / "kepler.pt"), data=data)
    algebra = report.algebra
    assert (algebra.dimension, algebra.name) == (4, "co(3)") and "so(3) + R" in algebra.aliases
    assert (algebra.compact, algebra.levi) == (False, "so(3)")
    assert (algebra.center_dimension, algebra.radical_dimension) == (1, 1)
    assert algebra.preserved_forms == () and algebra.invariants == ()
    scaling = next(g for g in report.certified if g.expression == "x ∂x + y ∂y + z ∂z")
    assert torch.allclose(torch.tensor(scaling.output_action), -2 * torch.eye(3), atol=1e-6)


def test_an_affine_action_is_named_about_its_fixed_point(tmp_path: Path) -> None:
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 1.0
    data = inputs(x, tmp_path / "x.h5", ("x", "y", "z"))
    model = scripted(DistanceFrom().double(), tmp_path / "distance.pt")
    report = discovered(model, data=data, space="affine")
    algebra = report.algebra
    assert (algebra.dimension, algebra.name) == (3, "so(3)")
    assert algebra.fixed_points is not None
    assert algebra.fixed_points.point == pytest.approx((0.5, -1.0, 2.0), abs=1e-6)
    (form,) = algebra.preserved_forms
    assert torch.allclose(torch.tensor(form.matrix), torch.eye(3), atol=1e-6)
    assert [v.degree for v in algebra.invariants] == [2]
    assert algebra.invariants[0].expression == "(x − 0.5)² + (y + 1)² + (z − 2)²"
    # ((A, b), (0, 0)) of a turn about the centre: it sends (c, 1) to zero.
    for generator in report.certified:
        homogeneous = torch.tensor(generator.input_action)
        assert homogeneous.shape == (4, 4)
        assert float((homogeneous @ torch.tensor([0.5, -1.0, 2.0, 1.0])).abs().max()) < 1e-6


def test_a_distance_has_the_euclidean_algebra(tmp_path: Path) -> None:
    x = torch.randn(400, 2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    data = inputs(x, tmp_path / "x.h5", ("x", "y", "z"))
    algebra = discovered(scripted(Separation(), tmp_path / "m.pt"), data=data, space="affine").algebra
    assert (algebra.dimension, algebra.name) == (6, "e(3)")
    assert (algebra.radical_dimension, algebra.levi, algebra.killing_signature) == (3, "so(3)", (0, 3))
    assert algebra.fixed_points is None and algebra.invariants == ()
    (form,) = algebra.preserved_forms
    assert torch.allclose(torch.tensor(form.matrix), torch.eye(3), atol=1e-6)


def test_fields_that_are_not_closed_are_not_named(tmp_path: Path) -> None:
    # Two of the three rotations: their bracket is the third, which this space does not hold.
    space = tmp_path / "two.yaml"
    space.write_text('fields:\n  - ["-y", "x", "0"]\n  - ["-z", "0", "x"]\n')
    x = torch.randn(400, 2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    data = inputs(x, tmp_path / "x.h5", ("x", "y", "z"))
    report = discovered(scripted(Separation(), tmp_path / "m.pt"), data=data, space=str(space))
    assert report.algebra.dimension == 2 and report.algebra.name == "unidentified"
    assert "not closed" in report.algebra.reason
    assert report.algebra.killing_signature is None and report.algebra.preserved_forms == ()


def test_the_gauge_of_a_scalar_function_is_set_apart(tmp_path: Path) -> None:
    # A function of x + y²/2 has the symmetries g ξ, ξ = y ∂x − ∂y, with any g; the affine one alone is counted.
    x = torch.rand(400, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 0.5
    data = inputs(x, tmp_path / "x.h5", ("x", "y"))
    report = discovered(scripted(Parabolas(), tmp_path / "m.pt"), data=data, space="polynomial:2")
    assert report.algebra.dimension == 1
    assert len(report.set_apart) == 2 and all("level sets" in s.reason for s in report.set_apart)


def test_a_function_without_symmetry_has_no_algebra(tmp_path: Path) -> None:
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    data = inputs(x, tmp_path / "x.h5", ("x", "y", "z"))
    report = discovered(scripted(Crooked(), tmp_path / "m.pt"), data=data)
    assert report.certified == () and report.algebra.dimension == 0 and report.algebra.name is None


def test_closing_an_algebra_leaves_it_and_says_how_far_it_moved(tmp_path: Path) -> None:
    x = torch.randn(400, 2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    data = inputs(x, tmp_path / "x.h5", ("x", "y", "z"))
    model = scripted(Separation(), tmp_path / "m.pt")
    plain = discovered(model, data=data, space="affine")
    closed = discovered(model, data=data, space="affine", close=True)
    assert closed.algebra.name == plain.algebra.name == "e(3)"
    assert [g.expression for g in closed.certified] == [g.expression for g in plain.certified]
    assert any("closed under brackets" in note for note in closed.notes)
    for g, h in zip(closed.certified, plain.certified, strict=True):
        assert g.upper is not None and h.upper is not None and g.upper >= 0.99 * h.upper
