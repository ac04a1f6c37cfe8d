"""ΦᵀΦ and ΦᵀY block by block: a family of fits, made again for any weights of the blocks without touching a row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.linalg.tsqr import triangular_factor
from symfind.significance.halves import Half
from symfind.sources.surrogate import Family, whiten_features, whiten_ridged

# A ridge from which on a Gram matrix in double precision whitens as well as a triangular factor does.
_RIDGED = 1e-9


@dataclass(frozen=True)
class FittedFamily:
    """A family with its whitening and blockwise sums over one half.

    Attributes
    ----------
    family
        φ and ridge.
    transform, penalty
        φ′ = φT and λTᵀT.
    gram, moment
        ``(B, f′, f′)`` and ``(B, f′, m)`` sums over each block.
    square
        ``(B, m)`` sums of squares of the targets.
    count
        ``(B,)`` rows of each block.
    """

    family: Family
    transform: Tensor
    penalty: Tensor
    gram: Tensor
    moment: Tensor
    square: Tensor
    count: Tensor

    @staticmethod
    def of(family: Family, half: Half, targets: Tensor) -> FittedFamily:
        """Blockwise sums for targets ``(n, m)``."""
        x, blocks = half.samples.x, half.blocks
        phi = family.features(x)
        if family.ridge >= _RIDGED:
            white = whiten_ridged(phi, family.ridge)
        else:
            white = whiten_features(triangular_factor(phi), x.shape[0], family.ridge)
        order = torch.argsort(half.block, stable=True)
        count = torch.bincount(half.block, minlength=blocks)
        phi, targets = phi[order] @ white.transform, targets[order]
        gram, moment, square = [], [], []
        for rows, values in zip(*(torch.split(each, count.tolist()) for each in (phi, targets)), strict=True):
            gram.append(rows.T @ rows)
            moment.append(rows.T @ values)
            square.append(values.square().sum(0))
        sums = (torch.stack(gram), torch.stack(moment), torch.stack(square))
        return FittedFamily(family, white.transform, white.penalty, *sums, count.double())

    def held_out_share(self, folds: Tensor) -> float:
        """Mean over outputs of Σ(y − ŷ)²/Σy² on held-out folds ``(B,)`` of blocks, from the blockwise sums alone."""
        left = torch.zeros(self.square.shape[1], dtype=torch.float64)
        for fold in range(int(folds.max()) + 1):
            test = folds == fold
            w = self._solved((~test).double()[None])[0]
            gram, moment = self.gram[test].sum(0), self.moment[test].sum(0)
            left += self.square[test].sum(0) - 2 * (w * moment).sum(0) + (w * (gram @ w)).sum(0)
        total = self.square.sum(0)
        varies = total > 0
        return float((left[varies] / total[varies]).mean()) if bool(varies.any()) else 0.0

    def weights(self, block_weights: Tensor) -> Tensor:
        """W ``(R, f, m)`` for weights ``(R, B)`` of the blocks."""
        return self.transform @ self._solved(block_weights)

    def _solved(self, block_weights: Tensor) -> Tensor:
        """W in the whitened features ``(R, f′, m)``."""
        total = (block_weights @ self.count)[:, None, None]
        gram = (block_weights @ self.gram.flatten(1)).reshape(-1, *self.gram.shape[1:]) / total + self.penalty
        moment = (block_weights @ self.moment.flatten(1)).reshape(-1, *self.moment.shape[1:]) / total
        # Weights that drop many blocks can leave a feature unseen; the whitened Gram matrix has unit scale.
        eye = torch.eye(gram.shape[-1], dtype=gram.dtype)
        solved: Tensor = torch.linalg.solve(gram + 1e-13 * eye, moment)
        return solved
