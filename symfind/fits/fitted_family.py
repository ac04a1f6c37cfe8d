"""ΦᵀΦ and ΦᵀY block by block: a family of fits, made again for any weights of the blocks without touching a row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.fits.surrogate import Family, whiten_features
from symfind.linalg.tsqr import triangular_factor

# A ridge from which on a Gram matrix in double precision does as well as a triangular factor.
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
    def of(family: Family, x: Tensor, targets: Tensor, block: Tensor, blocks: int) -> FittedFamily:
        """Blockwise sums for points ``(n, D)``, targets ``(n, m)`` and the block ``(n,)`` of each row."""
        phi = family.features(x)
        if family.ridge < _RIDGED:
            white = whiten_features(triangular_factor(phi), x.shape[0], family.ridge)
            transform, penalty = white.transform, white.penalty
            phi = phi @ transform
        else:  # the ridge outweighs the rounding of a Gram matrix that is not whitened
            transform = torch.eye(phi.shape[1], dtype=phi.dtype)
            penalty = family.ridge * transform
        order = torch.argsort(block, stable=True)
        count = torch.bincount(block, minlength=blocks)
        phi, targets = phi[order], targets[order]
        f, m = phi.shape[1], targets.shape[1]
        gram, moment, square = phi.new_empty(blocks, f, f), phi.new_empty(blocks, f, m), phi.new_empty(blocks, m)
        for b, (rows, values) in enumerate(zip(*(torch.split(a, count.tolist()) for a in (phi, targets)), strict=True)):
            torch.mm(rows.T, rows, out=gram[b])
            torch.mm(rows.T, values, out=moment[b])
            square[b] = values.square().sum(0)
        return FittedFamily(family, transform, penalty, gram, moment, square, count.double())

    def by_block(self) -> Tensor:
        """W ``(B, f, m)`` of the fits to one block each."""
        return self.weights(torch.eye(len(self.count), dtype=torch.float64))

    def held_out_share(self) -> float:
        """Mean over outputs of Σ(y − ŷ)²/Σy² on one held-out block after the other, from the blockwise sums alone."""
        others = 1.0 - torch.eye(len(self.count), dtype=torch.float64)
        w = self._solved(others)
        left = (self.square - 2 * (w * self.moment).sum(1) + (w * (self.gram @ w)).sum(1)).sum(0)
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
