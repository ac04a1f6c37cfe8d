"""{ξ ∈ V : ξ·I = 0, [ξ, K] = ξ_Y K}: the algebra of a class of functions inside a space of fields, exactly.

The invariants are known in closed form, so the nullspace is known to rounding: an algebra is derived, never fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.structure import SymmetricClass
from symfind.fields.space import VectorFieldSpace
from symfind.lie_derivative import OutputAction
from symfind.linalg.nullspace import generalised_spectrum

# Generalised singular values are ratios of sizes; those of exact invariants come out near 1e-14, derivatives of
# logarithms near zero of their argument a few digits above.
_NULL = 1e-8
_POINTS = 160
# An invariant that all fields move by less than this share of what they could is moved by none: rounding is 1e-16.
_UNMOVED = 1e-6
# A direction this near an axis, in units of the spread, is the axis: learned forms know it to about a thousandth.
_AXIS = 0.9999


@dataclass(frozen=True)
class Symmetries:
    """The fields of a space that leave a class of functions alone.

    Attributes
    ----------
    vectors
        ``(P, k)``, orthonormal in the size of fields on the data, blind ones taken out.
    blind
        ``(P, b)``: fields along directions on which no function of the class depends.
    """

    vectors: Tensor
    blind: Tensor

    @property
    def dimension(self) -> int:
        """K."""
        return self.vectors.shape[1]


def _slopes(structure: SymmetricClass, x: Tensor) -> tuple[Tensor, Tensor]:
    """∂I ``(n, r, D)`` and ∂K ``(n, A, m, D)`` at rows ``(n, D)``, one reverse pass a number."""
    at = x.clone().requires_grad_(True)
    invariants, covariants = structure.invariants(at), structure.covariants(at)
    columns = torch.cat([invariants, covariants.flatten(1)], 1)
    out = []
    for j in range(columns.shape[1]):
        slope = None
        if columns.requires_grad:
            (slope,) = torch.autograd.grad(columns[:, j].sum(), at, retain_graph=True, allow_unused=True)
        out.append(torch.zeros_like(x) if slope is None else slope)
    stacked = torch.stack(out, 1)
    r = invariants.shape[1]
    return stacked[:, :r], stacked[:, r:].reshape(*covariants.shape, x.shape[1])


def symmetries(
    structure: SymmetricClass,
    space: VectorFieldSpace,
    action: OutputAction,
    objects: tuple[int, int],
    output_objects: tuple[int, int],
    x: Tensor,
    whiten: Tensor,
    fixed: tuple[int, ...] = (),
    *,
    blind_counts: bool,
) -> Symmetries:
    """The algebra of a structure at rows ``(n, D)`` of the data.

    Parameters
    ----------
    action
        What the fields do to y.
    whiten
        ``(r, d)`` with TᵀT the inverse covariance of an object.
    fixed
        Coordinates of an object along which nothing may flow.
    blind_counts
        Whether a field along a direction that nothing depends on is a symmetry (of a flow) or trivial (of a function).
    """
    k, d = objects
    x = x[:_POINTS].double()
    n = x.shape[0]
    fields = space.evaluate(x.reshape(n * k, d)).reshape(n, k, space.dim, d)
    covariants = structure.covariants(x)
    a = covariants.shape[1]
    columns = None
    if a:
        flat = covariants.reshape(n * a, *output_objects)
        at = x.repeat_interleave(a, 0).reshape(n * a, k, d)
        columns = action.columns(space, at, flat)
    slope_i, slope_k = _slopes(structure, x)
    moves = fields.transpose(2, 3).reshape(n, k * d, space.dim)  # (n, D, p)
    invariants = slope_i @ moves  # (n, r, p)
    unknowns = space.dim + action.extra
    top = torch.cat([invariants, invariants.new_zeros(*invariants.shape[:2], action.extra)], -1)
    white = torch.einsum("nkpd,rd->nkrp", fields, whiten).reshape(-1, space.dim)
    # What the fields move by, in units of the data's spread: changes are told for one such unit, whatever x's own is.
    moves_by = white.square().sum(1).mean().sqrt().clamp(min=1e-300)
    # What every field of the space leaves alone moves by rounding, which is no unit.
    most = (slope_i.square().sum(2) * moves.square().sum((1, 2))[:, None]).mean(0).sqrt()
    changed = torch.maximum(top.square().sum(2).mean(0).sqrt(), _UNMOVED * most)
    size = changed.clamp(min=1e-300)[None, :, None] / moves_by
    parts = [(top / size).reshape(-1, unknowns)]
    moved = torch.einsum("namd,ndp->namp", slope_k, moves)
    moved = torch.cat([moved, moved.new_zeros(*moved.shape[:3], action.extra)], -1)
    if columns is not None:
        moved = moved - columns.reshape(n, a, -1, unknowns)
    moved_by = moved.square().sum((2, 3)).mean(0).sqrt() / moves_by
    scale = (covariants.square().sum(2).mean(0).sqrt() + moved_by).clamp(min=1e-300)
    parts.append((moved / scale[None, :, None, None]).reshape(-1, unknowns))
    if fixed:
        still = torch.cat([fields[..., list(fixed)], fields.new_zeros(n, k, action.extra, len(fixed))], 2)
        parts.append(still.transpose(2, 3).reshape(-1, unknowns))
    m = torch.cat(parts)
    s = torch.cat([white, white.new_zeros(white.shape[0], action.extra)], 1) / (n * k) ** 0.5
    if action.extra:
        # The unknowns of the action on y have the size of what they do to the covariants.
        own = torch.cat([s.new_zeros(action.extra, space.dim), torch.eye(action.extra, dtype=s.dtype)], 1)
        s = torch.cat([s, own])
    spectrum = generalised_spectrum(m / m.shape[0] ** 0.5, s)
    null = spectrum.vectors[:, spectrum.values < _NULL]
    if action.extra and null.shape[1]:  # an action on y alone, ξ = 0, is none of x
        null = _span_with_fields(null, s[: white.shape[0]])
    if null.shape[1] == 0 or blind_counts:
        return Symmetries(null, null[:, :0])
    return _without_blind(structure, x, fields, whiten, null)


def _span_with_fields(null: Tensor, s: Tensor) -> Tensor:
    """The combinations that move x, orthonormal by it."""
    _, sigma, vh = torch.linalg.svd(s @ null, full_matrices=False)
    keep = sigma > 1e-7 * sigma.max().clamp(min=1e-300)
    return null @ (vh[keep].T / sigma[keep]) if bool(keep.any()) else null[:, :0]


def _without_blind(structure: SymmetricClass, x: Tensor, fields: Tensor, whiten: Tensor, null: Tensor) -> Symmetries:
    """Null fields less those along directions of an object that no invariant sees."""
    n, k, p, d = fields.shape
    slopes = [
        part.reshape(n * k, d)
        for part in torch.cat([each.flatten(1, -2) for each in _slopes(structure, x)], 1).unbind(1)
    ]
    if not slopes:
        return Symmetries(null[:, :0], null)
    colour = torch.linalg.pinv(whiten)
    gradient = torch.cat(slopes) @ colour  # along units of the data's spread
    _, sigma, vh_all = torch.linalg.svd(gradient, full_matrices=True)
    rank = int((sigma > 1e-9 * sigma.max()).sum())
    if rank == 0:  # a constant sees nothing
        return Symmetries(null[:, :0], null)
    seen = vh_all[:rank] @ whiten  # what is seen of a displacement
    visible = torch.einsum("nkpd,rd,pc->nkrc", fields, seen, null[:p]).reshape(-1, null.shape[1])
    _, sigma, vh = torch.linalg.svd(visible, full_matrices=True)
    keep = torch.zeros(vh.shape[0], dtype=torch.bool)
    keep[: sigma.shape[0]] = sigma > 1e-8 * sigma.max().clamp(min=1e-8 * visible.shape[0] ** 0.5)
    kept, blind = null @ vh[keep].T, null @ vh[~keep].T
    return Symmetries(_still_on_axes(x, fields, colour @ vh_all[rank:].T, kept, blind), blind)


def _still_on_axes(x: Tensor, fields: Tensor, unseen: Tensor, kept: Tensor, blind: Tensor) -> Tensor:
    """Findings ``(P, k)`` with as little as can be along blind directions ``(d, b)`` that are axes of the user.

    What is added along a blind direction is open. Along an axis that F does without, nothing reads better; along an
    oblique one, the least in units of the spread keeps the data together.
    """
    n, k, p, d = fields.shape
    scale = x.reshape(n * k, d).std(0)
    unit = unseen / torch.where(scale > 0, scale, torch.ones_like(scale))[:, None]
    unit = unit / unit.norm(dim=0).clamp(min=1e-300)
    axes = [int(column.abs().argmax()) for column in unit.T if float(column.abs().max()) > _AXIS]
    if not axes or blind.shape[1] == 0:
        return kept
    along = torch.einsum("nkpd,pc->nkdc", fields[..., axes], torch.cat([kept, blind], 1)[:p]).reshape(
        n * k * len(axes), -1
    )
    count = kept.shape[1]
    mix = torch.linalg.lstsq(along[:, count:], along[:, :count], driver="gelsd").solution
    return torch.as_tensor(kept - blind @ mix)
