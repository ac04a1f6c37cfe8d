"""Hom_G(V, W) = {M : ρ_W(g) M = M ρ_V(g)}: orthonormal bases and orthogonal projections, block by block.

Hom_G(V, W) = (W ⊗ V*)^G. Sums are split into pairs of summands; equal pairs share one solve, and as the dual of an
orthogonal representation is itself, Hom(V², V³) and the invariants of V⁵ are one solve as well. Factors of a product
group are solved apart. No Kronecker matrix of V and W is ever formed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.lie.groups.invariant_cache import InvariantCache
from symfind.lie.groups.invariant_spaces import InvariantSpace, invariant_space
from symfind.lie.groups.invariants import apply_derivation, apply_product, one_thread
from symfind.lie.groups.representations import Representation, Word, trivial

_F64 = torch.float64

_MAX_BASIS = 250_000_000
"""Largest dense basis, 2 GB of float64."""


@dataclass(frozen=True, eq=False)
class HomBlock:
    """All pairs of equal summands of V and of W: multiplicities times one space of intertwiners.

    Attributes
    ----------
    rows, columns
        Positions of the copies in W ``(p, d_W)`` and in V ``(q, d_V)``.
    shape
        Dimensions of the atoms of the summand of W, then of that of V.
    order
        Permutation of those axes that brings each factor's atoms together, sorted.
    sizes
        Dimension of each factor's part.
    spaces
        Its invariants, one entry a factor of the group.
    """

    rows: Tensor
    columns: Tensor
    shape: tuple[int, ...]
    order: tuple[int, ...]
    sizes: tuple[int, ...]
    spaces: tuple[InvariantSpace, ...]

    @property
    def count(self) -> int:
        """Number of basis elements."""
        out = self.rows.shape[0] * self.columns.shape[0]
        for s in self.spaces:
            out *= s.count
        return out

    def coefficients(self, matrix: Tensor) -> Tensor:
        """⟨bᵢ, M⟩: ``(…, dim W, dim V)`` → ``(…, count)``."""
        rows, columns = self.rows.to(matrix.device), self.columns.to(matrix.device)
        x = matrix[..., rows.reshape(-1)[:, None], columns.reshape(-1)[None, :]]
        lead = x.shape[:-2]
        (p, dw), (q, dv) = self.rows.shape, self.columns.shape
        x = x.reshape(*lead, p, dw, q, dv).transpose(-3, -2).reshape(*lead, p, q, *self.shape)
        x = x.permute(*range(len(lead) + 2), *(len(lead) + 2 + i for i in self.order))
        x = x.reshape(*lead, p, q, *self.sizes)
        for i, space in enumerate(self.spaces):
            axis = len(lead) + 2 + i
            x = space.coefficients(x.movedim(axis, -1)).movedim(-1, axis)
        return x.reshape(*lead, self.count)

    def place(self, c: Tensor, out: Tensor) -> Tensor:
        """``out`` ``(…, dim W, dim V)`` with Σ cᵢ bᵢ written at this block's entries."""
        lead = c.shape[:-1]
        (p, dw), (q, dv) = self.rows.shape, self.columns.shape
        x = c.reshape(*lead, p, q, *(s.count for s in self.spaces))
        for i, space in enumerate(self.spaces):
            axis = len(lead) + 2 + i
            x = space.combine(x.movedim(axis, -1)).movedim(-1, axis)
        x = x.reshape(*lead, p, q, *(self.shape[i] for i in self.order))
        inverse = [self.order.index(i) for i in range(len(self.order))]
        x = x.permute(*range(len(lead) + 2), *(len(lead) + 2 + i for i in inverse))
        x = x.reshape(*lead, p, q, dw, dv).transpose(-3, -2).reshape(*lead, p * dw, q * dv)
        rows, columns = self.rows.to(c.device), self.columns.to(c.device)
        out[..., rows.reshape(-1)[:, None], columns.reshape(-1)[None, :]] = x
        return out


