"""W^G as a space with an orthonormal basis: dense columns, or indicators of orbits; made by the method that fits.

:func:`invariant_space` chooses: orbits for permutations, stabilisers for other finite groups, the Clebsch–Gordan chain
for long words of compact groups, the kernel of one element for the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from symfind.errors import NumericalError
from symfind.lie.groups.clebsch_gordan import ClebschGordan
from symfind.lie.groups.finite_invariants import induced_invariants, orbit_labels
from symfind.lie.groups.invariants import action_of, component_invariants, connected_invariants
from symfind.lie.groups.matrix_groups import CompactGroup, Group
from symfind.lie.groups.representations import Word, word_dimension

_F64 = torch.float64

_CHAIN_DIMENSION = 1500
"""Words of larger dimension go through the chain: it meets the direct solve between T(6) and T(7) of so(3)."""

_MAX_SUMMED = 5000
"""Finite groups up to this order are averaged over all their elements, …"""

_MAX_AVERAGED = 20_000_000
"""… where the matrices of all of them have at most this many entries."""

_MAX_DENSE = 4000
"""Largest product of a big finite group that is not a permutation: its Gram matrix is of this size."""


class InvariantSpace(Protocol):
    """An orthonormal basis b₁ … b_r of the invariants of a space of dimension D."""

    @property
    def count(self) -> int:
        """Number r of basis vectors."""
        ...

    def coefficients(self, x: Tensor) -> Tensor:
        """⟨bᵢ, x⟩: ``(…, D)`` → ``(…, r)``."""
        ...

    def combine(self, c: Tensor) -> Tensor:
        """Σ cᵢ bᵢ: ``(…, r)`` → ``(…, D)``."""
        ...


@dataclass(frozen=True, eq=False)
class DenseInvariants:
    """Basis vectors as columns, ``(D, r)``."""

    basis: Tensor

    @property
    def count(self) -> int:
        """Number r of basis vectors."""
        return int(self.basis.shape[1])

    def coefficients(self, x: Tensor) -> Tensor:
        """⟨bᵢ, x⟩: ``(…, D)`` → ``(…, r)``."""
        return x @ self.basis.to(x)

    def combine(self, c: Tensor) -> Tensor:
        """Σ cᵢ bᵢ: ``(…, r)`` → ``(…, D)``."""
        return c @ self.basis.to(c).mT


@dataclass(frozen=True, eq=False)
class OrbitInvariants:
    """Normalised indicator functions of orbits, by the orbit number of each coordinate ``(D,)``."""

    labels: Tensor
    sizes: Tensor

    @property
    def count(self) -> int:
        """Number r of orbits."""
        return int(self.sizes.shape[0])

    def coefficients(self, x: Tensor) -> Tensor:
        """⟨bᵢ, x⟩: ``(…, D)`` → ``(…, r)``."""
        out = torch.zeros(*x.shape[:-1], self.count, dtype=x.dtype, device=x.device)
        return out.index_add(-1, self.labels.to(x.device), x) / self.sizes.to(x).sqrt()

    def combine(self, c: Tensor) -> Tensor:
        """Σ cᵢ bᵢ: ``(…, r)`` → ``(…, D)``."""
        return (c / self.sizes.to(c).sqrt())[..., self.labels.to(c.device)]


def invariant_space(group: Group, word: Word) -> InvariantSpace:
    """(V₁ ⊗ … ⊗ V_m)^G for atoms of one group that is no product.

    Raises
    ------
    NumericalError
        If the space is too large for memory or does not come out invariant to rounding.
    """
    if not word:
        return DenseInvariants(torch.ones(1, 1, dtype=_F64))
    if all(a.permutation is not None for a in word) and group.is_finite:
        permutations = [[a.permutation(c) for a in word if a.permutation is not None] for c in group.components] or [
            [torch.arange(a.dim) for a in word]
        ]
        labels = orbit_labels(permutations)
        return OrbitInvariants(labels, torch.bincount(labels))
    return DenseInvariants(_finite(group, word) if group.is_finite else _continuous(group, word))


def _continuous(group: Group, word: Word) -> Tensor:
    chained = isinstance(group, CompactGroup) and len(word) > 3 and all(a.orthogonal for a in word)
    if chained and word_dimension(word) > _CHAIN_DIMENSION:
        return ClebschGordan(group).invariants(word)
    made = {a.key: action_of(a, group) for a in word}
    factors = [made[a.key] for a in word]
    return component_invariants(factors, connected_invariants(factors))


def _finite(group: Group, word: Word) -> Tensor:
    """Points of the permutation atoms first, ⊗ the rest; the axes are put back at the end."""
    dim = word_dimension(word)
    entries = math.prod(a.dim for a in word if a.permutation is None) ** 2
    summed = isinstance(group, CompactGroup) and group.order <= _MAX_SUMMED
    if not isinstance(group, CompactGroup) or not summed or group.order * entries > _MAX_AVERAGED:
        if dim > _MAX_DENSE:
            raise NumericalError(
                f"{group.name} on {dim} dimensions is neither a permutation nor small enough; use lower degrees"
            )
        made = {a.key: action_of(a, group) for a in word}
        return component_invariants([made[a.key] for a in word], torch.eye(dim, dtype=_F64))
    every = group.elements
    order = sorted(range(len(word)), key=lambda i: word[i].permutation is None)
    points = torch.zeros(len(every), 1, dtype=torch.int64)
    rest = torch.ones(len(every), 1, 1, dtype=_F64)
    for i in order:
        sigma = word[i].permutation
        if sigma is not None:
            points = (points[:, :, None] * word[i].dim + sigma(every)[:, None, :]).flatten(1)
        else:
            rest = torch.einsum("gij,gkl->gikjl", rest, word[i].rho(every)).flatten(3).flatten(1, 2)
    basis = induced_invariants(points, rest).reshape(*(word[i].dim for i in order), -1)
    back = [order.index(i) for i in range(len(word))]
    return basis.permute(*back, len(word)).reshape(dim, -1)
