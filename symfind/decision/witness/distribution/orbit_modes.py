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

from symfind.decision.witness.distribution.finite_elements import AT_REST, Torus


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
    blocks
        Into which groups of rows are put: the ratio of a sum of 32 is within 3 % of exponential.
    numbers
        Held at once for blocks.
    """

    orders: int = 160
    bins: int = 512
    least: int = 16
    modes_a_row: float = 2.0
    blocks: int = 32
    numbers: int = 2**20


@dataclass(frozen=True)
class ModeSums:
    """Σ_c |C_ck|²/V_ck of one phase at one level, for k = 1 … K.

    Attributes
    ----------
    power
        ``(K,)``: gamma distributed with shape ``cells`` where the distribution is kept.
    inflation
        V_ck/n_c ``(K,)``, mean over cells: one for independent rows.
    cells, level
        2^level cells.
    rows, bins
        n, and places on the circle.
    """

    power: Tensor
    inflation: Tensor
    cells: int
    level: int
    rows: int
    bins: int

    def bands(self) -> list[tuple[int, int]]:
        """Orders [1, 2^b), as ranges."""
        return [(1, 1 << b) for b in range(2, 12) if (1 << b) - 1 <= len(self.power)]

    def unit(self, low: int, high: int) -> float:
        """χ² for one unit of power in orders [low, high): what bins take off is given back to a single order."""
        lost = float(torch.sinc(torch.tensor(low / self.bins))) ** 2 if high == low + 1 else 1.0
        return 2 / self.rows * float(self.inflation[low - 1 : high - 1].mean()) / lost


def phases(torus: Torus, x: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Up to ``most`` phases e^{iφ} ``(q, n)`` that the torus turns, and coordinates ``(n, r)`` that stay."""
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


def mode_sums(
    torus: Torus, x: Tensor, group: Tensor | None, settings: ModeSettings, most_phases: int
) -> list[ModeSums]:
    """All phases and levels of rows ``(n, D)``; the coarsest level of each phase comes last.

    Rows of one ``group`` ``(n,)`` depend on one another: then V = Σ_b |C_b|² over blocks of whole groups takes the
    place of n, and a ratio of B blocks has lighter tails than an exponential.
    """
    n = x.shape[0]
    unit, across = phases(torus, x, most_phases)
    bins = settings.bins
    levels = max(0, int(math.log2(max(1, n // settings.least))))
    blocks, block = 1, torch.zeros(n, dtype=torch.int64)
    if group is not None:
        blocks = min(settings.blocks, int(group.max()) + 1)
        block = group % blocks
        levels = min(levels, int(math.log2(settings.numbers / (blocks * bins))))
    cell = CellTree(across, levels).cell
    out = []
    for row in unit:
        place = ((row.angle() / (2 * math.pi) + 0.5) * bins).long().clamp(0, bins - 1)
        size = blocks * bins << levels
        table = torch.bincount((block * (1 << levels) + cell) * bins + place, minlength=size).double()
        table = table.reshape(blocks, 1 << levels, bins)
        for level in range(levels, -1, -1):
            cells = 1 << level
            count = table.sum((0, 2)).clamp(min=1)
            top = min(settings.orders, max(4, int(settings.modes_a_row * n / cells)))
            if blocks == 1:
                power = torch.fft.rfft(table[0], dim=1)[:, 1 : top + 1].abs().square() / count[:, None]
                inflation = power.new_ones(top)
            else:
                each = torch.fft.rfft(table, dim=2)[:, :, 1 : top + 1]
                own = each.abs().square().sum(0)
                power = each.sum(0).abs().square() / own.clamp(min=1e-300)
                inflation = (own / count[:, None]).mean(0)
            out.append(ModeSums(power.sum(0), inflation, cells, level, n, bins))
            table = table.reshape(blocks, cells // 2, 2, bins).sum(2) if level else table
    return out
