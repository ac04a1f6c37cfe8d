"""Q̇ = −μ(QgQ⁻¹)Q: coordinates in which an algebra of matrices is as nearly closed under transposition as it can be."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Coordinates are not moved further than this condition number: beyond it the noise of entries grows ten-thousandfold.
_LARGEST_CONDITION = 1e3
# The flow halves its speed within some ten steps; what has not come to rest after these is degenerate.
_STEPS = 400


def balancing_path(basis: Tensor) -> list[Tensor]:
    """Matrices Q on the path from 1 to coordinates in which Σ [Bᵢ, Bᵢᵀ] is as small as the orbit of g allows.

    μ = Σ [Bᵢ, Bᵢᵀ] over an orthonormal basis is the moment map of GL(d) on subspaces of matrices. Its flow ends with
    μ = 0 for reductive algebras (Kempf and Ness 1979), else where μ acts on the algebra as a derivation. With noise a
    degenerate algebra only passes near such a point before the flow goes on to what the noise has made of it, so
    the whole path is kept.

    Parameters
    ----------
    basis
        ``(k, d, d)`` independent matrices.

    Returns
    -------
    list of Tensor
        Q ``(d, d)`` at the start, whenever the condition number has doubled, and at the end.
    """
    k, d, _ = basis.shape
    q = torch.eye(d, dtype=basis.dtype)
    rows: Tensor = torch.linalg.qr(basis.reshape(k, -1).T).Q.T
    # The curvature of ½ log det of the Gram matrix is at most 4·min(k, d): a step of its inverse never overshoots.
    least = 1.0 / (4.0 * min(k, d))
    rate, condition, path = least, 1.0, [q]
    for _ in range(_STEPS):
        b = rows.reshape(k, d, d)
        mu = (b @ b.transpose(1, 2) - b.transpose(1, 2) @ b).sum(0)
        velocity = (mu @ b - b @ mu).reshape(k, -1)
        speed = float((velocity - (velocity @ rows.T) @ rows).norm()) / math.sqrt(k)
        # Coordinates of condition number 100 hide constants of 1e-4: a flow that still moves by that much goes on.
        if speed < 1e-6:
            break
        step = torch.linalg.matrix_exp(-rate * mu)
        now = float(torch.linalg.cond(step @ q))
        if now > _LARGEST_CONDITION:
            break
        moved = torch.linalg.solve(step, step @ b, left=False)
        factors = torch.linalg.qr(moved.reshape(k, -1).T)
        rows = factors.Q.T
        # Steps grow while the volume of the unit cube of the algebra still shrinks, and fall back where it does not.
        volume = float(factors.R.diagonal().abs().log().sum())
        rate = rate * 1.2 if volume < 0 else least
        q = step @ q
        if now > 2.0 * condition:
            path.append(q)
            condition = now
    return path if path[-1] is q else [*path, q]
