"""What fields on a grid cannot speak about, and what the report says of them.

Axis letters: n fields, c channels, q axes of the grid, P unknowns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.data.axes import Axis
from symfind.decision.gauge import Parting, nothing_apart
from symfind.decision.halves import Half, halves
from symfind.decision.reach import Reach
from symfind.fits.surrogate import Samples
from symfind.kinds.operator.frame import OperatorFrame
from symfind.kinds.operator.settings import SETTINGS
from symfind.kinds.operator.spatial import SpatialGrid, seam

_BRACKET_POINTS = 400
_SCALING = "scaling of the fields: F is linear, and commutes with every multiple"


@dataclass(frozen=True)
class OperatorExtent:
    """What the fields cannot speak about: modes that no field has, and what a grid does not continue.

    Attributes
    ----------
    beyond
        Factor ``(P, P)`` of what ξ makes of the fields beyond what F is known on, in the size of S.
    scaling
        (1, 1) on the channels ``(P,)``, or None.
    """

    beyond: Tensor
    scaling: Tensor | None

    def coverage(self, vectors: Tensor) -> Tensor:
        """ω of the leading subspaces: the largest share beyond, for directions that are orthonormal in S."""
        out = [torch.linalg.matrix_norm(self.beyond @ vectors[:, : k + 1], 2) for k in range(vectors.shape[1])]
        return torch.stack(out)

    def reach(self, vector: Tensor, tolerance: float) -> Reach | None:
        """None: a grid holds few of the fields that a finite move makes."""
        return None

    def parting(self, vectors: Tensor, tolerance: float) -> Parting:
        """The scaling that every linear F commutes with set apart, if it is there."""
        k = vectors.shape[1]
        if self.scaling is None or k == 0:
            return nothing_apart(k)
        mix = torch.linalg.lstsq(vectors, self.scaling[:, None], driver="gelsd").solution
        if float((vectors @ mix - self.scaling[:, None]).norm()) > tolerance * float(self.scaling.norm()):
            return nothing_apart(k)
        apart = mix / mix.norm()
        rest = torch.linalg.svd(apart, full_matrices=True).U[:, 1:]
        # Generators are told up to that scaling: with no trace on the channels of the input.
        on_scaling = self.scaling @ vectors
        kept = rest - apart @ (on_scaling @ rest)[None] / (on_scaling @ apart)
        return Parting(kept, apart, _SCALING, "generators are told up to a scaling of the fields, with trace zero")


def named_axes(axes: Sequence[Axis], names: Sequence[str] | None) -> tuple[Axis, ...]:
    """The axes under the names that the file gives its coordinates."""
    return tuple(replace(axis, name=name) for axis, name in zip(axes, names or [a.name for a in axes], strict=True))


def spatial_grid(axes: Sequence[Axis], fields: Sequence[Tensor]) -> SpatialGrid:
    """The grid, with those axes marked at whose ends all fields ``(n, c, *grid)`` vanish."""
    compact = []
    for a in range(len(axes)):
        ends = [
            float(u.select(2 + a, i).square().mean()) <= SETTINGS.vanishing**2 * float(u.square().mean())
            for u in fields
            for i in (0, -1)
        ]
        compact.append(all(ends))
    return SpatialGrid(tuple(a.coordinates for a in axes), tuple(a.periodic for a in axes), tuple(compact))


def half_numbers(
    count: int, group: Tensor | None, generator: torch.Generator, *, whole: bool = False
) -> tuple[Half, Half] | None:
    """Halves of the numbers 0 … n − 1; ``whole`` where groups are copies, which no block may part."""
    index = torch.arange(count, dtype=torch.float64)[:, None]
    return halves(Samples(index, index[:, :0], group), generator, whole=whole)


def seam_rows(frame: OperatorFrame, u: Tensor, image: Tensor, gain: float) -> Iterator[Tensor]:
    """Rows ``(r, P)`` of what ξ does at the border to inputs and outputs."""
    for end, fields, weight in ((0, u, gain), (1, image, 1.0)):
        rows = weight * seam(frame.acting(end), fields)  # (n, p, r)
        padded = rows.new_zeros(rows.shape[0], frame.unknowns, rows.shape[2])
        padded[:, : frame.spatial.dim] = rows
        yield padded.mT.flatten(0, 1)


def messages_of(frame: OperatorFrame) -> tuple[str, ...]:
    """How fields move, and in which units the defect is."""
    kinds = {0.0: "functions", 1.0: "densities"}
    first, second = (kinds[w] for w in frame.weights)
    moved = f"x and y move as {first}" if first == second else f"x moves as {first}, y as {second}"
    measure = "ρ² is ‖dF·(ξ·u) − ξ·F(u)‖² in units of both its terms"
    ends = list(zip(frame.names, frame.grid.compact, strict=False))
    vanish = " and ".join(name for name, compact in ends if compact)
    reach = " and ".join(name for name, compact in ends if not compact)
    said = [measure]
    if vanish:
        said.append(f"the fields vanish at the ends of {vanish}")
    if reach:
        said.append(
            f"the fields reach the ends of {reach}: only moves that close there can be judged; turns and scalings "
            "need fields that vanish at the border"
        )
    return (f"{moved} (--density); {frame.why}", *said)


def bracket_points(frame: OperatorFrame, u: Tensor, generator: torch.Generator) -> Tensor:
    """Points of the grid, with channels of the size of the data where these are mixed, ``(n, d)``: for brackets."""
    points = frame.grid.points
    some = points[torch.randperm(len(points), generator=generator)[:_BRACKET_POINTS]]
    if frame.space.d == some.shape[1]:
        return some
    colours = torch.randn(len(some), frame.channels[0], generator=generator, dtype=torch.float64)
    return torch.cat([some, colours * u.std()], 1)
