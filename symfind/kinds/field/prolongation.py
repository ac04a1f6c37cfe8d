"""pr(ξ)Δ = ξ^i ∂_iΔ + Σ_J ∂Δ/∂u_J · φ_J: the determining equations of point symmetries, as rows (Olver 1993, §2.3).

With ξ = ξ^i ∂_{x_i} + φ^α ∂_{u^α} the prolonged coefficients are

    φ^α_J = D_J φ^α − Σ_i Σ_{0<K≤J} C(J, K) D_K ξ^i u^α_{J−K+i},

in which no derivative is of higher order than J: points on Δ = 0 are all that is needed, and on them a symmetry makes
the sum vanish to rounding. The relative defect asks how far its terms cancel:

    ρ² = E‖pr(ξ)Δ‖² / E(Σ_i (ξ^i ∂_iΔ)² + Σ_J (∂Δ/∂u_J φ_J)² + ε²‖ξ‖²_{σ}·Σ_J (∂Δ/∂u_J u_J)²),

‖ξ‖_σ in units of the spread of each variable. The last term is what a deformation of the size of the domain does to
the terms of Δ; without it translations and shifts, whose terms are all zero, would have no size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from symfind.fields.space import VectorFieldSpace, on_series
from symfind.fields.taylor import Series, Truncation, variables
from symfind.kinds.field.equation import Equation, Linearised
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.settings import SETTINGS

# Numbers held at once for the series of the fields.
_NUMBERS = 2**23


def binomial(j: MultiIndex, k: MultiIndex) -> int:
    """∏ C(j_i, k_i)."""
    return math.prod(math.comb(a, b) for a, b in zip(j, k, strict=True))


@dataclass(frozen=True)
class Scales:
    """Sizes that make the rows of a system and the components of a field comparable, from the data.

    Attributes
    ----------
    equations
        ``(E,)``: rms size of the terms of Δ_e.
    spread
        ``(q + c,)``: standard deviation of each variable.
    """

    equations: Tensor
    spread: Tensor

    @classmethod
    def of(cls, equation: Equation, jets: JetSample, linearised: Linearised) -> Scales:
        """Sizes over the sample."""
        spread = torch.cat([jets.points, jets.values], 1).std(0, correction=0)
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
        return cls(equation.terms(jets, linearised), spread)


@dataclass(frozen=True)
class Prolongation:
    """Rows of the determining equations for the fields of a space.

    Attributes
    ----------
    equation
        Δ.
    space
        Fields on (x_1 … x_q, u^1 … u^c).
    scales
        Units of the rows.
    """

    equation: Equation
    space: VectorFieldSpace
    scales: Scales

    @property
    def rows_at_once(self) -> int:
        """How many points fit into memory at once."""
        series = len(Truncation.below(j for _, j in self.equation.coordinates).indices)
        width = self.space.dim * (
            self.space.d * series + (len(self.equation.coordinates) + self.space.d) * self.equation.lines
        )
        return max(16, _NUMBERS // max(width, 1))

    def rows(self, jets: JetSample, vectors: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """M ``(n, E, p)`` and S ``(n, r, p)`` at points on the equation.

        With ``vectors`` ``(p, K)`` the rows of these combinations ``(…, K)``.
        """
        equation = self.equation
        at = equation.linearised(jets)
        q, n = len(equation.independent), jets.points.shape[0]
        truncation = Truncation.below(j for _, j in equation.coordinates)
        fields = on_series(self.space, solution_series(jets, truncation)).derivatives  # (N, n, p, d)
        if vectors is not None:
            fields = torch.einsum("jnpd,pk->jnkd", fields, vectors)
        parts = [at.explicit[:, :, i, None] * fields[0, :, None, :, i] for i in range(q)]
        size = equation.over_the_domain(jets, at)
        for i, (c, j) in enumerate(equation.coordinates):
            prolonged = fields[truncation.place[j], :, :, q + c]  # D_J φ
            for k in product(*(range(a + 1) for a in j)):
                if not any(k):
                    continue
                rest = tuple(a - b for a, b in zip(j, k, strict=True))
                slope = torch.stack([jets.derivatives[_raised(rest, a)][:, c] for a in range(q)], -1)
                term = torch.einsum("npi,ni->np", fields[truncation.place[k], :, :, :q], slope)
                prolonged = prolonged - binomial(j, k) * term
            parts.append(at.slopes[:, :, i, None] * prolonged[:, None, :])
            size += (at.slopes[:, :, i] * jets.derivatives[j][:, c, None]).square()
        m = torch.stack(parts).sum(0)
        weight = SETTINGS.own_size * size.sqrt()[:, :, None]
        own = [weight * (fields[0, :, None, :, a] / self.scales.spread[a]) for a in range(self.space.d)]
        unit = self.scales.equations[:, None]
        s = torch.cat([part / unit for part in (*parts, *own)], 1)
        return m / unit, s.reshape(n, -1, m.shape[2])


def solution_series(jets: JetSample, truncation: Truncation) -> Series:
    """(x + δ, u(x + δ)) ``(n, q + c)`` as power series in δ."""
    q = len(jets.independent)
    zero = torch.zeros_like(jets.points)
    known: dict[MultiIndex, Tensor] = {}
    for j in truncation.indices:
        place = zero
        if sum(j) == 0:
            place = jets.points
        elif sum(j) == 1:
            place = zero.clone()
            place[:, j.index(1)] = 1.0
        known[j] = torch.cat([place, jets.derivatives[j]], 1)
    assert all(len(j) == q for j in truncation.indices)
    return variables(truncation, known)


def _raised(j: MultiIndex, i: int) -> MultiIndex:
    return tuple(a + (b == i) for b, a in enumerate(j))
