"""min ‖X̂ − X‖ with [X̂ᵢ, X̂ⱼ] ∈ span X̂: the subalgebra nearest to noisy generators, and what noise leaves open.

A span near span B is the graph of Y: its basis is wᵢ = bᵢ + Σ_m Yᵢₘ n_m, with n an orthonormal basis of the complement
of B. With [wᵢ, wⱼ] = t_ij·b + ν_ij·n the span is closed exactly when c_ij(Y) = ν_ij − t_ij Y = 0. These equations are
solved by Levenberg–Marquardt steps from Y = 0, in variables Z = sY in which the noise of the generators is the same
in every direction (s are the singular values of the normalised generators: a combination of generators in which they
cancel is known less well). The normal equations are assembled from their blocks, never as a Jacobian.

Axis letters: k generators, p coordinates of the ambient space, q of brackets (q ≥ p), m complement of the span.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.linalg.subspaces import orthogonal_complement

_EPS = torch.finfo(torch.float64).eps
# A single generator, or all of gl(d), closes whatever its errors are: six digits are assumed where none are stated.
_UNSEEN = 1e-6
# Random vectors for the trace of a projector: its relative error is about √(2/(24·rank)).
_PROBES = 24
# Equally likely spans: even in a single number all of eight are below 0.4 σ once in ten thousand times only; of four,
# once in a hundred.
_DRAWS = 8
# Levenberg–Marquardt steps at most.
_STEPS = 30


@dataclass(frozen=True)
class MatrixBracket:
    """[A, B] = AB − BA on d × d matrices, as vectors of their d² entries."""

    d: int

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Commutators ``(x, y, d²)``."""
        left, right = a.reshape(-1, 1, self.d, self.d), b.reshape(1, -1, self.d, self.d)
        return (left @ right - right @ left).flatten(2)


@dataclass(frozen=True)
class ClosedSpan:
    """A subalgebra near a span of generators.

    Attributes
    ----------
    basis
        Orthonormal rows ``(k, p)``.
    spread
        ``(r, k, p)``: bases of spans that the noise makes as likely, aligned with ``basis``.
    closure
        Closure residual of the generators as given: the root mean square of ‖P⊥[bᵢ, bⱼ]‖ over pairs of an orthonormal
        basis. It depends on the span alone. For matrices ‖[A, B]‖ ≤ √2 ‖A‖‖B‖ bounds it.
    closure_after
        The same of ``basis``.
    distance
        Sine of the largest principal angle between the given span and this one.
    noise
        Relative error ‖ΔX‖/‖X‖ of the generators that was used: the given one, or that which the closure shows.
    """

    basis: Tensor
    spread: Tensor
    closure: float
    closure_after: float
    distance: float
    noise: float


def closure_residual(basis: Tensor, bracket: MatrixBracket) -> float:
    """Root mean square of ‖P⊥[bᵢ, bⱼ]‖ over pairs i < j of orthonormal rows ``(k, p)``; 0 for k = 1."""
    k, p = basis.shape
    if k < 2:
        return 0.0
    value = bracket(basis, basis)
    inside = value[..., :p] @ basis.T
    outside = value.clone()
    outside[..., :p] -= inside @ basis
    return math.sqrt(float(outside.square().sum()) / (k * (k - 1)))


def nearest_subalgebra(generators: Tensor, bracket: MatrixBracket, noise: float | None = None) -> ClosedSpan:
    """The subalgebra nearest to the span of noisy ``generators`` ``(k, p)``.

    Parameters
    ----------
    generators
        Independent rows; each is taken to be known to the same relative error.
    bracket
        Of the ambient space.
    noise
        Relative error ‖ΔX‖/‖X‖ of each generator; None estimates it from the distance to the nearest subalgebra
        (1e-6 where every span is closed). A given value smaller than what the closure shows is raised to that.

    Raises
    ------
    InputError
        If the generators are not finite or not independent.
    """
    k, p = generators.shape
    if not bool(torch.isfinite(generators).all()):
        raise InputError("generators must be finite; remove what is not")
    length = generators.norm(dim=1, keepdim=True)
    if k == 0 or float(length.min()) == 0.0:
        raise InputError("an algebra needs at least one generator, and no zero ones; remove them")
    _, s, basis = _thin_svd(generators / length)
    if k > p or float(s[-1]) < max(k, p) * _EPS * 10:
        raise InputError(f"{k} generators of lower rank were given; give independent ones")
    graph = _Graph(basis, orthogonal_complement(basis), s, bracket)
    z, h = graph.solve(_STEPS)
    generator = torch.Generator().manual_seed(0)
    opened = _open_part(h, torch.randn(z.numel(), _PROBES + _DRAWS, generator=generator, dtype=z.dtype))
    # tr of the projector on closed directions, by Hutchinson's estimate from the first probes.
    closed_directions = float(z.numel() - opened[:, :_PROBES].square().sum() / _PROBES) if z.numel() else 0.0
    seen = float(z.norm()) * math.sqrt(p / closed_directions) if closed_directions > 0.5 else 0.0
    if noise is None and closed_directions > 0.5:
        # Seen in ν directions the noise may be larger: this is close to the upper 95 % point of σ for ν from 2 on.
        seen *= 1.0 + 8.0 / closed_directions**1.5
    if noise is None and closed_directions <= 0.5:
        seen = _UNSEEN
    # Rounding of normalised generators is the least error anything can have.
    used = max(seen, noise or 0.0, 4 * _EPS)
    spread = [graph.span(z + opened[:, _PROBES + i].reshape(z.shape) * (used / math.sqrt(p))) for i in range(_DRAWS)]
    span = graph.span(z)
    q, r = torch.linalg.qr(span.T)
    found: Tensor = q.T
    aligned = torch.linalg.solve_triangular(r.T, torch.stack([*spread, span]), upper=False)[:-1]
    tangent = z / s[:, None]
    stretch = float(torch.linalg.matrix_norm(tangent, 2)) if tangent.numel() else 0.0
    return ClosedSpan(
        basis=found,
        spread=aligned,
        closure=closure_residual(basis, bracket),
        closure_after=closure_residual(found, bracket),
        distance=stretch / math.hypot(1.0, stretch),  # tan of the angle → its sine
        noise=used,
    )


