"""Sets of points: the isometries of space that keep them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.framework_suite.case import Case
from benchmarks.framework_suite.tensors import counted
from symfind.data.hdf5 import write

_SECTION = "Submanifolds: isometries of a set of 2,000 points"
_ROWS = 2000


def _angles(count: int) -> Tensor:
    return 2 * torch.pi * torch.rand(count, _ROWS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _normal(d: int) -> Tensor:
    return torch.randn(_ROWS, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _sphere() -> Tensor:
    return torch.nn.functional.normalize(_normal(3), dim=1)


def _torus() -> Tensor:
    a, b = _angles(2)
    r = 2 + 0.7 * b.cos()
    return torch.stack([r * a.cos(), r * a.sin(), 0.7 * b.sin()], 1)


def _cylinder() -> Tensor:
    a, b = _angles(2)
    return torch.stack([a.cos(), a.sin(), b / 2], 1)


def _circle_in_space() -> Tensor:
    (a,) = _angles(1)
    return torch.stack([a.cos(), a.sin(), torch.ones_like(a)], 1)


def _noisy_circle() -> Tensor:
    return _circle_in_space()[:, :2] + 0.03 * _normal(2)


def _bumpy_curve() -> Tensor:
    (a,) = _angles(1)
    r = 1 + 0.25 * (3 * a + 0.4).cos() + 0.1 * (2 * a).sin()
    return torch.stack([r * a.cos(), r * a.sin()], 1)


def _bumpy_surface() -> Tensor:
    n = _sphere()
    x, y, z = n.unbind(1)
    return n * (1 + 0.3 * x**3 - 0.25 * y * z + 0.3 * z**2 * x + 0.2 * y**3)[:, None]


def _asked(name: str, draw: Callable[[], Tensor], more: Sequence[str]) -> Callable[[Path], Sequence[str]]:
    def arguments(folder: Path) -> Sequence[str]:
        x = draw()
        file = folder / f"{name}.h5"
        write(file, {"x": x.numpy()}, {"kind": "points", "names": ("x", "y", "z")[: x.shape[1]]})
        return ["discover", str(file), "--method", "tangent", "--space", "killing", *more]

    return arguments


def _described(count: int, algebra: str | None) -> Callable[[dict[str, Any]], tuple[str, bool]]:
    """The certified isometries, and what is said of the set."""

    def read(report: dict[str, Any]) -> tuple[str, bool]:
        found, right = counted(count, algebra)(report)
        told = next((note for note in report["notes"] if "dimension" in note), "")
        return f"{found}. {told}".replace("|", "∣"), right

    return read


def _case(name: str, draw: Callable[[], Tensor], count: int, algebra: str | None, more: Sequence[str] = ()) -> Case:
    expected = f"{count}: {algebra}" if algebra else "none"
    file = draw.__name__.strip("_")
    return Case(_SECTION, name, _asked(file, draw, more), expected, _described(count, algebra))


CASES: tuple[Case, ...] = (
    _case("sphere", _sphere, 3, "so(3)"),
    _case("torus of revolution", _torus, 1, "so(2)"),
    _case("cylinder", _cylinder, 2, "so(2) + R"),
    _case("circle in space", _circle_in_space, 1, "so(2)"),
    _case("circle, noise 0.03", _noisy_circle, 1, "so(2)"),
    _case("the same, its equation given", _noisy_circle, 1, "so(2)", ("--level-set", "x**2 + y**2 = 1")),
    _case("bumpy closed curve", _bumpy_curve, 0, None),
    _case("bumpy closed surface", _bumpy_surface, 0, None),
)
