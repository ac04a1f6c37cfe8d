"""V ⊕ W, V ⊗ W, V*: representations by the operations that make them, ``+``, ``*`` and ``.dual``.

A representation is held as a direct sum of words, each word a tensor product of atoms; ``positions`` says where the
entries of the words lie in the space, so that sums multiplied out keep the order of a Kronecker product. Formulas such
as "4x1+2x0" are read in :mod:`symfind.lie.groups.notation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.cost import check_memory
from symfind.errors import UsageError
from symfind.lie.groups import atoms
from symfind.lie.groups.atoms import Atom
from symfind.lie.groups.matrix_groups import Group

_F64 = torch.float64

Word = tuple[Atom, ...]


# Entries of a vector, and summands: a layer of a large network has less than 10⁵ channels.
_LARGEST = 2**20


def check_dimension(dimension: int, words: int = 1) -> None:
    """Refuse a representation that no vector of data or of a layer is in.

    Raises
    ------
    UsageError
        With its dimension.
    """
    if max(dimension, words) > _LARGEST:
        size = f"{max(dimension, words):,}" if max(dimension, words) < 10**15 else "more than 10^15"
        raise UsageError(f"the representation has {size} entries, at most {_LARGEST:,} are held; take a smaller one")


def word_dimension(word: Word) -> int:
    """Π dim of the atoms; 1 for the empty word, the trivial representation."""
    out = 1
    for a in word:
        out *= a.dim
    return out


@dataclass(frozen=True, eq=False)
class Representation:
    """ρ: G → GL(D), a direct sum of words of atoms.

    Attributes
    ----------
    group
        G.
    words
        The summands, each a tensor product of atoms, the first atom varying slowest.
    positions
        ``(D,)``: entry i of the concatenated words is entry ``positions[i]`` of the space.
    """

    group: Group
    words: tuple[Word, ...]
    positions: Tensor

    @property
    def dim(self) -> int:
        """D."""
        return int(self.positions.shape[0])

    @cached_property
    def slices(self) -> tuple[Tensor, ...]:
        """Positions of each word's entries, in the order of ``words``."""
        return torch.split(self.positions, [word_dimension(w) for w in self.words]) if self.words else ()

    @property
    def is_orthogonal(self) -> bool:
        """Whether ρ(g)ᵀρ(g) = 1 by construction."""
        return all(a.orthogonal for w in self.words for a in w)

    @property
    def is_permutation(self) -> bool:
        """Whether every ρ(g) permutes the coordinates."""
        return all(a.permutation is not None for w in self.words for a in w)

    @property
    def is_trivial(self) -> bool:
        """Whether ρ(g) = 1 for all g by construction."""
        return not any(self.words)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal keys, equal representations."""
        words = tuple(tuple(a.key for a in w) for w in self.words)
        return (self.group.key, words, tuple(self.positions.tolist()))

    def _assemble(self, parts: Sequence[Tensor], like: Tensor) -> Tensor:
        out = torch.zeros(*like.shape[:-2], self.dim, self.dim, dtype=_F64)
        for index, part in zip(self.slices, parts, strict=True):
            out[..., index[:, None], index[None, :]] = part
        return out

    def _check_matrices(self, g: Tensor) -> None:
        count = math.prod(g.shape[:-2])
        check_memory(
            2 * count * self.dim**2, f"{count} matrices of dimension {self.dim}", "take a smaller representation"
        )

    def rho(self, g: Tensor) -> Tensor:
        """ρ(g): elements ``(…, d, d)`` of the group ↦ ``(…, D, D)``."""
        self._check_matrices(g)
        blocks = self.group.split(g)
        made: dict[object, Tensor] = {}

        def of(word: Word) -> Tensor:
            key = tuple(a.key for a in word)
            if key not in made:
                out = torch.ones(*g.shape[:-2], 1, 1, dtype=_F64)
                for a in word:
                    out = _kron(out, a.rho(blocks[a.factor]))
                made[key] = out
            return made[key]

        return self._assemble([of(w) for w in self.words], g)

    def drho(self, a: Tensor) -> Tensor:
        """dρ(A): algebra elements ``(…, d, d)`` ↦ ``(…, D, D)``, linear in A."""
        self._check_matrices(a)
        blocks = self.group.split(a)

        def of(word: Word) -> Tensor:
            out = torch.zeros(*a.shape[:-2], 1, 1, dtype=_F64)
            for atom in word:
                m = atom.drho(blocks[atom.factor])
                here = torch.eye(out.shape[-1], dtype=_F64).expand_as(out)
                there = torch.eye(atom.dim, dtype=_F64).expand_as(m)
                out = _kron(out, there) + _kron(here, m)
            return out

        return self._assemble([of(w) for w in self.words], a)

    @property
    def dual(self) -> Representation:
        """V*: g ↦ ρ(g⁻¹)ᵀ."""
        return Representation(self.group, tuple(tuple(a.dual for a in w) for w in self.words), self.positions)

    def _same_group(self, other: Representation) -> None:
        if self.group.key != other.group.key:
            raise UsageError(
                f"representations of {self.group.name} and {other.group.name} do not combine; "
                "make both from one group, or from the product of the two"
            )

    def __add__(self, other: Representation) -> Representation:
        """V ⊕ W."""
        self._same_group(other)
        check_dimension(self.dim + other.dim)
        positions = torch.cat([self.positions, other.positions + self.dim])
        return Representation(self.group, self.words + other.words, positions)

    def __mul__(self, other: Representation) -> Representation:
        """V ⊗ W, entries ordered as those of a Kronecker product."""
        self._same_group(other)
        check_dimension(self.dim * other.dim, len(self.words) * len(other.words))
        words, places = [], []
        for w1, p1 in zip(self.words, self.slices, strict=True):
            for w2, p2 in zip(other.words, other.slices, strict=True):
                words.append(w1 + w2)
                places.append((p1[:, None] * other.dim + p2[None, :]).reshape(-1))
        return Representation(self.group, tuple(words), torch.cat(places) if places else torch.empty(0).long())

    def __rmul__(self, count: int) -> Representation:
        """V ⊕ … ⊕ V."""
        if count < 0:
            raise UsageError(f"{count} copies of a representation are not possible; give 0 or more")
        check_dimension(count * self.dim, count * len(self.words))
        shifts = torch.arange(count)[:, None] * self.dim
        return Representation(self.group, self.words * count, (shifts + self.positions).reshape(-1))

    def __pow__(self, power: int) -> Representation:
        """V ⊗ … ⊗ V; V⁰ is the trivial representation."""
        if power < 0:
            raise UsageError(f"the tensor power {power} does not exist; use the dual V* for negative powers")
        check_dimension(self.dim ** min(power, 64) if self.dim > 1 else 1, power)
        out = trivial(self.group)
        for _ in range(power):
            out = out * self
        return out

    def __str__(self) -> str:
        """The formula, equal neighbours collected: "3V+1"."""
        names = ["⊗".join(str(a) for a in w) if w else "1" for w in self.words]
        out: list[tuple[int, str]] = []
        for n in names:
            if out and out[-1][1] == n:
                out[-1] = (out[-1][0] + 1, n)
            else:
                out.append((1, n))
        return "+".join(_term(c, n) for c, n in out) or "0"


def _term(count: int, name: str) -> str:
    if name == "1":
        return str(count)
    if count == 1:
        return name
    if "⊗" in name:
        return f"{count}({name})"
    return f"{count}{name[1:]}" if name.startswith("1x") else f"{count}{name}"


def _kron(a: Tensor, b: Tensor) -> Tensor:
    """Kronecker product over the last two axes, batched."""
    out = torch.einsum("...ij,...kl->...ikjl", a, b)
    return out.reshape(*out.shape[:-4], a.shape[-2] * b.shape[-2], a.shape[-1] * b.shape[-1])


def of_word(group: Group, word: Word) -> Representation:
    """The tensor product of ``word``'s atoms as a representation of ``group``."""
    check_dimension(word_dimension(word))
    return Representation(group, (word,), torch.arange(word_dimension(word)))


