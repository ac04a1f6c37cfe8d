"""Inputs in unlike units, far from the origin, collinear or constant: what is printed is true on the data."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

import symfind
from symfind.schema.document import Report


def report(path: Path, x: NDArray[np.float64], y: NDArray[np.float64], space: str | None = None) -> Report:
    with h5py.File(path / "data.h5", "w") as file:
        file.attrs["kind"] = "function"
        file["x"], file["y"] = x, y
    options = {} if space is None else {"space": space}
    return symfind.discover(symfind.DiscoverOptions(source=str(path / "data.h5"), **options))


def ball(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(5)
    z = rng.standard_normal((n, 3))
    return z, np.tanh(np.square(z).sum(1) - 2) + 0.01 * rng.standard_normal(n)


def test_so3_in_unlike_units(tmp_path: Path) -> None:
    z, y = ball(1500)
    found = report(tmp_path, z * [1e-2, 1, 1e2], y)
    assert found.algebra.name == "so(3)"
    assert sorted(g.expression.split(" − ")[0] for g in found.certified) == ["x ∂y", "x ∂z", "y ∂z"]
    assert all(" − " in g.expression for g in found.certified)


def test_so3_about_a_point_far_away(tmp_path: Path) -> None:
    z, y = ball(1500)
    found = report(tmp_path, z + [1e6, 0, 0], y, "affine")
    assert found.algebra.name == "so(3)"
    assert any("x − 1e6" in g.expression or "x − 1000000" in g.expression for g in found.certified)
    assert any(note.startswith("what is certified is about the point (1") for note in found.notes)


def test_a_nearly_collinear_input_adds_no_second_copy_of_an_algebra(tmp_path: Path) -> None:
    """x4 = x1 + x2 to a thousandth: two learned forms differ by large coefficients that move nothing."""
    z, y = ball(1500)
    rest = 1e-3 * np.random.default_rng(6).standard_normal(len(z))
    found = report(tmp_path, np.c_[z, z[:, 0] + z[:, 1] + rest], y)
    assert len(found.certified) <= 3


def test_a_constant_column_is_no_fault(tmp_path: Path) -> None:
    z, _ = ball(1200)
    y = np.tanh(np.square(z[:, :2]).sum(1) - 1)
    found = report(tmp_path, np.c_[z[:, :2], np.full(len(z), 3.0)], y)
    assert [g.expression for g in found.certified] == ["x ∂y − y ∂x"]
