"""u = k ⊕ ip: the compact form of an algebra of matrices, its torus, and the weights and roots on it.

An algebra that is closed under transposition splits into its antisymmetric part k and its symmetric part p. Matrices
k + ip are antihermitian; they span a compact algebra with the same complexification, in which every decomposition is
one of Hermitian matrices (Weyl's unitarian trick). The torus is the centraliser of a generic element of k: it is stable
under k + ip ↦ k − ip, by which complex conjugation acts on the weights (Knapp 2002, chapter VI).

Axis letters: k elements of the algebra, d dimension of the matrices, r rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.linalg.subspaces import UnclearRank, clear_rank

# A generic element is drawn this often; the one whose roots are farthest from zero is kept.
_TRIALS = 16
# Exact algebras come with the rounding of their closure.
_ROUNDING = 1e-9
# Balanced coordinates come to rest at 1e-6; a span that is far from closed there is that of no reductive algebra.
_NOT_CLOSED = 1e-4


@dataclass(frozen=True, eq=False)
class CompactForm:
    """A compact algebra of antihermitian matrices with a torus.

    Attributes
    ----------
    matrices
        ``(k, d, d)`` complex antihermitian, orthonormal in Re tr A†B.
    torus
        ``(r, d, d)`` a basis of the torus, orthonormal likewise; its centralised generic element is a combination.
    raising
        ``(s, d, d)``: root vectors E_α of all positive roots.
    roots
        ``(s, r)``: the positive roots, [H_j, E_α] = i α_j E_α.
    frame
        ``(d, d)`` unitary; its columns are common eigenvectors of the torus.
    weights
        ``(d, r)``: those of the columns, H_j v = i w_j v.
    error
        Spectral norm that errors of combinations of the matrices can have.
    """

    matrices: Tensor
    torus: Tensor
    raising: Tensor
    roots: Tensor
    frame: Tensor
    weights: Tensor
    error: float

    @property
    def rank(self) -> int:
        """Dimension r of the torus."""
        return int(self.torus.shape[0])


@dataclass(frozen=True, eq=False)
class TransposableSpan:
    """A span of real matrices that is closed under transposition.

    Attributes
    ----------
    skew, symmetric
        Orthonormal bases ``(a, d, d)``, ``(b, d, d)`` of its antisymmetric and symmetric parts, a + b = k.
    error
        What combinations of them are known to: the error of the span, or how far it is from closed.
    """

    skew: Tensor
    symmetric: Tensor
    error: float


def transposable(matrices: Tensor, error: float) -> TransposableSpan | None:
    """The parts of a span of real matrices under transposition.

    Parameters
    ----------
    matrices
        ``(k, d, d)`` real, orthonormal.
    error
        What entries of the span are known to.

    Returns
    -------
    TransposableSpan or None
        None where the span is not closed.
    """
    k, d, _ = matrices.shape
    rows = matrices.reshape(k, d * d)
    flip = rows @ matrices.mT.reshape(k, d * d).T  # Aᵢᵀ in the basis
    outside = float((1.0 - flip.square().sum(0)).clamp(min=0.0).sqrt().max())
    if outside > max(4.0 * error, _NOT_CLOSED):
        return None
    values, vectors = torch.linalg.eigh(0.5 * (flip + flip.T))
    parts = (vectors.T @ rows).reshape(k, d, d)
    even = values > 0
    symmetric, skew = parts[even], parts[~even]
    # A direction is wrong by what is outside, and so are the combinations of all.
    known = max(error, outside * k**0.5)
    return TransposableSpan(0.5 * (skew - skew.mT), 0.5 * (symmetric + symmetric.mT), known)


def compact_form_of_real(span: TransposableSpan) -> CompactForm:
    """The compact form of an algebra of real matrices.

    Raises
    ------
    UnclearRank
        The errors leave the torus open.
    """
    whole = torch.cat([span.skew.to(torch.complex128), 1j * span.symmetric.to(torch.complex128)])
    return compact_form(whole, span.error, among=span.skew.shape[0] or None)


def compact_form(matrices: Tensor, error: float = _ROUNDING, *, among: int | None = None) -> CompactForm:
    """Torus, weights and roots of antihermitian matrices ``(k, d, d)`` that span a Lie algebra.

    Parameters
    ----------
    matrices
        Complex; any basis of the algebra over the reals.
    error
        What combinations of them are known to.
    among
        The generic element is one of the first so many; all of them if not given.

    Raises
    ------
    UnclearRank
        The errors leave the torus open.
    """
    k, d, _ = matrices.shape
    rows = torch.view_as_real(matrices).reshape(k, -1)
    factors = torch.linalg.qr(rows.T)
    q: Tensor = factors.Q
    basis = torch.view_as_complex(q.T.reshape(k, d, d, 2).contiguous())
    basis = 0.5 * (basis - basis.mH)
    flat = torch.view_as_real(basis).reshape(k, -1)

    def ad(x: Tensor) -> Tensor:
        """Column j is [x, uⱼ] in the basis: real and antisymmetric."""
        value = torch.view_as_real(x @ basis - basis @ x).reshape(k, -1)
        matrix = (value @ flat.T).T
        return 0.5 * (matrix - matrix.T)

    generator = torch.Generator().manual_seed(0)
    cut = max(error, _ROUNDING)
    best: tuple[float, Tensor] | None = None
    for _ in range(_TRIALS):
        c = torch.randn(among or k, generator=generator, dtype=torch.float64)
        x = torch.einsum("i,iab->ab", c.to(basis.dtype), matrices[: among or k])
        x = x / torch.linalg.matrix_norm(x)
        null, gap = _centraliser(ad(x), cut)
        if best is None or gap > best[0]:
            best = gap, null
    assert best is not None
    torus = torch.einsum("ri,iab->rab", best[1].to(basis.dtype), basis)
    r = torus.shape[0]
    actions = torch.stack([ad(h) for h in torus])
    # A generic element of the torus tells all weights and all roots apart that differ.
    c = torch.randn(r, generator=generator, dtype=torch.float64)
    c = c / c.norm()
    values, vectors = torch.linalg.eigh(torch.einsum("r,rij->ij", c, actions).to(basis.dtype) / 1j)
    roots = torch.einsum("is,rij,js->sr", vectors.conj(), actions.to(basis.dtype) / 1j, vectors).real
    size = roots.norm(dim=1)
    count = k - r
    moving = size.argsort(descending=True)[:count]
    if count and float(size[moving[-1]]) < 4.0 * cut:
        raise UnclearRank("a root is within the error of zero; give generators with smaller errors")
    positive = moving[values[moving] > 0]
    weight_values, frame = torch.linalg.eigh(torch.einsum("r,rab->ab", c.to(basis.dtype), torus) / 1j)
    del weight_values
    weights = torch.einsum("ai,rab,bi->ir", frame.conj(), torus / 1j, frame).real
    raising = torch.einsum("is,iab->sab", vectors[:, positive], basis)
    return CompactForm(basis, torus, raising, roots[positive], frame, weights, cut)


def _centraliser(action: Tensor, cut: float) -> tuple[Tensor, float]:
    """Rows ``(r, k)`` of the nullspace of an antisymmetric matrix, and its smallest value that is not zero."""
    _, s, vt = torch.linalg.svd(action)
    rank = clear_rank(s, cut * max(1.0, float(s[0])) if s.numel() else cut)
    return vt[rank:], float(s[rank - 1]) if rank else 0.0
