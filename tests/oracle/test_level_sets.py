"""Sets of points: which isometries keep them, the noise off them, functions that vanish on them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from oracle_files import ask, certified, file_of, normal
from torch import Tensor

from symfind.errors import InputError, SymfindError, UsageError
from symfind.kinds.points.level_sets import fitted_levels, onto, typed_levels
from symfind.kinds.points.local_planes import set_shape
from symfind.verbs.options import DiscoverOptions


def angles(n: int, seed: int) -> Tensor:
    return 2 * torch.pi * torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def circle(n: int = 600, noise: float = 0.0) -> Tensor:
    a = angles(n, 0)
    return torch.stack([a.cos(), a.sin()], 1) + noise * normal(n, 2)


def sphere(n: int = 500) -> Tensor:
    return torch.nn.functional.normalize(normal(n, 3), dim=1)


def torus(n: int = 1200) -> Tensor:
    a, b = angles(n, 0), angles(n, 1)
    r = 2 + 0.7 * b.cos()
    return torch.stack([r * a.cos(), r * a.sin(), 0.7 * b.sin()], 1)


def cylinder(n: int = 500) -> Tensor:
    return torch.cat([circle(n), 2 * torch.rand(n, 1, generator=torch.Generator().manual_seed(3)).double()], 1)


def flat_circle(n: int = 500) -> Tensor:
    return torch.cat([circle(n), torch.ones(n, 1, dtype=torch.float64)], 1)


def bumpy(n: int = 800) -> Tensor:
    a = angles(n, 0)
    return (1 + 0.25 * (3 * a + 0.4).cos() + 0.1 * (2 * a).sin())[:, None] * torch.stack([a.cos(), a.sin()], 1)


def asked(folder: Path, x: Tensor, **options: str) -> tuple[int, str | None, str]:
    report = ask(file_of(folder / "p.h5", "points", x=x), method="tangent", **{"space": "killing", **options})
    return len(certified(report)), report.algebra.name, " ".join(report.notes)


@pytest.mark.parametrize(
    ("x", "count", "name", "dimension"),
    [
        (sphere(), 3, "so(3)", 2),
        pytest.param(torus(), 1, "so(2)", 2, marks=pytest.mark.slow),
        pytest.param(cylinder(), 2, "so(2) + R", 2, marks=pytest.mark.slow),
        (flat_circle(), 1, "so(2)", 1),
        (bumpy(), 0, None, 1),
    ],
    ids=["sphere", "torus", "cylinder", "circle in a plane", "bumpy"],
)
def test_isometries_of_a_set(tmp_path: Path, x: Tensor, count: int, name: str | None, dimension: int) -> None:
    found, algebra, notes = asked(tmp_path, x)
    assert found == count
    assert count == 0 or algebra == name
    assert f"set of dimension {dimension}," in notes


def test_a_noisy_circle_tells_its_noise_and_what_moves_it(tmp_path: Path) -> None:
    found, _, notes = asked(tmp_path, circle(1500, 0.03))
    assert found == 1
    told = re.search(r"lie ([\d.]+) off it", notes)
    assert told is not None and abs(float(told[1]) - 0.03) < 0.003
    assert re.search(r"move the set.*∂x 0\.\d+, ∂y 0\.\d+", notes)


def test_a_noisy_line_is_not_taken_for_a_cloud(tmp_path: Path) -> None:
    t = angles(1000, 0)
    found, _, notes = asked(tmp_path, torch.stack([t, t / 2], 1) + 0.02 * normal(1000, 2), space="translations")
    assert found == 1 and "dimension 1" in notes


def test_typed_functions_are_used(tmp_path: Path) -> None:
    found, name, notes = asked(tmp_path, circle(300, 0.02), level_set="x**2 + y**2 = 1")
    assert (found, name) == (1, "so(2)") and "that of --level-set, of dimension 1" in notes


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("x**2 + y**2 - 4", InputError, "not zero on the data"),
        ("log(x)", InputError, "not finite"),
        ("x**2 + q", UsageError, "unknown name 'q'"),
        ("1 = 2", UsageError, "is a number"),
        ("x**2 + y**2 - 1; x", UsageError, "leave no set"),
    ],
)
def test_typed_functions_that_are_none(tmp_path: Path, text: str, error: type[SymfindError], words: str) -> None:
    with pytest.raises(error, match=words):
        asked(tmp_path, circle(100), level_set=text)


def test_two_equal_functions_are_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="depend on one another"):
        asked(tmp_path, flat_circle(100), level_set="x**2 + y**2 - 1; 2*x**2 + 2*y**2 - 2")


def test_level_sets_go_with_tangency() -> None:
    with pytest.raises(UsageError, match="add --method tangent"):
        DiscoverOptions(source="p.h5", level_set="x")


def test_a_cloud_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fill the space"):
        asked(tmp_path, normal(500, 2))


def test_dimension_and_noise_over_scales() -> None:
    shape = set_shape(circle(1500, 0.05))
    assert shape is not None and shape.dimension == 1
    assert abs(shape.noise - 0.05) < 0.008  # the mean of 400 neighbourhoods, less what curvature is mistaken for
    exact = set_shape(sphere(1500))
    assert exact is not None and exact.dimension == 2 and exact.noise < 0.02
    assert set_shape(normal(1000, 3)) is None


def test_the_polynomial_that_vanishes_on_an_ellipse() -> None:
    """x²/4 + y² − 1 has normals (x/2, 2y), whatever the scale of the function."""
    x = circle(200) * torch.tensor([2.0, 1.0], dtype=torch.float64)
    levels = fitted_levels(x, torch.eye(2, dtype=torch.float64), 2, 1, 0.0)
    assert levels is not None
    at, normals = onto(levels, 1.05 * x, torch.eye(2, dtype=torch.float64), 1)
    torch.testing.assert_close(at[:, 0] ** 2 / 4 + at[:, 1] ** 2, torch.ones(200, dtype=torch.float64))
    truth = torch.nn.functional.normalize(at * torch.tensor([0.5, 2.0], dtype=torch.float64), dim=1)
    torch.testing.assert_close((normals[:, 0] * truth).sum(1).abs(), torch.ones(200, dtype=torch.float64))


def test_equations_and_differences_are_one() -> None:
    x = normal(5, 2)
    one, other = (typed_levels(text, ("x", "y")) for text in ("x**2 = y", "x**2 - y"))
    torch.testing.assert_close(one(x), other(x))
    torch.testing.assert_close(one.slopes(x)[:, 0], torch.stack([2 * x[:, 0], -torch.ones(5).double()], 1))
