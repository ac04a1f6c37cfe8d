"""Distributions: exact symmetries, and densities that rotations nearly keep.

η of a distribution is the total variation E max(1 − p_g/p, 0) to its mean over the group; seen is what nearest
neighbours tell between the points and as many that random elements moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import logsumexp

from witness_suite import algebra as la
from witness_suite.algebra import Algebra
from witness_suite.case import Array, Case, Function, Sample, in_random_coordinates
from witness_suite.distance import sphere
from witness_suite.draws import norm, square

LINEAR = ("--space", "linear")
PointDraw = Callable[[int, np.random.Generator], Array]
# Neighbours that are asked, and shuffles of the labels for the error of their answer.
_NEIGHBOURS, _SHUFFLES = 10, 40
_SIGMAS = 2.3


@dataclass(frozen=True)
class Unfair:
    """Rotations about the origin do not keep the density; without ``rotations`` nothing symmetric is near."""

    rotations: bool = True

    def measured(self, case: Case, sample: Sample, seed: int, noise: float) -> dict[str, object]:
        """``eta`` in total variation, ``visible`` by neighbours."""
        if sample.log_density is None or not self.rotations:
            return {"eta": 1.0, "visible": True}
        rng = np.random.default_rng([seed, 9])
        x = sample.x[:3000]
        d = x.shape[1]
        directions, radii = sphere(d, 720 if d == 2 else 1500), norm(x)
        around = np.stack([sample.log_density(radii[:, None] * n) for n in directions])
        mean = logsumexp(around, axis=0) - np.log(len(directions))
        eta = float(np.maximum(1 - np.exp(np.minimum(mean - sample.log_density(x), 0.0)), 0.0).mean())
        half = rng.permutation(len(sample.x))
        still, other = sample.x[half[: len(half) // 2]], sample.x[half[len(half) // 2 :]]
        v = rng.standard_normal(other.shape)
        turned = norm(other)[:, None] * v / norm(v)[:, None]
        return {"eta": eta, "visible": told_apart(still, turned, rng) > _SIGMAS}


def told_apart(a: Array, b: Array, rng: np.random.Generator) -> float:
    """How far the share of neighbours of one's own kind lies above chance, in its standard deviations."""
    points = np.concatenate([a, b])
    mine = np.arange(len(points)) < len(a)
    near = cKDTree(points / points.std(0)).query(points / points.std(0), k=_NEIGHBOURS + 1)[1][:, 1:]
    shuffled = []
    for _ in range(_SHUFFLES):
        other = rng.permutation(mine)
        shuffled.append((other[near] == other[:, None]).mean())
    return float(((mine[near] == mine[:, None]).mean() - np.mean(shuffled)) / np.std(shuffled))


def points_case(
    name: str,
    family: str,
    draw: PointDraw,
    log_density: Function | None,
    n: int,
    algebra: Algebra,
    unfair: Unfair | None,
    *argv: str,
) -> Case:
    """One distribution."""

    def sample(rng: np.random.Generator) -> Sample:
        return Sample(draw(n, rng), None, algebra, log_density=log_density)

    return Case(name, family, "points", sample, algebra.dimension, argv or LINEAR, 0.0, unfair)


def rejected(proposal: PointDraw, accept: Callable[[Array], Array]) -> PointDraw:
    """Points of a proposal that are kept with the given chance."""

    def draw(n: int, rng: np.random.Generator) -> Array:
        kept: list[Array] = []
        while sum(map(len, kept)) < n:
            x = proposal(2 * n, rng)
            kept.append(x[rng.random(len(x)) < accept(x)])
        return np.concatenate(kept)[:n]

    return draw


def gaussian(d: int) -> PointDraw:
    """Normal points."""
    return lambda n, rng: rng.standard_normal((n, d))


def ring(d: int, width: float, radius: float = 1.0) -> tuple[PointDraw, Function]:
    """Uniform directions, normal radii."""

    def draw(n: int, rng: np.random.Generator) -> Array:
        v = rng.standard_normal((n, d))
        return np.asarray(v / norm(v)[:, None] * np.abs(radius + width * rng.standard_normal((n, 1))))

    return draw, lambda x: -((norm(x) - radius) ** 2) / 2 / width**2 - (d - 1) * np.log(norm(x) + 1e-300)


def mixture(centres: Array, width: float) -> tuple[PointDraw, Function]:
    """Equal normal blobs."""

    def draw(n: int, rng: np.random.Generator) -> Array:
        return centres[rng.integers(len(centres), size=n)] + width * rng.standard_normal((n, centres.shape[1]))

    return draw, lambda x: logsumexp(-square(x[:, None] - centres) / 2 / width**2, axis=1)


def normal_density(x: Array) -> Array:
    """−|x|²/2."""
    return -square(x) / 2


def student(n: int, rng: np.random.Generator) -> Array:
    """Student's t of three degrees in space."""
    return np.asarray(rng.standard_normal((n, 3)) / np.sqrt(rng.chisquare(3, (n, 1)) / 3))


