"""∫_{U(n)} and ∫_{SU(n)} as sums: one column after another, each a point of a complex sphere.

g = R(ζ) h with h in the group of one dimension less and R(ζ) e_n = ζ ∈ S^{2n−1}. The mean over h of a polynomial of
degree L in the entries of g and their conjugates is a polynomial in ζ, ζ̄ of no higher degree, so that a rule for the
sphere times one for h is exact. On the sphere ζ_k = √t_k e^{iφ_k} with t uniform on the simplex and φ on the torus.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from symfind.lie.groups.haar import HaarQuadrature, gauss_jacobi, realify

# Lattices are searched up to this degree; what is above is no affordable rule on a torus of three angles or more.
_SEARCHED = 12


@cache
def torus_lattice(n: int, degree: int) -> tuple[int, tuple[int, ...]]:
    """N and z such that the mean over φ = 2π j z/N, j < N, is exact for e^{ik·φ} with Σ|k_i| ≤ degree.

    That is so where no such k but zero has k·z ≡ 0 mod N. For two angles the closest packing of diamonds is known,
    N = 2r² + 2r + 1 and z = (1, 2r + 1) for degree 2r; for more, z = (1, a, a², …) is searched from the bound by
    volumes on. N = 0: none was searched, and the product of equispaced nodes is taken.
    """
    if n == 1:
        return degree + 1, (1,)
    if n == 2:
        r = (degree + 1) // 2
        return 2 * r * r + 2 * r + 1, (1, 2 * r + 1)
    if degree > _SEARCHED:
        return 0, ()
    waves = torch.cartesian_prod(*[torch.arange(-degree, degree + 1)] * n)
    size = waves.abs().sum(1)
    waves = waves[(size > 0) & (size <= degree)]
    count = max(1, int((degree + 1) ** n / math.factorial(n)))  # cross-polytopes of radius (degree + 1)/2 fill no more
    while count < (degree + 1) ** n:
        for a in range(1, count):
            z = [pow(a, i, count) for i in range(n)]
            if not bool((waves @ torch.tensor(z) % count == 0).any()):
                return count, tuple(z)
        count += 1
    return 0, ()


def _phases(n: int, degree: int) -> Tensor:
    """Nodes on the torus, ``(q, n)``."""
    count, z = torus_lattice(n, degree)
    if count:
        turns = torch.arange(count)[:, None] * torch.tensor(z) % count
        return turns.double() * (2 * math.pi / count)
    each = torch.arange(degree + 1, dtype=torch.float64) * (2 * math.pi / (degree + 1))
    return torch.cartesian_prod(*[each] * n)


def _sphere_count(n: int, degree: int) -> int:
    turns: int = torus_lattice(n, degree)[0] or (degree + 1) ** n
    return int(turns * (degree // 4 + 1) ** (n - 1))


def unitary_node_count(n: int, special: bool, degree: int) -> int:
    """Number of nodes of :func:`unitary_quadrature`: a product over S³, S⁵, … S^{2n−1}, and S¹ unless special."""
    return math.prod(_sphere_count(m, degree) for m in range(2 if special else 1, n + 1))


def _sphere(n: int, degree: int) -> tuple[Tensor, Tensor]:
    """Nodes ζ on S^{2n−1} ⊂ C^n ``(q, n)`` and weights, exact up to ``degree`` in ζ and ζ̄.

    After the phases powers of t up to degree/2 remain: t_k = s_k Π_{i<k} (1 − s_i), s_k of density ∝ (1 − s)^{n−1−k}.
    """
    t, weights = torch.ones(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    left = torch.ones(1, dtype=torch.float64)
    for k in range(1, n):
        nodes, w = gauss_jacobi(degree // 2, n - 1 - k, 0)
        s = (1 + nodes) / 2
        grown = left[:, None] * s[None]
        t = torch.cat([t.repeat_interleave(len(s), 0), grown.reshape(-1, 1)], 1)
        weights = (weights[:, None] * w[None]).reshape(-1)
        left = (left[:, None] * (1 - s)[None]).reshape(-1)
    sizes = torch.cat([t, left[:, None]], 1).clamp_min(0).sqrt()
    phases = _phases(n, degree)
    z = torch.polar(sizes[:, None].expand(-1, len(phases), -1), phases[None].expand(len(sizes), -1, -1))
    return z.reshape(-1, n), (weights[:, None] / len(phases)).expand(-1, len(phases)).reshape(-1)


def _bringing_last_axis_to(z: Tensor) -> Tensor:
    """R(ζ) in SU(n) with last column ζ ``(q, n)`` → ``(q, n, n)``; n > 1.

    The product of complex turns of the axes (k, n) with k = 1 … n−1, each special.
    """
    q, n = z.shape
    out = torch.eye(n, dtype=z.dtype).repeat(q, 1, 1)
    column = z
    for k in range(n - 1):
        # A special turn of (k, n) that takes (0, r) to (ζ_k, ζ_n), where r > 0 is left for what comes next.
        a, b = column[:, k], column[:, n - 1]
        r = (a.abs() ** 2 + b.abs() ** 2).sqrt()
        known = r > 0
        a = torch.where(known, a / r.clamp_min(1e-300), torch.zeros_like(a))
        b = torch.where(known, b / r.clamp_min(1e-300), torch.ones_like(b))
        turn = torch.eye(n, dtype=z.dtype).repeat(q, 1, 1)
        turn[:, k, k], turn[:, k, n - 1] = b.conj(), a
        turn[:, n - 1, k], turn[:, n - 1, n - 1] = -a.conj(), b
        out = out @ turn
        column = torch.cat([column[:, : n - 1], r[:, None].to(z.dtype)], 1)
    return out


def unitary_quadrature(n: int, special: bool, degree: int) -> HaarQuadrature:
    """∫ over U(n), or SU(n), on (Re z, Im z); exact up to ``degree`` in the entries of the complex matrices.

    For SU(2) spins up to degree/2 are integrated.
    """
    phases = torch.zeros(1, 1, dtype=torch.float64) if special else _phases(1, degree)
    nodes = torch.polar(torch.ones_like(phases), phases)[:, :, None]
    weights = torch.full((len(nodes),), 1.0 / len(nodes), dtype=torch.float64)
    for m in range(2, n + 1):
        z, w = _sphere(m, degree)
        grown = torch.zeros(len(nodes), m, m, dtype=nodes.dtype)
        grown[:, : m - 1, : m - 1], grown[:, m - 1, m - 1] = nodes, 1.0
        nodes = torch.einsum("zij,hjk->zhik", _bringing_last_axis_to(z), grown).reshape(-1, m, m)
        weights = (w[:, None] * weights[None]).reshape(-1)
    return HaarQuadrature(realify(nodes), weights, degree, True)
