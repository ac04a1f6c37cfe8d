"""G ⊂ GL(d): a matrix group by its Lie algebra and its components; compact, finite and product groups.

Elements are always matrices of one faithful representation, ``(…, d, d)``. A product G₁ × G₂ is carried by
block-diagonal matrices; affine groups by homogeneous ones, ((A, b), (0, 1)).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from symfind.errors import NumericalError, UsageError
from symfind.lie.groups.haar import HaarQuadrature, Sampler, sampled_quadrature

_F64 = torch.float64

MAX_NODES = 200_000
"""More nodes than this cost more than they bring: a network is evaluated at each of them."""

_MAX_FINITE = 50_000


@dataclass(frozen=True, eq=False)
class Group:
    """G = ⋃ gⱼ exp(𝔤), a group of d × d matrices.

    Attributes
    ----------
    name
        Standard name, "so(3)", "so(1,3)", "so(3) x s5".
    generators
        Basis of the Lie algebra 𝔤, ``(k, d, d)``; k = 0 for a finite group.
    components
        Elements whose classes generate G/G₀, ``(c, d, d)``; c = 0 for a connected group.
    component_count
        |G/G₀|; for a finite group its order; None where it is not known.
    affine
        True where the matrices are homogeneous, ((A, b), (0, 1)), and act on R^{d−1}.
    defining
        What the matrices do, in words.
    factors
        The factors of a product, in the order in which they were written; empty otherwise.
    """

    name: str
    generators: Tensor
    components: Tensor
    component_count: int | None = 1
    affine: bool = False
    defining: str = ""
    factors: tuple[Group, ...] = ()

    @property
    def dimension(self) -> int:
        """Dim G, the number of generators."""
        return int(self.generators.shape[0])

    @property
    def degree(self) -> int:
        """d, the size of the matrices."""
        return int(self.generators.shape[-1])

    @property
    def is_finite(self) -> bool:
        """Whether dim G = 0."""
        return self.dimension == 0

    @cached_property
    def is_orthogonal(self) -> bool:
        """Whether gᵀg = 1 for all g, so that V is its own dual."""
        skew = self.generators + self.generators.mT
        unit = self.components.mT @ self.components - torch.eye(self.degree, dtype=_F64)
        # Catalogue matrices have entries 0, ±1 or cosines: 1e-12 is rounding, far below any true departure.
        return all(float(t.abs().max()) < 1e-12 for t in (skew, unit) if t.numel())

    @cached_property
    def is_permutation(self) -> bool:
        """Whether G is finite and its matrices are permutation matrices."""
        c = self.components
        return self.is_finite and bool(((c == 0) | (c == 1)).all()) and bool((c.sum(-1) == 1).all())

    @cached_property
    def key(self) -> str:
        """Digest of the defining matrices: equal for equal groups, used by caches."""
        shape = (self.degree, self.dimension, self.affine, [f.degree for f in self.factors])
        digest = hashlib.sha256(repr(shape).encode())
        for t in (self.generators, self.components):
            digest.update(t.contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]

    @property
    def point_dimension(self) -> int:
        """Dimension of the space of points acted on: d, or d − 1 for homogeneous matrices."""
        return self.degree - 1 if self.affine else self.degree

    def split(self, g: Tensor) -> tuple[Tensor, ...]:
        """Blocks of ``g`` ``(…, d, d)`` that belong to the factors; ``(g,)`` where there are none."""
        if not self.factors:
            return (g,)
        blocks, start = [], 0
        for f in self.factors:
            blocks.append(g[..., start : start + f.degree, start : start + f.degree])
            start += f.degree
        return tuple(blocks)

    def sample(self, count: int, rng: torch.Generator, scale: float = 1.0) -> Tensor:
        """Random elements ``(count, d, d)``: Haar where G is compact, else exp of Gaussian algebra elements.

        Parameters
        ----------
        count
            Number of elements.
        rng
            Source of randomness.
        scale
            Standard deviation of the coefficients of the generators (non-compact groups only); each component
            representative enters with probability one half.
        """
        g = torch.eye(self.degree, dtype=_F64).expand(count, -1, -1)
        if self.dimension:
            c = torch.randn(count, self.dimension, dtype=_F64, generator=rng) * scale
            g = torch.linalg.matrix_exp(torch.einsum("nk,kij->nij", c, self.generators))
        for h in self.components:
            use = torch.rand(count, generator=rng, dtype=_F64) < 0.5
            g = torch.where(use[:, None, None], g @ h, g)
        return g


@dataclass(frozen=True, eq=False)
class CompactGroup(Group):
    """A compact G: it has a Haar measure of mass one.

    Attributes
    ----------
    sampler
        Haar samples of the whole group, components included.
    quadrature
        Degree ↦ exact rule; None where only samples are known.
    node_count
        Degree ↦ number of nodes of that rule, known without making it.
    """

    sampler: Sampler | None = field(default=None, repr=False)
    quadrature: Callable[[int], HaarQuadrature] | None = field(default=None, repr=False)
    node_count: Callable[[int], int] | None = field(default=None, repr=False)

    def sample(self, count: int, rng: torch.Generator, scale: float = 1.0) -> Tensor:
        """Haar-distributed elements, ``(count, d, d)``; ``scale`` has no meaning on a compact group."""
        if self.sampler is not None:
            return self.sampler(count, rng)
        if self.is_finite:
            every = self.elements
            return every[torch.randint(len(every), (count,), generator=rng)]
        return _random_walk(self, count, rng)

    def haar(self, degree: int, rng: torch.Generator | None = None, max_nodes: int = MAX_NODES) -> HaarQuadrature:
        """∫_G as nodes and weights, exact for polynomials of degree ≤ ``degree`` in the entries of g.

        Parameters
        ----------
        degree
            The order; a finite group is summed over whatever the degree.
        rng
            Needed only where no exact rule is within ``max_nodes``; seed 0 when absent.
        max_nodes
            Bound on the number of nodes; beyond it Haar samples of that many nodes are returned, ``exact=False``.
        """
        if degree < 0:
            raise UsageError(f"the degree of a Haar quadrature is {degree}; it must be 0 or more")
        if self.quadrature is not None and self.node_count is not None:
            if self.node_count(degree) <= max_nodes:
                return self.quadrature(degree)
        elif self.is_finite and self.order <= min(max_nodes, _MAX_FINITE):
            every = self.elements
            return HaarQuadrature(every, torch.full((len(every),), 1.0 / len(every), dtype=_F64), degree, True)
        rng = torch.Generator().manual_seed(0) if rng is None else rng
        return sampled_quadrature(self.sample, max_nodes, degree, rng)

    @property
    def order(self) -> int:
        """|G| of a finite group.

        Raises
        ------
        UsageError
            If the group is not finite.
        """
        if not self.is_finite or self.component_count is None:
            raise UsageError(f"{self.name} has infinitely many elements; use haar() or sample()")
        return self.component_count

    @cached_property
    def elements(self) -> Tensor:
        """All elements of a finite group, ``(|G|, d, d)``, identity first.

        Raises
        ------
        UsageError
            If the group is not finite or has more than 50,000 elements.
        """
        if self.order > _MAX_FINITE:
            raise UsageError(f"{self.name} has {self.order} elements, more than {_MAX_FINITE}; sample it instead")
        return generated_elements(self.components, self.degree)


def generated_elements(generators: Tensor, degree: int) -> Tensor:
    """⟨g₁, …, g_c⟩ for a finite group, ``(|G|, d, d)``, breadth first from the identity."""
    # Elements of a finite group of this size differ by far more than 1e-6 in some entry, rounding by far less.
    frontier = torch.eye(degree, dtype=_F64)[None]
    seen = {_rounded(frontier[0])}
    found = [frontier]
    while len(frontier) and len(generators):
        fresh = []
        for g in torch.einsum("aij,bjk->baik", generators, frontier).reshape(-1, degree, degree):
            mark = _rounded(g)
            if mark not in seen:
                seen.add(mark)
                fresh.append(g)
        if len(seen) > _MAX_FINITE:
            raise NumericalError(
                f"the given matrices generate more than {_MAX_FINITE} elements; give generators of a finite group"
            )
        frontier = torch.stack(fresh) if fresh else torch.empty(0, degree, degree, dtype=_F64)
        found.append(frontier)
    return torch.cat(found)


def _rounded(g: Tensor) -> tuple[int, ...]:
    return tuple((g.reshape(-1) * 1e6).round().to(torch.int64).tolist())


def _random_walk(group: Group, count: int, rng: torch.Generator) -> Tensor:
    """Nearly Haar samples of a compact group known by generators alone: products of 32 random elements.

    Each factor is exp of a Gaussian element of spectral size about π, so one factor already spreads over the group and
    the law of the product approaches Haar geometrically.
    """
    size = torch.linalg.matrix_norm(group.generators, ord=2).max() if group.dimension else torch.ones(())
    g = torch.eye(group.degree, dtype=_F64).expand(count, -1, -1)
    for _ in range(32):
        g = g @ Group.sample(group, count, rng, scale=math.pi / float(size))
    return g


def conjugate(group: Group, t: Tensor) -> Group:
    """T G T⁻¹: the same group in other coordinates, with its Haar measure.

    Parameters
    ----------
    group
        A linear group that is no product.
    t
        Invertible T ``(d, d)``; with an invariant form Q, T = Q^{−1/2} carries so(d) to the group that preserves Q.
    """
    if group.factors or group.affine or t.shape != (group.degree, group.degree):
        raise UsageError(f"{group.name} is not carried by a {tuple(t.shape)} matrix; give a linear group of that size")
    t = t.detach().to("cpu", _F64)
    inverse = torch.linalg.inv(t)

    def carry(g: Tensor) -> Tensor:
        out: Tensor = t @ g @ inverse
        return out

    generators, components = carry(group.generators), carry(group.components)
    name = f"{group.name} (conjugate)"
    if not isinstance(group, CompactGroup):
        return replace(group, name=name, generators=generators, components=components)
    rule, sample = group.quadrature, group.sample

    def quadrature(degree: int) -> HaarQuadrature:
        made = rule(degree) if rule else group.haar(degree)
        return replace(made, nodes=carry(made.nodes))

    return replace(
        group,
        name=name,
        generators=generators,
        components=components,
        sampler=lambda count, rng: carry(sample(count, rng)),
        quadrature=quadrature if rule else None,
    )


def group_from_generators(generators: Tensor, components: Tensor | None = None, name: str = "custom") -> Group:
    """The group generated by exp of ``generators`` ``(k, d, d)`` and by ``components`` ``(c, d, d)``.

    It is a :class:`CompactGroup` exactly where every generator is skew and every component orthogonal in the given
    coordinates; an algebra that is skew in others should be brought to them first. Its Haar measure is then sampled by
    a random walk, not by an exact rule.

    Raises
    ------
    UsageError
        If the shapes are not those of square matrices of one size, or an entry is not finite.
    """
    if generators.ndim != 3 or generators.shape[-1] != generators.shape[-2]:
        raise UsageError(f"generators have shape {tuple(generators.shape)}; expected (k, d, d)")
    d = generators.shape[-1]
    components = torch.empty(0, d, d) if components is None else components
    if components.ndim != 3 or components.shape[1:] != (d, d):
        raise UsageError(f"components have shape {tuple(components.shape)}; expected (c, {d}, {d})")
    if not bool(generators.isfinite().all()) or not bool(components.isfinite().all()):
        raise UsageError("generators and components must be finite; check the file they were read from")
    gens, comps = generators.detach().to("cpu", _F64), components.detach().to("cpu", _F64)
    defining = f"given {d} x {d} matrices"
    count = (None if len(comps) else 1) if len(gens) else len(generated_elements(comps, d))
    group = CompactGroup(name, gens, comps, count, False, defining)
    if group.is_orthogonal or group.is_finite:
        return group
    return Group(name, gens, comps, count, False, defining)
