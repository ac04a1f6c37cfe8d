"""The settings of the equivalence test: ten polynomial systems, six sizes, four noises, one design.

Systems, domains, sizes and noises are those that Kendiukhov states for SymCert (certified-symmetry-discovery): rows
uniform on a box, each derivative with noise of a share of √E|F|², affine candidates. The algebra here includes the
rescaling of time (L_ξF = cF), which the peer does not ask for: the asymmetric body has one symmetry more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from witness_suite import algebra as la
from witness_suite.algebra import Algebra
from witness_suite.case import Array, Case, Function, Sample
from witness_suite.draws import square
from witness_suite.physics.builder import AFFINE

SIZES = (100, 200, 400, 800, 1600, 3200)
NOISES = (0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class System:
    """A vector field on the box [−half, half]^d with its algebra."""

    name: str
    f: Function
    half: float
    algebra: Algebra


def columns(*parts: Array) -> Array:
    """Components side by side."""
    return np.stack(parts, 1)


def hopf(x: Array) -> Array:
    """ż = (1 + i)z − |z|²z."""
    r = square(x)
    return columns(x[:, 0] - x[:, 1] - x[:, 0] * r, x[:, 0] + x[:, 1] - x[:, 1] * r)


def body(*moments: float) -> Function:
    """Euler's equations in angular velocities."""
    i, j, k = moments
    return lambda w: columns((j - k) / i * w[:, 1] * w[:, 2], (k - i) / j * w[:, 0] * w[:, 2],
                             (i - j) / k * w[:, 0] * w[:, 1])  # fmt: skip


def lorenz(x: Array) -> Array:
    """σ = 10, ρ = 28, β = 8/3."""
    return columns(10 * (x[:, 1] - x[:, 0]), x[:, 0] * (28 - x[:, 2]) - x[:, 1], x[:, 0] * x[:, 1] - 8 / 3 * x[:, 2])


def selkov(x: Array) -> Array:
    """Glycolysis: 0.1 − x + y/2 + x²y, −y/2 − x²y."""
    turn = x[:, 0] ** 2 * x[:, 1]
    return columns(0.1 - x[:, 0] + x[:, 1] / 2 + turn, -x[:, 1] / 2 - turn)


def systems() -> list[System]:
    """Ten systems: five with a symmetry in the space asked, five without."""
    grown = la.dilation(3).acting(time=[1.0])
    # The symmetric top: ω₃ is constant, so (ω₁, ω₂) scale freely and ω₃ with time.
    top = (
        la.so(2, 0, 1, dimension=3)
        + la.linear(np.diag([1.0, 1, 0]))
        + la.linear(np.diag([0.0, 0, 1])).acting(time=[1.0])
    )
    return [
        System("hopf", hopf, 1.0, la.so(2)),
        System("oscillator", lambda x: columns(-x[:, 1], x[:, 0]), 1.0, la.so(2) + la.dilation(2)),
        System("symmetric top", body(1, 1, 2), 1.0, top),
        System("onto a sphere", lambda x: x * (1 - square(x))[:, None], 1.0, la.so(3)),
        System("van der pol", lambda x: columns(x[:, 1], -x[:, 0] + x[:, 1] * (1 - x[:, 0] ** 2)), 1.0, la.none(2)),
        System("duffing", lambda x: columns(x[:, 1], x[:, 0] - x[:, 0] ** 3 - x[:, 1] / 5), 2.0, la.none(2)),
        System("predators and prey", lambda x: columns(x[:, 0] * (1 - x[:, 1]), x[:, 1] * (x[:, 0] - 1)), 1.0,
               la.none(2)),
        System("selkov", selkov, 2.0, la.none(2)),
        System("asymmetric body", body(1, 2, 3), 1.0, grown),
        System("lorenz", lorenz, 20.0, la.none(3)),
    ]  # fmt: skip


def setting(system: System, rows: int, share: float) -> Case:
    """One of the 240."""
    d = system.algebra.a.shape[1]

    def draw(rng: np.random.Generator) -> Sample:
        x = rng.uniform(-system.half, system.half, (rows, d))

        def noise(clean: Array, amount: float, g: np.random.Generator) -> Array:
            size = np.sqrt(square(system.f(g.uniform(-system.half, system.half, (20_000, d)))).mean())
            return amount * size * g.standard_normal(clean.shape)

        return Sample(x, system.f, system.algebra, noise=noise)

    name = f"{system.name}, {rows} rows, noise {100 * share:g} %"
    return Case(name, system.name, "flow", draw, system.algebra.dimension, AFFINE, share)


def dynamics() -> list[Case]:
    """All 240."""
    return [setting(*chosen) for chosen in product(systems(), SIZES, NOISES)]
