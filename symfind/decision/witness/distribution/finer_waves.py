"""The directions of a refuted algebra that finer waves leave alone: proposals of subalgebras.

What looks round through coarse test functions may have an axis: V = E[ξ·∇φ] over waves of several lengths, within the
span of the algebra alone. Axis letters: n rows, D coordinates, K generators, T waves.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from symfind.decision.witness.distribution.finite_elements import AffineRows

# Waves of a half, a quarter and an eighth of the spread; together they cost as much as the coarse ones.
_LENGTHS = (0.5, 0.25, 0.125)
_WAVES = 200
# Directions follow one another by this factor where the first of them are left alone.
_GAP = 1.7


def quiet_subspaces(fields: AffineRows, x: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Combinations ``(K, j)``, j < K, along which the waves of some length see far less than along the others."""
    n, d = x.shape
    k = fields.count
    xi = torch.einsum("kab,nb->nka", fields.a, x) + fields.b
    size = torch.einsum("nka,nla->kl", xi, xi) / n
    values, vectors = torch.linalg.eigh(size)
    unit = vectors / values.clamp(min=1e-12 * float(values[-1])).sqrt()
    found: dict[int, tuple[float, Tensor]] = {}
    for length in _LENGTHS:
        omega = torch.randn(d, _WAVES, generator=generator, dtype=x.dtype) / (length * math.sqrt(d))
        phase = torch.rand(_WAVES, generator=generator, dtype=x.dtype) * 2 * math.pi
        v = x.new_zeros(_WAVES, k)
        square = x.new_zeros(k, k)
        for part, along in zip(torch.split(x, 2048), torch.split(xi, 2048), strict=True):
            sine = torch.sin(part @ omega + phase)  # (n, T)
            each = sine[:, :, None] * torch.einsum("nka,at->ntk", along, omega) / omega.norm(dim=0)[:, None]
            v += each.sum(0)
            square += torch.einsum("ntk,ntl->kl", each, each)
        # Σ_{i≠j} of products: without the noise of each row.
        form = unit.T @ (v.T @ v - square) @ unit / n**2
        noise = float(torch.trace(unit.T @ square @ unit)) / k / n**2 * math.sqrt(2 / _WAVES)
        e, directions = torch.linalg.eigh((form + form.T) / 2)
        root = e.clamp(min=noise).sqrt()
        for j in range(1, k):
            gap = float(root[j] / root[j - 1])
            if gap > _GAP and gap > found.get(j, (0.0, directions))[0]:
                found[j] = (gap, unit @ directions[:, :j])
    return [found[j][1] for j in sorted(found, reverse=True)]
