"""Conserved quantities of flows and maps, and invariants of algebras."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.framework_suite.case import Case

_FLOWS = "Conserved quantities"
_ALGEBRAS = "Invariants of an algebra"
_RADIUS = "sqrt(x**2+y**2+z**2)"


def _sample(
    name: str, library: str, formulas: Sequence[str] = (), more: Sequence[str] = ()
) -> Callable[[Path], Sequence[str]]:
    def arguments(folder: Path) -> Sequence[str]:
        file = folder / f"{name}.h5"
        subprocess.run([sys.executable, "-m", "symfind", "sample", name, str(file), "--quiet"], check=True)
        asked = library
        if formulas:
            (folder / "formulas.yaml").write_text("features:\n" + "".join(f'  - "{f}"\n' for f in formulas))
            asked = f"{library}+{folder}/formulas.yaml"
        return ["conserve", str(file), "--library", asked, *more]

    return arguments


def _generators(matrices: Sequence[Sequence[Sequence[float]]]) -> Callable[[Path], Sequence[str]]:
    def arguments(folder: Path) -> Sequence[str]:
        typed, report = folder / "generators.yaml", folder / "report.json"
        typed.write_text(f"generators: {matrices}\n")
        subprocess.run([sys.executable, "-m", "symfind", "identify", str(typed), "-o", str(report), "-q"], check=True)
        return ["conserve", str(report)]

    return arguments


def _counted(certified: int, independent: int) -> Callable[[dict[str, Any]], tuple[str, bool]]:
    def read(report: dict[str, Any]) -> tuple[str, bool]:
        sure = [c for c in report["conserved"] if c["verdict"] == "certified"]
        free = report["conservation"]["independent"]
        text = f"{len(sure)} certified, {free} independent"
        if sure:
            shown = "; ".join(c["expression"] for c in sure if c["independent"])
            text += f": {shown.replace('|', '∣')}" if len(shown) < 300 else ""
            bounds = [c["upper"] for c in sure if c["upper"] is not None]
            text += f" (bound {max(bounds):.0e})" if bounds else ""
        flow = report["conservation"].get("hamiltonian")
        if flow is not None:
            text += f"; H = {flow['expression']} ({flow['verdict']})"
        return text, (len(sure), free) == (certified, independent)

    return read


def _planes(d: int, boosts: bool) -> list[list[list[float]]]:
    """Generators of so(d), or of so(1, d − 1) with the first coordinate as time."""
    out = []
    for i in range(d):
        for j in range(i + 1, d):
            a = [[0.0] * d for _ in range(d)]
            a[i][j], a[j][i] = 1.0, 1.0 if boosts and i == 0 else -1.0
            out.append(a)
    return out


CASES: tuple[Case, ...] = (
    Case(
        _FLOWS, "pendulum", _sample("pendulum", "polynomial:2", ("cos(q)", "sin(q)"), ("--symplectic", "canonical")),
        "1, the energy", _counted(1, 1),
    ),
    Case(
        _FLOWS, "Kepler, with 1/∣r∣ and r/∣r∣",
        _sample("kepler-orbits", "polynomial:3", [f"{f}/{_RADIUS}" for f in "1xyz"], ("--symplectic", "canonical")),
        "7 in the nullspace (energy, angular momentum, Laplace–Runge–Lenz), 5 independent", _counted(7, 5),
    ),
    Case(_FLOWS, "Kepler, polynomials alone", _sample("kepler-orbits", "polynomial:3"),
         "3, angular momentum", _counted(3, 3)),
    Case(_FLOWS, "Euler top", _sample("rigid-body", "polynomial:2"), "2, energy and angular momentum", _counted(2, 2)),
    Case(_FLOWS, "Euler top, degree 4", _sample("rigid-body", "polynomial:4"),
         "5, of which 3 are products: 2 independent", _counted(5, 2)),
    Case(_FLOWS, "Lotka–Volterra, with logarithms", _sample("lotka-volterra", "polynomial:2", ("log(x)", "log(y)")),
         "1", _counted(1, 1)),
    Case(_FLOWS, "Lotka–Volterra, polynomials alone", _sample("lotka-volterra", "polynomial:2"), "0", _counted(0, 0)),
    Case(_FLOWS, "McMillan's map", _sample("mcmillan-map", "polynomial:4"), "1", _counted(1, 1)),
    Case(_FLOWS, "twist map", _sample("twist-map", "polynomial:4"), "2, of which one is a square", _counted(2, 1)),
    Case(_FLOWS, "Lorenz", _sample("lorenz", "polynomial:4"), "0", _counted(0, 0)),
    Case(
        _FLOWS, "double pendulum with strong friction",
        _sample("damped-double-pendulum", "polynomial:2",
                ("sin(a)", "cos(a)", "sin(b)", "cos(b)", "cos(a-b)", "u*v*cos(a-b)")),
        "0", _counted(0, 0),
    ),
    Case(_ALGEBRAS, "so(3)", _generators(_planes(3, False)), "∣x∣² and its square", _counted(2, 1)),
    Case(_ALGEBRAS, "so(1,3)", _generators(_planes(4, True)), "the interval and its square", _counted(2, 1)),
    Case(
        _ALGEBRAS, "gl(2)",
        _generators([[[float((i, j) == (a, b)) for j in (0, 1)] for i in (0, 1)] for a in (0, 1) for b in (0, 1)]),
        "0", _counted(0, 0),
    ),
)  # fmt: skip
