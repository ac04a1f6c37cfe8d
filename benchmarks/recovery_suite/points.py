"""Problems of kind map and points: maps that commute with flows, densities that flows preserve."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

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
from recovery_suite.systems import jordan, linear, random_polynomial

PlainDraw = Callable[[int, np.random.Generator], Array]


def map_problem(
    name: str,
    algebra: str,
    dimension: int,
    f: TorchMap,
    d: int,
    n: int,
    noise: float,
    degree: int | None,
    *,
    spread: float = 1.0,
    condition: float = 100.0,
    space: str = "linear",
    options: Mapping[str, object] | None = None,
    degenerate: str = "",
    allowed: int | None = None,
    quick: bool = False,
) -> Problem:
    """Rows x = Tz with z uniform on a box, x_next = T f(z) + noise."""

    def make(seed: int) -> Data:
        rng = seed_of(name, seed)
        t = coordinates(d, random_condition(rng, condition), rng)

        def drawn(count: int, generator: np.random.Generator) -> Array:
            return np.asarray(generator.uniform(-spread, spread, (count, d)) @ t.T)

        z = rng.uniform(-spread, spread, (n, d))
        after = with_noise(evaluate(f, z), noise, rng) @ t.T
        x = z @ t.T
        return Data(x, (1, d), {"x": x, "x_next": after}, f=moved_map(f, t, t), draw=drawn)

    return Problem(
        name, "map", algebra, dimension, make, n, noise, (1, d), space, "commuting", dict(options or {}), degree,
        degenerate, allowed, quick,
    )  # fmt: skip


def spiral(z: Tensor) -> Tensor:
    """The map z ↦ (1.1 − |z|²/3) e^{0.7 i} z of the plane: so(2)."""
    c, s = math.cos(0.7), math.sin(0.7)
    turned = torch.stack([c * z[:, 0] - s * z[:, 1], s * z[:, 0] + c * z[:, 1]], -1)
    return (1.1 - z.square().sum(-1, keepdim=True) / 3) * turned


def contraction(z: Tensor) -> Tensor:
    """The map z ↦ (1.2 − |z|²/2)z: so(n)."""
    return (1.2 - z.square().sum(-1, keepdim=True) / 2) * z


def unitary_map(z: Tensor) -> Tensor:
    """The map z ↦ (e^{i/2} − (1 + i)|z|²/4)z on C²: u(2)."""
    w = torch.complex(z[:, :2], z[:, 2:])
    v = (complex(math.cos(0.5), math.sin(0.5)) - (0.25 + 0.25j) * w.abs().square().sum(-1, keepdim=True)) * w
    return torch.cat([v.real, v.imag], -1)


def standard_like(z: Tensor) -> Tensor:
    """(q, p) ↦ (q + p′, p′), p′ = p + q − q³: nothing."""
    p = z[:, 1] + z[:, 0] - z[:, 0] ** 3
    return torch.stack([z[:, 0] + p, p], -1)


def henon(z: Tensor) -> Tensor:
    """(x, y) ↦ (1 − 1.4x² + y, 0.3x)."""
    return torch.stack([1 - 1.4 * z[:, 0].square() + z[:, 1], 0.3 * z[:, 0]], -1)


def bessel_like(z: Tensor) -> Tensor:
    """The map z ↦ e^{−|z|²/2} e^{i/2} z: so(2), transcendental."""
    c, s = math.cos(0.5), math.sin(0.5)
    turned = torch.stack([c * z[:, 0] - s * z[:, 1], s * z[:, 0] + c * z[:, 1]], -1)
    return torch.exp(-z.square().sum(-1, keepdim=True) / 2) * turned


def maps() -> list[Problem]:
    """Maps with and without symmetry."""
    p = map_problem
    c, s = math.cos(1.0), math.sin(1.0)
    turn = [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 0.6]]
    return [
        p("spiral map", "so(2)", 1, spiral, 2, 2000, 0.01, 3, spread=1.5, quick=True),
        p("spiral map 10%", "so(2)", 1, spiral, 2, 10000, 0.1, 3, spread=1.5),
        p("contraction d3", "so(3)", 3, contraction, 3, 5000, 0.01, 3, spread=1.5),
        p("contraction d3 5%", "so(3)", 3, contraction, 3, 10000, 0.05, 3, spread=1.5),
        p("unitary map", "u(2)", 4, unitary_map, 4, 5000, 0.01, 3, spread=1.5),
        p("unitary map 10%", "u(2)", 4, unitary_map, 4, 20000, 0.1, 3, spread=1.5),
        p("linear map d3", "R + C", 3, linear(turn), 3, 2000, 0.01, 1),
        p("linear map d6", "diagonal", 6, linear(np.diag([0.9, -0.8, 0.5, -0.4, 1.3, 0.1])), 6, 5000, 0.01, 1),
        p("defective map", "polynomials in A", 2, linear(jordan(0.8, 2)), 2, 5000, 0.05, 1),
        p("bessel map", "so(2)", 1, bessel_like, 2, 10000, 0.0, None, spread=2.0, condition=10),
        p("henon", "none", 0, henon, 2, 2000, 0.01, 2, quick=True),
        p("henon 10%", "none", 0, henon, 2, 20000, 0.1, 2),
        p("standard map", "none", 0, standard_like, 2, 5000, 0.01, 3, spread=1.5),
        p("random quadratic map d3", "none", 0, random_polynomial(3, 2, 11, 3), 3, 5000, 0.05, 2),
        p("too small henon", "none", 0, henon, 2, 20000, 0.0, 2, options={"surrogate": "polynomial:1"},
          degenerate="class too small"),
        p("ridge 0.3 standard map", "none", 0, standard_like, 2, 20000, 0.01, 3, spread=1.5,
          options={"surrogate": "polynomial:3,ridge=0.3"}, degenerate="ridge"),
    ]  # fmt: skip


def points_problem(
    name: str,
    algebra: str,
    dimension: int,
    draw: PlainDraw,
    log_density: TorchMap,
    d: int,
    n: int,
    noise: float = 0.0,
    *,
    condition: float = 100.0,
    space: str = "affine",
    degenerate: str = "",
    quick: bool = False,
) -> Problem:
    """Points x = T(z + noise); the noise is isotropic, so it keeps the orthogonal symmetries of z."""

    def make(seed: int) -> Data:
        rng = seed_of(name, seed)
        t = coordinates(d, random_condition(rng, condition), rng)

        def drawn(count: int, generator: np.random.Generator) -> Array:
            z = draw(count, generator)
            return np.asarray((z + noise * z.std() * generator.standard_normal(z.shape)) @ t.T)

        x = drawn(n, rng)
        return Data(x, (1, d), {"x": x}, log_density=moved_map(log_density, t), draw=drawn)

    return Problem(
        name, "points", algebra, dimension, make, n, noise, (1, d), space, "invariant", {}, None, degenerate, None,
        quick,
    )  # fmt: skip


def gaussian(d: int) -> PlainDraw:
    """Standard normal points."""
    return lambda n, rng: rng.standard_normal((n, d))


def gaussian_density(z: Tensor) -> Tensor:
    """−|z|²/2."""
    return -z.square().sum(-1) / 2


def shell(d: int) -> PlainDraw:
    """Radius distributed as 1 + 0.15·normal, direction uniform."""

    def draw(n: int, rng: np.random.Generator) -> Array:
        v = rng.standard_normal((n, d))
        radius = np.abs(1 + 0.15 * rng.standard_normal((n, 1)))
        return np.asarray(v / np.linalg.norm(v, axis=1, keepdims=True) * radius)

    return draw


def shell_density(d: int) -> TorchMap:
    """−(|z| − 1)²/(2·0.15²) − (d − 1) log|z|."""

    def log_density(z: Tensor) -> Tensor:
        r = z.norm(dim=-1)
        return -(r - 1).square() / (2 * 0.15**2) - (d - 1) * torch.log(r)

    return log_density


def ring_and_gamma(n: int, rng: np.random.Generator) -> Array:
    """A ring in the plane and, independently, a gamma variable of shape 4: so(2)."""
    return np.concatenate([shell(2)(n, rng), rng.gamma(4.0, 0.5, (n, 1))], 1)


def ring_and_gamma_density(z: Tensor) -> Tensor:
    """The sum of both logarithms."""
    return shell_density(2)(z[:, :2]) + 3 * torch.log(z[:, 2]) - 2 * z[:, 2]


def gammas(d: int) -> PlainDraw:
    """Independent gamma variables of shape 2 … d + 1."""
    return lambda n, rng: np.stack([rng.gamma(2.0 + i, 1.0, n) for i in range(d)], 1)


def gammas_density(z: Tensor) -> Tensor:
    """Σ (kᵢ − 1) log zᵢ − zᵢ."""
    shape = 1.0 + torch.arange(z.shape[1], dtype=z.dtype)
    return (shape * torch.log(z) - z).sum(-1)


def blobs(centres: Array, width: float) -> tuple[PlainDraw, TorchMap]:
    """A mixture of equal Gaussian blobs, its draws and its log density."""
    c = torch.from_numpy(centres)

    def draw(n: int, rng: np.random.Generator) -> Array:
        chosen = centres[rng.integers(len(centres), size=n)]
        return np.asarray(chosen + width * rng.standard_normal(chosen.shape))

    def log_density(z: Tensor) -> Tensor:
        return torch.logsumexp(-(z[:, None] - c).square().sum(-1) / (2 * width**2), 1)

    return draw, log_density


def icosahedron() -> Array:
    """Its twelve corners on the unit sphere."""
    g = (1 + 5**0.5) / 2
    corners = [[0.0, a, b * g] for a in (-1, 1) for b in (-1, 1)]
    turned = [np.roll(corner, s) for corner in corners for s in range(3)]
    return np.asarray(turned) / np.hypot(1, g)


def points() -> list[Problem]:
    """Distributions with and without symmetry."""
    p = points_problem
    triangle = np.array([[1.0, 0.0], [-0.5, 3**0.5 / 2], [-0.5, -(3**0.5) / 2]])
    odd = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.5, 0.5, 2.5]])
    return [
        p("normal d2", "so(2)", 1, gaussian(2), gaussian_density, 2, 20000, quick=True),
        p("normal d3 10%", "so(3)", 3, gaussian(3), gaussian_density, 3, 20000, 0.1),
        p("normal d4", "so(4)", 6, gaussian(4), gaussian_density, 4, 20000),
        p("shell d2", "so(2)", 1, shell(2), shell_density(2), 2, 20000, quick=True),
        p("shell d3", "so(3)", 3, shell(3), shell_density(3), 3, 20000),
        p("shell d3 10%", "so(3)", 3, shell(3), shell_density(3), 3, 20000, 0.1),
        p("shell d4 5%", "so(4)", 6, shell(4), shell_density(4), 4, 20000, 0.05),
        p("shell d3 linear", "so(3)", 3, shell(3), shell_density(3), 3, 20000, space="linear"),
        p("ring and gamma", "so(2)", 1, ring_and_gamma, ring_and_gamma_density, 3, 20000),
        p("shell few rows", "so(2)", 1, shell(2), shell_density(2), 2, 2000),
        p("gammas d2", "none", 0, gammas(2), gammas_density, 2, 20000, quick=True),
        p("gammas d4", "none", 0, gammas(4), gammas_density, 4, 20000),
        p("gammas few rows", "none", 0, gammas(3), gammas_density, 3, 500),
        p("three blobs", "none", 0, *blobs(triangle, 0.25), 2, 20000),
        p("four blobs", "none", 0, *blobs(odd, 0.5), 3, 5000),
        p("icosahedron", "none", 0, *blobs(icosahedron(), 0.12), 3, 20000, degenerate="blobs on an icosahedron"),
        p("icosahedron few rows", "none", 0, *blobs(icosahedron(), 0.12), 3, 2000,
          degenerate="blobs on an icosahedron"),
    ]  # fmt: skip
