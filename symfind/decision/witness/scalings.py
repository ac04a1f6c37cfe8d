"""Scalings on top of an algebra: weights ω, σ with F(e^{tω}x) = e^{tσ}F(x), read off a witness and made rational."""

from __future__ import annotations

import torch
from torch import Tensor

from symfind.decision.witness.fitting.regression import SymmetricFit
from symfind.decision.witness.structure import Scaling, Structure
from symfind.decision.witness.trial import Rows, Trial
from symfind.linalg.nullspace import generalised_spectrum

_STEP = 1e-3
# A witness whose error is 10 % in values has slopes wrong by several times that; a direction above this is none.
_PROPOSED = 0.35
# A scaling has at most so many times the root of what the fit leaves as its defect, where it is exact: an error that
# changes over a fourth of the spread. One that leaves more than half speaks for nothing, and each trial costs seconds.
_POOR, _NOTHING = 4.0, 0.5
# Exponents of laws are whole numbers, halves and thirds; a rate of a hundredth more is another law's.
_DENOMINATORS = (1, 2, 3)
# A slope is known to a few tenths where noise is strong: what is rounded by more is another exponent, but the nearest
# whole ones are tried whatever the slope says, as most laws have them and one rough fit tells.
_ROUNDED = 0.25
# Weights are rational: what differs by rounding is one weight.
_EQUAL = 1e-9


def coordinate_parts(structure: Structure, width: int, d: int) -> Tensor:
    """Coordinates of one weight as rows of zeros and ones ``(parts, D)``.

    What a vector or a scalar of the structure is made of has one weight, for it would be no longer what it was; and all
    objects of d coordinates scale alike.
    """
    rows = [row for block in structure.blocks for row in block.view.abs().sum(1)]
    rows += list(structure.scalars.abs())
    linked = torch.eye(width, dtype=torch.bool)
    for row in rows:
        touched = row > 0
        linked |= touched[:, None] & touched[None, :]
    place = torch.arange(width) % d
    linked |= place[:, None] == place[None, :]
    for _ in range(width.bit_length()):
        linked = (linked.double() @ linked.double()) > 0
    parts: Tensor = torch.unique(linked.double(), dim=0)
    return parts.flip(0)


def scaling_of(structure: Structure, inputs: Tensor, outputs: Tensor, x: Tensor) -> Scaling | None:
    """Scalings with weights ω ``(w, D)``, σ ``(w, m)``, with sizes that vary least over rows ``(n, D)``.

    The spread of log N over its weight is how far the scaling would have to move the rows to make all sizes one. None
    if nothing has a size for some scaling.
    """
    z = structure.plain(x)
    q = structure.quadratic(z)
    weights = structure.weights(inputs)
    count = weights.shape[1] - structure.scalars.shape[0]
    single = torch.cat([weights[:, :count], 2 * weights[:, count:]], 1)
    units = q.mean(0)
    own = ((units > 0) & (single.abs() > _EQUAL).any(0)).nonzero()[:, 0].tolist()
    groups = [[j] for j in own]
    for j in own:
        alike = [i for i in own if bool(((single[:, i] - single[:, j]).abs() < _EQUAL).all())]
        if len(alike) > 1 and alike not in groups:
            groups.append(alike)
    rated = []
    for group in groups:
        size = torch.zeros(weights.shape[1], dtype=x.dtype)
        size[group] = 1 / units[group]
        spread = (q @ size).clamp(min=1e-300).log().std() / single[:, group[0]].norm()
        rated.append((float(spread), size, single[:, group[0]]))
    chosen: list[Tensor] = []
    columns: list[Tensor] = []
    for _, size, column in sorted(rated, key=lambda r: r[0]):
        if int(torch.linalg.matrix_rank(torch.stack([*columns, column]), tol=_EQUAL)) > len(columns):
            chosen.append(size)
            columns.append(column)
    if len(chosen) < inputs.shape[0]:
        return None
    everything = Scaling(inputs, outputs, torch.stack(chosen), tuple(range(weights.shape[1])))
    ratios = structure.scaled("", everything).invariants(x)
    varies = ratios.std(0) > _EQUAL * ratios.abs().amax(0)
    return Scaling(inputs, outputs, torch.stack(chosen), tuple(varies.nonzero()[:, 0].tolist()))


