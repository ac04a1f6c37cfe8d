"""u(t, x[, y]): solutions of a differential equation on one grid, taken a few trajectories at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from symfind.data.axes import Axis, component_names
from symfind.data.dataset import Dataset
from symfind.errors import InputError
from symfind.kinds.field.grid.rows import FieldRows

# Of one block of trajectories; the transforms made of it take several times as much.
_BLOCK_BYTES = 2**24
# Of numbers stored with fewer digits than those of the arithmetic.
_ROUNDING = {"float32": 2.0**-23, "float16": 2.0**-10}


@dataclass(frozen=True)
class FieldData:
    """R solutions on one grid.

    Axis letters: R trajectories, nt, nx, ny points, c components.

    Attributes
    ----------
    axes
        t, x[, y].
    components
        Names of the c dependent variables.
    groups
        A label for each trajectory, ``(R,)``; those of one label belong together.
    take
        Ascending numbers of trajectories ``(r,)`` → u of those, ``(r, nt, nx[, ny], c)``.
    messages
        What was inferred of the axes, a line each.
    rounding
        The relative error of a stored number.
    units
        Of the axes and components, as many; () where the file tells none.
    """

    axes: tuple[Axis, ...]
    components: tuple[str, ...]
    groups: Tensor
    take: Callable[[Tensor], Tensor]
    messages: tuple[str, ...] = ()
    rounding: float = 2.0**-52
    units: tuple[str, ...] = ()

    @property
    def trajectories(self) -> int:
        """R."""
        return len(self.groups)

    def blocks(self, chosen: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (numbers, u) of the chosen trajectories, by default all, some 16 MiB of u at a time."""
        numbers = torch.arange(self.trajectories) if chosen is None else chosen
        width = 8 * len(self.components) * prod(axis.points for axis in self.axes)
        for block in torch.split(numbers, max(1, _BLOCK_BYTES // width)):
            yield block, self.take(block)


def field_of(dataset: Dataset, stop: int | None = None) -> FieldData:
    """Return the field that a dataset of kind ``field`` holds, its first ``stop`` trajectories.

    Raises
    ------
    InputError
        The dataset is of another kind.
    """
    rows = dataset.rows
    if not isinstance(rows, FieldRows):
        raise InputError(f"{dataset.path}: kind {dataset.kind}, expected a field u (R, nt, nx); set --kind field")
    count = min(dataset.n_rows, stop or dataset.n_rows)
    groups = dataset.groups
    names = dataset.names or (*(axis.name for axis in rows.axes), *component_names(rows.components))
    axes = tuple(
        Axis(name, axis.coordinates, axis.periodic)
        for name, axis in zip(names[: len(rows.axes)], rows.axes, strict=True)
    )
    return FieldData(
        axes=axes,
        components=names[len(axes) :],
        groups=(torch.arange(dataset.n_rows) if groups is None else groups)[:count],
        take=lambda numbers: torch.cat([dataset.take(run)["u"] for run in _runs(numbers)]),
        messages=rows.messages,
        rounding=_ROUNDING.get(rows.arrays["u"].dtype, 2.0**-52),
        units=dataset.units if dataset.units and len(dataset.units) == len(names) else (),
    )


def _runs(numbers: Tensor) -> Iterator[Tensor]:
    """Split ascending numbers where they leave some out: trajectories are long, and those between are not read."""
    breaks = (numbers.diff() != 1).nonzero()[:, 0] + 1
    return iter(torch.tensor_split(numbers, breaks))
