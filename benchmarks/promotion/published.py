"""The recovery problems of Otto, Zolman, Kutz, Brunton (2025), generated as published: same seeds, same numbers.

Facts of the generation: numpy's legacy generator seeded with the seed; coefficients of φ uniform in [0, 1] in the order
of monomials of r variables; then directions u, the first rows of the left factor of the SVD of a Gaussian matrix
(m, r), or centres uniform in [−1, 1]^m; then the samples, uniform in [−1, 1]^m, one more than there are features, of
which the first N are used. The Lie derivative is sampled at points of a second generator, Threefry-2×32 in single
precision: one more than the polynomials of the degree of L_ξF.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symfind.fields.catalogue import make_space
from symfind.fields.polynomial import monomial_exponents
from symfind.fields.space import VectorFieldSpace
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.lie_derivative import Invariant
from symfind.promotion.operator import LieOperator, candidates_at


@dataclass(frozen=True)
class Case:
    """One row of the published table; ``lowest … highest`` and ``seconds`` are its numbers."""

    kind: str
    space: str
    d: int
    r: int
    m: int
    median: float
    lowest: int
    highest: int
    seconds: float

    @property
    def name(self) -> str:
        """As in the published table."""
        return f"{self.kind}, {'T' if self.space == 'translations' else 'SE'}({self.m})"


CASES = (
    Case("ortho", "translations", 2, 1, 10, 32, 24, 37, 1.3),
    Case("ortho", "translations", 2, 2, 10, 50, 41, 59, 1.5),
    Case("ortho", "translations", 2, 1, 20, 72, 54, 98, 15),
    Case("ortho", "translations", 3, 1, 10, 79, 62, 166, 16),
    Case("ortho", "translations", 4, 1, 6, 88.5, 57, 139, 11),
    Case("ortho", "se", 2, 1, 5, 15.5, 13, 20, 1.9),
    Case("ortho", "se", 2, 1, 10, 31.5, 18, 40, 64),
    Case("ortho", "se", 2, 1, 30, 118, 69, 150, 18435),
    Case("quad", "se", 1, 1, 5, 16, 13, 19, 1.4),
    Case("quad", "se", 1, 1, 10, 30, 21, 46, 68),
)


@dataclass(frozen=True)
class Problem:
    """Θ and y of all samples, the true w, and L."""

    theta: Tensor
    y: Tensor
    truth: Tensor
    lie: LieOperator

    def error(self, w: Tensor) -> float:
        """‖w − w*‖∞ / ‖w*‖∞."""
        return float((w - self.truth).abs().max() / self.truth.abs().max())


def problem(case: Case, seed: int) -> Problem:
    """The published problem of a seed."""
    generator = np.random.RandomState(seed)
    m, r, d = case.m, case.r, case.d
    phi = monomial_exponents(r, 0, d)
    coefficients = torch.from_numpy(generator.rand(len(phi)))
    degree = 2 * d if case.kind == "quad" else d
    standard = Standardiser(torch.zeros(m, dtype=torch.float64), torch.ones(m, dtype=torch.float64))
    features = PolynomialFeatures.of_degree(standard, degree)
    if case.kind == "quad":
        centres = torch.from_numpy(generator.uniform(-1, 1, r * m).reshape(r, m))
    else:
        directions = torch.from_numpy(np.linalg.svd(generator.normal(size=(m, r)))[0][:r].copy())
    x = torch.from_numpy(generator.uniform(-1.0, 1.0, size=(features.size + 1, m)))

    def latent(x: Tensor) -> Tensor:
        if case.kind == "quad":
            return (x[:, None, :] - centres).square().sum(2)
        return x @ directions.T

    zeros, ones = torch.zeros(r, dtype=torch.float64), torch.ones(r, dtype=torch.float64)
    inner = PolynomialFeatures(Standardiser(zeros, ones), phi)
    # The coefficients of the composition, from more points than features: exact to rounding.
    many = 2 * torch.rand(4 * features.size, m, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
    exact = torch.linalg.lstsq(features(many), (inner(latent(many)) @ coefficients)[:, None]).solution[:, 0]
    truth = torch.where(exact.abs() < 1e-10, torch.zeros_like(exact), exact)
    theta = features(x)
    return Problem(theta, theta @ truth, truth, published_lie(case, seed, features))


def published_lie(case: Case, seed: int, features: PolynomialFeatures) -> LieOperator:
    """L at the published points, for candidates whose matrices (A, b) have Frobenius norm one."""
    m = case.m
    degree = features.degree - (case.space == "translations")
    count = math.comb(m + degree, m) + 1
    points = torch.from_numpy(threefry_uniform(seed, (count, m))).double()
    space: VectorFieldSpace = make_space(case.space, m, [f"x{i}" for i in range(m)])
    candidates = candidates_at(space, Invariant(), points[:, None, :], (1, 1))
    norms = torch.linalg.vector_norm(space.table(torch.eye(space.dim, dtype=torch.float64)), dim=1)
    candidates = candidates.turned(torch.diag(1 / norms))
    # Rows are not divided by √n there, which changes the objective by a factor alone.
    return LieOperator.of(features, points, candidates, torch.ones(1, 1, dtype=torch.float64))


def threefry_uniform(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform single-precision numbers in [−1, 1] from the counter-based generator Threefry-2×32 (Salmon et al. 2011).

    The counters 0 … n − 1 are halved into two words of a block, an odd one padded by zero; of 32 bits the upper 23
    become the mantissa of a number in [1, 2).
    """
    size = math.prod(shape)
    counters = np.arange(size + size % 2, dtype=np.uint32)
    if size % 2:
        counters[-1] = 0
    first, second = np.split(counters, 2)
    bits = np.concatenate(_threefry(np.uint32(0), np.uint32(seed), first, second))[:size]
    unit = ((bits >> np.uint32(9)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)
    low, high = np.float32(-1), np.float32(1)
    return np.maximum(low, unit * (high - low) + low).reshape(shape)


def _threefry(k0: np.uint32, k1: np.uint32, x0: np.ndarray, x1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    with np.errstate(over="ignore"):
        x0, x1 = x0 + keys[0], x1 + keys[1]
        for group in range(5):
            for turn in rotations[group % 2]:
                x0 = x0 + x1
                x1 = (x1 << np.uint32(turn)) | (x1 >> np.uint32(32 - turn))
                x1 = x0 ^ x1
            x0 = x0 + keys[(group + 1) % 3]
            x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1
