"""Learned fields ↦ the nearest ones of a space of formulas, in a basis that reads well, with the share explained.

Entries of a projected field are uncertain by a share of its norm, not of its largest coefficient: 0.03 u∂t may be
nothing where t runs to 100 and u to 1. So sparsity is judged in units of what each monomial does over the data, and
small whole ratios of the entries that stay are recognised within the same error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import NumericalError
from symfind.fields.space import VectorFieldSpace
from symfind.kinds.field.settings import SETTINGS
from symfind.linalg.nullspace import GeneralisedSpectrum
from symfind.linalg.subspaces import simplest_rational, sparsest_basis

# Below this an entry may be dropped even if the fields were learned exactly.
_ROUNDING = 1e-9
# Ratios are of small numbers, plain numbers of three digits.
_LARGEST_DENOMINATOR, _LARGEST_NUMBER = 12, 1000
# The error is that of the worst entry of all fields; the defect tells what to drop and whether a ratio is right.
_NARROWER = (1.0, 0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True)
class Projected:
    """Fields of a space, nearest to learned ones.

    Attributes
    ----------
    vectors
        ``(p, k)`` coefficients.
    shares
        ‖projection‖²/‖field‖² of each.
    defects, strays
        ρ of each, and the part of it from directions beyond the first k of the spectrum.
    noise
        Error of an entry, relative to the norm.
    """

    vectors: Tensor
    shares: tuple[float, ...]
    defects: tuple[float, ...]
    strays: tuple[float, ...]
    noise: float


def projected(space: VectorFieldSpace, spectrum: GeneralisedSpectrum, fields: Tensor, design: Tensor) -> Projected:
    """The span of k learned fields in a space, its sparsest basis, ratios recognised where that lowers ρ.

    Parameters
    ----------
    space
        Of formulas.
    spectrum
        Of the determining equations in that space.
    fields
        Learned fields over the data ``(N, k)``, in units of the spread.
    design
        The fields of the space likewise ``(N, p)``.
    """
    k = fields.shape[1]
    span = torch.linalg.lstsq(design, fields, driver="gelsd").solution
    missed = torch.linalg.vector_norm(design @ span - fields, dim=0) / torch.linalg.vector_norm(fields, dim=0)
    near = _mix(spectrum, span)
    outside = torch.linalg.vector_norm(near[k:], dim=0) / torch.linalg.vector_norm(near, dim=0)
    noise = min(max(float(missed.max()), float(outside.max()), _ROUNDING), 1.0)
    vectors, *others = _readable(space, span, design, noise)
    for exact in others:
        better = _defects(spectrum, exact, k)[0] <= _defects(spectrum, vectors, k)[0] + _ROUNDING
        vectors = torch.where(better, exact, vectors)
    defects, strays = _defects(spectrum, vectors, k)
    # Each vector belongs to that combination of the fields to which it is nearest.
    values = design @ vectors
    mixed = fields @ torch.linalg.lstsq(fields, values, driver="gelsd").solution
    shares = _cosine(values, mixed).square()
    return Projected(vectors, tuple(shares.tolist()), tuple(defects.tolist()), tuple(strays.tolist()), noise)


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    sizes: Tensor = torch.linalg.vector_norm(a, dim=0) * torch.linalg.vector_norm(b, dim=0)
    return (a * b).sum(0) / sizes.clamp(min=1e-300)


def _mix(spectrum: GeneralisedSpectrum, vectors: Tensor) -> Tensor:
    """Coefficients ``(r, k)`` in the directions of the spectrum."""
    whole = torch.cat([spectrum.vectors, spectrum.trivial], 1)
    solution: Tensor = torch.linalg.lstsq(whole, vectors, driver="gelsd").solution
    return solution[: spectrum.values.shape[0]]


def _defects(spectrum: GeneralisedSpectrum, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
    mix = _mix(spectrum, vectors)
    parts = mix * spectrum.values[:, None] / torch.linalg.vector_norm(mix, dim=0).clamp(min=1e-300)
    return torch.linalg.vector_norm(parts, dim=0), torch.linalg.vector_norm(parts[k:], dim=0)


def _readable(space: VectorFieldSpace, span: Tensor, design: Tensor, noise: float) -> list[Tensor]:
    """The sparsest basis of a span ``(p, k)``, as measured and with ratios recognised, ever more narrowly."""
    units = space.table(torch.eye(space.dim, dtype=torch.float64)).T  # (Q, p)
    back = torch.linalg.pinv(units)  # (p, Q)
    sizes = torch.linalg.vector_norm(design @ back, dim=0) / math.sqrt(len(design))
    sizes = torch.where(sizes > 0, sizes, torch.ones_like(sizes))
    rows = space.table(span) * sizes
    rows = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    # A vector that many of the rows make up carries more of their errors.
    noise = min(noise / float(torch.linalg.svdvals(rows)[-1].clamp(min=1e-12)), 1.0)
    try:
        sparse = sparsest_basis(rows, noise)
    except NumericalError:
        return [span]
    sparse = sparse / torch.linalg.vector_norm(sparse, dim=1, keepdim=True)
    error = SETTINGS.width * noise
    lead = [row.abs().argmax() for row in sparse]
    measured = torch.stack([row / sizes / (row[i] / sizes[i]) for row, i in zip(sparse, lead, strict=True)])
    order = torch.argsort((sparse.abs() > min(error, SETTINGS.there)).sum(1), stable=True)
    out = [measured]
    for share in _NARROWER:
        kept = torch.where(sparse.abs() > min(share * error, SETTINGS.there), sparse, torch.zeros_like(sparse))
        width = share * error / kept.abs().clamp(min=1e-300)
        out.append(torch.stack([_recognised(row / sizes, one) for row, one in zip(kept, width, strict=True)]))
    return [back @ rows[order].T for rows in out]


def _recognised(row: Tensor, error: Tensor) -> Tensor:
    """A row ``(Q,)`` scaled to small whole numbers, if all its ratios are such within their errors; else about 1."""
    kept = [i for i in range(len(row)) if float(row[i]) != 0]
    best: tuple[int, list[float]] | None = None
    for pivot in kept:
        ratios = []
        for i in kept:
            ratio, width = float(row[i] / row[pivot]), float(error[i] + error[pivot]) if i != pivot else 0.0
            slack = abs(ratio) * width
            found = simplest_rational(ratio - slack, ratio + slack, _LARGEST_DENOMINATOR)
            if found is None or found == 0:
                break
            ratios.append(found)
        if len(ratios) < len(kept):
            continue
        whole = math.lcm(*(ratio.denominator for ratio in ratios))
        scaled = [ratio * whole for ratio in ratios]
        if max(abs(value) for value in scaled) > _LARGEST_NUMBER:
            continue
        cost = sum(abs(int(value)) for value in scaled)
        if best is None or cost < best[0]:
            sign = 1.0 if scaled[0] > 0 else -1.0
            best = cost, [sign * float(value) for value in scaled]
    if best is None:
        return row / row.abs().max()
    out = torch.zeros_like(row)
    out[kept] = torch.tensor(best[1], dtype=row.dtype)
    return out
