"""Solutions of differential equations: point symmetries of the equation they obey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.kinds.field import DEFAULT_SPACE
from symfind.kinds.kind import Arrays, Kind, Layout, has

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
    from symfind.kinds.field.grid.rows import field_rows

    return field_rows(file, arrays, given)


def _examined(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    from symfind.kinds.field.field import evidence_of_field

    return evidence_of_field(request, dataset, stop, generator, clock)


FIELD = Kind(
    name="field",
    datasets="`u` (R, nt, nx[, ny][, c]) with `t` (nt), `x` (nx)[, `y` (ny)]",
    recognised=has("u", "t"),
    layouts=(Layout(("u", "t", "x"), ("y", "group"), _read),),
    questions=(("Lie point symmetries of the differential equation that the fields obey, found from them", ""),),
    methods=("nullspace", "validity"),
    space=DEFAULT_SPACE,
    examine=_examined,
    input_role="u",
    first_axis="t",
    labelled=lambda row: (len(row) - 1 + row[-1],),  # t, x[, y], and the components
)
