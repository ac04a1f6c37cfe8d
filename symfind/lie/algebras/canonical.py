"""span{cᵢ} ↦ its canonical basis: sparsest vectors, rational entries recognised, fixed signs and order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.linalg.subspaces import simplest_rational, sparsest_basis

# Intervals are ± this many standard errors: of some hundred entries none should miss by chance.
_WIDTH = 4.0
# Relative rounding of an entry after a change of basis in float64.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class CanonicalBasis:
    """Canonical generators of a span.

    Attributes
    ----------
    coefficients
        ``(k, P)``; recognised entries are exact.
    snapped
        ``(k, P)`` boolean: the entry was recognised as zero or a rational number.
    standard_errors
        ``(k, P)`` of the entries before recognition.
    change
        ``(k, k)`` with coefficients ≈ change @ input.
    """

    coefficients: Tensor
    snapped: Tensor
    standard_errors: Tensor
    change: Tensor


def canonical_basis(
    coefficients: Tensor, standard_errors: Tensor | None = None, *, largest_denominator: int = 200
) -> CanonicalBasis:
    """The sparsest basis of a span, scaled to coprime integers where its entries are rational.

    Each row's first entry that is not zero is positive. Rows are ordered by their number of entries, then by the
    absolute value of the sum of their entries (rotations before boosts), then by the places of their entries.

    Parameters
    ----------
    coefficients
        ``(k, P)`` independent rows.
    standard_errors
        ``(k, P)``; without them the errors are estimated from entries that a sparse basis leaves almost zero.
    largest_denominator
        Fractions with larger numerators or denominators are not recognised.

    Raises
    ------
    InputError
        If the shapes differ, a number is not finite, or the rows are dependent.
    """
    if coefficients.ndim != 2:
        raise InputError(f"coefficients of shape (k, P) are expected, got {tuple(coefficients.shape)}")
    c = coefficients.double()
    k, p = c.shape
    if standard_errors is not None and standard_errors.shape != c.shape:
        raise InputError(f"standard errors of shape {tuple(c.shape)} are expected, got {tuple(standard_errors.shape)}")
    if k == 0:
        return CanonicalBasis(c, torch.ones_like(c, dtype=torch.bool), torch.zeros_like(c), c.new_zeros(0, 0))
    if standard_errors is None:
        sparse, noise = _sparse_with_unknown_noise(c)
    else:
        noise = _relative_noise(c, standard_errors.double())
        sparse = sparsest_basis(c, noise)
    sparse, change = _reduced(sparse, c)
    if standard_errors is None:
        error = torch.full_like(sparse, max(noise, _ROUNDING))
    else:
        error = ((change**2) @ standard_errors.double() ** 2).sqrt().clamp(min=_ROUNDING)
    return _snapped(sparse, error, change, largest_denominator)


def _relative_noise(c: Tensor, error: Tensor) -> float:
    """The standard error of an entry of the orthonormalised rows, to first order."""
    s = torch.linalg.svdvals(c)
    rms = float(error.square().mean().sqrt())
    return max(_ROUNDING, rms / max(float(s[-1]), 1e-300))


def _sparse_with_unknown_noise(c: Tensor) -> tuple[Tensor, float]:
    """The sparse basis for the smallest noise under which its entries part clearly into small and large ones."""
    first: tuple[Tensor, float] | None = None
    for noise in (_ROUNDING, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 3e-3):
        sparse = sparsest_basis(c, noise)
        first = first or (sparse, noise)
        size = sparse.abs()
        small = size <= 10 * noise
        # Ten times the noise is where sparsest_basis calls an entry zero; an entry beyond a hundred times the noise
        # and above 1e-3 is one that a sparse generator has.
        if bool((small | (size > max(100 * noise, 1e-3))).all()):
            # The largest: then ± 4 errors cover the small entries and, as these are few, the others too.
            return sparse, max(_ROUNDING, float(size[small].max()) if bool(small.any()) else 0.0)
    assert first is not None
    return first


def _reduced(sparse: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The rows again in terms of the input, so that errors can be carried over: sparse = change @ c."""
    change = torch.linalg.lstsq(c.T, sparse.T, driver="gelsd").solution.T
    rows = change @ c
    scale = rows.abs().amax(1, keepdim=True)
    return rows / scale, change / scale


