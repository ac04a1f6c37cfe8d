"""``symfind promote`` end to end: the model file, the report and who can read it, and what is refused."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
import torch

from symfind.answers.enforcement import generators_of
from symfind.api import enforce, promote
from symfind.errors import InputError, UsageError
from symfind.render.html import to_html
from symfind.render.tables import to_markdown, to_table_text
from symfind.schema.store import from_hdf5, from_json, read_report, to_hdf5, to_json
from symfind.verbs.options import EnforceOptions, PromoteOptions

_F64 = torch.float64


def stored(path: Path, kind: str = "function", **arrays: torch.Tensor) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array.numpy()
        file.attrs["kind"] = kind
    return path


def points(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=_F64)


@pytest.fixture(scope="module")
def radial(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A cubic of x² + y² and z: one rotation. The data, and the report of its promotion, with the model beside it."""
    folder = tmp_path_factory.mktemp("radial")
    x = points(90, 3)
    square = x[:, 0] ** 2 + x[:, 1] ** 2
    y = square * x[:, 2] - x[:, 2] ** 3 / 2 + square
    y = y + 0.02 * y.std() * points(90, 1, 1)[:, 0]
    data = stored(folder / "data.h5", x=x, y=y)
    report = promote(PromoteOptions(data=str(data), model="polynomial:3", space="so"), folder / "model.pt")
    (folder / "report.json").write_text(to_json(report), encoding="utf-8")
    return data, folder / "report.json"


def test_the_unbroken_rotation_is_certified_and_pays(radial: tuple[Path, Path]) -> None:
    report = read_report(str(radial[1]))
    (generator,) = report.certified
    matrix = torch.tensor(generator.input_action, dtype=_F64)
    turn = torch.zeros(3, 3, dtype=_F64)
    turn[0, 1], turn[1, 0] = -1.0, 1.0
    cosine = float((matrix * turn).sum().abs() / matrix.norm() / turn.norm())
    assert cosine > 0.999
    assert report.algebra.name == "so(2)"
    promotion = report.promotion
    assert promotion is not None and promotion.symmetries == 1
    assert promotion.freedom is not None and promotion.freedom < promotion.unknowns == 20
    assert promotion.held_out.promoted < promotion.held_out.plain
    assert promotion.held_out.rows == 18


def test_the_model_needs_nothing_but_torch_and_is_invariant(radial: tuple[Path, Path]) -> None:
    model = torch.jit.load(radial[1].parent / "model.pt")
    report = read_report(str(radial[1]))
    element = torch.linalg.matrix_exp(torch.tensor(report.certified[0].input_action, dtype=_F64))
    x = points(50, 3, 5)
    value = model(x)
    assert value.shape == (50,)
    torch.testing.assert_close(model(x @ element.T), value, atol=1e-5, rtol=1e-5)


def test_the_report_is_read_by_all_who_read_reports(radial: tuple[Path, Path]) -> None:
    report = read_report(str(radial[1]))
    assert from_hdf5(to_hdf5(report), "report") == report
    assert from_json(to_json(report), "report") == report
    assert generators_of(report, "report").matrices.shape == (1, 3, 3)
    assert "without promotion" in to_table_text(report)
    assert "| γ | exact symmetries |" in to_markdown(report)
    assert "<polyline" in to_html(report)
    assert "promotion" in json.loads(to_json(report))


def test_promote_then_enforce(radial: tuple[Path, Path], tmp_path: Path) -> None:
    model = radial[1].parent / "model.pt"
    done = enforce(EnforceOptions(model=str(model), generators=str(radial[1])), tmp_path / "enforced.pt")
    assert done.error_after.largest <= 1e-6


def test_the_generators_of_a_report_are_candidates(radial: tuple[Path, Path]) -> None:
    options = PromoteOptions(data=str(radial[0]), model="polynomial:3", space=str(radial[1]))
    report = promote(options)
    assert report.space.dimension == 1 and len(report.certified) == 1


def test_without_symmetry_nothing_is_certified(tmp_path: Path) -> None:
    x = points(100, 3)
    a, b, c = x.T
    y = a + b * c + a**2 * b / 2 + b * c**2 / 3 - c**3 / 4
    data = stored(tmp_path / "none.h5", x=x, y=y + 0.02 * points(100, 1, 1)[:, 0])
    report = promote(PromoteOptions(data=str(data), model="polynomial:3", space="so"))
    assert report.certified == ()


