"""min V(c)ᵀ Σ⁻¹ V(c), V = E[ξ_c·∇φ], over algebras near a proposed one: where exactly it lies (DESIGN §9 "Refining").

A flow of ξ keeps the distribution only if V vanishes for every φ. The metric is the covariance of V itself (Hansen
1982), so that what is thin across its orbits (a shell of two per cent) fixes the algebra as sharply as it can. To
first order the algebras near g are g + δ with δ a cocycle, [δX, Y] + [X, δY] − δ[X, Y] ∈ g. Axis letters: n rows, D
coordinates of a row, p fields of the space, K generators, T test functions, q directions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.distribution.finite_elements import AffineRows
from symfind.errors import SymfindError
from symfind.fields.polynomial import Monomials, monomial_exponents
from symfind.lie.algebras.closure import MatrixBracket, nearest_subalgebra


@dataclass(frozen=True)
class AlignmentSettings:
    """How an algebra is aligned.

    Attributes
    ----------
    degree
        Of the test functions: a quartic is what tells the middle of a thin quadric from its sides.
    most_tests
        Test functions times combinations of generators; their covariance is estimated from ``rows``.
    rows
        For the covariance.
    floors
        Variances that are added to Σ, one for each Gauss–Newton step: V of a thin set is linear only as far as it is
        thick, so that what tells most about small errors tells nothing about large ones.
    known
        The same for the standard error: with it the stated one is 0.7 to 1.3 times the distance to the truth on ten
        distributions of 20,000 rows (mean over three draws each).
    same_test
        Test functions whose gradients depend on one another to this degree are one.
    prior
        Standard deviation of the errors of a proposal, relative to a generator: what the data do not fix stays.
    most_unknowns
        Above it the equations of a cocycle cost seconds: then nothing is aligned.
    """

    degree: int = 6
    most_tests: int = 440
    rows: int = 5000
    floors: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)
    same_test: float = 1e-5
    known: float = 1e-3
    prior: float = 0.1
    most_unknowns: int = 400


def homogeneous(fields: AffineRows) -> Tensor:
    """((A, b), (0, 0)) as rows ``(K, (D + 1)²)``."""
    k, d = fields.b.shape
    out = fields.a.new_zeros(k, d + 1, d + 1)
    out[:, :d, :d], out[:, :d, d] = fields.a, fields.b
    return out.flatten(1)


def affine_part(rows: Tensor) -> AffineRows:
    """The fields of rows such as :func:`homogeneous` gives."""
    d = math.isqrt(rows.shape[1]) - 1
    m = rows.reshape(-1, d + 1, d + 1)
    return AffineRows(m[:, :d, :d], m[:, :d, d])


def closed_coefficients(basis: Tensor, c: Tensor) -> tuple[Tensor, float]:
    """Coefficients ``(p, K)`` of the subalgebra nearest to fields ``cᵀ basis``, and the sine of the angle to it.

    ``basis`` ``(p, (D + 1)²)`` are the fields of the space; the subalgebra is sought among all affine fields.
    """
    span = nearest_subalgebra(c.T @ basis, MatrixBracket(math.isqrt(basis.shape[1])))
    found = torch.linalg.lstsq(basis.T, span.basis.T, driver="gelsd").solution
    return found, float(span.distance)


def cocycles(basis: Tensor, c: Tensor) -> Tensor:
    """Directions δ ``(q, p, K)`` in which the algebra with coefficients c stays one, orthogonal to itself."""
    p, k = c.shape
    own = torch.linalg.qr((c.T @ basis).T)[0].T  # (K, ambient)
    bracket = MatrixBracket(math.isqrt(basis.shape[1]))
    x = c.T @ basis
    with_basis = bracket(basis, x)  # [E_i, X_b] (p, K, ambient)
    inner = bracket(x, x)
    f = torch.linalg.lstsq(x.T, inner.reshape(k * k, -1).T, driver="gelsd").solution.T.reshape(k, k, k)
    outside = with_basis - (with_basis @ own.T) @ own
    plain = basis - (basis @ own.T) @ own
    rows = []
    for a in range(k):
        for b in range(a):
            block = basis.new_zeros(basis.shape[1], p, k)
            block[:, :, a] += outside[:, b].T
            block[:, :, b] -= outside[:, a].T
            block -= plain.T[:, :, None] * f[a, b]
            rows.append(block.flatten(1))
    normal = torch.einsum("pA,kA->kp", basis, own)  # δ_a ⟂ g
    for a in range(k):
        block = basis.new_zeros(k, p, k)
        block[:, :, a] = normal
        rows.append(block.flatten(1))
    _, sigma, vh = torch.linalg.svd(torch.cat(rows), full_matrices=True)
    rank = int((sigma > 1e-6 * sigma[0]).sum()) if sigma.numel() else 0
    free: Tensor = vh[rank:].reshape(-1, p, k)
    return free


class WeakMoments:
    """M = E[∇φ_t ⊗ (u, 1)], from which V of every affine field follows, and its covariance."""

    def __init__(self, u: Tensor, settings: AlignmentSettings) -> None:
        d = u.shape[1]
        degree = settings.degree
        while degree > 3 and math.comb(d + degree, degree) - 1 > settings.most_tests // 2:
            degree -= 1
        self.u = u
        self.degree = degree
        self.tests = Monomials(monomial_exponents(d, 1, degree))
        total, gram = u.new_zeros(0), u.new_zeros(0)
        for part in torch.split(u, 2048):
            slopes = self._plain_slopes(part)
            n, t, _ = slopes.shape
            ones = torch.cat([part, part.new_ones(n, 1)], 1)
            found = (slopes.reshape(n, t * d).T @ ones).reshape(t, d, d + 1)
            both = slopes.permute(0, 2, 1).flatten(0, 1)
            square = both.T @ both
            total, gram = (found, square) if not total.numel() else (total + found, gram + square)
        values, vectors = torch.linalg.eigh(gram / len(u))
        keep = values > settings.same_test**2 * values[-1]
        self.mix = vectors[:, keep] / values[keep].sqrt()  # (T₀, T)
        self.moments = torch.einsum("st,sab->tab", self.mix, total / len(u))

    def slopes(self, u: Tensor) -> Tensor:
        """∇φ ``(n, T, D)`` of test functions with E∇φ_s·∇φ_t = δ_st."""
        return torch.einsum("nsa,st->nta", self._plain_slopes(u), self.mix)

    def _plain_slopes(self, u: Tensor) -> Tensor:
        """∇(ωφ) ``(n, T, D)`` without the constant, ω = (1 + |u|²/D)^(−degree/2), so that heavy tails weigh no more."""
        d = u.shape[1]
        bare = torch.stack(self.tests.slopes(u), -1)
        values = self.tests(u)
        base = 1 + u.square().sum(1) / d
        rate = self.degree / 2
        weight = base.pow(-rate)
        return weight[:, None, None] * (bare - (2 * rate / d) * values[:, :, None] * (u / base[:, None])[:, None])

    def values(self, fields: AffineRows) -> Tensor:
        """V ``(K, T)``."""
        return torch.einsum("tab,kab->kt", self.moments, torch.cat([fields.a, fields.b[:, :, None]], 2))

    def covariance(self, fields: AffineRows, rows: int) -> Tensor:
        """Of one row's ξ_a·∇φ_t, ``(K·T, K·T)``."""
        u = self.u[:: max(1, len(self.u) // rows)]
        width = fields.count * self.moments.shape[0]
        total, mean, count = u.new_zeros(width, width), u.new_zeros(width), 0
        for part in torch.split(u, 1024):
            xi = torch.einsum("kab,nb->nka", fields.a, part) + fields.b
            plain = torch.einsum("nta,nka->nkt", self._plain_slopes(part), xi)
            made = (plain @ self.mix).flatten(1)
            total += made.T @ made
            mean += made.sum(0)
            count += len(part)
        mean = mean / count
        return total / count - mean[:, None] * mean


@dataclass(frozen=True)
class Alignment:
    """An aligned algebra.

    Attributes
    ----------
    c
        Coefficients ``(p, K)``.
    moved, turned
        Sines of the angles from the proposed span to the nearest algebra, and to the aligned one.
    error
        Standard error of a generator, relative to its size.
    """

    c: Tensor
    moved: float
    turned: float
    error: float


def _sine(first: Tensor, second: Tensor) -> float:
    """Of the largest principal angle between two spans of rows."""
    a, b = (torch.linalg.qr(rows.T).Q for rows in (first, second))
    return float(torch.linalg.matrix_norm(b - a @ (a.T @ b), 2))


def _standard_error(sigma: Tensor, slopes: Tensor, rows: int, k: int, settings: AlignmentSettings) -> float:
    """√(tr I⁻¹/K), I the mean information of single generators ``(mixes, T, q)`` about the directions.

    Those of an algebra are no witnesses that do not know of one another: X₃φ = X₁X₂φ − X₂X₁φ.
    """
    mixes, t, q = slopes.shape
    blocks = sigma.reshape(mixes, t, mixes, t)
    information = torch.eye(q, dtype=sigma.dtype) / settings.prior**2
    for a in range(mixes):
        known = torch.linalg.solve(blocks[a, :, a] + settings.known * torch.eye(t, dtype=sigma.dtype), slopes[a])
        information += rows / mixes * slopes[a].T @ known
    return math.sqrt(float(torch.trace(torch.linalg.inv(information))) / k)


def aligned(
    basis_fields: AffineRows, c: Tensor, u: Tensor, settings: AlignmentSettings, generator: torch.Generator
) -> Alignment | None:
    """The algebra near coefficients c ``(p, K)`` that fits rows ``(n, D)`` best; None if it cannot be aligned."""
    basis = homogeneous(basis_fields)
    proposed = c.T @ basis
    p, k = c.shape
    if p * k > settings.most_unknowns:
        return None
    moments = WeakMoments(u, settings)
    mixes = max(1, min(k, settings.most_tests // moments.moments.shape[0]))
    every = moments.values(basis_fields)  # (p, T)
    error = 0.0
    try:
        c, distance = closed_coefficients(basis, c)
        for floor in settings.floors:
            c = c / torch.linalg.vector_norm(c.T @ basis, dim=1)
            directions = cocycles(basis, c)
            if not len(directions):
                break
            mix = torch.eye(k, dtype=c.dtype)
            if mixes < k:
                mix = torch.randn(mixes, k, generator=generator, dtype=c.dtype)
            made = affine_part((c @ mix.T).T @ basis)
            sigma = moments.covariance(made, settings.rows)
            values, vectors = torch.linalg.eigh(sigma)
            root = (vectors / (values.clamp(min=0) + floor).sqrt()).T * math.sqrt(len(u))
            v = root @ moments.values(made).flatten()
            slopes = torch.stack([mix @ (delta.T @ every) for delta in directions], 2)  # (mixes, T, q)
            jacobian = root @ slopes.flatten(0, 1)
            prior = torch.eye(len(directions), dtype=c.dtype) / settings.prior
            normal = jacobian.T @ jacobian + prior.square()
            step = torch.linalg.solve(normal, jacobian.T @ v)
            error = _standard_error(sigma, slopes, len(u), k, settings)
            c = c - torch.einsum("q,qpk->pk", step, directions)
            c, _ = closed_coefficients(basis, c)
    except SymfindError:
        return None
    return Alignment(c, distance, _sine(proposed, c.T @ basis), error)
