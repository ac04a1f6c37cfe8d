"""F̂(u)(x) = ∫K(x, y)u(y)dy with K = Σ C_ab ψ_a(x)φ_b(y): a kernel of low rank fitted to pairs of fields.

φ are principal modes of the inputs, or the lowest waves of the grid, truncated so that every ψ-coefficient of F̂(u) is a
regression on fewer unknowns than rows; ψ are principal modes of the outputs and of their gradients. The kernel is
never formed on pairs of points. Axis letters: n fields, D and D′ numbers of an input and an output field, B and A
modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.kinds.operator.settings import SETTINGS
from symfind.kinds.operator.spatial import SpatialGrid

# Fields from which principal modes are computed.
_MODE_FIELDS = 600
# Modes of less than this share of the strongest one's size are rounding.
_ROUNDING = 1e-9
# At most so many modes; beyond, refits under weights would take minutes.
_MOST_MODES = 256
# Output modes hold all but this share of the mean square.
_OUTPUT_REST = 1e-14
_MOST_OUTPUTS = 200
# Numbers of modes that are tried, and folds on which they are compared.
_LADDER = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
FOLDS = 4
# Relative to unit variance: keeps the normal equations solvable where weights leave few rows.
_RIDGE = 1e-12


@dataclass(frozen=True)
class Modes:
    """Orthonormal fields, the most useful first.

    Attributes
    ----------
    name
        What they are, for the report.
    columns
        ``(D, R)``.
    size
        Root mean square of the data along each ``(R,)``.
    """

    name: str
    columns: Tensor
    size: Tensor

    def first(self, count: int) -> Modes:
        """The leading ones."""
        return replace(self, columns=self.columns[:, :count], size=self.size[:count])


def principal_modes(u: Tensor, name: str) -> Modes:
    """Singular vectors of fields ``(n, D)``, about zero."""
    some = u[:_MODE_FIELDS]
    _, sigma, vh = torch.linalg.svd(some, full_matrices=False)
    keep = sigma > _ROUNDING * sigma[0]
    return Modes(name, vh[keep].T, sigma[keep] / len(some) ** 0.5)


def wave_modes(grid: SpatialGrid, u: Tensor) -> Modes:
    """Products of cosines and sines (cosines alone on open axes), the lowest frequencies first, for each channel."""
    channels = u.shape[1] // len(grid.points)
    tables, frequencies = zip(
        *(_waves(len(axis), closes) for axis, closes in zip(grid.coordinates, grid.periodic, strict=True)), strict=True
    )
    square = sum(
        f.square().reshape([-1 if a == b else 1 for b in range(len(tables))]) for a, f in enumerate(frequencies)
    )
    assert isinstance(square, Tensor)
    order = torch.argsort(square.flatten(), stable=True)[: max(1, 2 * _MOST_MODES // channels)]
    places = torch.unravel_index(order, square.shape)
    column = tables[0][:, places[0]]
    for table, place in zip(tables[1:], places[1:], strict=True):
        column = (column[:, None] * table[None, :, place]).flatten(0, 1)
    # Channel by channel for each wave: (c·G, waves·c).
    columns = torch.einsum("gr,ab->agrb", column, torch.eye(channels, dtype=column.dtype)).reshape(u.shape[1], -1)
    size = (u @ columns).square().mean(0).sqrt()
    excited = size > _ROUNDING * size.max()
    return Modes("lowest waves of the grid", columns[:, excited], size[excited])


def _waves(n: int, closes: bool) -> tuple[Tensor, Tensor]:
    """Orthonormal waves of n points as columns, and their frequencies."""
    i = torch.arange(n, dtype=torch.float64)
    if not closes:
        table = torch.cos(torch.pi * (i[:, None] + 0.5) * i / n)
        return table / table.norm(dim=0), i / 2
    k = torch.arange(1, (n - 1) // 2 + 1, dtype=torch.float64)
    phase = 2 * torch.pi * i[:, None] * k / n
    table = torch.cat([torch.ones(n, 1, dtype=torch.float64), phase.cos(), phase.sin()], 1)
    return table / table.norm(dim=0), torch.cat([torch.zeros(1, dtype=torch.float64), k, k])


@dataclass(frozen=True)
class FittedOperator:
    """The basis of the kernel, the data in it, and how well it does.

    Attributes
    ----------
    inputs
        φ₁ … φ_B, with the further modes that the data excite behind them.
    count
        B.
    outputs
        ψ₁ … ψ_A.
    x, y
        Coefficients of the data ``(n, B)`` in units of the modes' size, and ``(n, A)``.
    unexplained
        Held-out share of the mean square of y that is left.
    noise
        Mean square of what white noise adds to one coefficient of y: what the outputs hold outside their modes.
    """

    inputs: Modes
    count: int
    outputs: Modes
    x: Tensor
    y: Tensor
    unexplained: float
    noise: float

    @property
    def name(self) -> str:
        """For the report."""
        return f"kernel Σ C_ab ψ_a(x)φ_b(y), {self.count} {self.inputs.name} × {self.y.shape[1]} {self.outputs.name}"

    def in_modes(self, u: Tensor) -> Tensor:
        """Coefficients of inputs ``(…, D)`` in units of the modes' size, ``(…, B)``."""
        kept = self.inputs.first(self.count)
        return (u @ kept.columns) / kept.size

    def of_modes(self, x: Tensor) -> Tensor:
        """Σ xᵦφᵦ ``(…, D)``."""
        kept = self.inputs.first(self.count)
        return (x * kept.size) @ kept.columns.T


