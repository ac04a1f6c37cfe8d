"""The certified span ↦ the nearest Lie algebra, its generators judged anew."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from symfind.answers.span import affine_fields
from symfind.decision.evidence import Finding, Generator
from symfind.decision.finding import canonical_vectors
from symfind.fields.space import VectorFieldSpace
from symfind.lie.algebras.affine_fields import AffineFields
from symfind.lie.algebras.closure import MatrixBracket, nearest_subalgebra


def closed(finding: Finding, tolerance: float) -> tuple[Finding, str]:
    """The finding with its certified generators projected onto the nearest algebra, and what was done.

    A generator that leaves the certified span takes up directions of larger defect: its own is
    ρ² = Σ mᵢ²σᵢ² / Σ mᵢ² over all generalised singular directions, and its upper bound the span's U plus
    (Σ mᵢ²σᵢ² / Σ mᵢ²)^½ over the directions outside. If one of the bounds is not below ``tolerance`` the finding stays
    as it was.
    """
    certified = [g for g in finding.generators if g.verdict == "certified"]
    if not certified:
        return finding, "nothing is certified, so nothing was closed"
    evidence, k = finding.evidence, len(certified)
    space, points = evidence.space, evidence.bracket_points.double().cpu()
    raw = evidence.spectrum.vectors[:, :k].double().cpu()
    fields = affine_fields(space, raw, points, None)
    if fields is None:
        return finding, "only linear and affine fields can be closed; the span was left as it is"
    rows = _rows(fields)
    span = nearest_subalgebra(rows, MatrixBracket(int(rows.shape[1] ** 0.5)))
    xi = _coefficients(space, _fields_at(fields, span.basis, points), points)
    # The output action and the rescaling of time follow their fields: ξ′ = Σ Tᵢⱼ ξⱼ as nearly as may be.
    change = torch.linalg.lstsq(raw[: space.dim], xi, driver="gelsd").solution
    vectors = canonical_vectors(evidence, torch.cat([xi, raw[space.dim :] @ change]), max(g.error for g in certified))
    new = _judged(finding, vectors, certified, tolerance)
    if not all(g.verdict == "certified" for g in new):
        return finding, (
            f"not closed: the nearest algebra is at an angle of sine {span.distance:.1g}, and its fields could not all "
            "be certified; a generator is missing, or none belongs"
        )
    judged = iter(new)
    generators = tuple(next(judged) if g.verdict == "certified" else g for g in finding.generators)
    text = f"closed under brackets: the span moved by an angle of sine {span.distance:.1g} to the nearest algebra"
    return replace(finding, generators=generators), text


def _rows(fields: AffineFields) -> Tensor:
    """Each field as a vector of matrix entries, in the units of the data."""
    a, b = fields.scaled()
    k, d = b.shape
    if not bool((fields.shift != 0).any()):
        return a.flatten(1)
    return AffineFields(a, b, None, torch.zeros(d), torch.ones(d)).homogeneous.reshape(k, -1)


def _fields_at(fields: AffineFields, rows: Tensor, points: Tensor) -> Tensor:
    """The fields of rows such as :func:`_rows` gives, at points ``(n, d)``: ``(k, n·d)``."""
    d = points.shape[1]
    z = (points - fields.centre) / fields.scale
    side = int(rows.shape[1] ** 0.5)
    matrices = rows.reshape(-1, side, side)
    values = torch.einsum("kab,nb->kna", matrices[:, :d, :d], z)
    if side > d:
        values = values + matrices[:, None, :d, d]
    return (values * fields.scale).flatten(1)


def _coefficients(space: VectorFieldSpace, values: Tensor, points: Tensor) -> Tensor:
    """Coefficients ``(p, k)`` of the fields of the space nearest to values ``(k, n·d)`` at points."""
    basis = space.evaluate(points).transpose(1, 2).reshape(-1, space.dim)
    found: Tensor = torch.linalg.lstsq(basis, values.T, driver="gelsd").solution
    return found


def _judged(finding: Finding, vectors: Tensor, certified: list[Generator], tolerance: float) -> list[Generator]:
    spectrum, k = finding.evidence.spectrum, len(certified)
    directions = spectrum.vectors.double().cpu()
    basis = torch.cat([directions, spectrum.trivial.double().cpu()], 1)
    parts = torch.linalg.lstsq(basis, vectors, driver="gelsd").solution
    parts = parts[: directions.shape[1]]
    parts = parts / torch.linalg.vector_norm(parts, dim=0)
    sizes = parts * spectrum.values.double().cpu()[:, None]
    upper = max(g.upper for g in certified)
    lower = min(g.lower for g in certified)
    out = []
    for vector, share, size in zip(vectors.T, parts.T, sizes.T, strict=True):
        bound = upper * float(share[:k].norm()) + float(size[k:].norm())
        t = finding.evidence.extent.reach(vector, tolerance)
        sure = bound < tolerance and (t is None or finding.evidence.given or t.far_enough)
        defect = float(size.norm())
        out.append(
            Generator(
                vector,
                defect,
                min(lower, defect),
                max(bound, defect),
                "certified" if sure else "undecided",
                None if t is None else t.distance,
                certified[0].error,
            )
        )
    return out
