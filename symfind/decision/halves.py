"""Two halves of the data, each cut into blocks that are weighted as one (DESIGN §8 "Decision")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.fits.surrogate import Samples, fold_labels

# Blocks a half: enough for a standard deviation over weights, few enough that a block of rows holds a fit's worth.
BLOCKS = 40


@dataclass(frozen=True)
class Half:
    """One half.

    Attributes
    ----------
    samples
        Its rows.
    block
        ``(n,)`` block of each row, 0 … B − 1.
    """

    samples: Samples
    block: Tensor

    @property
    def blocks(self) -> int:
        """Number of blocks B."""
        return int(self.block.max()) + 1


def with_duplicates_grouped(samples: Samples) -> Samples:
    """Rows that are equal to the last bit belong together: a copy across a split is no new evidence.

    Where groups are given, a row that an earlier one of another group repeats is left out: trajectories that meet
    stay two, a trajectory that was stored twice becomes one.
    """
    unique, inverse = torch.unique(torch.cat([samples.x, samples.y], 1), dim=0, return_inverse=True)
    if unique.shape[0] == len(samples):
        return samples
    if samples.group is None:
        return Samples(samples.x, samples.y, inverse)
    first = torch.full((unique.shape[0],), len(samples), dtype=torch.int64)
    first = first.scatter_reduce(0, inverse, torch.arange(len(samples)), "amin")
    return samples.rows((samples.group[first[inverse]] == samples.group).nonzero()[:, 0])


def halves(samples: Samples, generator: torch.Generator) -> tuple[Half, Half] | None:
    """Split into halves, whole groups to one side; None if there are fewer than two groups.

    Rows without a group are dealt out at random. A half of few groups (trajectories) is cut into contiguous
    segments within each, so that noise that is correlated in time stays inside a block.
    """
    n = len(samples)
    if n < 4:
        return None
    if samples.group is not None and int(torch.unique(samples.group).numel()) < 2:
        return None
    label = fold_labels(n, samples.group, 2, generator)
    out = []
    for side in (0, 1):
        index = (label == side).nonzero()[:, 0]
        part = samples.rows(index)
        out.append(Half(part, _blocks(part, generator)))
    return out[0], out[1]


def _blocks(samples: Samples, generator: torch.Generator) -> Tensor:
    n = len(samples)
    if samples.group is None:
        return torch.randperm(n, generator=generator) % min(BLOCKS, n)
    groups, inverse, counts = torch.unique(samples.group, return_inverse=True, return_counts=True)
    if groups.shape[0] >= BLOCKS:
        return fold_labels(n, samples.group, BLOCKS, generator)
    segments = -(-BLOCKS // groups.shape[0])
    block = torch.zeros(n, dtype=torch.int64)
    next_block = 0
    for g in range(groups.shape[0]):
        rows = (inverse == g).nonzero()[:, 0]  # in the order of the file: contiguous in time
        pieces = min(segments, int(counts[g]))
        block[rows] = next_block + torch.arange(rows.shape[0]) * pieces // rows.shape[0]
        next_block += pieces
    return block


def gram_by_block(left: Tensor, right: Tensor, block: Tensor, blocks: int) -> Tensor:
    """Σ leftᵀright over the points of each block, ``(B, K, L)``.

    Parameters
    ----------
    left, right
        ``(n, r, K)`` and ``(n, r, L)``.
    block
        ``(n,)``.
    blocks
        B.
    """
    out = left.new_zeros(blocks, left.shape[2], right.shape[2])
    if bool((block[1:] < block[:-1]).any()):
        order = torch.argsort(block, stable=True)
        left, right, block = left[order], right[order], block[order]
    which, counts = torch.unique_consecutive(block, return_counts=True)
    parts = (torch.split(rows, counts.tolist()) for rows in (left, right))
    for b, of_left, of_right in zip(which.tolist(), *parts, strict=True):
        out[b] = of_left.flatten(0, 1).T @ of_right.flatten(0, 1)
    return out
