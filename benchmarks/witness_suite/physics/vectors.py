"""Vector outputs: accelerations, fields of dipoles, torques."""

from __future__ import annotations

import numpy as np

from witness_suite import algebra as la
from witness_suite.algebra import Algebra
from witness_suite.case import Array, Case
from witness_suite.draws import apart, dot, norm, normal, shell, square
from witness_suite.physics.builder import AFFINE, FREE, SAME, exact


def scaled(d: int, weight: float) -> Algebra:
    """The scaling x ↦ sx with F ↦ s^weight F."""
    return la.dilation(d).acting(output=weight * np.eye(d)[None])


def dipole_field(r: Array, m: Array) -> Array:
    """(3(m·r)r − m r²)/r⁵."""
    size = norm(r)[:, None]
    return (3 * dot(m, r)[:, None] * r - m * size**2) / size**5


def pulled(x: Array) -> Array:
    """Softened acceleration of the first of three bodies."""
    out = np.zeros_like(x[:, 0])
    for j, mass in ((1, 1.0), (2, 0.6)):
        out = out + mass * (x[:, j] - x[:, 0]) / (apart(x, 0, j)[:, None] ** 2 + 0.2) ** 1.5
    return out


def charges(x: Array) -> Array:
    """Moment Σ q_i x_i of three charges that depend on distances and do not add up to 0."""
    q = [np.exp(-(apart(x, i, (i + 1) % 3) ** 2) / 3) - 0.3 for i in range(3)]
    return np.sum([q[i][:, None] * x[:, i] for i in range(3)], 0)


def vector_cases() -> list[Case]:
    """Outputs that turn."""
    so3, axial = la.so(3), la.so(2, 0, 1, dimension=3)
    still = la.translations(3).acting(output=np.zeros((3, 3, 3)))

    def fixed(x: Array) -> Array:
        return dipole_field(x, np.broadcast_to([0.0, 0.0, 1.0], x.shape))

    return [
        exact("field of a wire", "vector", shell(3000, 2, 0.4, 2.0),
              lambda x: x[:, ::-1] * [-1, 1] / square(x)[:, None],
              la.same(la.so(2)) + scaled(2, -1.0), *FREE),
        exact("field of a dipole", "vector", shell(6000, 3, 0.7, 2.0), fixed, la.same(axial) + scaled(3, -3.0), *FREE),
        exact("any dipole, any place", "vector",
              lambda g: np.stack([shell(10_000, 3, 0.7, 2.0)(g), g.standard_normal((10_000, 3))], 1),
              lambda x: dipole_field(x[:, 0], x[:, 1]), la.same(so3), *SAME),
        exact("torque of a soft lever", "vector", normal(6000, 2, 3),
              lambda x: np.cross(x[:, 0], x[:, 1]) / (1 + square(x[:, 0]))[:, None], la.same(so3), *SAME),
        exact("velocity of a momentum", "vector", normal(4000, 3, spread=1.5),
              lambda x: x / np.sqrt(1 + square(x))[:, None], la.same(so3), *FREE),
        exact("pull of two on a third", "vector", normal(10_000, 3, 3), pulled, la.same(so3) + still, *AFFINE, *FREE),
        exact("halo of dark matter, few rows", "vector", shell(600, 2, 0.3, 3.0),
              lambda x: -x / norm(x)[:, None] ** 1.4, la.same(la.so(2)) + scaled(2, -0.4), *FREE),
        exact("slope of a hat, four dimensions", "vector", normal(10_000, 4, spread=0.8),
              lambda x: x * (1.5 - square(x))[:, None] * np.exp(-square(x) / 2)[:, None], la.same(la.so(4)), *SAME),
        exact("moment of three charges", "vector", normal(8000, 3, 3, spread=0.8), charges, la.same(so3), *SAME),
    ]  # fmt: skip
