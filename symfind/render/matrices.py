"""Matrices as they are read: without rounding, four digits an entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Matrix: TypeAlias = tuple[tuple[float, ...], ...]

# Entries below this share of the largest entry are rounding.
NEGLIGIBLE = 1e-6
# Without data to compare by, what a product of few rounded numbers leaves.
_ROUNDING = 1e-12


def coefficient_text(value: object) -> str:
    """Show an entry of a matrix with four digits and a true minus sign."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.4g}".replace("-", "−")


def shown_matrix(matrix: Matrix, rows: Sequence[Sequence[float]]) -> Matrix:
    """A matrix without rounding: entries count by what they move on the data, aᵢⱼ σⱼ/σᵢ, not by their size.

    Parameters
    ----------
    matrix
        ``(d, d)``, or ``(d + 1, d + 1)`` of an affine field.
    rows
        Some of the data ``(n, d)``; without them only entries of the size of rounding are left out.
    """
    d = len(rows[0]) if rows else 0
    sizes = [1.0] * len(matrix)
    if d in (len(matrix), len(matrix) - 1):
        sizes = [(sum(row[a] ** 2 for row in rows) / len(rows)) ** 0.5 or 1.0 for a in range(d)]
        sizes += [1.0] * (len(matrix) - d)
    moved = [[abs(e) * sizes[j] / sizes[i] for j, e in enumerate(row)] for i, row in enumerate(matrix)]
    least = (NEGLIGIBLE if d else _ROUNDING) * max(max(row) for row in moved)
    return tuple(tuple(e if moved[i][j] > least else 0.0 for j, e in enumerate(row)) for i, row in enumerate(matrix))


def matrix_of(value: object) -> Matrix | None:
    """Return a rectangular list of rows of numbers, None for anything else (such as a coefficient table)."""
    if not isinstance(value, tuple) or not value or not all(isinstance(row, tuple) and row for row in value):
        return None
    numbers = all(isinstance(entry, int | float) for row in value for entry in row)
    return value if numbers and len({len(row) for row in value}) == 1 else None
