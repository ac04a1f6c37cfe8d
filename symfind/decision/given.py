"""The pencil of a model that was given: F itself, with no fit to doubt, only the sampling of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from symfind.decision.halves import Half, gram_by_block
from symfind.linalg.nullspace import GeneralisedSpectrum, Pencil, generalised_spectrum
from symfind.linalg.tsqr import StreamedFactor

# Rows are kept for the bounds up to this many numbers (256 MB), made again beyond.
_KEPT_NUMBERS = 2**25


class PointwisePencil(Protocol):
    """Rows of (M, S) at points, with nothing fitted."""

    @property
    def unknowns(self) -> int: ...  # noqa: D102
    @property
    def rows_at_once(self) -> int: ...  # noqa: D102

    def pencil(self, x: Tensor) -> Pencil:
        """Rows at points x ``(n, *shape)``."""
        ...


class GivenSide:
    """One half of the inputs of a given F: a :class:`~symfind.decision.bounds.Side`.

    Parameters
    ----------
    half
        Inputs and their blocks.
    derivative
        The Lie derivative of the model, or another pencil that needs no fit.
    shape
        Shape of one row of x.
    """

    def __init__(self, half: Half, derivative: PointwisePencil, shape: tuple[int, ...]) -> None:
        self.half, self.derivative, self._shape = half, derivative, shape
        order = torch.argsort(half.block, stable=True)
        self._block, self._ordered = half.block[order], self.inputs[order]
        self.m, self.s = StreamedFactor(derivative.unknowns), StreamedFactor(derivative.unknowns)
        self._kept: list[Pencil] = []
        numbers = 0
        for pencil in self._made():
            self.m.add(pencil.m.flatten(0, 1))
            self.s.add(pencil.s.flatten(0, 1))
            numbers += pencil.m.numel() + pencil.s.numel()
            if numbers <= _KEPT_NUMBERS:
                self._kept.append(pencil)

    def _made(self) -> Iterator[Pencil]:
        return map(self.derivative.pencil, torch.split(self._ordered, self.derivative.rows_at_once))

    def pencils(self) -> Iterator[Pencil]:
        """The rows part by part, block after block: those that were kept, and the others made again."""
        yield from self._kept
        for x in torch.split(self._ordered, self.derivative.rows_at_once)[len(self._kept) :]:
            yield self.derivative.pencil(x)

    @property
    def inputs(self) -> Tensor:
        """Inputs ``(n, *input_shape)``."""
        return self.half.samples.x.reshape(-1, *self._shape)

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return self.half.blocks

    def directions(self) -> GeneralisedSpectrum:
        """Directions of this half."""
        return generalised_spectrum(self.m.factor(), self.s.factor())

    def along(self, vectors: Tensor) -> GivenAlong:
        """The pencil in the directions ``(P, K)``; each row's product is computed before it is squared."""
        numerator, denominator = torch.zeros(2, self.blocks, *2 * vectors.shape[1:], dtype=torch.float64)
        start = 0
        for pencil in self.pencils():
            stop = start + pencil.m.shape[0]
            for rows, total in ((pencil.m @ vectors, numerator), (pencil.s @ vectors, denominator)):
                total += gram_by_block(rows, rows, self._block[start:stop], self.blocks)
            start = stop
        return GivenAlong(numerator, denominator)


@dataclass(frozen=True)
class GivenAlong:
    """Gram matrices ``(B, K, K)`` of the blocks in K directions; nothing was fitted."""

    numerator: Tensor
    denominator: Tensor

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sums over the blocks."""
        return (
            torch.einsum("rb,bKL->rKL", weights, self.numerator),
            torch.einsum("rb,bKL->rKL", weights, self.denominator),
        )

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same: random weights move it as fresh rows would."""
        return self.grams(weights)

    def misfit(self) -> list[Tensor]:
        """Nothing: F was given."""
        return []

    def untested(self) -> tuple[float, float]:
        """Nothing was fitted."""
        return 0.0, 0.0
