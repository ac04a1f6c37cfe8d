"""Problems of kind function: invariants of groups of the catalogue and equivariant vectors, in random coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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

CanonicalDraw = Callable[[int, int, int, np.random.Generator], Array]


def normal(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """Standard normal points."""
    return rng.standard_normal((n, k, d))


def box(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """Uniform on [−1.5, 1.5]."""
    return rng.uniform(-1.5, 1.5, (n, k, d))


def shifted(offset: float) -> CanonicalDraw:
    """Normal points about ``offset`` in every coordinate."""
    return lambda n, k, d, rng: offset + rng.standard_normal((n, k, d))


def student(n: int, k: int, d: int, rng: np.random.Generator) -> Array:
    """Student's t with three degrees of freedom: heavy tails."""
    return rng.standard_t(3, (n, k, d))


def function_problem(
    name: str,
    algebra: str,
    dimension: int,
    f: TorchMap,
    k: int,
    d: int,
    n: int,
    noise: float,
    degree: int | None,
    *,
    draw: CanonicalDraw = normal,
    condition: float = 100.0,
    space: str = "linear",
    action: str = "invariant",
    options: Mapping[str, object] | None = None,
    degenerate: str = "",
    allowed: int | None = None,
    axes: bool = False,
    quick: bool = False,
) -> Problem:
    """Rows of y = f(T⁻¹x) + noise; ``axes`` keeps the canonical coordinates."""
    chosen = dict(options or {})
    if action != "invariant":
        chosen["output_action"] = action

    def make(seed: int) -> Data:
        rng = seed_of(name, seed)
        t = np.eye(d) if axes else coordinates(d, random_condition(rng, condition), rng)

        def drawn(count: int, generator: np.random.Generator) -> Array:
            x = draw(count, k, d, generator) @ t.T
            return x[:, 0] if k == 1 else x

        z = draw(n, k, d, rng)
        x = z @ t.T
        y = with_noise(evaluate(f, z if k > 1 else z[:, 0]), noise, rng)
        mix = None if y.shape[1] == 1 else coordinates(y.shape[1], 5.0, rng)
        y = y if mix is None else y @ mix.T
        x = x[:, 0] if k == 1 else x
        return Data(x, (k, d), {"x": x, "y": y}, f=moved_map(f, t, mix), draw=drawn)

    return Problem(
        name, "function", algebra, dimension, make, n, noise, (k, d), space, action, chosen, degree, degenerate,
        allowed, quick,
    )  # fmt: skip


def signed_square(z: Tensor, p: int) -> Tensor:
    """z₁² + … + z_p² − z_{p+1}² − … − z_d²."""
    return z[..., :p].square().sum(-1) - z[..., p:].square().sum(-1)


def quartic(p: int, scale: float = 0.3) -> TorchMap:
    """Q + scale·Q² for the form Q of signature (p, d − p): so(p, d − p), of degree 4."""

    def f(z: Tensor) -> Tensor:
        q = signed_square(z, p)
        return q + scale * q.square()

    return f


def broken_quartic(strength: float) -> TorchMap:
    """Q + 0.3Q² + ``strength``·x²: nearly so(n)."""
    whole = quartic(3)
    return lambda z: whole(z) + strength * z[..., 0].square()


def cubic_with_form(p: int) -> TorchMap:
    """z_d·Q(z₁ … z_{d−1}) + z_d³/3: the algebra of Q, of degree 3."""

    def f(z: Tensor) -> Tensor:
        last = z[..., -1]
        return last * signed_square(z[..., :-1], p) + last**3 / 3

    return f


def two_forms(split: int) -> TorchMap:
    """Q₁ + Q₁Q₂/2 − Q₂²/4 of the first ``split`` and the other coordinates: so(split) + so(d − split)."""

    def f(z: Tensor) -> Tensor:
        a, b = z[..., :split].square().sum(-1), z[..., split:].square().sum(-1)
        return a + a * b / 2 - b.square() / 4

    return f


