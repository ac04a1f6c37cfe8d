"""exp(tZ) closed or not: the compact part of an abelian algebra of matrices, from its joint spectrum."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from symfind.linalg.subspaces import UnclearRank, nullspace, simplest_rational

# Frequencies are called commensurate if their ratios are fractions up to this denominator within their errors.
_LARGEST_DENOMINATOR = 24
# In balanced coordinates a diagonalisable algebra has spectral projectors of norm one, or not much more.
_LARGEST_GROWTH = 20.0


def compact_directions(matrices: Tensor, error: float) -> Tensor:
    """Rows ``(t, c)`` spanning the largest torus in an abelian algebra span{Z₁ … Z_c}; t = 0 if there is none.

    Z generates a compact group with closed orbits iff it is diagonalisable over C with imaginary eigenvalues iω whose
    frequencies are commensurate. With spectral projectors P_j of a generic element, λ_j(Z) = tr(P_j Z)/tr P_j are
    linear in Z, and so is the nilpotent part Z − Σ λ_j(Z) P_j; directions in which Re λ and the nilpotent part vanish
    are compact if the λ_j/i on them span a lattice.

    Parameters
    ----------
    matrices
        ``(c, d, d)`` commuting matrices of norm about one.
    error
        Spectral norm of their errors.

    Raises
    ------
    UnclearRank
        If the errors leave it open.
    """
    c, d, _ = matrices.shape
    if c == 0:
        return matrices.new_zeros(0, 0)
    projectors = _spectral_projectors(_generic(matrices), error)
    # Projectors add their own size to the errors of the matrices. Large ones mean that eigenvalues which are apart may
    # be those of one Jordan block, split by the errors.
    growth = float(torch.linalg.matrix_norm(projectors, 2).max())
    if growth > _LARGEST_GROWTH:
        raise UnclearRank("the centre may not be diagonalisable at this noise; give generators with smaller errors")
    dims = torch.einsum("jaa->j", projectors).real
    z = matrices.to(projectors.dtype)
    values = torch.einsum("jab,cba->jc", projectors, z) / dims[:, None]  # λ_j(Z_c)
    nilpotent = z - torch.einsum("jc,jab->cab", values, projectors)
    conditions = torch.cat([values.real, nilpotent.real.flatten(1).T, nilpotent.imag.flatten(1).T])
    imaginary = nullspace(conditions, 4.0 * error * growth * math.sqrt(d))
    if imaginary.shape[0] == 0 or not _is_lattice(imaginary, values.imag, error * growth):
        return imaginary[:0]
    return imaginary


def _generic(matrices: Tensor) -> Tensor:
    """An element whose eigenvalues lie as far apart as can be found."""
    generator = torch.Generator().manual_seed(0)
    best: tuple[float, Tensor] | None = None
    for _ in range(1 if matrices.shape[0] == 1 else 32):
        weights = torch.randn(matrices.shape[0], generator=generator, dtype=matrices.dtype)
        element = torch.einsum("c,cab->ab", weights / weights.norm(), matrices)
        values = torch.linalg.eigvals(element)
        apart = (values[:, None] - values[None, :]).abs()
        # Eigenvalues that are equal in every element do not count: the mean logarithm ranks the others.
        quality = float(apart.clamp(min=1e-6).log().mean())
        if best is None or quality > best[0]:
            best = quality, element
    assert best is not None
    return best[1]


def _spectral_projectors(matrix: Tensor, error: float) -> Tensor:
    """P_j = ∮ (λ − Z)⁻¹ dλ / 2πi around each cluster of eigenvalues ``(j, d, d)``, complex."""
    d = matrix.shape[0]
    values = torch.linalg.eigvals(matrix)
    # Eigenvalues of a matrix that is nearly normal move by its error; rounding alone splits Jordan blocks by 1e-8.
    near = max(1e-6, 4.0 * error)
    left, groups = values.tolist(), []
    while left:
        group = [left.pop()]
        for v in group:  # grows while it is walked through
            close = [w for w in left if abs(v - w) < near]
            left = [w for w in left if w not in close]
            group.extend(close)
        groups.append(group)
    means = [sum(g) / len(g) for g in groups]
    unit = torch.eye(d, dtype=values.dtype)
    out = []
    for mean, group in zip(means, groups, strict=True):
        inner = max((abs(v - mean) for v in group), default=0.0)
        outer = min((abs(v - mean) for g in groups if g is not group for v in g), default=max(1.0, 4 * inner))
        if outer < 2 * inner + near:
            raise UnclearRank("eigenvalues of the centre are not clear at this noise; give smaller errors")
        radius = math.sqrt(max(inner, 0.25 * near) * outer) if inner > 0 else 0.5 * outer
        # The trapezoidal rule on a circle: errors fall as (ratio of radii)^64.
        angles = 2 * math.pi * torch.arange(64, dtype=torch.float64) / 64
        offsets = radius * torch.polar(torch.ones_like(angles), angles)
        resolvents = torch.linalg.inv((mean + offsets)[:, None, None] * unit - matrix.to(values.dtype))
        out.append((offsets[:, None, None] * resolvents).mean(0))
    return torch.stack(out)


def _is_lattice(directions: Tensor, frequencies: Tensor, error: float) -> bool:
    """Whether the frequencies ``(j, c)`` on the directions ``(t, c)`` span a lattice of rank t over the integers."""
    omega = frequencies @ directions.T  # (j, t)
    t = directions.shape[0]
    order = omega.norm(dim=1).argsort(descending=True, stable=True)
    frame = omega[order[:1]]
    for j in order[1:].tolist():
        if frame.shape[0] == t:
            break
        trial = torch.cat([frame, omega[j : j + 1]])
        # A frame of nearly parallel frequencies would blow up the errors of the ratios.
        if float(torch.linalg.svdvals(trial)[-1]) > 0.1 * float(omega.norm()):
            frame = trial
    if frame.shape[0] < t:
        return False
    ratios = torch.linalg.solve(frame.T, omega.T).T
    half = 4.0 * (error + 1e-12) / float(torch.linalg.svdvals(frame)[-1])
    return all(
        simplest_rational(float(r) - half * (1 + abs(float(r))), float(r) + half * (1 + abs(float(r))),
                          _LARGEST_DENOMINATOR) is not None
        for r in ratios.flatten()
    )  # fmt: skip
