"""The standard groups, each from its integers: rotations, unitary, affine and finite ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.lie.groups import haar
from symfind.lie.groups.families.generators import (
    F64,
    homogeneous,
    reflection,
    so_generators,
    stack,
    symplectic,
    unitary,
)
from symfind.lie.groups.matrix_groups import CompactGroup, Group
from symfind.lie.groups.unitary import unitary_node_count, unitary_quadrature


def rotations(name: str, n: int, reflections: bool) -> Group:
    """SO(n), or O(n) with reflections."""

    def with_sign(rule: haar.HaarQuadrature) -> haar.HaarQuadrature:
        nodes = torch.cat([rule.nodes, rule.nodes @ reflection(n, 0)])
        return haar.HaarQuadrature(nodes, rule.weights.repeat(2) / 2, rule.degree, True)

    components = stack([reflection(n, 0)] if reflections else [], n)
    return CompactGroup(
        name,
        so_generators(n),
        components,
        2 if reflections else 1,
        defining=f"rotations{' and reflections' if reflections else ''} of R^{n}",
        sampler=partial(haar.random_orthogonal if reflections else haar.random_rotations, n),
        quadrature=lambda degree: (
            with_sign(haar.rotation_quadrature(n, degree)) if reflections else haar.rotation_quadrature(n, degree)
        ),
        node_count=lambda degree: (2 if reflections else 1) * haar.rotation_node_count(n, degree),
    )


def indefinite(name: str, p: int, q: int, full: bool) -> Group:
    """The identity component of O(p, q), or all of it."""
    if p == 0 or q == 0:
        return rotations(f"{'o' if full else 'so'}({p + q})", p + q, full)
    n = p + q
    components = stack([reflection(n, 0), reflection(n, n - 1)] if full else [], n)
    defining = f"maps of R^{n} that preserve diag(+{p}, −{q})" + ("" if full else ", identity component")
    return Group(name, so_generators(p, q), components, 4 if full else 1, defining=defining)


def unitary_group(name: str, n: int, special: bool) -> Group:
    """U(n), or SU(n), on (Re z, Im z)."""
    return CompactGroup(
        name,
        unitary(n, special),
        stack([], 2 * n),
        defining=f"unitary maps of C^{n} = R^{2 * n}, coordinates (Re z, Im z)",
        sampler=partial(_unitary_sampler, n, special),
        quadrature=partial(unitary_quadrature, n, special),
        node_count=partial(unitary_node_count, n, special),
    )


def _unitary_sampler(n: int, special: bool, count: int, rng: torch.Generator) -> Tensor:
    return haar.random_unitary(n, count, rng, special)


def affine(name: str, n: int, linear: Tensor, component: Sequence[Tensor], what: str) -> Group:
    """A linear algebra ``(k, n, n)`` with the translations of R^n, as homogeneous matrices."""
    grown = torch.eye(n + 1, dtype=F64).repeat(len(component), 1, 1)
    for g, c in zip(grown, component, strict=True):
        g[:n, :n] = c
    defining = f"{what} of R^{n}, as homogeneous {n + 1} x {n + 1} matrices on (x, 1)"
    return Group(name, homogeneous(linear, n), grown, 2 ** len(component), True, defining)


def finite(name: str, generators: Sequence[Tensor], n: int, order: int, what: str) -> Group:
    """A finite group of matrices ``(n, n)`` by its generators."""
    return CompactGroup(name, stack([], n), stack(generators, n), order, defining=what)


def cycle(n: int) -> Tensor:
    """The cyclic shift of n coordinates, ``(n, n)``."""
    return torch.roll(torch.eye(n, dtype=F64), 1, 0)


def permutations(name: str, n: int) -> Group:
    """S_n on R^n."""
    generators = [] if n == 1 else [torch.eye(n, dtype=F64)[[1, 0, *range(2, n)]]]
    return CompactGroup(
        name,
        stack([], n),
        stack([*generators, cycle(n)] if n > 2 else generators, n),
        math.factorial(n),
        defining=f"permutations of the coordinates of R^{n}, or of {n} objects",
        sampler=partial(haar.random_permutations, n),
    )


def plane(name: str, n: int, reflect: bool) -> Group:
    """C_n, or D_n with reflections, on the plane."""
    angle = torch.tensor([2 * math.pi / n], dtype=F64)
    turn = haar.planar_rotations(angle)[0]
    # Half and quarter turns are integer matrices: cos(π/2) = 6e-17 must not leave their entries inexact.
    turn = torch.where(turn.abs() < 1e-15, torch.zeros_like(turn), turn)
    generators = ([turn] if n > 1 else []) + ([reflection(2, 0)] if reflect else [])
    what = f"rotations of the plane by multiples of 360/{n} degrees{' and reflections' if reflect else ''}"
    return finite(name, generators, 2, n * (2 if reflect else 1), what)


def signed_permutations(name: str, n: int) -> Group:
    """Permutations and sign changes of R^n."""
    generators = [reflection(n, 0)] + list(permutations(name, n).components)
    what = f"permutations and sign changes of the coordinates of R^{n}"
    return finite(name, generators, n, 2**n * math.factorial(n), what)


def symplectic_group(n: int) -> Group:
    """Sp(n, R) on (q, p); raises UsageError for odd n."""
    if n % 2:
        raise UsageError(f"sp({n}) does not exist: a symplectic form needs an even dimension, e.g. sp({n + 1})")
    return Group(f"sp({n})", symplectic(n), stack([], n), defining=f"canonical maps of R^{n}, (q, p)")