def test_a_quadratic_alone_certifies_nothing(tmp_path: Path) -> None:
    """Every quadratic form is preserved by a group of its own."""
    x = points(60, 3)
    y = x[:, 0] ** 2 + 2 * x[:, 1] ** 2 - x[:, 2] ** 2 + x[:, 0] * x[:, 1]
    data = stored(tmp_path / "quadratic.h5", x=x, y=y)
    report = promote(PromoteOptions(data=str(data), model="polynomial:2", space="linear"))
    assert report.certified == ()
    assert any("every quadratic" in text for text in report.warnings)


@pytest.mark.slow
def test_dynamics_with_a_sparsity(tmp_path: Path) -> None:
    """A turning flow with a cubic: so(2), by a handful of monomials."""
    x = points(60, 2)
    square = x.square().sum(1, keepdim=True)
    dx = x * (1 - square) + torch.stack([-x[:, 1], x[:, 0]], 1)
    data = stored(tmp_path / "flow.h5", "flow", x=x, dx=dx + 0.01 * points(60, 2, 1))
    report = promote(PromoteOptions(data=str(data), model="sindy:3", space="linear", sparsity=1e-3))
    assert report.algebra.name == "so(2)"


def test_a_library_of_formulas(tmp_path: Path) -> None:
    library = tmp_path / "library.yaml"
    library.write_text("features: [1, x, y, cos(x), cos(y), cos(x + y), sin(x - y)]", encoding="utf-8")
    x = points(80, 2)
    data = stored(tmp_path / "waves.h5", x=x, y=torch.cos(x[:, 0] + x[:, 1]) + 0.01 * points(80, 1, 1)[:, 0])
    options = PromoteOptions(data=str(data), model=str(library), space="translations")
    report = promote(options, tmp_path / "model.pt")
    (generator,) = report.certified
    assert generator.expression in ("∂x − ∂y", "−∂x + ∂y")
    model = torch.jit.load(tmp_path / "model.pt")
    assert model(points(7, 2, 2)).shape == (7,)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": "polynomia:3"}, UsageError, "--model is 'polynomia:3'"),
        ({"space": "rotations"}, UsageError, "unknown space"),
        ({"model": "polynomial:8", "space": "affine"}, InputError, "GB"),
        ({"output_action": "same"}, UsageError, "--output-action same needs y with 3 components"),
    ],
)
def test_what_does_not_fit(
    radial: tuple[Path, Path], change: dict[str, str], error: type[Exception], message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    setting = importlib.import_module("symfind.promotion.setting")
    monkeypatch.setattr(setting, "_machine_memory", lambda: 2**20)
    with pytest.raises(error, match=message):
        promote(replace(PromoteOptions(data=str(radial[0])), **change))


def test_what_cannot_be_promoted(tmp_path: Path, radial: tuple[Path, Path]) -> None:
    cloud = stored(tmp_path / "points.h5", "points", x=points(50, 3))
    with pytest.raises(UsageError, match="of kind points"):
        promote(PromoteOptions(data=str(cloud)))
    few = stored(tmp_path / "few.h5", x=points(10, 3), y=points(10, 1)[:, 0])
    with pytest.raises(InputError, match="10 rows are too few"):
        promote(PromoteOptions(data=str(few)))
    flat = stored(tmp_path / "flat.h5", x=points(50, 3), y=torch.ones(50, dtype=_F64))
    with pytest.raises(InputError, match="the same in every row"):
        promote(PromoteOptions(data=str(flat)))
    with pytest.raises(UsageError, match="ends in .pt"):
        promote(PromoteOptions(data=str(radial[0])), tmp_path / "model.h5")
    plane = stored(tmp_path / "plane.h5", x=points(50, 2), y=points(50, 1)[:, 0])
    with pytest.raises(InputError, match="do not act on points of 2 coordinates"):
        promote(PromoteOptions(data=str(plane), space=str(radial[1])))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gamma": -0.5}, "--gamma is -0.5"),
        ({"sparsity": -1.0}, "--sparsity is -1.0"),
        ({"hidden": (0,)}, "--hidden is '0'"),
        ({"resume": True}, "add --checkpoint"),
        ({"held_out": 1.0}, "--held-out is 1.0"),
    ],
)
def test_options_out_of_range(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PromoteOptions(data="data.h5", **given)  # type: ignore[arg-type]