def trivial(group: Group, count: int = 1) -> Representation:
    """R^count with ρ(g) = 1."""
    check_dimension(count)
    return Representation(group, ((),) * count, torch.arange(count))


def defining(group: Group) -> Representation:
    """V: how the group acts on its data.

    The matrices themselves; for an affine group the homogeneous ones; for a product the tensor product of the factors'
    V on arrays of vectors: permutation groups act on the leading axes, the first of the other factors on the
    last. So "so3 x s5" acts on arrays of shape (5, 3), flattened row by row.
    """
    if not group.factors:
        return of_word(group, (atoms.defining(group),))
    return of_word(group, tuple(atoms.defining(group.factors[i], i, f"V{i + 1}") for i in _axes(group)))


def _axes(group: Group) -> list[int]:
    """Indices of the factors in the order of the axes of the data."""
    moves = [i for i, f in enumerate(group.factors) if f.is_permutation]
    rest = [i for i, f in enumerate(group.factors) if not f.is_permutation]
    return moves[::-1] + rest[::-1]


def data_shape(group: Group) -> tuple[int, ...]:
    """Shape of one row of the data that V acts on: (d,), for products one axis a factor, points for affine groups."""
    if group.factors:
        return tuple(group.factors[i].degree for i in _axes(group))
    return (group.point_dimension,)


def natural_representation(group: Group, shape: Sequence[int]) -> Representation:
    """The representation on arrays of ``shape`` by copies of V: (k, d) or (k·d,) is k vectors, kV.

    For an affine group this is "points(k)", which has one more entry, the constant 1, for the bias.

    Raises
    ------
    UsageError
        If the size is no multiple of what V acts on.
    """
    size = 1
    for n in shape:
        size *= n
    unit = 1
    for n in data_shape(group):
        unit *= n
    if size == 0 or size % unit:
        raise UsageError(
            f"{group.name} acts on rows of {unit} numbers and the data have shape {tuple(shape)}; "
            "name a representation (--rep-in) or a group of that dimension"
        )
    if group.affine:
        return of_word(group, (atoms.points(group, size // unit),))
    return (size // unit) * defining(group)
