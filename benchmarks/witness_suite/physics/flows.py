"""Dynamics dx/dt = F(x): point symmetries among linear or affine fields, a rescaling of time allowed."""

from __future__ import annotations

import numpy as np

from witness_suite import algebra as la
from witness_suite.algebra import Algebra
from witness_suite.case import Array, Case, Function, Sample, in_random_coordinates
from witness_suite.draws import box, norm, normal, plane, positive, shell, side_by_side, square, vector
from witness_suite.physics.builder import AFFINE, DIAGONAL, exact


def moving(force: Function) -> Function:
    """(r, v) ↦ (v, force(r))."""

    def f(x: Array) -> Array:
        r, v = np.split(x, 2, axis=1)
        return np.concatenate([v, force(r)], 1)

    return f


def oscillators(frequencies: Array, strength: float, lag: float) -> Function:
    """θ̇_i = ω_i + K Σ_j sin(θ_j − θ_i − α)."""
    return lambda x: frequencies + strength * np.sin(x[:, None, :] - x[:, :, None] - lag).sum(2)


def rotors(x: Array) -> Array:
    """Two rotors on one shaft, friction of air and of oil: (θ₁, θ₂, ω₁, ω₂)."""
    twist = np.sin(x[:, 1] - x[:, 0])
    return np.stack([x[:, 2], x[:, 3], 1.5 * twist - 0.3 * x[:, 2] * np.abs(x[:, 2]), -0.8 * twist - 0.5 * x[:, 3]], 1)


def magnus(x: Array) -> Array:
    """A spinning ball in air: −|v|v + ω × v."""
    return -norm(x)[:, None] * x + np.cross([0.0, 0.0, 1.5], x)


def gyroscope(x: Array) -> Array:
    """L × I⁻¹L − 0.3|L|L, I = (1, 1, 2): homogeneous and axial."""
    return np.cross(x, x / np.array([1.0, 1.0, 2.0])) - 0.3 * norm(x)[:, None] * x


def trapped_charge(x: Array) -> Array:
    """A charge in a field across the plane and in a soft trap."""
    r, v = x[:, :2], x[:, 2:]
    return np.concatenate([v, 1.2 * v[:, ::-1] * [1, -1] - r / (1 + square(r))[:, None]], 1)


def relativistic_charge(x: Array) -> Array:
    """Momentum in a uniform field, ṗ = p × B/γ."""
    return np.cross(x, [0.0, 0.0, 2.0]) / np.sqrt(1 + square(x))[:, None]


def epidemic(x: Array) -> Array:
    """(S, I, R) with infection by share of the population: numbers scale."""
    new = 1.5 * x[:, 0] * x[:, 1] / x.sum(1)
    return np.stack([-new, new - 0.4 * x[:, 1], 0.4 * x[:, 1]], 1)


def reaction(x: Array) -> Array:
    """Rates of order 1.5 and 0.5: x scales with time."""
    rate = x[:, 0] ** 1.5 * x[:, 1] ** 0.5
    return np.stack([-rate, -0.5 * rate], 1)


def cycle(x: Array) -> Array:
    """ż = z (tanh(1 − |z|) + i(1 + sin |z|/2))."""
    z = plane(x)
    return vector(z * (np.tanh(1 - np.abs(z)) + 1j * (1 + np.sin(np.abs(z)) / 2)))


def logarithmic(x: Array) -> Array:
    """ż = z (0.3 − log(0.2 + |z|²) + i)."""
    z = plane(x)
    return vector(z * (0.3 - np.log(0.2 + np.abs(z) ** 2) + 1j))


def trajectories(f: Function, starts: Array, times: Array, substeps: int = 8) -> Array:
    """Points ``(R, T, d)`` by the classical Runge–Kutta rule."""
    x, out = starts, [starts]
    for step in np.diff(times):
        h = step / substeps
        for _ in range(substeps):
            a = f(x)
            b = f(x + h / 2 * a)
            c = f(x + h / 2 * b)
            x = x + h / 6 * (a + 2 * b + 2 * c + f(x + h * c))
        out.append(x)
    return np.stack(out, 1)


def measured_cycle() -> Case:
    """The limit cycle seen along sixteen trajectories."""

    def draw(rng: np.random.Generator) -> Sample:
        path = trajectories(cycle, shell(16, 2, 0.2, 2.5)(rng), np.linspace(0, 4, 250))
        return Sample(path.reshape(-1, 2), cycle, la.so(2), group=np.repeat(np.arange(16), 250))

    return Case("cycle along trajectories", "flow", "flow", draw, 1)


def phases(d: int, total: int) -> Algebra:
    """The first d coordinates are angles: all are shifted."""
    return la.translations(total, [1.0] * d + [0.0] * (total - d))


def flow_cases() -> list[Case]:
    """Flows."""
    two, three = la.doubled(la.so(2)), la.doubled(la.so(3))
    axial = la.so(2, 0, 1, dimension=3)
    scale = la.linear(np.diag([1.0, 1, 1, -1, -1, -1])).acting(time=[-2.0])
    growing = la.dilation(3).acting(time=[1.0])
    return [
        exact("screened force, plane", "flow", normal(6000, 4),
              moving(lambda r: -r * (np.exp(-norm(r)) / (0.3 + square(r)))[:, None]), two, kind="flow"),
        exact("plummer sphere", "flow", normal(10_000, 6), moving(lambda r: -r / (square(r)[:, None] + 0.4) ** 1.5),
              three, kind="flow"),
        exact("force of the inverse cube", "flow", side_by_side(shell(10_000, 3, 0.7, 2), normal(10_000, 3)),
              moving(lambda r: -r / square(r)[:, None] ** 2), three + scale, kind="flow"),
        exact("four oscillators with a lag", "flow", box(6000, 4, low=-np.pi, high=np.pi),
              oscillators(np.array([-0.7, -0.2, 0.3, 0.9]), 0.4, 0.4), phases(4, 4), *AFFINE, kind="flow"),
        exact("seven oscillators", "flow", box(12_000, 7, low=-np.pi, high=np.pi),
              oscillators(np.linspace(-1, 1.3, 7), 0.3, 0.0), phases(7, 7), *AFFINE, kind="flow"),
        exact("spinning ball in air", "flow", normal(5000, 3), magnus, axial, kind="flow"),
        exact("fog of droplets", "flow", normal(5000, 3), lambda x: -(0.3 + norm(x))[:, None] * x, la.so(3),
              kind="flow"),
        exact("gyroscope with friction", "flow", normal(6000, 3), gyroscope, axial + growing, kind="flow"),
        exact("charge in a trap", "flow", normal(6000, 4), trapped_charge, two, kind="flow"),
        exact("relativistic charge", "flow", normal(5000, 3, spread=1.2), relativistic_charge, axial, kind="flow"),
        exact("two rotors on a shaft", "flow", side_by_side(box(8000, 2, low=-np.pi, high=np.pi), normal(8000, 2)),
              rotors, phases(2, 4), *AFFINE, kind="flow"),
        exact("epidemic by shares", "flow", positive(6000, 3), epidemic, la.dilation(3), kind="flow"),
        exact("reaction of broken order", "flow", positive(4000, 2), reaction, la.dilation(2).acting(time=[1.0]),
              *DIAGONAL, kind="flow"),
        in_random_coordinates(exact("limit cycle", "flow", normal(5000, 2), cycle, la.so(2), kind="flow")),
        exact("logarithmic cycle, few rows", "flow", normal(600, 2), logarithmic, la.so(2), kind="flow"),
        measured_cycle(),
    ]  # fmt: skip
