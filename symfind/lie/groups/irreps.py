"""D^l: the real irreducible representations of SO(3) and SU(2), and the quaternions that carry them.

Degree l acts on the real spherical harmonics of order m = −l … l (z the polar axis); degree 1 is written in Cartesian
order (x, y, z), so that it *is* the defining representation. Half-integer degrees are complex; they act on
(Re ψ, Im ψ).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from symfind.lie.groups.haar import realify

_F64 = torch.float64


def _angular_momentum(twice: int) -> Tensor:
    """Complex J_x, J_y, J_z of spin ``twice``/2 in the basis m = −j … j, ``(3, 2j+1, 2j+1)``."""
    j = twice / 2
    m = torch.arange(twice + 1, dtype=_F64) - j
    raising = torch.diag(torch.sqrt(j * (j + 1) - m[:-1] * (m[:-1] + 1)), -1).to(torch.complex128)
    lowering = raising.mT
    return torch.stack([(raising + lowering) / 2, (raising - lowering) / 2j, torch.diag(m).to(torch.complex128)])


def _real_harmonics(degree: int) -> Tensor:
    """U with |r⟩ = Σ_m U_rm |l, m⟩ for the real harmonics r = −l … l, ``(2l+1, 2l+1)`` unitary."""
    n, half = 2 * degree + 1, 1 / math.sqrt(2)
    rows = [[0j] * n for _ in range(n)]
    rows[degree][degree] = 1 + 0j
    for m in range(1, degree + 1):
        sign = (-1) ** m
        rows[degree + m][degree + m], rows[degree + m][degree - m] = complex(sign * half), complex(half)
        rows[degree - m][degree - m], rows[degree - m][degree + m] = 1j * half, -1j * sign * half
    return torch.tensor(rows, dtype=torch.complex128)


def rotation_generators(twice: int) -> Tensor:
    """Images of L_x, L_y, L_z in the irreducible representation of degree ``twice``/2, real and skew.

    ``(3, 2l+1, 2l+1)`` for integer degrees, ``(3, 2(2j+1), 2(2j+1))`` for half-integer ones.
    """
    generators = -1j * _angular_momentum(twice)
    if twice % 2:
        return realify(generators)
    u = _real_harmonics(twice // 2)
    real = (u.conj() @ generators @ u.mT).real
    if twice == 2:
        real = real[:, [2, 0, 1]][:, :, [2, 0, 1]]
    return real.contiguous()


def _coupling(j1: int, j2: int, j3: int, m1: int, m2: int) -> float:
    """⟨j₁m₁ j₂m₂|j₃ m₁+m₂⟩: Racah's sum of binomials in whole numbers, rounded once at the end."""
    c, s = math.comb, j1 + j2 - j3
    total: int = sum(
        (-1 if k % 2 else 1) * c(s, k) * c(j1 - j2 + j3, j1 - m1 - k) * c(j2 + j3 - j1, j2 + m2 - k)
        for k in range(max(0, j2 - j3 - m1, j1 - j3 + m2), min(s, j1 - m1, j2 + m2) + 1)
    )
    above = c(2 * j1, s) * c(2 * j2, s)
    below = c(j1 + j2 + j3 + 1, s) * c(2 * j1, j1 - m1) * c(2 * j2, j2 - m2) * c(2 * j3, j3 - m1 - m2)
    return total * math.sqrt(above / below)


