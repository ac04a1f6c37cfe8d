"""pr(ξ)Δ = Σ_J ∂Δ/∂u_J · D_J Q + ξ^i D_iΔ: the determining equations of point symmetries, as rows (Olver 1993, §2.3).

With ξ = ξ^i ∂_{x_i} + φ^α ∂_{u^α} and the characteristic Q^α = φ^α − ξ^i u^α_i the prolonged coefficients are

    φ^α_J = D_J Q^α + ξ^i u^α_{J+i} = D_J φ^α − Σ_i Σ_{0<K≤J} C(J, K) D_K ξ^i u^α_{J−K+i},

in which no derivative is of higher order than J: they need nothing but the points on Δ = 0 themselves. On solutions
D_iΔ = 0, so that pr(ξ)Δ is a sum of the terms ∂Δ/∂u_J · D_J Q; how far these cancel is the relative defect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from symfind.fields.equation import Equation, Linearised
from symfind.fields.jet_sample import JetSample, MultiIndex
from symfind.fields.space import VectorFieldSpace, on_series
from symfind.fields.taylor import Series, Truncation, variables

# The size of Q itself, weighed by this, counts beside the terms: in u_t = u_xx all terms of ξ = ∂_u are zero, and
# it is a symmetry all the same. At one, fields that vary slowly would look like symmetries.
_OWN_SIZE = 0.1
# Numbers held at once for the series of the fields.
_NUMBERS = 2**23


def binomial(j: MultiIndex, k: MultiIndex) -> int:
    """∏ C(j_i, k_i)."""
    return math.prod(math.comb(a, b) for a, b in zip(j, k, strict=True))


@dataclass(frozen=True)
class Scales:
    """Sizes that make the rows of a system comparable, from the data.

    Attributes
    ----------
    equations
        ``(E,)``: rms size of the terms of Δ_e.
    own
        ``(E, c)``: how large ∂Δ_e/∂u^α_J·u^α_J are, over the spread of u^α.
    """

    equations: Tensor
    own: Tensor

    @classmethod
    def of(cls, equation: Equation, jets: JetSample, linearised: Linearised) -> Scales:
        """Sizes over the sample."""
        size = equation.terms(jets, linearised)
        own = size.new_zeros(len(equation.sides), len(equation.dependent))
        for i, (c, j) in enumerate(equation.coordinates):
            part = linearised.slopes[:, :, i] * jets.derivatives[j][:, c, None]
            own[:, c] += part.square().mean(0)
        spread = jets.values.std(0, correction=0).clamp(min=1e-300)
        return cls(size, own.sqrt() / spread)


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
        width = self.space.dim * (self.space.d * series + len(self.equation.coordinates) * len(self.equation.sides))
        return max(16, _NUMBERS // max(width, 1))

    def rows(self, jets: JetSample, vectors: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """M ``(n, E, p)`` and S ``(n, E·(C + c), p)`` at points on the equation.

        With ``vectors`` ``(p, K)`` the rows of these combinations ``(…, K)``.
        """
        equation = self.equation
        at = equation.linearised(jets)
        q, n = len(equation.independent), jets.points.shape[0]
        truncation = Truncation.below(j for _, j in equation.coordinates)
        fields = on_series(self.space, solution_series(jets, truncation)).derivatives  # (N, n, p, d)
        if vectors is not None:
            fields = torch.einsum("jnpd,pk->jnkd", fields, vectors)
        moves = fields[0, :, :, :q]  # (n, p, q): ξ^i
        m = torch.einsum("npi,nei->nep", moves, at.explicit)
        s = []
        for i, (c, j) in enumerate(equation.coordinates):
            prolonged = fields[truncation.place[j], :, :, q + c]  # D_J φ
            for k in product(*(range(a + 1) for a in j)):
                if not any(k):
                    continue
                rest = tuple(a - b for a, b in zip(j, k, strict=True))
                slope = torch.stack([jets.derivatives[_raised(rest, a)][:, c] for a in range(q)], -1)
                term = torch.einsum("npi,ni->np", fields[truncation.place[k], :, :, :q], slope)
                prolonged = prolonged - binomial(j, k) * term
            m = m + at.slopes[:, :, i, None] * prolonged[:, None, :]
            beyond = torch.stack([jets.derivatives[_raised(j, a)][:, c] for a in range(q)], -1)
            characteristic = prolonged - torch.einsum("npi,ni->np", moves, beyond)  # D_J Q
            s.append(at.slopes[:, :, i, None] * characteristic[:, None, :])
        for c in range(len(equation.dependent)):
            slope = torch.stack([jets.derivatives[_raised((0,) * q, a)][:, c] for a in range(q)], -1)
            own = fields[0, :, :, q + c] - torch.einsum("npi,ni->np", moves, slope)
            s.append(_OWN_SIZE * self.scales.own[:, c, None] * own[:, None, :])
        unit = self.scales.equations[:, None]
        return m / unit, torch.cat([part / unit for part in s], 1).reshape(n, -1, m.shape[2])


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
