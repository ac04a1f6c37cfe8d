"""Many bodies with a fixed axis, a preferred frame, a scale that breaks scalings, vector outputs, labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from witness_suite import algebra as la
from witness_suite.attacks.builder import attack
from witness_suite.attacks.waves import fold
from witness_suite.case import Array, Case, Sample
from witness_suite.distance import known, over_boosts, over_directions, over_planes, over_rotations, over_scalings
from witness_suite.draws import apart, minkowski, normal, particles, positive, square
from witness_suite.physics.bodies import softened
from witness_suite.physics.builder import AFFINE, DIAGONAL, SAME
from witness_suite.physics.particles import mass2
from witness_suite.physics.potentials import helical

# so(2) about z with all translations; with those along x and y alone.
SHIFTED = la.so(2, 0, 1, dimension=3) + la.translations(3)
LEVEL = la.so(2, 0, 1, dimension=3) + la.translations(3, [1.0, 0, 0], [0, 1.0, 0])


def tilted(x: Array) -> Array:
    """Σ (z_i − z_j)²/(0.3 + |x_i − x_j|²) over pairs."""
    i, j = np.triu_indices(x.shape[1], 1)
    return ((x[:, i, 2] - x[:, j, 2]) ** 2 / (0.3 + apart(x, i, j) ** 2)).sum(1)


def axes() -> Iterator[Case]:
    """Pair potentials with one term along a fixed axis, by bodies and strength."""
    for k, n in ((2, 6000), (3, 12_000), (4, 15_000)):
        for epsilon in (0.02, 0.06, 0.2):
            yield attack(f"{k} bodies, {epsilon} of a tilt", "many bodies", normal(n, k, 3),
                         lambda x, e=epsilon: softened(x, 0.4) + e * tilted(x), SHIFTED, over_rotations(512), *AFFINE,
                         noise=0.01)  # fmt: skip
            # The height has mean zero on every orbit of e(3) under normal positions.
            yield attack(f"{k} bodies, {epsilon} of a weight", "many bodies", normal(n, k, 3),
                         lambda x, e=epsilon: softened(x, 0.4) + e * x[:, :, 2].sum(1), LEVEL,
                         known(lambda x: softened(x, 0.4), "e(3)"), *AFFINE, noise=0.01)  # fmt: skip


def rest_density(x: Array) -> Array:
    """Of normal momenta with respect to d³p/E on each mass shell."""
    p = x.reshape(len(x), -1, 4)
    return np.asarray((-square(p[:, :, 1:]) / 2 + np.log(p[:, :, 0])).sum(1))


def frames() -> Iterator[Case]:
    """Lorentz invariants with a small part of the energy in one frame."""
    so3 = la.linear(*(np.pad(a, ((1, 0), (1, 0))) for a in la.so(3).a))
    boosts = over_boosts(rest_density, nodes=12)

    def alone(rng: np.random.Generator) -> Array:
        return particles(6000, 1, 0.2, 2.0)(rng)[:, 0]

    invariants: dict[int, Callable[[Array], Array]] = {
        1: lambda x: np.log(0.3 + minkowski(x, x)), 2: lambda x: np.log(mass2(x, 0, 1)),
        3: lambda x: np.sqrt(mass2(x, 0, 1, 2)),
    }  # fmt: skip
    for k, n in ((1, 6000), (2, 10_000), (3, 15_000)):
        draw = alone if k == 1 else particles(n, k)
        for epsilon in (0.01, 0.03, 0.1, 0.3):

            def f(x: Array, k: int = k, e: float = epsilon) -> Array:
                energy = x.reshape(len(x), -1, 4)[:, :, 0].sum(1)
                return invariants[k](x) + e * energy / k

            yield attack(f"{k} particles, {epsilon} of the energy", "preferred frames", draw, f, so3, boosts,
                         noise=0.01)  # fmt: skip


def scales() -> Iterator[Case]:
    """Power laws of which one factor has an offset."""
    for c in (0.02, 0.06, 0.2, 0.6):
        for width in (0.3, 0.6):

            def density(x: Array, s: float = width) -> Array:
                return -np.square(np.log(np.maximum(x, 1e-300))).sum(1) / (2 * s**2)

            lost = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 2.0]])
            lost = lost / np.linalg.norm(lost, axis=1, keepdims=True)
            yield attack(f"product with offset {c}, width {width}", "scalings with an offset", positive(4000, 3, width),
                         lambda x, c=c: (x[:, 0] + c) * x[:, 1] / x[:, 2], la.scalings([0, 1, 1]),
                         over_scalings(lost, density, 5 * width, 31), *DIAGONAL, noise=0.01)  # fmt: skip
        yield attack(f"square root with offset {c}", "scalings with an offset", positive(4000, 2, 0.5),
                     lambda x, c=c: np.sqrt(x[:, 0] / x[:, 1] + c * x[:, 0]), la.none(2),
                     over_scalings(np.array([[1.0, 1.0]]) / 2**0.5,
                                   lambda x: -np.square(np.log(np.maximum(x, 1e-300))).sum(1) / (2 * 0.5**2), 3.0, 201),
                     *DIAGONAL, noise=0.01)  # fmt: skip


def volumes() -> Iterator[Case]:
    """A volume and a screw with a part that has mean zero on every orbit under normal rows."""
    e = la.unit
    # Matrices that leave the first coordinate of every vector alone.
    still = la.linear(e(3, 1, 0), e(3, 2, 0), e(3, 1, 2), e(3, 2, 1), e(3, 1, 1) - e(3, 2, 2))
    for epsilon in (0.03, 0.06, 0.15):
        yield attack(f"volume of three vectors and {epsilon} of a coordinate", "volumes", normal(6000, 3, 3),
                     lambda x, a=epsilon: np.tanh(np.linalg.det(x)) + a * x[:, 0, 0], still,
                     known(lambda x: np.tanh(np.linalg.det(x)), "sl(3)"), noise=0.01)  # fmt: skip
        yield attack(f"helical wave and {epsilon} of a height", "screws", normal(8000, 3),
                     lambda x, a=epsilon: helical(x) + a * x[:, 2] / 2, la.none(3), known(helical, "a screw"),
                     *AFFINE, noise=0.01)  # fmt: skip


def vectors() -> Iterator[Case]:
    """Forces that nearly point to a centre."""
    for k in (3, 6, 12):
        for a in (0.08, 0.3):

            def force(x: Array, k: int = k, a: float = a) -> Array:
                return -x * ((1 + fold(k, a)(x)) / (0.3 + square(x)))[:, None]

            yield attack(f"central force with {k}-fold part {a}", "vector outputs", normal(8000, 2), force, la.none(2),
                         over_planes(2, 256), *SAME, noise=0.02)  # fmt: skip
    for a in (0.05, 0.2):
        yield attack(f"central force and a wind {a}", "vector outputs", normal(8000, 3),
                     lambda x, a=a: -x / (0.5 + square(x))[:, None] + a * np.array([0.0, 0.0, 1.0]),
                     la.same(la.so(2, 0, 1, dimension=3)), over_rotations(512), *SAME, noise=0.02)  # fmt: skip


def labels() -> Iterator[Case]:
    """Yes or no with a k-fold edge: F is the probability."""
    for k in (3, 8):
        for a in (0.15, 0.5):

            def chance(x: Array, k: int = k, a: float = a) -> Array:
                return 0.05 + 0.9 / (1 + np.exp(6 * (np.sqrt(square(x)) - 1.2 - fold(k, a)(x))))

            def draw(rng: np.random.Generator, f: Callable[[Array], Array] = chance) -> Sample:
                return Sample(rng.standard_normal((10_000, 2)), f, la.none(2),
                              labels=lambda p, g: (g.random(p.shape) < p) + 0.0)  # fmt: skip

            yield Case(f"labels with a {k}-fold edge {a}", "labels", "function", draw, 0, (), 0.0,
                       over_directions(2, 512))  # fmt: skip
