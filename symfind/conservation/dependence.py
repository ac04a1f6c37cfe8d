"""Rank of (∇f₁, …, ∇f_k) over the data, and polynomial relations P(f₁, …, f_k) = 0: which functions say something new.

A power or a product of conserved quantities is conserved too. f_j is new where its gradient leaves the span of the
gradients before it; what follows from the others is told as a polynomial in them where one of low degree holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.conservation.settings import SETTINGS
from symfind.fields.polynomial import Monomials, monomial_exponents
from symfind.fields.typeset import monomial_text, sum_text
from symfind.lie.algebras.canonical import canonical_basis
from symfind.linalg.subspaces import span_basis

# Monomials of the functions beyond this many are not tried: they would outnumber the points.
_MOST_MONOMIALS = 200
# Highest degree of a relation: more terms fit by chance.
_DEGREE = 3


@dataclass(frozen=True)
class Dependence:
    """Which of k functions are independent, and how the others follow.

    Attributes
    ----------
    independent
        ``(k,)`` whether its gradient leaves the span of those before it.
    function_of
        For each function that does not: a polynomial in the others, or in words; empty for independent ones.
    relations
        Further polynomial relations, as texts that equal zero.
    generating
        The functions that are no polynomial in those before them.
    """

    independent: tuple[bool, ...]
    function_of: tuple[str, ...]
    relations: tuple[str, ...]
    generating: tuple[int, ...]


def dependence(values: Tensor, gradients: Tensor, names: Sequence[str], tolerance: float) -> Dependence:
    """Of functions with values ``(n, k)`` and gradients ``(n, k, D)`` in units of the data's spread.

    ``tolerance`` is the share of a gradient that must leave the span of the others.
    """
    free = independent_ones(gradients, tolerance)
    generating: list[int] = []  # those that are no polynomial in the ones before them
    texts: list[str] = []
    for j, new in enumerate(free):
        text = ""
        # In independent ones alone a polynomial is unique; where a relation holds between the others it is not.
        for among in ([i for i in range(j) if free[i]], generating) if not new else ():
            text = text or polynomial_in(values[:, among], values[:, j], [names[i] for i in among])
        if not text:
            generating.append(j)
            if not new:
                text = "a function of " + ", ".join(names[i] for i in range(j) if free[i])
        texts.append(text)
    relations: tuple[str, ...] = ()
    if len(generating) > sum(free):
        relations = _relations(values[:, generating], [names[i] for i in generating])
    return Dependence(tuple(free), tuple(texts), relations, tuple(generating))


def independent_ones(gradients: Tensor, tolerance: float) -> list[bool]:
    """For each function in turn whether its gradient ``(n, k, D)`` leaves the span of the independent ones before."""
    free: list[bool] = []
    basis = gradients[:, :0]  # orthonormal at every point (n, r, D)
    for column in gradients.unbind(1):
        rest = column
        for _ in range(2):  # twice is enough (Kahan): the first pass leaves rounding of the size of what it took off
            rest = rest - torch.einsum("nrD,nr->nD", basis, torch.einsum("nrD,nD->nr", basis, rest))
        new = float(rest.square().sum()) > tolerance**2 * float(column.square().sum())
        free.append(new)
        if new:
            length = torch.linalg.vector_norm(rest, dim=1, keepdim=True)
            size = torch.linalg.vector_norm(column, dim=1, keepdim=True)
            unit = torch.where(
                length > SETTINGS.pointwise * size, rest / length.clamp(min=1e-300), torch.zeros_like(rest)
            )
            basis = torch.cat([basis, unit[:, None]], 1)
    return free


def _degree(functions: int) -> int:
    degree = _DEGREE
    while degree > 1 and math.comb(functions + degree, degree) > _MOST_MONOMIALS:
        degree -= 1
    return degree


def polynomial_in(known: Tensor, value: Tensor, names: Sequence[str]) -> str:
    """A polynomial of least degree in the known functions ``(n, r)`` that gives ``(n,)``, as text; empty if none."""
    for degree in range(1, _degree(known.shape[1]) + 1):
        exponents = monomial_exponents(known.shape[1], 0, degree)
        columns = Monomials(exponents)(known)
        scale = torch.linalg.vector_norm(columns, dim=0).clamp(min=1e-300)
        solved = torch.linalg.lstsq(columns / scale, value[:, None], driver="gelsd").solution[:, 0]
        left = float(torch.linalg.vector_norm(value - (columns / scale) @ solved))
        if left < SETTINGS.holds * float(torch.linalg.vector_norm(value)):
            # f_j itself stands among the unknowns, so that the ratios that are recognised include its own.
            row = torch.cat([solved / scale, torch.tensor([-1.0], dtype=torch.float64)])
            whole = canonical_basis(row[None], torch.full_like(row[None], SETTINGS.holds * float(row.abs().max())))
            entries = -whole.coefficients[0, :-1] / whole.coefficients[0, -1]
            return _text(exponents, entries, names)
    return ""


def _relations(values: Tensor, names: Sequence[str]) -> tuple[str, ...]:
    """Polynomial relations between functions ``(n, k)``, none a multiple of those of lower degree."""
    k = values.shape[1]
    found: list[tuple[int, Tensor]] = []
    texts: list[str] = []
    top = _degree(k)
    exponents = monomial_exponents(k, 0, top)
    place = {tuple(e): i for i, e in enumerate(exponents.tolist())}
    for degree in range(2, top + 1):
        some = exponents[exponents.sum(1) <= degree]
        columns = Monomials(some)(values)
        scale = torch.linalg.vector_norm(columns, dim=0).clamp(min=1e-300)
        _, sigma, vh = torch.linalg.svd(columns / scale, full_matrices=False)
        kernel = vh[sigma < SETTINGS.holds * sigma[0]] / scale
        if not len(kernel):
            continue
        old = [
            _multiplied(row, shift, exponents, place)
            for low, row in found
            for shift in exponents[exponents.sum(1) <= degree - low].tolist()
        ]
        kernel = span_basis(kernel)
        if old:
            q = span_basis(torch.stack(old)[:, : len(some)], 1e-9)
            _, _, vh = torch.linalg.svd(kernel - (kernel @ q.T) @ q, full_matrices=False)
            kernel = vh[: max(len(kernel) - len(q), 0)]
        if len(kernel):
            basis = canonical_basis(kernel).coefficients
            for row in basis:
                found.append((degree, torch.cat([row, row.new_zeros(len(exponents) - len(row))])))
                texts.append(f"{_text(some, row, names)} = 0")
    return tuple(texts)


def _multiplied(row: Tensor, shift: Sequence[int], exponents: Tensor, place: dict[tuple[int, ...], int]) -> Tensor:
    """P times a monomial, as far as it stays inside the degrees that are held."""
    out = torch.zeros_like(row)
    for i in row.nonzero()[:, 0].tolist():
        key = tuple(int(a) + b for a, b in zip(exponents[i], shift, strict=True))
        out[place[key]] = row[i]
    unit: Tensor = out / torch.linalg.vector_norm(out).clamp(min=1e-300)
    return unit


def _text(exponents: Tensor, entries: Tensor, names: Sequence[str]) -> str:
    terms = [
        (c, monomial_text(alpha, names) or "1") for alpha, c in zip(exponents.tolist(), entries.tolist(), strict=True)
    ]
    shown = [(c, t) for c, t in terms if t != "1"]
    constant = next(c for c, t in terms if t == "1")
    text = sum_text(shown)
    if abs(constant) > SETTINGS.holds * max(abs(c) for c, _ in terms):
        text += f" {'+' if constant > 0 else '−'} {abs(constant):.4g}"
    return text
