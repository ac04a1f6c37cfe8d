"""Two halves of the data, each cut into blocks that are weighted as one (DESIGN §8 "Decision")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor

from symfind.errors import InputError
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
    first = _first_copies(torch.cat([samples.x, samples.y], 1))
    if first is None:
        return samples
    if samples.group is None:
        return Samples(samples.x, samples.y, torch.unique(first, return_inverse=True)[1])
    return samples.rows((samples.group[first] == samples.group).nonzero()[:, 0])


def rows_with_duplicates_grouped(held: Mapping[str, Tensor], *roles: str) -> dict[str, Tensor]:
    """The same for rows as a dataset gives them: ``(n, …)`` by role, with ``"group"`` where there are groups.

    Parameters
    ----------
    held
        The rows.
    roles
        A copy is equal in all of these.
    """
    rows = dict(held)
    first = _first_copies(torch.cat([rows[role].reshape(len(rows[role]), -1) for role in roles], 1))
    if first is None:
        return rows
    if "group" not in rows:
        return {**rows, "group": torch.unique(first, return_inverse=True)[1]}
    kept = (rows["group"][first] == rows["group"]).nonzero()[:, 0]
    return {role: values[kept] for role, values in rows.items()}


def groups_with_copies(groups: Tensor, blocks: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """The groups ``(n,)`` of rows too large to be held, where a row that repeats an earlier one is of that one's group.

    Parameters
    ----------
    groups
        A label for each row.
    blocks
        Numbers ``(r,)`` and rows ``(r, …)``, block by block.
    """
    seen: dict[bytes, int] = {}
    together = groups.clone()
    for numbers, rows in blocks:
        for number, row in zip(numbers.tolist(), rows, strict=True):
            # −0 is 0, though its bytes differ.
            digest = sha256((row + 0.0).contiguous().numpy().data).digest()
            together[number] = together[seen.setdefault(digest, number)]
    return together


def _first_copies(rows: Tensor) -> Tensor | None:
    """The number of the first row that is equal, for each of the rows ``(n, w)``; None where all differ."""
    unique, inverse = torch.unique(rows, dim=0, return_inverse=True)
    if unique.shape[0] == len(rows):
        return None
    numbers = torch.arange(len(rows), device=rows.device)
    first = torch.full((unique.shape[0],), len(rows), dtype=torch.int64, device=rows.device)
    return first.scatter_reduce(0, inverse, numbers, "amin")[inverse]


def part_held_out(n: int, count: int, group: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Numbers of at most ``count`` of n rows drawn at random, and those of the rows whose groups have none among them.

    A single group is parted as if it were none.
    """
    names = None if group is None else torch.unique(group)
    if group is None or names is None or len(names) < 2:
        order = torch.randperm(n, generator=generator)
        return order[:count], order[count:]
    _, inverse, sizes = torch.unique(group, return_inverse=True, return_counts=True)
    order = torch.randperm(len(sizes), generator=generator)
    taken = min(int((sizes[order].cumsum(0) < count).sum()) + 1, len(sizes) - 1)
    inside = torch.isin(inverse, order[:taken])
    drawn = torch.randperm(n, generator=generator)
    return drawn[inside[drawn]][:count], drawn[~inside[drawn]]


def half_labels(n: int, group: Tensor | None, generator: torch.Generator) -> Tensor | None:
    """0 or 1 for each of n rows, whole groups to one side; None if there are fewer than two groups."""
    if n < 4 or (group is not None and int(torch.unique(group).numel()) < 2):
        return None
    return fold_labels(n, group, 2, generator)


def two_halves(n: int, group: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Numbers of the rows of either half, whole groups to one side.

    Raises
    ------
    InputError
        There are fewer than two groups, or four rows.
    """
    label = half_labels(n, group, generator)
    if label is None:
        raise InputError("all rows are of one group; give several, so that one part can be judged by the other")
    return (label == 0).nonzero()[:, 0], (label == 1).nonzero()[:, 0]


def halves(samples: Samples, generator: torch.Generator, *, whole: bool = False) -> tuple[Half, Half] | None:
    """Split into halves, whole groups to one side; None if there are fewer than two groups.

    Rows without a group are dealt out at random. A half of few groups (trajectories) is cut into contiguous
    segments within each, so that noise that is correlated in time stays inside a block; equal rows stay in one.
    With ``whole``, for groups of copies whose rows are not at hand, a group is never cut.
    """
    label = half_labels(len(samples), samples.group, generator)
    if label is None:
        return None
    out = []
    for side in (0, 1):
        index = (label == side).nonzero()[:, 0]
        part = samples.rows(index)
        out.append(Half(part, _blocks(part, generator, whole)))
    return out[0], out[1]


def _blocks(samples: Samples, generator: torch.Generator, whole: bool) -> Tensor:
    n = len(samples)
    if samples.group is None:
        return torch.randperm(n, generator=generator) % min(BLOCKS, n)
    groups, inverse, counts = torch.unique(samples.group, return_inverse=True, return_counts=True)
    if whole or groups.shape[0] >= BLOCKS:
        return fold_labels(n, samples.group, min(BLOCKS, len(groups)), generator)
    segments = -(-BLOCKS // groups.shape[0])
    block = torch.zeros(n, dtype=torch.int64)
    next_block = 0
    for g in range(groups.shape[0]):
        rows = (inverse == g).nonzero()[:, 0]  # in the order of the file: contiguous in time
        first = _first_copies(torch.cat([samples.x[rows], samples.y[rows]], 1))
        places = torch.arange(int(counts[g]))
        if first is not None:
            places = torch.unique(first, return_inverse=True)[1].cpu()
        distinct = int(places.max()) + 1
        pieces = min(segments, distinct)
        block[rows] = next_block + places * pieces // distinct
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
