"""Generalised singular vectors of (M, S), ascending: min ‖Mc‖ / ‖Sc‖.

Directions with Sc = 0 say nothing (the quotient 0/0); they are split off first and returned as ``trivial``.
The columns are scaled by the norms of the columns of S, never by those of M: an exactly null column of M
scaled to unit length would be rounding noise turned into signal (DESIGN §2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.linalg.threads import threads_for
from symfind.linalg.tsqr import StreamedFactor

# S mixes squares of fields and of the data's covariance; what is zero in exact arithmetic comes out near
# 1e-13 of the largest scaled column, and a field the data can see stays above 1e-6 even in polynomial:4.
TRIVIAL_CUT = 1e-9


@dataclass(frozen=True)
class Pencil:
    """Rows of the pair (M, S), kept point by point.

    Attributes
    ----------
    m
        Numerator rows ``(n, r_m, p)``: r_m rows from each of n points.
    s
        Denominator rows ``(n, r_s, p)``.
    """

    m: Tensor
    s: Tensor


@dataclass(frozen=True)
class GeneralisedSpectrum:
    """Generalised singular values and vectors of (M, S).

    Attributes
    ----------
    values
        ``(r,)`` ascending quotients ‖Mc‖/‖Sc‖.
    vectors
        ``(p, r)`` with ‖S vectors[:, i]‖ = 1 and S-orthogonal columns.
    trivial
        ``(p, t)`` orthonormal in column-scaled coordinates; S vanishes on it.
    """

    values: Tensor
    vectors: Tensor
    trivial: Tensor


def generalised_spectrum(m: Tensor, s: Tensor, trivial_cut: float = TRIVIAL_CUT) -> GeneralisedSpectrum:
    """Quotients ‖Mc‖/‖Sc‖ of two factors ``(·, p)`` with the same number of columns.

    Parameters
    ----------
    m, s
        Any matrices with the right MᵀM and SᵀS: rows themselves, or triangular factors of them.
    trivial_cut
        Directions whose S-norm is below this share of the largest are trivial.
    """
    norms = torch.linalg.vector_norm(s, dim=0)
    largest = norms.max()
    alive = norms > 0
    scale = torch.where(alive, norms, torch.ones_like(norms))
    sigma, vh = _right_singular(s / scale)
    keep = sigma > trivial_cut * sigma.max() if largest > 0 else torch.zeros_like(sigma, dtype=torch.bool)
    basis = vh.T / scale[:, None]  # (p, p), in the caller's coordinates
    whitened = basis[:, keep] / sigma[keep]  # ‖S whitened[:, i]‖ = 1
    values, right = _right_singular(m @ whitened)
    order = torch.argsort(values)
    return GeneralisedSpectrum(values[order], whitened @ right.T[:, order], basis[:, ~keep])


def _right_singular(a: Tensor) -> tuple[Tensor, Tensor]:
    """All p singular values and right vectors (rows) of a ``(n, p)``, zeros included when n < p."""
    missing = a.shape[1] - a.shape[0]
    padded = torch.cat([a, a.new_zeros(missing, a.shape[1])]) if missing > 0 else a
    with threads_for(4.0 * padded.shape[0] * padded.shape[1] ** 2):
        _, sigma, vh = torch.linalg.svd(padded, full_matrices=False)
    return sigma, vh


def streamed_pencil_spectrum(blocks: Iterable[Pencil], columns: int) -> GeneralisedSpectrum:
    """The same from blocks of rows, folded into triangular factors of M and S: O(p²) memory for any row count."""
    m, s = StreamedFactor(columns), StreamedFactor(columns)
    for block in blocks:
        m.add(block.m.flatten(0, 1))
        s.add(block.s.flatten(0, 1))
    return generalised_spectrum(m.factor(), s.factor())
