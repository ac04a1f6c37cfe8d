"""A network from fields to fields: dF(u)·(ξ·u) − ξ·F(u) by directional derivatives, field by field.

Axis letters: n fields, c and c′ channels, q axes of the grid, P unknowns, D′ numbers of an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.data.axes import Axis
from symfind.decision.evidence import Evidence, Examined
from symfind.errors import InputError
from symfind.kinds.operator.extent import (
    OperatorExtent,
    bracket_points,
    half_numbers,
    messages_of,
    seam_rows,
    spatial_grid,
)
from symfind.kinds.operator.frame import OperatorFrame, operator_frame
from symfind.kinds.operator.pencil import FactoredSide, joined, triangular
from symfind.linalg.nullspace import generalised_spectrum
from symfind.linalg.tsqr import StreamedFactor
from symfind.models.model import Model
from symfind.progress import Advance

if TYPE_CHECKING:
    from symfind.progress import Clock

# Fields that a network is asked about: each costs one derivative an unknown.
_NETWORK_FIELDS = 128


def evidence_of_network(
    asked: tuple[str | None, str, str],
    model: Model,
    u: Tensor,
    group: Tensor | None,
    axes: Sequence[Axis],
    generator: torch.Generator,
    clock: Clock,
) -> Examined:
    """A network from fields ``(n, c, *grid)`` to fields, judged on these inputs.

    Raises
    ------
    InputError
        It does not give fields on the grid of its inputs.
    """
    u = u[torch.randperm(len(u), generator=generator)[:_NETWORK_FIELDS].sort().values] if group is None else u
    u, group = u[:_NETWORK_FIELDS], None if group is None else group[:_NETWORK_FIELDS]
    shape = tuple(u.shape[2:])
    model.bind(tuple(u.shape[1:]), u)
    if model.output_shape[-len(shape) :] != shape:
        raise InputError(
            f"{model.path}: the network gives fields of shape {model.output_shape}, the inputs lie on a grid of "
            f"{' × '.join(str(k) for k in shape)}; give a network that maps fields to fields on one grid"
        )
    outputs = prod(model.output_shape[: -len(shape)])
    image = model(u).reshape(len(u), outputs, *shape)
    frame = operator_frame(asked, tuple(a.name for a in axes), spatial_grid(axes, (u, image)), u, outputs)
    doubts = []
    if float((image - image.mean(0)).abs().max()) <= 1e-12 * float(image.abs().max().clamp(min=1e-300)):
        doubts.append("F is constant on the data: every field leaves it unchanged, so that nothing is found")
    split = half_numbers(len(u), group, generator)
    block = torch.zeros(len(u), dtype=torch.int64)
    count = 1
    if split is None:
        doubts.append("all inputs are of one group: nothing can be said beyond it")
    else:
        for start, half in zip((0, split[0].blocks), split, strict=True):
            block[half.samples.x[:, 0].long()] = start + half.block
        count = split[0].blocks + split[1].blocks
    with clock.phase("nullspace", len(u)) as advance:
        m, s, beyond = _network_factors(frame, model, u, block, count, advance)
    sides = None
    if split is not None:
        at = split[0].blocks
        sides = (FactoredSide(m[:at], s[:at]), FactoredSide(m[at:], s[at:]))
    spectrum = generalised_spectrum(m.flatten(0, 1), s.flatten(0, 1))
    evidence = Evidence(
        frame.space,
        frame.action,
        spectrum,
        sides,
        OperatorExtent(beyond, frame.scaling()),
        given=True,
        pooled=True,
        doubts=tuple(doubts),
        rank=spectrum.values.shape[0],
        messages=messages_of(frame),
        bracket_points=bracket_points(frame, u, generator),
    )
    return Examined(evidence, frame.names)


def _network_factors(
    frame: OperatorFrame, model: Model, u: Tensor, block: Tensor, count: int, advance: Advance
) -> tuple[Tensor, Tensor, Tensor]:
    """Factors of M and S for each block ``(count, P, P)``, and what lies beyond ``(P, P)``."""
    p = frame.unknowns
    m, s = torch.zeros(count, p, p, dtype=torch.float64), torch.zeros(count, p, p, dtype=torch.float64)
    beyond = StreamedFactor(p)
    for b in range(count):
        rows = (block == b).nonzero()[:, 0]
        if not len(rows):
            continue
        fields = u[rows]
        terms = []
        for about_mean in (False, True) if frame.mean is not None else (False,):
            left, image = _pushed(frame, model, fields, frame.moved(fields, 0, about_mean=about_mean))
            terms.append((left, frame.moved(image, 1, about_mean=about_mean).flatten(2)))
        m[b] = triangular(joined(*terms[0])[0].flatten(0, 1))
        s[b] = triangular(joined(*terms[-1])[1].flatten(0, 1))
        before = frame.moved(fields, 0).square().sum()
        gain = float((terms[0][0].square().sum() / before.clamp(min=1e-300)).sqrt())
        for edge in seam_rows(frame, fields, image, gain):
            beyond.add(edge)
        advance(len(rows))
    return m, s, beyond.factor()


def _pushed(frame: OperatorFrame, model: Model, u: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    """dF(u)·(ξ_j·u) ``(n, P, D′)`` and F(u) ``(n, c′, *grid)``; unknowns of the output alone push nothing."""
    left = []
    image = torch.empty(0)
    for j in range(frame.unknowns):
        if j < frame.space.dim:
            image, pushed = model.value_and_directional_derivative(u, moved[:, j])
            left.append(pushed)
        else:
            left.append(torch.zeros_like(left[0]))
    return torch.stack(left, 1), image.reshape(len(u), frame.channels[1], *frame.grid.shape)