@dataclass(frozen=True, eq=False)
class HomSpace:
    """Hom_G(V, W) with an orthonormal basis (Frobenius), kept as blocks.

    Attributes
    ----------
    source, target
        V and W.
    blocks
        Pairs of kinds of summands that have intertwiners; they write to disjoint entries.
    """

    source: Representation
    target: Representation
    blocks: tuple[HomBlock, ...]

    @property
    def dim(self) -> int:
        """Dimension of Hom_G(V, W) over the reals."""
        return sum(b.count for b in self.blocks)

    def coefficients(self, matrix: Tensor) -> Tensor:
        """⟨bᵢ, M⟩ for M ``(…, dim W, dim V)`` → ``(…, dim)``; differentiable."""
        self._check(matrix)
        parts = [b.coefficients(matrix) for b in self.blocks]
        return torch.cat(parts, -1) if parts else matrix.new_zeros(*matrix.shape[:-2], 0)

    def matrix(self, coefficients: Tensor) -> Tensor:
        """Σ cᵢ bᵢ for c ``(…, dim)`` → ``(…, dim W, dim V)``; differentiable, in c's dtype and on its device."""
        out = coefficients.new_zeros(*coefficients.shape[:-1], self.target.dim, self.source.dim)
        parts = torch.split(coefficients, [b.count for b in self.blocks], -1) if self.blocks else ()
        for block, c in zip(self.blocks, parts, strict=True):
            out = block.place(c, out)
        return out

    def basis(self) -> Tensor:
        """The basis as dense matrices, ``(dim, dim W, dim V)``.

        Raises
        ------
        UsageError
            If they would not fit into 2 GB; coefficients and matrix need no dense basis.
        """
        entries = self.dim * self.target.dim * self.source.dim
        if entries > _MAX_BASIS:
            raise UsageError(
                f"a dense basis of {self.dim} matrices {self.target.dim} x {self.source.dim} exceeds 2 GB; "
                "use coefficients() and matrix() in its place"
            )
        out = torch.zeros(self.dim, self.target.dim, self.source.dim, dtype=_F64)
        start = 0
        for block in self.blocks:
            block.place(torch.eye(block.count, dtype=_F64), out[start : start + block.count])
            start += block.count
        return out

    def project(self, matrix: Tensor, covariance: Tensor | None = None) -> Tensor:
        """The nearest intertwiner to M: argmin ‖N − M‖_F, or argmin E‖(N − M)x‖² when E xxᵀ is given.

        Parameters
        ----------
        matrix
            M ``(…, dim W, dim V)``.
        covariance
            E xxᵀ of the layer's inputs, ``(dim V, dim V)``, positive semidefinite. Directions that the data do not
            excite are settled by the Frobenius norm.
        """
        plain = self.matrix(self.coefficients(matrix))
        if covariance is None:
            return plain
        if covariance.shape != (self.source.dim, self.source.dim):
            raise UsageError(
                f"the covariance has shape {tuple(covariance.shape)}; expected ({self.source.dim}, {self.source.dim})"
            )
        values, vectors = torch.linalg.eigh(covariance)
        root = vectors * values.clamp_min(0).sqrt()
        design = (self.basis().to(matrix) @ root).flatten(1).mT
        rest = ((matrix - plain) @ root).flatten(-2)
        # The correction of least norm leaves unexcited directions where the Frobenius projection put them; singular
        # values below 1e-10 of the largest belong to such directions.
        pinv = torch.linalg.pinv(design, rtol=1e-10)
        return plain + self.matrix(rest @ pinv.mT)

    def residual(self, matrix: Tensor) -> float:
        """max_A ‖dρ_W(A)M − M dρ_V(A)‖ / (‖dρ_W(A)‖ + ‖dρ_V(A)‖)‖M‖, and ρ_W(g)Mρ_V(g)⁻¹ − M for components alike.

        0 for an intertwiner. Frobenius norms of M; the norm of an action is bounded by those of its atoms.
        """
        self._check(matrix)
        group, m, dual = self.source.group, matrix.to(_F64), self.source.dual
        size = max(float(torch.linalg.matrix_norm(m)), 1e-300)
        worst = 0.0
        for a in group.generators:
            left, above = _applied(self.target, a, m, derivation=True)
            right, beside = _applied(dual, a, m.mT, derivation=True)
            worst = max(worst, float(torch.linalg.matrix_norm(left + right.mT)) / (size * max(above + beside, 1e-300)))
        for g in group.components:
            left, above = _applied(self.target, g, m, derivation=False)
            both, beside = _applied(dual, g, left.mT, derivation=False)
            worst = max(worst, float(torch.linalg.matrix_norm(both.mT - m)) / (size * above * beside))
        return worst

    def _check(self, matrix: Tensor) -> None:
        if matrix.shape[-2:] != (self.target.dim, self.source.dim):
            raise UsageError(
                f"a matrix of shape {tuple(matrix.shape)} is no map from {self.source} to {self.target}; "
                f"expected (…, {self.target.dim}, {self.source.dim})"
            )


