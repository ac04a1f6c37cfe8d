"""cos θᵢ = σᵢ(Q₁ᵀQ₂): spans compared by principal angles, their sparsest bases, simplest rationals in an interval.

Spans are given by rows: ``(k, P)`` is the span of k vectors of R^P.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor

from symfind.errors import InputError, NumericalError

_EPS = torch.finfo(torch.float64).eps
# Vectors whose smallest singular value is below this share of the largest differ in their last digits alone.
DEPENDENT = 1e-10


class UnclearRank(NumericalError):
    """A singular value lies where it can be called neither zero nor different from zero."""


def clear_rank(singular: Tensor, cut: float, gap: float = 4.0) -> int:
    """#{σᵢ > cut}, provided that no σᵢ lies in (cut, gap·cut].

    Parameters
    ----------
    singular
        Singular values ``(r,)`` in any order.
    cut
        What an exactly zero singular value can grow to under the known errors of the matrix (same units as σ).
    gap
        A value must exceed ``gap·cut`` to be believed; 4 leaves a wrong error estimate of a factor 4 harmless.

    Raises
    ------
    UnclearRank
        If a value lies between.
    """
    between = (singular > cut) & (singular <= gap * cut)
    if bool(between.any()):
        raise UnclearRank(
            f"a singular value {float(singular[between].max()):.2g} is within a factor {gap:g} of the error {cut:.2g}; "
            "give generators with smaller errors"
        )
    return int((singular > cut).sum())


def _svd(matrix: Tensor, *, full: bool) -> tuple[Tensor, Tensor]:
    """Singular values and right singular vectors as rows."""
    _, s, vt = torch.linalg.svd(matrix, full_matrices=full)
    return s, vt


def span_basis(rows: Tensor, relative_cut: float = 1e-12) -> Tensor:
    """Orthonormal rows Q ``(r, P)`` of the span of ``rows`` ``(k, P)``; σ ≤ relative_cut·σ₁ counts as zero."""
    if rows.shape[0] == 0 or rows.shape[1] == 0:
        return rows.new_zeros(0, rows.shape[1])
    s, vt = _svd(rows, full=False)
    # max(k, P)·eps is the size of rounding in the SVD; a cut below it would count rounding as rank.
    cut = max(relative_cut, max(rows.shape) * _EPS) * float(s[0])
    return vt[: int((s > cut).sum())]


def oriented_basis(rows: Tensor) -> Tensor:
    """R·Q of orthonormal rows Q ``(r, P)``, R the rotation that brings them nearest to r fixed vectors.

    A decomposition gives eigenvectors up to sign, and those of equal eigenvalues up to a rotation: which ones, rounding
    decides. Whatever is drawn at random in their coordinates (waves, starts of a fit) would differ from one processor
    to the next; these rows depend on the span alone, and the whole space gets its own axes.
    """
    r, p = rows.shape
    if r == p:
        return torch.eye(p, dtype=rows.dtype)
    # Normal draws have no coordinate in common with any span that data lie on: their shadow in it has full rank.
    fixed = torch.randn(p, r, generator=torch.Generator().manual_seed(0), dtype=rows.dtype)
    u, _, vt = torch.linalg.svd(rows @ fixed)
    turned: Tensor = (u @ vt).T @ rows
    return turned


def orthogonal_complement(rows: Tensor) -> Tensor:
    """Orthonormal rows ``(P − k, P)`` of the complement of independent ``rows`` ``(k, P)``."""
    k, p = rows.shape
    if k == 0:
        return torch.eye(p, dtype=rows.dtype)
    q: Tensor = torch.linalg.qr(rows.T, mode="complete").Q
    return q[:, k:].T


def nullspace(matrix: Tensor, cut: float) -> Tensor:
    """Orthonormal rows spanning {x : Mx = 0} for M ``(r, P)``, singular values ≤ cut counted as zero.

    Raises
    ------
    UnclearRank
        If a singular value lies in (cut, 4·cut].
    """
    p = matrix.shape[1]
    if matrix.shape[0] == 0 or p == 0:
        return torch.eye(p, dtype=matrix.dtype)
    if matrix.shape[0] > 2 * p:  # the R factor has the same null space and singular values
        matrix = torch.linalg.qr(matrix, mode="r").R
    s, vt = _svd(matrix, full=True)
    return vt[clear_rank(s, cut) :]


def principal_cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of the principal angles between the spans of ``(k, P)`` and ``(l, P)``, descending, min(k, l) of them."""
    qa, qb = span_basis(a), span_basis(b)
    if qa.shape[0] == 0 or qb.shape[0] == 0:
        return a.new_zeros(0)
    cosines: Tensor = torch.linalg.svdvals(qa @ qb.T)
    return cosines.clamp(max=1.0)


