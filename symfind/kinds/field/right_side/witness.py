"""The witness of a learned equation: N with the certified symmetries, as good on solutions that it was not fitted to.

The functions N of differential invariants are those with pr(ξ)(u_t − N) = 0 on u_t = N. Where ξ moves t and x alike for
all u, that is affine in N: M₀ + Σ w_l M_l = 0 at points of the jet. N is fitted to half of the solutions under

    ‖u_t − Σ w_l f_l‖²/‖terms‖² + ‖M₀ + Σ w_l M_l‖²/(r²‖terms of pr(ξ)Δ‖²),

with r the resolution: a defect of r costs as much as all of u_t. If that loses on the other half, no equation in the
span of f has these symmetries and predicts, and nothing is certified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, Finding
from symfind.decision.finding import BoundsJudge
from symfind.fits.surrogate import fold_labels
from symfind.kinds.field.determining_equations import probed
from symfind.kinds.field.equation_fit import explained
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.prolongation import Prolongation
from symfind.kinds.field.right_side.fit import over_richer
from symfind.kinds.field.right_side.learned_equation import LearnedEquation
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.superposition import EquationExtent
from symfind.schema.equation import SymmetricEquationEntry


@dataclass(frozen=True)
class SymmetricEquationJudge:
    """Bounds of ρ; then whether an equation with what they certify predicts.

    Attributes
    ----------
    evidence
        Of the learned equation.
    prolongation, at
        Its determining equations, and the points at which they are asked.
    jets
        The sample that it was fitted to.
    """

    evidence: Evidence
    prolongation: Prolongation
    at: JetSample
    jets: JetSample

    def __call__(self, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
        """Verdicts by the bounds, all undecided if the witness loses."""
        found = BoundsJudge(self.evidence)(tolerance, alpha, refits, seed)
        vectors = [g.vector for g in found.generators if g.verdict == "certified"] + [v for v, _ in found.apart]
        equation = self.evidence.equation
        if equation is None or not vectors:
            return found
        witness = symmetric_equation(self.prolongation, self.at, self.jets, vectors, seed)
        if witness is None:
            note = "no witness: a certified field moves t or x by u, and N enters its determining equations squared"
            return replace(found, notes=(*found.notes, note))
        evidence = replace(self.evidence, equation=replace(equation, symmetric=witness))
        loses = witness.residual > SETTINGS.trusted * equation.residual
        if loses and not explained(witness.residual, equation.expected):
            reason = (
                f"an equation with these symmetries leaves {100 * witness.residual:.2g} % of held-out solutions, the "
                f"learned one {100 * equation.residual:.2g} %"
            )
            found = BoundsJudge(replace(evidence, doubts=(*evidence.doubts, reason)))(tolerance, alpha, refits, seed)
        return replace(found, evidence=evidence)


def judge_of(evidence: Evidence, jets: JetSample, generator: torch.Generator) -> SymmetricEquationJudge:
    """The judge for evidence of a learned equation, at the points that the evidence kept."""
    extent = evidence.extent
    assert isinstance(extent, EquationExtent)
    at = probed(extent.prolongation.equation, extent.jets, generator)
    return SymmetricEquationJudge(evidence, extent.prolongation, at, jets)


def symmetric_equation(
    prolongation: Prolongation, at: JetSample, jets: JetSample, vectors: Sequence[Tensor], seed: int
) -> SymmetricEquationEntry | None:
    """What the best N with these symmetries ``(P,)`` leaves; None if these do not act on t and x alone."""
    assert isinstance(prolongation.equation, LearnedEquation)
    equation = over_richer(prolongation.equation)
    fields = torch.stack(list(vectors), 1)

    def determining(theta: Tensor) -> tuple[Tensor, Tensor]:
        """M and S for these numbers, ``(rows, K)``."""
        own = equation.with_parameters(theta)
        m, s = replace(prolongation, equation=own).rows(own.solved(at)[0], fields)
        return m.flatten(0, 1), s.flatten(0, 1)

    m, s = determining(equation.theta)
    unit = s.square().sum(0).sqrt().clamp(min=1e-300)
    # Columns in the units in which each function contributes to N.
    _, slopes, size = _linear(equation, jets)
    unit_of = slopes.square().mean((0, 1)).sqrt().clamp(min=1e-300)
    zero, _ = determining(torch.zeros_like(equation.theta))
    columns = torch.stack(
        [((determining(one)[0] - zero) / unit).flatten() for one in torch.diag(1.0 / unit_of).unbind(0)], 1
    )
    start = (zero / unit).flatten()
    affine = columns @ (unit_of * equation.theta) + start
    if float((affine - (m / unit).flatten()).norm()) > 1e-6 * float(start.norm() + 1):
        return None
    generator = torch.Generator().manual_seed(seed + 41)
    fold = fold_labels(jets.rows, jets.group, 2, generator)
    left, defect = 0.0, 0.0
    for i in (0, 1):
        fitted = _penalised(equation, jets.take(fold != i), columns, start, unit_of)
        value, _, terms = _linear(fitted, jets.take(fold == i))
        left = max(left, float((value.square().mean(0).sqrt() / terms).max()))
        defect = max(defect, float((columns @ (unit_of * fitted.theta) + start).norm()))
    return SymmetricEquationEntry(residual=left, defect=defect, functions=equation.functions)


def _linear(equation: LearnedEquation, jets: JetSample) -> tuple[Tensor, Tensor, Tensor]:
    at = equation.linearised(jets)
    return at.value, at.by_parameter, equation.terms(jets, at)


def _penalised(
    equation: LearnedEquation, jets: JetSample, columns: Tensor, start: Tensor, unit_of: Tensor
) -> LearnedEquation:
    """The numbers of least misfit and defect together."""
    value, slopes, size = _linear(equation, jets)
    scale = size[:, None] * len(value) ** 0.5
    design = (slopes / scale / unit_of).flatten(0, 1)
    # Δ is affine in the numbers: the step from those at hand.
    now = columns @ (unit_of * equation.theta) + start
    table = torch.cat([design, columns / SETTINGS.resolution])
    target = torch.cat([-(value / scale[:, 0]).flatten(), -now / SETTINGS.resolution])
    step = torch.linalg.lstsq(table, target[:, None], driver="gelsd").solution[:, 0]
    moved = equation.with_parameters(equation.theta + step / unit_of)
    assert isinstance(moved, LearnedEquation)
    return moved
