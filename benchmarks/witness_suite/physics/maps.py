"""Steps x ↦ F(x) that commute with a flow."""

from __future__ import annotations

import numpy as np

from witness_suite import algebra as la
from witness_suite.case import Array, Case, in_random_coordinates
from witness_suite.draws import box, norm, normal, plane, positive, square, vector
from witness_suite.physics.builder import AFFINE, exact


def twist(x: Array) -> Array:
    """The twist z ↦ z exp(2i/(1 + |z|²))·(1.2 − tanh |z|²/2)."""
    z = plane(x)
    return vector(z * np.exp(2j / (1 + np.abs(z) ** 2)) * (1.2 - np.tanh(np.abs(z) ** 2) / 2))


def rings(x: Array) -> Array:
    """Two circle maps that pull at each other."""
    pull = np.sin(x[:, 1] - x[:, 0])
    return x + np.stack([0.7 + 0.9 * pull, -0.3 - 0.4 * pull], 1)


def competition(x: Array) -> Array:
    """Two species that share what there is: shares matter, numbers scale."""
    share = x[:, :1] / x.sum(1, keepdims=True)
    return x * np.exp(np.concatenate([0.8 - 1.4 * share, -0.5 + 1.1 * share**2], 1))


def map_cases() -> list[Case]:
    """Maps."""
    return [
        in_random_coordinates(exact("twist of the plane", "map", normal(5000, 2), twist, la.so(2), kind="map")),
        exact("saturating step", "map", normal(5000, 3),
              lambda x: x * (1.4 / np.sqrt(0.2 + square(x)) + 0.2 * np.cos(2 * norm(x)))[:, None], la.so(3),
              kind="map"),
        exact("two circle maps", "map", box(5000, 2, low=-np.pi, high=np.pi), rings, la.translations(2, [1.0, 1.0]),
              *AFFINE, kind="map"),
        exact("two species by shares", "map", positive(4000, 2, 0.6), competition, la.dilation(2), kind="map"),
    ]  # fmt: skip