def ball(d: int) -> PointDraw:
    """Uniform in the unit ball."""

    def draw(n: int, rng: np.random.Generator) -> Array:
        v = rng.standard_normal((n, d))
        return np.asarray(v / norm(v)[:, None] * rng.random((n, 1)) ** (1 / d))

    return draw


def two_rings(n: int, rng: np.random.Generator) -> Array:
    """A torus: two independent rings."""
    return np.concatenate([ring(2, 0.1)[0](n, rng), ring(2, 0.2, 2.0)[0](n, rng)], 1)


def exact() -> Iterator[Case]:
    """Distributions with a symmetry."""
    p = points_case
    axial = la.so(2, 0, 1, dimension=3)

    def orbital(x: Array) -> Array:
        return np.log(x[:, 2] ** 2 + 1e-300) - 2 * norm(x)

    def around_a_pole(x: Array) -> Array:
        return 2.5 * x[:, 2] / norm(x) + ring(3, 0.1)[1](x)

    orbital_draw = rejected(lambda n, g: 1.6 * student(n, g), lambda x: np.minimum(
        1.0, x[:, 2] ** 2 * np.exp(-2 * norm(x)) * (1 + square(x) / 1.6**2 / 3) ** 3 * 3))  # fmt: skip
    yield in_random_coordinates(p("normal points", "exact", gaussian(2), normal_density, 5000, la.so(2), None))
    yield in_random_coordinates(
        p("normal points of four", "exact", gaussian(4), normal_density, 20_000, la.so(4), None)
    )
    yield p("ring", "exact", *ring(2, 0.1), 8000, la.so(2), None)
    yield p("ring, few rows", "exact", *ring(2, 0.15), 1500, la.so(2), None)
    yield in_random_coordinates(p("shell", "exact", *ring(3, 0.1), 20_000, la.so(3), None))
    yield p("student's cloud", "exact", student, lambda x: -3 * np.log1p(square(x) / 3), 10_000, la.so(3), None)
    yield in_random_coordinates(p("ellipse, filled", "exact", ball(2), lambda x: np.where(norm(x) < 1, 0.0, -np.inf),
                                  10_000, la.so(2), None))  # fmt: skip
    yield p("ball, filled", "exact", ball(3), lambda x: np.where(norm(x) < 1, 0.0, -np.inf), 20_000, la.so(3), None,
            "--space", "affine")  # fmt: skip
    yield p("ring beside a laplace", "exact",
            lambda n, g: np.concatenate([ring(2, 0.15)[0](n, g), g.laplace(size=(n, 1))], 1),
            lambda x: ring(2, 0.15)[1](x[:, :2]) - np.abs(x[:, 2]), 15_000, axial, None)  # fmt: skip
    yield p("torus", "exact", two_rings, lambda x: ring(2, 0.1)[1](x[:, :2]) + ring(2, 0.2, 2.0)[1](x[:, 2:]), 20_000,
            la.so(2, 0, 1, dimension=4) + la.so(2, 2, 3, dimension=4), None)  # fmt: skip
    yield p("orbital 2p", "exact", orbital_draw, orbital, 15_000, axial, None)
    yield p("around a pole", "exact",
            rejected(ring(3, 0.1)[0], lambda x: np.exp(2.5 * (x[:, 2] / norm(x) - 1))), around_a_pole, 15_000, axial,
            None)  # fmt: skip


def modulated() -> Iterator[Case]:
    """Rings and normal clouds with a k-fold density."""
    for k in (2, 3, 5, 8, 12, 16, 24):
        for a, n in ((0.15, 8000), (0.5, 20_000)):

            def share(x: Array, k: int = k, a: float = a) -> Array:
                angle = np.arctan2(x[:, 1], x[:, 0])
                return (1 + a * np.cos(k * angle)) / (1 + a)

            base, density = ring(2, 0.1) if k % 2 else (gaussian(2), normal_density)
            yield points_case(f"{k}-fold density {a}", "k-fold densities", rejected(base, share),
                              lambda x, s=share, b=density: b(x) + np.log(s(x)), n, la.none(2), Unfair())  # fmt: skip
    for k in (3, 4, 6):

        def on_sphere(x: Array, k: int = k) -> Array:
            z = (x[:, 0] + 1j * x[:, 1]) / norm(x)
            return (1 + 0.8 * (z**k).real) / 1.8

        yield points_case(f"{k}-fold shell", "k-fold densities", rejected(ring(3, 0.1)[0], on_sphere),
                          lambda x, s=on_sphere: ring(3, 0.1)[1](x) + np.log(s(x)), 20_000, la.none(3),
                          Unfair())  # fmt: skip


def blobs() -> Iterator[Case]:
    """Blobs on a circle and on corners."""
    for m in (5, 8, 12, 20):
        for width in (0.1, 0.18):
            angle = 2 * np.pi * np.arange(m) / m
            centres = np.stack([np.cos(angle), np.sin(angle)], 1)
            yield points_case(f"{m} blobs of {width} on a circle", "blobs", *mixture(centres, width), 15_000,
                              la.none(2), Unfair())  # fmt: skip
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) / 3**0.5
    faces = np.concatenate([np.eye(3), -np.eye(3)])
    for name, centres in (("cube", corners), ("octahedron", faces), ("cuboctahedron", edges())):
        for width in (0.15, 0.3):
            yield points_case(f"blobs of {width} on a {name}", "blobs", *mixture(centres, width), 20_000, la.none(3),
                              Unfair())  # fmt: skip


