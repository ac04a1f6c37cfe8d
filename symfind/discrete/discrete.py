"""F(gx) = B F(x): finite candidates g with their relative defect, bounded as those of generators are.

    ρ_g² = E‖F(gx) − B F(x)‖²_H / (2 E‖F − EF‖²_H)

with B the identity, g itself, their negatives; for dx/dt (which is measured about zero) B = −g turns time around. Two
values of F that have nothing to do with one another give 1. Of a distribution, ρ_g² is what a linear rule in the test
functions of the weak form tells the points from the moved points by: the share of variance between them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.decision.bounds import direction_bounds, exponential_weights
from symfind.decision.evidence import Evidence
from symfind.discrete.acts import Act
from symfind.discrete.finite import Move
from symfind.discrete.settings import SETTINGS
from symfind.discrete.sides import Moved
from symfind.discrete.subject import subject_of
from symfind.schema.discrete import Discrete


class _Candidates:
    """Candidates as the directions of a side: Gram matrices that are diagonal."""

    def __init__(self, moved: Moved) -> None:
        self._moved = moved

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return self._moved.blocks

    def along(self, vectors: Tensor) -> _Candidates:
        """The candidates are all there is."""
        return self

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Diagonal ``(R, C, C)``."""
        numerator, denominator = self._moved.squares(weights)
        return torch.diag_embed(numerator), torch.diag_embed(denominator)

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Diagonal ``(R, C, C)``, spread as the estimate is from sample to sample."""
        numerator, denominator = self._moved.drawn(weights)
        return torch.diag_embed(numerator), torch.diag_embed(denominator)

    def misfit(self) -> list[Tensor]:
        """Diagonal ``(C, C)``."""
        return [torch.diag(m) for m in self._moved.misfits()]

    def untested(self) -> tuple[float, float]:
        """What was not tested of F was not tested of gF either; its slope does not matter."""
        share, steep = self._moved.untested()
        return share, min(steep, 1.0)


def discrete_symmetries(
    evidence: Evidence, moves: Sequence[Move], tolerance: float, alpha: float, refits: int, seed: int
) -> tuple[tuple[Act, Discrete], ...]:
    """Verdicts on finite candidates, each with the action on F(x) that fits best; level α over all of them.

    Raises
    ------
    UsageError
        The data are of a kind that has neither F nor points, or cannot be halved.
    """
    subject = subject_of(evidence)
    if not moves:
        return ()
    acts = subject.acts(moves)
    share = subject.shares(acts)
    generator = torch.Generator().manual_seed(seed + 47)
    sides = [_Candidates(half) for half in subject.halves(acts)]
    weights = [exponential_weights(refits, side.blocks, generator) for side in sides]
    units = torch.eye(len(acts), dtype=torch.float64)
    bounds = direction_bounds(units, sides, alpha / len(acts), weights)  # type: ignore[arg-type]
    out = []
    for i, act in enumerate(acts):
        defect, lower, upper = (float(b[i]) for b in (bounds.estimate, bounds.lower, bounds.upper))
        far = not evidence.given and share[i] < SETTINGS.least_inside
        verdict = "refuted" if lower > tolerance and not far else "undecided"
        if upper < tolerance and not far and not evidence.doubts:
            # Surely broken, however little: of a given F above rounding, of a fit above what it resolves.
            least = evidence.rounding if evidence.given else tolerance / 5
            verdict = "approximate" if lower > least else "certified"
        entry = Discrete(
            name=act.move.name,
            matrix=act.move.matrix,
            output=act.about,
            output_action=act.output,
            defect=defect,
            lower=min(lower, defect),
            upper=max(upper, defect),
            verdict=verdict,
            inside=share[i],
        )
        out.append((act, entry))
    return tuple(out)
