"""Inputs that do not fill their space: collinear, categorical, blind, stored several times."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from witness_suite import algebra as la
from witness_suite.attacks.builder import attack
from witness_suite.case import Array, Case, Function, Sample
from witness_suite.distance import Breaking, over_directions, unbounded
from witness_suite.draws import Draw, square

NOTHING = unbounded("nothing")


def beside(n: int, width: float, extra: int = 0) -> Draw:
    """(t, t + width·noise, …)."""

    def draw(rng: np.random.Generator) -> Array:
        t = rng.standard_normal((n, 1))
        return np.concatenate([t, t + width * rng.standard_normal((n, 1)), rng.standard_normal((n, extra))], 1)

    return draw


def near_plane(n: int, width: float) -> Draw:
    """(s, t, s − t + width·noise)."""

    def draw(rng: np.random.Generator) -> Array:
        x = rng.standard_normal((n, 2))
        return np.concatenate([x, x[:, :1] - x[:, 1:] + width * rng.standard_normal((n, 1))], 1)

    return draw


def collinear() -> Iterator[Case]:
    """Two inputs that say nearly the same: fields that leave their line are no symmetries of anything seen."""
    one: dict[str, Function] = {
        "cube": lambda x: x[:, 0] ** 3, "exponential": lambda x: np.exp(x[:, 0]),
        "sine of the sum": lambda x: np.sin(x[:, 0] + x[:, 1]),
    }  # fmt: skip
    for width in (0.003, 0.02, 0.1):
        for name, f in one.items():
            yield attack(f"collinear pair, {name}, width {width}", "collinear", beside(5000, width), f, la.none(2),
                         NOTHING, noise=0.01)  # fmt: skip
    for width in (0.01, 0.05):
        yield attack(f"collinear pair and a third, width {width}", "collinear", beside(6000, width, 1),
                     lambda x: np.cosh(x[:, 0]) + x[:, 2] ** 3, la.none(3), NOTHING, noise=0.01)  # fmt: skip
        yield attack(f"collinear pair and two more, width {width}", "collinear", beside(8000, width, 2),
                     lambda x: np.sin(2 * x[:, 1]) + np.log(0.5 + square(x[:, 2:])),
                     la.so(2, 2, 3, dimension=4), NOTHING, noise=0.01)  # fmt: skip
        yield attack(f"nearly a plane, width {width}", "collinear", near_plane(6000, width),
                     lambda x: square(x[:, :2]) + 0.5 * x[:, 0] ** 3, la.none(3), NOTHING)  # fmt: skip
    yield attack("exactly a plane", "collinear", near_plane(5000, 0.0), lambda x: x[:, 0] ** 4 + x[:, 1] ** 3,
                 la.none(3), NOTHING, noise=0.01, tags=("degenerate",))  # fmt: skip


def categorical() -> Iterator[Case]:
    """Columns that cannot flow: one-hot groups, yes and no, integers of few values."""

    def with_levels(n: int, d: int, levels: int) -> Draw:
        def draw(rng: np.random.Generator) -> Array:
            return np.concatenate([rng.standard_normal((n, d)), np.eye(levels)[rng.integers(0, levels, n)]], 1)

        return draw

    def with_integers(n: int, d: int, most: int) -> Draw:
        def draw(rng: np.random.Generator) -> Array:
            return np.concatenate([rng.standard_normal((n, d)), rng.integers(0, most + 1, (n, 1)) + 0.0], 1)

        return draw

    effects = np.array([0.0, 1.0, -2.0, 4.0, 2.5])
    for levels in (2, 3, 5):
        for strength in (0.3, 3.0):
            turned = la.so(2, 0, 1, dimension=2 + levels)
            yield attack(f"one-hot of {levels} beside a skew bowl, effect {strength}", "categorical",
                         with_levels(5000, 2, levels),
                         lambda x, q=levels, s=strength: square(x[:, :2]) + 0.4 * x[:, 0] ** 3
                         + s * x[:, 2:] @ effects[:q],
                         la.none(2 + levels), NOTHING, noise=0.01, tags=("degenerate",))  # fmt: skip
            yield attack(f"one-hot of {levels} beside a log, effect {strength}", "categorical",
                         with_levels(5000, 2, levels),
                         lambda x, q=levels, s=strength: np.log(0.3 + square(x[:, :2]))
                         * (1 + s * x[:, 2:] @ effects[:q]),
                         turned, NOTHING, noise=0.01, tags=("degenerate",))  # fmt: skip
    for most in (1, 3, 6):
        yield attack(f"integer up to {most} and a cubic", "categorical", with_integers(5000, 2, most),
                     lambda x: square(x[:, :2]) + 0.4 * x[:, 1] ** 3 + 0.5 * x[:, 2], la.none(3), NOTHING, noise=0.01,
                     tags=("degenerate",))  # fmt: skip
        yield attack(f"integer up to {most} as a factor", "categorical", with_integers(5000, 2, most),
                     lambda x: np.exp(-square(x[:, :2]) / 2) * (1 + x[:, 2]), la.so(2, 0, 1, dimension=3), NOTHING,
                     noise=0.02, tags=("degenerate",))  # fmt: skip


def blind() -> Iterator[Case]:
    """F depends on a projection of x: what is left over along the blind directions is no symmetry."""
    for d, u in ((3, [1.0, 1.0, 1.0]), (3, [2.0, -1.0, 0.5]), (4, [1.0, 1.0, 1.0, 1.0]), (4, [1.0, -2.0, 0.0, 2.0])):
        w = np.asarray(u) / np.linalg.norm(u)
        seen = np.linalg.svd(w[None])[2][1:].T  # (d, d − 1)
        kept = la.linear(*(seen @ la.turn(d - 1, i, j) @ seen.T for i in range(d - 1) for j in range(i + 1, d - 1)))
        yield blind_case(f"blind direction {u}, radial", d, lambda x, p=seen: np.sin(square(x @ p)), kept, seen)
        yield blind_case(f"blind direction {u}, skew", d,
                         lambda x, p=seen: np.log(0.5 + square(x @ p)) + 0.4 * (x @ p)[:, 0] ** 3 * (x @ p)[:, -1],
                         la.none(d), seen)  # fmt: skip
    for d in (3, 5):
        v = np.ones(d) / np.sqrt(d)
        w = np.arange(d) - (d - 1) / 2
        seen = np.stack([v, w / np.linalg.norm(w)], 1)
        yield blind_case(f"two directions of {d}, product", d,
                         lambda x, p=seen: np.tanh((x @ p)[:, 0]) * np.sin(2 * (x @ p)[:, 1]), la.none(d),
                         seen)  # fmt: skip


def blind_case(name: str, d: int, f: Function, kept: la.Algebra, seen: Array) -> Case:
    """One function of x @ seen."""

    def draw(rng: np.random.Generator) -> Sample:
        return Sample(rng.standard_normal((6000, d)), f, kept, live=seen)

    return Case(name, "blind directions", "function", draw, kept.dimension, (), 0.01, NOTHING)


def waves(d: int, number: int) -> Function:
    """A sum of waves and a cubic of fixed random directions: nothing is kept."""
    rng = np.random.default_rng([d, number])
    k, a = rng.standard_normal((4, d)), rng.uniform(0.5, 1.0, 4)
    c = rng.standard_normal(d)
    return lambda x: square(x) / 2 + np.sin(x @ k.T) @ a + 0.3 * (x @ c) ** 3 / d


def duplicates() -> Iterator[Case]:
    """Few rows stored many times, with the same noise or with fresh noise."""
    for distinct, times in ((40, 50), (100, 30), (300, 10), (1000, 5)):
        for d in (2, 3):
            for fresh in (True, False):
                how = "fresh noise" if fresh else "same noise"
                yield repeated(f"{distinct} rows {times} times, {d} dimensions, {how}", d, distinct, times, fresh)


def repeated(name: str, d: int, distinct: int, times: int, fresh: bool) -> Case:
    """Each row ``times`` times."""

    def draw(rng: np.random.Generator) -> Sample:
        x = np.repeat(rng.standard_normal((distinct, d)), times, 0)
        order = rng.permutation(len(x))
        which = np.repeat(np.arange(distinct), times)[order]

        def same(clean: Array, share: float, g: np.random.Generator) -> Array:
            return share * clean.std(0) * g.standard_normal((distinct, clean.shape[1]))[which]

        return Sample(x[order], waves(d, distinct), la.none(d), noise=None if fresh else same)

    breaking: Breaking = over_directions(d, 512)
    return Case(name, "duplicate rows", "function", draw, 0, (), 0.05, breaking)
