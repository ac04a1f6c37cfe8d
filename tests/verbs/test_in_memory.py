"""Verbs called as one would guess: arrays, frames and networks in memory."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.errors import InputError, UsageError

X = np.random.default_rng(5).normal(size=(200, 3))
Y = (X**2).sum(1) + 0.1 * (X**2).sum(1) ** 2
QUICK = {"bootstrap": 40}


class Radius(nn.Module):
    """|x|², for which so(3) is all."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum(-1, keepdim=True)


class Branching(nn.Module):
    """What cannot be compiled is traced."""

    def forward(self, *xs: Tensor) -> Tensor:
        return sum(x.square().sum(-1, keepdim=True) for x in xs)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def report() -> symfind.Report:
    return symfind.discover(X, Y, **QUICK)


def test_two_arrays_are_a_function(report: symfind.Report) -> None:
    assert report.algebra.name == "so(3)" and report.source.kind == "function"
    assert report.source.path == "x, y in memory"
    assert report == symfind.discover(x=torch.from_numpy(X), y=torch.from_numpy(Y).tolist(), **QUICK)
    assert report == symfind.discover(X.tolist(), Y.tolist(), **QUICK)
    assert "/tmp" not in json.dumps(report.to_plain())


def test_a_file_and_options_by_the_names_of_the_command_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    found = symfind.discover(tmp_path / "a.npz", space="so", **QUICK)
    assert found.settings["space"] == "so" and found.source.path == str(tmp_path / "a.npz")
    assert found.algebra.name == "so(3)"


def test_arrays_by_role_and_names() -> None:
    turned = X @ np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = symfind.discover(x=X, dx=turned, kind="flow", names=["a", "b", "c"], max_rows=100, **QUICK)
    assert found.source.names == ("a", "b", "c") and found.source.shapes["x"] == (200, 3)
    kept = symfind.conserve(x=X, dx=turned)
    assert any(c.verdict == "certified" for c in kept.conserved or ())


def test_frames_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.column_stack([X, Y]), columns=["px", "py", "pz", "energy"])
    found = symfind.discover(frame, output_name="energy", **QUICK)
    assert found.source.names == ("px", "py", "pz") and found.algebra.name == "so(3)"
    parts = symfind.discover(frame[["px", "py", "pz"]], frame["energy"], **QUICK)
    assert [g.expression for g in parts.generators] == [g.expression for g in found.generators]
    with pytest.raises(InputError, match=r"type `discover\(…, output_name='energy'\)`"):
        symfind.discover(frame)


def test_arrays_of_xarray() -> None:
    xarray = pytest.importorskip("xarray")
    t, x = np.linspace(0, 1, 10), np.arange(12) / 12
    u = np.random.default_rng(0).normal(size=(2, 10, 12))
    field = xarray.DataArray(u, dims=("run", "time", "x"), coords={"time": t, "x": x}, name="velocity")
    planned: list[Any] = []
    with pytest.raises(UsageError, match="point:9"):  # refused after the data were read as what they are
        planned.append(symfind.discover(field, space="point:9"))
    assert planned == []


def test_networks_with_and_without_inputs() -> None:
    for network in (Radius(), Branching()):
        network.train()
        found = symfind.discover(network, X)
        assert found.algebra.name == "so(3)" and network.training
        assert found.source.path == f"the {type(network).__name__} in memory"
    assert symfind.discover(Radius(), sample="normal", shape=(3,)).algebra.name == "so(3)"
    with pytest.raises(InputError, match="traced with inputs; give x"):
        symfind.discover(Branching(), sample="normal", shape=[3])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: symfind.discover(), "nothing is given"),
        (lambda: symfind.discover(X, Y, X), "3 arrays in a row"),
        (lambda: symfind.discover(X, Y, spce="so"), "did you mean 'space'"),
        (lambda: symfind.discover(X, Y, space="soo"), "did you mean so"),
        (lambda: symfind.discover(X, x=X), "x is given twice"),
        (lambda: symfind.discover("a.h5", Y), "a file is given, and arrays beside it"),
        (lambda: symfind.discover(Radius(), X, Y), "one array of inputs"),
    ],
)
def test_what_does_not_go_together_is_one_line(call: Any, expected: str) -> None:
    with pytest.raises(UsageError, match=expected) as caught:
        call()
    assert "\n" not in str(caught.value) and "/tmp" not in str(caught.value)


def test_faults_of_arrays_name_the_arrays() -> None:
    with pytest.raises(InputError, match=r"^x, y in memory: x has 5 rows, y has 200"):
        symfind.discover(X[:5], Y)
    with pytest.raises(InputError, match="expected an array of real numbers"):
        symfind.discover(np.array(["a", "b"]), Y)
    holed = np.where(X > 2, np.nan, X)
    with pytest.raises(InputError, match="^x, y in memory: .* NaN or infinite, the first is x"):
        symfind.discover(holed, Y)


def test_a_report_shows_itself(report: symfind.Report, tmp_path: Path) -> None:
    assert repr(report) == "<Report of x, y in memory: so(3), 3 certified of 12>"
    assert report.table().startswith("function   x (200, 3) → y (200,)   x y z, inferred from the names x, y")
    assert "<iframe" in report._repr_html_() and "so(3)" in report._repr_html_()
    for ending in (".json", ".h5"):
        report.save(tmp_path / f"r{ending}")
        assert symfind.read_report(str(tmp_path / f"r{ending}")) == report
    with pytest.raises(UsageError, match="the ending is none of"):
        report.save(tmp_path / "r.xyz")
    assert pickle.loads(pickle.dumps(report)) == report


def test_generators_are_matrices_and_flows(report: symfind.Report) -> None:
    for generator in report.certified:
        assert len(repr(generator)) < 80 and "\n" not in repr(generator)
        a = generator.matrix
        np.testing.assert_allclose(a, -a.T, atol=1e-9)
        moved = generator.apply(X, 0.7)
        np.testing.assert_allclose((moved**2).sum(1), (X**2).sum(1))
        np.testing.assert_allclose(generator.apply(moved, -0.7), X, atol=1e-12)
        assert isinstance(generator.apply(torch.from_numpy(X), 0.7), Tensor)
        if a[-1].any():  # else it turns the first two coordinates, whatever else there is
            with pytest.raises(UsageError, match="x has 2 coordinates"):
                generator.apply(X[:, :2], 1.0)


def test_affine_and_polynomial_flows_are_those_of_their_fields() -> None:
    from symfind.schema.document import Generator

    shift = Generator(expression="", defect=0.0, verdict="certified", input_action=((0, 0, 2), (0, 0, 0), (0, 0, 0)))
    np.testing.assert_allclose(shift.apply(np.zeros((1, 2)), 1.5), [[3.0, 0.0]])
    square = Generator(
        expression="x² ∂x", defect=0.0, verdict="certified", input_action={"exponents": [[2]], "coefficients": [[1.0]]}
    )
    # x' = x² has x(t) = x / (1 − t x).
    np.testing.assert_allclose(square.apply(np.array([[0.5]]), 1.0), [[1.0]], rtol=1e-6)
    with pytest.raises(UsageError, match="not affine"):
        square.matrix  # noqa: B018


def test_a_scripted_model_is_loaded_without_warnings(tmp_path: Path) -> None:
    """torch deprecates torch.jit, which is no news to whoever asks about a model."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Radius()).save(tmp_path / "m.pt")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        symfind.discover(tmp_path / "m.pt", data=X)
    assert [str(w.message) for w in told if "jit" in str(w.message)] == []
