"""Dimensional analysis: functions of dimensionless numbers, and of a dimension themselves with a free output."""

from __future__ import annotations

import numpy as np

from witness_suite import algebra as la
from witness_suite.algebra import Algebra
from witness_suite.case import Array, Case
from witness_suite.draws import positive
from witness_suite.physics.builder import DIAGONAL, FREE, exact


def kernel(*exponents: list[float]) -> Algebra:
    """All scalings under which the products Π x^e are invariant."""
    e = np.asarray(exponents)
    return la.scalings(*np.linalg.svd(e)[2][np.linalg.matrix_rank(e) :])


def graded(weights: list[list[float]], outputs: list[float]) -> Algebra:
    """Scalings with a weight of the output each."""
    return la.scalings(*weights).acting(output=np.asarray(outputs)[:, None, None])


def drag(x: Array) -> Array:
    """24/Re + 6/(1 + √Re) + 0.4 with Re = ρuL/μ."""
    re = x[:, 0] * x[:, 1] * x[:, 2] / x[:, 3]
    return 24 / re + 6 / (1 + np.sqrt(re)) + 0.4


def scaling_cases() -> list[Case]:
    """Diagonal fields."""
    rayleigh = [1.0, 1.0, 1.0, 3.0, -1.0, -1.0]
    # Blind directions of log x do not exist here: each variable matters, their scalings leave F.
    return [
        exact("heat by convection", "scaling", positive(3000, 6, 0.3),
              lambda x: 0.1 * np.prod(x**np.array(rayleigh), 1) ** 0.3, kernel(rayleigh), *DIAGONAL),
        exact("pendulum of finite amplitude", "scaling", positive(2000, 3),
              lambda x: np.sqrt(x[:, 0] / x[:, 1]) * (1 + x[:, 2] ** 2 / 16 + 11 * x[:, 2] ** 4 / 3072),
              la.scalings([1, 1, 0]), *DIAGONAL),
        exact("drag of a sphere", "scaling", positive(5000, 4), drag, kernel([1.0, 1, 1, -1]), *DIAGONAL),
        exact("light of a black body", "scaling", positive(4000, 2),
              lambda x: x[:, 0] ** 3 / np.expm1(2 * x[:, 0] / x[:, 1]), graded([[1, 1]], [3.0]), *DIAGONAL, *FREE),
        exact("singing wire", "scaling", positive(4000, 3), lambda x: np.cos(2 * x[:, 0] * x[:, 1] / x[:, 2]),
              kernel([1.0, 1, -1]), *DIAGONAL),
        exact("two numbers", "scaling", positive(10_000, 5),
              lambda x: np.tanh(x[:, 0] * x[:, 1] / x[:, 2]) + np.log1p(x[:, 3] / x[:, 4]),
              kernel([1.0, 1, -1, 0, 0], [0, 0, 0, 1.0, -1]), *DIAGONAL),
        exact("range in air", "scaling", positive(3000, 3),
              lambda x: np.log1p(x[:, 2] * x[:, 0] ** 2 / x[:, 1]) / x[:, 2],
              graded([[1, 1, -1], [-1, -2, 0]], [1.0, 0.0]), *DIAGONAL, *FREE),
        exact("fine structure, few rows", "scaling", positive(800, 4),
              lambda x: x[:, 0] ** 2 / (x[:, 1] * x[:, 2] * x[:, 3]), kernel([2.0, -1, -1, -1]), *DIAGONAL),
    ]  # fmt: skip
