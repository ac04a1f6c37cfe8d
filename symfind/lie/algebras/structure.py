"""Z(g), g′, g″ …, rad g, nil g, Levi factors and direct summands of a Lie algebra, with clear rank decisions only.

Every subspace is given by orthonormal rows ``(r, k)``. A rank that the errors of the structure constants leave open
raises :class:`symfind.linalg.subspaces.UnclearRank`; nothing is decided by the nearest guess.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.lie.algebras.algebra import LieAlgebra, killing_form, spectral_size
from symfind.lie.algebras.modules import invariant_decomposition
from symfind.linalg.subspaces import clear_rank, nullspace, orthogonal_complement


@dataclass(frozen=True)
class Structure:
    """The characteristic ideals of an algebra.

    Attributes
    ----------
    algebra
        The algebra.
    """

    algebra: LieAlgebra

    @cached_property
    def size(self) -> float:
        """‖f‖ of the structure constants as matrices."""
        return spectral_size(self.algebra.structure_constants)

    @cached_property
    def killing_cut(self) -> float:
        """What zero can grow to in the Killing form: K = F P Fᵀ, so ‖δK‖ ≤ 2 ‖F‖ ‖δF‖."""
        return self.algebra.cut(killing_form, 2.0 * max(self.size, self.algebra.error) * self.algebra.error)

    @cached_property
    def angle_cut(self) -> float:
        """What zero can grow to in sines between subspaces that were themselves computed from f.

        Their errors are error / σ with σ of order one; above a quarter nothing can be told.
        """
        return min(8.0 * self.algebra.error, 0.25)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """[a, b] for subspaces ``(x, k)`` and ``(y, k)``."""
        k = self.algebra.dimension
        if a.shape[0] == 0 or b.shape[0] == 0:
            return a.new_zeros(0, k)
        values = torch.einsum("xi,yj,ijk->xyk", a, b, self.algebra.structure_constants).reshape(-1, k)
        _, s, vt = torch.linalg.svd(values, full_matrices=False)
        found: Tensor = vt[: clear_rank(s, self.algebra.error)]
        return found

    @cached_property
    def whole(self) -> Tensor:
        """All of g."""
        return torch.eye(self.algebra.dimension, dtype=self.algebra.structure_constants.dtype)

    @cached_property
    def derived(self) -> Tensor:
        """g′ = [g, g]."""
        return self.product(self.whole, self.whole)

    @cached_property
    def centre(self) -> Tensor:
        """Z = {x : [x, g] = 0}."""
        return nullspace(self.algebra.structure_constants.flatten(1).T, self.algebra.error)

    @cached_property
    def derived_dimensions(self) -> tuple[int, ...]:
        """Dimensions of g, g′, g″, … until they no longer fall."""
        return self._series(lambda last: self.product(last, last))

    @cached_property
    def lower_central_dimensions(self) -> tuple[int, ...]:
        """Dimensions of g, [g, g], [g, [g, g]], … until they no longer fall."""
        return self._series(lambda last: self.product(self.whole, last))

    def _series(self, after: Callable[[Tensor], Tensor]) -> tuple[int, ...]:
        dimensions, last = [self.algebra.dimension], self.whole
        while dimensions[-1] > 0:
            last = after(last)
            if last.shape[0] == dimensions[-1]:
                break
            dimensions.append(last.shape[0])
        return tuple(dimensions)

    @cached_property
    def killing_signature(self) -> tuple[int, int]:
        """(p, q): numbers of positive and negative eigenvalues of the Killing form; (3, 3) for so(1,3)."""
        values = torch.linalg.eigvalsh(self.algebra.killing_form())
        positive = clear_rank(values.clamp(min=0.0), self.killing_cut)
        return positive, clear_rank((-values).clamp(min=0.0), self.killing_cut)

    @cached_property
    def radical(self) -> Tensor:
        """The largest solvable ideal: {x : K(x, [g, g]) = 0}."""
        if self.derived.shape[0] == 0:
            return self.whole
        return nullspace(self.derived @ self.algebra.killing_form(), self.killing_cut)

    @cached_property
    def nilradical(self) -> Tensor:
        """The largest nilpotent ideal: the x in rad g on which all weights of rad g in the adjoint vanish.

        [g, rad g] lies inside. On a complement y of it in rad g, x is inside iff tr(ad x · ad y₁ … ad yₘ) = 0 for all
        yᵢ, because the weights λ of a solvable algebra are simultaneously on the diagonal and Σ λ(x) λ(y₁)…λ(yₘ)
        separates them; m ≤ 3 serves every case in which fewer than four weights cancel.
        """
        radical = self.radical
        inner = self.product(self.whole, radical)
        rest = radical @ orthogonal_complement(inner).T @ orthogonal_complement(inner)
        rank = radical.shape[0] - inner.shape[0]
        if rank == 0:
            return inner
        _, _, vt = torch.linalg.svd(rest, full_matrices=False)
        outer = vt[:rank]

        def traces(f: Tensor) -> Tensor:
            ad = torch.einsum("xi,iab->xba", outer, f)
            words = [torch.eye(f.shape[0], dtype=f.dtype)]
            for m in (1, 2, 3):
                for chosen in itertools.combinations_with_replacement(range(rank), m):
                    words.append(torch.linalg.multi_dot([words[0], words[0], *(ad[i] for i in chosen)]))
            return torch.einsum("xab,wba->wx", ad, torch.stack(words))

        value = traces(self.algebra.structure_constants)
        # Without draws: a trace of up to four factors, each with its own error.
        kernel = nullspace(value, self.algebra.cut(traces, 4.0 * self.algebra.error * value.shape[0] ** 0.5))
        return torch.cat([inner, kernel @ outer])

    @cached_property
    def semisimple(self) -> bool:
        """Whether rad g = 0."""
        return self.radical.shape[0] == 0

    @cached_property
    def solvable(self) -> bool:
        """Whether rad g = g."""
        return self.radical.shape[0] == self.algebra.dimension

    @cached_property
    def nilpotent(self) -> bool:
        """Whether the lower central series ends in 0."""
        return self.lower_central_dimensions[-1] == 0

    @cached_property
    def levi_factor(self) -> Tensor:
        """Rows ``(s, k)`` of a semisimple subalgebra with g = s ⊕ rad g; not orthonormal.

        Representatives x of g/rad g are moved by ρ(x) in rad g until [x, y] closes; Gauss–Newton on ρ ends after as
        many steps as the derived series of the radical is long (Levi's theorem).
        """
        radical = self.radical
        x = orthogonal_complement(radical)
        s, r = x.shape[0], radical.shape[0]
        if s == 0 or r == 0:
            return x
        f = self.algebra.structure_constants
        quotient = torch.einsum("xi,yj,ijk,zk->xyz", x, x, f, x)
        moved = x
        eye = torch.eye(s, dtype=f.dtype)
        for _ in range(6):
            defect = torch.einsum("xi,yj,ijk->xyk", moved, moved, f) - torch.einsum("xyz,zk->xyk", quotient, moved)
            residual = defect @ radical.T  # (s, s, r)
            a = torch.einsum("xi,rj,ijk,tk->xrt", moved, radical, f, radical)
            jacobian = torch.einsum("xrt,yz->xytzr", a, eye) - torch.einsum("yrt,xz->xytzr", a, eye)
            jacobian = jacobian - torch.einsum("xyz,rt->xytzr", quotient, torch.eye(r, dtype=f.dtype))
            step = torch.linalg.lstsq(jacobian.reshape(s * s * r, s * r), -residual.reshape(-1, 1), driver="gelsd")
            moved = moved + step.solution.reshape(s, r) @ radical
        return moved


@dataclass(frozen=True)
class Summands:
    """g = z ⊕ g₁ ⊕ g₂ ⊕ …, z abelian, no gᵢ the sum of two ideals.

    Attributes
    ----------
    abelian
        Orthonormal rows of z ``(c, k)``.
    ideals
        Orthonormal rows of every gᵢ, largest dimension first.
    complex_type
        For every gᵢ whether its centroid contains i = √−1: it is then the realification of a complex algebra.
    """

    abelian: Tensor
    ideals: tuple[Tensor, ...]
    complex_type: tuple[bool, ...]


def direct_summands(structure: Structure) -> Summands:
    """The decomposition into indecomposable ideals, from the centroid {φ : φ[x, y] = [x, φy]}.

    Raises
    ------
    UnclearRank
        If the errors leave the decomposition open.
    """
    centre, derived = structure.centre, structure.derived
    k = structure.algebra.dimension
    outside = orthogonal_complement(derived)
    # The part of the centre that meets [g, g] in 0 splits off.
    _, s, vt = torch.linalg.svd(outside @ centre.T, full_matrices=True)
    rank = clear_rank(s, structure.angle_cut)
    abelian = vt[:rank] @ centre
    if rank == k:
        return Summands(abelian, (), ())
    span = torch.cat([derived, abelian])
    rest = orthogonal_complement(torch.linalg.qr(span.T).Q.T)
    core = torch.cat([derived, rest])
    part = structure.algebra.restricted(core)
    # [g, g] of a reductive algebra is semisimple, and then so is its centroid.
    semisimple = abelian.shape[0] == k - derived.shape[0] and Structure(part).semisimple
    ideals, kinds = invariant_decomposition(part.adjoint(), part.error, semisimple=semisimple)
    order = sorted(range(len(ideals)), key=lambda i: -ideals[i].shape[0])
    return Summands(abelian, tuple(ideals[i] @ core for i in order), tuple(kinds[i] for i in order))
