"""V₁ ⊗ … ⊗ V_m = ⊕ multiplicity × irreducible, for compact groups, one Clebsch–Gordan splitting after another.

Each irreducible part X met so far is multiplied by the next atom, and X ⊗ V is split once: into the degrees of the
catalogue for so(3) and o(3), else by the eigenspaces of a random symmetric element of its commutant, which are
irreducible over the reals whether their type is real, complex or quaternionic. Parts that are equivalent are turned to
*equal* matrices, so that an invariant of a product of two halves is a pairing of equal parts.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import NumericalError, UsageError
from symfind.lie.groups import atoms
from symfind.lie.groups.atoms import Atom
from symfind.lie.groups.invariants import Action, action_of, component_invariants, connected_invariants, one_thread
from symfind.lie.groups.irreps import clebsch_gordan
from symfind.lie.groups.matrix_groups import CompactGroup, Group
from symfind.lie.groups.representations import Representation, Word

_F64 = torch.float64


@dataclass(frozen=True, eq=False)
class Irreducible:
    """An irreducible real representation by its matrices.

    Attributes
    ----------
    label
        "1x2", "1x2o" for the degrees of so(3) and o(3); else the dimension and a letter.
    action
        Images of the group's generators and components.
    commutant
        Frobenius-orthonormal basis of End_G, ``(t, n, n)``: t = 1, 2, 4 for real, complex, quaternionic type.
    """

    label: str
    action: Action
    commutant: Tensor


@dataclass(frozen=True, eq=False)
class IsotypicPart:
    """All copies of one irreducible representation.

    Attributes
    ----------
    irreducible
        Its matrices.
    basis
        ``(m, D, n)``: m isometries uᵢ with ρ(g) uᵢ = uᵢ D(g), mutually orthogonal.
    """

    irreducible: Irreducible
    basis: Tensor

    @property
    def multiplicity(self) -> int:
        """Number m of copies."""
        return int(self.basis.shape[0])


def invariants_of_actions(factors: Sequence[Action]) -> Tensor:
    """Orthonormal basis ``(D, r)`` of the invariants of generators and components."""
    return component_invariants(factors, connected_invariants(factors))


class ClebschGordan:
    """Decompositions of words of one compact group of positive dimension; splittings are made once and kept."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._known: list[Irreducible] = []
        self._splittings: dict[tuple[Hashable, Hashable], list[tuple[Irreducible, Tensor]]] = {}
        self._words: dict[tuple[Hashable, ...], tuple[IsotypicPart, ...]] = {}
        self._rng = torch.Generator().manual_seed(5)

    def decompose(self, word: Word) -> tuple[IsotypicPart, ...]:
        """Isotypic parts of the tensor product of ``word``'s atoms."""
        key = tuple(a.key for a in word)
        if key not in self._words:
            self._words[key] = self._multiplied(self.decompose(word[:-1]), word[-1]) if word else self._unit()
        return self._words[key]

    def invariants(self, word: Word) -> Tensor:
        """Orthonormal invariants ``(D, r)``: equal parts of the two halves of the word, paired."""
        half = (len(word) + 1) // 2
        left, right = self.decompose(word[:half]), self.decompose(word[half:])
        columns = []
        for a in left:
            for b in right:
                if a.irreducible is b.irreducible:
                    turned = torch.einsum("iax,txy->itay", a.basis, a.irreducible.commutant)
                    pairs = torch.einsum("itay,jby->abitj", turned, b.basis)
                    columns.append(pairs.flatten(2).flatten(0, 1))
        dim = math.prod(a.dim for a in word)
        return torch.cat(columns, 1) if columns else torch.zeros(dim, 0, dtype=_F64)

    def _unit(self) -> tuple[IsotypicPart, ...]:
        k, c = len(self.group.generators), len(self.group.components)
        one = Action("1", torch.zeros(k, 1, 1, dtype=_F64), torch.ones(c, 1, 1, dtype=_F64), True)
        return (IsotypicPart(self._registered(one), torch.ones(1, 1, 1, dtype=_F64)),)

    def _multiplied(self, parts: Sequence[IsotypicPart], atom: Atom) -> tuple[IsotypicPart, ...]:
        grown: dict[str, tuple[Irreducible, list[Tensor]]] = {}
        for part in parts:
            n = part.irreducible.action.dim
            for target, c in self._splitting(part.irreducible, atom):
                u = torch.matmul(part.basis, c.reshape(n, -1)).reshape(part.multiplicity, -1, target.action.dim)
                grown.setdefault(target.label, (target, []))[1].append(u)
        return tuple(IsotypicPart(irreducible, torch.cat(us)) for irreducible, us in grown.values())

    def _splitting(self, x: Irreducible, atom: Atom) -> list[tuple[Irreducible, Tensor]]:
        key = (x.action.key, atom.key)
        if key not in self._splittings:
            named = self._graded and (atom.name == "V" or atom.name.startswith("1x"))
            if named:
                self._splittings[key] = self._by_coefficients(x, atom)
            else:
                v = action_of(atom, self.group)
                self._splittings[key] = (self._by_degree if self._graded else self._by_commutant)(x.action, v)
        return self._splittings[key]

    @property
    def _graded(self) -> bool:
        """Whether the irreducible representations are the degrees of the catalogue, all of real type."""
        return self.group.name in ("so(3)", "o(3)")

    def _by_coefficients(self, x: Irreducible, atom: Atom) -> list[tuple[Irreducible, Tensor]]:
        """D^l ⊗ D^j = D^|l−j| ⊕ … ⊕ D^(l+j), parities multiplied."""
        low, high = (x.action.dim - 1) // 2, (atom.dim - 1) // 2
        parity = ""
        if self.group.name == "o(3)":
            odd = x.label.endswith("o") != (atom.name == "V" or atom.name.endswith("o"))
            parity = "o" if odd else "e"
        return [
            (self._of_degree(degree, parity), clebsch_gordan(low, high, degree))
            for degree in range(abs(low - high), low + high + 1)
        ]

    def _by_degree(self, x: Action, v: Action) -> list[tuple[Irreducible, Tensor]]:
        """Embeddings of D^l into X ⊗ V for l = 0, 1, … until the dimensions add up."""
        out: list[tuple[Irreducible, Tensor]] = []
        found, degree = 0, 0
        while found < x.dim * v.dim:
            if 2 * degree + 1 > x.dim * v.dim:
                raise NumericalError(f"{x.dim} x {v.dim} dimensions did not split into degrees; report this case")
            for parity in ("o", "e") if self.group.name == "o(3)" else ("",):
                target = self._of_degree(degree, parity)
                embeddings = self._embeddings(target.action, (x, v))
                out.extend((target, e) for e in embeddings)
                found += len(embeddings) * target.action.dim
            degree += 1
        return out

    def _of_degree(self, degree: int, parity: str) -> Irreducible:
        atom = atoms.irreducible(self.group, 2 * degree, parity)
        for known in self._known:
            if known.label == atom.name:
                return known
        n = atom.dim
        made = Irreducible(atom.name, action_of(atom, self.group), torch.eye(n, dtype=_F64)[None] / math.sqrt(n))
        self._known.append(made)
        return made

    def _embeddings(self, y: Action, factors: Sequence[Action]) -> list[Tensor]:
        """Isometries ``(D, n)`` that span Hom_G(Y, X ⊗ V) for real type, mutually orthogonal."""
        found = invariants_of_actions([y, *factors])
        n = y.dim
        return [column.reshape(n, -1).mT * math.sqrt(n) for column in found.mT]

    def _by_commutant(self, x: Action, v: Action) -> list[tuple[Irreducible, Tensor]]:
        n = x.dim * v.dim
        commuting = invariants_of_actions([x, v, x, v])
        draw = (commuting @ torch.randn(commuting.shape[1], dtype=_F64, generator=self._rng)).reshape(n, n)
        values, vectors = torch.linalg.eigh(draw + draw.mT)
        # Distinct eigenvalues of a random element differ by far more than 1e-7 of their spread, equal ones by rounding.
        gap = 1e-7 * max(float(values[-1] - values[0]), float(values.abs().max()))
        edges = [0, *(torch.nonzero(values.diff() > gap)[:, 0] + 1).tolist(), n]
        size = torch.linalg.matrix_norm(x.algebra) + torch.linalg.matrix_norm(v.algebra)
        out = []
        for start, stop in zip(edges[:-1], edges[1:], strict=True):
            q = vectors[:, start:stop]
            algebra = torch.stack([q.mT @ (_kron_sum(a, b) @ q) for a, b in zip(x.algebra, v.algebra, strict=True)])
            # A generator that acts as zero must not act as rounding noise: noise would be taken for an action.
            algebra[torch.linalg.matrix_norm(algebra) < 1e-10 * size] = 0.0
            components = [q.mT @ (torch.kron(a, b) @ q) for a, b in zip(x.components, v.components, strict=True)]
            shape = (len(components), stop - start, stop - start)
            stacked = torch.stack(components) if components else torch.empty(shape, dtype=_F64)
            out.append(self._identified(Action(object(), algebra, stacked, True), q))
        return out

    def _identified(self, action: Action, q: Tensor) -> tuple[Irreducible, Tensor]:
        """The known irreducible that ``action`` is equivalent to, and q turned so that the matrices are equal."""
        for known in self._known:
            if known.action.dim == action.dim:
                found = invariants_of_actions([known.action, action])
                if found.shape[1]:
                    turn = found[:, 0].reshape(action.dim, action.dim).mT * math.sqrt(action.dim)
                    return known, q @ turn
        return self._registered(action), q

    def _registered(self, action: Action) -> Irreducible:
        if self._graded and action.dim == 1:
            return self._of_degree(0, "e" if self.group.name == "o(3)" else "")
        commutant = invariants_of_actions([action, action]).mT.reshape(-1, action.dim, action.dim)
        same = sum(known.action.dim == action.dim for known in self._known)
        made = Irreducible(f"{action.dim}{chr(ord('a') + same)}", action, commutant)
        self._known.append(made)
        return made


