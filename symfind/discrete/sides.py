"""One half of the data and C finite candidates: ρ_g² of each for any weights of its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from symfind.decision.given import GivenSide
from symfind.decision.reach import Inside
from symfind.decision.refits import RefitSide, pair_mean
from symfind.discrete.acts import Act, measured
from symfind.discrete.settings import SETTINGS
from symfind.kinds.points.weak import WeakForm, WeakSide
from symfind.lie_derivative import LieDerivative

_POINTS = 600
_GIVEN_POINTS = 4000


class Moved(Protocol):
    """One half of the data and C candidates: a :class:`~symfind.decision.bounds.Side` whose directions they are."""

    @property
    def blocks(self) -> int: ...  # noqa: D102

    def squares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Numerators and denominators ``(R, C)`` of ρ² for weights ``(R, B)``."""
        ...

    def drawn(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same for random weights, spread as fresh rows would."""
        ...

    def misfits(self) -> list[Tensor]:
        """Numerators ``(C,)`` from what richer families find in the residual."""
        ...

    def untested(self) -> tuple[float, float]:
        """As of the fit."""
        ...


class FitMoved:
    """Refits of one half at points and at the moved points that stay where the fit was made."""

    def __init__(self, side: RefitSide, acts: Sequence[Act], inside: Inside, centre: Tensor) -> None:
        self._side, self._acts, self._centre = side, acts, centre
        index = side.points(_POINTS)
        self._x, self._block = side.half.samples.x[index], side.half.block[index]
        self._at = [self._x @ act.move.matrix.T for act in acts]
        self._keep = [inside(at) for at in self._at]

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return self._side.blocks

    def _rows(self, c: int, base: Tensor, at: Tensor) -> Tensor:
        """F(gx) − B F(x) ``(R, n, k′h)``."""
        output = self._acts[c].output
        assert output is not None
        return measured(self._side.template, at - base @ output.T)

    def squares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Numerators from refits, denominators from pairs of fits on disjoint folds."""
        side = self._side
        fits = side.refits(weights)
        base = side.values(self._x, fits)
        w = weights[:, self._block]
        folds = measured(side.template, side.values(self._x, side.fold_weights) - self._centre)
        spread = 2 * pair_mean(folds[..., None])[:, 0, 0]  # (n,)
        numerator, denominator = [], []
        for c, keep in enumerate(self._keep):
            square = self._rows(c, base, side.values(self._at[c], fits)).square().sum(2)
            count = max(float(keep.sum()), 1.0)
            numerator.append((w * square)[:, keep].sum(1) / count)
            # The spread of F over all points: where the candidate keeps points, F may hardly vary.
            denominator.append((w * spread).mean(1))
        return torch.stack(numerator, 1), torch.stack(denominator, 1)

    def drawn(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same: random weights move it as fresh rows would."""
        return self.squares(weights)

    def misfits(self) -> list[Tensor]:
        """F(gx) − B F(x) of what richer families find in the residual."""
        out = []
        for fitted in self._side.residual_fits:
            w = fitted.by_block()
            base = torch.einsum("nf,rfm->rnm", fitted.family.features(self._x), w)
            totals = []
            for c, keep in enumerate(self._keep):
                at = torch.einsum("nf,rfm->rnm", fitted.family.features(self._at[c]), w)
                rows = self._rows(c, base, at)[:, keep]
                totals.append(pair_mean(rows[..., None])[:, 0, 0].mean() if bool(keep.any()) else torch.tensor(0.0))
            out.append(torch.stack([t.double() for t in totals]))
        return out

    def untested(self) -> tuple[float, float]:
        """Of the fit."""
        return self._side.untested


class ModelMoved:
    """A given F at points and at the moved points, all of them: a model can be asked anywhere."""

    def __init__(self, side: GivenSide, derivative: LieDerivative, acts: Sequence[Act], centre: Tensor) -> None:
        x = side.inputs[:_GIVEN_POINTS]
        self.blocks = side.blocks
        f, flat = derivative.map, x.flatten(1)
        value = f(x).reshape(len(x), -1)
        block = side.half.block[:_GIVEN_POINTS]
        squares = [measured(derivative, value - centre).square().sum(1) * 2]
        for act in acts:
            assert act.output is not None
            at = f((flat @ act.move.matrix.T.to(flat)).reshape(x.shape)).reshape(len(x), -1)
            squares.append(measured(derivative, at - value @ act.output.T.to(value)).square().sum(1))
        rows = torch.stack(squares).double().cpu()
        sums = torch.zeros(len(squares), side.blocks, dtype=torch.float64).index_add_(1, block, rows) / len(flat)
        self._spread, self._squares = sums[0], sums[1:]

    def squares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over the blocks."""
        numerator = weights @ self._squares.T
        return numerator, (weights @ self._spread)[:, None].expand_as(numerator)

    def drawn(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same: random weights move it as fresh rows would."""
        return self.squares(weights)

    def misfits(self) -> list[Tensor]:
        """Nothing: F was given."""
        return []

    def untested(self) -> tuple[float, float]:
        """Nothing was fitted."""
        return 0.0, 0.0


class PointsMoved:
    """Means of test functions over points and moved points, block by block."""

    def __init__(self, side: WeakSide, form: WeakForm, acts: Sequence[Act]) -> None:
        x, block = side.half.samples.x, side.half.block
        self.blocks = side.blocks
        self._count = torch.bincount(block, minlength=self.blocks).double()
        value = form.values(x)
        self._means = []
        for act in acts:
            at = form.values(x @ act.move.matrix.T)
            both = torch.cat([value, at])
            covariance = (both - both.mean(0)).T @ (both - both.mean(0)) / len(both)
            size, axes = torch.linalg.eigh(covariance)
            keep = size > SETTINGS.test_cut**2 * size[-1]
            gap = (at - value) / 2 @ (axes[:, keep] / size[keep].sqrt())
            sums = torch.zeros(self.blocks, gap.shape[1], dtype=torch.float64).index_add_(0, block, gap)
            self._means.append(sums)

    def squares(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Means over pairs of blocks i ≠ j, whose sampling noise is independent."""
        numerator = []
        for sums in self._means:
            total = (weights @ sums).square().sum(1)
            numerator.append(total - weights.square() @ sums.square().sum(1))
        return self._over_pairs(numerator, weights)

    def drawn(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same, less the noise that weights would count twice (Hoeffding 1948, as in the weak form)."""
        shift = weights / weights.mean(1, keepdim=True) - 1
        numerator = []
        for sums in self._means:
            products = sums @ sums.T
            own = products.diagonal()
            pull = products.sum(1) - own
            noise = products.square().sum() - own.square().sum()
            kept = (1 - noise / pull.square().sum().clamp(min=1e-300)).clamp(0, 1).sqrt()
            moved = (shift @ sums).square().sum(1) - shift.square() @ own
            numerator.append(pull.sum() + kept * 2 * (shift @ pull) + moved)
        return self._over_pairs(numerator, 1 + shift)

    def _over_pairs(self, numerator: list[Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
        pairs = (weights @ self._count).square() - weights.square() @ self._count.square()
        stacked = torch.stack(numerator, 1) / pairs[:, None]
        return stacked, torch.ones_like(stacked)

    def misfits(self) -> list[Tensor]:
        """Nothing was fitted."""
        return []

    def untested(self) -> tuple[float, float]:
        """Nothing was fitted."""
        return 0.0, 0.0