def coefficients(gram: Tensor, cross: Tensor) -> Tensor:
    """C ``(…, A, B)`` from ΣxxᵀW ``(…, B, B)`` and ΣxyᵀW ``(…, B, A)``."""
    scale = gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype)
    solved: Tensor = torch.linalg.solve(gram + _RIDGE * scale * eye, cross).mT
    return solved


def held_out_share(x: Tensor, y: Tensor, fold: Tensor) -> float:
    """Share of the mean square of y ``(n, A)`` that fits to the other folds leave."""
    left = 0.0
    for i in torch.unique(fold).tolist():
        seen = fold != i
        c = coefficients(x[seen].T @ x[seen], x[seen].T @ y[seen])
        left += float((y[~seen] - x[~seen] @ c.T).square().sum())
    return left / max(float(y.square().sum()), 1e-300)


def fit_operator(grid: SpatialGrid, u: Tensor, v: Tensor, gradients: Sequence[Tensor], fold: Tensor) -> FittedOperator:
    """Choose the basis of the kernel by cross-validation.

    Parameters
    ----------
    grid
        Of both fields.
    u, v
        Fields ``(n, D)``, ``(n, D′)``.
    gradients
        Derivatives of v ``(n, D′)`` along each axis, which the output modes must hold too.
    fold
        ``(n,)`` fold of each pair.

    Raises
    ------
    InputError
        The fields are zero, or too few.
    """
    n = len(u)
    if float(u.abs().max()) == 0.0 or float(v.abs().max()) == 0.0:
        raise InputError("all fields of x, or all of y, are zero: nothing can be learned of a map between them")
    if n < 2 * SETTINGS.rows_per_mode:
        raise InputError(f"{n} pairs of fields are too few to fit a map between them; give at least 8, better 500")
    size = float(v.square().mean().sqrt())
    stacked = torch.cat([v, *(g * (size / max(float(g.square().mean().sqrt()), 1e-300)) for g in gradients)])
    order = torch.arange(len(stacked)).reshape(-1, n).T.flatten()  # fields of one pair side by side
    outputs = principal_modes(stacked[order], "modes of the outputs")
    rest = 1.0 - torch.cumsum(outputs.size.square(), 0) / outputs.size.square().sum()
    outputs = outputs.first(min(int((rest > _OUTPUT_REST).sum()) + 1, _MOST_OUTPUTS))
    y = v @ outputs.columns
    outside = max(v.shape[1] - y.shape[1], 1)
    noise = float((v - y @ outputs.columns.T).square().sum()) / (n * outside)
    principal = _best(u, y, fold, principal_modes(u, "principal modes of the inputs"))
    waves = _best(u, y, fold, wave_modes(grid, u))
    # Waves that the inputs excite together only are told apart by rounding: the principal modes are preferred where
    # they do as well.
    left, modes, count = principal if principal[0] <= max(SETTINGS.as_good * waves[0], SETTINGS.as_exact) else waves
    if modes is waves[1]:
        modes, count = excited(u, modes, count)
    x = (u @ modes.columns[:, :count]) / modes.size[:count]
    return FittedOperator(modes, count, outputs, x, y, left, noise)


def _best(u: Tensor, y: Tensor, fold: Tensor, modes: Modes) -> tuple[float, Modes, int]:
    """The number of modes with the least held-out share left."""
    x = (u @ modes.columns) / modes.size
    most = min(modes.columns.shape[1], len(u) // SETTINGS.rows_per_mode, _MOST_MODES)
    counts = sorted({*(count for count in _LADDER if count < most), most})
    found = [(held_out_share(x[:, :count], y, fold), count) for count in counts]
    left, count = min(found)
    return left, modes, count


def excited(u: Tensor, modes: Modes, count: int) -> tuple[Modes, int]:
    """Principal modes of what the inputs hold of the first ``count`` modes, in their place, and how many there are."""
    own = principal_modes(u @ modes.columns[:, :count], modes.name)
    kept = own.columns.shape[1]
    columns = torch.cat([modes.columns[:, :count] @ own.columns, modes.columns[:, count:]], 1)
    return Modes(modes.name, columns, torch.cat([own.size, modes.size[count:]])), kept
