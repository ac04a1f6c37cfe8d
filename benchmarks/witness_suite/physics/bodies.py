"""Scalars of two to four bodies under one shared action."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from witness_suite import algebra as la
from witness_suite.case import Array, Case, in_random_coordinates
from witness_suite.draws import apart, bodies, dot, norm, normal, square
from witness_suite.physics.builder import AFFINE, exact
from witness_suite.physics.potentials import lennard_jones


def triple_dipole(x: Array) -> Array:
    """(1 + 3 cos α cos β cos γ)/(abc)³, Axilrod and Teller."""
    a, b, c = apart(x, 0, 1), apart(x, 1, 2), apart(x, 2, 0)
    cosines = [(p**2 + q**2 - r**2) / (2 * p * q) for p, q, r in ((a, b, c), (b, c, a), (c, a, b))]
    return np.asarray((1 + 3 * cosines[0] * cosines[1] * cosines[2]) / (a * b * c) ** 3)


def bend(x: Array) -> Array:
    """(cos θ + 1/3)² e^{−(a + b)/2} at the middle body."""
    u, v = x[:, 0] - x[:, 1], x[:, 2] - x[:, 1]
    cosine = dot(u, v) / (norm(u) * norm(v))
    return (cosine + 1 / 3) ** 2 * np.exp(-(norm(u) + norm(v)) / 2)


def torsion(x: Array) -> Array:
    """Cos φ of the angle between the planes of the first and of the last three bodies."""
    p, q, r = x[:, 1] - x[:, 0], x[:, 2] - x[:, 1], x[:, 3] - x[:, 2]
    m, n = np.cross(p, q), np.cross(q, r)
    return dot(m, n) / (norm(m) * norm(n))


def softened(x: Array, core: float) -> Array:
    """−Σ (|x_i − x_j|² + core)^{−1/2}."""
    pairs = combinations(range(x.shape[1]), 2)
    return -np.sum([1 / np.sqrt(apart(x, i, j) ** 2 + core) for i, j in pairs], 0)


def area(x: Array) -> Array:
    """Twice the area of a triangle in the plane."""
    u, v = x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]
    return np.asarray(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])


def cross_ratio(x: Array) -> Array:
    """Log |(a − c)(b − d)/((b − c)(a − d))| of four points of a line."""
    a, b, c, d = x[:, :, 0].T
    return np.log(np.abs((a - c) * (b - d) / ((b - c) * (a - d))))


def toda(x: Array) -> Array:
    """Σ exp(x_i − x_{i+1})."""
    return np.exp(-np.diff(x[:, :, 0], axis=1)).sum(1)


def symplectic(x: Array) -> Array:
    """q₁·p₂ − p₁·q₂ of two points (q, p) of R⁴."""
    return dot(x[:, 0, :2], x[:, 1, 2:]) - dot(x[:, 0, 2:], x[:, 1, :2])


def bodies_cases() -> list[Case]:
    """Two to four bodies."""
    e3, e2 = la.euclidean(3), la.euclidean(2)
    j = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    symmetric = [la.unit(4, i, k) + la.unit(4, k, i) for i in range(4) for k in range(i, 4)]
    sp4 = la.linear(*(np.linalg.inv(j) @ s for s in symmetric))
    return [
        exact("two atoms, lennard-jones", "bodies", bodies(5000, 2, 3, 0.95), lambda x: lennard_jones(apart(x, 0, 1)),
              e3, *AFFINE),
        exact("two charges in a plane, screened", "bodies", normal(5000, 2, 2),
              lambda x: np.exp(-apart(x, 0, 1)) / np.sqrt(apart(x, 0, 1) ** 2 + 0.05), e2, *AFFINE),
        exact("three atoms, triple dipole", "bodies", bodies(10_000, 3, 3, 0.9), triple_dipole, e3, *AFFINE),
        exact("three atoms, bending", "bodies", bodies(10_000, 3, 3, 0.5), bend, e3, *AFFINE),
        exact("four atoms, torsion", "bodies", bodies(15_000, 4, 3, 0.5), torsion, e3 + la.dilation(3), *AFFINE),
        exact("four atoms, radius of gyration", "bodies", normal(8000, 4, 3),
              lambda x: 1 / (1 + square(x - x.mean(1, keepdims=True)).sum(1) / 4), e3, *AFFINE),
        exact("four stars in a cluster", "bodies", normal(12_000, 4, 3),
              lambda x: softened(x, 0.2) + 0.5 * np.log(1 + square(x).sum(1)), la.so(3)),
        exact("two bodies about a centre", "bodies", normal(6000, 2, 2),
              lambda x: np.log(0.2 + square(x[:, 0])) * np.cos(apart(x, 0, 1)), la.so(2)),
        exact("area of a triangle", "volume", normal(8000, 3, 2), lambda x: np.log(0.2 + area(x) ** 2),
              la.sl(2) + la.translations(2), *AFFINE),
        exact("volume of a tetrahedron", "volume", normal(8000, 4, 3),
              lambda x: np.arctan(np.linalg.det(x[:, 1:] - x[:, :1])), la.sl(3) + la.translations(3), *AFFINE),
        in_random_coordinates(exact("volume of three vectors", "volume", normal(6000, 3, 3),
                                    lambda x: np.tanh(np.linalg.det(x)), la.sl(3))),
        exact("cross ratio of a line", "volume", bodies(6000, 4, 1, 0.05), cross_ratio,
              la.translations(1) + la.dilation(1), *AFFINE),
        exact("toda chain of four", "bodies", normal(5000, 4, 1, spread=0.8), toda, la.translations(1), *AFFINE),
        exact("area in phase space", "volume", normal(8000, 2, 4), lambda x: np.tanh(symplectic(x)), sp4),
        exact("angle of two vectors", "bodies", normal(5000, 2, 3),
              lambda x: np.arccos(np.clip(dot(x[:, 0], x[:, 1]) / (norm(x[:, 0]) * norm(x[:, 1])), -1, 1)),
              la.so(3) + la.dilation(3)),
    ]  # fmt: skip
