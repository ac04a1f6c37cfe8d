"""Trajectories x (R, T, d) with times as rows x, dx, group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from symfind.data.mapping import Axis
from symfind.data.rows import StoredArray, check_finite, is_finite
from symfind.errors import InputError
from symfind.kinds.maps.trajectories import (
    MIN_POINTS,
    Array,
    Differentiation,
    check_times,
    choose_differentiation,
    edge_of,
)

_MAX_TRAJECTORY_BYTES = 2**30  # one is differentiated whole
# The method is chosen on a part of the data: this many trajectories, this many points in all.
_CHOSEN_ON = 8
_CHOSEN_POINTS = 4000
_TIMES_AT_ONCE = 2**20
# A fifth of the default tolerance on the defect: above it the derivative's error is felt in the verdicts.
_LARGE_ERROR = 0.01


@dataclass(frozen=True)
class TrajectoryRows:
    """Rows of trajectories: row i is point i mod K of trajectory i div K, with K points kept of each.

    Attributes
    ----------
    arrays
        x (R, T, …) or, of a single trajectory, (T, …); t if it is stored; dx and group (R,) if they are given.
    count, length
        R and T.
    axis
        The times if they are not stored.
    differentiation
        How dx is made; ``None`` if it is given.
    """

    arrays: Mapping[str, StoredArray]
    count: int
    length: int
    axis: Axis | None
    differentiation: Differentiation | None
    warnings: tuple[str, ...]

    @property
    def edge(self) -> int:
        """Points at each end of a trajectory that do not become rows."""
        return edge_of(self.differentiation.method, self.length) if self.differentiation else 0

    @property
    def alignment(self) -> int:
        """Rows of one trajectory, K."""
        return self.length - 2 * self.edge

    @property
    def n_rows(self) -> int:
        """R·K."""
        return self.count * self.alignment

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of x, dx and group as rows."""
        shape = (self.n_rows, *self._point_shape)
        return {"x": shape, "dx": shape, "group": (self.n_rows,)}

    @property
    def messages(self) -> tuple[str, ...]:
        """How the trajectories were read and differentiated."""
        read = f"{self.count} trajectories of {self.length} points"
        if self.differentiation is None:
            return (f"{read}, dx as given",)
        method = self.differentiation.method
        others = f" ({'; '.join(self.differentiation.others)})" if self.differentiation.others else ""
        return (
            f"{read}, dx by {method.name}: estimated relative error {self.differentiation.error:.1e}{others}; "
            f"{self.edge} points at each end left out",
        )

    def read(self, file: h5py.File, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return rows ``start:stop`` of x, dx and group."""
        size = self.alignment
        first, last = start // size, (stop - 1) // size + 1
        x = self.states(file, "x", first, last)
        dx = self.states(file, "dx", first, last) if self.differentiation is None else self._slopes(file, first, x)
        labels = np.arange(first, last)
        if "group" in self.arrays:
            labels = self.arrays["group"].read(file, first, last).astype(np.int64)
        kept = slice(self.edge, self.length - self.edge)
        chosen = slice(start - first * size, stop - first * size)
        flat = (-1, *self._point_shape)
        return {
            "x": x[:, kept].reshape(flat)[chosen],
            "dx": dx[:, kept].reshape(flat)[chosen],
            "group": np.repeat(labels, size)[chosen],
        }

    def states(self, file: h5py.File, role: str, first: int, last: int) -> Array:
        """Return x or dx of trajectories ``first:last``: (·, T, …)."""
        single = len(self.arrays[role].shape) == 2
        read = self.arrays[role].read(file, *((0, self.length) if single else (first, last)))
        if not is_finite(read):
            check_finite(file, self.arrays)
        return read.astype(np.float64).reshape(last - first, self.length, *self._point_shape)

    def times(self, file: h5py.File, first: int, last: int) -> Array:
        """Return t of trajectories ``first:last``: (·, T)."""
        if self.axis is not None:
            t = self.axis.start + self.axis.step * np.arange(self.length, dtype=np.float64)
        elif len(self.arrays["t"].shape) == 1:
            t = self.arrays["t"].read(file, 0, self.length).astype(np.float64)
        else:
            return self.arrays["t"].read(file, first, last).astype(np.float64)
        return np.broadcast_to(t, (last - first, self.length))

    @property
    def _point_shape(self) -> tuple[int, ...]:
        shape = self.arrays["x"].shape
        return shape[1:] if len(shape) == 2 else shape[2:]

    def _slopes(self, file: h5py.File, first: int, x: Array) -> Array:
        assert self.differentiation is not None
        t = self.times(file, first, first + len(x))
        flat = x.reshape(*x.shape[:2], -1)
        slopes = [self.differentiation.method(times, states) for times, states in zip(t, flat, strict=True)]
        return np.stack(slopes).reshape(x.shape)


def trajectory_rows(file: h5py.File, arrays: Mapping[str, StoredArray], axis: Axis | None) -> TrajectoryRows:
    """Check trajectories and choose how to differentiate them, unless ``dx`` is among the arrays.

    Raises
    ------
    InputError
        Shapes that do not belong together, times that do not increase, too few points, a trajectory above 1 GiB.
    """
    x = arrays["x"]
    if len(x.shape) == 2:
        count, length = 1, x.shape[0]
    else:
        count, length = x.shape[0], x.shape[1]
    expected = {"t": ((length,), (count, length)), "dx": (x.shape,), "group": ((count,),)}
    for role, shapes in expected.items():
        if role in arrays and arrays[role].shape not in shapes:
            wanted = " or ".join(str(shape) for shape in dict.fromkeys(shapes))
            raise InputError(
                f"{file.filename}: {role} has shape {arrays[role].shape}, expected {wanted} beside x "
                f"{x.shape}, which is read as (trajectories, times, coordinates); store it so"
            )
    if 8 * prod(x.shape) // count > _MAX_TRAJECTORY_BYTES:
        raise InputError(f"{file.filename}: one trajectory has {length} points, above 1 GiB; split it into several")
    warnings = () if count > 1 else ("a single trajectory: it says little about the space around it",)
    rows = TrajectoryRows(arrays, count, length, axis, None, warnings)
    if "dx" in arrays:
        return rows
    _check_all_times(file, rows)
    differentiation = _choice(file, rows)
    if differentiation.error > _LARGE_ERROR:
        warnings = (
            *warnings,
            f"dx has an estimated relative error of {differentiation.error:.1g}: "
            "store dx, or sample more densely or with less noise",
        )
    return TrajectoryRows(arrays, count, length, axis, differentiation, warnings)


def _check_all_times(file: h5py.File, rows: TrajectoryRows) -> None:
    distinct = rows.count if "t" in rows.arrays and len(rows.arrays["t"].shape) == 2 else 1
    step = max(1, _TIMES_AT_ONCE // rows.length)
    for first in range(0, distinct, step):
        for offset, t in enumerate(rows.times(file, first, min(first + step, distinct))):
            check_times(t, f"{file.filename}: trajectory {first + offset}")


def _choice(file: h5py.File, rows: TrajectoryRows) -> Differentiation:
    chosen = np.unique(np.linspace(0, rows.count - 1, _CHOSEN_ON).round().astype(int)).tolist()
    points = min(rows.length, max(4 * MIN_POINTS, _CHOSEN_POINTS // len(chosen)))
    trajectories = []
    for trajectory in chosen:
        t = rows.times(file, trajectory, trajectory + 1)[0, :points]
        x = rows.states(file, "x", trajectory, trajectory + 1)[0, :points]
        trajectories.append((t, x.reshape(len(t), -1)))
    return choose_differentiation(trajectories)