def _kron_sum(a: Tensor, b: Tensor) -> Tensor:
    eye_a, eye_b = torch.eye(len(a), dtype=_F64), torch.eye(len(b), dtype=_F64)
    out: Tensor = torch.kron(a, eye_b) + torch.kron(eye_a, b)
    return out


def isotypic_parts(representation: Representation) -> tuple[IsotypicPart, ...]:
    """V = ⊕ m_λ × D^λ, complete: the bases together are an orthogonal matrix that block-diagonalises ρ.

    Raises
    ------
    UsageError
        If the group is a product, finite or not compact, or V is not orthogonal.
    """
    group = representation.group
    if not isinstance(group, CompactGroup) or group.is_finite or group.factors or not representation.is_orthogonal:
        raise UsageError(
            f"{representation} of {group.name} has no decomposition here; "
            "it is made for orthogonal representations of one compact group of positive dimension"
        )
    with one_thread():
        return _isotypic_parts(representation)


def _isotypic_parts(representation: Representation) -> tuple[IsotypicPart, ...]:
    chain = ClebschGordan(representation.group)
    parts: dict[str, tuple[Irreducible, list[Tensor]]] = {}
    for word, index in zip(representation.words, representation.slices, strict=True):
        for part in chain.decompose(word):
            placed = torch.zeros(part.multiplicity, representation.dim, part.basis.shape[-1], dtype=_F64)
            placed[:, index] = part.basis
            parts.setdefault(part.irreducible.label, (part.irreducible, []))[1].append(placed)
    return tuple(IsotypicPart(irreducible, torch.cat(bases)) for irreducible, bases in parts.values())
