"""Which moves of space and channels commute with a map between fields: F given as a network, or fitted as a kernel.

L_ξF(u) = dF(u)·(ξ·u) − ξ·F(u) with ξ·u = −ξ·∇u − w div ξ u + Au. For F(u)(x) = ∫K(x, y)u(y)dy and functions (w = 0) at
both ends this is the operator of the kernel ξ(x)·∂_xK + ξ(y)·∂_yK + div ξ(y) K: u stands beside dy, whose divergence
the kernel takes. Axis letters: n fields, c channels, q axes of the grid with G points, P unknowns, A and B modes.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.decision.bounds import Side
from symfind.decision.evidence import Evidence, Examined
from symfind.decision.halves import Half, rows_with_duplicates_grouped
from symfind.fits.surrogate import fold_labels
from symfind.kinds.operator.extent import (
    OperatorExtent,
    bracket_points,
    half_numbers,
    messages_of,
    named_axes,
    seam_rows,
    spatial_grid,
)
from symfind.kinds.operator.frame import OperatorFrame, operator_frame
from symfind.kinds.operator.integral_operator import FOLDS, FittedOperator, coefficients, fit_operator
from symfind.kinds.operator.network import evidence_of_network
from symfind.kinds.operator.pencil import ModePencil, OperatorSide, triangular
from symfind.kinds.operator.rows import OperatorRows
from symfind.kinds.operator.settings import SETTINGS
from symfind.linalg.nullspace import generalised_spectrum
from symfind.linalg.threads import one_thread
from symfind.linalg.tsqr import StreamedFactor
from symfind.models.model import load_model
from symfind.schema.document import Fit

if TYPE_CHECKING:
    from symfind.data.dataset import Dataset
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock

# Pairs of fields in memory, and numbers in them.
_FIELDS, _NUMBERS = 4000, 2**26
# Fields on which L_ξF is evaluated, for the spectrum, and in each half for the bounds.
_TEST_FIELDS, _TEST_HALF = 300, 64


def evidence_of_operator(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    """Pairs of fields: the kernel of the map between them fitted, or a network that is given judged on the inputs.

    Raises
    ------
    InputError
        The fields cannot be used, or the network does not take or give such fields.
    UsageError
        The space or the action does not go with fields.
    """
    rows = dataset.rows
    assert isinstance(rows, OperatorRows)
    with clock.phase("read"):
        width = sum(prod(rows.shapes[role][1:]) for role in ("x", "y"))
        count = min(stop, _FIELDS, max(1, _NUMBERS // width))
        held = dataset.take(torch.randperm(stop, generator=generator)[:count].sort().values)
    copies = "group" not in held  # then groups are of copies alone
    held = rows_with_duplicates_grouped(held, *(("x",) if request.model is not None else ("x", "y")))
    u, v, group = held["x"], held["y"], held.get("group")
    asked = (request.space, request.output_action, request.density)
    axes = named_axes(rows.axes, dataset.names)
    if request.model is not None:
        path = Path(request.model)
        model = load_model(path, device=torch.device("cpu"), dtype=torch.float64, trust=request.trust_model)
        return evidence_of_network(asked, model, u, group, axes, generator, clock, copies=copies)
    frame = operator_frame(asked, tuple(a.name for a in axes), spatial_grid(axes, (u, v)), u, v.shape[1])
    with one_thread():
        evidence = _evidence_of_pairs(frame, u, v, group, generator, clock, copies=copies)
    return Examined(evidence, frame.names)


# ------------------------------------------------------------------ pairs of fields


def _evidence_of_pairs(
    frame: OperatorFrame,
    u: Tensor,
    v: Tensor,
    group: Tensor | None,
    generator: torch.Generator,
    clock: Clock,
    *,
    copies: bool,
) -> Evidence:
    n = len(u)
    with clock.phase("fit"):
        slopes = frame.grid.gradient(v).unbind(2)
        fit = fit_operator(
            frame.grid,
            u.flatten(1),
            v.flatten(1),
            [slope.flatten(1) for slope in slopes],
            fold_labels(n, group, FOLDS, generator),
        )
    split = half_numbers(n, group, generator, whole=copies)
    doubts = []
    if fit.unexplained > SETTINGS.poor:
        doubts.append(f"the kernel leaves {100 * fit.unexplained:.0f} % of the held-out mean square of y")
    sides: tuple[Side, Side] | None = None
    with clock.phase("nullspace"):
        test = torch.randperm(n, generator=generator)[:_TEST_FIELDS].sort().values
        pencil = mode_pencil(frame, fit, test)
        c = coefficients(fit.x.T @ fit.x, fit.x.T @ fit.y)
        m, s = pencil.pencil(c)
        spectrum = generalised_spectrum(triangular(m.flatten(0, 1)), triangular(s.flatten(0, 1)))
        beyond = beyond_modes(frame, fit, c, test)
        if split is None:
            doubts.append("all pairs are of one group: nothing can be said beyond it")
        else:
            first, second = (_side(frame, fit, half) for half in split)
            sides = (first, second)
    return Evidence(
        frame.space,
        frame.action,
        spectrum,
        sides,
        OperatorExtent(beyond, frame.scaling()),
        given=False,
        doubts=tuple(doubts),
        surrogate=Fit(surrogate=fit.name, r2=1.0 - fit.unexplained),
        rank=spectrum.values.shape[0],
        messages=messages_of(frame),
        bracket_points=bracket_points(frame, u, generator),
    )


def mode_pencil(frame: OperatorFrame, fit: FittedOperator, index: Tensor) -> ModePencil:
    """X_j of the fields with these numbers, and E_j, in the modes of a fit."""
    x = fit.x[index]
    centred = frame.mean is None
    moved = [_moved_inputs(frame, fit, x, False)]
    outputs = [_moved_outputs(frame, fit, False)]
    if not centred:
        moved.append(_moved_inputs(frame, fit, x, True))
        outputs.append(_moved_outputs(frame, fit, True))
    return ModePencil(x, moved[0], outputs[0], moved[-1], outputs[-1])


def _fields(frame: OperatorFrame, flat: Tensor, end: int) -> Tensor:
    return flat.reshape(-1, frame.channels[end], *frame.grid.shape)


def _moved_inputs(frame: OperatorFrame, fit: FittedOperator, x: Tensor, about_mean: bool) -> Tensor:
    parts = []
    for some in frame.chunks(len(x)):
        u = _fields(frame, fit.of_modes(x[some]), 0)
        parts.append(fit.in_modes(frame.moved(u, 0, about_mean=about_mean).flatten(2)))
    return torch.cat(parts)


def _moved_outputs(frame: OperatorFrame, fit: FittedOperator, about_mean: bool) -> Tensor:
    """E_j ``(P, A, A)``."""
    psi = fit.outputs.columns
    parts = []
    for some in frame.chunks(psi.shape[1]):
        moved = frame.moved(_fields(frame, psi.T[some], 1), 1, about_mean=about_mean).flatten(2)
        parts.append(moved @ psi)  # (a, P, A): the image of ψ_a
    return torch.cat(parts).permute(1, 2, 0)


def _side(frame: OperatorFrame, fit: FittedOperator, half: Half) -> OperatorSide:
    index = half.samples.x[:, 0].long()
    test = torch.arange(0, len(index), max(1, -(-len(index) // _TEST_HALF)))
    pencil = mode_pencil(frame, fit, index[test])
    return OperatorSide(pencil, half.block[test], fit.x[index], fit.y[index], half.block, fit.noise)


def beyond_modes(frame: OperatorFrame, fit: FittedOperator, c: Tensor, index: Tensor) -> Tensor:
    """What ξ·u and ξ·F(u) hold outside the modes, and across the border, as a factor ``(P, P)``.

    F is unknown on what no input holds: it is granted the gain that it has on the inputs, and no more than the
    held-out remainder allows where inputs do hold something.
    """
    factor = StreamedFactor(frame.unknowns)
    gain = float(fit.y.square().sum() / (fit.x * fit.inputs.first(fit.count).size).square().sum())
    further = fit.inputs.columns[:, fit.count :]
    known = fit.unexplained * float(fit.y.square().sum(1).mean()) / fit.inputs.size[fit.count :].square()
    allowed = known.clamp(max=gain).sqrt()
    psi = fit.outputs.columns
    x = fit.x[index]
    for some in frame.chunks(len(x)):
        u = _fields(frame, fit.of_modes(x[some]), 0)
        moved = frame.moved(u, 0).flatten(2)
        rest = moved - fit.in_modes(moved) @ (fit.inputs.columns * fit.inputs.size)[:, : fit.count].T
        excited = rest @ further
        factor.add((excited * allowed).mT.flatten(0, 1))
        factor.add(gain**0.5 * (rest - excited @ further.T).mT.flatten(0, 1))
        image = _fields(frame, (x[some] @ c.T) @ psi.T, 1)
        moved = frame.moved(image, 1).flatten(2)
        factor.add((moved - (moved @ psi) @ psi.T).mT.flatten(0, 1))
        for rows in seam_rows(frame, u, image, gain**0.5):
            factor.add(rows)
    return factor.factor()
