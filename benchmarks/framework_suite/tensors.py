"""Tensor fields: Killing fields of metrics given at points, fields that preserve forms and densities."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.framework_suite.case import Case
from symfind.data.hdf5 import write

_METRICS = "Killing fields of a metric given at 2,000 points"
_FORMS = "Forms and densities"
_ROWS = 3000

Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]


def _box(generator: torch.Generator, *sides: tuple[float, float]) -> Tensor:
    return torch.stack(
        [low + (high - low) * torch.rand(_ROWS, generator=generator, dtype=torch.float64) for low, high in sides], 1
    )


def _diagonal(first: Tensor, second: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([first, second], 1))


def _stereographic(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = _box(generator, (-1.2, 1.2), (-1.2, 1.2))
    factor = 4 / (1 + x.square().sum(1)) ** 2
    return x, _diagonal(factor, factor)


def _angles(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = _box(generator, (0.5, 2.6), (0.0, 5.0))
    return x, _diagonal(torch.ones(_ROWS).double(), x[:, 0].sin() ** 2)


def _half_plane(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = _box(generator, (-1.0, 1.0), (0.5, 2.0))
    return x, _diagonal(x[:, 1] ** -2, x[:, 1] ** -2)


def _cartesian(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = _box(generator, (-1.0, 1.0), (-1.0, 1.0))
    return x, torch.eye(2, dtype=torch.float64).expand(_ROWS, 2, 2)


def _polar(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = _box(generator, (0.5, 2.0), (0.0, 5.0))
    return x, _diagonal(torch.ones(_ROWS).double(), x[:, 0] ** 2)


def _generic(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = _box(generator, (-1.5, 1.5), (-1.5, 1.5))
    a, b = x.unbind(1)
    metric = _diagonal(1 + 0.5 * (a + b).sin(), 1 + 0.4 * (2 * b - a).cos())
    metric[:, 0, 1] = metric[:, 1, 0] = 0.2 * a * b
    return x, metric


def _constant(d: int, value: Sequence[Sequence[float]] | float) -> Draw:
    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x = torch.randn(_ROWS, d, generator=generator, dtype=torch.float64)
        y = torch.tensor(value, dtype=torch.float64)
        return x, y.expand(_ROWS, *y.shape)

    return draw


def _uneven(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """ρ = 2 + sin(x + y) + cos(2y − x)/2 + 0.3xy: the least defect of an affine field is 0.23."""
    x = _box(generator, (-1.5, 1.5), (-1.5, 1.5))
    a, b = x.unbind(1)
    return x, 2 + (a + b).sin() + 0.5 * (2 * b - a).cos() + 0.3 * a * b


def _asked(name: str, kind: str, space: str, draw: Draw) -> Callable[[Path], Sequence[str]]:
    def arguments(folder: Path) -> Sequence[str]:
        file = folder / f"{name}.h5"
        x, y = draw(torch.Generator().manual_seed(0))
        write(file, {"x": x.numpy(), "y": y.numpy()}, {"kind": "function", "names": ("x", "y", "z")[: x.shape[1]]})
        return ["discover", str(file), "--output-type", kind, "--space", space]

    return arguments


def _oscillator(folder: Path) -> Sequence[str]:
    """The symplectic fields as a report, then the oscillator's flow among them."""
    first = _asked("form", "two-form", "linear", _constant(2, [[0.0, 1.0], [-1.0, 0.0]]))(folder)
    report = folder / "symplectic.json"
    subprocess.run([sys.executable, "-m", "symfind", *first, "-o", str(report), "-q"], check=True)
    x = torch.randn(_ROWS, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    flow = torch.stack([x[:, 1], -x[:, 0]], 1)
    write(folder / "oscillator.h5", {"x": x.numpy(), "dx": flow.numpy()}, {"kind": "flow", "names": ("x", "y")})
    return ["discover", str(folder / "oscillator.h5"), "--space", str(report)]


def counted(count: int, name: str | None = None) -> Callable[[dict[str, Any]], tuple[str, bool]]:
    """How many generators are certified, and the algebra where it has a name; the defect that follows."""

    def read(report: dict[str, Any]) -> tuple[str, bool]:
        sure = [g for g in report["generators"] if g["verdict"] == "certified"]
        algebra = report["algebra"]["name"] if sure else None
        text = f"{len(sure)} certified" + (f", {algebra}" if algebra else "")
        if sure:
            text += f" (bound {max(g['upper'] for g in sure):.0e})"
        following = report["spectrum"][len(sure) : len(sure) + 1]
        if following:
            text += f", the next ρ {following[0]['defect']:.2g}"
        if 0 < len(sure) <= 3:
            text += ": " + "; ".join(g["expression"] for g in sure)
        right = len(sure) == count and len(report["generators"]) == count and name in (None, algebra)
        return text, right

    return read


def _metric(name: str, draw: Draw, *rows: tuple[int, int, str | None]) -> list[Case]:
    return [
        Case(
            _METRICS,
            f"{name.replace('_', ' ')}, degree {degree}",
            _asked(name, "metric", f"polynomial:{degree}", draw),
            f"{count}" + (f": {algebra}" if algebra else ""),
            counted(count, algebra),
        )
        for degree, count, algebra in rows
    ]


_FORM = ("two_form", "two-form", _constant(2, [[0.0, 1.0], [-1.0, 0.0]]))

CASES: tuple[Case, ...] = (
    *_metric("sphere_stereographic", _stereographic, (1, 1, None), (2, 3, "so(3)")),
    *_metric("sphere_angles", _angles, (1, 1, None), (2, 1, None), (3, 1, None)),
    *_metric("half_plane", _half_plane, (1, 2, "aff(1)"), (2, 3, "sl(2,R)")),
    *_metric("plane_cartesian", _cartesian, (1, 3, "e(2)"), (2, 3, "e(2)")),
    *_metric("plane_polar", _polar, (1, 1, None), (2, 1, None)),
    *_metric("generic_metric", _generic, (1, 0, None), (2, 0, None)),
    *(
        Case(
            _FORMS,
            f"symplectic fields of R², {space}",
            _asked(_FORM[0], _FORM[1], space, _FORM[2]),
            told,
            counted(count),
        )
        for space, count, told in (("linear", 3, "3: sp(2)"), ("affine", 5, "5"), ("polynomial:2", 9, "9"))
    ),
    Case(_FORMS, "of these, those that keep the oscillator", _oscillator, "1: so(2)", counted(1, "so(2)")),
    *(
        Case(
            _FORMS,
            f"volume of R{'²³'[d - 2]}, {space}",
            _asked(f"volume_{d}", "density", space, _constant(d, 1.0)),
            f"{count}",
            counted(count),
        )
        for d, space, count in ((2, "affine", 5), (2, "polynomial:2", 9), (3, "linear", 8), (3, "affine", 11))
    ),
    Case(_FORMS, "an uneven density", _asked("uneven", "density", "affine", _uneven), "none", counted(0)),
)