def clebsch_gordan(l1: int, l2: int, l3: int) -> Tensor:
    """The isometry D^l₃ → D^l₁ ⊗ D^l₂ of the real representations, ``(2l₁+1, 2l₂+1, 2l₃+1)``; unique up to sign."""
    c = torch.zeros(2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1, dtype=torch.complex128)
    orders = [(m1, m2) for m1 in range(-l1, l1 + 1) for m2 in range(max(-l2, -l3 - m1), min(l2, l3 - m1) + 1)]
    where = torch.tensor([[m1 + l1, m2 + l2, m1 + m2 + l3] for m1, m2 in orders]).mT
    c[tuple(where)] = torch.tensor([_coupling(l1, l2, l3, *m) for m in orders], dtype=c.dtype)
    u1, u2, u3 = (_real_harmonics(degree) for degree in (l1, l2, l3))
    c = torch.matmul(u2.conj(), torch.matmul(u1.conj(), c.flatten(1)).view(c.shape)) @ u3.mT
    # In the real bases the coefficients are all real or all imaginary, by the parity of l₁ + l₂ + l₃.
    real = c.imag if (l1 + l2 + l3) % 2 else c.real
    for axis, degree in enumerate((l1, l2, l3)):
        if degree == 1:
            real = real.index_select(axis, torch.tensor([2, 0, 1]))
    return real.contiguous()


def quaternion_of_rotation(r: Tensor) -> Tensor:
    """Unit quaternion (w, x, y, z), up to sign, of rotation matrices ``(…, 3, 3)`` → ``(…, 4)``.

    4 q qᵀ is linear in the matrix; the column of its largest diagonal entry is the best conditioned one.
    """
    d0, d1, d2 = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    a, b, c = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    e, f, g = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    rows = [
        torch.stack([1 + d0 + d1 + d2, a, b, c], -1),
        torch.stack([a, 1 + d0 - d1 - d2, e, f], -1),
        torch.stack([b, e, 1 - d0 + d1 - d2, g], -1),
        torch.stack([c, f, g, 1 - d0 - d1 + d2], -1),
    ]
    outer = torch.stack(rows, -2)
    best = torch.diagonal(outer, dim1=-2, dim2=-1).argmax(-1)
    q = torch.gather(outer, -2, best[..., None, None].expand(*best.shape, 1, 4))[..., 0, :]
    out: Tensor = q / torch.linalg.vector_norm(q, dim=-1, keepdim=True)
    return out


def quaternion_of_su2(g: Tensor) -> Tensor:
    """(w, x, y, z) of w − i(xσ_x + yσ_y + zσ_z) given as a real 4 × 4 matrix: ``(…, 4, 4)`` → ``(…, 4)``."""
    return torch.stack([g[..., 0, 0], -g[..., 3, 0], g[..., 1, 0], -g[..., 2, 0]], -1)


def rotation_vector_of_su2(a: Tensor) -> Tensor:
    """The ω for which −(i/2) ω·σ is the given real 4 × 4 matrix of su(2): ``(…, 4, 4)`` → ``(…, 3)``."""
    return 2 * torch.stack([-a[..., 3, 0], a[..., 1, 0], -a[..., 2, 0]], -1)


def rotation_vector(a: Tensor) -> Tensor:
    """The ω with a = ω·L for skew ``(…, 3, 3)`` → ``(…, 3)``."""
    return torch.stack([a[..., 2, 1], a[..., 0, 2], a[..., 1, 0]], -1)


def wigner(quaternion: Tensor, generators: Tensor) -> Tensor:
    """D(q) = exp(θ n·L) with q = (cos θ/2, n sin θ/2): ``(…, 4)`` → ``(…, D, D)``.

    θ lies in [0, 2π], which reaches both elements of SU(2) above a rotation.
    """
    v = quaternion[..., 1:]
    sine = torch.linalg.vector_norm(v, dim=-1)
    theta = 2 * torch.atan2(sine, quaternion[..., 0])
    # Where the axis is not defined (sin = 0) any axis serves: θ is then 0 or 2π.
    fallback = torch.tensor([0.0, 0.0, 1.0], dtype=v.dtype).expand_as(v)
    axis = torch.where(sine[..., None] > 0, v / sine.clamp_min(1e-300)[..., None], fallback)
    out: Tensor = torch.linalg.matrix_exp(torch.einsum("...k,kij->...ij", theta[..., None] * axis, generators))
    return out
