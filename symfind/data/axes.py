"""The axes of a field: t first, then x and y, as a file stores them or as an option describes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError

AXES = ("t", "x", "y")
# Steps whose lengths differ by less count as equal: axes are often stored as float32 or as rounded decimals.
_EVEN = 1e-4
_EXAMPLE = "'t=0:100, x=0:128 periodic' or 't, x=grid/positions periodic'"
_ENTRY = re.compile(r"(?P<name>\w+)\s*(=\s*(?P<source>\S+))?(\s+(?P<kind>periodic|open))?")
_SPAN = re.compile(r"(?P<start>[-+.\deE]+):(?P<stop>[-+.\deE]+)")


@dataclass(frozen=True)
class Axis:
    """One axis of a grid.

    Attributes
    ----------
    name
        Of the independent variable.
    coordinates
        Increasing, ``(n,)``.
    periodic
        Whether the field repeats one step after the last coordinate.
    """

    name: str
    coordinates: Tensor
    periodic: bool

    @property
    def points(self) -> int:
        """The length of the axis, n."""
        return len(self.coordinates)

    @property
    def step(self) -> float:
        """The mean distance of neighbours."""
        return float(self.coordinates[-1] - self.coordinates[0]) / (self.points - 1)

    @property
    def period(self) -> float:
        """The length of the axis with the step that closes it."""
        return self.step * self.points

    @property
    def even(self) -> bool:
        """Whether all steps have the same length, to 1e-4 of it."""
        return bool((self.coordinates.diff() - self.step).abs().max() <= _EVEN * self.step)

    def __str__(self) -> str:
        """``x, 256 points from 0 to 127.5, periodic``."""
        ends = f"from {float(self.coordinates[0]):g} to {float(self.coordinates[-1]):g}"
        return f"{self.name}, {self.points} points {ends}{', periodic' if self.periodic else ''}"


@dataclass(frozen=True)
class AxisSource:
    """Where the coordinates of an axis come from.

    Attributes
    ----------
    name
        One of t, x and y.
    dataset
        The dataset that holds them, ``None`` for a span.
    span
        Start and stop of evenly spaced coordinates; the stop of a periodic axis is one step after its last point.
    periodic
        ``None`` to let the data tell.
    """

    name: str
    dataset: str | None
    span: tuple[float, float] | None
    periodic: bool | None

    def coordinates(self, points: int) -> Tensor:
        """Return the coordinates of a span as ``(points,)``."""
        start, stop = self.span or (0.0, 1.0)
        parts = points if self.periodic else max(1, points - 1)
        return start + (stop - start) * torch.arange(points, dtype=torch.float64) / parts


def parse_grid(text: str) -> tuple[AxisSource, ...]:
    """Read the axes of a field, ``t=0:100, x=0:128 periodic``, or of maps between fields, ``x=0:1, y=0:1``.

    Entries are separated by commas: a name, ``=START:STOP`` or ``=DATASET`` (by default the dataset of that name),
    and the word ``periodic`` or ``open``.

    Raises
    ------
    UsageError
        It cannot be read so, or the names are not [t, ]x[, y] in this order.
    """
    sources = tuple(_source(entry.strip()) for entry in text.split(","))
    names = tuple(source.name for source in sources)
    if names not in (AXES[:2], AXES, AXES[1:2], AXES[1:]):
        raise UsageError(
            f"--grid names the axes {', '.join(names)}, expected t, x or t, x, y (x or x, y for operators); "
            f"such as {_EXAMPLE}"
        )
    if names[0] == "t" and sources[0].periodic:
        raise UsageError("--grid says that t is periodic, which is not understood; leave the word out")
    return sources


def _source(entry: str) -> AxisSource:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise UsageError(f"--grid has the entry {entry!r}, expected such as {_EXAMPLE}")
    name, source = found["name"], found["source"] or found["name"]
    periodic = None if found["kind"] is None else found["kind"] == "periodic"
    span = _SPAN.fullmatch(source)
    if span is None:
        return AxisSource(name, source, None, periodic)
    try:
        start, stop = float(span["start"]), float(span["stop"])
    except ValueError:
        raise UsageError(f"--grid has the span {source!r} for {name}, expected numbers such as 0:100") from None
    if not start < stop < float("inf") or start == float("-inf"):
        raise UsageError(f"--grid lets {name} run from {start:g} to {stop:g}; it must increase")
    return AxisSource(name, None, (start, stop), periodic)


def check_increasing(coordinates: Tensor, name: str, where: str) -> None:
    """Raise unless the coordinates ``(n,)`` are finite and increase strictly.

    Raises
    ------
    InputError
        The first place where they do not.
    """
    if not coordinates.isfinite().all():
        first = int(coordinates.isfinite().logical_not().nonzero()[0])
        raise InputError(f"{where}: {name}[{first}] is not finite; repair the axis")
    falling = (coordinates.diff() <= 0).nonzero()
    if len(falling):
        i = int(falling[0])
        a, b = coordinates[i : i + 2].tolist()
        raise InputError(
            f"{where}: {name} must increase, {name}[{i + 1}] = {b:g} comes after {name}[{i}] = {a:g}; "
            "sort the axis, and u with it"
        )


def closes(u: Tensor, axis: int) -> bool:
    """Whether u goes on smoothly from the end of an axis to its start.

    The fourth differences across the seam are compared with those elsewhere: a seam that does not close shows up as
    a jump, which no difference makes smaller.
    """
    n = u.shape[axis]
    if n < 10:  # four differences touch the seam, and as many must not
        return False
    differences = u
    for _ in range(4):
        differences = differences.roll(-1, axis) - differences
    size = differences.square().movedim(axis, 0).flatten(1).mean(1)
    # Difference i uses the points i … i + 4: from n − 4 on they cross the seam.
    inside, seam = size[:-4], size[-4:]
    scale = float(u.square().mean())
    # Nine: three times the size; rounding of the four differences (√70 ε) counts as closed.
    return bool(seam.mean() <= 9 * inside.mean() + 70 * scale * torch.finfo(u.dtype).eps ** 2)


def repeats_its_start(u: Tensor, axis: int) -> bool:
    """Whether the last point of an axis is the first again, as in a grid that includes both ends of a period."""
    jump = (u.select(axis, 0) - u.select(axis, -1)).abs().max()
    # 1e-6 of the size: files of float32
    return bool(jump <= 1e-6 * u.abs().max()) and closes(u.narrow(axis, 0, u.shape[axis] - 1), axis)


def component_names(count: int) -> tuple[str, ...]:
    """Names of c components that have none: u, v, w, or u1, u2, … from four on."""
    return ("u", "v", "w")[:count] if count <= 3 else tuple(f"u{i + 1}" for i in range(count))