def _snapped(rows: Tensor, error: Tensor, change: Tensor, largest_denominator: int) -> CanonicalBasis:
    out, errors, changes = rows.clone(), error.clone(), change.clone()
    snapped = torch.zeros_like(rows, dtype=torch.bool)
    for i in range(rows.shape[0]):
        factor = _scale_of(rows[i], error[i], largest_denominator)
        found = [_recognised(float(v), float(e), largest_denominator)
                 for v, e in zip(rows[i] / factor, error[i] / abs(factor), strict=True)]  # fmt: skip
        known = [f for f in found if f is not None]
        # Coprime integers: 3t∂t + x∂x − 2u∂u rather than fractions of its largest entry.
        common = math.lcm(*(f.denominator for f in known)) if known else 1
        common = common if common <= largest_denominator else 1
        entries = [None if f is None else f * common for f in found]
        shared = math.gcd(*(f.numerator for f in entries if f is not None)) if common > 1 or known else 1
        if all(f is None or f.denominator == 1 for f in entries) and shared > 1:
            entries = [None if f is None else f / shared for f in entries]
        else:
            shared = 1
        multiple = common / (factor * shared)
        out[i], errors[i], changes[i] = rows[i] * multiple, error[i] * abs(multiple), change[i] * multiple
        for j, f in enumerate(entries):
            if f is not None:
                out[i, j], snapped[i, j] = float(f), True
        first = int(torch.nonzero(_present(out[i], errors[i]))[0])
        if float(out[i, first]) < 0:
            out[i], changes[i] = -out[i], -changes[i]
    out = out + 0.0  # −0.0 becomes 0.0
    order = sorted(range(rows.shape[0]), key=lambda i: _place(out[i], errors[i]))
    return CanonicalBasis(out[order], snapped[order], errors[order], changes[order])


def _present(row: Tensor, error: Tensor) -> Tensor:
    """Entries that differ from zero; at least the largest."""
    found = row.abs() > _WIDTH * error
    found[int(row.abs().argmax())] = True
    return found


def _place(row: Tensor, error: Tensor) -> tuple[int, float, list[int]]:
    present = _present(row, error)
    # Rounded to three digits, so that noise does not decide the order of rows of one kind.
    total = round(abs(float(row[present].sum())) / float(row.abs().max()), 3)
    return int(present.sum()), total, torch.nonzero(present).flatten().tolist()


def _scale_of(row: Tensor, error: Tensor, largest_denominator: int) -> float:
    """The entry to divide by: the largest one that makes all entries rational, else the largest one."""
    present = torch.nonzero(_present(row, error)).flatten().tolist()
    for j in sorted(present, key=lambda j: (-round(abs(float(row[j])), 6), j)):
        pivot = abs(float(row[j]))
        if all(
            _recognised(float(v) / pivot, float(e) / pivot, largest_denominator) is not None
            for v, e in zip(row, error, strict=True)
        ):
            return pivot
    return float(row.abs().max())


def _recognised(value: float, error: float, largest_denominator: int) -> Fraction | None:
    """The simplest p/q within ± 4 standard errors, if the interval is too narrow for that to be chance."""
    half = _WIDTH * error
    found = simplest_rational(value - half, value + half, largest_denominator)
    if found is None:
        return None
    # Fractions of height h = max(|p|, q) lie about 1/h² apart: an interval wider than a tenth of that proves nothing.
    height = max(abs(found.numerator), found.denominator)
    if height > max(largest_denominator, 1) or (found != 0 and 2 * half * height**2 > 0.1):
        return None
    return found if half < 0.25 else None
