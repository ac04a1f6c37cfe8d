"""{C : CA = AC for all A}: the commutant of matrices, and the invariant subspaces that it splits a space into."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from symfind.linalg.subspaces import UnclearRank, clear_rank

# Eigenvalues of a generic element of the commutant closer than this are equal; five times as far they differ.
_EQUAL, _RATIO = 1e-3, 5.0
_LARGEST_EQUAL = 0.3
# Generic elements tried; the eigenvalues of a random one are near one another now and then.
_TRIALS = 64


def commutant(matrices: Tensor, error: float) -> Tensor:
    """A basis ``(c, d, d)`` of {C : CAᵢ = AᵢC}, orthonormal in the Frobenius inner product.

    Parameters
    ----------
    matrices
        ``(k, d, d)``.
    error
        Spectral norm that errors of the matrices, stacked, can have.

    Raises
    ------
    UnclearRank
        If the errors leave the dimension open.
    """
    k, d, _ = matrices.shape
    a = matrices.contiguous()
    unit = torch.eye(d, dtype=a.dtype)
    # Σ (I⊗Aᵀ − A⊗I)ᵀ(I⊗Aᵀ − A⊗I) on row-major C.
    normal = torch.kron(unit, (a @ a.transpose(1, 2)).sum(0)) + torch.kron((a.transpose(1, 2) @ a).sum(0), unit)
    mixed = torch.einsum("kij,kab->iajb", a, a).reshape(d * d, d * d)
    values, vectors = torch.linalg.eigh(normal - mixed - mixed.T)
    size = max(float(torch.linalg.matrix_norm(a.flatten(0, 1), 2)), 1e-300) if k else 1.0
    # Two terms with the error of the matrices; squared singular values know nothing below 1e-7 of the largest.
    count = d * d - clear_rank(values.clamp(min=0.0).sqrt(), max(2.0 * error, 1e-6 * size))
    found: Tensor = vectors[:, :count].T.reshape(count, d, d)
    return found


def invariant_decomposition(
    matrices: Tensor, error: float, *, semisimple: bool = False
) -> tuple[list[Tensor], list[bool]]:
    """R^d = V₁ ⊕ V₂ ⊕ …: the eigenspaces of a generic element of the commutant.

    Parameters
    ----------
    matrices, error
        As in :func:`commutant`.
    semisimple
        Whether the commutant is known to be semisimple. Eigenvalues then move by the error, else by its square root,
        which is how far a nilpotent part may split them.

    Returns
    -------
    list of Tensor
        Orthonormal rows of every Vᵢ. If the commutant is commutative the Vᵢ are indecomposable and unique.
    list of bool
        For every Vᵢ whether the element acts on it like a complex number that is not real.

    Raises
    ------
    UnclearRank
        If the errors leave the decomposition open.
    """
    basis = commutant(matrices, error)
    d = matrices.shape[1]
    unit = torch.eye(d, dtype=matrices.dtype)
    if basis.shape[0] == 1:
        return [unit], [False]
    near = max(_EQUAL, 4.0 * error if semisimple else 2.0 * math.sqrt(2.0 * error))
    # The element has norm one: its eigenvalues lie at most 2 apart, and different ones must be five times as far as
    # equal ones in some of the trials. Otherwise a single cluster would prove nothing.
    if near > _LARGEST_EQUAL:
        raise UnclearRank("the decomposition is not clear at this noise; give generators with smaller errors")
    generator = torch.Generator().manual_seed(0)
    best: tuple[Tensor, list[tuple[complex, int]]] | None = None
    for _ in range(_TRIALS):
        weights = torch.randn(basis.shape[0], generator=generator, dtype=basis.dtype)
        element = torch.einsum("c,cab->ab", weights, basis)
        element = element / torch.linalg.matrix_norm(element, 2)
        try:
            values = torch.linalg.eigvals(element).tolist()
        except RuntimeError:  # LinAlgError: the QR iteration gives up on a few matrices; the next element will do
            continue
        clusters = _clusters(values, near)
        if clusters is not None and (best is None or len(clusters) > len(best[1])):
            best = element, clusters
    if best is None:
        raise UnclearRank("the decomposition is not clear at this noise; give generators with smaller errors")
    element, clusters = best
    # A commutative commutant without nilpotents has one dimension for a real eigenvalue, two for a complex pair.
    power = 1 if sum(2 if centre.imag > 0 else 1 for centre, _ in clusters) == basis.shape[0] else 3
    parts = []
    for i, (_, count) in enumerate(clusters):
        product = unit
        for j, (other, _) in enumerate(clusters):
            if j != i:
                product = product @ torch.linalg.matrix_power(_annihilator(element, other), power)
        u, _, _ = torch.linalg.svd(product)
        parts.append(u[:, :count].T)
    return parts, [centre.imag > 0 for centre, _ in clusters]


def _clusters(values: list[complex], near: float) -> list[tuple[complex, int]] | None:
    """Mean and number of equal eigenvalues, conjugate pairs together; None if some are neither equal nor different."""
    left = [complex(v.real, abs(v.imag)) for v in values]
    found: list[list[complex]] = []
    while left:
        group = [left.pop()]
        grown = True
        while grown:
            close = [v for v in left if any(abs(v - w) < near for w in group)]
            left = [v for v in left if v not in close]
            group += close
            grown = bool(close)
        found.append(group)
    means = [sum(g) / len(g) for g in found]
    for i, g in enumerate(found):
        if any(abs(v - w) < _RATIO * near for h in found[:i] for v in g for w in h):
            return None
        if near < means[i].imag < _RATIO * near:
            return None
    return [(m if m.imag >= _RATIO * near else complex(m.real, 0.0), len(g)) for m, g in zip(means, found, strict=True)]


def _annihilator(element: Tensor, value: complex) -> Tensor:
    """C − λ, or |C − λ|² for a conjugate pair."""
    unit = torch.eye(element.shape[0], dtype=element.dtype)
    shifted = element - value.real * unit
    return shifted if value.imag == 0 else shifted @ shifted + value.imag**2 * unit
