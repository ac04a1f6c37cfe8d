"""Dynamics that are nearly symmetric, and noise that is not white."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from witness_suite import algebra as la
from witness_suite.attacks.builder import attack
from witness_suite.case import Array, Case, Function, Sample
from witness_suite.distance import Breaking, nearest, onto, over_planes
from witness_suite.draws import box, normal, plane, square, vector
from witness_suite.physics.builder import AFFINE
from witness_suite.physics.flows import trajectories

TURNS = over_planes(2, 256)
BOXED = over_planes(2, 256, half=1.0)


def linear_maps(x: Array) -> Array:
    """Features E_ab x: linear flows, each of which commutes with itself and with scalings."""
    d = x.shape[1]
    return np.einsum("ma,nb->nabm", np.eye(d), x).reshape(len(x), d * d, d)


LINEAR = nearest(onto(linear_maps, "linear flows"), BOXED)


def resonant(k: int, epsilon: float) -> Function:
    """ż = (1 + i)z − |z|²z + ε z̄^k."""
    return lambda x: vector((1 + 1j) * plane(x) - plane(x) * square(x) + epsilon * plane(x).conj() ** k)


def coupled(ratio: int, epsilon: float) -> Function:
    """ż₁ = (1 + i)z₁ − |z₁|²z₁ + ε z̄₁^{ratio−1}z₂, ż₂ = (0.7 + i·ratio)z₂ − |z₂|²z₂ − ε z₁^{ratio}."""

    def f(x: Array) -> Array:
        z, w = plane(x[:, :2]), plane(x[:, 2:])
        dz = (1 + 1j) * z - np.abs(z) ** 2 * z + epsilon * z.conj() ** (ratio - 1) * w
        dw = (0.7 + 1j * ratio) * w - np.abs(w) ** 2 * w - epsilon * z**ratio
        return np.concatenate([vector(dz), vector(dw)], 1)

    return f


def pendulum(amplitude: float) -> Function:
    """θ̇ = ω, ω̇ = −sin(aθ)/a: nearly linear for a small a."""
    return lambda x: np.stack([x[:, 1], -np.sin(amplitude * x[:, 0]) / amplitude], 1)


def duffing(epsilon: float) -> Function:
    """ẋ = y, ẏ = −x − 0.1y + εx³."""
    return lambda x: np.stack([x[:, 1], -x[:, 0] - 0.1 * x[:, 1] + epsilon * x[:, 0] ** 3], 1)


def squared(epsilon: float) -> Function:
    """A node (−1, −0.6) with ε xy and ε x²."""
    return lambda x: np.stack([-x[:, 0] + epsilon * x[:, 0] * x[:, 1], -0.6 * x[:, 1] + epsilon * x[:, 0] ** 2], 1)


def near_integrable() -> Iterator[Case]:
    """Resonances and small nonlinear terms, under noise."""
    for k in (2, 3, 4, 5, 6, 7):
        for epsilon in (0.04, 0.12, 0.35):
            noise = 0.0 if epsilon < 0.1 else 0.02 if epsilon < 0.3 else 0.1
            yield attack(f"resonance {k + 1}, {epsilon}", "near-integrable flows", box(5000, 2), resonant(k, epsilon),
                         la.none(2), BOXED, *(AFFINE if k % 2 else ()), kind="flow", noise=noise)  # fmt: skip
    for a in (0.3, 0.7, 1.2):
        for noise in (0.05, 0.3):
            yield attack(f"pendulum of amplitude {a}", "near-integrable flows", box(2000, 2), pendulum(a), la.none(2),
                         LINEAR, kind="flow", noise=noise)  # fmt: skip
    for epsilon in (0.06, 0.15, 0.3):
        for noise in (0.1, 0.3):
            yield attack(f"duffing {epsilon}", "near-integrable flows", box(1500, 2), duffing(epsilon), la.none(2),
                         LINEAR, *AFFINE,
                         kind="flow", noise=noise)  # fmt: skip
            yield attack(f"node with products {epsilon}", "near-integrable flows", box(1500, 2), squared(epsilon),
                         la.none(2), LINEAR, kind="flow",
                         noise=noise)  # fmt: skip
    two = over_planes(4, 600, ((0, 1), (2, 3)), half=1.0)
    for ratio in (2, 3):
        kept = la.linear(la.turn(4, 0, 1) + ratio * la.turn(4, 2, 3))
        for epsilon in (0.05, 0.2, 0.5):
            yield attack(f"resonance 1 to {ratio}, {epsilon}", "near-integrable flows", box(8000, 4),
                         coupled(ratio, epsilon), kept, two, kind="flow", noise=0.02)  # fmt: skip


def bumped(width: float, height: float) -> Function:
    """A Hopf flow with a local push along x."""

    def f(x: Array) -> Array:
        push = height * np.exp(-square(x - np.array([0.5, 0.4])) / 2 / width**2)
        return resonant(2, 0.0)(x) + np.stack([push, 0 * push], 1)

    return f


def rippled(k: float, a: float) -> Function:
    """A Hopf flow with a push that waves along x."""
    return lambda x: resonant(2, 0.0)(x) + a * np.stack([np.cos(k * x[:, 0]), 0 * x[:, 0]], 1)


def flow_waves() -> Iterator[Case]:
    """Bumps and ripples of planar flows."""
    for width in (0.1, 0.3):
        for height in (0.3, 1.0):
            yield attack(f"push of width {width} height {height}", "flows, bumps and ripples", box(8000, 2),
                         bumped(width, height), la.none(2), BOXED, kind="flow", noise=0.01)  # fmt: skip
    for k in (6, 12, 20):
        for a in (0.05, 0.15):
            yield attack(f"waving push k {k} a {a}", "flows, bumps and ripples", box(8000, 2), rippled(k, a),
                         la.none(2), BOXED, kind="flow", noise=0.02)  # fmt: skip


def van_der_pol(x: Array) -> Array:
    """ẋ = y, ẏ = (1 − x²)y − x."""
    return np.stack([x[:, 1], (1 - x[:, 0] ** 2) * x[:, 1] - x[:, 0]], 1)


def swing(x: Array) -> Array:
    """θ̈ = −sin θ − 0.2 θ̇."""
    return np.stack([x[:, 1], -np.sin(x[:, 0]) - 0.2 * x[:, 1]], 1)


def hunters(x: Array) -> Array:
    """Predators and prey, about their rest point."""
    return np.stack([-(1 + x[:, 0]) * x[:, 1], (1 + x[:, 1]) * x[:, 0] * 0.8], 1)


def spring(x: Array) -> Array:
    """ẋ = y, ẏ = x − x³ − 0.3y."""
    return np.stack([x[:, 1], x[:, 0] - x[:, 0] ** 3 - 0.3 * x[:, 1]], 1)


def autocorrelated() -> Iterator[Case]:
    """Noise that wanders along each trajectory: many rows, few independent ones."""
    systems: dict[str, tuple[Function, float]] = {
        "van der pol": (van_der_pol, 2.5), "swing": (swing, 2.0), "hunters": (hunters, 0.6), "spring": (spring, 1.5),
    }  # fmt: skip
    for name, (f, reach) in systems.items():
        for memory in (0.9, 0.99):
            for share in (0.1, 0.4):
                yield wandering(f"{name}, memory {memory}", f, reach, memory, share, TURNS)
    for share in (0.1, 0.4):
        yield wandering("resonance of four, memory 0.97", resonant(3, 0.25), 1.3, 0.97, share, TURNS)


def wandering(name: str, f: Function, reach: float, memory: float, share: float, breaking: Breaking) -> Case:
    """Ten trajectories of 200 points with autoregressive noise in dx."""

    def draw(rng: np.random.Generator) -> Sample:
        starts = rng.uniform(-reach, reach, (10, 2))
        path = trajectories(f, starts, np.linspace(0, 5, 200))

        def noise(clean: Array, amount: float, g: np.random.Generator) -> Array:
            e = g.standard_normal((10, 200, 2))
            out = np.zeros_like(e)
            out[:, 0] = e[:, 0]
            for t in range(1, 200):
                out[:, t] = memory * out[:, t - 1] + np.sqrt(1 - memory**2) * e[:, t]
            return amount * clean.std(0) * out.reshape(-1, 2)

        return Sample(path.reshape(-1, 2), f, la.none(2), group=np.repeat(np.arange(10), 200), noise=noise)

    title = f"{name}, noise {100 * share:g} %"
    return Case(title, "autocorrelated noise", "flow", draw, 0, (), share, breaking)


def map_cases() -> Iterator[Case]:
    """Steps of the plane with a ripple or a k-fold part."""
    for k in (5, 12):
        for a in (0.05, 0.2):

            def step(x: Array, k: int = k, a: float = a) -> Array:
                z = plane(x)
                whole = z * np.exp(0.7j) * (1.2 - np.abs(z) ** 2 / 3)
                return vector(whole + a * (z.conj() / np.sqrt(0.1 + np.abs(z) ** 2)) ** (k - 1))

            yield attack(f"step with {k}-fold part {a}", "maps", normal(8000, 2, spread=0.8), step, la.none(2), TURNS,
                         kind="map", noise=0.02)  # fmt: skip

            def wave(x: Array, k: int = k, a: float = a) -> Array:
                return x * (1.2 - square(x)[:, None] / 4) + a * np.stack([np.sin(k * x[:, 1]), 0 * x[:, 0]], 1)

            yield attack(f"step with ripple {k} of {a}", "maps", normal(8000, 2, spread=0.8), wave, la.none(2), TURNS,
                         kind="map", noise=0.02)  # fmt: skip
