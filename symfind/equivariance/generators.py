"""Noisy generators ↦ the nearest exact group: the closed algebra, and the form that it preserves.

An algebra of all maps that preserve a non-degenerate form Q of signature (p, q) is T⁻¹ so(p, q) T with TᵀηT = ±Q: it is
then the catalogue's group in other coordinates, with its exact Haar quadrature and its frames. An algebra that is skew
in some coordinates generates (inside) a compact group; any other is kept as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.algebras.algebra import LieAlgebra, algebra_of_matrices
from symfind.lie.algebras.preserved import PreservedForm, preserved_forms
from symfind.lie.groups.catalogue import group_from_generators, parse_group
from symfind.lie.groups.haar import HaarQuadrature
from symfind.lie.groups.matrix_groups import CompactGroup, Group
from symfind.linalg.subspaces import largest_sine

_F64 = torch.float64

# Frequencies in small whole ratios close after one turn; larger denominators than this mean a dense orbit.
_LARGEST_RATIO = 12


@dataclass(frozen=True, eq=False)
class NearestGroup:
    """The exact group next to noisy generators.

    Attributes
    ----------
    group
        In its own coordinates.
    coordinates
        T ``(d, d)``: V(g) = T⁻¹ g T acts on the user's vectors; None for T = 1.
    distance
        Sine of the largest principal angle between the given generators and this group's algebra.
    closure
        Closure residual of the generators as given.
    """

    group: Group
    coordinates: Tensor | None
    distance: float
    closure: float


def nearest_group(generators: Tensor, noise: float = 1e-9) -> NearestGroup:
    """The group of the Lie algebra nearest to matrices ``(k, d, d)``.

    Parameters
    ----------
    generators
        Independent.
    noise
        What their relative errors may be; closure shows it where there are several, a single one always closes.

    Raises
    ------
    InputError
        If the matrices are not square, finite and independent, or none is given.
    """
    if len(generators) == 0:
        raise InputError("the report has no certified generator, so there is no group to enforce; name one (--group)")
    k, d, _ = generators.shape
    given = generators
    if k == 1:
        generators = _turning(generators[0], noise)[None]
    algebra = algebra_of_matrices(generators)
    if 2 * k == d * (d - 1):
        for form in preserved_forms(algebra):
            if form.symmetric and sum(form.signature) == d:
                return _of_form(algebra, given, form)
    return _of_algebra(algebra, given)


def nearest_affine_group(fields: Tensor, noise: float = 1e-9) -> NearestGroup:
    """The group of affine fields ((A, b), (0, 0)), ``(k, d+1, d+1)``: t(d), se(d), or a linear one where all b = 0.

    Raises
    ------
    InputError
        For another algebra of affine fields; the message says what to do.
    """
    k, d = len(fields), fields.shape[-1] - 1
    if k == 0:
        return nearest_group(fields, noise)
    size = float(fields[:, :d].abs().max())
    if float(fields[:, :d, d].abs().max()) <= max(noise, 1e-12) * size:
        return nearest_group(fields[:, :d, :d], noise)
    name = {d: f"t({d})", d + d * (d - 1) // 2: f"se({d})"}.get(k)
    if name is not None:
        group = parse_group(name)
        distance = largest_sine(_unit_rows(fields), _unit_rows(group.generators))
        # The algebra named is within the errors of the generators, or it is another one.
        if distance <= max(10 * noise, 1e-9):
            return NearestGroup(group, None, distance, algebra_of_matrices(fields).closure)
    raise InputError(
        f"{k} affine generators that are neither t({d}) nor se({d}) are not made exact; find them with --space linear "
        "about the origin, or name the group (--group)"
    )


def _turning(a: Tensor, noise: float) -> Tensor:
    """The nearest matrix with purely imaginary eigenvalues in small whole ratios, if that is within the noise; else a.

    With several generators closure decides what is exact; one alone says nothing, and a rotation with 1e-3 of
    growth would otherwise be no rotation.
    """
    values, vectors = torch.linalg.eig(a)
    rates = values.imag
    top = float(rates.abs().max())
    # An eigenvector basis of this condition would blow the correction up.
    if top == 0 or float(values.real.abs().max()) > noise * top or float(torch.linalg.cond(vectors)) > 1e3:
        return a
    present = rates.abs() > noise * top
    least = float(rates[present].abs().min())
    for divisor in range(1, _LARGEST_RATIO + 1):
        ratio = torch.where(present, rates / least * divisor, torch.zeros_like(rates))
        if float((ratio - ratio.round()).abs().max()) <= noise * divisor:
            unit = float((rates * ratio.round()).sum() / ratio.round().square().sum())
            exact = vectors @ torch.diag(1j * ratio.round() * unit) @ torch.linalg.inv(vectors)
            nearest: Tensor = exact.real.contiguous()
            return nearest
    return a


def _of_form(algebra: LieAlgebra, generators: Tensor, form: PreservedForm) -> NearestGroup:
    q, (p, minus) = form.matrix, form.signature
    if p == 0 or (minus == 1 and p > 1):
        q, p, minus = -q, minus, p  # time first: so(1, n) rather than so(n, 1)
    name = f"so({p},{minus})" if minus else f"so({p})"
    change = _square_root(q / q.abs().max(), p)
    group = parse_group(name)
    exact = torch.linalg.inv(change) @ group.generators @ change
    distance = largest_sine(_unit_rows(generators), _unit_rows(exact))
    return NearestGroup(group, change, distance, algebra.closure)


def _square_root(q: Tensor, p: int) -> Tensor:
    """T with Tᵀ diag(+1 (p times), −1) T = Q, as near to a diagonal matrix as it can be."""
    values, vectors = torch.linalg.eigh(q)
    order = torch.argsort(values, descending=True)
    root = values[order].abs().sqrt()[:, None] * vectors[:, order].mT
    out = root.clone()
    for part in (slice(0, p), slice(p, len(q))):
        if part.start < part.stop:
            # Among the square roots, which differ by rotations inside the two blocks, the one nearest to the identity.
            u, _, vt = torch.linalg.svd(root[part, part].mT)
            out[part] = u @ vt @ root[part]
    # A form that is diagonal to rounding was diagonal: 1e-9 is far below what generators are known to.
    identity = torch.eye(len(q), dtype=_F64)
    return identity if float((out - identity).abs().max()) < 1e-9 else out


def _of_algebra(algebra: LieAlgebra, generators: Tensor) -> NearestGroup:
    assert algebra.matrices is not None and algebra.coordinates is not None
    matrices, change = algebra.matrices, algebra.coordinates
    if len(matrices) == 1:
        change = _skewing(torch.linalg.inv(change) @ matrices[0] @ change)
        matrices = change @ torch.linalg.inv(algebra.coordinates) @ matrices
        matrices = matrices @ algebra.coordinates @ torch.linalg.inv(change)
    skew = (matrices - matrices.mT) / 2
    if float((matrices - skew).abs().max()) <= max(algebra.matrix_error, 1e-9):
        closed = algebra_of_matrices(skew).basis
        assert closed is not None
        exact = closed.reshape(skew.shape)
        exact = (exact - exact.mT) / 2
        group = _circle(exact[0]) if len(exact) == 1 else None
        made = group_from_generators(exact, name="compact") if group is None else group
    else:
        made = group_from_generators(matrices, name=f"{len(matrices)} generators")
    inside = torch.linalg.inv(change) @ made.generators @ change
    distance = largest_sine(_unit_rows(generators), _unit_rows(inside))
    trivial = torch.equal(change, torch.eye(len(change), dtype=_F64))
    return NearestGroup(made, None if trivial else change, distance, algebra.closure)


def _skewing(a: Tensor) -> Tensor:
    """T with T a T⁻¹ skew where the eigenvalues of a are imaginary: the square root of (V V*)⁻¹, V its eigenvectors."""
    _, vectors = torch.linalg.eig(a)
    form = torch.linalg.inv(vectors @ vectors.mH).real
    values, basis = torch.linalg.eigh((form + form.mT) / 2)
    root: Tensor = (basis * values.clamp_min(1e-300).sqrt()) @ basis.mT
    return root


def _circle(a: Tensor) -> CompactGroup | None:
    """The circle exp(ta), with its exact quadrature, if the frequencies of ``a`` are whole multiples of one."""
    rates = torch.linalg.eigvals(a).imag.abs()
    present = rates[rates > 1e-9 * rates.max()]
    for divisor in range(1, _LARGEST_RATIO + 1):
        ratio = present / present.min() * divisor
        if float((ratio - ratio.round()).abs().max()) < 1e-9:
            unit = a * (divisor / float(present.min()))
            return _circle_of(unit, int(ratio.max().round()))
    return None


def _circle_of(unit: Tensor, highest: int) -> CompactGroup:
    return CompactGroup(
        "so(2)'",
        unit[None],
        torch.empty(0, *unit.shape, dtype=_F64),
        defining=f"turns of R^{len(unit)} along one generator",
        sampler=partial(_turns, unit),
        quadrature=_equispaced(unit, highest),
        node_count=lambda degree: highest * degree + 1,
    )


def _turns(unit: Tensor, count: int, rng: torch.Generator) -> Tensor:
    angles = 2 * math.pi * torch.rand(count, dtype=_F64, generator=rng)
    out: Tensor = torch.linalg.matrix_exp(angles[:, None, None] * unit)
    return out


def _equispaced(unit: Tensor, highest: int) -> Callable[[int], HaarQuadrature]:
    def rule(degree: int) -> HaarQuadrature:
        count = highest * degree + 1
        angles = torch.arange(count, dtype=_F64) * (2 * math.pi / count)
        nodes = torch.linalg.matrix_exp(angles[:, None, None] * unit)
        return HaarQuadrature(nodes, torch.full((count,), 1.0 / count, dtype=_F64), degree, True)

    return rule


def _unit_rows(matrices: Tensor) -> Tensor:
    """Orthonormal rows of the span of matrices ``(k, d, d)``."""
    out: Tensor = torch.linalg.qr(matrices.flatten(1).mT).Q.mT
    return out