def largest_sine(a: Tensor, b: Tensor) -> float:
    """Sine of the largest principal angle between two spans of one dimension, accurate for small angles.

    It is ‖(1 − P_b) P_a‖₂, which does not suffer the cancellation of √(1 − cos²). Spans of unequal dimension have 1.
    """
    qa, qb = span_basis(a), span_basis(b)
    if qa.shape[0] != qb.shape[0]:
        return 1.0
    if qa.shape[0] == 0:
        return 0.0
    return min(1.0, float(torch.linalg.matrix_norm(qa - (qa @ qb.T) @ qb, 2)))


def sparsest_basis(rows: Tensor, noise: float = 1e-9) -> Tensor:
    """A basis of the span of ``rows`` ``(k, P)`` with as few entries as can be found, largest entry 1 in each row.

    For every coordinate j the vector with v_j = 1 and least ‖v‖_q (q from 1 to ½, by reweighted least squares) is a
    candidate, so are the rows of reduced echelon forms; among them linearly independent ones are taken greedily, those
    with the fewest entries first, which is optimal within the candidates because independent sets form a matroid.

    Parameters
    ----------
    rows
        Independent vectors ``(k, P)``.
    noise
        Relative size of entries that may be rounding or noise. Entries are kept, not set to zero.

    Raises
    ------
    InputError
        If the rows are not finite or not independent.
    """
    k, p = rows.shape
    if not bool(torch.isfinite(rows).all()):
        raise InputError("the vectors of a span must be finite; remove what is not")
    basis = span_basis(rows, DEPENDENT)
    if basis.shape[0] != k:
        raise InputError(
            f"{k} generators of rank {basis.shape[0]} were given, alike but for the tenth digit of their entries, as "
            "happens where x is far from its origin: subtract a place near the data from x, or give independent ones"
        )
    if k == 0:
        return rows
    candidates = torch.cat([_least_norm_candidates(basis, noise), _echelon_candidates(basis)])
    # Ten times the noise: noise enters a candidate through k coefficients of order one. An entry of a third of the
    # largest is there whatever the noise; without this bound all supports become alike and no basis is found.
    threshold = min(max(10.0 * noise, 1e-9), 0.3)
    candidates = _projected_on_support(candidates, basis, threshold)
    weight = (candidates.abs() > threshold).sum(1).double()
    # Among equally sparse ones the smallest l1 norm, then the earlier leading entries: a fixed order.
    key = weight * 1e6 + candidates.abs().sum(1)
    chosen = _greedy_independent(candidates, torch.argsort(key, stable=True), k)
    return chosen


def _least_norm_candidates(basis: Tensor, noise: float) -> Tensor:
    """Least ‖cB‖_q over c with (cB)_j = 1, for every coordinate j that the span reaches."""
    k, p = basis.shape
    reach = basis.norm(dim=0)
    # Dividing by v_j multiplies the noise; where it is large everywhere, the columns reached best must do.
    least = min(max(100.0 * noise, 1e-6), 0.5 * float(reach.max()))
    columns = torch.nonzero(reach > least).flatten()
    b_j = basis[:, columns].T  # (J, k)
    ones = torch.ones(len(columns), p, dtype=basis.dtype)
    out = []
    for last_q in (1.0, 0.5):
        weight, v = ones, ones
        for step in range(40):
            # The smoothing falls from 1 to well below the noise, so that the iteration passes the poor local minima.
            eps = max(0.6**step, noise, 1e-10)
            q = 1.0 if step < 20 else last_q
            gram = (weight[:, None, :] * basis) @ basis.T
            gram = gram + 1e-14 * gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * torch.eye(k, dtype=basis.dtype)
            c = torch.linalg.solve(gram, b_j[..., None])[..., 0]
            c = c / (c * b_j).sum(1, keepdim=True)
            v = c @ basis
            weight = (v**2 + eps**2) ** (q / 2 - 1)
        out.append(v)
    return torch.cat(out)


