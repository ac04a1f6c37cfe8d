"""Scalings on top of an algebra: weights ω, σ with F(e^{tω}x) = e^{tσ}F(x), read off a witness and made rational."""

from __future__ import annotations

import torch
from torch import Tensor

from symfind.decision.witness.regression import SymmetricFit
from symfind.decision.witness.structure import Scaling, Structure
from symfind.decision.witness.trial import Rows, Trial
from symfind.errors import NumericalError
from symfind.lie.algebras.canonical import canonical_basis
from symfind.linalg.nullspace import generalised_spectrum

_STEP = 1e-3
# A witness whose error is 10 % in values has slopes wrong by several times that; a direction above this is none.
_PROPOSED = 0.35
_DENOMINATOR = 12


def _scaled(structure: Structure, x: Tensor, part: int, factor: float) -> Tensor:
    """The rows that have part j of the structure multiplied, the rest as it is: the least change of x."""
    count = len(structure.blocks)
    if part < count:
        view = structure.blocks[part].view
        linear = view.reshape(-1, view.shape[2])
    else:
        linear = structure.scalars[part - count : part - count + 1]
    everything = torch.cat([*(b.view.reshape(-1, x.shape[1]) for b in structure.blocks), structure.scalars])
    target = everything @ x.T
    start = 0
    sizes = [b.view.shape[0] * b.view.shape[1] for b in structure.blocks] + [1] * structure.scalars.shape[0]
    start = sum(sizes[:part])
    moved = target.clone()
    moved[start : start + linear.shape[0]] *= factor
    out: Tensor = x + (torch.linalg.pinv(everything) @ (moved - target)).T
    return out


def proposed_scalings(
    structure: Structure, fit: SymmetricFit, rows: Rows, slots: list[list[int]], tied: bool, rescaled_time: bool
) -> list[tuple[Scaling, int]]:
    """Spans of scalings, largest first, that the witness suggests.

    Parameters
    ----------
    structure, fit
        A witness without scalings.
    slots
        Outputs that are scaled together; empty where the output does not move.
    tied
        Whether outputs turn as x does: σ of a slot is ω of its block.
    rescaled_time
        Whether a common factor of all outputs is free as well: a flow.
    """
    found = Trial(structure, fit, 0.0, 0.0)
    if any(block.centre is not None for block in structure.blocks):
        return []
    parts = len(structure.blocks) + structure.scalars.shape[0]
    outputs: list[list[int]] = [list(range(rows.y.shape[1]))] if rescaled_time else slots
    owner = _owners(structure, rows.y.shape[1])
    value, columns = _slopes(found, rows, owner if tied else [None] * len(owner), outputs)
    m = torch.stack([c.reshape(-1) for c in columns], 1)
    size = float(value.square().mean().sqrt())
    s = torch.eye(m.shape[1], dtype=m.dtype) * max(size, 1e-300)
    spectrum = generalised_spectrum(m / m.shape[0] ** 0.5, s)
    count = int((spectrum.values < _PROPOSED).sum())
    out = []
    for k in range(count, 0, -1):
        rows_k = spectrum.vectors[:, :k].T / spectrum.vectors[:, :k].norm(dim=0)[:, None]
        error = torch.full_like(rows_k, max(float(spectrum.values[k - 1]), 1e-6) * 0.5)
        try:
            basis = canonical_basis(rows_k, error, largest_denominator=_DENOMINATOR).coefficients
        except NumericalError:
            continue
        weights = basis[:, :parts]
        if int(torch.linalg.matrix_rank(weights)) < k:
            continue
        sigma = torch.zeros(k, value.shape[1], dtype=m.dtype)
        if tied:
            for i, o in enumerate(owner):
                if o is not None:
                    sigma[:, i] += weights[:, o]
        for column, slot in enumerate(outputs):
            sigma[:, slot] += basis[:, parts + column : parts + column + 1]
        out.append((Scaling(weights, sigma), k))
    return out


def _slopes(found: Trial, rows: Rows, owner: list[int | None], outputs: list[list[int]]) -> tuple[Tensor, list[Tensor]]:
    """F and dF/dt − σF ``(n, m)`` for the scaling of each part of x, and of each group of outputs."""
    structure = found.structure
    assert isinstance(structure, Structure)
    x = rows.x[:1500]
    value = found(x, rows.weights)
    columns = []
    for j in range(len(structure.blocks) + structure.scalars.shape[0]):
        up = found(_scaled(structure, x, j, 1 + _STEP), rows.weights)
        down = found(_scaled(structure, x, j, 1 - _STEP), rows.weights)
        own = torch.tensor([o == j for o in owner], dtype=value.dtype)
        columns.append((up - down) / (2 * _STEP) - value * own)
    for slot in outputs:
        mask = torch.zeros(value.shape[1], dtype=value.dtype)
        mask[slot] = 1.0
        columns.append(-value * mask)
    return value, columns


def _owners(structure: Structure, m: int) -> list[int | None]:
    """The part of x that output i turns with."""
    out: list[int | None] = [None] * m
    for j, block in enumerate(structure.blocks):
        if block.slots is not None:
            for i in range(m):
                if bool((block.slots[:, i] != 0).any()):
                    out[i] = j
    count = len(structure.blocks)
    if structure.scalars.shape[0] == m and not structure.blocks:
        return [count + i for i in range(m)]
    for i in range(m):  # an output along a coordinate that does not turn goes with that coordinate
        if out[i] is None and i < structure.scalars.shape[1]:
            hits = (structure.scalars[:, i] != 0).nonzero()[:, 0].tolist()
            if len(hits) == 1:
                out[i] = count + hits[0]
    return out
