"""2(α, β)/(β, β): from the roots on a torus to simple roots, Dynkin diagrams and the names of compact algebras."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.lie.weights.torus import CompactForm
from symfind.linalg.subspaces import UnclearRank

# Cartan integers and labels are whole; a tenth to both sides is noise, more is no root system.
_WHOLE = 0.1


@dataclass(frozen=True, eq=False)
class SimpleFactor:
    """A connected Dynkin diagram.

    Attributes
    ----------
    letter, rank
        Cartan's type, with B1 = C1 = A1, C2 = B2, D3 = A3 under the first of these names, B2 among them.
    nodes
        Simple roots in the order of Bourbaki, as rows of ``RootSystem.simple``.
    dimension
        Of the algebra.
    """

    letter: str
    rank: int
    nodes: tuple[int, ...]
    dimension: int

    @property
    def compact_name(self) -> str:
        """The name of the compact real form: su(3), so(5), sp(3), so(8), g2, …; so(3) for A1."""
        n = self.rank
        if self.letter == "A":
            return "so(3)" if n == 1 else f"su({n + 1})"
        if self.letter in "BD":
            return f"so({2 * n + (self.letter == 'B')})"
        return f"usp({2 * n})" if self.letter == "C" else f"{self.letter.lower()}{n}"


@dataclass(frozen=True, eq=False)
class RootSystem:
    """The roots of a reductive algebra.

    Attributes
    ----------
    positive
        ``(s, r)`` on the torus of the compact form.
    simple
        ``(l, r)``.
    raising
        Index of each simple root among the positive ones.
    cartan
        ``(l, l)`` whole numbers 2(αᵢ, αⱼ)/(αⱼ, αⱼ).
    factors
        The connected parts, largest first.
    centre
        ``(z, r)`` orthonormal directions of the torus on which all roots vanish.
    """

    positive: Tensor
    simple: Tensor
    raising: tuple[int, ...]
    cartan: Tensor
    factors: tuple[SimpleFactor, ...]
    centre: Tensor

    def labels(self, weights: Tensor) -> Tensor:
        """Whole numbers 2(w, αᵢ)/(αᵢ, αᵢ) ``(n, l)`` of weights ``(n, r)``.

        Raises
        ------
        UnclearRank
            They are not whole within a tenth.
        """
        return _whole(2.0 * weights @ self.simple.T / self.simple.square().sum(1))

    def dominant(self, labels: Tensor) -> Tensor:
        """The labels in the orbit of the Weyl group that are not negative, of one weight ``(l,)``."""
        out = labels.clone()
        while bool((out < 0).any()):
            i = int((out < 0).nonzero()[0, 0])
            out = out - out[i] * self.cartan[i]
        return out

    def dimension(self, labels: Tensor) -> int:
        """Π (λ + ρ, α)/(ρ, α): the dimension of the irreducible representation of highest weight λ (Weyl 1925)."""
        if not len(self.simple):
            return 1
        half = 0.5 * self.simple.square().sum(1)
        gram = self.simple @ self.simple.T
        expand = torch.linalg.solve(gram, self.simple @ self.positive.T).T  # positive roots in simple ones
        on = expand * half
        top, rho = on @ (labels.double() + 1.0), on.sum(1)
        return round(float((top / rho).log().sum().exp()))


def root_system(form: CompactForm) -> RootSystem:
    """Simple roots, diagrams and centre of a compact form.

    Raises
    ------
    UnclearRank
        The roots are no root system within the errors.
    """
    roots, r = form.roots, form.rank
    s = roots.shape[0]
    if s == 0:
        return RootSystem(roots, roots, (), roots.new_zeros(0, 0), (), torch.eye(r, dtype=roots.dtype))
    size = float(roots.norm(dim=1).max())
    sums = (roots[:, None] + roots[None, :]).reshape(-1, r)
    decomposable = torch.cdist(roots, sums).amin(1) < _WHOLE * float(roots.norm(dim=1).min())
    index = (~decomposable).nonzero()[:, 0]
    simple = roots[index]
    _, sigma, vt = torch.linalg.svd(simple, full_matrices=True)
    if len(simple) > r or float(sigma[-1]) < 1e-3 * size:
        raise UnclearRank("the simple roots depend on one another; give generators with smaller errors")
    cartan = _whole(2.0 * (simple @ simple.T) / simple.square().sum(1)[None, :])
    factors = tuple(sorted(_factors(simple, cartan, roots), key=lambda f: (-f.dimension, f.letter)))
    if sum(f.dimension for f in factors) != 2 * s + len(simple):
        raise UnclearRank("the roots are no root system; give generators that form an algebra")
    return RootSystem(roots, simple, tuple(index.tolist()), cartan, factors, vt[len(simple) :])


def _whole(value: Tensor) -> Tensor:
    whole = value.round()
    if value.numel() and float((value - whole).abs().max()) > _WHOLE:
        raise UnclearRank("weights are not whole numbers at this noise; give generators with smaller errors")
    return whole + 0.0


def _factors(simple: Tensor, cartan: Tensor, roots: Tensor) -> list[SimpleFactor]:
    left, out = set(range(len(simple))), []
    joined = cartan != 0
    support = torch.linalg.lstsq(simple.T, roots.T, driver="gelsd").solution.T.abs() > 0.5
    while left:
        part = {min(left)}
        while True:
            more = {j for i in part for j in left if bool(joined[i, j])} | part
            if more == part:
                break
            part = more
        left -= part
        inside = sorted(part)
        dimension = 2 * int(support[:, inside].any(1).sum()) + len(inside)
        out.append(_typed(inside, cartan, simple, dimension))
    return out


def _typed(nodes: list[int], cartan: Tensor, simple: Tensor, dimension: int) -> SimpleFactor:
    """The type of one diagram, its nodes in the order of Bourbaki."""
    n = len(nodes)
    links = {i: [j for j in nodes if j != i and cartan[i, j] != 0] for i in nodes}
    ends = [i for i in nodes if len(links[i]) <= 1]
    forks = [i for i in nodes if len(links[i]) == 3]
    length = {i: float(simple[i].norm()) for i in nodes}
    bonds = {(i, j): int(cartan[i, j] * cartan[j, i]) for i in nodes for j in links[i]}
    strongest = max(bonds.values(), default=1)
    if forks:
        arms = sorted((_walk(links, forks[0], j) for j in links[forks[0]]), key=len)
        lengths = [len(arm) for arm in arms]
        if lengths[:2] == [1, 1]:
            order = [*reversed(arms[2]), forks[0], arms[0][0], arms[1][0]]
            return SimpleFactor("D", n, tuple(order), dimension)
        if lengths[:2] == [1, 2] and n in (6, 7, 8):
            two, long = arms[1], arms[2]
            order = [two[1], arms[0][0], two[0], forks[0], *long]
            return SimpleFactor("E", n, tuple(order), dimension)
        raise UnclearRank("the diagram is that of no simple algebra; give generators that form one")
    order = _walk(links, None, min(ends))
    if strongest == 1:
        return SimpleFactor("A", n, tuple(order), dimension)
    if strongest == 3 and n == 2:
        return SimpleFactor("G", 2, tuple(sorted(order, key=lambda i: length[i])), dimension)
    if strongest == 2:
        if bonds[order[0], order[1]] == 2 and n > 2:
            order = order[::-1]
        last, before = length[order[-1]], length[order[-2]]
        if n == 2:
            return SimpleFactor("B", 2, tuple(sorted(order, key=lambda i: -length[i])), dimension)
        if bonds[order[-1], order[-2]] == 2:
            return SimpleFactor("B" if last < before else "C", n, tuple(order), dimension)
        if n == 4:
            order = order if length[order[0]] > length[order[-1]] else order[::-1]
            return SimpleFactor("F", 4, tuple(order), dimension)
    raise UnclearRank("the diagram is that of no simple algebra; give generators that form one")


def _walk(links: dict[int, list[int]], before: int | None, start: int) -> list[int]:
    """Nodes along an arm from ``start``, away from ``before``."""
    out = [start]
    while True:
        following = [j for j in links[out[-1]] if j != before and j not in out]
        if not following:
            return out
        before = out[-1]
        out.append(following[0])
