"""A radial function and something along one direction: ripples, steps, kinks; and the k-fold angle."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from witness_suite import algebra as la
from witness_suite.algebra import Algebra
from witness_suite.attacks.builder import attack
from witness_suite.case import Array, Case
from witness_suite.distance import over_directions, over_planes
from witness_suite.draws import normal, plane, square

BASES: dict[str, Callable[[Array], Array]] = {
    "bowl": lambda x: square(x) / 2,
    "log": lambda x: np.log(0.3 + square(x)),
    "bell": lambda x: 2 * np.exp(-square(x) / 3),
    "waves": lambda x: np.sin(square(x)),
}
# Directions of what breaks: an axis, or oblique.
OBLIQUE = {2: np.array([0.8, 0.6]), 3: np.array([2.0, -1.0, 2.0]) / 3, 4: np.array([1.0, 1.0, -1.0, 1.0]) / 2}


def around(u: Array) -> Algebra:
    """Rotations that leave u alone."""
    d = len(u)
    across = np.linalg.svd(u[None])[2][1:]
    turns = [np.outer(across[j], across[i]) - np.outer(across[i], across[j])
             for i in range(d - 1) for j in range(i + 1, d - 1)]  # fmt: skip
    return la.linear(*turns) if turns else la.none(d)


def along(
    family: str, name: str, base: str, term: Callable[[Array], Array], d: int, n: int, noise: float, oblique: bool
) -> Case:
    """Base(|x|) + term(u·x): so(d) seems to hold, rotations about u do."""
    u = OBLIQUE[d] if oblique else np.eye(d)[0]
    # Directions of low discrepancy resolve waves of length 1/30 of the radius.
    nodes = {2: 2048, 3: 4000, 4: 4096}[d]
    where = " oblique" if oblique else ""
    return attack(f"{name}{where}, {base}, {d} dimensions, {n} rows", family, normal(n, d),
                  lambda x: BASES[base](x) + term(x @ u), around(u), over_directions(d, nodes, u),
                  noise=noise)  # fmt: skip


def ripples() -> Iterator[Case]:
    """Waves a cos(k u·x), by wave number, amplitude, dimension, direction and noise."""

    def ripple(a: float, k: float) -> Callable[[Array], Array]:
        return lambda s: a * np.cos(k * s)

    for i, k in enumerate((4, 7, 11, 18, 30)):
        for j, a in enumerate((0.04, 0.12)):
            for noise, n in ((0.0, 5000), (0.05, 20_000)):
                base = list(BASES)[(i + j) % 3]
                yield along("ripples", f"ripple k {k} a {a}", base, ripple(a, k), 2, n, noise, (i + j) % 2 == 1)
    for i, k in enumerate((5, 9, 14)):
        for a in (0.08, 0.25):
            for noise, n in ((0.01, 8000), (0.1, 20_000)):
                yield along("ripples", f"ripple k {k} a {a}", list(BASES)[i], ripple(a, k), 3, n, noise, a > 0.1)
    for k in (4, 8):
        for a in (0.15, 0.4):
            for noise in (0.01, 0.05):
                yield along("ripples", f"ripple k {k} a {a}", "bowl", ripple(a, k), 4, 20_000, noise, k == 4)


def steps() -> Iterator[Case]:
    """Steps a tanh((u·x − 0.3)/s)."""
    for s in (0.005, 0.05, 0.3):
        for a in (0.04, 0.15, 0.5):
            for d, n in ((2, 5000), (3, 12_000)):
                noise = 0.01 if a < 0.1 else 0.05

                def step(t: Array, a: float = a, s: float = s) -> Array:
                    return a * np.tanh((t - 0.3) / s)

                yield along("steps", f"step {s} a {a}", "log" if a < 0.1 else "bowl", step, d, n, noise, d == 3)


def kinks() -> Iterator[Case]:
    """Kinks a |u·x − c|."""
    for c in (0.0, 0.7):
        for a in (0.06, 0.25):
            for d, n in ((2, 5000), (3, 10_000)):

                def kink(t: Array, a: float = a, c: float = c) -> Array:
                    return a * np.abs(t - c)

                yield along("kinks", f"kink at {c} a {a}", "bell" if a < 0.1 else "bowl", kink, d, n, 0.01, d == 2)


def fold(k: int, a: float) -> Callable[[Array], Array]:
    """Folds a cos kθ s^k with s = |z|/√(0.1 + |z|²): smooth at the centre."""

    def f(x: Array) -> Array:
        z = plane(x[..., :2])
        # Powers of the bounded ratio stay finite for any k.
        return a * ((z / np.sqrt(0.1 + np.abs(z) ** 2)) ** k).real

    return f


def angles() -> Iterator[Case]:
    """A k-fold angle on a radial function of the plane, of space, of two planes."""
    for i, k in enumerate((3, 4, 5, 6, 8, 9, 12, 16, 20, 24, 30, 40, 60)):
        for j, a in enumerate((0.06, 0.3)):
            noise = (0.0, 0.05, 0.02)[(i + j) % 3]
            base = list(BASES)[(i + 2 * j) % 4]
            term = fold(k, a)
            yield attack(f"{k}-fold a {a}, {base}", "k-fold angles", normal(5000 if k < 9 else 20_000, 2),
                         lambda x, b=base, t=term: BASES[b](x) + t(x), la.none(2), over_directions(2, 2048),
                         noise=noise)  # fmt: skip
    for k in (3, 4, 6, 12):
        for a in (0.15, 0.5):
            term = fold(k, a)
            yield attack(f"{k}-fold a {a}, space", "k-fold angles", normal(15_000, 3),
                         lambda x, t=term: np.log(0.5 + square(x)) + t(x), la.none(3), over_directions(3, 4000),
                         noise=0.02)  # fmt: skip
    for k in (3, 5, 8, 12):
        term = fold(k, 0.25)
        yield attack(f"{k}-fold in one of two planes", "k-fold angles", normal(20_000, 4),
                     lambda x, t=term: np.exp(-square(x[:, :2]) / 2) + 0.4 * square(x[:, 2:]) + t(x),
                     la.so(2, 2, 3, dimension=4), over_planes(4, 512), noise=0.02)  # fmt: skip


def bumps() -> Iterator[Case]:
    """A local bump on a radial function, by width, place and height."""
    for w in (0.1, 0.2, 0.45):
        for place in ((0.7, 0.0), (1.5, 1.2)):
            for a in (0.8, 3.0):
                c = np.asarray(place)
                yield attack(f"bump width {w} at {place[0]} height {a}", "bumps",
                             normal(5000 if w > 0.3 else 15_000, 2),
                             lambda x, c=c, w=w, a=a: np.log(0.3 + square(x)) + a * np.exp(-square(x - c) / 2 / w**2),
                             la.none(2), over_directions(2, 1024), noise=0.01)  # fmt: skip
    for w in (0.25, 0.5):
        for a in (1.0, 3.0):
            c = np.array([0.6, 0.8, 0.3])
            yield attack(f"bump in space width {w} height {a}", "bumps", normal(12_000, 3),
                         lambda x, c=c, w=w, a=a: square(x) / 2 + a * np.exp(-square(x - c) / 2 / w**2),
                         around(c / np.linalg.norm(c)), over_directions(3, 4000), noise=0.02)  # fmt: skip
    for w in (0.2, 0.5):
        centres = np.array([[1.0, 0.3, 0.0], [-0.4, 0.9, 0.5], [0.2, -0.5, -1.1]])
        yield attack(f"three bumps in space width {w}", "bumps", normal(12_000, 3),
                     lambda x, w=w, c=centres: np.sin(square(x)) + 1.5 * np.exp(
                         -square(x[..., None, :] - c) / 2 / w**2).sum(-1),
                     la.none(3), over_directions(3, 4000), noise=0.02)  # fmt: skip


def anisotropies() -> Iterator[Case]:
    """A radial function and ε x₁² or ε x₁⁴ that no ellipse absorbs: one to ten per cent."""
    for epsilon in (0.01, 0.02, 0.05, 0.1):
        for d, n in ((2, 6000), (3, 12_000)):
            yield attack(f"log and {epsilon} of one axis, {d} dimensions", "weak anisotropy", normal(n, d),
                         lambda x, e=epsilon: np.log(0.3 + square(x)) + e * x[:, 0] ** 2, around(np.eye(d)[0]),
                         over_directions(d, 2048 if d == 2 else 4000, np.eye(d)[0]),
                         noise=0.0 if d == 2 else 0.02)  # fmt: skip
            yield attack(f"bowl and {epsilon} of a fourth power, {d} dimensions", "weak anisotropy", normal(n, d),
                         lambda x, e=epsilon: square(x) / 2 + e * x[:, 0] ** 4 / 2, around(np.eye(d)[0]),
                         over_directions(d, 2048 if d == 2 else 4000, np.eye(d)[0]), noise=0.01)  # fmt: skip
    for epsilon in (0.02, 0.1):
        yield attack(f"bell and {epsilon} of a direction, linear term", "weak anisotropy", normal(8000, 3),
                     lambda x, e=epsilon: np.exp(-square(x) / 3) + e * (x @ OBLIQUE[3]), around(OBLIQUE[3]),
                     over_directions(3, 4000), noise=0.01)  # fmt: skip
