"""The algebra block of a report: what generators are as a Lie algebra, and what they preserve."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from symfind.answers.representation import representation_of
from symfind.errors import SymfindError
from symfind.fields.typeset import monomial_text, number_text, sum_text
from symfind.lie.algebras.affine_fields import (
    AffineAlgebra,
    AffineFields,
    algebra_of_affine_fields,
    structure_constants,
)
from symfind.lie.algebras.algebra import LieAlgebra
from symfind.lie.algebras.classify import UNIDENTIFIED, AlgebraReport, identify
from symfind.lie.algebras.preserved import PolynomialInvariant, polynomial_invariants
from symfind.linalg.subspaces import UnclearRank
from symfind.schema.algebra import Algebra, FixedPoints, Invariant, PreservedForm, Representation

# Invariants are asked for up to this degree, as long as there are at most so many monomials: the time grows with the
# cube of their number, and 150 take a tenth of a second.
_DEGREE, _MOST_MONOMIALS = 4, 150
# Decisions allow for several times the noise of unit generators: above this nothing could be told from zero.
_LARGEST_NOISE = 0.1
# An entry of a form below this is rounding of the change of coordinates.
_DIGITS = 12

# What a report says of an algebra in the words of its structure theory.
_STRUCTURE = tuple(
    "dimension name aliases reason closure distance noise killing_signature center_dimension radical_dimension "
    "nilradical_dimension derived_dimensions lower_central_dimensions levi ideals simple semisimple solvable nilpotent "
    "compact".split()
)

_T = TypeVar("_T")


def algebra_of_affine(
    fields: AffineFields, names: Sequence[str], *, as_given: AffineFields | None = None
) -> tuple[Algebra, tuple[str, ...]]:
    """The block of affine fields, and warnings about what could not be computed.

    Parameters
    ----------
    fields
        The generators as the report lists them.
    names
        Of the coordinates.
    as_given
        The span before rational entries were recognised, whose closure and distance are the honest ones.
    """
    warnings: list[str] = []
    found = _or_warn(lambda: algebra_of_affine_fields(fields), warnings)
    if found is None:
        return _unidentified(fields.linear.shape[0], warnings), tuple(warnings)
    raw = found.algebra
    if as_given is not None:
        raw = _or_warn(lambda: algebra_of_affine_fields(as_given).algebra, warnings) or raw
    constants = structure_constants(fields.homogeneous)
    if max(raw.closure, raw.noise, found.algebra.noise) > _LARGEST_NOISE:
        return _too_noisy(raw, constants), tuple(warnings)
    report = _or_warn(lambda: identify(found.algebra), warnings)
    if report is None:
        return _unidentified(fields.linear.shape[0], warnings), tuple(warnings)
    block = replace(_named(report), closure=raw.closure, distance=raw.distance)
    centre = None if found.fixed is None else found.fixed[0]
    block = replace(
        block,
        structure_constants=constants,
        preserved_forms=_or_warn(lambda: _forms(found), warnings) or (),
        invariants=_or_warn(lambda: _invariants(fields, centre, names), warnings) or (),
        fixed_points=None if found.fixed is None else _fixed(*found.fixed),
        invariant_subspaces=_or_warn(lambda: _subspaces(found), warnings),
        representation=_representation(found, fields, report.name),
    )
    return block, tuple(warnings)


def algebra_of_abstract(
    algebra: Callable[[], LieAlgebra], dimension: int, constants: Tensor | None
) -> tuple[Algebra, tuple[str, ...]]:
    """The block of an algebra known by structure constants alone: no forms, no invariants."""
    warnings: list[str] = []
    found = _or_warn(algebra, warnings)
    if found is not None and max(found.closure, found.noise) > _LARGEST_NOISE:
        return _too_noisy(found, constants), tuple(warnings)
    report = None if found is None else _or_warn(lambda: identify(found), warnings)
    if report is None:
        return _unidentified(dimension, warnings), tuple(warnings)
    return replace(_named(report), structure_constants=constants), tuple(warnings)


def polynomial_expression(
    exponents: Sequence[Sequence[int]], coefficients: Sequence[float], names: Sequence[str], *, latex: bool = False
) -> str:
    """Σ c_α x^α without its constant, as text: ``E² − px² − py² − pz²``."""
    terms = [
        (c, monomial_text(alpha, names, latex=latex))
        for alpha, c in zip(exponents, coefficients, strict=True)
        if any(alpha)
    ]
    return sum_text(terms, latex=latex)


def _or_warn(value: Callable[[], _T], warnings: list[str]) -> _T | None:
    """The value, or None and a warning: nothing about the algebra may take the generators away."""
    try:
        return value()
    except (SymfindError, torch.linalg.LinAlgError) as fault:  # type: ignore[attr-defined]
        text = f"algebra: {' '.join(str(fault).split())}"
        if text not in warnings:
            warnings.append(text)
        return None


def _too_noisy(algebra: LieAlgebra, constants: Tensor | None) -> Algebra:
    """What can be said of generators whose errors hide which combinations of them vanish: no invariant."""
    if algebra.closure > _LARGEST_NOISE:
        reason = (
            f"the generators are not closed under brackets (residual {number_text(algebra.closure)}): "
            "some are missing, or not symmetries"
        )
    else:
        reason = f"the generators have errors of up to {number_text(algebra.noise)}"
    return Algebra(
        dimension=algebra.dimension,
        name=UNIDENTIFIED,
        reason=reason,
        closure=algebra.closure,
        distance=algebra.distance,
        noise=algebra.noise,
        structure_constants=constants,
    )


def _unidentified(dimension: int, warnings: Sequence[str]) -> Algebra:
    reason = warnings[0].removeprefix("algebra: ") if warnings else ""
    return Algebra(dimension=dimension, name=UNIDENTIFIED, reason=reason)


def _named(report: AlgebraReport) -> Algebra:
    return Algebra(**{name: getattr(report, name) for name in _STRUCTURE})


def _forms(algebra: AffineAlgebra) -> tuple[PreservedForm, ...]:
    return tuple(
        PreservedForm(
            matrix=tuple(map(tuple, _rounded(form.matrix, form.standard_error).tolist())),
            signature=form.signature,
            uncertainty=float(form.standard_error.max()),
            symmetric=form.symmetric,
        )
        for form in algebra.preserved_forms()
    )


def _rounded(matrix: Tensor, error: Tensor) -> Tensor:
    """Entries that are whole numbers within their error and rounding are made so; −0.0 becomes 0.0."""
    whole = matrix.round()
    # Four standard errors, as where entries of generators are recognised; an error beyond 0.02 proves no number.
    near = (matrix - whole).abs() <= torch.clamp(4.0 * error, min=10.0**-_DIGITS, max=0.08)
    return torch.where(near, whole, matrix) + 0.0


def _invariants(fields: AffineFields, centre: Tensor | None, names: Sequence[str]) -> tuple[Invariant, ...]:
    d = fields.linear.shape[1]
    # An affine field is a linear one of (x, 1); about a fixed point it is its linear part.
    matrices = fields.linear if centre is not None else fields.homogeneous
    variables = matrices.shape[1]
    shown = list(names)
    if centre is not None:
        shown = [_about(name, c) for name, c in zip(names, centre.tolist(), strict=True)]
    out = []
    for p in _clear_invariants(matrices, max(fields.noise or 0.0, 1e-9), variables):
        exponents = p.exponents[:, :d].tolist()
        degree = max((sum(e) for e, c in zip(exponents, p.coefficients.tolist(), strict=True) if c), default=0)
        if degree:  # else the last variable, which stands for 1, alone
            values = p.coefficients.tolist()
            latex = polynomial_expression(exponents, values, shown, latex=True) if shown == list(names) else ""
            out.append(
                Invariant(expression=polynomial_expression(exponents, values, shown), latex=latex, degree=degree)
            )
    return tuple(out)


def _clear_invariants(matrices: Tensor, error: float, variables: int) -> tuple[PolynomialInvariant, ...]:
    """Invariants up to the largest degree that the noise leaves clear."""
    for degree in range(_DEGREE, 0, -1):
        if math.comb(variables + degree - 1, degree) <= _MOST_MONOMIALS:
            try:
                return polynomial_invariants(matrices, degree, error)
            except UnclearRank:
                continue
    return ()


def _about(name: str, value: float) -> str:
    """The text of x − c in brackets, or of x alone."""
    if abs(value) < 1e-9:
        return name
    return f"({name} {'−' if value > 0 else '+'} {number_text(abs(value))})"


def _fixed(point: Tensor, directions: Tensor | None) -> FixedPoints:
    rows = None if directions is None else tuple(map(tuple, directions.tolist()))
    return FixedPoints(point=tuple((torch.round(point, decimals=_DIGITS) + 0.0).tolist()), directions=rows)


def _representation(algebra: AffineAlgebra, fields: AffineFields, name: str) -> Representation | None:
    """That of the linear parts; what the noise leaves open is left out."""
    linear = algebra.metric
    if linear is None:
        return None
    if linear is not algebra.algebra:  # affine fields without a fixed point: translations act as zero
        name = _or_none(lambda: identify(linear).name) or UNIDENTIFIED
    given = fields.linear if linear.dimension == len(fields.linear) else _span(fields.linear, linear.dimension)
    return _or_none(lambda: representation_of(_in_units(linear, algebra.scale), given, name))


def _in_units(algebra: LieAlgebra, scale: Tensor) -> LieAlgebra:
    """The algebra with coordinates that act on the user's own, not on those in units of the spread."""
    assert algebra.coordinates is not None
    return replace(algebra, coordinates=algebra.coordinates / scale)


def _span(matrices: Tensor, rank: int) -> Tensor:
    """Orthonormal matrices of a span."""
    _, _, vt = torch.linalg.svd(matrices.flatten(1), full_matrices=False)
    found: Tensor = vt[:rank]
    return found.reshape(rank, *matrices.shape[1:])


def _or_none(value: Callable[[], _T]) -> _T | None:
    try:
        return value()
    except (SymfindError, torch.linalg.LinAlgError):  # type: ignore[attr-defined]
        return None


def _subspaces(algebra: AffineAlgebra) -> tuple[tuple[tuple[float, ...], ...], ...] | None:
    found = algebra.invariant_subspaces()
    return None if found is None else tuple(tuple(map(tuple, (v + 0.0).tolist())) for v in found)
