"""∫_G f(g) dg as Σ wᵢ f(gᵢ): nodes and weights on the circle, SO(n), SU(2), and Haar-distributed samples.

A quadrature of degree L integrates every polynomial of degree ≤ L in the entries of the group's matrices, that is
every matrix coefficient of V^⊗L and below. Rules with more nodes than the caller can bear are replaced by Haar
samples, whose error falls like 1/√q; :attr:`HaarQuadrature.exact` tells which one was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Sampler = Callable[[int, torch.Generator], Tensor]

_F64 = torch.float64


@dataclass(frozen=True, eq=False)
class HaarQuadrature:
    """∫_G f dg ≈ Σ wᵢ f(gᵢ), Σ wᵢ = 1.

    Attributes
    ----------
    nodes
        ``(q, d, d)``, matrices of the group.
    weights
        ``(q,)``, positive, of sum one.
    degree
        Polynomials in the entries of g up to this degree are integrated exactly, if ``exact``.
    exact
        False where the nodes are Haar samples: the error is then that of a mean over q draws.
    """

    nodes: Tensor
    weights: Tensor
    degree: int
    exact: bool


def planar_rotations(angles: Tensor) -> Tensor:
    """((cos t, −sin t), (sin t, cos t)): ``(n,)`` → ``(n, 2, 2)``."""
    c, s = torch.cos(angles), torch.sin(angles)
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)


def _equispaced(count: int) -> Tensor:
    return torch.arange(count, dtype=_F64) * (2 * math.pi / count)


def gauss_jacobi(degree: int, above: float, below: float) -> tuple[Tensor, Tensor]:
    """Gauss rule for the probability density ∝ (1 − t)^above (1 + t)^below on [−1, 1], exact up to ``degree``."""
    from scipy.special import roots_jacobi  # slow to import, and only what averages needs it

    nodes, weights = (torch.from_numpy(a) for a in roots_jacobi(degree // 2 + 1, above, below))
    return nodes, weights / weights.sum()


def rotation_node_count(n: int, degree: int) -> int:
    """Number of nodes of :func:`rotation_quadrature`: Π over spheres S¹ … S^{n−1}."""
    polar = degree // 2 + 1
    return math.prod((degree + 1) * polar ** (j - 1) for j in range(1, n))


def rotation_quadrature(n: int, degree: int) -> HaarQuadrature:
    """∫_{SO(n)} = ∫_{S^{n−1}} ∫_{SO(n−1)}, exact for polynomials of degree ≤ ``degree`` in the entries.

    Hurwitz' angles: g = R₁₂(φ) R₂₃(θ₂) … R_{n−1,n}(θ_{n−1}) h with h in SO(n−1) and the density
    Π sin^{j−1}θⱼ; equispaced nodes in φ and Gauss–Gegenbauer nodes in cos θⱼ. The mean over SO(n−1) of a
    polynomial in g is a polynomial on the sphere of no higher degree, which makes the product rule exact.
    For n = 3 these are the Euler angles.
    """
    nodes = torch.ones(1, 1, 1, dtype=_F64)
    weights = torch.ones(1, dtype=_F64)
    for m in range(2, n + 1):
        # h fixes the last axis; the chain of Givens rotations carries that axis over the sphere.
        grown = torch.zeros(nodes.shape[0], m, m, dtype=_F64)
        grown[:, : m - 1, : m - 1] = nodes
        grown[:, m - 1, m - 1] = 1.0
        nodes = grown
        for axis in range(m - 1, 0, -1):
            if axis == 1:
                cosine, w = None, torch.full((degree + 1,), 1.0 / (degree + 1), dtype=_F64)
                turn = planar_rotations(_equispaced(degree + 1))
            else:
                cosine, w = gauss_jacobi(degree, (axis - 2) / 2, (axis - 2) / 2)
                turn = planar_rotations(torch.acos(cosine.clamp(-1, 1)))
            rotated = nodes.expand(turn.shape[0], *nodes.shape).clone()
            rotated[:, :, axis - 1 : axis + 1] = torch.einsum("tij,qjk->tqik", turn, nodes[:, axis - 1 : axis + 1])
            nodes = rotated.reshape(-1, m, m)
            weights = (w[:, None] * weights[None, :]).reshape(-1)
    return HaarQuadrature(nodes, weights, degree, True)


def realify(z: Tensor) -> Tensor:
    """X + iY ↦ ((X, −Y), (Y, X)): complex ``(…, n, n)`` → real ``(…, 2n, 2n)``."""
    x, y = z.real, z.imag
    return torch.cat([torch.cat([x, -y], -1), torch.cat([y, x], -1)], -2)


def random_orthogonal(n: int, count: int, rng: torch.Generator) -> Tensor:
    """Haar samples of O(n), ``(count, n, n)``: QR of a Gaussian matrix with R's diagonal made positive.

    Mezzadri 2007 (arXiv math-ph/0609050).
    """
    q, r = torch.linalg.qr(torch.randn(count, n, n, dtype=_F64, generator=rng))
    out: Tensor = q * torch.sign(torch.diagonal(r, dim1=-2, dim2=-1))[:, None, :]
    return out


def random_rotations(n: int, count: int, rng: torch.Generator) -> Tensor:
    """Haar samples of SO(n), ``(count, n, n)``: those of O(n) with a column's sign turned where det = −1."""
    q = random_orthogonal(n, count, rng)
    sign = torch.linalg.det(q).round()
    q[:, :, 0] = q[:, :, 0] * sign[:, None]
    return q


def random_unitary(n: int, count: int, rng: torch.Generator, special: bool) -> Tensor:
    """Haar samples of U(n) or SU(n) as real matrices ``(count, 2n, 2n)``."""
    z = torch.randn(count, n, n, dtype=torch.complex128, generator=rng)
    q, r = torch.linalg.qr(z)
    diagonal = torch.diagonal(r, dim1=-2, dim2=-1)
    q = q * (diagonal / diagonal.abs())[:, None, :]
    if special:
        q[:, :, 0] = q[:, :, 0] * torch.linalg.det(q).conj()[:, None]
    return realify(q)


def random_permutations(n: int, count: int, rng: torch.Generator) -> Tensor:
    """Uniform permutation matrices, ``(count, n, n)``."""
    order = torch.argsort(torch.rand(count, n, generator=rng, dtype=_F64), dim=1)
    return torch.eye(n, dtype=_F64)[order].transpose(-1, -2)


def sampled_quadrature(sampler: Sampler, count: int, degree: int, rng: torch.Generator) -> HaarQuadrature:
    """Σ f(gᵢ)/q over q Haar samples: unbiased, with an error of std(f)/√q."""
    return HaarQuadrature(sampler(count, rng), torch.full((count,), 1.0 / count, dtype=_F64), degree, False)
