"""j ↦ pr(exp(αξ)) j: finite point transformations on the derivatives of solutions, by truncated power series.

The graph of a solution, (x + δ, u(x + δ)) as a series in δ, is moved along ξ by the classical Runge–Kutta method in the
arithmetic of series. Derivatives of the moved u by the moved x come from D̃ = (∂X/∂δ)⁻¹ ∂/∂δ, once for each order, so
that no grid and no interpolation is involved (Olver 1993, §2.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.fields.taylor import Index, Series, Truncation
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.prolongation import solution_series


def total_degree(variables: int, order: int) -> tuple[MultiIndex, ...]:
    """All J with |J| ≤ order: what a transformation that mixes the independent variables asks of the data."""
    return tuple(j for j in product(range(order + 1), repeat=variables) if sum(j) <= order)


def flowed(field: Callable[[Series], Series], start: Series, parameter: Tensor | float, steps: int) -> Series:
    """exp(αξ) on a series ``(n, d)``, by steps of the classical Runge–Kutta method; α a number or ``(n, 1)``."""
    h, z = parameter / steps, start
    for _ in range(steps):
        first = field(z)
        second = field(z + first * (0.5 * h))
        third = field(z + second * (0.5 * h))
        fourth = field(z + third * h)
        z = z + (first + second * 2.0 + third * 2.0 + fourth) * (h / 6.0)
    return z


def transformed(
    jets: JetSample, order: int, field: Callable[[Series], Series], parameter: Tensor | float, steps: int = 8
) -> JetSample:
    """The jets of the solutions that exp(αξ) makes of those given.

    Parameters
    ----------
    jets
        With every J, |J| ≤ ``order``.
    order
        The highest order of a derivative that is wanted.
    field
        ξ ``(n, d)`` on a series ``(n, d)``.
    parameter
        α, a number or ``(n, 1)``.
    steps
        Of the integration.

    Raises
    ------
    InputError
        A derivative is missing.
    """
    q = len(jets.independent)
    wanted = total_degree(q, order)
    missing = [jets.name(j) for j in wanted if j not in jets.derivatives]
    if missing:
        raise InputError(f"finite transformations need {', '.join(missing)}, which the data do not give")
    moved = flowed(field, solution_series(jets, Truncation.below(wanted)), parameter, steps)
    place, value = moved.linear(lambda c: c[..., :q]), moved.linear(lambda c: c[..., q:])
    inverse = _inverse(_slopes(place, q))
    derivatives: dict[MultiIndex, Series] = {(0,) * q: value}
    for j in sorted(wanted, key=sum)[1:]:
        i = next(a for a in range(q) if j[a])
        lower = derivatives[tuple(b - (a == i) for a, b in enumerate(j))]
        along = inverse.linear(lambda c, row=i: c[..., :, row, None])  # type: ignore[misc]
        derivatives[j] = (along * _slopes(lower, q).linear(lambda c: c.mT)).linear(lambda c: c.sum(-2))
    return replace(jets, points=place.value, derivatives={j: series.value for j, series in derivatives.items()})


def _shifted(truncation: Truncation, i: int) -> list[tuple[int, int]]:
    """Where (K + e_i) stands for each K, and K_i + 1; −1 beyond the truncation."""
    raised: list[Index] = [tuple(b + (a == i) for a, b in enumerate(k)) for k in truncation.indices]
    return [(truncation.place.get(r, -1), r[i]) for r in raised]


def _slopes(series: Series, q: int) -> Series:
    """∂f_a/∂δ_b ``(n, a, b)`` of a series ``(n, a)``; exact below the highest degree."""
    parts = series.coefficients.unbind(0)
    zero = torch.zeros_like(parts[0])
    columns = [
        torch.stack([parts[at] * float(power) if at >= 0 else zero for at, power in _shifted(series.truncation, i)])
        for i in range(q)
    ]
    return Series(series.truncation, torch.stack(columns, -1))


def _matmul(a: Series, b: Series) -> Series:
    """Product of matrices ``(n, q, q)`` of series."""
    wide = a.linear(lambda c: c[..., :, :, None]) * b.linear(lambda c: c[..., None, :, :])
    return wide.linear(lambda c: c.sum(-2))


def _inverse(matrix: Series) -> Series:
    """A⁻¹ = Σ_k (1 − A₀⁻¹A)^k A₀⁻¹: A − A₀ has no constant, so the sum ends."""
    first = torch.linalg.inv(matrix.value)
    scaled = matrix.linear(lambda c: first @ c)
    eye = torch.eye(first.shape[-1], dtype=first.dtype).expand_as(first)
    rest = eye - scaled
    total: Series = rest * 0.0 + eye
    for _ in range(matrix.truncation.degree):
        total = _matmul(rest, total) + eye
    return total.linear(lambda c: c @ first)
