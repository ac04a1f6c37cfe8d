"""α(t, x)∂_u: what every linear equation has, set apart from the symmetries that tell something about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.decision.gauge import Parting, nothing_apart
from symfind.decision.reach import Reach
from symfind.kinds.field.equation import Equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.prolongation import Prolongation
from symfind.kinds.field.settings import SETTINGS
from symfind.linalg.nullspace import generalised_spectrum

SUPERPOSITION = "superposition: the equation is linear, and any of its solutions may be added"


@dataclass(frozen=True)
class EquationExtent:
    """An equation holds wherever its solutions go: no coverage, no reach; superpositions set apart."""

    prolongation: Prolongation
    jets: JetSample

    def coverage(self, vectors: Tensor) -> Tensor:
        """Zero: the determining equations are identities on the equation."""
        return torch.zeros(vectors.shape[1], dtype=torch.float64)

    def reach(self, vector: Tensor, tolerance: float) -> Reach | None:
        """None."""
        return None

    def parting(self, vectors: Tensor, tolerance: float) -> Parting:
        """Fields α(t, x)∂_u apart, if the equation is linear; the others made to vanish at u = 0 where they can."""
        k = vectors.shape[1]
        if k == 0 or not is_linear(self.prolongation.equation, self.jets):
            return nothing_apart(k)
        space, q = self.prolongation.space, len(self.jets.independent)
        z = torch.cat([self.jets.points, self.jets.values], 1)
        spread = z.std(0, correction=0).clamp(min=1e-300)
        field = torch.einsum("npa,pk->nka", space.evaluate(z), vectors) / spread
        slopes = []
        for b in range(q, z.shape[1]):
            unit = torch.zeros_like(z)
            unit[:, b] = spread[b]
            slopes.append(torch.einsum("npa,pk->nka", space.along(z, unit), vectors) / spread)
        own = torch.cat([field[..., :q], *slopes], 2).transpose(1, 2).flatten(0, 1)  # vanish on α∂u alone
        size = field.transpose(1, 2).flatten(0, 1)
        spectrum = generalised_spectrum(own, size)
        apart = torch.linalg.qr(spectrum.vectors[:, spectrum.values < SETTINGS.zero_component]).Q
        if apart.shape[1] == 0:
            return nothing_apart(k)
        at_zero = z.clone()
        at_zero[:, q:] = 0.0
        shift = torch.einsum("npa,pk->nka", space.evaluate(at_zero), vectors)[..., q:] / spread[q:]
        table = shift.transpose(1, 2).flatten(0, 1)
        rest = torch.linalg.svd(apart, full_matrices=True).U[:, apart.shape[1] :]
        mix = torch.linalg.lstsq(table @ apart, table @ rest, driver="gelsd").solution
        return Parting(rest - apart @ mix, apart, SUPERPOSITION)


def is_linear(equation: Equation, jets: JetSample) -> bool:
    """Δ((j + k + l)/3) = (Δ(j) + Δ(k) + Δ(l))/3 for jets at one point (t, x): to rounding of a formula, else nearly."""
    n = jets.rows
    turned = [jets, *(_rolled(jets, n // 3 + 1), _rolled(jets, 2 * n // 3 + 1))]
    one, two, three = (part.derivatives for part in turned)
    mixed = {j: (one[j] + two[j] + three[j]) / 3 for j in jets.derivatives}
    values = [equation.linearised(part, slopes=False).value for part in turned]
    both = equation.linearised(replace(jets, derivatives=mixed), slopes=False).value
    size = equation.terms(jets, equation.linearised(jets))
    least = 1e-9 if equation.functions is None else SETTINGS.resolution
    return bool(((both - sum(values) / 3).square().mean(0).sqrt() < least * size).all())


def _rolled(jets: JetSample, by: int) -> JetSample:
    """The same places with the derivatives of other points."""
    return replace(jets, derivatives={j: v.roll(by, 0) for j, v in jets.derivatives.items()})