def proposed_scalings(
    structure: Structure, fit: SymmetricFit, rows: Rows, d: int, slots: list[list[int]], tied: bool, rescaled_time: bool
) -> list[list[Scaling]]:
    """Spans of scalings, largest first, that the witness suggests: of each its roundings, the simplest first.

    Parameters
    ----------
    structure, fit
        A witness without scalings.
    d
        Coordinates of an object.
    slots
        Outputs that are scaled together; empty where the output does not move.
    tied
        Whether outputs turn as x does: σ of an output is ω of its coordinate.
    rescaled_time
        Whether a common factor of all outputs is free as well: a flow.
    """
    if structure.scaling is not None or any(block.centre is not None for block in structure.blocks):
        return []
    found = Trial(structure, fit, 0.0, 0.0)
    m = rows.y.shape[1]
    parts = coordinate_parts(structure, rows.x.shape[1], d)
    own = parts[:, torch.arange(m) % d] if tied else parts.new_zeros(parts.shape[0], m)
    common: list[list[int]] = [list(range(m))] if rescaled_time else slots
    factors = torch.zeros(len(common), m, dtype=parts.dtype)
    for i, slot in enumerate(common):
        factors[i, slot] = 1.0
    value, columns = _slopes(found, rows, parts, own, factors)
    size = float(value.square().mean().sqrt())
    stacked = torch.stack([c.reshape(-1) for c in columns], 1)
    s = torch.eye(stacked.shape[1], dtype=stacked.dtype) * max(size, 1e-300)
    spectrum = generalised_spectrum(stacked / stacked.shape[0] ** 0.5, s)
    out = []
    for k in range(int((spectrum.values < _PROPOSED).sum()), 0, -1):
        variants = []
        for basis in _roundings(spectrum.vectors[:, :k].T, parts.shape[0]):
            weights, rest = basis[:, : parts.shape[0]], basis[:, parts.shape[0] :]
            scaling = scaling_of(structure, weights @ parts, weights @ own + rest @ factors, rows.x)
            if scaling is not None:
                variants.append(scaling)
        if variants:
            out.append(variants)
    if not out and not common and fit.error < _NOTHING:
        # The slopes of a poor fit rule nothing out: the one scaling that needs no exponents is tried all the same.
        whole = stacked.sum(1).square().mean().sqrt()
        alike = scaling_of(structure, parts.sum(0, keepdim=True), own.sum(0, keepdim=True), rows.x)
        if alike is not None and float(whole) < _POOR * max(fit.error, 0.0) ** 0.5 * size:
            out.append([alike])
    return out


def _roundings(span: Tensor, parts: int) -> list[Tensor]:
    """Bases of a span ``(k, q)`` in echelon form with entries rounded to fractions, and as it is.

    Pivots are among the ``parts`` first, the weights of x: what has none scales y alone.
    """
    basis = span.clone()
    pivots: list[int] = []
    for i in range(span.shape[0]):
        rest = basis[i:, :parts].abs()
        rest[:, pivots] = 0.0
        row, column = divmod(int(rest.argmax()), parts)
        if float(rest[row, column]) <= _EQUAL:
            return []
        basis[[i, i + row]] = basis[[i + row, i]]
        basis[i] = basis[i] / basis[i, column]
        others = torch.arange(basis.shape[0]) != i
        basis[others] = basis[others] - torch.outer(basis[others, column], basis[i])
        pivots.append(column)
    out: list[Tensor] = []
    for whole in _DENOMINATORS:
        rounded = (basis * whole).round() / whole
        near = whole == 1 or float((rounded - basis).abs().max()) < _ROUNDED
        if near and not any(torch.equal(rounded, each) for each in out):
            out.append(rounded)
    return [*out, basis]


def _slopes(found: Trial, rows: Rows, parts: Tensor, own: Tensor, factors: Tensor) -> tuple[Tensor, list[Tensor]]:
    """F and dF/dt − σF ``(n, m)`` for the scaling of each part of x, and of each group of outputs."""
    x = rows.x[:1500]
    value = found(x, rows.weights)
    columns = []
    for part, sigma in zip(parts, own, strict=True):
        up = found(x * (1 + _STEP * part), rows.weights)
        down = found(x * (1 - _STEP * part), rows.weights)
        columns.append((up - down) / (2 * _STEP) - value * sigma)
    return value, columns + [-value * factor for factor in factors]
