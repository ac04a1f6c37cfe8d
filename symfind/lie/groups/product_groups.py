"""G₁ × G₂ × …: block-diagonal carriers, product Haar measures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.cost import check_memory
from symfind.errors import UsageError
from symfind.lie.groups.haar import HaarQuadrature
from symfind.lie.groups.matrix_groups import MAX_NODES, CompactGroup, Group

_F64 = torch.float64


def product(factors: Sequence[Group]) -> Group:
    """G₁ × G₂ × …, carried by block-diagonal matrices; compact where every factor is.

    Raises
    ------
    UsageError
        For an affine factor: homogeneous coordinates do not multiply.
    """
    factors = tuple(f for g in factors for f in (g.factors or (g,)))
    for f in factors:
        if f.affine:
            raise UsageError(
                f"{f.name} acts by affine maps and cannot be a factor of a product; use its linear part, or enforce "
                f"the other factors first and {f.name} on the file that this gives: frames keep what they commute with"
            )
    name = " x ".join(f.name for f in factors)
    sizes = [f.degree for f in factors]
    total = sum(sizes)

    def embed(index: int, blocks: Tensor, base: Tensor) -> Tensor:
        out = base.expand(len(blocks), -1, -1).clone()
        start = sum(sizes[:index])
        out[:, start : start + sizes[index], start : start + sizes[index]] = blocks
        return out

    count_of_matrices = 2 + sum(len(f.generators) + len(f.components) for f in factors)
    check_memory(count_of_matrices * total**2, f"the product {name}", "take fewer or smaller factors")
    zero, one = torch.zeros(total, total, dtype=_F64), torch.eye(total, dtype=_F64)
    generators = torch.cat([embed(i, f.generators, zero) for i, f in enumerate(factors)])
    components = torch.cat([embed(i, f.components, one) for i, f in enumerate(factors)])
    counts = [f.component_count for f in factors]
    count = None if None in counts else math.prod(c for c in counts if c is not None)
    defining = "; ".join(f"{f.name}: {f.defining}" for f in factors)
    compact = tuple(f for f in factors if isinstance(f, CompactGroup))
    if len(compact) < len(factors):
        return Group(name, generators, components, count, False, defining, factors)

    def sampler(n: int, rng: torch.Generator) -> Tensor:
        out = one.expand(n, -1, -1)
        for i, f in enumerate(compact):
            out = out @ embed(i, f.sample(n, rng), one)
        return out

    def node_count(degree: int) -> int:
        return math.prod(_exact_node_count(f, degree) for f in compact)

    def quadrature(degree: int) -> HaarQuadrature:
        nodes, weights = one[None], torch.ones(1, dtype=_F64)
        for i, f in enumerate(compact):
            rule = f.haar(degree)
            nodes = torch.einsum("aij,bjk->abik", nodes, embed(i, rule.nodes, one)).reshape(-1, total, total)
            weights = (weights[:, None] * rule.weights[None]).reshape(-1)
        return HaarQuadrature(nodes, weights, degree, True)

    return CompactGroup(name, generators, components, count, False, defining, factors, sampler, quadrature, node_count)


def _exact_node_count(group: CompactGroup, degree: int) -> int:
    if group.node_count is not None:
        return group.node_count(degree)
    # A group without an exact rule counts as beyond any bound, so that the product is sampled as a whole.
    return group.order if group.is_finite else MAX_NODES**2
