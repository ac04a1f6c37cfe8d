"""u(t, x) between the points of a grid: band-limited series, refined, and windows of polynomials on them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from symfind.data.axes import Axis

# Points of a window. On a periodic axis, refined four times, ten of them leave 1e-7 of a wave at a third of the
# grid's highest frequency.
_WINDOW = 10
_FINER = 4
_NUMBERS = 2**22


class Interpolant:
    """One trajectory as a function.

    Parameters
    ----------
    axes
        t, x[, y].
    u
        ``(nt, nx[, ny], c)``.
    """

    def __init__(self, axes: Sequence[Axis], u: Tensor) -> None:
        self.axes, values = tuple(axes), u
        self._nodes: list[Tensor] = []
        for place, axis in enumerate(self.axes):
            if axis.periodic:
                values = _refined(values, place)
                step = axis.period / (axis.points * _FINER)
                self._nodes.append(axis.coordinates[0] + step * torch.arange(axis.points * _FINER, dtype=torch.float64))
            else:
                self._nodes.append(axis.coordinates.double())
        self._values = values
        self._denominators = [_denominators(nodes) for nodes in self._nodes]

    def inside(self, points: Tensor) -> Tensor:
        """Whether points ``(n, q)`` lie in the range of the axes that do not close, ``(n,)``."""
        out = torch.ones(len(points), dtype=torch.bool)
        for place, axis in enumerate(self.axes):
            if not axis.periodic:
                slack = 1e-9 * axis.step
                low, high = axis.coordinates[0] - slack, axis.coordinates[-1] + slack
                out &= (points[:, place] >= low) & (points[:, place] <= high)
        return out

    def __call__(self, points: Tensor) -> Tensor:
        """The values ``(n, c)`` at points ``(n, q)``; those outside are moved to the nearest end."""
        rows = max(1, _NUMBERS // (_WINDOW ** len(self.axes) * self._values.shape[-1]))
        return torch.cat([self._at(part) for part in torch.split(points, rows)])

    def _at(self, points: Tensor) -> Tensor:
        windows = [self._window(place, points[:, place]) for place in range(len(self.axes))]
        out = torch.zeros(len(points), self._values.shape[-1], dtype=torch.float64)
        for chosen in product(*(range(index.shape[1]) for index, _ in windows)):
            at = tuple(index[:, i] for (index, _), i in zip(windows, chosen, strict=True))
            weight = torch.ones(len(points), dtype=torch.float64)
            for (_, weights), i in zip(windows, chosen, strict=True):
                weight = weight * weights[:, i]
            out += weight[:, None] * self._values[at]
        return out

    def _window(self, place: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the nodes around each point, and the weights of Lagrange's polynomials there ``(n, w)``."""
        axis, nodes = self.axes[place], self._nodes[place]
        count = len(nodes)
        width = min(_WINDOW, count)
        if axis.periodic:
            step = axis.period / count
            x = nodes[0] + torch.remainder(x - nodes[0], axis.period)
            first = torch.floor((x - nodes[0]) / step).long() - width // 2 + 1
            index = first[:, None] + torch.arange(width)
            near = nodes[0] + step * index
            index = torch.remainder(index, count)
        else:
            x = x.clamp(float(nodes[0]), float(nodes[-1]))
            first = (torch.searchsorted(nodes, x, right=True) - width // 2).clamp(0, count - width)
            index = first[:, None] + torch.arange(width)
            near = nodes[index]
        away = x[:, None] - near
        one = torch.ones_like(away[:, :1])
        before = torch.cat([one, away[:, :-1]], 1).cumprod(1)
        after = torch.cat([one, away[:, 1:].flip(1)], 1).cumprod(1).flip(1)
        # Nodes of a periodic axis are evenly spaced, so that all its windows have the same denominators.
        denominators = self._denominators[place][:1] if axis.periodic else self._denominators[place][first]
        return index, before * after / denominators


def _denominators(nodes: Tensor) -> Tensor:
    """∏_{j≠i}(sᵢ − sⱼ) of Lagrange's polynomials, for each window of neighbouring nodes ``(n − w + 1, w)``."""
    windows = nodes.unfold(0, min(_WINDOW, len(nodes)), 1)
    differences = windows[:, :, None] - windows[:, None, :]
    return (differences + torch.eye(windows.shape[1], dtype=torch.float64)).prod(2)


def _refined(values: Tensor, place: int) -> Tensor:
    """The same series on a grid four times finer along an axis."""
    n = values.shape[place]
    series = torch.fft.rfft(values.double(), dim=place)
    if n % 2 == 0:  # the highest wave stands for two of half its size
        last = [slice(None)] * series.ndim
        last[place] = slice(n // 2, n // 2 + 1)
        series[tuple(last)] *= 0.5
    finer: Tensor = torch.fft.irfft(series, n=n * _FINER, dim=place) * _FINER
    return finer
