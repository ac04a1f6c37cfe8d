"""R of a tall matrix, read block by block: A = QR without ever holding A or Q.

The small singular values of A are wanted to full precision, which a Gram matrix cannot give (its floor for
σ/σmax is the square root of the rounding unit). A QR factorisation of stacked blocks can: R₁₂ of [R₁; A₂]
has the singular values of [A₁; A₂] to a few rounding units (Demmel, Grigori, Hoemmen, Langou 2012).
"""

from __future__ import annotations

import torch
from torch import Tensor

from symfind.linalg.threads import threads_for


def triangular_factor(rows: Tensor) -> Tensor:
    """R (min(n, p), p) with RᵀR = AᵀA for rows A ``(n, p)``, in float64."""
    with threads_for(2.0 * rows.shape[0] * rows.shape[1] ** 2):
        factor: Tensor = torch.linalg.qr(rows.double(), mode="r").R
    return factor


class StreamedFactor:
    """The triangular factor of all rows seen so far, in O(p²) memory.

    Rows wait in a buffer until it holds several times p of them, because a QR of [R; few rows] would spend
    nearly all of its time on R again.

    Parameters
    ----------
    columns
        Number of columns p.
    buffer_rows
        Rows held back before they are folded in; at least 4p.
    """

    def __init__(self, columns: int, buffer_rows: int = 8192) -> None:
        self._columns = columns
        self._limit = max(buffer_rows, 4 * columns)
        self._factor: Tensor | None = None
        self._waiting: list[Tensor] = []
        self._count = 0

    def add(self, rows: Tensor) -> None:
        """Append rows A ``(n, p)``; a float32 block is widened before anything is computed with it."""
        self._waiting.append(rows.double())
        self._count += rows.shape[0]
        if self._count >= self._limit:
            self._fold()

    def _fold(self) -> None:
        stacked = self._waiting if self._factor is None else [self._factor, *self._waiting]
        self._factor = triangular_factor(torch.cat(stacked))
        self._waiting, self._count = [], 0

    def factor(self) -> Tensor:
        """R ``(r, p)``, r ≤ p, with RᵀR = Σ AᵀA over everything added."""
        if self._waiting:
            self._fold()
        if self._factor is None:
            return torch.zeros(0, self._columns, dtype=torch.float64)
        return self._factor
