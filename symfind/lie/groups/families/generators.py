"""Bases of the classical Lie algebras as matrices, and the matrices that they and the finite groups are made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.lie.groups import haar

F64 = torch.float64


def unit(n: int, i: int, j: int) -> Tensor:
    """The matrix unit e_ij, ``(n, n)``."""
    e = torch.zeros(n, n, dtype=F64)
    e[i, j] = 1.0
    return e


def stack(matrices: Sequence[Tensor], n: int) -> Tensor:
    """Matrices ``(n, n)`` as ``(k, n, n)``, none of them as ``(0, n, n)``."""
    return torch.stack(list(matrices)) if len(matrices) else torch.empty(0, n, n, dtype=F64)


def reflection(n: int, *axes: int) -> Tensor:
    """diag(±1), −1 at the given axes, ``(n, n)``."""
    g = torch.eye(n, dtype=F64)
    for axis in axes:
        g[axis, axis] = -1.0
    return g


def so_generators(p: int, q: int = 0) -> Tensor:
    """Basis of so(p, q), ``(n(n−1)/2, n, n)``: rotations and boosts; L_x, L_y, L_z for so(3)."""
    n = p + q
    pairs = [(1, 2), (2, 0), (0, 1)] if (p, q) == (3, 0) else [(i, j) for i in range(n) for j in range(i + 1, n)]
    return stack([unit(n, j, i) + (1.0 if min(i, j) < p <= max(i, j) else -1.0) * unit(n, i, j) for i, j in pairs], n)


def special_linear(n: int) -> Tensor:
    """Basis of sl(n), ``(n²−1, n, n)``."""
    off = [unit(n, i, j) for i in range(n) for j in range(n) if i != j]
    return stack(off + [unit(n, i, i) - unit(n, i + 1, i + 1) for i in range(n - 1)], n)


def general_linear(n: int) -> Tensor:
    """Basis of gl(n), ``(n², n, n)``."""
    return stack([unit(n, i, j) for i in range(n) for j in range(n)], n)


def symplectic(n2: int) -> Tensor:
    """Hamiltonian matrices ((A, B), (C, −Aᵀ)), B and C symmetric, for the form ((0, 1), (−1, 0))."""
    n = n2 // 2
    out = [unit(n2, i, j) - unit(n2, n + j, n + i) for i in range(n) for j in range(n)]
    for i in range(n):
        for j in range(i, n):
            for row, col in ((0, n), (n, 0)):
                e = unit(n2, row + i, col + j)
                out.append(e if i == j else e + unit(n2, row + j, col + i))
    return stack(out, n2)


def unitary(n: int, special: bool) -> Tensor:
    """Basis of u(n), or su(n), on (Re z, Im z), ``(k, 2n, 2n)``."""
    out = []
    for i in range(n):
        for j in range(i + 1, n):
            out.append(unit(n, j, i) - unit(n, i, j) + 0j)
            out.append(1j * (unit(n, i, j) + unit(n, j, i)))
    diagonal = [unit(n, i, i) - unit(n, i + 1, i + 1) for i in range(n - 1)]
    out.extend(1j * e for e in (diagonal if special else [unit(n, i, i) for i in range(n)]))
    return haar.realify(torch.stack(out)) if out else torch.empty(0, 2 * n, 2 * n, dtype=F64)


def homogeneous(linear: Tensor, n: int, translations: bool = True) -> Tensor:
    """Matrices ((A, 0), (0, 0)) of a linear algebra and the n translations ((0, eᵢ), (0, 0))."""
    grown = torch.zeros(len(linear), n + 1, n + 1, dtype=F64)
    grown[:, :n, :n] = linear
    shifts = [unit(n + 1, i, n) for i in range(n)] if translations else []
    return torch.cat([grown, stack(shifts, n + 1)])