def _echelon_candidates(basis: Tensor) -> Tensor:
    """Rows of reduced echelon forms, pivots chosen by size after a left and a right sweep."""
    k, p = basis.shape
    out = []
    for order in (torch.arange(p), torch.arange(p - 1, -1, -1)):
        reduced, row = basis[:, order].clone(), 0
        for column in range(p):
            if row == k:
                break
            pivot = row + int(reduced[row:, column].abs().argmax())
            # A pivot below 1e-3 would blow the noise of its row up a thousandfold.
            if abs(float(reduced[pivot, column])) < 1e-3:
                continue
            reduced[[row, pivot]] = reduced[[pivot, row]]
            reduced[row] = reduced[row] / reduced[row, column].clone()
            others = torch.arange(k) != row
            reduced[others] -= reduced[others][:, column, None] * reduced[row]
            row += 1
        back = torch.empty_like(reduced[:row])
        back[:, order] = reduced[:row]
        out.append(back)
    return torch.cat(out)


def _projected_on_support(candidates: Tensor, basis: Tensor, threshold: float) -> Tensor:
    """Each candidate replaced by the vector of the span with the least energy outside its support, largest entry 1."""
    out, seen = [], set()
    for v in candidates:
        v = v / v.abs().max()
        outside = v.abs() <= threshold
        support = tuple((~outside).tolist())
        if support in seen:
            continue
        seen.add(support)
        if bool(outside.any()):
            s, wt = _svd(basis[:, outside].T, full=True)
            # Unique only if a single direction vanishes outside the support; otherwise the candidate is kept.
            if basis.shape[0] == 1 or len(s) < basis.shape[0] or float(s[-2]) > 10 * threshold:
                v = wt[-1] @ basis
        largest = int(v.abs().argmax())
        out.append(v / v[largest])
    return torch.stack(out)


def _greedy_independent(candidates: Tensor, order: Tensor, k: int) -> Tensor:
    """The first k candidates in this order, each outside the span of those before it."""
    # A sine above 0.05 keeps the basis well conditioned; the smaller ones serve spans whose vectors lie close together.
    for least_sine in (0.05, 1e-3, 1e-6):
        chosen: list[Tensor] = []
        q = candidates.new_zeros(0, candidates.shape[1])
        for i in order.tolist():
            unit = candidates[i] / candidates[i].norm()
            rest = unit - (unit @ q.T) @ q
            rest = rest - (rest @ q.T) @ q
            if float(rest.norm()) > least_sine:
                chosen.append(candidates[i])
                q = torch.cat([q, (rest / rest.norm())[None]])
            if len(chosen) == k:
                return torch.stack(chosen)
    raise NumericalError(f"no sparse basis of a span of dimension {k} was found; use the basis as it is")


def simplest_rational(low: float, high: float, largest_denominator: int = 1_000_000) -> Fraction | None:
    """The p/q of least q, then least |p|, with low ≤ p/q ≤ high: the first node of the Stern–Brocot tree inside.

    Returns None if q would exceed ``largest_denominator``.

    Raises
    ------
    InputError
        If the ends are not finite or out of order.
    """
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise InputError(f"an interval needs finite ends in order, got [{low}, {high}]")
    if low <= 0 <= high:
        return Fraction(0)
    if low > 0:
        return _simplest(low, high, largest_denominator)
    found = _simplest(-high, -low, largest_denominator)
    return None if found is None else -found


def _simplest(low: float, high: float, largest_denominator: int) -> Fraction | None:
    """Of 0 < low ≤ high: the common terms of their continued fractions, then the least term that lies between."""
    (a, b), (c, d) = low.as_integer_ratio(), high.as_integer_ratio()
    (p, q), (last_p, last_q) = (1, 0), (0, 1)  # the convergents so far
    while q <= largest_denominator:
        whole = -(-a // b)
        if whole * d <= c:
            found = Fraction(whole * p + last_p, whole * q + last_q)
            return found if found.denominator <= largest_denominator else None
        floor = whole - 1
        (p, q), (last_p, last_q) = (floor * p + last_p, floor * q + last_q), (p, q)
        a, b, c, d = d, c - floor * d, b, a - floor * b
    return None
