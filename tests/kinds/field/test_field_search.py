"""From a file of gridded solutions to a report: heat on a circle, the KdV sample, another simulator."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import pytest
import torch

import symfind
from symfind.errors import InputError, UsageError
from symfind.schema.document import Report
from symfind.schema.store import from_hdf5, from_json, to_hdf5, to_json
from symfind.verbs.options import DiscoverOptions

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def heat_file(tmp_path_factory) -> Path:
    """Σ a exp(−k²t) sin(kx + p), exact, on 48 × 32 points: six trajectories."""
    generator = torch.Generator().manual_seed(1)
    t = torch.linspace(0.0, 1.0, 48, dtype=torch.float64)
    x = torch.arange(32, dtype=torch.float64) * 2 * math.pi / 32
    k = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    size, phase = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    waves = torch.sin(k * x[:, None] + 3 * phase[:, None])  # (6, nx, 4)
    u = torch.einsum("rk,tk,rxk->rtx", size, torch.exp(-k.square() * t[:, None]), waves)
    path = tmp_path_factory.mktemp("fields") / "heat.h5"
    with h5py.File(path, "w") as file:
        file.attrs["kind"], file.attrs["periodic"] = "field", "x"
        file["u"], file["t"], file["x"] = u.numpy(), t.numpy(), x.numpy()
    return path


@pytest.fixture(scope="module")
def heat_report(heat_file) -> Report:
    return symfind.discover(DiscoverOptions(source=str(heat_file), equation="u_t - u_xx = 0", bootstrap=40))


def test_the_report_names_the_fields_and_the_equation(heat_report) -> None:
    assert [g.expression for g in heat_report.certified] == ["∂t", "∂x", "u ∂u", "2 t ∂t + x ∂x"]
    assert [s.expression for s in heat_report.set_apart] == ["∂u", "x ∂u"]
    assert heat_report.source.names == ("t", "x", "u")
    assert heat_report.space.name == "point:1"
    equation = heat_report.equation
    assert equation is not None and equation.given and equation.text == "u_t - u_xx = 0"
    assert equation.residual < 1e-4
    assert heat_report.algebra.dimension == 4 and heat_report.algebra.closure < 1e-6


def test_the_record_of_the_equation_is_kept(heat_report) -> None:
    assert from_json(to_json(heat_report), "r.json").equation == heat_report.equation
    assert from_hdf5(to_hdf5(heat_report), "r.h5").equation == heat_report.equation


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"equation": "u_t + u*u_y = 0"}, "unknown name 'u_y'"),
        ({"equation": "u_t + (u_xx"}, "does not parse"),
        ({"method": "weak"}, "does not go with field"),
        ({"space": "point:chebyshev:3,1"}, "3 degrees"),
    ],
)
def test_requests_that_make_no_sense(heat_file, options, part) -> None:
    with pytest.raises(UsageError, match=part.replace("(", r"\(")):
        symfind.discover(DiscoverOptions(source=str(heat_file), **options))


def test_constant_fields_are_refused(heat_file, tmp_path) -> None:
    path = tmp_path / "constant.h5"
    path.write_bytes(heat_file.read_bytes())
    with h5py.File(path, "r+") as file:
        file["u"][...] = 2.0
    for equation in (None, "u_t - u_xx = 0"):
        with pytest.raises(InputError, match="u = 2 everywhere"):
            symfind.discover(DiscoverOptions(source=str(path), equation=equation))


@pytest.mark.slow
def test_the_sample_of_kdv_shows_its_four_generators_and_the_identified_equation() -> None:
    report = symfind.discover(DiscoverOptions(source=str(ROOT / "sample_data" / "kdv.h5")))
    assert [g.expression for g in report.certified] == ["∂t", "∂x", "∂u + t ∂x", "3 t ∂t + x ∂x − 2 u ∂u"]
    assert report.equation is not None and not report.equation.given
    found = {c.term: c.value for c in report.equation.coefficients}
    assert found == pytest.approx({"u_xxx": -1.0, "u*u_x": -1.0}, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "space"), [("kdv by differences", "point:1"), ("without symmetry", "point:1"), ("ckdv", "point:1")]
)
def test_rows_of_the_benchmark(data: str, space: str, tmp_path) -> None:
    from benchmarks.field_suite.cases import CLEAN, WITHOUT
    from benchmarks.fields import measure

    case = next(c for c in (*CLEAN, *WITHOUT) if c.data == data and c.space == space)
    assert measure(case, tmp_path).verdict == "right"
