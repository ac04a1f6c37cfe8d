"""Maps between fields whose kernels, and so whose symmetries, are known: 500 pairs on 32 × 32 points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.framework_suite.case import Case
from symfind.api import sample
from symfind.data.hdf5 import write

_SECTION = "Operators between fields"
Answer = Callable[[dict[str, Any]], tuple[str, bool]]


def _sampled(name: str, *more: str) -> Callable[[Path], Sequence[str]]:
    def arguments(folder: Path) -> Sequence[str]:
        path = folder / f"{name}.h5"
        sample(name, path)
        return ["discover", str(path), *more]

    return arguments


def found_in(report: dict[str, Any]) -> tuple[list[str], str]:
    """Certified generators, and the defect of the next direction in words."""
    certified = [g["expression"] for g in report["generators"] if g["verdict"] == "certified"]
    known = len(certified) + len(report.get("set_apart") or ())
    following = report["spectrum"][known] if known < len(report["spectrum"]) else None
    said = "" if following is None or following["lower"] is None else f"; next ρ ≥ {following['lower']:.2g}"
    return certified, said


def _expects(dimension: int, algebra: str | None, within: Callable[[list[str]], bool] = lambda g: True) -> Answer:
    def read(report: dict[str, Any]) -> tuple[str, bool]:
        certified, said = found_in(report)
        name = report["algebra"].get("name")
        basis = (report.get("fit") or {}).get("surrogate", "")
        text = f"{', '.join(certified) or 'none'}{f' = {name}' if name else ''}{said}; {basis}".rstrip("; ")
        return text, len(certified) == dimension and (algebra is None or name == algebra) and within(certified)

    return read


def _translations(generators: list[str]) -> bool:
    return generators == ["∂x", "∂y"]


def _two_channels(folder: Path) -> Sequence[str]:
    """Give v = R(u₁, u₂) of heat: a vector field that is diffused, whose rotation turns its components."""
    sample("heat-operator", folder / "one.h5", seed=0)
    sample("heat-operator", folder / "two.h5", seed=1)
    from symfind.kinds.reading import open_dataset

    parts = [open_dataset(folder / f"{name}.h5").take(torch.arange(300)) for name in ("one", "two")]
    x, y = (torch.cat([p[role] for p in parts], 1) for role in ("x", "y"))
    # The gradient of the divergence: it mixes components as a vector does, so that only a joint turn is left.
    k = torch.pi * torch.fft.fftfreq(32, 1 / 32, dtype=torch.float64)
    first, second = torch.meshgrid(k, k, indexing="ij")
    hats = torch.fft.fft2(y)
    divergence = (first * hats[:, 0] + second * hats[:, 1])[:, None]
    moved = torch.fft.ifft2(torch.stack([first, second]) * divergence).real * 0.02
    axis = open_dataset(folder / "one.h5").rows.axes[0].coordinates  # type: ignore[attr-defined]
    arrays = {"x": x, "y": y + moved, "grid_x": axis, "grid_y": axis}
    attributes: dict[str, Any] = {"kind": "operator", "periodic": ("x", "y")}
    write(folder / "vectors.h5", {role: array.numpy() for role, array in arrays.items()}, attributes)
    return ["discover", str(folder / "vectors.h5"), "--output-action", "same"]


CASES: tuple[Case, ...] = (
    Case(
        _SECTION, "heat semigroup, fields inside a disc", _sampled("heat-operator"),
        "e(2): translations and the rotation; scalings and shears refuted", _expects(3, "e(2)"),
    ),
    Case(
        _SECTION, "heat semigroup, waves of a torus", _sampled("heat-operator-waves"),
        "the translations: turns do not close on a torus", _expects(2, "R^2", _translations),
    ),
    Case(
        _SECTION, "elliptical Gaussian kernel", _sampled("anisotropic-operator"),
        "a conjugate of e(2): x ∂x 3√3 + 7 x ∂y − 13 y ∂x − 3√3 y ∂y", _expects(3, "e(2)"),
    ),
    Case(
        _SECTION, "kernel ∝ cos 4θ", _sampled("fourfold-operator"),
        "the translations", _expects(2, "R^2", _translations),
    ),
    Case(
        _SECTION, "kernel that depends on the place", _sampled("varying-operator"), "none", _expects(0, None),
    ),
    Case(
        _SECTION, "heat and grad div of a vector field, components turned alike", _two_channels,
        "3: translations, and the rotation turning the components; the scaling is set apart",
        _expects(3, None, lambda g: "u ∂v − v ∂u" in g[2]),
    ),
)  # fmt: skip
