"""(ξ·u)(x) = −ξ(x)·∇u − w div ξ(x) u + Au: vector fields on a grid's space acting on the fields that live there.

w is 0 for functions and 1 for densities; A mixes channels. Axis letters: n fields, c channels, q axes of the grid
(n₁[, n₂]) with G points, p vector fields, P unknowns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.fields.space import VectorFieldSpace, finite_fields

# Points of a stencil where an axis is open: exact for polynomials of degree 6.
_STENCIL = 7


def spectral_derivative(n: int, period: float) -> Tensor:
    """∂/∂x ``(n, n)`` of waves of a period sampled at n even points: exact below the Nyquist wave, which has none."""
    k = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    if n % 2 == 0:
        k[n // 2] = 0.0
    transform = torch.fft.fft(torch.eye(n, dtype=torch.complex128), dim=0)
    matrix: Tensor = torch.fft.ifft(2j * torch.pi / period * k[:, None] * transform, dim=0).real
    return matrix


def stencil_derivative(coordinates: Tensor) -> Tensor:
    """∂/∂x ``(n, n)`` of the polynomial through seven neighbours, one-sided at the ends."""
    n = len(coordinates)
    width = min(_STENCIL, n)
    out = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        first = min(max(i - width // 2, 0), n - width)
        window = slice(first, first + width)
        gap = coordinates[window] - coordinates[i]
        unit = gap.abs().max()
        powers = torch.linalg.vander(gap / unit).T  # rows: powers of the gaps
        wanted = torch.zeros(width, 1, dtype=torch.float64)
        wanted[1] = 1.0 / unit
        out[i, window] = torch.linalg.solve(powers, wanted)[:, 0]
    return out


@dataclass(frozen=True)
class SpatialGrid:
    """A product of axes.

    Attributes
    ----------
    coordinates
        Of each axis, increasing.
    periodic
        Whether each closes.
    compact
        Whether the fields vanish at the border of each axis, so that they may be continued by zero.
    """

    coordinates: tuple[Tensor, ...]
    periodic: tuple[bool, ...]
    compact: tuple[bool, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n₁[, n₂])."""
        return tuple(len(axis) for axis in self.coordinates)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Of the axes, with the step that closes them."""
        return tuple(float(axis[-1] - axis[0]) * len(axis) / (len(axis) - 1) for axis in self.coordinates)

    @cached_property
    def points(self) -> Tensor:
        """``(G, q)``, the last axis fastest."""
        return torch.stack(torch.meshgrid(*self.coordinates, indexing="ij"), -1).reshape(-1, len(self.coordinates))

    @cached_property
    def derivatives(self) -> tuple[Tensor, ...]:
        """∂/∂x of each axis as a matrix: by waves where the axis closes or the fields vanish at its ends."""
        out = []
        for axis, length, closes, vanishes in zip(
            self.coordinates, self.lengths, self.periodic, self.compact, strict=True
        ):
            steps = axis.diff()
            even = bool((steps - steps.mean()).abs().max() < 1e-4 * steps.mean())  # decimals that were rounded
            by_waves = closes or (vanishes and even)
            out.append(spectral_derivative(len(axis), length) if by_waves else stencil_derivative(axis))
        return tuple(out)

    def gradient(self, u: Tensor) -> Tensor:
        """∇u ``(…, q, *grid)`` of ``(…, *grid)``."""
        q = len(self.coordinates)
        parts = [
            torch.movedim(torch.tensordot(matrix.to(u), u, dims=([1], [u.dim() - q + a])), 0, u.dim() - q + a)
            for a, matrix in enumerate(self.derivatives)
        ]
        return torch.stack(parts, u.dim() - q)


@dataclass(frozen=True)
class SpatialAction:
    """Vector fields on the points of a grid, with what they do to fields of one weight.

    Attributes
    ----------
    grid
        Where the fields live.
    space
        Vector fields on R^q.
    weight
        w: 0 for functions, 1 for densities.
    mean
        Constant fields ``(p, q)`` to be taken off, or None.
    """

    grid: SpatialGrid
    space: VectorFieldSpace
    weight: float = 0.0
    mean: Tensor | None = None

    @cached_property
    def values(self) -> Tensor:
        """ξᵢ at the points ``(p, q, *grid)``."""
        xi = finite_fields(self.space, self.grid.points)
        if self.mean is not None:
            xi = xi - self.mean
        return xi.permute(1, 2, 0).reshape(self.space.dim, -1, *self.grid.shape)

    @cached_property
    def divergence(self) -> Tensor:
        """The divergences div ξᵢ ``(p, *grid)``."""
        slope = self.space.jacobian(self.grid.points)
        return slope.diagonal(dim1=-2, dim2=-1).sum(-1).T.reshape(-1, *self.grid.shape)

    def moved(self, u: Tensor) -> Tensor:
        """ξᵢ·u ``(n, p, c, *grid)`` of fields ``(n, c, *grid)``."""
        slope = self.grid.gradient(u)  # (n, c, q, *grid)
        letters = "xy"[: len(self.grid.shape)]
        out = -torch.einsum(f"pq{letters},ncq{letters}->npc{letters}", self.values.to(u), slope)
        if self.weight:
            out = out - self.weight * torch.einsum(f"p{letters},nc{letters}->npc{letters}", self.divergence.to(u), u)
        return out


def mixed(u: Tensor, matrices: Tensor) -> Tensor:
    """A u ``(n, p, c, *grid)`` for matrices ``(p, c, c)`` on the channels of ``(n, c, *grid)``."""
    return torch.einsum("pab,nb...->npa...", matrices.to(u), u)


def seam(action: SpatialAction, u: Tensor) -> Tensor:
    """What ξ does where the grid ends ``(n, p, r)``: where this is not small, −ξ·∇u is not what a flow does to u.

    On an axis that closes ξ may jump by ξ(x + L) − ξ(x); on an open one it carries what is unknown across the border.
    Each axis gives the jump along the gradient, and its component across times u/L, with their mean square over the
    border.
    """
    grid, space = action.grid, action.space
    slope = grid.gradient(u)
    rows = []
    q = len(grid.shape)
    for a, (length, closes) in enumerate(zip(grid.lengths, grid.periodic, strict=True)):
        place = grid.points.reshape(*grid.shape, q).select(a, 0).reshape(-1, q)
        beyond = place.clone()
        beyond[:, a] += length
        ends: Sequence[tuple[int, Tensor]]
        if closes:
            jump = finite_fields(space, beyond) - finite_fields(space, place)
            ends = ((0, jump),)
        else:
            last = grid.points.reshape(*grid.shape, q).select(a, -1).reshape(-1, q)
            across = torch.zeros(q, dtype=torch.float64)
            across[a] = 1.0
            ends = tuple((i, finite_fields(space, p) * across) for i, p in ((0, place), (-1, last)))
        for i, xi in ends:  # xi (b, p, q)
            count = (len(xi) * len(ends) / len(grid.points)) ** 0.5  # mean over the border, not sum over the grid
            edge = u.select(2 + a, i).reshape(*u.shape[:2], -1)  # (n, c, b)
            steep = slope.select(3 + a, i).reshape(*u.shape[:2], q, -1)  # (n, c, q, b)
            rows.append(torch.einsum("bpq,ncqb->npcb", xi, steep).flatten(2) / count)
            rows.append(torch.einsum("bp,ncb->npcb", xi[:, :, a] / length, edge).flatten(2) / count)
    return torch.cat(rows, 2)
