"""R of a tall matrix, read block by block: A = QR without ever holding A or Q.

The small singular values of A are wanted to full precision, which a Gram matrix cannot give (its floor for
σ/σmax is the square root of the rounding unit). A QR factorisation of stacked blocks can: R₁₂ of [R₁; A₂]
has the singular values of [A₁; A₂] to a few rounding units (Demmel, Grigori, Hoemmen, Langou 2012). It takes five
times as long as a Gram matrix, so that long streams are summed up as one, beside what its squares lose: the first
rows tell the directions V₀ in which A is small, and Y = AV₀ is formed before it is multiplied. In the basis (V⊥, V₀)

    RᵀR = ⎡ V⊥ᵀ AᵀA V⊥   (YᵀA V⊥)ᵀ ⎤
          ⎣ YᵀA V⊥        YᵀY      ⎦

where every entry is known to rounding of the columns that it comes from, as A has no small direction left in V⊥.
"""

from __future__ import annotations

import torch
from torch import Tensor

from symfind.linalg.threads import threads_for

# Columns of unit length: directions in which the rows so far are below this share of their largest are small. Squares
# of what is above keep ten digits.
_SMALL = 1e-3
# Squares of columns of a block, against those of all rows before: a block that is longer is factorised, because ten
# digits of its squares would be fewer of theirs.
_LONGER = 100.0
# Rows that tell the first basis, 4p of them or so many; it is told anew when there are so many times as many.
_FIRST, _AGAIN = 1024, 8
# With more small directions than this share of all, products with them cost as much as a factorisation.
_MOST_SMALL = 0.5


def triangular_factor(rows: Tensor) -> Tensor:
    """R (min(n, p), p) with RᵀR = AᵀA for rows A ``(n, p)``, in float64."""
    with threads_for(2.0 * rows.shape[0] * rows.shape[1] ** 2):
        factor: Tensor = torch.linalg.qr(rows.double(), mode="r").R
    return factor


class _GramBesideSmall:
    """AᵀA, YᵀA and YᵀY over rows, for the basis that a factor of the rows before them tells.

    Parameters
    ----------
    scale
        Lengths of the columns ``(p,)``.
    basis
        ``(p, p)`` orthonormal columns.
    small
        How many of them, the last ones, are V₀.
    """

    def __init__(self, scale: Tensor, basis: Tensor, small: int) -> None:
        p = len(scale)
        self._unscaled, self._basis, self._small = 1.0 / scale, basis, small
        self._along = basis[:, p - small :] * self._unscaled[:, None]
        self._gram, self._cross = scale.new_zeros(p, p), scale.new_zeros(small, p)
        self._own = scale.new_zeros(small, small)
        self.rows = 0

    @staticmethod
    def of(factor: Tensor) -> _GramBesideSmall | None:
        """From R ``(p, p)`` of the rows before; None where a factorisation is no dearer, or R lacks rows."""
        p = factor.shape[1]
        lengths = torch.linalg.vector_norm(factor, dim=0)
        if factor.shape[0] < p or not bool(torch.isfinite(lengths).all()):
            return None
        scale = torch.where(lengths > 0, lengths, torch.ones_like(lengths))
        _, sigma, vh = torch.linalg.svd(factor / scale)
        small = int((sigma < _SMALL * sigma[0]).sum())
        return _GramBesideSmall(scale, vh.T, small) if small <= _MOST_SMALL * p else None

    def take(self, rows: Tensor) -> bool:
        """Add rows A ``(n, p)`` in float64, unless they are too long beside the rows before them."""
        with threads_for(2.0 * rows.shape[0] * rows.shape[1] ** 2):
            gram = rows.T @ rows
            if not float((gram.diagonal() * self._unscaled.square()).max()) < _LONGER:  # what is not finite neither
                return False
            self._gram += gram
            if self._small:
                y = rows @ self._along
                self._cross += y.T @ rows
                self._own += y.T @ y
        self.rows += rows.shape[0]
        return True

    def factor(self) -> Tensor:
        """R ``(p, p)`` of the rows that were added."""
        p, k = len(self._basis), self._small
        large = self._basis[:, : p - k]
        unit = self._gram * self._unscaled[:, None] * self._unscaled
        cross = (self._cross * self._unscaled) @ large  # (k, p − k)
        values, vectors = torch.linalg.eigh(large.T @ unit @ large)
        # Fewer rows than columns, or rows that are all alike: what is left of the squares is rounding.
        root = values.clamp(min=_eps(p) * float(values.max().clamp(min=0)) if len(values) else 0.0).sqrt()
        upper = root[:, None] * vectors.T
        inverse = torch.where(root > 0, 1.0 / root, torch.zeros_like(root))
        linked = (cross @ vectors * inverse).T  # (p − k, k)
        # What V₀ has beyond V⊥, with columns of length one: their squares are then as far from rounding as they are.
        size = self._own.diagonal().clamp(min=0).sqrt()
        inv = torch.where(size > 0, 1.0 / size, torch.zeros_like(size))
        rest = (self._own - linked.T @ linked) * inv[:, None] * inv
        left, turned = torch.linalg.eigh(rest)
        beyond = left.clamp(min=0).sqrt()[:, None] * turned.T * size
        whole = torch.cat([torch.cat([upper, linked], 1), torch.cat([self._cross.new_zeros(k, p - k), beyond], 1)])
        return (whole @ self._basis.T) / self._unscaled


def _eps(size: int) -> float:
    return size * torch.finfo(torch.float64).eps


class StreamedFactor:
    """The triangular factor of all rows seen so far, in O(p²) memory.

    Rows wait in a buffer until it holds several times p of them, because a QR of [R; few rows] would spend
    nearly all of its time on R again. The first rows are factorised; those that follow are summed up by
    :class:`_GramBesideSmall`, whose basis is told anew from time to time.

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
        self._seen = 0
        self._sums: _GramBesideSmall | None = None
        self._waiting: list[Tensor] = []
        self._count = 0

    def add(self, rows: Tensor) -> None:
        """Append rows A ``(n, p)``; a float32 block is widened before anything is computed with it."""
        self._waiting.append(rows.double())
        self._count += rows.shape[0]
        if self._count >= self._limit:
            self._fold()

    def _fold(self) -> None:
        waiting = self._waiting[0] if len(self._waiting) == 1 else torch.cat(self._waiting)
        self._waiting, self._count = [], 0
        if self._factor is None:  # no more than tells the basis
            first = max(4 * self._columns, _FIRST)
            self._factorise(waiting[:first])
            waiting = waiting[first:]
        for rows in torch.split(waiting, self._limit):
            if self._sums is None and self._factor is not None:
                self._sums = _GramBesideSmall.of(self._factor)
            if self._sums is None or not self._sums.take(rows):
                self._join()
                self._factorise(rows)
            elif self._sums.rows >= _AGAIN * self._seen:
                self._join()

    def _factorise(self, rows: Tensor) -> None:
        self._factor = triangular_factor(rows if self._factor is None else torch.cat([self._factor, rows]))
        self._seen += len(rows)

    def _join(self) -> None:
        """One factor of what was factorised and what was summed up."""
        if self._sums is not None and self._sums.rows:
            factor = self._sums.factor()
            self._seen += self._sums.rows - len(factor)
            self._factorise(factor)
        self._sums = None

    def factor(self) -> Tensor:
        """R ``(r, p)``, r ≤ p, with RᵀR = Σ AᵀA over everything added."""
        if self._waiting:
            self._fold()
        self._join()
        if self._factor is None:
            return torch.zeros(0, self._columns, dtype=torch.float64)
        return self._factor
