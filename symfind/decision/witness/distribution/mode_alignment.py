"""min Σ |C_ck|²/n_c over conjugates e^τ g e^{−τ}: an algebra aligned by the sums that judge it.

A conjugate acts on rows moved by e^{−τ} as g does on the rows themselves, so the tori stay as they are and the rows
are moved; the sum of the e^{ikφ} of a cell over √n has unit variance whatever the distribution (:mod:`orbit_modes`),
so that least squares is Gauss–Newton with the right metric. Axis letters: n rows, D coordinates, q directions τ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.distribution.finite_elements import AffineRows, Torus
from symfind.decision.witness.distribution.orbit_modes import CellTree, phases
from symfind.decision.witness.distribution.weak_alignment import homogeneous
from symfind.lie.algebras.closure import MatrixBracket


@dataclass(frozen=True)
class ModeAlignmentSettings:
    """Halvings of the cells, a Gauss–Newton step each, orders, and the step of the differences.

    Attributes
    ----------
    levels
        From coarse to fine: a torus is aligned to a share of a cell before smaller cells say more.
    orders
        A shift of a ring is order one across it, its ellipticity order two.
    step
        In units of the spread: larger than the distance of rows, smaller than what is resolved.
    prior
        Standard deviation of what is left to align.
    """

    levels: tuple[int, ...] = (4, 6, 8)
    steps: int = 2
    gain: float = 0.3
    least: int = 32
    phases: int = 2
    orders: int = 3
    step: float = 0.01
    prior: float = 0.03


def conjugations(basis: AffineRows, c: Tensor) -> Tensor:
    """Affine fields τ as rows ``(q, (D + 1)²)`` that move the algebra c ``(p, K)`` inside the space, and do move it."""
    d = basis.a.shape[1]
    space = torch.linalg.qr(homogeneous(basis).T)[0].T
    fields = c.T @ homogeneous(basis)
    own = torch.linalg.qr(fields.T)[0].T
    every = []
    for i in range(d):
        for j in range(d + 1):
            m = fields.new_zeros(d + 1, d + 1)
            m[i, j] = 1.0
            every.append(m.flatten())
    taus = torch.stack(every)
    brackets = MatrixBracket(d + 1)(taus, fields)  # (q, K, ambient)
    off_space = (brackets - (brackets @ space.T) @ space).flatten(1)
    off_own = (brackets - (brackets @ own.T) @ own).flatten(1)
    _, sigma, vh = torch.linalg.svd(off_space.T, full_matrices=True)
    size = float(torch.linalg.matrix_norm(off_own, 2))
    allowed = vh[int((sigma > 1e-6 * max(size, 1e-300)).sum()) :] @ taus
    moved = vh[int((sigma > 1e-6 * max(size, 1e-300)).sum()) :] @ off_own
    u, sigma, _ = torch.linalg.svd(moved, full_matrices=False)
    keep = sigma > 1e-3 * size
    found: Tensor = u[:, keep].T @ allowed
    return found


class ModeVector:
    """C_ck/√n_c of all tori and phases at one level of halving, as a function of the rows; the cells stay."""

    def __init__(self, tori: list[Torus], x: Tensor, level: int, orders: int, most_phases: int) -> None:
        self.tori, self.orders, self.most_phases = tori, orders, most_phases
        self.cells = [CellTree(phases(torus, x, most_phases)[1], level) for torus in tori]

    def __call__(self, x: Tensor) -> Tensor:
        """Real and imaginary parts ``(f,)``."""
        out = []
        for torus, tree in zip(self.tori, self.cells, strict=True):
            unit, across = phases(torus, x, self.most_phases)
            cell, scale = tree(across), (2 / tree.count).sqrt()
            power = torch.ones_like(unit)
            for _ in range(self.orders):
                power = power * unit
                for row in torch.view_as_real(power):
                    for part in row.unbind(1):
                        out.append(torch.bincount(cell, part, minlength=tree.cells) * scale)
        return torch.cat(out)


def _shifted(points: Tensor, element: Tensor) -> Tensor:
    d = points.shape[1]
    return points @ element[:d, :d].T + element[:d, d]


def conjugated(basis: AffineRows, c: Tensor, tori: list[Torus], x: Tensor, settings: ModeAlignmentSettings) -> Tensor:
    """Coefficients ``(p, K)`` of the conjugate that fits rows ``(n, D)`` best; tori are of combinations of c."""
    rows = homogeneous(basis)
    d = x.shape[1]
    taus = conjugations(basis, c)
    if not len(taus):
        return c
    total = torch.eye(d + 1, dtype=x.dtype)
    moved = x
    eye = torch.eye(len(taus), dtype=x.dtype) / settings.prior
    most = int(math.log2(max(1, x.shape[0] // settings.least)))
    for level in sorted({min(level, most) for level in settings.levels}):
        vector = ModeVector(tori, moved, level, settings.orders, settings.phases)
        base = vector(moved)
        for _ in range(settings.steps):
            columns = []
            for tau in taus.reshape(-1, d + 1, d + 1):
                ahead = vector(_shifted(moved, torch.linalg.matrix_exp(settings.step * tau)))
                behind = vector(_shifted(moved, torch.linalg.matrix_exp(-settings.step * tau)))
                columns.append((ahead - behind) / (2 * settings.step))
            stacked = torch.cat([torch.stack(columns, 1), eye])
            right = torch.cat([base, base.new_zeros(len(taus))])
            t = -torch.linalg.lstsq(stacked, right[:, None], driver="gelsd").solution[:, 0]
            before = float(base.square().sum())
            for share in (1.0, 0.5, 0.2):
                element = torch.linalg.matrix_exp(share * (t @ taus).reshape(d + 1, d + 1))
                trial = _shifted(moved, element)
                vector_there = ModeVector(tori, trial, level, settings.orders, settings.phases)
                there = vector_there(trial)
                gained = before - float(there.square().sum())
                if gained > 0:
                    moved, total, vector, base = trial, element @ total, vector_there, there
                    break
            if gained < settings.gain * math.sqrt(2 * base.numel()):
                break
    back = torch.linalg.inv(total)
    matrices = (c.T @ rows).reshape(-1, d + 1, d + 1)
    turned = (back @ matrices @ total).flatten(1)
    found: Tensor = torch.linalg.lstsq(rows.T, turned.T, driver="gelsd").solution
    return found