def intertwiners(source: Representation, target: Representation, cache: InvariantCache | None = None) -> HomSpace:
    """Hom_G(V, W) for any group and representations of the catalogue.

    Parameters
    ----------
    source, target
        V and W, representations of one group.
    cache
        Where slow solves are kept; the user's cache directory when absent, ``InvariantCache(None)`` for none.

    Raises
    ------
    UsageError
        If V and W belong to different groups.
    NumericalError
        If a solve does not fit into memory or is not invariant to rounding.
    """
    if source.group.key != target.group.key:
        raise UsageError(
            f"no intertwiners between representations of {source.group.name} and {target.group.name}; use one group"
        )
    cache = InvariantCache.of_user() if cache is None else cache
    solved: dict[Hashable, InvariantSpace] = {}
    blocks = []
    with one_thread():
        for out_word, rows in _kinds(target):
            for in_word, columns in _kinds(source.dual):
                block = _block(source, out_word, rows, in_word, columns, solved, cache)
                if block.count:
                    blocks.append(block)
    return HomSpace(source, target, tuple(blocks))


def invariants(representation: Representation, cache: InvariantCache | None = None) -> HomSpace:
    """V^G as Hom_G(1, V): basis elements are columns ``(dim V, 1)``."""
    return intertwiners(trivial(representation.group), representation, cache)


def _applied(representation: Representation, element: Tensor, x: Tensor, *, derivation: bool) -> tuple[Tensor, float]:
    """dρ(A)x or ρ(g)x word by word and atom by atom, ``(D, r)``, and a bound of the operator's norm."""
    out = torch.zeros_like(x)
    blocks = representation.group.split(element)
    bound = 0.0
    made: dict[Hashable, tuple[Tensor, float]] = {}
    for word, index in zip(representation.words, representation.slices, strict=True):
        for atom in word:
            if atom.key not in made:
                image = (atom.drho if derivation else atom.rho)(blocks[atom.factor])
                made[atom.key] = image, float(torch.linalg.matrix_norm(image))
        images = [made[atom.key][0] for atom in word]
        norms = [made[atom.key][1] for atom in word]
        out[index] = (apply_derivation if derivation else apply_product)(images, x[index])
        bound = max(bound, sum(norms) if derivation else math.prod(norms))
    return out, bound


def _kinds(representation: Representation) -> list[tuple[Word, Tensor]]:
    """Distinct summands and the positions of their copies, ``(copies, d)``."""
    kinds: dict[Hashable, tuple[Word, list[Tensor]]] = {}
    for word, index in zip(representation.words, representation.slices, strict=True):
        kinds.setdefault(tuple(a.key for a in word), (word, []))[1].append(index)
    return [(word, torch.stack(places)) for word, places in kinds.values()]


def _block(
    source: Representation,
    out_word: Word,
    rows: Tensor,
    in_word: Word,
    columns: Tensor,
    solved: dict[Hashable, InvariantSpace],
    cache: InvariantCache,
) -> HomBlock:
    word = out_word + in_word
    groups = source.group.factors or (source.group,)
    order: list[int] = []
    sizes, spaces = [], []
    for index, group in enumerate(groups):
        mine = sorted((i for i in range(len(word)) if word[i].factor == index), key=lambda i: word[i].key)
        part = tuple(word[i] for i in mine)
        key = (index, tuple(a.key for a in part))
        if key not in solved:
            solved[key] = invariant_space(group, part, cache)
        order.extend(mine)
        size = 1
        for a in part:
            size *= a.dim
        sizes.append(size)
        spaces.append(solved[key])
    return HomBlock(rows, columns, tuple(a.dim for a in word), tuple(order), tuple(sizes), tuple(spaces))
