"""∂^a along an axis that does not close: derivatives of polynomials through, or fitted to, neighbouring points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import factorial

import torch
from torch import Tensor

# Windows that reach further bring less than their points at the ends cost: on 140 times of Kuramoto–Sivashinsky the
# error of u_t falls from 2.1e-3 (8) over 1.8e-3 (12) and 1.6e-3 (16) to 1.5e-3 (26).
_FURTHEST = 16
# On uneven points polynomials of high degree through them swing; those of degree 12 do not yet.
_FURTHEST_UNEVEN = 6
# At least three fifths of the points are inside the widest window.
_PARTS = 5
_THROUGH = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16)
_DEGREES = (2, 4, 6, 8)
_WIDTHS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Filter:
    """A derivative at each inner point as a sum over its neighbours: ``(n − 2M, n)``.

    Attributes
    ----------
    name
        What it is, for the report.
    half
        m: it reaches m points to either side.
    weights
        Row i belongs to the point i + M.
    next_degree
        Name of the filter with the polynomial of two degrees more on the same points, if there is one.
    """

    name: str
    half: int
    weights: Tensor
    next_degree: str = ""

    @property
    def gain(self) -> float:
        """Σw² of a row, on average: the variance of the result for white noise of variance one."""
        return float(self.weights.square().sum(1).mean())

    def __call__(self, values: Tensor) -> Tensor:
        """The derivative along the first axis, real or complex: ``(n, …) → (n − 2M, …)``."""
        flat = torch.view_as_real(values).flatten(1) if values.is_complex() else values.flatten(1)
        result = (self.weights @ flat).reshape(-1, *values.shape[1:], *((2,) if values.is_complex() else ()))
        return torch.view_as_complex(result) if values.is_complex() else result


def margin(points: int, even: bool) -> int:
    """M: how many points at each end are left out, those where the widest window does not fit."""
    return max(1, min(_FURTHEST if even else _FURTHEST_UNEVEN, (points - 1) // _PARTS))


def through(coordinates: Tensor, order: int, even: bool) -> list[Filter]:
    """The derivatives of the polynomials through 2m + 1 points, m increasing: for data without noise.

    Their error falls with m as the size of waves at the highest frequency, and not below it. Of order 0 there is one,
    the value itself.
    """
    widest = margin(len(coordinates), even)
    if order == 0:
        return [Filter("the values", 0, _rows(coordinates, 0, even, torch.ones_like))]
    weights = partial(_fornberg, order=order)
    return [
        Filter(f"polynomials through {2 * m + 1} points", m, _rows(coordinates, m, even, weights))
        for m in _THROUGH
        if m <= widest and 2 * m >= order
    ]


def doublings(filters: Sequence[Filter]) -> list[Filter]:
    """Up to three of the filters of :func:`through`: windows of a quarter and half the longest, and the longest."""
    longest = filters[-1]
    chosen = [longest]
    for part in (2, 4):
        shorter = [f for f in filters if f.half < chosen[0].half]
        if shorter:
            chosen.insert(0, min(shorter, key=lambda f: abs(f.half - longest.half / part)))
    return chosen


def fitted(coordinates: Tensor, order: int, even: bool) -> list[Filter]:
    """The derivatives of polynomials fitted to windows (Savitzky and Golay 1964), which average noise out."""
    widest = margin(len(coordinates), even)
    return [
        Filter(
            _fitted_name(degree, m),
            m,
            _rows(coordinates, m, even, partial(_least_squares, order=order, degree=degree)),
            _fitted_name(degree + 2, m),
        )
        for degree in _DEGREES
        for m in _WIDTHS
        if 2 * m > degree >= order and m <= widest
    ]


def _fitted_name(degree: int, half: int) -> str:
    return f"polynomials of degree {degree} fitted to {2 * half + 1} points"


def _rows(coordinates: Tensor, half: int, even: bool, weights: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the matrix whose row i holds the weights of the window around the point i + M."""
    n = len(coordinates)
    m = margin(n, even)
    matrix = torch.zeros((n - 2 * m, n), dtype=torch.float64)
    for i in range(n - 2 * m):
        window = slice(i + m - half, i + m + half + 1)
        if even and i:
            matrix[i] = matrix[i - 1].roll(1)
        else:
            matrix[i, window] = weights(coordinates[window] - coordinates[i + m])
    return matrix


def _fornberg(x: Tensor, order: int) -> Tensor:
    """Weights of the derivative at 0 of the polynomial through the points x: ``(n,)`` (Fornberg 1988)."""
    points: Sequence[float] = x.tolist()
    weights = [[0.0] * (order + 1) for _ in points]
    weights[0][0] = 1.0
    product = 1.0
    for i in range(1, len(points)):
        new = 1.0
        highest = min(i, order)
        for j in range(i):
            gap = points[i] - points[j]
            new *= gap
            if j == i - 1:
                for k in range(highest, -1, -1):
                    before = k * weights[i - 1][k - 1] if k else 0.0
                    weights[i][k] = product / new * (before - points[i - 1] * weights[i - 1][k])
            for k in range(highest, -1, -1):
                before = k * weights[j][k - 1] if k else 0.0
                weights[j][k] = (points[i] * weights[j][k] - before) / gap
        product = new
    return torch.tensor([row[order] for row in weights], dtype=torch.float64)


def _least_squares(x: Tensor, order: int, degree: int) -> Tensor:
    """Weights of the derivative at 0 of the polynomial fitted to values at x: ``(n,)``."""
    scale = float(x.abs().max())  # powers of numbers up to 1: a condition below 1e5 at degree 8
    powers = (x / scale)[:, None] ** torch.arange(degree + 1, dtype=torch.float64)
    weights: Tensor = factorial(order) / scale**order * torch.linalg.pinv(powers)[order]
    return weights
