"""The axes of a field as operations: waves along those that close, windows along those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from symfind.data.axes import Axis
from symfind.kinds.field.grid.jet_sample import MultiIndex
from symfind.kinds.field.grid.local_polynomials import margin


class Grid:
    """The axes as operations on values ``(r, nt, nx[, ny])``.

    Axis letters: r trajectories, nt, nx, ny points, K waves: those along the periodic axes, times the inner points of
    open space axes. Of the waves k and −k of real values one is kept.

    Attributes
    ----------
    axes
        t, x[, y].
    periodic, open
        Places of the axes that close, and of the space axes that do not.
    margins, inner
        Points left out at each end of an axis, and how many stay.
    k
        The wavenumbers of each wave, ``(axes − 1, K)``.
    shells
        Which shell of |k| each wave belongs to, ``(K,)``.
    copies
        How many waves each stands for, 1 or 2.
    points, count, points_across
        Points of a trajectory, points along all periodic axes, and inner points along all open space axes.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)
        self.periodic = [place for place, axis in enumerate(self.axes) if axis.periodic]
        self.open = [place for place, axis in enumerate(self.axes) if not axis.periodic and place > 0]
        self.margins = [0 if axis.periodic else margin(axis.points, axis.even) for axis in self.axes]
        self.inner = [axis.points - 2 * m for axis, m in zip(self.axes, self.margins, strict=True)]
        self.halved = self.periodic[-1] if self.periodic else -1
        along = [_wavenumbers(axis, place == self.halved) for place, axis in enumerate(self.axes)]
        self._shape = [len(k) for k in along[1:]]
        self.k = torch.stack([part.flatten() for part in torch.meshgrid(*along[1:], indexing="ij")])
        self.copies = torch.ones(self.k.shape[1], dtype=torch.float64)
        if self.periodic:
            halved = self.k[self.halved - 1]
            self.copies[(halved > 0) & (halved < self._highest(self.halved))] = 2.0
        size = self.k.square().sum(0).sqrt()
        unit = min((2 * torch.pi / self.axes[place].period for place in self.periodic), default=1.0)
        self.shells = (size / unit).round().to(torch.int64)
        self.points = prod(axis.points for axis in self.axes)
        self.count = prod(self.axes[place].points for place in self.periodic)
        self.points_across = prod(self.inner[place] for place in self.open)

    def waves(self, u: Tensor) -> Tensor:
        """The waves of values ``(r, nt, nx[, ny])``, ``(nt, r, K)``; Σ|wave|² is the mean square along closed axes."""
        places = [place + 1 for place in self.periodic]
        series = torch.fft.rfftn(u, dim=places, norm="forward") if places else u.to(torch.complex128)
        return series.flatten(2).transpose(0, 1)

    def values(self, waves: Tensor) -> Tensor:
        """The values of waves, ``(nt, r, K) → (r, nt, nx[, ny])``."""
        series = waves.transpose(0, 1)
        series = series.reshape(*series.shape[:2], *self._shape)
        if not self.periodic:
            return series.real
        sizes = [self.axes[place].points for place in self.periodic]
        values: Tensor = torch.fft.irfftn(series, s=sizes, dim=[place + 1 for place in self.periodic], norm="forward")
        return values

    def factor(self, index: MultiIndex) -> Tensor:
        """∏ (i kⱼ)^Jⱼ over the periodic axes, of each wave: ``(K,)``."""
        factor = torch.ones(self.k.shape[1], dtype=torch.complex128)
        for place in self.periodic:
            if index[place]:
                k = self.k[place - 1]
                if index[place] % 2:  # the highest wave of an even grid has no odd derivative on it
                    k = torch.where(k.abs() < self._highest(place), k, 0.0)
                factor = factor * (1j * k) ** index[place]
        return factor

    def _highest(self, place: int) -> float:
        """|k| of the wave that a grid of an even number of points sees at its zeros; less a little for rounding."""
        axis = self.axes[place]
        return (1 - 1e-9) * torch.pi * axis.points / axis.period

    def draw(self, count: int, times: Tensor, generator: torch.Generator) -> Tensor:
        """Draw distinct inner points at some of the times ``(nt − 2M,)``, by number and ascending: ``(count,)``.

        All of them if there are fewer.
        """
        allowed = times.nonzero()[:, 0]
        across = prod(self.inner[1:])
        drawn = torch.randperm(len(allowed) * across, generator=generator)[:count].sort().values
        return allowed[drawn // across] * across + drawn % across

    def coordinates(self, places: Tensor) -> Tensor:
        """Their coordinates, ``(n, q)``."""
        columns = []
        for place in reversed(range(len(self.axes))):
            n, m = self.inner[place], self.margins[place]
            columns.append(self.axes[place].coordinates[places % n + m])
            places = places // n
        return torch.stack(columns[::-1], dim=1)


def _wavenumbers(axis: Axis, halved: bool) -> Tensor:
    """2πl/L of the waves along an axis; each inner point of an open axis counts as one with k = 0."""
    n = axis.points
    if not axis.periodic:
        return torch.zeros(n - 2 * margin(n, axis.even), dtype=torch.float64)
    orders: Tensor = (torch.fft.rfftfreq if halved else torch.fft.fftfreq)(n, 1 / n, dtype=torch.float64)
    return 2 * torch.pi / axis.period * orders