def edges() -> Array:
    """Twelve corners of a cuboctahedron on the unit sphere."""
    return np.array([np.roll([0.0, i, j], s) for s in range(3) for i in (-1, 1) for j in (-1, 1)]) / 2**0.5


def local() -> Iterator[Case]:
    """A normal cloud with a bump or a hole."""
    for w in (0.12, 0.3):
        for part in (0.04, 0.15):
            c = np.array([1.0, 0.4])

            def draw(n: int, rng: np.random.Generator, w: float = w, part: float = part, c: Array = c) -> Array:
                x = rng.standard_normal((n, 2))
                inside = rng.random(n) < part
                return np.where(inside[:, None], c + w * x, x)

            def density(x: Array, w: float = w, part: float = part, c: Array = c) -> Array:
                return np.log((1 - part) * np.exp(-square(x) / 2) + part / w**2 * np.exp(-square(x - c) / 2 / w**2))

            yield points_case(f"bump of {w} with {part} of the points", "bumps and holes", draw, density, 12_000,
                              la.none(2), Unfair())  # fmt: skip
    for r in (0.25, 0.6):

        def outside(x: Array, r: float = r) -> Array:
            return (norm(x - np.array([0.9, 0.0])) > r) + 1e-12

        yield points_case(f"hole of {r}", "bumps and holes", rejected(gaussian(2), lambda x, o=outside: o(x) > 0.5),
                          lambda x, o=outside: normal_density(x) + np.log(o(x)), 12_000, la.none(2),
                          Unfair())  # fmt: skip


def shapes() -> Iterator[Case]:
    """Supports and densities with corners."""
    inside = {
        "square": lambda x: np.abs(x).max(1) < 0.9, "diamond": lambda x: np.abs(x).sum(1) < 1.2,
        "hexagon": lambda x: np.abs(x @ np.array([[1.0, 0.5, -0.5], [0.0, 0.75**0.5, 0.75**0.5]])).max(1) < 0.95,
        "annulus off its centre": lambda x: (norm(x) < 1.2) & (norm(x - np.array([0.2, 0.0])) > 0.5),
    }  # fmt: skip
    for name, f in inside.items():
        yield points_case(name, "shapes", rejected(lambda n, g: g.uniform(-1.5, 1.5, (n, 2)), f),
                          lambda x, f=f: np.log(f(x) + 1e-12), 10_000, la.none(2), Unfair())  # fmt: skip
    yield points_case("cube", "shapes", lambda n, g: g.uniform(-1, 1, (n, 3)),
                      lambda x: np.log((np.abs(x).max(1) < 1) + 1e-12), 15_000, la.none(3), Unfair())  # fmt: skip
    for d in (2, 3):
        yield points_case(f"laplace of {d}", "shapes", lambda n, g, d=d: g.laplace(size=(n, d)),
                          lambda x: -np.abs(x).sum(1), 12_000, la.none(d), Unfair())  # fmt: skip
        yield points_case(f"logistic of {d}", "shapes", lambda n, g, d=d: g.logistic(size=(n, d)),
                          lambda x: -(np.abs(x) + 2 * np.log1p(np.exp(-np.abs(x)))).sum(1), 20_000, la.none(d),
                          Unfair())  # fmt: skip
    yield points_case("gammas", "shapes", lambda n, g: np.stack([g.gamma(2.0, size=n), g.gamma(5.0, size=n)], 1), None,
                      8000, la.none(2), Unfair(rotations=False), "--space", "affine")  # fmt: skip
    yield points_case("clipped cloud", "shapes", rejected(gaussian(2), lambda x: x[:, 0] < 1.0),
                      lambda x: normal_density(x) + np.log((x[:, 0] < 1.0) + 1e-12), 10_000, la.none(2),
                      Unfair())  # fmt: skip


def stored() -> Iterator[Case]:
    """Points stored several times, and points on a grid."""
    for distinct, times in ((60, 40), (400, 12)):
        yield points_case(f"{distinct} points {times} times", "stored points",
                          lambda n, g, m=distinct: np.repeat(g.laplace(size=(m, 2)), n // m, 0), None,
                          distinct * times, la.none(2), Unfair(rotations=False))  # fmt: skip
    for grid in (0.5, 1.0):
        yield points_case(f"normal points rounded to {grid}", "stored points",
                          lambda n, g, q=grid: q * np.round(g.standard_normal((n, 2)) / q), None, 8000, la.none(2),
                          Unfair(rotations=False))  # fmt: skip


def points() -> list[Case]:
    """Exact ones first."""
    return [*exact(), *modulated(), *blobs(), *local(), *shapes(), *stored()]
