"""Which representation a result transforms by, tried on numbers: op(ρ₁(g)h₁, ρ₂(g)h₂, …) = ρ(g) op(h₁, h₂, …).

The inputs h are fresh normal rows, not those of the network, so that what holds for them is a property of the
operation alone; names of operations decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from math import prod

import torch
from torch import Tensor

from symfind.equivariance.equivariance import Equivariance, transformed
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import CompactGroup
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import Representation, defining, trivial

_F64 = torch.float64

# An operation that does not commute misses by order one on normal rows; rounding of one operation is below 1e-12.
_COMMUTES = 1e-9
# Ways to share a representation among the axes of a tensor that are tried: three kinds on each of five axes.
_MOST_WAYS = 243


@dataclass(frozen=True, eq=False)
class Acted:
    """An input of an operation.

    Attributes
    ----------
    rep
        On its rows.
    sizes
        Of the axes of a row.
    """

    rep: Representation
    sizes: tuple[int, ...]


def entries_kept(rep: Representation, source: Tensor) -> Representation | None:
    """The representation on entries ``source`` ``(D′,)`` of a row, where they are whole summands; None else."""
    place = {int(entry): i for i, entry in enumerate(source.tolist())}
    if len(place) != len(source):
        return None
    words, positions = [], []
    for word, entries in zip(rep.words, rep.slices, strict=True):
        here = [place[i] for i in entries.tolist() if i in place]
        if here and len(here) == len(entries):
            words.append(word)
            positions += here
    if len(positions) != len(source):
        return None
    return Representation(rep.group, tuple(words), torch.tensor(positions))


class Actions:
    """Random elements of the group, and the representations that axes of the network may carry.

    Parameters
    ----------
    task
        Group and representations at both ends.
    count
        Rows that an action is tried on, each with its own element.
    """

    def __init__(self, task: Equivariance, count: int) -> None:
        self.group, self.count = task.group, count
        self.rng = torch.Generator().manual_seed(0)
        self.elements = task.group.sample(count, self.rng, 0.5)
        self.known: dict[int, list[Representation]] = {}
        self._split: dict[tuple[object, ...], tuple[Representation, ...] | None] = {}

    def remember(self, rep: Representation) -> None:
        """Offer a representation for every axis of its dimension from here on."""
        if rep.is_trivial:
            return
        pool = self.known.setdefault(rep.dim, [])
        if all(rep.key != other.key for other in pool):
            pool.append(rep)

    def moved(self, rep: Representation, rows: Tensor) -> Tensor:
        """ρ(gᵢ)hᵢ."""
        return transformed(rep, self.elements[: len(rows)], rows)

    def fresh(self, rep: Representation, positive: bool = False) -> Tensor:
        """Rows h and ρ(g)h, one behind the other: ``(2n, D)``."""
        h = torch.randn(self.count, rep.dim, dtype=_F64, generator=self.rng)
        h = h.abs() if positive else h
        return torch.cat([h, self.moved(rep, h)])

    def obeys(self, rep: Representation, rows: Tensor) -> bool:
        """Whether the second half of ``(2n, D)`` is ρ(g) of the first."""
        base, seen = rows[: self.count], rows[self.count :]
        if rep.dim != rows.shape[1]:
            return False
        gap = float((self.moved(rep, base) - seen).abs().max())
        return gap <= _COMMUTES * (1 + float(base.abs().max()))

    def same(self, one: Representation, other: Representation) -> bool:
        """Whether two representations are one, entry by entry."""
        if one.dim != other.dim:
            return False
        return one.key == other.key or (one.is_trivial == other.is_trivial and self.obeys(other, self.fresh(one)))

    def on_axis(self, size: int) -> list[Representation]:
        """What an axis of ``size`` may carry, the usual ones first."""
        group, unit = self.group, self.group.degree
        pool = [trivial(group, size), *self.known.get(size, [])]
        if not group.factors and not group.affine and size % unit == 0 and size > 0:
            times = size // unit
            pool.append(defining(group) if times == 1 else times * defining(group))
            if times > 1:
                pool.append(defining(group) * trivial(group, times))
        return _distinct(pool)

    def on_axes(self, sizes: Sequence[int], rows: Tensor | None = None) -> Iterator[Representation]:
        """What several axes may carry together: ρ₁ ⊗ ρ₂ ⊗ …, a turned grid on two of them, the identity first.

        With ``rows`` ``(2n, D)`` of a result, only what the sizes of its parts along each axis allow.
        """
        if not sizes:
            yield trivial(self.group)
            return
        total = prod(sizes)
        yield trivial(self.group, total)
        yield from self.known.get(total, [])
        grid = self._grid(sizes[-2:])
        if grid is not None:
            for lead in self.on_axes(sizes[:-2]):
                yield lead * grid if lead.dim > 1 else grid
        pools = [self.on_axis(size) for size in sizes]
        if rows is not None and self.group.is_orthogonal:
            pools = [self._allowed(pool, rows, sizes, axis) for axis, pool in enumerate(pools)]
        for tried, reps in enumerate(product(*pools)):
            if tried > _MOST_WAYS:
                return
            if all(rep.is_trivial for rep in reps):
                continue
            out = reps[0]
            for rep in reps[1:]:
                out = out * rep
            yield out

    def _allowed(
        self, pool: Sequence[Representation], rows: Tensor, sizes: Sequence[int], axis: int
    ) -> list[Representation]:
        """Those that may act on one axis: Σ h² over all other axes is permuted as they permute.

        Where the others act by orthogonal matrices that is necessary; one that does not permute is never excluded.
        """
        others = [i + 1 for i in range(len(sizes)) if i != axis]
        size = rows.reshape(len(rows), *sizes).square()
        profile = size.sum(others) if others else size
        return [rep for rep in pool if not rep.is_permutation or self.obeys(rep, profile)]

    def _grid(self, sizes: Sequence[int]) -> Representation | None:
        if len(sizes) != 2 or not isinstance(self.group, CompactGroup) or not self.group.is_finite:
            return None
        if self.group.degree != 2 or self.group.factors:
            return None
        try:
            return parse_representation(self.group, f"image({sizes[0]},{sizes[1]})")
        except UsageError:
            return None

    def kernel(self, sizes: Sequence[int]) -> list[Representation]:
        """What the entries of a convolution's kernel may carry: a turned grid, or the identity."""
        grid = self._grid(sizes)
        plain = trivial(self.group, prod(sizes))
        return [plain] if grid is None else [grid, plain]

    def shared(self, rep: Representation, *blocks: Sequence[int]) -> tuple[Representation, ...] | None:
        """ρ = ρ₁ ⊗ ρ₂ ⊗ … over blocks of axes; None if no way is found."""
        key = (rep.key, *(tuple(block) for block in blocks), sum(map(len, self.known.values())))
        if key not in self._split:
            self._split[key] = self._shared(rep, blocks)
        return self._split[key]

    def _shared(self, rep: Representation, blocks: Sequence[Sequence[int]]) -> tuple[Representation, ...] | None:
        if rep.is_trivial:
            return tuple(trivial(self.group, prod(block)) for block in blocks)
        if sum(prod(block) > 1 for block in blocks) == 1:
            return tuple(rep if prod(block) > 1 else trivial(self.group) for block in blocks)
        ways = product(*(_distinct(self.on_axes(block)) for block in blocks))
        for tried, parts in enumerate(ways):
            if tried > _MOST_WAYS:
                return None
            out = parts[0]
            for part in parts[1:]:
                out = out * part
            if self.same(out, rep):
                for part in parts:
                    self.remember(part)
                return parts
        return None

    def of_result(
        self, rows: Tensor, sizes: Sequence[int], inputs: Sequence[Acted], kept: Representation | None = None
    ) -> Iterator[Representation]:
        """Representations that rows of a result obey.

        ``kept``, where the result holds entries of its input; those of the inputs, the identity, products over the
        axes, direct sums of the inputs along an axis.
        """
        found: list[Representation] = []
        usual = [] if kept is None else [kept]
        usual += [one.rep for one in inputs if one.rep.dim == rows.shape[1]]
        for rep in chain(usual, self.on_axes(sizes, rows), self._sums(inputs, sizes)):
            if rep.dim != rows.shape[1] or any(rep.key == other.key for other in found):
                continue
            if self.obeys(rep, rows) and not any(self.same(rep, other) for other in found):
                found.append(rep)
                yield rep

    def _sums(self, inputs: Sequence[Acted], sizes: Sequence[int]) -> Iterator[Representation]:
        """ρ₀ ⊗ (ρ₁ ⊕ ρ₂ ⊕ …) ⊗ ρ₃ of inputs that differ in one axis."""
        for axis, size in enumerate(sizes):
            if len(inputs) < 2 or any(len(one.sizes) != len(sizes) for one in inputs):
                return
            if sum(one.sizes[axis] for one in inputs) != size:
                continue
            split = [self.shared(one.rep, one.sizes[:axis], one.sizes[axis : axis + 1], one.sizes[axis + 1 :])
                     for one in inputs]  # fmt: skip
            if any(parts is None for parts in split):
                continue
            ways = [parts for parts in split if parts is not None]
            middle = ways[0][1]
            for parts in ways[1:]:
                middle = middle + parts[1]
            self.remember(middle)
            # A part that is left alone by the group says nothing about the axes before it.
            first = next((parts for parts in ways if not parts[0].is_trivial), ways[0])
            last = next((parts for parts in ways if not parts[2].is_trivial), ways[0])
            yield first[0] * middle * last[2]


def _distinct(reps: Sequence[Representation] | Iterator[Representation]) -> list[Representation]:
    seen: dict[object, Representation] = {}
    for rep in reps:
        seen.setdefault(rep.key, rep)
    return list(seen.values())
