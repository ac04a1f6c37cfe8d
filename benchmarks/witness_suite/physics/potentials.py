"""Scalar functions of one point: radial, axial, helical, quadratic forms in any signature."""

from __future__ import annotations

import numpy as np

from witness_suite import algebra as la
from witness_suite.algebra import Algebra
from witness_suite.case import Array, Case, Sample, in_random_coordinates
from witness_suite.draws import norm as radius
from witness_suite.draws import normal, plane, shell, side_by_side, square
from witness_suite.physics.builder import AFFINE, exact

_CENTRE = np.array([0.8, -0.5, 0.4])
_AXIS = np.array([1.0, 2.0, -2.0]) / 3


def lennard_jones(r: Array) -> Array:
    """4(r⁻¹² − r⁻⁶)."""
    return 4 * (r**-12 - r**-6)


def helical(x: Array) -> Array:
    """e^{−R²/2}(x cos z + y sin z): a turn goes with a shift."""
    return np.exp(-square(x[:, :2]) / 2) * (x[:, 0] * np.cos(x[:, 2]) + x[:, 1] * np.sin(x[:, 2]))


def line_of_charge(x: Array) -> Array:
    """log(0.1 + distance² to a line through a point)."""
    y = x - _CENTRE
    return np.log(0.1 + square(y) - (y @ _AXIS) ** 2)


def around_the_line() -> tuple[Algebra, Array]:
    """The turn about the line and the plane on which F depends."""
    e = np.linalg.svd(_AXIS[None])[2][1:]
    turn = np.outer(e[1], e[0]) - np.outer(e[0], e[1])
    return la.linear(turn).about(_CENTRE), e.T


def counted(rng_rate: float = 8.0) -> Case:
    """Counts with the rate 8 e^{−r²/3}: so(2)."""

    def draw(rng: np.random.Generator) -> Sample:
        x = rng.standard_normal((8000, 2))
        return Sample(x, lambda x: rng_rate * np.exp(-square(x) / 3), la.so(2), labels=lambda f, g: g.poisson(f) + 0.0)

    return Case("counts of decays in a plane", "labels", "function", draw, 1)


def labelled() -> Case:
    """Inside or outside of a sphere, one label of twenty wrong: so(3). F is the probability."""

    def draw(rng: np.random.Generator) -> Sample:
        x = rng.standard_normal((10_000, 3))

        def labels(f: Array, g: np.random.Generator) -> Array:
            return (g.random(f.shape) < f) + 0.0

        return Sample(x, lambda x: 0.05 + 0.9 / (1 + np.exp(8 * (radius(x) - 1.5))), la.so(3), labels=labels)

    return Case("labels inside a sphere", "labels", "function", draw, 3)


def potential_cases() -> list[Case]:
    """One object."""
    turned = in_random_coordinates
    line, across = around_the_line()
    screw = la.so(2, 0, 1, dimension=3)
    screw = Algebra(screw.a, np.array([[0.0, 0.0, 1.0]]))
    two = la.so(2, 0, 1, dimension=4) + la.so(2, 2, 3, dimension=4)
    return [
        exact("lennard-jones well", "heavy", shell(4000, 3, 0.95, 2.5), lambda x: lennard_jones(radius(x)), la.so(3)),
        exact("woods-saxon well", "radial", normal(5000, 3), lambda x: -1 / (1 + np.exp((radius(x) - 1.4) / 0.25)),
              la.so(3)),
        exact("spherical bessel", "radial", normal(5000, 3), lambda x: np.sinc(3 * radius(x) / np.pi), la.so(3)),
        exact("airy rings", "radial", normal(3000, 2), lambda x: np.sinc(4 * radius(x) / np.pi) ** 2, la.so(2)),
        exact("lorentz factor of a velocity", "heavy", shell(5000, 3, 0.0, 0.97), lambda x: 1 / np.sqrt(1 - square(x)),
              la.so(3)),
        exact("mexican hat, five dimensions", "radial", normal(10_000, 5, spread=0.7),
              lambda x: (1 - square(x)) * np.exp(-square(x) / 2), la.so(5)),
        exact("d orbital", "axial", normal(8000, 3, spread=1.5),
              lambda x: np.exp(-2 * radius(x) / 3) * (2 * x[:, 2] ** 2 - square(x[:, :2])),
              la.so(2, 0, 1, dimension=3)),
        exact("disc of a galaxy", "axial", normal(6000, 3),
              lambda x: -1 / np.sqrt(square(x[:, :2]) + (0.3 + np.sqrt(x[:, 2] ** 2 + 0.04)) ** 2),
              la.so(2, 0, 1, dimension=3)),
        exact("morse well about a point", "radial", normal(4000, 3),
              lambda x: (1 - np.exp(1.2 - radius(x - _CENTRE))) ** 2, la.so(3).about(_CENTRE), *AFFINE),
        exact("line of charge", "axial", normal(5000, 3), line_of_charge, line, *AFFINE, live=across),
        exact("helical wave", "axial", normal(8000, 3), helical, screw, *AFFINE),
        turned(exact("wave of an interval", "form", normal(6000, 3),
                     lambda x: np.tanh(la_form(x, 2)) + 0.3 * np.sin(2 * la_form(x, 2)),
                     la.indefinite([1.0, 1.0, -1.0]))),
        turned(exact("bell over an ellipsoid", "form", normal(4000, 4), lambda x: np.exp(-square(x) / 4), la.so(4))),
        exact("two oscillators out of step", "product", normal(6000, 4),
              lambda x: np.exp(-square(x[:, :2]) / 2) * np.cos(square(x[:, 2:])), two),
        turned(exact("two tanks", "product", normal(10_000, 4),
                     lambda x: np.sqrt(0.1 + square(x[:, :2])) * np.log(1 + square(x[:, 2:])), two)),
        exact("ring current, few rows", "radial", side_by_side(shell(600, 2, 0.3, 2.0)),
              lambda x: np.log(radius(x)) * np.exp(-radius(x)), la.so(2)),
        exact("vortex with a core", "radial", normal(20_000, 2, spread=1.5),
              lambda x: np.exp(-np.abs(plane(x)) ** 4), la.so(2)),
        counted(),
        labelled(),
    ]  # fmt: skip


def la_form(x: Array, p: int) -> Array:
    """|x_{<p}|² − |x_{≥p}|²."""
    return square(x[:, :p]) - square(x[:, p:])
