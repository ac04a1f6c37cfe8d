"""Pairs (x, x_moved): the generator and its amounts, what is not identifiable, pairs that have nothing in common."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from symfind.api import discover
from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.fields.plane import Grid, image_space
from symfind.kinds.pairs.lconv import plane_matrix, spectral_radius
from symfind.schema.document import Report
from symfind.verbs.options import DiscoverOptions

TURN = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ask(folder: Path, options: dict[str, Any] | None = None, **arrays: Tensor) -> Report:
    path = folder / "pairs.h5"
    write(path, {role: array.numpy() for role, array in arrays.items()}, {"kind": "pairs"})
    return discover(DiscoverOptions(source=str(path), **(options or {})))


def turned(x: Tensor, amounts: Tensor) -> Tensor:
    return torch.einsum("nab,nb->na", torch.linalg.matrix_exp(amounts[:, None, None] * TURN), x)


def entries(report: Report) -> Tensor:
    return torch.tensor(report.generators[0].input_action, dtype=torch.float64)


SLOW = pytest.mark.slow


@pytest.mark.parametrize("space", [None, pytest.param("so", marks=SLOW), pytest.param("affine", marks=SLOW)])
def test_one_amount_for_all_is_the_logarithm_of_a_regression(tmp_path: Path, space: str | None) -> None:
    x = normal(200, 3)
    moved = turned(x, torch.full((200,), 0.7, dtype=torch.float64)) + 1e-3 * normal(200, 3, seed=1)
    report = ask(tmp_path, {"space": space}, x=x, x_moved=moved)
    assert [g.verdict for g in report.generators] == ["certified"]
    assert report.algebra.name == "so(2)"
    torch.testing.assert_close(entries(report)[:3, :3], TURN, atol=1e-2, rtol=0)
    assert report.generators[0].reach == pytest.approx(0.7, abs=1e-3)


def test_amounts_of_their_own_are_found_row_by_row(tmp_path: Path) -> None:
    x, t = normal(200, 3), torch.rand(200, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1
    report = ask(tmp_path, x=x, x_moved=turned(x, t))
    assert [g.expression for g in report.generators] == ["x ∂y − y ∂x"]
    assert report.generators[0].verdict == "certified"
    assert report.generators[0].reach == pytest.approx(float(t.abs().max()), abs=1e-6)
    assert any("found row by row" in note for note in report.notes)


def test_known_amounts_are_used(tmp_path: Path) -> None:
    x, t = normal(60, 3), torch.linspace(0.2, 1.4, 60, dtype=torch.float64)
    report = ask(tmp_path, x=x, x_moved=turned(x, t), t=t)
    assert report.generators[0].verdict == "certified"
    torch.testing.assert_close(entries(report), TURN, atol=1e-6, rtol=0)


@pytest.mark.parametrize("d", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_pairs_that_have_nothing_in_common_certify_nothing(tmp_path: Path, d: int) -> None:
    report = ask(tmp_path, x=normal(200, d), x_moved=normal(200, d, seed=5))
    assert not report.generators and report.set_apart[0].reason.startswith("refuted")


def test_a_turn_near_half_a_circle_is_not_identifiable(tmp_path: Path) -> None:
    x = normal(100, 3)
    report = ask(tmp_path, x=x, x_moved=turned(x, torch.full((100,), 3.1, dtype=torch.float64)))
    assert [g.verdict for g in report.generators] == ["undecided"]
    assert any("not identifiable" in warning for warning in report.warnings)


def smooth(n: int, side: int, seed: int) -> Tensor:
    """Images without fine detail: what a rotated grid represents."""
    k = torch.fft.fftfreq(side, dtype=torch.float64)
    low = torch.exp(-(k[:, None].square() + k.square()) / (2 * 0.15**2))
    return torch.fft.ifft2(torch.fft.fft2(normal(n, 1, side, side, seed=seed)) * low).real


def rotated(x: Tensor, angle: float) -> Tensor:
    return image_space("image-rotation", 1).moved(x, Grid(*x.shape[-2:]), torch.ones(1, dtype=torch.float64), angle)


@pytest.mark.parametrize("angle", [math.pi / 10, -2.0])
def test_images_turned_give_the_field_and_the_angle(tmp_path: Path, angle: float) -> None:
    x = smooth(80, 20, seed=3)
    report = ask(tmp_path, x=x, x_moved=rotated(x, angle))
    (g,) = report.generators
    assert g.verdict == "certified"
    a = entries(report)[:2, :2] / entries(report)[1, 0]
    torch.testing.assert_close(a, TURN[:2, :2], atol=0.02, rtol=0)
    assert g.reach == pytest.approx(abs(angle), rel=0.02)


@pytest.mark.slow
def test_unrelated_images_certify_nothing(tmp_path: Path) -> None:
    x = smooth(40, 12, seed=4)
    report = ask(tmp_path, {"space": "image-rotation"}, x=x, x_moved=smooth(40, 12, seed=6))
    assert not report.generators


def test_unrestricted_generators_of_fine_images_are_told_to_be_wrapped(tmp_path: Path) -> None:
    x = normal(700, 1, 12, 12)
    report = ask(tmp_path, {"space": "so"}, x=x, x_moved=rotated(x, math.pi / 4))
    assert all(g.verdict == "undecided" for g in report.generators)
    assert any("phases of up to" in warning for warning in report.warnings)


def test_the_matrix_of_a_turn_has_the_radius_of_its_grid() -> None:
    space, grid = image_space("image-rotation", 1), Grid(9, 9)
    matrix = plane_matrix(space, torch.ones(1, dtype=torch.float64), grid)
    torch.testing.assert_close(matrix, -matrix.T, atol=1e-12, rtol=0)
    # No detail finer than a pixel: π times the largest speed, 4√2 pixels in the corner, bounds the radius.
    assert 0 < spectral_radius(space, torch.ones(1, dtype=torch.float64), grid) < math.pi * 4 * 2**0.5 + 1e-9


def test_bad_pairs_are_told(tmp_path: Path) -> None:
    x = normal(30, 3)
    with pytest.raises(InputError, match="equals x"):
        ask(tmp_path, x=x, x_moved=x)
    with pytest.raises(InputError, match="amounts t are zero"):
        ask(tmp_path, x=x, x_moved=x + 1, t=torch.zeros(30, dtype=torch.float64))
    with pytest.raises(InputError, match="too few"):
        ask(tmp_path, x=x[:6], x_moved=2 * x[:6])
    with pytest.raises(UsageError, match="does not go with pairs"):
        ask(tmp_path, {"method": "weak"}, x=x, x_moved=2 * x)
    with pytest.raises(UsageError, match="linear or affine"):
        ask(tmp_path, {"space": "polynomial:2"}, x=x, x_moved=2 * x)
