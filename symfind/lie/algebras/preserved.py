"""AᵀQ + QA = 0, ξ·∇p = 0, Av = 0: what a set of generators preserves."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.algebras.algebra import LieAlgebra
from symfind.lie.algebras.canonical import canonical_basis
from symfind.lie.algebras.modules import invariant_decomposition
from symfind.linalg.subspaces import nullspace, span_basis


@dataclass(frozen=True)
class PreservedForm:
    """A bilinear form Q with AᵀQ + QA = 0 for all generators, in the coordinates they were given in.

    Attributes
    ----------
    matrix
        ``(d, d)``; the first diagonal entry that is not zero is +1, or else the largest entry.
    standard_error
        ``(d, d)`` of the entries under the noise of the generators.
    symmetric
        True for Q = Qᵀ, False for Q = −Qᵀ.
    signature
        Numbers of positive and negative eigenvalues of a symmetric form; (r/2, r/2) for an antisymmetric one of rank r.
    """

    matrix: Tensor
    standard_error: Tensor
    symmetric: bool
    signature: tuple[int, int]


def preserved_forms(algebra: LieAlgebra) -> tuple[PreservedForm, ...]:
    """All bilinear forms that an algebra of matrices preserves, symmetric ones first; a sparse basis if there are more.

    Raises
    ------
    InputError
        If the algebra is not one of matrices.
    UnclearRank
        If the errors of the generators leave the number of forms open.
    """
    if algebra.matrices is None or algebra.coordinates is None or algebra.draws is None:
        raise InputError("preserved forms need an algebra of matrices; give matrices")
    found = []
    for symmetric in (True, False):
        basis = _form_basis(algebra.matrices.shape[1], symmetric=symmetric)
        if basis.shape[0] == 0:
            continue
        # Two terms with the error of the matrices each.
        defect = _defect(algebra.matrices, basis)
        kernel = nullspace(defect, 2.0 * algebra.matrix_error)
        if kernel.shape[0] == 0:
            continue
        spaces = [_in_user_coordinates(kernel, basis, algebra.coordinates)]
        for draw in algebra.draws:
            _, _, vt = torch.linalg.svd(_defect(draw, basis), full_matrices=False)
            spaces.append(_in_user_coordinates(vt[-kernel.shape[0] :], basis, algebra.coordinates))
        found += _forms(spaces, symmetric=symmetric, noise=algebra.noise)
    return tuple(found)


def _form_basis(d: int, *, symmetric: bool) -> Tensor:
    """An orthonormal basis ``(q, d, d)`` of the (anti)symmetric matrices."""
    places = [(i, j) for i in range(d) for j in range(i if symmetric else i + 1, d)]
    out = torch.zeros(len(places), d, d, dtype=torch.float64)
    for place, (i, j) in enumerate(places):
        size = 1.0 if i == j else math.sqrt(0.5)
        out[place, i, j], out[place, j, i] = size, size if symmetric else -size
    return out


def _defect(matrices: Tensor, forms: Tensor) -> Tensor:
    """The matrix ``(k·d², q)`` of Q ↦ AᵀQ + QA."""
    left = torch.einsum("kba,qbc->kacq", matrices, forms)
    return (left + torch.einsum("qab,kbc->kacq", forms, matrices)).reshape(-1, forms.shape[0])


def _in_user_coordinates(kernel: Tensor, basis: Tensor, coordinates: Tensor) -> Tensor:
    """With A = S X S⁻¹ the form Q of A becomes SᵀQS for X; rows ``(r, d²)``."""
    forms = torch.einsum("rq,qab->rab", kernel, basis)
    return (coordinates.T @ forms @ coordinates).flatten(1)


def _forms(spaces: list[Tensor], *, symmetric: bool, noise: float) -> list[PreservedForm]:
    first, d = spaces[0], math.isqrt(spaces[0].shape[1])
    chosen = first if first.shape[0] == 1 else canonical_basis(span_basis(first)).change @ span_basis(first)
    out = []
    for row in chosen:
        form = _normalised(row.reshape(d, d))
        moved = []
        for space in spaces[1:]:
            q = span_basis(space)
            near = ((form.flatten() @ q.T) @ q).reshape(d, d)
            place = int(form.abs().argmax()) if not symmetric else _leading(form)
            moved.append(near * (form.flatten()[place] / near.flatten()[place]))
        error = (torch.stack(moved) - form).square().mean(0).sqrt() if moved else torch.zeros_like(form)
        out.append(PreservedForm(form, error, symmetric, _signature(form, error, symmetric=symmetric, noise=noise)))
    return out


def _leading(form: Tensor) -> int:
    """The place of the first diagonal entry that counts, or of the largest entry."""
    d = form.shape[0]
    # An entry below a millionth of the largest is rounding of the change of coordinates or noise.
    present = torch.nonzero(form.diagonal().abs() > 1e-6 * form.abs().max()).flatten()
    return int(present[0]) * (d + 1) if len(present) else int(form.abs().argmax())


def _normalised(form: Tensor) -> Tensor:
    antisymmetric = bool((form + form.T).abs().max() < (form - form.T).abs().max())
    present = torch.nonzero(form.flatten().abs() > 1e-6 * form.abs().max()).flatten()
    scale = form.flatten()[present[0] if antisymmetric else _leading(form)]
    return form / scale


def _signature(form: Tensor, error: Tensor, *, symmetric: bool, noise: float) -> tuple[int, int]:
    # Eigenvalues move by at most the norm of the error; four of them, and never less than rounding.
    cut = max(4.0 * float(error.norm()), 1e-9 * float(form.norm()))
    if not symmetric:
        rank = int((torch.linalg.svdvals(form) > cut).sum())
        return rank // 2, rank // 2
    values = torch.linalg.eigvalsh(form)
    return int((values > cut).sum()), int((values < -cut).sum())


@dataclass(frozen=True)
class PolynomialInvariant:
    """A homogeneous polynomial Σ c_α x^α with ξ·∇p = 0 for all generators.

    Attributes
    ----------
    degree
        Its degree.
    exponents
        ``(q, d)``.
    coefficients
        ``(q,)``, a canonical vector: coprime integers where they are rational.
    """

    degree: int
    exponents: Tensor
    coefficients: Tensor


def polynomial_invariants(matrices: Tensor, degree: int, error: float = 1e-9) -> tuple[PolynomialInvariant, ...]:
    """Polynomials of degree at most ``degree`` that the linear fields Ax preserve, none a polynomial in lower ones.

    An affine field Ax + b is the linear one of ((A, b), (0, 0)) on (x, 1): its invariants are those of the larger
    matrices, with the last variable set to one.

    Parameters
    ----------
    matrices
        ``(k, d, d)``.
    degree
        At least 1.
    error
        Relative error of the matrices.

    Raises
    ------
    InputError
        If the degree is below 1 or the matrices are not square.
    UnclearRank
        If the errors leave the number of invariants open.
    """
    if degree < 1 or matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise InputError(f"square matrices and a degree ≥ 1 are needed, got {tuple(matrices.shape)}, degree {degree}")
    k, d, _ = matrices.shape
    a = matrices.double() / matrices.double().flatten(1).norm(dim=1).clamp(min=1e-300)[:, None, None]
    found: list[PolynomialInvariant] = []
    for m in range(1, degree + 1):
        exponents = _exponents(d, m)
        place = {e: i for i, e in enumerate(exponents)}
        action = torch.zeros(k, len(exponents), len(exponents), dtype=torch.float64)
        # (Ax)·∇ x^α = Σ_ab A_ab α_a x^(α − e_a + e_b).
        for column, alpha in enumerate(exponents):
            for i, j in itertools.product(range(d), range(d)):
                if alpha[i]:
                    beta = list(alpha)
                    beta[i] -= 1
                    beta[j] += 1
                    action[:, place[tuple(beta)], column] += alpha[i] * a[:, i, j]
        kernel = nullspace(action.flatten(0, 1), max(error, 1e-10) * m * math.sqrt(k))
        old = _products(found, m, place)
        if old.shape[0]:
            # Products of invariants are invariant: they fill known dimensions of the kernel.
            q = span_basis(old, 1e-9)
            _, _, vt = torch.linalg.svd(kernel - (kernel @ q.T) @ q, full_matrices=False)
            kernel = vt[: max(kernel.shape[0] - q.shape[0], 0)]
        if kernel.shape[0]:
            for row in canonical_basis(kernel).coefficients:
                found.append(PolynomialInvariant(m, torch.tensor(exponents), row))
    return tuple(found)


def _exponents(d: int, m: int) -> list[tuple[int, ...]]:
    chosen = itertools.combinations_with_replacement(range(d), m)
    return [tuple(c.count(i) for i in range(d)) for c in chosen]


def _products(found: list[PolynomialInvariant], m: int, place: dict[tuple[int, ...], int]) -> Tensor:
    """Products of invariants that are homogeneous of degree m ``(r, q)``."""
    rows = []
    for count in range(2, m + 1):
        for chosen in itertools.combinations_with_replacement(found, count):
            if sum(p.degree for p in chosen) != m:
                continue
            product: dict[tuple[int, ...], float] = {tuple([0] * chosen[0].exponents.shape[1]): 1.0}
            for p in chosen:
                following: dict[tuple[int, ...], float] = {}
                for left, value in product.items():
                    for right, c in zip(p.exponents.tolist(), p.coefficients.tolist(), strict=True):
                        if c:
                            key = tuple(x + y for x, y in zip(left, right, strict=True))
                            following[key] = following.get(key, 0.0) + value * c
                product = following
            row = torch.zeros(len(place), dtype=torch.float64)
            for key, value in product.items():
                row[place[key]] = value
            rows.append(row / row.norm())
    return torch.stack(rows) if rows else torch.zeros(0, len(place), dtype=torch.float64)


def fixed_points(matrices: Tensor, translations: Tensor, error: float = 1e-9) -> tuple[Tensor, Tensor] | None:
    """The affine space {x : Aᵢx + bᵢ = 0 for all i} as its point nearest the origin and rows of directions.

    Parameters
    ----------
    matrices
        ``(k, d, d)``.
    translations
        ``(k, d)``; zeros for linear fields.
    error
        Relative error of the entries.

    Returns
    -------
    tuple of Tensor, or None
        Point ``(d,)`` and orthonormal directions ``(r, d)``; None if no point is fixed.
    """
    k, d, _ = matrices.shape
    size = torch.cat([matrices.flatten(1), translations], 1).double().norm(dim=1).clamp(min=1e-300)
    a = (matrices.double() / size[:, None, None]).reshape(k * d, d)
    b = (translations.double() / size[:, None]).reshape(k * d)
    cut = max(error, 1e-10) * math.sqrt(k)
    directions = nullspace(a, cut)
    point = torch.linalg.lstsq(a, -b[:, None], driver="gelsd", rcond=cut).solution[:, 0]
    # The residual of a point at distance |x| carries the error of A times |x|.
    if float((a @ point + b).norm()) > 4.0 * cut * (1.0 + float(point.norm())):
        return None
    return point, directions


def invariant_subspaces(algebra: LieAlgebra) -> tuple[Tensor, ...]:
    """R^d = V₁ ⊕ V₂ ⊕ …, invariant under an algebra of matrices: sparse rows of every Vᵢ in the user's coordinates.

    Raises
    ------
    InputError
        If the algebra is not one of matrices.
    UnclearRank
        If the errors leave the decomposition open.
    """
    if algebra.matrices is None or algebra.coordinates is None:
        raise InputError("invariant subspaces need an algebra of matrices; give matrices")
    parts, _ = invariant_decomposition(algebra.matrices, algebra.matrix_error)
    back = torch.linalg.inv(algebra.coordinates)
    out = [canonical_basis(part @ back.T).coefficients for part in parts]
    return tuple(sorted(out, key=lambda rows: (rows.shape[0], torch.nonzero(rows.abs().sum(0)).flatten().tolist())))
