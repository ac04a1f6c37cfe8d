"""Symmetries that every F of its kind has: named and set apart, never counted.

A nonlinear flow has itself as a symmetry, [F, F] = 0, and every fF with F·∇f constant. A scalar function of one object
has every field tangent to its level sets, the gauge fields ∂ᵢF∂ⱼ − ∂ⱼF∂ᵢ with any coefficients: among nonlinear
candidates only the affine symmetries say more than that F is a function (DESIGN §8 "Gauge").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.lie_derivative import Bracket, Invariant, LieDerivative
from symfind.linalg.nullspace import generalised_spectrum

OWN_FLOW = "parallel to the flow F itself: every flow has F, and F times its conserved quantities, as symmetries"
GAUGE = "tangent to the level sets of one scalar function, of which every function of one object has any number"


@dataclass(frozen=True)
class Parting:
    """A span of generators, split.

    Attributes
    ----------
    kept, apart
        ``(k, a)`` and ``(k, b)``: combinations that are findings, and combinations that are none.
    reason
        Why those are none.
    note
        What the reader should know about those that were kept.
    """

    kept: Tensor
    apart: Tensor
    reason: str = ""
    note: str = ""


def nothing_apart(count: int) -> Parting:
    """All k generators are findings."""
    eye = torch.eye(count, dtype=torch.float64)
    return Parting(eye, eye[:, :0])


def parting(
    derivative: LieDerivative, vectors: Tensor, points: Tensor, tolerance: float, *, scalar_gauge: bool
) -> Parting:
    """Split generators ``(P, k)`` at points ``(n, *input_shape)`` of the data."""
    k, d = derivative.objects
    count = vectors.shape[1]
    everything = nothing_apart(count)
    if count == 0 or k != 1:
        return everything
    x = points.reshape(-1, d)
    affine = affine_part(derivative, vectors, x, tolerance)
    if isinstance(derivative.action, Bracket):
        own = _parallel_to(derivative, vectors, x, tolerance)
        if own.shape[1] == 0:
            return everything
        if affine.shape[1] == count:
            return Parting(everything.kept, everything.apart, note="the linear flow itself is one of the symmetries")
        kept = affine if affine.shape[1] + own.shape[1] == count else _complement(own)
        return Parting(kept, own, OWN_FLOW)
    single = derivative.output_objects == (1, 1) and isinstance(derivative.action, Invariant)
    if scalar_gauge and single and affine.shape[1] < count:
        return Parting(affine, _complement(affine), GAUGE)
    return everything


def affine_part(derivative: LieDerivative, vectors: Tensor, x: Tensor, tolerance: float) -> Tensor:
    """Combinations ``(k, a)`` of generators whose slope is the same at all points: affine fields."""
    space, root = derivative.space, derivative.geometry.inputs
    slopes = torch.stack(
        [
            torch.einsum("npa,pk->nak", space.along(x, direction.expand_as(x)), vectors[: space.dim])
            for direction in root.colour.T
        ],
        1,
    )  # (n, r, d, k): ∂ξ along each unit of the data's spread
    slopes = torch.einsum("nrdk,ed->nrek", slopes, root.whiten)
    field = torch.einsum("npa,pk,ra->nrk", space.evaluate(x), vectors[: space.dim], root.whiten)
    varying = slopes - slopes.mean(0)
    spectrum = generalised_spectrum(varying.flatten(0, 2), field.flatten(0, 1))
    return _orthonormal(spectrum.vectors[:, spectrum.values < tolerance])


def _parallel_to(derivative: LieDerivative, vectors: Tensor, x: Tensor, tolerance: float) -> Tensor:
    """Combinations ``(k, b)`` with ξ(x) ∥ F(x) at all points."""
    space, root = derivative.space, derivative.geometry.inputs.whiten
    value = derivative.map(x.reshape(-1, *derivative.map.input_shape)).reshape(x.shape) @ root.T
    unit = value / torch.linalg.vector_norm(value, dim=1, keepdim=True).clamp(min=1e-300)
    field = torch.einsum("npa,pk,ra->nrk", space.evaluate(x), vectors[: space.dim], root)
    across = field - torch.einsum("nr,ns,nsk->nrk", unit, unit, field)
    spectrum = generalised_spectrum(across.flatten(0, 1), field.flatten(0, 1))
    return _orthonormal(spectrum.vectors[:, spectrum.values < tolerance])


def _orthonormal(columns: Tensor) -> Tensor:
    basis: Tensor = torch.linalg.qr(columns).Q
    return basis


def _complement(columns: Tensor) -> Tensor:
    """Orthonormal columns ``(k, k − b)`` orthogonal to ``(k, b)`` orthonormal ones."""
    k, b = columns.shape
    u: Tensor = torch.linalg.svd(columns, full_matrices=True).U if b else torch.eye(k, dtype=columns.dtype)
    return u[:, b:]
