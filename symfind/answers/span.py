"""The certified fields as what has a bracket: affine fields as matrices, others by their values at points."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence
from symfind.errors import InputError
from symfind.fields.space import VectorFieldSpace, lie_bracket
from symfind.kinds.maps.nullspace import MapExtent
from symfind.lie.algebras.affine_fields import AffineFields
from symfind.lie.algebras.algebra import SAFETY, LieAlgebra, spectral_size
from symfind.lie_derivative import Bracket, constant_slope

# Perturbed spans from which the error of structure constants is read off: the largest of four, times SAFETY.
_DRAWS = 4
# Relative rounding of brackets that were evaluated and projected.
_ROUNDING = 1e-11
# Fields whose values at the points depend on one another to this degree are one field.
_DEPENDENT = 1e-9
# A shift below this share of a field's size on the data is rounding of the change of origin.
_NO_SHIFT = 1e-9


def affine_fields(space: VectorFieldSpace, vectors: Tensor, points: Tensor, noise: float | None) -> AffineFields | None:
    """Fields ``(P, k)`` of a space as Ax + b; None if one of them is not affine.

    ``points`` ``(n, d)`` say in which units, and about which centre, the errors of the fields are alike.
    """
    slopes = [constant_slope(space, v) for v in vectors.T]
    linear = [a for a in slopes if a is not None]
    if len(linear) < len(slopes) or not linear:
        return None
    c = vectors[: space.dim].double().cpu()
    shift = torch.einsum("pd,pk->kd", space.evaluate(torch.zeros(1, space.d, dtype=torch.float64))[0], c)
    centre, scale = points.mean(0), points.std(0, correction=0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    a = torch.stack(linear)
    size = torch.cat([(a * scale).flatten(1), shift + a @ centre], 1).norm(dim=1)
    shift = torch.where(shift.abs() > _NO_SHIFT * size[:, None], shift, torch.zeros_like(shift))
    if not bool((shift != 0).any()):
        centre = torch.zeros_like(centre)
    return AffineFields(a, shift, noise, centre, scale)


def algebra_at_points(space: VectorFieldSpace, vectors: Tensor, points: Tensor, noise: float) -> LieAlgebra:
    """The Lie algebra of fields ``(P, k)`` from their brackets at points ``(n, d)``, projected onto the span.

    The basis is orthonormal in L² of the points, coordinates in units of their spread. What the noise does to the
    structure constants is seen on fields moved by random fields of the space.

    Raises
    ------
    InputError
        If the fields are dependent at the points.
    """
    k, p = vectors.shape[1], space.dim
    generator = torch.Generator().manual_seed(0)
    c = vectors[:p].double().cpu()
    moves = torch.randn(p, _DRAWS * k, generator=generator, dtype=torch.float64)
    scale = points.std(0, correction=0).clamp(min=1e-300)
    weight = (1.0 / scale / points.shape[0] ** 0.5).repeat(points.shape[0])
    values, brackets = lie_bracket(space, torch.cat([c, moves], 1), points)
    values, brackets = values * weight, brackets * weight
    q, r = torch.linalg.qr(values[:k].T)
    if float(r.diagonal().abs().min()) < _DEPENDENT * float(r.diagonal().abs().max()):
        raise InputError("the generators are not independent as fields on the data; their algebra is not determined")
    unit = torch.linalg.solve_triangular(r, torch.eye(k, dtype=r.dtype), upper=True).T  # e = unit @ ξ
    lengths = values[k:].norm(dim=1)
    # Every basis field and every random one has length one.
    mix = torch.diag(torch.cat([lengths.new_ones(k), 1.0 / lengths]))
    mix[:k, :k] = unit
    brackets = torch.einsum("ai,bj,ijn->abn", mix, mix, brackets)
    f, residual = _projected(brackets[:k, :k], q)
    size = float(brackets[:k, k:].norm(dim=2).mean())
    if size <= 0:
        size = 1.0
    drawn = []
    for i in range(_DRAWS):
        chosen = torch.arange(k + i * k, k + (i + 1) * k)
        mixed = brackets[:k][:, chosen]
        move = values[chosen] / lengths[chosen - k, None]
        moved, triangle = torch.linalg.qr(q + noise * move.T)
        # QR leaves the signs of its columns open; the moved basis is the one that is near the first.
        signs = triangle.diagonal().sign()
        moved, triangle = moved * signs, signs[:, None] * triangle
        bent = brackets[:k, :k] + noise * (mixed - mixed.transpose(0, 1))
        back = torch.linalg.solve_triangular(triangle, torch.eye(k, dtype=q.dtype), upper=True).T
        drawn.append(_projected(torch.einsum("ai,bj,ijn->abn", back, back, bent), moved)[0] / size)
    f, closure = f / size, float(residual) / size
    draws = torch.stack(drawn)
    spread = max(spectral_size(g - f) for g in draws)
    return LieAlgebra(
        structure_constants=f,
        error=max(_ROUNDING, SAFETY * spread, SAFETY * closure),
        closure=closure,
        noise=max(noise, closure),
        defect=closure,
        constant_draws=draws,
    )


def constants_at_points(space: VectorFieldSpace, vectors: Tensor, points: Tensor) -> Tensor:
    """[ξᵢ, ξⱼ] = Σ f[i, j, k] ξ_k in L² of the points: f ``(k, k, k)`` for fields ``(P, k)``."""
    k = vectors.shape[1]
    values, brackets = lie_bracket(space, vectors[: space.dim].double().cpu(), points)
    solution = torch.linalg.lstsq(values.T, brackets.reshape(k * k, -1).T, driver="gelsd").solution
    f: Tensor = solution.T.reshape(k, k, k)
    # Rounding of the least-squares solution is below this; adding zero turns −0.0 into 0.0.
    return torch.round(0.5 * (f - f.transpose(0, 1)), decimals=9) + 0.0


def flow_among(evidence: Evidence, vectors: Tensor) -> Tensor | None:
    """Coefficients ``(k,)`` of dx/dt = F(x) in fields ``(P, k)``, where F is linear and lies in their span.

    A flow commutes with itself. For linear F this is a fact about matrices (the centraliser of F contains F), which
    stays in the algebra and is pointed out.
    """
    if not isinstance(evidence.action, Bracket) or not isinstance(evidence.extent, MapExtent):
        return None
    space, points = evidence.space, evidence.bracket_points
    slopes: Sequence[Tensor | None] = [constant_slope(space, v) for v in vectors.T]
    if not slopes or any(a is None for a in slopes):
        return None
    derivative = evidence.extent.derivative
    if derivative.objects[0] != 1:
        return None  # F moves several objects at once, ξ one
    flow = derivative.map(points.reshape(-1, *derivative.map.input_shape)).reshape(-1).double().cpu()
    fields = torch.einsum("npd,pk->knd", space.evaluate(points), vectors[: space.dim]).reshape(vectors.shape[1], -1)
    solution: Tensor = torch.linalg.lstsq(fields.T, flow[:, None], driver="gelsd").solution[:, 0]
    # Five per cent is the default tolerance of a symmetry: a flow that differs by more is not the field.
    close = float((solution @ fields - flow).norm()) < 0.05 * float(flow.norm())
    return solution if close else None


def _projected(brackets: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Constants ``(k, k, k)`` along orthonormal columns ``(N, k)``, and the r.m.s. residual over pairs."""
    k = q.shape[1]
    f = brackets @ q
    f = 0.5 * (f - f.transpose(0, 1))
    residual = (brackets - f @ q.T).square().sum() / max(k * (k - 1), 1)
    return f, residual.sqrt()
