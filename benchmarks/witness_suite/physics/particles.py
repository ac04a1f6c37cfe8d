"""Lorentz invariants of one to three particles (E, p), and of the beam axis alone."""

from __future__ import annotations

import numpy as np

from witness_suite import algebra as la
from witness_suite.case import Array, Case, Sample, in_random_coordinates
from witness_suite.draws import minkowski, particles
from witness_suite.physics.builder import exact


def mass2(x: Array, *of: int) -> Array:
    """Squared invariant mass of some of the particles."""
    total = x[:, list(of)].sum(1)
    return minkowski(total, total)


def relative_rapidity(x: Array) -> Array:
    """arccosh(p₁·p₂/(m₁m₂))."""
    masses = np.sqrt(mass2(x, 0) * mass2(x, 1))
    return np.arccosh(np.maximum(minkowski(x[:, 0], x[:, 1]) / masses, 1.0))


def gram(x: Array) -> Array:
    """Log det of the Gram matrix of three momenta."""
    g = np.einsum("nia,a,nja->nij", x, la.LORENTZ, x)
    return np.log(np.abs(np.linalg.det(g)) + 0.05)


def beam(x: Array) -> Array:
    """√(pT₁ pT₂) Δy²/(1 + Δy²): turns about the beam, boosts along it, and E and p_z scale together."""
    transverse = np.hypot(x[:, :, 1], x[:, :, 2])
    rapidity = np.arctanh(x[:, :, 3] / x[:, :, 0])
    gap = (rapidity[:, 0] - rapidity[:, 1]) ** 2
    return np.sqrt(transverse.prod(1)) * gap / (1 + gap)


def decays() -> Case:
    """Labels of pairs by their invariant mass, smeared: so(1,3)."""

    def draw(rng: np.random.Generator) -> Sample:
        x = particles(12_000, 2)(rng)

        def labels(f: Array, g: np.random.Generator) -> Array:
            return (g.random(f.shape) < f) + 0.0

        return Sample(x, lambda x: 0.05 + 0.9 / (1 + np.exp(4 * (np.sqrt(mass2(x, 0, 1)) - 3))), la.lorentz(),
                      labels=labels)  # fmt: skip

    return Case("labels of a resonance", "labels", "function", draw, 6)


def particle_cases() -> list[Case]:
    """One to three particles."""
    lorentz = la.lorentz()
    about_the_beam = la.linear(la.turn(4, 1, 2), la.unit(4, 0, 3) + la.unit(4, 3, 0), np.diag([1.0, 0, 0, 1]))

    def alone(rng: np.random.Generator) -> Array:
        return particles(6000, 1, 0.2, 2.0)(rng)[:, 0]

    return [
        exact("one particle off its shell", "lorentz", alone, lambda x: 1 / (0.3 + minkowski(x, x)), lorentz),
        in_random_coordinates(
            exact("one particle, a resonance", "lorentz", alone,
                  lambda x: 0.25 / ((minkowski(x, x) - 1.5) ** 2 + 0.25), lorentz), 3.0),
        exact("relative rapidity", "lorentz", particles(8000, 2), relative_rapidity, lorentz + la.dilation(4)),
        exact("exchange of a boson", "lorentz", particles(8000, 2),
              lambda x: 1 / (2.5 - minkowski(x[:, 0] - x[:, 1], x[:, 0] - x[:, 1])), lorentz + la.translations(4)),
        exact("volume of three momenta", "lorentz", particles(20_000, 3), gram, lorentz),
        exact("two channels", "lorentz", particles(12_000, 3),
              lambda x: np.log(mass2(x, 0, 1)) * np.arctan(mass2(x, 1, 2) - 6), lorentz),
        exact("share of a pair in the mass", "lorentz", particles(12_000, 3),
              lambda x: mass2(x, 0, 1) / mass2(x, 0, 1, 2), lorentz + la.dilation(4)),
        exact("two jets along a beam", "lorentz", particles(10_000, 2), beam, about_the_beam),
        decays(),
    ]  # fmt: skip