def three_planes(z: Tensor) -> Tensor:
    """Q₁Q₂ + Q₂Q₃/2 − Q₁ + Q₃² of three planes: a torus of dimension 3."""
    a, b, c = (z[..., i : i + 2].square().sum(-1) for i in (0, 2, 4))
    return a * b + b * c / 2 - a + c.square() / 3


def monomial(z: Tensor) -> Tensor:
    """z₁z₂z₃ + (z₁z₂z₃)²/2: traceless diagonal matrices."""
    w = z.prod(-1)
    return w + w.square() / 2


def weighted(z: Tensor) -> Tensor:
    """F = w + w²/4, w = z₁²z₂: one scaling diag(1, −2)."""
    w = z[..., 0].square() * z[..., 1]
    return w + w.square() / 4


def sum_of_two(z: Tensor) -> Tensor:
    """(p₁ + p₂)² of two momenta (E, px, py, pz): so(1,3)."""
    total = z.sum(1)
    return total[:, 0].square() - total[:, 1:].square().sum(-1)


def area(a: Tensor, b: Tensor) -> Tensor:
    """The determinant of two vectors of the plane."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def areas(z: Tensor) -> Tensor:
    """Three areas and the square of one: sl(2)."""
    a, b, c = area(z[:, 0], z[:, 1]), area(z[:, 1], z[:, 2]), area(z[:, 0], z[:, 2])
    return a + 0.5 * b.square() - 0.7 * c * a


def one_area(z: Tensor) -> Tensor:
    """The determinant of two vectors."""
    return area(z[:, 0], z[:, 1])


def determinant(z: Tensor) -> Tensor:
    """The determinant of three vectors: sl(3)."""
    return (torch.linalg.cross(z[:, 0], z[:, 1]) * z[:, 2]).sum(-1)


def symplectic_products(z: Tensor) -> Tensor:
    """ω(z₁, z₂) + ω(z₁, z₂)²/4, ω = Σ dq∧dp: sp(2n)."""
    h = z.shape[-1] // 2
    w = (z[:, 0, :h] * z[:, 1, h:] - z[:, 0, h:] * z[:, 1, :h]).sum(-1)
    return w + w.square() / 4


def symplectic_product(z: Tensor) -> Tensor:
    """ω(z₁, z₂): sp(2n), of degree 2."""
    h = z.shape[-1] // 2
    return (z[:, 0, :h] * z[:, 1, h:] - z[:, 0, h:] * z[:, 1, :h]).sum(-1)


def hermitian_product(z: Tensor) -> Tensor:
    """Re⟨u, v⟩ + 2 Im⟨u, v⟩ on C²: u(2)."""
    u, v = z[:, 0], z[:, 1]
    return (u * v).sum(-1) + 2 * symplectic_product(z)


def hermitian_and_determinant(z: Tensor) -> Tensor:
    """Re⟨u, v⟩ + 2 Im⟨u, v⟩ + Re det(u, w) on C²: su(2); coordinates (Re₁, Re₂, Im₁, Im₂)."""
    u, w = torch.complex(z[:, 0, :2], z[:, 0, 2:]), torch.complex(z[:, 2, :2], z[:, 2, 2:])
    return hermitian_product(z[:, :2]) + area(u, w).real


def distances(p: int) -> TorchMap:
    """Q + Q²/4 of the difference of two points: e(n) or the isometries of an indefinite form, affine."""

    def f(z: Tensor) -> Tensor:
        q = signed_square(z[:, 0] - z[:, 1], p)
        return q + q.square() / 4

    return f


def events(z: Tensor) -> Tensor:
    """s² + su²/2 − D + Du/2 of events (t, x): s, u differences of t, D their determinant with those of x: heis(1)."""
    a, b = z[:, 1] - z[:, 0], z[:, 2] - z[:, 0]
    return a[:, 0].square() + a[:, 0] * b[:, 0] ** 2 / 2 - area(a, b) + area(a, b) * b[:, 0] / 2


def radial_vector(inner: float) -> TorchMap:
    """F(z) = (inner + |z|²)z: so(n) on both sides; for inner = 0 also the scaling z → sz, y → s³y."""
    return lambda z: (inner + z.square().sum(-1, keepdim=True)) * z


def cross_product(z: Tensor) -> Tensor:
    """F = z₁ × z₂: gl(3), with tr(A) − Aᵀ on y."""
    return torch.linalg.cross(z[:, 0], z[:, 1])


def o5_target(z: Tensor) -> Tensor:
    """sin|z₁| − |z₂|³/2 + the cosine between them: O(5)."""
    a, b = z[:, 0].norm(dim=-1), z[:, 1].norm(dim=-1)
    return torch.sin(a) - b**3 / 2 + (z[:, 0] * z[:, 1]).sum(-1) / (a * b)


def bell(z: Tensor) -> Tensor:
    """exp(−|z|²/2)."""
    return torch.exp(-z.square().sum(-1) / 2)


def ripple(p: int) -> TorchMap:
    """sin(Q) for a form of signature (p, d − p)."""
    return lambda z: torch.sin(signed_square(z, p) / 2)


def soft_distance(z: Tensor) -> Tensor:
    """1/√(1 + |z₁ − z₂|²): e(n), affine."""
    return (1 + (z[:, 0] - z[:, 1]).square().sum(-1)).rsqrt()


def symmetric_functions() -> list[Problem]:
    """Well-posed functions with a symmetry."""
    p = function_problem
    free: Any = {"action": "free"}
    affine: Any = {"space": "affine"}
    return [
        p("so2 clean", "so(2)", 1, quartic(2), 1, 2, 2000, 0.0, 4, quick=True),
        p("so2 few rows", "so(2)", 1, quartic(2), 1, 2, 200, 0.0, 4),
        p("so2 1%", "so(2)", 1, quartic(2), 1, 2, 5000, 0.01, 4),
        p("so2 5%", "so(2)", 1, quartic(2), 1, 2, 5000, 0.05, 4, quick=True),
        p("so2 10%", "so(2)", 1, quartic(2), 1, 2, 20000, 0.1, 4, draw=box),
        p("so3 clean", "so(3)", 3, quartic(3), 1, 3, 2000, 0.0, 4),
        p("so3 few rows", "so(3)", 3, quartic(3), 1, 3, 500, 0.01, 4),
        p("so3 1%", "so(3)", 3, quartic(3), 1, 3, 5000, 0.01, 4, quick=True),
        p("so3 5%", "so(3)", 3, quartic(3), 1, 3, 10000, 0.05, 4),
        p("so3 10%", "so(3)", 3, quartic(3), 1, 3, 20000, 0.1, 4, draw=box),
        p("so4 1%", "so(4)", 6, quartic(4), 1, 4, 5000, 0.01, 4),
        p("so4 10%", "so(4)", 6, quartic(4), 1, 4, 20000, 0.1, 4, draw=box),
        p("so5 clean", "so(5)", 10, quartic(5), 1, 5, 5000, 0.0, 4),
        p("so11 5%", "so(1,1)", 1, quartic(1), 1, 2, 5000, 0.05, 4),
        p("so11 10%", "so(1,1)", 1, quartic(1), 1, 2, 10000, 0.1, 4, draw=box),
        p("so12 1%", "so(1,2)", 3, quartic(1), 1, 3, 5000, 0.01, 4),
        p("so13 one object", "so(1,3)", 6, quartic(1), 1, 4, 5000, 0.01, 4),
        p("so13 5%", "so(1,3)", 6, quartic(1), 1, 4, 20000, 0.05, 4, draw=box),
        p("so22 clean", "so(2,2)", 6, quartic(2), 1, 4, 5000, 0.0, 4),
        p("lorentz pair", "so(1,3)", 6, sum_of_two, 2, 4, 2000, 0.0, 2, quick=True),
        p("lorentz pair 1%", "so(1,3)", 6, sum_of_two, 2, 4, 20000, 0.01, 2),
        p("so2+so2 1%", "so(2) + so(2)", 2, two_forms(2), 1, 4, 5000, 0.01, 4),
        p("so3+so2", "so(3) + so(2)", 4, two_forms(3), 1, 5, 10000, 0.01, 4),
        p("so3+so3", "so(3) + so(3)", 6, two_forms(3), 1, 6, 10000, 0.0, 4),
        p("torus", "so(2) + so(2) + so(2)", 3, three_planes, 1, 6, 10000, 0.01, 4),
        p("so6 cubic d7", "so(6)", 15, cubic_with_form(6), 1, 7, 5000, 0.0, 3),
        p("so34 cubic d8", "so(3,4)", 21, cubic_with_form(3), 1, 8, 5000, 0.0, 3),
        p("so9 cubic d10", "so(9)", 36, cubic_with_form(9), 1, 10, 10000, 0.0, 3),
        p("so2 cubic 10%", "so(2)", 1, cubic_with_form(2), 1, 3, 10000, 0.1, 3, draw=box),
        p("so4 cubic 5%", "so(4)", 6, cubic_with_form(4), 1, 5, 20000, 0.05, 3, draw=box),
        p("diagonal", "R + R", 2, monomial, 1, 3, 2000, 0.0, 6, draw=box),
        p("one scaling", "R", 1, weighted, 1, 2, 2000, 0.01, 6, draw=box),
        p("sl2 area 5%", "sl(2,R)", 3, one_area, 2, 2, 5000, 0.05, 2, quick=True),
        p("sl2 area 10%", "sl(2,R)", 3, one_area, 2, 2, 5000, 0.1, 2),
        p("sl2 three", "sl(2,R)", 3, areas, 3, 2, 10000, 0.01, 4),
        p("sl3", "sl(3,R)", 8, determinant, 3, 3, 10000, 0.0, 3),
        p("sp4", "sp(4,R)", 10, symplectic_product, 2, 4, 5000, 0.01, 2),
        p("sp2 quartic", "sp(2,R)", 3, symplectic_products, 2, 2, 5000, 0.0, 4),
        p("u2", "u(2)", 4, hermitian_product, 2, 4, 5000, 0.01, 2),
        p("su2", "su(2)", 3, hermitian_and_determinant, 3, 4, 5000, 0.01, 2),
        p("e2", "e(2)", 3, distances(2), 2, 2, 5000, 0.01, 4, **affine, quick=True),
        p("e2 10%", "e(2)", 3, distances(2), 2, 2, 20000, 0.1, 4, **affine, draw=box),
        p("e3", "e(3)", 6, distances(3), 2, 3, 10000, 0.01, 4, **affine),
        p("e3 5%", "e(3)", 6, distances(3), 2, 3, 20000, 0.05, 4, **affine, draw=box),
        p("e11", "e(1,1)", 3, distances(1), 2, 2, 5000, 0.01, 4, **affine),
        p("heisenberg", "heis(1)", 3, events, 3, 2, 10000, 0.01, 3, **affine),
        p("gl2 on area", "gl(2,R)", 4, one_area, 2, 2, 5000, 0.0, 2, **free),
        p("vector so3", "so(3)", 3, radial_vector(-3.0), 1, 3, 5000, 0.01, 3, **free, quick=True),
        p("vector co3", "co(3)", 4, radial_vector(0.0), 1, 3, 5000, 0.01, 3, **free),
        p("vector so2 10%", "so(2)", 1, radial_vector(-2.0), 1, 2, 5000, 0.1, 3, **free),
        p("vector co4 5%", "co(4)", 7, radial_vector(0.0), 1, 4, 20000, 0.05, 3, **free, draw=box),
        p("cross product", "gl(3,R)", 9, cross_product, 2, 3, 5000, 0.01, 2, **free),
        p("bell", "so(3)", 3, bell, 1, 3, 10000, 0.0, None, condition=10),
        p("bell 5%", "so(2)", 1, bell, 1, 2, 10000, 0.05, None, condition=10),
        p("ripple", "so(1,1)", 1, ripple(1), 1, 2, 5000, 0.0, None, condition=10, quick=True),
        p("ripple 1%", "so(1,2)", 3, ripple(1), 1, 3, 20000, 0.01, None, condition=10, draw=box),
        p("o5", "so(5)", 10, o5_target, 2, 5, 20000, 0.0, None, condition=1),
        p("soft distance", "e(2)", 3, soft_distance, 2, 2, 10000, 0.0, None, condition=10, **affine),
    ]
