"""Problems of kind flow: polynomial vector fields on a box, on eight trajectories, on one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recovery_suite import systems
from recovery_suite.problem import (
    Array,
    Data,
    Problem,
    TorchMap,
    coordinates,
    evaluate,
    moved_map,
    random_condition,
    seed_of,
    with_noise,
)

# Longest step of the classical Runge–Kutta rule: its local error on the fastest of these flows is below 1e-8.
_LONGEST_STEP = 0.006


def trajectories(f: TorchMap, starts: Array, duration: float, points: int) -> Array:
    """Points ``(R, T, d)`` at ``points`` equidistant times from 0 to ``duration``."""
    steps = math.ceil(duration / (points - 1) / _LONGEST_STEP)
    h = duration / (points - 1) / steps
    z, out = starts, [starts]
    for _ in range(points - 1):
        for _ in range(steps):
            a = evaluate(f, z)
            b = evaluate(f, z + h / 2 * a)
            c = evaluate(f, z + h / 2 * b)
            z = z + h / 6 * (a + 2 * b + 2 * c + evaluate(f, z + h * c))
        out.append(z)
    return np.stack(out, 1)


def flow_problem(
    name: str,
    algebra: str,
    dimension: int,
    f: TorchMap,
    d: int,
    n: int,
    noise: float,
    degree: int | None,
    *,
    on: str = "box",
    low: float | Sequence[float] = -1.5,
    high: float | Sequence[float] = 1.5,
    duration: float = 4.0,
    runs: int = 8,
    raw: bool = False,
    grouped: bool = True,
    condition: float = 100.0,
    space: str = "linear",
    options: Mapping[str, object] | None = None,
    degenerate: str = "",
    allowed: int | None = None,
    quick: bool = False,
) -> Problem:
    """Rows x = Tz and dx = T f(z), with z on a box or along trajectories that start in it.

    ``raw`` stores the trajectories with their times instead of derivatives; the noise is then in x, as a share of its
    standard deviation.
    """

    def make(seed: int) -> Data:
        rng = seed_of(name, seed)
        t = coordinates(d, random_condition(rng, condition), rng)
        lower, upper = np.broadcast_to(low, d), np.broadcast_to(high, d)

        def drawn(count: int, generator: np.random.Generator) -> Array:
            return np.asarray(generator.uniform(lower, upper, (count, d)) @ t.T)

        moved = moved_map(f, t, t)
        if on == "box":
            z = rng.uniform(lower, upper, (n, d))
            dx = with_noise(evaluate(f, z), noise, rng) @ t.T
            return Data(z @ t.T, (1, d), {"x": z @ t.T, "dx": dx}, f=moved, draw=drawn)
        starts = rng.uniform(lower, upper, (runs, d))
        path = trajectories(f, starts, duration, n // runs)
        x = path @ t.T
        flat = x.reshape(-1, d)
        if raw:
            spread = path.reshape(-1, d).std(0)
            seen = (path + noise * spread * rng.standard_normal(path.shape)) @ t.T
            return Data(flat, (1, d), {"x": seen, "t": np.linspace(0, duration, path.shape[1])}, f=moved)
        dx = with_noise(evaluate(f, path.reshape(-1, d)), noise, rng) @ t.T
        arrays: dict[str, np.ndarray] = {"x": flat, "dx": dx}
        if grouped:
            arrays["group"] = np.repeat(np.arange(runs), path.shape[1])
        return Data(flat, (1, d), arrays, f=moved)

    return Problem(
        name, "flow", algebra, dimension, make, n, noise, (1, d), space, "bracket", dict(options or {}), degree,
        degenerate, allowed, quick,
    )  # fmt: skip


def symmetric_flows() -> list[Problem]:
    """Well-posed flows with a symmetry."""
    p, s = flow_problem, systems
    eight: Any = {"on": "8 trajectories"}
    return [
        p("hopf box", "so(2)", 1, s.hopf, 2, 2000, 0.0, 3, quick=True),
        p("hopf box 5%", "so(2)", 1, s.hopf, 2, 5000, 0.05, 3, quick=True),
        p("hopf box 10%", "so(2)", 1, s.hopf, 2, 5000, 0.1, 3),
        p("hopf 8 trajectories", "so(2)", 1, s.hopf, 2, 2000, 0.01, 3, **eight, duration=2.0, quick=True),
        p("hopf few rows", "so(2)", 1, s.hopf, 2, 200, 0.01, 3),
        p("two hopf", "so(2) + so(2)", 2, s.two_hopf, 4, 5000, 0.01, 3),
        p("two hopf 8 trajectories", "so(2) + so(2)", 2, s.two_hopf, 4, 4000, 0.0, 3, **eight, duration=2.0),
        p("two hopf 10%", "so(2) + so(2)", 2, s.two_hopf, 4, 20000, 0.1, 3),
        p("unitary", "u(2)", 4, s.unitary, 4, 5000, 0.01, 3),
        p("unitary 5%", "u(2)", 4, s.unitary, 4, 20000, 0.05, 3),
        p("radial d3", "so(3)", 3, s.radial, 3, 5000, 0.01, 3),
        p("radial d3 10%", "so(3)", 3, s.radial, 3, 20000, 0.1, 3),
        p("homogeneous d3", "so(3) + R", 4, s.homogeneous_radial, 3, 5000, 0.01, 3),
        p("central force", "so(3)", 3, s.central_force, 6, 10000, 0.01, 3, low=-1, high=1),
        p("quartic potential", "so(3) + R", 4, s.quartic_potential, 6, 10000, 0.0, 3),
        p("quartic potential 5%", "so(2) + R", 2, s.quartic_potential, 4, 20000, 0.05, 3),
        p("body", "R", 1, s.rigid_body(1, 2, 3.5), 3, 2000, 0.0, 2, quick=True),
        p("body 5%", "R", 1, s.rigid_body(1, 2, 3.5), 3, 5000, 0.05, 2),
        p("body 8 trajectories", "R", 1, s.rigid_body(1, 2, 3.5), 3, 4000, 0.01, 2, **eight, duration=8.0),
        p("top", "R + R + R", 3, s.rigid_body(2, 2, 1), 3, 2000, 0.01, 2, quick=True),
        p("top 10%", "R + R + R", 3, s.rigid_body(2, 2, 1), 3, 10000, 0.1, 2),
        p("oscillator", "gl(1,C)", 2, s.linear(rotations_of(1.0)), 2, 2000, 0.01, 1),
        p("oscillator 10%", "gl(1,C)", 2, s.linear(rotations_of(1.0)), 2, 5000, 0.1, 1),
        p("oscillator 8 trajectories", "gl(1,C)", 2, s.linear(rotations_of(1.0)), 2, 2000, 0.01, 1, **eight),
        p("equal frequencies", "gl(2,C)", 8, s.linear(rotations_of(1.0, 1.0)), 4, 5000, 0.01, 1),
        p("three frequencies", "C³", 6, s.linear(rotations_of(1.0, 1.6, 2.7)), 6, 5000, 0.01, 1),
        p("distinct d3", "diagonal", 3, s.linear(np.diag([-1.0, 0.5, 2.0])), 3, 2000, 0.01, 1),
        p("distinct d5 5%", "diagonal", 5, s.linear(np.diag([-1.0, 0.5, 2.0, -2.5, 1.2])), 5, 10000, 0.05, 1),
        p("distinct d10", "diagonal", 10, s.linear(np.diag(np.linspace(-2.2, 2.3, 10))), 10, 5000, 0.0, 1),
        p("equal pairs d4", "gl(2) + gl(2)", 8, s.linear(np.diag([-1.0, -1.0, 1.5, 1.5])), 4, 5000, 0.01, 1),
        p("multiple of one", "gl(3)", 9, s.linear(-0.8 * np.eye(3)), 3, 2000, 0.01, 1),
        p("defective d3", "polynomials in A", 3, s.linear(s.jordan(-0.7, 3)), 3, 5000, 0.01, 1),
        p("defective d2 5%", "polynomials in A", 2, s.linear(s.jordan(0.9, 2)), 2, 5000, 0.05, 1),
        p("nilpotent d3", "polynomials in A, time", 4, s.linear(s.jordan(0.0, 3)), 3, 5000, 0.0, 1),
        p("damped d8", "C⁴", 8, s.linear(rotations_of(1.0, 1.9, 3.1, 0.4, damping=0.3)), 8, 10000, 0.01, 1),
        p("two beads", "∂x, P∂x, X∂x + P∂v", 3, s.chain, 4, 5000, 0.01, 3, space="affine", low=-1, high=1),
        p("raw hopf", "so(2)", 1, s.hopf, 2, 4000, 0.0, 3, **eight, duration=2.0, raw=True, condition=10),
        p("raw top", "R + R + R", 3, s.rigid_body(2, 2, 1), 3, 4000, 0.001, 2, **eight, duration=8.0, raw=True,
          condition=10),
        p("kepler", "so(3) + R", 4, s.kepler, 6, 20000, 0.0, None, low=0.3, high=1.0, condition=3),
    ]  # fmt: skip


def rotations_of(*frequencies: float, damping: float = 0.0) -> Array:
    """Blocks of the given frequencies."""
    return systems.rotations(*frequencies, damping=damping)


def asymmetric_flows() -> list[Problem]:
    """Flows without any linear symmetry, on a box, on eight trajectories, and one."""
    p, s = flow_problem, systems
    attractor: Any = {"low": [-15, -20, 5], "high": [15, 20, 40]}
    hunted: Any = {"low": 0.3, "high": 2.0}
    eight: Any = {"on": "8 trajectories"}
    one: Any = {"on": "one trajectory", "runs": 1}
    return [
        p("van der pol", "none", 0, s.van_der_pol, 2, 2000, 0.0, 3, low=-2, high=2, quick=True),
        p("van der pol 5%", "none", 0, s.van_der_pol, 2, 5000, 0.05, 3, low=-2, high=2),
        p("van der pol 8 trajectories", "none", 0, s.van_der_pol, 2, 4000, 0.01, 3, **eight, low=-3, high=3),
        p("duffing", "none", 0, s.duffing, 2, 5000, 0.01, 3),
        p("duffing 8 trajectories", "none", 0, s.duffing, 2, 4000, 0.05, 3, **eight, duration=6.0),
        p("lotka volterra", "none", 0, s.lotka_volterra, 2, 2000, 0.01, 2, **hunted, quick=True),
        p("lotka volterra 8 trajectories", "none", 0, s.lotka_volterra, 2, 4000, 0.0, 2, **eight, **hunted),
        p("lorenz", "none", 0, s.lorenz, 3, 2000, 0.01, 2, **attractor, quick=True),
        p("lorenz 10%", "none", 0, s.lorenz, 3, 20000, 0.1, 2, **attractor),
        p("lorenz 8 trajectories", "none", 0, s.lorenz, 3, 8000, 0.01, 2, **eight, **attractor, duration=6.0),
        p("roessler", "none", 0, s.roessler, 3, 5000, 0.01, 2, low=[-6, -6, 0], high=[9, 6, 20]),
        p("roessler 8 trajectories", "none", 0, s.roessler, 3, 8000, 0.0, 2, **eight, low=[-6, -6, 0], high=[9, 6, 20],
          duration=1.5),
        p("driven body", "none", 0, s.driven_body, 3, 5000, 0.05, 2),
        p("fitzhugh few rows", "none", 0, s.fitzhugh, 2, 200, 0.1, 3, low=-2, high=2),
        p("pendulum", "none", 0, s.pendulum, 2, 5000, 0.0, None, low=-3, high=3),
        p("random quadratic d4", "none", 0, s.random_polynomial(4, 2, 1, 4), 4, 5000, 0.01, 2),
        p("random quadratic d6", "none", 0, s.random_polynomial(6, 2, 2, 6), 6, 10000, 0.01, 2),
        p("too small lorenz", "none", 0, s.lorenz, 3, 20000, 0.01, 2, **attractor,
          options={"surrogate": "polynomial:1"}, degenerate="class too small"),
        p("too small van der pol", "none", 0, s.van_der_pol, 2, 20000, 0.01, 3, low=-2, high=2,
          options={"surrogate": "polynomial:2"}, degenerate="class too small"),
        p("far too small van der pol", "none", 0, s.van_der_pol, 2, 20000, 0.0, 3, low=-2, high=2,
          options={"surrogate": "polynomial:1"}, degenerate="class too small", quick=True),
        p("too small duffing", "none", 0, s.duffing, 2, 20000, 0.0, 3, options={"surrogate": "polynomial:1"},
          degenerate="class too small"),
        p("ridge 0.3 lotka volterra", "none", 0, s.lotka_volterra, 2, 20000, 0.01, 2, **hunted,
          options={"surrogate": "polynomial:3,ridge=0.3"}, degenerate="ridge"),
        p("ridge 3 duffing", "none", 0, s.duffing, 2, 20000, 0.01, 3,
          options={"surrogate": "polynomial:3,ridge=3"}, degenerate="ridge", quick=True),
        p("hopf limit cycle", "so(2), not visible", 1, s.hopf, 2, 2000, 0.01, 3, **one, low=0.7071, high=0.7072,
          duration=20.0, grouped=False, degenerate="one limit cycle", allowed=0, quick=True),
        p("hopf limit cycle, one group", "so(2), not visible", 1, s.hopf, 2, 2000, 0.01, 3, **one, low=0.7071,
          high=0.7072, duration=20.0, degenerate="one limit cycle", allowed=0),
        p("van der pol limit cycle", "none", 0, s.van_der_pol, 2, 2000, 0.0, 3, **one, low=[2.0086, 0.0],
          high=[2.0087, 0.0001], duration=20.0, grouped=False, degenerate="one limit cycle"),
        p("nearly symmetric top, one run", "R", 1, s.rigid_body(2, 2.1, 1), 3, 4000, 0.0, 2, **one, low=0.5, high=1.0,
          duration=40.0, grouped=False, degenerate="one trajectory", allowed=0),
        p("oscillator, one circle", "gl(1,C), not visible", 2, s.linear(rotations_of(1.0)), 2, 2000, 0.01, 1, **one,
          grouped=False, duration=20.0, degenerate="one closed orbit", allowed=0),
        p("raw lotka volterra", "none", 0, s.lotka_volterra, 2, 4000, 0.001, 2, **eight, **hunted, raw=True,
          condition=10),
    ]  # fmt: skip
