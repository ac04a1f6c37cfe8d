"""Distributions of rows and small functions of vectors that cases share. Last axis: coordinates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from witness_suite.case import Array

Draw = Callable[[np.random.Generator], Array]


def normal(n: int, *shape: int, spread: float = 1.0) -> Draw:
    """Standard normal coordinates times ``spread``."""
    return lambda rng: spread * rng.standard_normal((n, *shape))


def box(n: int, *shape: int, low: float = -1.0, high: float = 1.0) -> Draw:
    """Uniform coordinates."""
    return lambda rng: rng.uniform(low, high, (n, *shape))


def shell(n: int, d: int, low: float, high: float) -> Draw:
    """Uniform directions, uniform radii."""

    def draw(rng: np.random.Generator) -> Array:
        v = rng.standard_normal((n, d))
        return np.asarray(v / norm(v)[:, None] * rng.uniform(low, high, (n, 1)))

    return draw


def positive(n: int, d: int, width: float = 0.4) -> Draw:
    """Log-normal coordinates."""
    return lambda rng: np.exp(width * rng.standard_normal((n, d)))


def bodies(n: int, k: int, d: int, least: float, most: float = np.inf) -> Draw:
    """Normal positions of k bodies of which no two are nearer than ``least`` nor farther than ``most``."""

    def draw(rng: np.random.Generator) -> Array:
        kept: list[Array] = []
        while sum(map(len, kept)) < n:
            x = rng.standard_normal((4 * n, k, d))
            i, j = np.triu_indices(k, 1)
            apart = norm(x[:, i] - x[:, j])
            kept.append(x[(apart.min(1) > least) & (apart.max(1) < most)])
        return np.concatenate(kept)[:n]

    return draw


def particles(n: int, k: int, light: float = 0.3, heavy: float = 1.5) -> Draw:
    """(E, p) of k particles, normal momenta, masses uniform."""

    def draw(rng: np.random.Generator) -> Array:
        p, m = rng.standard_normal((n, k, 3)), rng.uniform(light, heavy, (n, k, 1))
        return np.concatenate([np.sqrt(m**2 + np.square(p).sum(2, keepdims=True)), p], 2)

    return draw


def side_by_side(*draws: Draw) -> Draw:
    """Independent blocks of coordinates of one object."""
    return lambda rng: np.concatenate([draw(rng) for draw in draws], 1)


def square(x: Array) -> Array:
    """|x|²."""
    return np.asarray(np.square(x).sum(-1))


def norm(x: Array) -> Array:
    """|x|."""
    return np.asarray(np.sqrt(square(x)))


def apart(x: Array, i: int, j: int) -> Array:
    """|x_i − x_j|."""
    return norm(x[:, i] - x[:, j])


def dot(x: Array, y: Array) -> Array:
    """x·y."""
    return np.asarray((x * y).sum(-1))


def minkowski(x: Array, y: Array) -> Array:
    """x₀y₀ − x·y."""
    return np.asarray(x[..., 0] * y[..., 0] - (x[..., 1:] * y[..., 1:]).sum(-1))


def plane(x: Array) -> Array:
    """x₀ + i x₁ for the last axis of two."""
    return np.asarray(x[..., 0] + 1j * x[..., 1])


def vector(z: Array) -> Array:
    """(Re z, Im z)."""
    return np.stack([z.real, z.imag], -1)
