"""Functions without symmetry, and functions whose data lack what a decision needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recovery_suite.functions import (
    CanonicalDraw,
    box,
    function_problem,
    normal,
    quartic,
    shifted,
    signed_square,
    student,
)
from recovery_suite.problem import Array, Data, Problem, TorchMap
from recovery_suite.systems import random_polynomial


def scaled(*scales: float) -> CanonicalDraw:
    """Normal points with the given standard deviations."""
    return lambda n, k, d, rng: rng.standard_normal((n, k, d)) * np.asarray(scales)


def flat_outliers(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """Normal points, one in a hundred of them thirty times as far out."""
    far = np.where(rng.uniform(size=(n, 1, 1)) < 0.01, 30.0, 1.0)
    return np.asarray(rng.standard_normal((n, k, d)) * far)


def on_plane(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """The last coordinate is the sum of the others."""
    z = rng.standard_normal((n, k, d))
    z[..., -1] = z[..., :-1].sum(-1)
    return z


def zero_last(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """The last coordinate is zero."""
    z = rng.standard_normal((n, k, d))
    z[..., -1] = 0.0
    return z


def few_places(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """Two hundred places, each seen many times."""
    places = rng.standard_normal((200, k, d))
    return places[rng.integers(200, size=n)]


def circle(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """Points of the unit circle."""
    a = rng.uniform(0, 2 * np.pi, (n, k))
    return np.stack([np.cos(a), np.sin(a)], -1)


def waves(z: Tensor) -> Tensor:
    """sin(z₁ + z₂/2) + cos(1.3z₂)z₁/2 + tanh(z_d): nothing."""
    a, b = z[..., 0], z[..., 1]
    return torch.sin(a + b / 2) + torch.cos(1.3 * b) * a / 2 + torch.tanh(z[..., -1])


def bumps(z: Tensor) -> Tensor:
    """Two bells off the origin, flat far away."""
    one = torch.exp(-(z - 0.8).square().sum(-1) / 2)
    return one - 0.7 * torch.exp(-(z * torch.tensor([1.0, 1.5, 0.7], dtype=z.dtype) + 0.6).square().sum(-1) / 2)


def bumps_plane(z: Tensor) -> Tensor:
    """A bell off the origin of the plane and a wave."""
    return torch.exp(-(z - 0.8).square().sum(-1)) + torch.sin(2 * z[..., 0]) / 3


def interaction(z: Tensor) -> Tensor:
    """sin(z₁·z₂ of two objects, each component weighted) + a cubic of the first: nothing."""
    a, b = z[:, 0], z[:, 1]
    weight = torch.arange(1, z.shape[2] + 1, dtype=z.dtype)
    return torch.sin((a * b * weight).sum(-1) / 2) + a.pow(3).sum(-1) / 6 + b[:, 0]


def thin(z: Tensor) -> Tensor:
    """r² + r⁴/8 + 40z² + 900z⁴, r² = x² + y²: so(2) alone; at σ_z = 0.1 a rotation into z looks small."""
    r = z[..., :2].square().sum(-1)
    return r + r.square() / 8 + 40 * z[..., 2].square() + 900 * z[..., 2] ** 4


def thin_cubic(z: Tensor) -> Tensor:
    """A random cubic of (x, 20y, z)."""
    return random_polynomial(3, 3, 34, 1)(z * torch.tensor([1.0, 20.0, 1.0], dtype=z.dtype))


def quadratic(p: int) -> TorchMap:
    """The form itself: so(p, q), and no more than a fit of degree 2 would say of anything."""
    return lambda z: signed_square(z, p)


def difference_wave(z: Tensor) -> Tensor:
    """sin(z₁ − z₂): whatever moves both alike."""
    return torch.sin(z[..., 0] - z[..., 1])


def constant(z: Tensor) -> Tensor:
    """The constant 1."""
    return 1.0 + 0.0 * z[..., 0]


def first_two(z: Tensor) -> Tensor:
    """A cubic of two coordinates without symmetry; the others are dead."""
    a, b = z[..., 0], z[..., 1]
    return a + b.square() - a**3 / 4 + a * b / 2 + b**3 / 3


def with_pure_noise(problem: Problem) -> Problem:
    """The same inputs with an output that is noise."""

    def make(seed: int) -> Data:
        data = problem.make(seed)
        rng = np.random.default_rng(seed + 1000)
        return replace(data, arrays={"x": data.x, "y": rng.standard_normal((len(data.x), 1))}, f=constant)

    return replace(problem, make=make)


def about(f: TorchMap, centre: float) -> TorchMap:
    """f(z − centre)."""
    return lambda z: f(z - centre)


def annulus(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """A thin ring: radius 1 + 0.05·normal."""
    return circle(n, k, d, rng) * (1 + 0.05 * rng.standard_normal((n, k, 1)))


def controls() -> list[Problem]:
    """No symmetry, or nothing that data could say about one."""
    p, poly = function_problem, random_polynomial
    few: Any = {"surrogate": "polynomial:2"}
    one: Any = {"surrogate": "polynomial:1"}
    return [
        p("cubic d2", "none", 0, first_two, 1, 2, 2000, 0.01, 3, quick=True),
        p("cubic d3 10%", "none", 0, poly(3, 3, 21, 1), 1, 3, 20000, 0.1, 3),
        p("cubic d4", "none", 0, poly(4, 3, 22, 1), 1, 4, 5000, 0.05, 3),
        p("cubic d6", "none", 0, poly(6, 3, 23, 1), 1, 6, 5000, 0.0, 3),
        p("cubic d8", "none", 0, poly(8, 3, 24, 1), 1, 8, 10000, 0.01, 3),
        p("quartic d3 affine", "none", 0, poly(3, 4, 25, 1), 1, 3, 5000, 0.01, 4, space="affine"),
        p("cubic few rows", "none", 0, poly(3, 3, 26, 1), 1, 3, 200, 0.1, 3, quick=True),
        p("waves d2", "none", 0, waves, 1, 2, 5000, 0.0, None, condition=10, quick=True),
        p("waves d3 5%", "none", 0, waves, 1, 3, 20000, 0.05, None, condition=10),
        p("waves few rows", "none", 0, waves, 1, 3, 400, 0.01, None, condition=10),
        p("bumps", "none", 0, bumps, 1, 3, 10000, 0.01, None, condition=10),
        p("interaction", "none", 0, interaction, 2, 3, 10000, 0.01, None, condition=10),
        p("vector none", "none", 0, poly(3, 2, 27, 3), 1, 3, 5000, 0.01, 2, action="free"),
        p("too small, cubic d3", "none", 0, poly(3, 3, 28, 1), 1, 3, 20000, 0.01, 3, options=few,
          degenerate="class too small", quick=True),
        p("too small, quartic d2", "none", 0, poly(2, 4, 38, 1), 1, 2, 20000, 0.0, 4, options=few,
          degenerate="class too small"),
        p("far too small, cubic d4", "none", 0, poly(4, 3, 30, 1), 1, 4, 20000, 0.0, 3, options=one,
          degenerate="class too small"),
        p("too small, waves", "none", 0, waves, 1, 2, 20000, 0.0, None, options={"surrogate": "polynomial:3"},
          condition=10, degenerate="class too small"),
        p("ridge 0.3 cubic", "none", 0, poly(2, 3, 31, 1), 1, 2, 20000, 0.01, 3,
          options={"surrogate": "polynomial:3,ridge=0.3"}, degenerate="ridge"),
        p("ridge 3 cubic", "none", 0, poly(3, 3, 32, 1), 1, 3, 20000, 0.05, 3,
          options={"surrogate": "polynomial:3,ridge=3"}, degenerate="ridge", quick=True),
        p("ridge 3 quartic", "none", 0, poly(2, 4, 33, 1), 1, 2, 20000, 0.0, 4,
          options={"surrogate": "polynomial:4,ridge=3"}, degenerate="ridge"),
        p("heavy tails", "none", 0, waves, 1, 2, 10000, 0.01, None, draw=student, condition=10,
          degenerate="outliers"),
        p("flat outliers", "none", 0, bumps, 1, 3, 10000, 0.0, None, draw=flat_outliers, condition=3,
          degenerate="outliers"),
        p("cubic outliers", "none", 0, first_two, 1, 2, 10000, 0.05, 3, draw=flat_outliers, degenerate="outliers"),
        p("far away", "none", 0, about(waves, 30.0), 1, 2, 10000, 0.0, None, draw=shifted(30.0), condition=1,
          degenerate="far from the origin", quick=True),
        p("far away, cubic", "none", 0, about(first_two, 30.0), 1, 2, 10000, 0.01, 3, draw=shifted(30.0), condition=10,
          degenerate="far from the origin"),
        p("far away, difference", "R + R", 2, difference_wave, 1, 2, 10000, 0.0, None, draw=shifted(30.0),
          condition=1, degenerate="far from the origin"),
        p("thin quartic", "so(2)", 1, thin, 1, 3, 10000, 0.01, 4, draw=scaled(1.0, 1.0, 0.1), axes=True,
          degenerate="thin support", quick=True),
        p("thin ellipsoid", "none", 0, thin_cubic, 1, 3, 10000, 0.05, 3, draw=scaled(1.0, 0.05, 1.0), axes=True,
          degenerate="thin support"),
        p("thin ring", "none", 0, first_two, 1, 2, 10000, 0.01, 3, draw=annulus, degenerate="thin support"),
        p("thin ring, other wave", "none", 0, bumps_plane, 1, 2, 10000, 0.0, None, draw=annulus, condition=10,
          degenerate="thin support"),
        p("on a plane", "none", 0, poly(3, 3, 35, 1), 1, 3, 5000, 0.01, 3, draw=on_plane,
          degenerate="support of lower dimension"),
        p("a zero coordinate", "none", 0, poly(3, 3, 36, 1), 1, 3, 5000, 0.01, 3, draw=zero_last, axes=True,
          degenerate="support of lower dimension"),
        p("dead inputs", "none", 0, first_two, 1, 4, 5000, 0.01, 3, axes=True, degenerate="dead inputs"),
        p("constant output", "none", 0, constant, 1, 3, 2000, 0.0, 0, degenerate="constant output", quick=True,
          allowed=0),
        with_pure_noise(p("pure noise", "none", 0, first_two, 1, 2, 5000, 0.0, None, degenerate="pure noise",
                          allowed=0)),
        p("duplicates", "none", 0, poly(3, 3, 37, 1), 1, 3, 5000, 0.05, 3, draw=few_places, degenerate="duplicates"),
        p("function on a circle", "so(2), not visible", 1, quartic(2), 1, 2, 5000, 0.01, 4, draw=circle,
          degenerate="closed curve", allowed=0, quick=True),
        p("twenty rows", "so(2), not visible", 1, quartic(2), 1, 2, 20, 0.01, 4, degenerate="too few rows", allowed=1),
        p("quadratic d3", "so(2,1)", 3, quadratic(2), 1, 3, 5000, 0.01, 2, draw=normal, degenerate="quadratic",
          quick=True),
        p("quadratic d5", "so(5)", 10, quadratic(5), 1, 5, 5000, 0.0, 2, draw=box, degenerate="quadratic"),
        p("quadratic, degree 2 forced", "so(3)", 3, quadratic(3), 1, 3, 5000, 0.05, 2, options=few,
          degenerate="quadratic"),
    ]  # fmt: skip
