"""E[e^{ikφ} | cell] = 0 for k ≠ 0: along the orbits of a flow that keeps a distribution, places are uniform.

φ is a phase of a torus, the cells are of what the torus does not move, halved again and again, so that structure of any
width along an orbit and across it is seen: |Σ_cell e^{ikφ}|²/n is exponential with mean one where nothing is there.
Axis letters: n rows, c cells, k orders, j levels of halving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.finite_elements import AT_REST, Torus


@dataclass(frozen=True)
class ModeSettings:
    """How far modes go.

    Attributes
    ----------
    orders
        Highest order k along an orbit; a bump of 1/orders of a radian fills them all.
    bins
        Of the circle; the sum over bins takes 1 − sin(x)/x, x = πk/bins, off the highest order (8 %).
    least
        Rows in a cell: below it the square of a sum is not exponential.
    modes_a_row
        Orders times cells per row: beyond it there is nothing that fewer orders would not say.
    """

    orders: int = 160
    bins: int = 512
    least: int = 16
    modes_a_row: float = 2.0


@dataclass(frozen=True)
class ModeSums:
    """Σ_c (|C_ck|²/n_c) of one phase at one level, for k = 1 … K.

    Attributes
    ----------
    power
        ``(K,)``: gamma distributed with shape ``cells`` under the null.
    cells
        c.
    rows
        n.
    spread
        Factor by which groups of dependent rows widen the null; one for independent rows.
    """

    power: Tensor
    cells: int
    rows: int
    level: int
    phase: int


def phases(torus: Torus, x: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Up to ``most`` phases e^{iφ} ``(q, n)`` that the torus turns, and coordinates ``(n, r)`` that it does not move."""
    z = (x - torus.centre).to(torus.planes) @ torus.planes.T
    radius = z.abs()
    across = torch.cat([radius, (x - torus.centre) @ torus.rest.T], 1)
    m = z.shape[1]
    unit = z / radius.clamp(min=1e-300)
    out = [unit[:, j] for j in range(m)]
    for i in range(m):
        for j in range(i):
            for sign in (1, -1):
                if len(out) < most and abs(float(torus.speeds[i] + sign * torus.speeds[j])) > AT_REST:
                    out.append(unit[:, i] * (unit[:, j] if sign > 0 else unit[:, j].conj()))
    return torch.stack(out[:most]), across


class CellTree:
    """Cells of equal count: halved at medians of one coordinate after another ``(n, r)``, ``levels`` times."""

    def __init__(self, across: Tensor, levels: int) -> None:
        n, q = across.shape
        self.levels, self.cells = levels, 1 << levels
        self._cuts: list[Tensor] = []
        cell = torch.zeros(n, dtype=torch.int64)
        for level in range(levels):
            value = across[:, level % q]
            order = torch.argsort(value)
            order = order[torch.argsort(cell[order], stable=True)]
            count = torch.bincount(cell, minlength=1 << level)
            middle = torch.cumsum(count, 0) - count + count // 2
            self._cuts.append(value[order[middle.clamp(max=n - 1)]])
            cell = 2 * cell + (value >= self._cuts[-1][cell]).long()
        self.cell = cell
        self.count = torch.bincount(cell, minlength=self.cells).clamp(min=1).to(across)

    def __call__(self, across: Tensor) -> Tensor:
        """Cells ``(n,)`` of other rows."""
        cell = torch.zeros(across.shape[0], dtype=torch.int64)
        for level, cuts in enumerate(self._cuts):
            cell = 2 * cell + (across[:, level % across.shape[1]] >= cuts[cell]).long()
        return cell


def mode_sums(torus: Torus, x: Tensor, settings: ModeSettings, most_phases: int = 3) -> list[ModeSums]:
    """All phases and levels."""
    n = x.shape[0]
    unit, across = phases(torus, x, most_phases)
    levels = max(0, int(math.log2(max(1, n // settings.least))))
    cell = CellTree(across, levels).cell
    out = []
    for q in range(unit.shape[0]):
        place = ((unit[q].angle() / (2 * math.pi) + 0.5) * settings.bins).long().clamp(0, settings.bins - 1)
        table = torch.bincount(cell * settings.bins + place, minlength=settings.bins << levels).double()
        table = table.reshape(1 << levels, settings.bins)
        for level in range(levels, -1, -1):
            cells = 1 << level
            count = table.sum(1).clamp(min=1)
            top = min(settings.orders, max(4, int(settings.modes_a_row * n / cells)))
            power = (torch.fft.rfft(table, dim=1)[:, 1 : top + 1].abs().square() / count[:, None]).sum(0)
            out.append(ModeSums(power, cells, n, level, q))
            table = table.reshape(cells // 2, 2, settings.bins).sum(1) if level else table
    return out