def _thin_svd(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    u, s, vt = torch.linalg.svd(rows, full_matrices=False)
    return u, s, vt


@dataclass(frozen=True)
class _Graph:
    """Spans near ``basis``, and the closure equations on them."""

    basis: Tensor  # (k, p)
    complement: Tensor  # (m, p)
    s: Tensor  # (k,)
    bracket: MatrixBracket

    def span(self, z: Tensor) -> Tensor:
        return self.basis + (z / self.s[:, None]) @ self.complement

    def _split(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Components of brackets along the basis, and along the complement (coordinates beyond p are appended)."""
        p = self.basis.shape[1]
        inside = value[..., :p]
        return inside @ self.basis.T, torch.cat([inside @ self.complement.T, value[..., p:]], -1)

    def defect(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients t ``(k, k, k)`` and defects c ``(k, k, l)``."""
        w = self.span(z)
        t, nu = self._split(self.bracket(w, w))
        m = self.complement.shape[0]
        c = nu.clone()
        c[..., :m] -= t @ (z / self.s[:, None])
        return t, c

    def normal_equations(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """JᵀJ ``(km, km)``, Jᵀc ``(km,)`` and c, J the derivative of c by Z, over pairs i < j.

        dc_ij = G_j·dYᵢ − Gᵢ·dY_j − t_ij dY, with G[m, j] the part of [n_m, w_j] that is normal to the graph.
        """
        k, m = z.shape
        t, c = self.defect(z)
        tt, nn = self._split(self.bracket(self.complement, self.span(z)))  # (m, k, k), (m, k, l)
        g = nn.clone()
        g[..., :m] -= tt @ (z / self.s[:, None])
        inner = g[..., :m]  # (m, k, m)
        diagonal = torch.einsum("mjl,njl->mn", g, g)
        h = torch.einsum("ab,mn->ambn", torch.eye(k, dtype=z.dtype), diagonal)
        h = h - torch.einsum("mbl,nal->ambn", g, g)
        mixed = torch.einsum("mjn,ajb->ambn", inner, t)
        h = h - mixed - mixed.permute(2, 3, 0, 1)
        h = h + 0.5 * torch.einsum("ija,ijb,mn->ambn", t, t, torch.eye(m, dtype=z.dtype))
        slope = torch.einsum("mjl,ajl->am", g, c) - 0.5 * torch.einsum("ija,ijm->am", t, c[..., :m])
        weight = (1.0 / self.s)[:, None].expand(k, m).reshape(-1)
        hessian = h.reshape(k * m, k * m) * weight[:, None] * weight[None, :]
        return 0.5 * (hessian + hessian.T), slope.reshape(-1) * weight, c

    def solve(self, steps: int) -> tuple[Tensor, Tensor]:
        """Z, and JᵀJ there."""
        k, m = self.basis.shape[0], self.complement.shape[0]
        z = self.basis.new_zeros(k, m)
        if m == 0 or k == 1:
            return z, z.new_zeros(k * m, k * m)
        h, slope, c = self.normal_equations(z)
        size = float(c.norm())
        top = _largest_eigenvalue(h) or 1.0
        damping = 1e-8 * top
        eye = torch.eye(k * m, dtype=z.dtype)
        # Rounding of k² brackets; a defect of this size cannot be reduced.
        floor = 10 * _EPS * k * math.sqrt(k)
        for _ in range(steps):
            if size <= floor:
                break
            factor, failed = torch.linalg.cholesky_ex(h + damping * eye)
            step = -torch.cholesky_solve(slope[:, None], factor).reshape(k, m)
            h_new, slope_new, c_new = self.normal_equations(z + step) if not failed else (h, slope, c)
            size_new = float(c_new.norm()) if not failed else size
            if size_new < size:
                stalled = size_new > 0.7 * size and damping <= 1e-12 * top
                z, h, slope, size = z + step, h_new, slope_new, size_new
                # 1e-13 is well above the rounding that could make JᵀJ indefinite.
                damping = max(damping * 0.1, 1e-13 * top)
                if stalled:
                    break
            elif damping > top:
                break
            else:
                damping *= 10.0
        return z, h


def _largest_eigenvalue(h: Tensor) -> float:
    """λ₁ of a positive semidefinite matrix by power iteration: only its size matters."""
    v = torch.randn(h.shape[0], generator=torch.Generator().manual_seed(0), dtype=h.dtype)
    size = 0.0
    for _ in range(20):
        v = h @ v
        size = float(v.norm())
        if size == 0.0:
            return 0.0
        v = v / size
    return size


def _open_part(h: Tensor, x: Tensor) -> Tensor:
    """η(H + η)⁻¹x: the part of the columns of x in directions that closure leaves open.

    η = 1e-12 λ₁ calls a direction closed if the singular value of the constraint exceeds 1e-6 of the largest.
    """
    if h.shape[0] == 0:
        return x
    eta = 1e-12 * _largest_eigenvalue(h)
    if eta == 0.0:
        return x
    factor = torch.linalg.cholesky(h + eta * torch.eye(h.shape[0], dtype=h.dtype))
    out: Tensor = eta * torch.cholesky_solve(x, factor)
    return out
