"""The pencil of a fit F̂ = F₀ + φᵀW, made again for any weights of the blocks of data.

Everything is linear in W: with A = dφ·ξ at fixed evaluation points, the rows of the Lie derivative under weights w are
A·W(w) − ξ_Y·(F₀ + φW(w)) + dF₀·ξ, and W(w) solves a small system from blockwise sums ΦᵀΦ and ΦᵀY.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from symfind.decision.halves import Half, gram_by_block
from symfind.decision.on_support import fields_on_support, whitened_slope
from symfind.decision.settings import SETTINGS
from symfind.fits.features import FourierFeatures, MultiquadricFeatures, PolynomialFeatures
from symfind.fits.fitted_family import FittedFamily
from symfind.fits.surrogate import Family, LinearFit, held_out_error
from symfind.lie_derivative import Commuting, Invariant, LieDerivative, about_mean
from symfind.linalg.nullspace import GeneralisedSpectrum, streamed_pencil_spectrum

# Disjoint folds of the cross-fitted Gram matrices: an average over pairs i ≠ j of fits on different rows.
FOLDS = 4
# Numbers in one array of Lie derivatives of the features, (points · features · directions).
_BUDGET = 4e6
# So many times these are all taken: leaving a few out saves little.
_NEARLY_ALL = 1.5
# Points times weights whose rows are held at once: few enough to stay in the processor's cache.
_AT_ONCE = 6400
# A residual of this share of the variance is rounding.
_EXACT = 1e-20


@dataclass(frozen=True)
class Evaluated:
    """Points of one half, their blocks in ascending order, and what the refits' pencils need of them.

    Attributes
    ----------
    x, block
        ``(n, D)`` and ``(n,)``.
    features
        φ(x) ``(n, f)``.
    values
        F̂ ``(n, m)`` of each of the fits on disjoint folds.
    slope
        ``(n,)`` ‖dF‖²_{G→H}, and ‖F‖²_H where fields are measured against it too, from pairs of these fits.
    """

    x: Tensor
    block: Tensor
    features: Tensor
    values: tuple[Tensor, ...]
    slope: Tensor


class RefitSide:
    """One half of the data with a linear-in-parameters fit: a :class:`~symfind.decision.bounds.Side`.

    Parameters
    ----------
    half
        Its rows and blocks.
    template
        The Lie derivative whose map is to be replaced by the fits of this half.
    family
        The class of the fits.
    seed
        Of the evaluation points and the folds.
    """

    def __init__(self, half: Half, template: LieDerivative, family: Family, seed: int = 0) -> None:
        self.half, self.template, self.family, self.seed = half, template, family, seed
        generator = torch.Generator().manual_seed(seed)
        self.fitted = FittedFamily.of(family, half.samples.x, half.samples.y, half.block, self.blocks)
        # Folds are unions of blocks, so that what is correlated stays together.
        self.folds = torch.randperm(self.blocks, generator=generator) % FOLDS
        self._order = torch.randperm(len(half.samples), generator=generator)
        self._last: tuple[Tensor, Tensor] | None = None
        self._evaluated: Evaluated | None = None

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return self.half.blocks

    def plain_weights(self) -> Tensor:
        """W ``(1, f, m)`` of the fit to the whole half."""
        return self.fitted.weights(torch.ones(1, self.blocks, dtype=torch.float64))

    def fold_indicators(self) -> Tensor:
        """Weights ``(F, B)`` that leave one fold each."""
        return torch.stack([(self.folds == i).double() for i in range(FOLDS)])

    @cached_property
    def fold_weights(self) -> Tensor:
        """W ``(F, f, m)`` on disjoint folds; where these have too few rows, the plain fit twice (not debiased)."""
        folds = self.fold_indicators()
        distinct = self.half.block
        if self.half.samples.group is not None:
            # Copies of a row are then a group and stay in one block: only distinct rows count for a fit.
            distinct = torch.unique(torch.cat([distinct[:, None].double(), self.half.samples.x], 1), dim=0)[:, 0].long()
        count = torch.bincount(distinct, minlength=self.blocks).double()
        if self.blocks < FOLDS or bool((folds @ count < 2 * self.family.features.size).any()):
            return self.plain_weights().expand(2, -1, -1)
        return self.fitted.weights(folds)

    def fit(self, weights: Tensor) -> LinearFit:
        """φᵀW."""
        shape_in, shape_out = self.template.map.input_shape, self.template.map.output_shape
        return LinearFit(self.family.features, weights, shape_in, shape_out)

    def values(self, x: Tensor, weights: Tensor) -> Tensor:
        """φW ``(R, n, m)``."""
        return torch.einsum("nf,rfm->rnm", self.family.features(x), weights)

    def residual(self) -> Tensor:
        """What the plain fit leaves of y, ``(n, m)``."""
        return self.half.samples.y - self.family.features(self.half.samples.x) @ self.plain_weights()[0]

    def directions(self) -> GeneralisedSpectrum:
        """Directions of the plain pencil of this half's fit."""
        derivative = replace(self.template, map=self.fit(self.plain_weights()[0]))
        points = self.points(max(2000, 8 * derivative.unknowns // max(self.template.geometry.outputs.shape[1], 1)))
        x = self.half.samples.x[points].reshape(-1, *self.template.map.input_shape)
        return streamed_pencil_spectrum((derivative.pencil(part) for part in torch.split(x, 512)), derivative.unknowns)

    def points(self, count: int) -> Tensor:
        """Numbers of up to ``count`` rows, the same for the same seed."""
        return self._order[: min(count, len(self.half.samples))]

    def points_by_block(self, features: int, directions: int) -> Tensor:
        """Numbers of as many rows as can be afforded with so many features and directions, block after block."""
        affordable = int(_BUDGET / (features * max(directions, 1)))
        count = min(max(SETTINGS.fewest_points, affordable), SETTINGS.enough_points)
        index = self.points(len(self.half.samples) if len(self.half.samples) <= _NEARLY_ALL * count else count)
        return index[torch.argsort(self.half.block[index], stable=True)]

    def evaluated(self, directions: int) -> Evaluated:
        """Points for so many directions; the last answer is kept, because directions are asked for in turn."""
        index = self.points_by_block(self.family.features.size, directions)
        if self._evaluated is None or len(self._evaluated.x) != len(index):
            x, t = self.half.samples.x[index], self.template
            values, slopes = [], []
            for w in self.fold_weights:
                value, jacobian = self.fit(w).value_and_jacobian(x.reshape(-1, *t.map.input_shape))
                values.append(value)
                slopes.append(whitened_slope(t, jacobian, len(x)))
            slope = pair_mean(torch.stack(slopes).flatten(2)[..., None])[:, 0, 0]
            if t.against_value:
                slope = slope + pair_mean(torch.stack([t.measured(value) for value in values])[..., None])[:, 0, 0]
            features = self.family.features(x)
            self._evaluated = Evaluated(x, self.half.block[index], features, tuple(values), slope)
        return self._evaluated

    @cached_property
    def residual_fits(self) -> list[FittedFamily]:
        """Richer families that lower the held-out error of the residual, fitted to it; their blocks are the folds."""
        residual = self.residual()
        y = self.half.samples.y
        spread, size = y.var(0, correction=0), y.square().mean(0)
        # A constant component of a tensor has no spread; rounding is then a share of its size.
        if bool((residual.square().mean(0) <= _EXACT * torch.where(spread > 1e-26 * size, spread, size)).all()):
            return []  # the family holds F to rounding, and rounding has no derivative to speak of
        x, fold = self.half.samples.x, self.folds[self.half.block]
        fitted = (FittedFamily.of(family, x, residual, fold, FOLDS) for family in self.richer)
        return [fit for fit in fitted if fit.held_out_share() < 1.0]

    @cached_property
    def untested(self) -> tuple[float, float]:
        """Held-out share of variance that no family as rich as this one could be fitted to, and its steepness."""
        if any(family.features.size >= self.family.features.size for family in self.richer):
            return 0.0, 0.0
        share = held_out_error(self.half.samples, self.family, self.folds[self.half.block])[0]
        features = self.family.features
        # A polynomial of degree k on an interval is at most k² times as steep as it is large, typically k times.
        return share, float(features.degree if isinstance(features, PolynomialFeatures) else SETTINGS.wave_steepness)

    def refits(self, weights: Tensor) -> Tensor:
        """W ``(R, f, m)`` for weights ``(R, B)``; the last answer is kept, because every direction asks for it."""
        if self._last is None or self._last[0] is not weights:
            self._last = (weights, self.fitted.weights(weights))
        return self._last[1]

    def along(self, vectors: Tensor) -> RefitAlong:
        """The refits' pencil in the directions ``(P, K)``."""
        return RefitAlong(self, vectors)

    @cached_property
    def richer(self) -> list[Family]:
        """Degree + 1, degree + 2, random features and denser centres, as far as a fold's rows can fit them."""
        features = self.family.features
        limit = min(SETTINGS.richest, len(self.half.samples) // (2 * FOLDS))
        generator = torch.Generator().manual_seed(self.seed + 1)
        out: list[Family] = []
        if isinstance(features, PolynomialFeatures):
            steps = [PolynomialFeatures.of_degree(features.standard, features.degree + step) for step in (1, 2)]
            out += [Family(f) for f in steps if f.size <= limit]
        waves = min(256, limit)
        if waves >= 16 and isinstance(features, PolynomialFeatures | FourierFeatures | MultiquadricFeatures):
            out.append(Family(FourierFeatures.draw(features.standard, waves, 1.5, generator), 1e-6))
        if isinstance(features, MultiquadricFeatures):
            count = min(2 * features.centres.shape[0], limit)
            length = features.length / (2 * features.centres.shape[1] ** 0.5)
            x = self.half.samples.x
            out.append(Family(MultiquadricFeatures.draw(features.standard, x, count, length, generator), 1e-8))
        return out


class RefitAlong:
    """Refits of one half, differentiated along K fixed directions at fixed evaluation points."""

    def __init__(self, side: RefitSide, vectors: Tensor) -> None:
        self._side = side
        self._vectors = vectors
        self._at = side.evaluated(vectors.shape[1])

    @cached_property
    def _fields(self) -> Tensor:
        """ξ_v ``(n, K, D)``."""
        return fields_on_support(self._side.template, self._at.x, self._vectors)

    @cached_property
    def _moved(self) -> Tensor:
        """dφ·ξ_v ``(n, f, K)``: the same for all weights."""
        return self._side.family.features.push(self._at.x, self._fields)

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Numerators from refits, denominators from cross-fitted slopes, both under the same weights."""
        side, t = self._side, self._side.template
        fits = side.refits(weights)
        measured = torch.einsum("rfom,mh->rohf", fits.reshape(*fits.shape[:2], *t.output_objects), t.geometry.outputs)
        numerator = torch.zeros(len(weights), *2 * self._vectors.shape[1:], dtype=torch.float64)
        at_once, count = max(1, _AT_ONCE // len(weights)), len(self._at.x)
        for at in range(0, count, at_once):
            part = slice(at, min(at + at_once, count))
            rows = self._rows(part, fits, measured)
            rows = rows.mul_(weights[:, None, self._at.block[part], None].sqrt()).flatten(1, 2)
            numerator += rows.mT @ rows
        return numerator / count, torch.einsum("rb,bKL->rKL", weights, self._sizes) / count

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same: random weights move it as fresh rows would."""
        return self.grams(weights)

    def _rows(self, part: slice, fits: Tensor, measured: Tensor) -> Tensor:
        """H^{1/2}L_vF ``(R, k′h, n, K)`` at some points for fits W ``(R, f, m)``; ``measured`` is WH^{1/2}."""
        t = self._side.template
        pushed = self._moved[part]
        n, features, k = pushed.shape
        rows = measured.flatten(0, 2) @ pushed.transpose(0, 1).reshape(features, n * k)
        rows = rows.reshape(fits.shape[0], -1, n, k)
        if isinstance(t.action, Invariant):
            return rows
        values = self._at.features[part] @ fits  # (R, n, m)
        if self._fibre_matrices is None:
            x = self._at.x[part]
            fibre = torch.stack([f for f in (self._fibre(x, value) for value in values) if f is not None])
            return rows - fibre.permute(0, 2, 3, 1, 4).flatten(1, 2)
        out: Tensor = rows - self._pulled(values, self._fibre_matrices[part]).permute(2, 1, 3, 0, 4).flatten(1, 2)
        return out

    def _pulled(self, values: Tensor, matrices: Tensor) -> Tensor:
        """H^{1/2}ξ_Y·F ``(n, k′, R, h, K)`` of values ``(R, n, m)`` by the matrices of these points."""
        y = values.reshape(*values.shape[:2], *self._side.template.output_objects).permute(1, 2, 0, 3)  # (n, k′, R, m)
        pulled: Tensor = (y @ matrices.flatten(3)).reshape(*y.shape[:3], *matrices.shape[3:])
        return pulled

    @cached_property
    def _fibre_matrices(self) -> Tensor | None:
        """H^{1/2}ξ_Y as matrices ``(n, k′, m, h, K)`` that act on y; None where ξ_Y is not linear in y."""
        t = self._side.template
        if isinstance(t.action, Commuting):
            return None
        x = self._at.x
        k_out, m = t.output_objects
        units = torch.eye(m, dtype=x.dtype, device=x.device)
        parts = [self._fibre(x, unit.repeat(x.shape[0], k_out)) for unit in units]
        return torch.stack([part for part in parts if part is not None], 2)

    def _fibre(self, x: Tensor, y: Tensor) -> Tensor | None:
        """H^{1/2}ξ_Y·y ``(n, k′, h, K)``."""
        t = self._side.template
        n = x.shape[0]
        columns = t.action.columns(t.space, x.reshape(n, *t.objects), y.reshape(n, *t.output_objects))
        if columns is None:
            return None
        return torch.einsum("nomP,mh,PK->nohK", columns, t.geometry.outputs, self._vectors)

    @cached_property
    def _sizes(self) -> Tensor:
        """S_b ``(B, K, K)`` with ‖dF‖² and (ξ_Y F)² from pairs of fits on disjoint folds, point by point."""
        side, t, at = self._side, self._side.template, self._at
        xi = self._fields.reshape(*self._fields.shape[:2], *t.objects) @ t.geometry.inputs.whiten.T
        if t.field_mean is not None:
            xi = about_mean(xi, torch.einsum("pr,pK->Kr", t.field_mean, self._vectors[: t.space.dim])[:, None, :])
        flat = xi.flatten(2)
        if t.geometry.support is not None:
            flat = flat @ t.geometry.support
        flat = flat.mT  # (n, D, K)
        weight = (at.slope / max(t.geometry.rank, 1))[:, None, None]
        sizes = gram_by_block(weight * flat, flat, at.block, side.blocks)
        if isinstance(t.action, Invariant):
            return sizes
        values = torch.stack(at.values)  # (F, n, m)
        if self._fibre_matrices is None:
            parts = [fibre for fibre in (self._fibre(at.x, value) for value in values) if fibre is not None]
            fibres = torch.stack(parts, 1).flatten(2, 3)  # (n, F, k′h, K)
        else:
            fibres = self._pulled(values, self._fibre_matrices).transpose(1, 2).flatten(2, 3)
        total, own = fibres.sum(1), fibres.flatten(1, 2)
        pairs = gram_by_block(total, total, at.block, side.blocks) - gram_by_block(own, own, at.block, side.blocks)
        return sizes + pairs / (len(values) * (len(values) - 1))

    def untested(self) -> tuple[float, float]:
        """Of this side."""
        return self._side.untested

    def misfit(self) -> list[Tensor]:
        """Cross-fold Gram matrices of the Lie derivative of the residual, for richer families that see something."""
        return [self._residual_gram(fitted) for fitted in self._side.residual_fits]

    def _residual_gram(self, fitted: FittedFamily) -> Tensor:
        side, t = self._side, self._side.template
        features = fitted.family.features
        x = side.half.samples.x[side.points_by_block(features.size, self._vectors.shape[1])]
        n = x.shape[0]
        pushed = features.push(x, fields_on_support(t, x, self._vectors))
        base = side.values(x, side.plain_weights())[0]
        whole = self._fibre(x, base)
        rows = []
        for w in fitted.by_block():
            moved = torch.einsum("nfK,fm->nmK", pushed, w).reshape(n, *t.output_objects, -1)
            row = torch.einsum("nomK,mh->nohK", moved, t.geometry.outputs)
            shifted = self._fibre(x, base + features(x) @ w)
            if shifted is not None and whole is not None:
                row = row - (shifted - whole)
            rows.append(row.flatten(0, 2))
        return pair_mean(torch.stack(rows)[:, None])[0] / n


def pair_mean(rows: Tensor) -> Tensor:
    """Mean over pairs i ≠ j of rowsᵢᵀrowsⱼ: ``(F, n, r, K)`` → ``(n, K, K)``, symmetrised by construction."""
    folds = rows.shape[0]
    total = rows.sum(0)
    whole = total.mT @ total
    own = (rows.mT @ rows).sum(0)
    return (whole - own) / (folds * (folds - 1))
