"""What moves a map between fields: vector fields on space, matrices on channels, and how they act on both ends.

Axis letters: n fields, c and c′ channels of inputs and outputs, q axes of the grid, p vector fields on space, P
unknowns: the p fields, then matrices on the channels of the input (and, where it is the same, of the output), then
those on the channels of the output alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.data.axes import component_names
from symfind.errors import UsageError
from symfind.fields.catalogue import make_space
from symfind.fields.plane import side_by_side
from symfind.fields.polynomial import PolynomialFields, linear_fields
from symfind.fields.space import VectorFieldSpace
from symfind.kinds.operator import DEFAULT_SPACE
from symfind.kinds.operator.spatial import SpatialAction, SpatialGrid, mixed
from symfind.lie_derivative import Free, Invariant, OutputAction

# Matrices on more channels than this are not tried unless they are asked for.
_MOST_MIXED = 3
# Numbers of moved fields held at once.
_BUDGET = 2**22


@dataclass(frozen=True)
class ChannelAction:
    """ξ_Y·y = Ay with the matrix A of the candidates themselves: channels of both ends are mixed alike."""

    fields: int
    channels: int
    name: str = "same"
    extra: int = 0

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor:
        """Ay for each unknown, zero for vector fields on space."""
        out = y.new_zeros(*y.shape, space.dim)
        out[..., self.fields :] = torch.einsum("pab,nkb->nkap", channel_units(self.channels).to(y), y)
        return out

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> Tensor:
        """A ``(c, c)``."""
        own = coefficients[self.fields : self.fields + self.channels**2]
        return torch.einsum("p,pab->ab", own, channel_units(self.channels).to(own))


def channel_units(channels: int) -> Tensor:
    """E_ij in the order of the fields u_j ∂_{u_i}, ``(c², c, c)``."""
    return linear_fields(channels).matrices()


@dataclass(frozen=True)
class OperatorFrame:
    """Candidates and their action, fixed before anything is asked of F.

    Attributes
    ----------
    grid
        Of inputs and outputs.
    channels
        (c, c′).
    space
        What the report prints: fields on R^q, or on R^{q+c} where channels are mixed.
    spatial
        The vector fields on R^q.
    action
        What the unknowns do to the channels of the output.
    names
        Of the coordinates of ``space``.
    weights
        w of inputs and outputs: 0 for functions, 1 for densities.
    mean
        E ξ over the inputs ``(p, q)``; None for a space with constant fields.
    why
        How channels are treated, in words.
    """

    grid: SpatialGrid
    channels: tuple[int, int]
    space: VectorFieldSpace
    spatial: VectorFieldSpace
    action: OutputAction
    names: tuple[str, ...]
    weights: tuple[float, float]
    mean: Tensor | None
    why: str

    @property
    def unknowns(self) -> int:
        """P."""
        return self.space.dim + self.action.extra

    @cached_property
    def _acting(self) -> tuple[SpatialAction, SpatialAction, SpatialAction, SpatialAction]:
        plain = [SpatialAction(self.grid, self.spatial, w) for w in self.weights]
        about = [SpatialAction(self.grid, self.spatial, w, self.mean) for w in self.weights]
        return plain[0], plain[1], about[0], about[1]

    def acting(self, end: int) -> SpatialAction:
        """What vector fields do to inputs (0) or outputs (1)."""
        return self._acting[end]

    def moved(self, u: Tensor, end: int, *, about_mean: bool = False) -> Tensor:
        """ξ_j·u ``(n, P, c, *grid)`` for inputs (end 0) or outputs (end 1)."""
        c = self.channels[end]
        out = u.new_zeros(u.shape[0], self.unknowns, *u.shape[1:])
        p = self.spatial.dim
        out[:, :p] = self._acting[end + 2 * about_mean].moved(u)
        first, last = p, self.space.dim
        if end == 1 and self.action.extra:
            first, last = self.space.dim, self.unknowns
            # Entries B_ab of the free action stand row by row.
            out[:, first:last] = mixed(u, channel_units(c).mT)
        elif (end == 0 or isinstance(self.action, ChannelAction)) and last > first:
            out[:, first:last] = mixed(u, channel_units(c))
        return out

    def chunks(self, count: int) -> Iterator[slice]:
        """Ranges of fields whose moved copies fit the budget."""
        step = max(1, _BUDGET // (self.unknowns * max(self.channels) * len(self.grid.points)))
        return (slice(i, i + step) for i in range(0, count, step))

    def scaling(self) -> Tensor | None:
        """(A, B) = (1, 1) as unknowns ``(P,)``: what every linear F commutes with; None if channels are not mixed."""
        if self.spatial.dim == self.space.dim:
            return None
        out = torch.zeros(self.unknowns, dtype=torch.float64)
        c, m = self.channels
        out[self.spatial.dim : self.space.dim] = torch.eye(c, dtype=torch.float64).flatten()
        if self.action.extra:
            out[self.space.dim :] = torch.eye(m, dtype=torch.float64).flatten()
        return out


def operator_frame(
    asked: tuple[str | None, str, str], axes: tuple[str, ...], grid: SpatialGrid, u: Tensor, outputs: int
) -> OperatorFrame:
    """Shapes, candidates and weights from what is asked and the inputs.

    Parameters
    ----------
    asked
        (space, output action, density) as the options give them.
    axes
        Names of the q axes.
    grid
        Where the fields live.
    u
        Inputs ``(n, c, *grid)``.
    outputs
        c′.

    Raises
    ------
    UsageError
        The space cannot be joined with matrices on channels, or ``same`` is asked of unlike ends.
    """
    name, output_action, density = asked
    c = u.shape[1]
    energy = u.square().sum((0, 1)).flatten()
    energy = energy / energy.sum().clamp(min=1e-300)
    centre = energy @ grid.points
    spread = (energy @ (grid.points - centre).square()).sqrt()
    spatial = make_space(name or DEFAULT_SPACE, len(axes), axes)
    weights = (float(density in ("input", "both")), float(density in ("output", "both")))
    how, why = _fibre(output_action, c, outputs)
    action: OutputAction = Invariant()
    names = axes
    if how == "invariant":
        spatial = spatial.centred(centre, torch.where(spread > 0, spread, torch.ones_like(spread)))
        space = spatial
    else:
        if not isinstance(spatial, PolynomialFields):
            raise UsageError(
                f"--space {spatial.name} cannot be joined with matrices on channels; take a polynomial space such as "
                "affine, or --output-action invariant"
            )
        space = side_by_side(f"{spatial.name}, with gl({c}) on channels", (spatial, linear_fields(c)))
        names = (*axes, *component_names(c))
        action = Free(outputs) if how == "free" else ChannelAction(spatial.dim, c)
    mean = None if spatial.has_constants else torch.einsum("g,gpq->pq", energy, spatial.evaluate(grid.points))
    return OperatorFrame(grid, (c, outputs), space, spatial, action, names, weights, mean, why)


def _fibre(asked: str, c: int, m: int) -> tuple[str, str]:
    if asked == "same" and c != m:
        raise UsageError(f"--output-action same needs as many channels in y as in x, got {m} and {c}; take free")
    if asked != "auto":
        return asked, f"channels: {asked}, as asked"
    if 1 < max(c, m) <= _MOST_MIXED:
        return "free", f"channels: free, matrices on the {c} of x and the {m} of y are solved for"
    if max(c, m) == 1:
        return "invariant", "channels: one of each, carried along as they are"
    return "invariant", f"channels: the {c} of x and the {m} of y are carried along as they are; --output-action free"
