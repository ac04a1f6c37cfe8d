"""What the table of representations expects, from the orbits themselves: fields Ax by exact tangents."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

F64 = torch.float64


def left(q: Tensor) -> Tensor:
    """p ↦ qp on quaternions as ``(…, 4, 4)``: how SU(2) acts on spinors."""
    a, b, c, d = q.unbind(-1)
    rows = [[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def right(q: Tensor) -> Tensor:
    """p ↦ pq."""
    a, b, c, d = q.unbind(-1)
    rows = [[a, -b, -c, -d], [b, a, d, -c], [c, -d, a, b], [d, c, -b, a]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def conjugated(q: Tensor) -> Tensor:
    """v ↦ q v q̄ on imaginary quaternions ``(…, 3, 3)``: how SU(2) acts on vectors."""
    bar = q * torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=F64)
    return (left(q) @ right(bar))[..., 1:, 1:]


def both(q: Tensor) -> Tensor:
    out = torch.zeros(*q.shape[:-1], 7, 7, dtype=F64)
    out[..., :3, :3], out[..., 3:, 3:] = conjugated(q), left(q)
    return out


def tangent_fields(act, x0: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    """A basis ``(k, d, d)`` of the matrices A with Ax tangent to the orbit of x₀ at each of its points."""
    g = torch.Generator().manual_seed(1)
    q = torch.randn(200, 4, generator=g, dtype=F64)
    q = q / q.norm(dim=1, keepdim=True)
    step, units = 1e-6, torch.eye(4, dtype=F64)[1:]
    one = torch.tensor([1.0, 0, 0, 0], dtype=F64)
    # Derivatives of the action at 1, by differences of its exact elements.
    e = torch.stack(
        [
            (act(one * (1 - step**2 / 2) + step * u) - act(one * (1 - step**2 / 2) - step * u)) / (2 * step)
            for u in units
        ]
    )
    elements = act(q)
    x = elements @ x0
    tangents = torch.einsum("nij,kj->nik", elements, e @ x0)
    u, size, _ = torch.linalg.svd(tangents, full_matrices=False)
    basis = u * (size > 1e-6 * size[:, :1])[:, None, :]
    d = len(x0)
    normal = torch.eye(d, dtype=F64) - basis @ basis.mT
    rows = torch.einsum("nij,nl->nijl", normal, x).reshape(-1, d * d)
    _, s, vh = torch.linalg.svd(rows.T @ rows)
    return vh[s < 1e-12 * s[0]].reshape(-1, d, d)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_four_fields_are_tangent_to_an_orbit_of_su2_in_vectors_and_spinors(seed: int) -> None:
    """Three from the left, and q ↦ q h(t) with h about the vector, which it leaves alone: linear on spinors."""
    x0 = torch.randn(7, generator=torch.Generator().manual_seed(seed), dtype=F64)
    fields = tangent_fields(both, x0)
    assert len(fields) == 4
    span = torch.linalg.qr(fields.flatten(1).T).Q
    # The fourth: ψ ↦ ψ (ψ̄₀ n ψ₀)/|ψ₀|², n the vector. At gx₀ it is g(0, nψ₀), tangent as n leaves the vector alone.
    vector, spinor = torch.cat([torch.zeros(1, dtype=F64), x0[:3]]), x0[3:]
    bar = spinor * torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=F64)
    fourth = torch.zeros(7, 7, dtype=F64)
    fourth[3:, 3:] = right(left(bar) @ left(vector) @ spinor)
    row = fourth.flatten() / fourth.norm()
    assert float((row - span @ (span.T @ row)).norm()) < 1e-6


def test_spinors_alone_fill_a_sphere_and_vectors_a_smaller_one() -> None:
    x0 = torch.randn(7, generator=torch.Generator().manual_seed(3), dtype=F64)
    assert len(tangent_fields(left, x0[3:])) == 6
    assert len(tangent_fields(conjugated, x0[:3])) == 3
