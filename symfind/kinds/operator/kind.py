"""Maps between fields: moves of the plane and of channels under which they are equivariant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.kinds.kind import Arrays, Kind, Layout, has
from symfind.kinds.operator import DEFAULT_SPACE

if TYPE_CHECKING:
    import h5py
    import torch

    from symfind.data.dataset import Dataset
    from symfind.data.mapping import RoleMapping
    from symfind.data.rows import Rows
    from symfind.decision.evidence import Examined
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock


def _read(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    from symfind.kinds.operator.rows import operator_rows

    return operator_rows(file, arrays, given)


def _examined(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    from symfind.kinds.operator.operator import evidence_of_operator

    return evidence_of_operator(request, dataset, stop, generator, clock)


OPERATOR = Kind(
    name="operator",
    datasets="`x` (N, [c,] n₁[, n₂]), `y` likewise, with `grid_x` (n₁)[, `grid_y` (n₂)]",
    recognised=has("x", "y", "grid_x"),  # without its grid it looks like a function: then only its attribute tells
    layouts=(Layout(("x", "y"), ("grid_x", "grid_y", "group"), _read),),
    questions=(("moves of the plane, and of channels, under which the map from x to y is equivariant", ""),),
    space=DEFAULT_SPACE,
    examine=_examined,
    promoted="kernel",
    objects=False,
    first_axis="x",
    labelled=lambda row: (len(row) - 1,),  # x[, y]
)
