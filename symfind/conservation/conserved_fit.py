"""The dual nullspace of a fit F̂ = φᵀW, made again for any weights of the blocks: what noise in F(x) leaves open."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from symfind.conservation.conserved import ONE_GROUP, Conservation, evidence
from symfind.decision.evidence import Evidence, Surrogate
from symfind.decision.halves import Half, gram_by_block, halves
from symfind.decision.refits import RefitSide, pair_mean
from symfind.fields.polynomial import linear_fields
from symfind.fits.fitted_family import FittedFamily
from symfind.fits.surrogate import Choice, Family, LinearFit, Samples, fit_weights
from symfind.kinds.maps.nullspace import POOR_FIT
from symfind.lie_derivative import Invariant, LieDerivative
from symfind.linalg.nullspace import GeneralisedSpectrum

# Points at which refits are evaluated: means over them are what noise is measured against, not sharpened.
_POINTS = 600
_BUDGET = 2e7


class ConservationSide(RefitSide):
    """One half of the rows and its refits of F, asked what they conserve: a :class:`~symfind.decision.bounds.Side`.

    Parameters
    ----------
    half
        Its rows and blocks.
    conservation
        What is asked.
    fit
        A fit of the family, for its shapes.
    family
        The class of the fits.
    seed
        Of the evaluation points and the folds.
    """

    def __init__(self, half: Half, conservation: Conservation, fit: LinearFit, family: Family, seed: int) -> None:
        d = conservation.space.d
        shaped = LieDerivative(fit, linear_fields(d), Invariant(), conservation.geometry, (1, d), (1, d))
        super().__init__(half, shaped, family, None, seed)
        self.conservation = conservation

    def directions(self) -> GeneralisedSpectrum:
        """Directions of the plain pencil of this half's fit."""
        x = self.half.samples.x[self.points(max(2000, 8 * self.conservation.unknowns))]
        return self.conservation.spectrum(x, self.values(x, self.plain_weights())[0])

    def along(self, vectors: Tensor) -> ConservationAlong:  # type: ignore[override]
        """The refits' pencil in the directions ``(p, K)``."""
        return ConservationAlong(self, vectors)


class ConservationAlong:
    """Refits of one half and K fixed functions at fixed evaluation points."""

    def __init__(self, side: ConservationSide, vectors: Tensor) -> None:
        self._side, self._vectors = side, vectors
        index = side.points(_POINTS)
        self._x, self._block = side.half.samples.x[index], side.half.block[index]

    def _rows(self, values: Tensor) -> Tensor:
        """L_F f ``(R, n, K)`` for F ``(R, n, d)``."""
        c = self._side.conservation
        return torch.stack([c.rate.change(c.space, self._x, value) @ self._vectors for value in values])

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Numerators from refits, denominators from cross-fitted steps, both under the same weights."""
        side, n = self._side, self._x.shape[0]
        values = side.values(self._x, side.refits(weights))
        at_once = max(1, int(_BUDGET / (n * side.conservation.unknowns)))
        rows = torch.cat([self._rows(part) for part in torch.split(values, at_once)])
        rows = rows * weights[:, self._block].sqrt()[:, :, None]
        return rows.mT @ rows / n, torch.einsum("rb,bKL->rKL", weights, self._sizes) / n

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same: random weights move it as fresh rows would."""
        return self.grams(weights)

    @cached_property
    def _sizes(self) -> Tensor:
        """S_b ``(B, K, K)`` with ‖F‖² from pairs of fits on disjoint folds, point by point."""
        side, c = self._side, self._side.conservation
        folds = side.values(self._x, side.fold_weights)  # (F, n, d)
        steps = torch.stack([c.rate.step(self._x, value) for value in folds]) @ c.geometry.inputs.whiten.T
        weight = pair_mean(steps[..., None])[:, 0, 0] / max(c.geometry.rank, 1)  # (n,)
        varied = (c.space(self._x) - c.mean) @ self._vectors
        return gram_by_block((weight[:, None] * varied)[:, None], varied[:, None], self._block, side.blocks)

    def untested(self) -> tuple[float, float]:
        """Of this side."""
        return self._side.untested

    def misfit(self) -> list[Tensor]:
        """Cross-fold Gram matrices of what the residual changes, for richer families that see something."""
        return [self._residual_gram(fitted) for fitted in self._side.residual_fits]

    def _residual_gram(self, fitted: FittedFamily) -> Tensor:
        side = self._side
        base = side.values(self._x, side.plain_weights())
        features = fitted.family.features(self._x)
        more = torch.einsum("nf,rfd->rnd", features, fitted.by_block())
        rows = self._rows(base + more) - self._rows(base)
        return pair_mean(rows[:, None])[0] / self._x.shape[0]


def evidence_of_fitted_values(conservation: Conservation, choice: Choice, samples: Samples, seed: int) -> Evidence:
    """What a fit of F conserves: noise averages out of it, and refits of two halves bound what is left."""
    d = conservation.space.d
    generator = torch.Generator().manual_seed(seed + 17)
    weights, _ = fit_weights(choice.family, [(samples.x, samples.y)], d)
    fit = LinearFit(choice.family.features, weights, (d,), (d,))
    split = halves(samples, generator)
    doubts: list[str] = []
    sides: tuple[ConservationSide, ConservationSide] | None = None
    if split is None:
        doubts.append(ONE_GROUP)
    elif min(len(h.samples) for h in split) < 2 * choice.family.features.size:
        doubts.append(f"half of the {len(samples)} rows is too few to fit {choice.family.name} again")
    else:
        sides = (
            ConservationSide(split[0], conservation, fit, choice.family, seed),
            ConservationSide(split[1], conservation, fit, choice.family, seed + 1),
        )
    if choice.r2 < POOR_FIT:
        doubts.append(f"the fit explains only {100 * max(choice.r2, 0):.0f} % of held-out variance")
    surrogate = Surrogate(choice.family.name, choice.family.degree, choice.r2, choice.tried)
    spectrum = conservation.spectrum(samples.x, fit(samples.x))
    return evidence(conservation, spectrum, sides, tuple(doubts), given=False, surrogate=surrogate)
