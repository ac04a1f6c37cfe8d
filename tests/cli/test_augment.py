"""``augment`` and ``score`` of fields: KdV solitons moved, against the closed-form action and the equation."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import symfind
from symfind import AugmentOptions, ScoreOptions
from symfind.cli import main
from symfind.errors import InputError, UsageError
from symfind.options.of_verbs import DiscoverOptions
from symfind.render.tables import to_table_text
from symfind.schema.store import to_json

KDV = "u_t + u*u_x + u_xxx = 0"
LENGTH = 40.0


def solitons(t: np.ndarray, x: np.ndarray, k: np.ndarray, c: np.ndarray, place: np.ndarray) -> np.ndarray:
    """c + 12k² sech²(k(x − p − (4k² + c)t)), periodic to e^{−2kL/2}; exact solutions of KdV ``(R, nt, nx)``."""
    k, c, place = (v[:, None, None] for v in (k, c, place))
    phase = x[None, None, :] - place - (4 * k**2 + c) * t[None, :, None]
    phase = (phase + LENGTH / 2) % LENGTH - LENGTH / 2
    return c + 12 * k**2 / np.cosh(k * phase) ** 2


@pytest.fixture(scope="module", name="data")
def _data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    t, x = np.linspace(0, 4, 61), np.arange(96) * LENGTH / 96
    u = solitons(t, x, rng.uniform(0.6, 0.9, 6), rng.uniform(-0.3, 0.3, 6), rng.uniform(0, LENGTH, 6))
    path = tmp_path_factory.mktemp("augment") / "solitons.h5"
    with h5py.File(path, "w") as file:
        file.attrs["kind"], file.attrs["periodic"] = "field", "x"
        file["u"], file["t"], file["x"] = u, t, x
    return path


@pytest.fixture(scope="module", name="report")
def _report(data: Path) -> Path:
    found = symfind.discover(DiscoverOptions(source=str(data), equation=KDV, bootstrap=40))
    expressions = [g.expression for g in found.generators]
    assert expressions == ["∂t", "∂x", "∂u + t ∂x", "3 t ∂t + x ∂x − 2 u ∂u"]
    path = data.with_name("report.json")
    path.write_text(to_json(found), encoding="utf-8")
    return path


def read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    with h5py.File(path) as file:
        return file["u"][()], file["t"][()], file["x"][()], file["sizes"][()]


def test_boosted_solutions_are_the_closed_form(data: Path, report: Path, tmp_path: Path) -> None:
    out = tmp_path / "moved.h5"
    document = symfind.augment(AugmentOptions(data=str(data), generators=str(report), only=(3,), size=0.5), out)
    assert (document.moved, document.rejected, document.trajectories) == (6, 0, 6)
    assert document.residual_after is not None and document.residual_after < 2e-3
    u, t, x, sizes = read(out)
    alpha = sizes[:, 0] * document.units[0]
    rng = np.random.default_rng(0)
    k, c, place = rng.uniform(0.6, 0.9, 6), rng.uniform(-0.3, 0.3, 6), rng.uniform(0, LENGTH, 6)
    # exp(α(t∂x + ∂u)): ũ(t, x) = u(t, x − αt) + α, a soliton on another background.
    assert np.abs(alpha).max() > 0.05
    assert np.abs(u - solitons(t, x, k, c + alpha, place)).max() < 1e-3 * u.std()
    with h5py.File(out) as file:
        assert list(file.attrs["periodic"]) == ["x"]


def test_scaled_solutions_are_the_closed_form(data: Path, report: Path, tmp_path: Path) -> None:
    out = tmp_path / "moved.h5"
    options = AugmentOptions(data=str(data), generators=str(report), only=(4,), size=0.1, window="0:2", max_rows=3)
    document = symfind.augment(options, out)
    u, t, x, sizes = read(out)
    assert (len(u), t.max()) == (3, 2.0)
    rng = np.random.default_rng(0)
    k, c, place = (v[:3] for v in (rng.uniform(0.6, 0.9, 6), rng.uniform(-0.3, 0.3, 6), rng.uniform(0, LENGTH, 6)))
    for one, alpha, *start in zip(u, sizes[:, 0] * document.units[0], k, c, place, strict=True):
        factor = math.exp(alpha)
        source = [solitons(np.array([s]), x / factor, *(np.array([v]) for v in start))[0, 0] for s in t / factor**3]
        assert np.abs(one - np.stack(source) / factor**2).max() < 1e-3 * one.std()
    assert any("no longer periodic" in note for note in document.notes)


def test_of_itself_it_keeps_the_period_and_the_times_of_the_data(data: Path, report: Path, tmp_path: Path) -> None:
    out = tmp_path / "moved.h5"
    document = symfind.augment(AugmentOptions(data=str(data), generators=str(report), size=0.3), out)
    assert document.generators == ("∂t", "∂x", "∂u + t ∂x")
    assert any("left out" in note and "3 t ∂t + x ∂x − 2 u ∂u" in note for note in document.notes)
    assert (document.moved, document.rejected) == (6, 0)
    _, t, _, sizes = read(out)
    moves = 0.3 * document.units[0]
    assert t[0] >= moves and t[-1] <= 4 - moves and len(t) > 20
    assert any("--window" in note for note in document.notes)
    with h5py.File(out) as file:
        assert list(file.attrs["periodic"]) == ["x"]
    only_scaling = json.loads(report.read_text(encoding="utf-8"))
    only_scaling["generators"] = only_scaling["generators"][3:]
    one = tmp_path / "scaling.json"
    one.write_text(json.dumps(only_scaling), encoding="utf-8")
    with pytest.raises(InputError, match="changes the period"):
        symfind.augment(AugmentOptions(data=str(data), generators=str(one)), tmp_path / "none.h5")


def test_data_of_another_equation_are_told_of(data: Path, report: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    other.write_bytes(data.read_bytes())
    with h5py.File(other, "r+") as file:
        file["u"][...] = file["u"][()][:, ::-1]  # backwards in time: no solutions of KdV
    options = AugmentOptions(data=str(other), generators=str(report), only=(2,), max_rows=2)
    document = symfind.augment(options, tmp_path / "moved.h5")
    assert any("no solutions" in note for note in document.notes)


def test_draws_without_support_are_rejected(data: Path, report: Path, tmp_path: Path) -> None:
    out = tmp_path / "moved.h5"
    with pytest.raises(InputError, match="--window"):
        symfind.augment(
            AugmentOptions(data=str(data), generators=str(report), only=(1,), max_rows=1, window="0:4"), out
        )
    assert not out.exists()
    with pytest.raises(UsageError, match="numbered from 1"):
        symfind.augment(AugmentOptions(data=str(data), generators=str(report), only=(9,)), out)
    with pytest.raises(UsageError, match="START:STOP"):
        symfind.augment(AugmentOptions(data=str(data), generators=str(report), window="now"), out)
    with pytest.raises(UsageError, match="--generators"):
        AugmentOptions(data=str(data))


def test_score_is_rounding_for_symmetries_and_grows_for_others(data: Path, report: Path, tmp_path: Path) -> None:
    document = symfind.score(ScoreOptions(model=str(data), generators=str(report), equation=KDV))
    assert max(g.finite[2] for g in document.generators) < 1e-9
    broken = json.loads(report.read_text(encoding="utf-8"))
    for generator in broken["generators"]:  # stretch u alone: no symmetry of KdV
        action = torch.tensor(generator["input_action"]) * 0.0
        action[2, 2] = 1.0
        generator["input_action"] = action.tolist()
    other = tmp_path / "broken.json"
    other.write_text(json.dumps(broken), encoding="utf-8")
    worse = symfind.score(ScoreOptions(model=str(data), generators=str(other), equation=KDV)).generators[0]
    assert worse.defect > 0.1
    assert list(worse.finite) == sorted(worse.finite) and worse.finite[-1] > 0.1


def test_on_the_command_line(
    data: Path, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["symfind", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        return int(ended.value.code or 0), capfdbinary.readouterr()[0].decode()

    out = str(tmp_path / "o.h5")
    asked = ["augment", str(data), "--generators", str(report), "--only", "2", "--max-rows", "1"]
    assert run(*asked)[0] == 2  # no --output
    status, text = run(*asked, "-o", out, "--format", "table")
    assert status == 0 and "1 moved trajectories of 1" in text and Path(out).exists()
    asked = ["score", str(data), "--generators", str(report), "--equation", KDV, "--format", "table"]
    status, text = run(*asked)
    assert status == 0 and "α = 0.1" in text and "(given)" in text


def test_named_axes_and_their_units_are_kept_from_reading_to_moved_solutions(data: Path, tmp_path: Path) -> None:
    """A NetCDF file as xarray writes it, its axes called otherwise than t and x."""
    xarray = pytest.importorskip("xarray")
    with h5py.File(data) as file:
        u, t, x = (file[key][()] for key in "utx")
    axes = {"time": ("time", t, {"units": "s"}), "place": ("place", x, {"units": "m", "axis": "X"})}
    waves = xarray.DataArray(u, dims=("run", "time", "place"), coords=axes, attrs={"units": "m s-1"}, name="speed")
    path, report, more = (tmp_path / name for name in ("waves.nc", "report.json", "more.h5"))
    waves.to_dataset().to_netcdf(path)
    equation = "speed_time + speed*speed_place + speed_placeplaceplace = 0"
    found = symfind.discover(DiscoverOptions(source=str(path), equation=equation, bootstrap=40))
    assert found.source.units == ("s", "m", "m s-1")
    assert "units      time [s], place [m], speed [m s-1]" in to_table_text(found)
    assert [g.expression for g in found.certified][:3] == ["∂time", "∂place", "∂speed + time ∂place"]
    report.write_text(to_json(found), encoding="utf-8")
    symfind.augment(AugmentOptions(data=str(path), generators=str(report), copies=1), more)
    with h5py.File(more) as file:
        assert {"u", "t", "x"} < set(file) and list(file.attrs["units"]) == ["s", "m", "m s-1"]
        assert list(file.attrs["names"]) == ["time", "place", "speed"] and list(file.attrs["periodic"]) == ["x"]
    assert symfind.inspect(more).kind == "field"


def test_a_field_in_an_npz_file_is_read_as_it_is(data: Path, tmp_path: Path) -> None:
    with h5py.File(data) as file:
        np.savez(tmp_path / "waves.npz", u=file["u"][()], t=file["t"][()], x=file["x"][()])
    read_so = symfind.inspect(tmp_path / "waves.npz")
    assert read_so.kind == "field" and read_so.shapes["u"] == (6, 61, 96, 1)
