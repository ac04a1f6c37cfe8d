"""The witness of a learned equation: N with the certified symmetries, as good on solutions that it was not fitted to.

The functions N of differential invariants are those with pr(ξ)(u_t − N) = 0 on u_t = N. Where ξ moves t and x alike for
all u, that is affine in N: M₀ + Σ w_l M_l = 0 at points of the jet. N is fitted to half of the solutions under

    ‖u_t − Σ w_l f_l‖²/‖terms‖² + (r/U)² ‖M₀ + Σ w_l M_l‖²/‖terms of pr(ξ)Δ‖²,

with r the resolution and U the bound to which the symmetries are certified (r² at least): they are known no better, and
a defect of U costs as much as a residual of r. If that loses on the other half, a note says so: no
equation in the span of f has just these symmetries and predicts.
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
    """Bounds of ρ; beside them whether an equation with what they certify predicts.

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
        """Verdicts by the bounds, and what the witness adds."""
        found = BoundsJudge(self.evidence)(tolerance, alpha, refits, seed)
        upper = max((g.upper for g in found.generators if g.verdict == "certified"), default=0.0)
        vectors = [g.vector for g in found.generators if g.verdict == "certified"] + [v for v, _ in found.apart]
        equation = self.evidence.equation
        if equation is None or not vectors:
            return found
        witness = symmetric_equation(self.prolongation, self.at, self.jets, vectors, upper, seed)
        if witness is None:
            note = "no witness: a certified field moves t or x by u, and N enters its determining equations squared"
            return replace(found, notes=(*found.notes, note))
        evidence = replace(self.evidence, equation=replace(equation, symmetric=witness))
        loses = witness.residual > SETTINGS.trusted * max(witness.without, equation.residual)
        if loses and not explained(witness.residual, equation.expected):
            note = "the witness loses: these symmetries, or what the functions of the jet hold of them, are not exact"
            found = replace(found, notes=(*found.notes, note))
        return replace(found, evidence=evidence)


def judge_of(evidence: Evidence, jets: JetSample, generator: torch.Generator) -> SymmetricEquationJudge:
    """The judge for evidence of a learned equation, at the points that the evidence kept."""
    extent = evidence.extent
    assert isinstance(extent, EquationExtent)
    at = probed(extent.prolongation.equation, extent.jets, generator)
    return SymmetricEquationJudge(evidence, extent.prolongation, at, jets)


def symmetric_equation(
    prolongation: Prolongation, at: JetSample, jets: JetSample, vectors: Sequence[Tensor], upper: float, seed: int
) -> SymmetricEquationEntry | None:
    """What the best N with these symmetries ``(P,)`` leaves, of a defect up to ``upper``; None if it is not affine."""
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
    weight = SETTINGS.resolution / max(upper, SETTINGS.resolution**2)
    fold = fold_labels(jets.rows, jets.group, 2, generator)
    left, without, defect = 0.0, 0.0, 0.0
    for i in (0, 1):
        fitted = _penalised(equation, jets.take(fold != i), weight * columns, weight * start, unit_of)
        free = _penalised(prolongation.equation, jets.take(fold != i), columns[:0], start[:0], None)
        left = max(left, _missed(fitted, jets.take(fold == i)))
        without = max(without, _missed(free, jets.take(fold == i)))
        defect = max(defect, float((columns @ (unit_of * fitted.theta) + start).norm()))
    return SymmetricEquationEntry(residual=left, without=without, defect=defect, functions=equation.functions)


def _linear(equation: LearnedEquation, jets: JetSample) -> tuple[Tensor, Tensor, Tensor]:
    at = equation.linearised(jets)
    return at.value, at.by_parameter, equation.terms(jets, at)


def _missed(equation: LearnedEquation, jets: JetSample) -> float:
    """Rms of Δ over that of its terms."""
    value, _, size = _linear(equation, jets)
    return float((value.square().mean(0).sqrt() / size).max())


def _penalised(
    equation: LearnedEquation, jets: JetSample, columns: Tensor, start: Tensor, unit_of: Tensor | None
) -> LearnedEquation:
    """The numbers of least misfit and defect together; of least misfit, without units and columns."""
    value, slopes, size = _linear(equation, jets)
    if unit_of is None:
        unit_of = slopes.square().mean((0, 1)).sqrt().clamp(min=1e-300)
        columns = columns.new_zeros(0, len(unit_of))
    scale = size[:, None] * len(value) ** 0.5
    design = (slopes / scale / unit_of).flatten(0, 1)
    # Δ is affine in the numbers: the step from those at hand.
    now = columns @ (unit_of * equation.theta) + start
    table = torch.cat([design, columns])
    target = torch.cat([-(value / scale[:, 0]).flatten(), -now])
    step = torch.linalg.lstsq(table, target[:, None], driver="gelsd").solution[:, 0]
    moved = equation.with_parameters(equation.theta + step / unit_of)
    assert isinstance(moved, LearnedEquation)
    return moved
