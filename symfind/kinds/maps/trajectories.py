"""dx/dt along sampled trajectories, with an estimate of its error.

Every method is a linear filter that is fixed in units of the time step, so the same filter on every second
point makes the error of a step twice as large, and the difference of the two says how large the error is. The
method with the smallest estimate is taken; an estimate that is dominated by the bias of the coarser step favours
little smoothing, which is the side to err on: smoothed derivatives symmetrise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.signal import savgol_filter

from symfind.errors import InputError

Array: TypeAlias = NDArray[np.float64]
Trajectory: TypeAlias = tuple[Array, Array]  # t (T,), x (T, d)

# A quintic spline through every second point needs 6 of them; 12 leave the comparison of two steps possible.
MIN_POINTS = 12
_DEGREE = 5
_PIECE = 4096  # points fitted at once: the windows of that many fit into some tens of megabytes
# Steps whose lengths differ by less count as equal: times are often stored as float32 or as rounded decimals.
_EVEN = 1e-4


class Differentiator(Protocol):
    """A linear filter x ↦ dx/dt."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def edge(self) -> int:
        """Points at each end where the filter is one-sided, so that its error is several times larger."""
        ...

    def __call__(self, t: Array, x: Array) -> Array:
        """dx/dt at every t: ``(T,), (T, d) → (T, d)``."""
        ...


@dataclass(frozen=True)
class QuinticSpline:
    """The derivative of the quintic spline through the points: for data without noise."""

    name: str = "quintic spline"
    edge: int = 3

    def __call__(self, t: Array, x: Array) -> Array:
        """dx/dt at every t: ``(T,), (T, d) → (T, d)``."""
        return np.asarray(make_interp_spline(t, x, k=5, axis=0).derivative()(t), dtype=np.float64)


@dataclass(frozen=True)
class SavitzkyGolay:
    """The derivative of the quintic fitted to a window of points around each (Savitzky and Golay 1964).

    Uneven times get a fit of their own in every window; the ends use the nearest whole window.
    """

    window: int

    @property
    def name(self) -> str:
        """The method with its window."""
        return f"Savitzky–Golay, degree {_DEGREE}, window {self.window}"

    @property
    def edge(self) -> int:
        """Half a window."""
        return self.window // 2

    def __call__(self, t: Array, x: Array) -> Array:
        """dx/dt at every t: ``(T,), (T, d) → (T, d)``."""
        if is_even(t):
            step = _mean_step(t)
            filtered = savgol_filter(x, self.window, _DEGREE, deriv=1, delta=step, axis=0, mode="interp")
            return np.asarray(filtered, dtype=np.float64)
        pieces = [self._uneven(t, x, start) for start in range(0, len(t), _PIECE)]
        return np.concatenate(pieces)

    def _uneven(self, t: Array, x: Array, start: int) -> Array:
        """dx/dt at the points ``start : start + _PIECE``."""
        at = np.arange(start, min(start + _PIECE, len(t)))
        first = np.clip(at - self.window // 2, 0, len(t) - self.window)
        points = first[:, None] + np.arange(self.window)  # (n, window)
        scale = _mean_step(t) * self.window / 2  # powers of numbers of order 1 keep the fit well conditioned
        powers = ((t[points] - t[at, None]) / scale)[:, :, None] ** np.arange(_DEGREE + 1)
        # Normal equations: in a whole window around the point their condition is below 1e5.
        slope = np.linalg.solve(powers.mT @ powers, powers.mT)[:, 1, :]  # (n, window): the linear coefficient
        return np.asarray(np.einsum("nw,nwd->nd", slope, x[points]) / scale, dtype=np.float64)


@dataclass(frozen=True)
class Differentiation:
    """The method chosen for a set of trajectories.

    Attributes
    ----------
    method
        x ↦ dx/dt.
    error
        Estimated ‖error of dx‖/‖dx‖, coordinates weighed by their spread.
    others
        The best of the other family with its estimate, in words.
    """

    method: Differentiator
    error: float
    others: tuple[str, ...]


def _mean_step(t: Array) -> float:
    return float(t[-1] - t[0]) / (len(t) - 1)


def is_even(t: Array) -> bool:
    """Whether all steps of t have the same length, to 1e-4 of it."""
    step = _mean_step(t)
    return bool(np.abs(np.diff(t) - step).max() <= _EVEN * step)


def check_times(t: NDArray[Any], where: str) -> None:
    """Raise unless t is finite, increases strictly and has at least MIN_POINTS entries.

    Raises
    ------
    InputError
        Beginning with ``where``.
    """
    if len(t) < MIN_POINTS:
        raise InputError(
            f"{where} has {len(t)} points, at least {MIN_POINTS} are needed to differentiate; give dx or more points"
        )
    if not np.isfinite(t).all():
        raise InputError(f"{where}: time {int(np.argmin(np.isfinite(t)))} is not finite; repair t")
    if np.any(np.diff(t) <= 0):
        first = int(np.argmax(np.diff(t) <= 0))
        raise InputError(
            f"{where}: t must increase, t[{first + 1}] = {t[first + 1]:g} comes after t[{first}] = {t[first]:g}; "
            "sort the rows by time and drop repeats"
        )


def choose_differentiation(trajectories: Sequence[Trajectory]) -> Differentiation:
    """Return the differentiation with the least estimated error on the given trajectories.

    Parameters
    ----------
    trajectories
        ``(t, x)`` pairs of shapes (T,) and (T, d), as :func:`check_times` accepts them.
    """
    best: dict[type, tuple[float, Differentiator]] = {}
    scale = np.concatenate([x - x.mean(axis=0) for _, x in trajectories]).std(axis=0)
    weight = 1.0 / np.where(scale > 0, scale, np.inf)
    for method in _candidates(trajectories):
        error = _estimated_error(method, trajectories, weight)
        family = type(method)
        if family not in best or error < best[family][0]:
            best[family] = (error, method)
    (error, method), *others = sorted(best.values(), key=lambda entry: entry[0])
    return Differentiation(method, error, tuple(f"{other.name}: {size:.1e}" for size, other in others))


def edge_of(method: Differentiator, length: int) -> int:
    """Return how many points at each end of a trajectory are left out; two thirds of it are kept at least."""
    return min(method.edge, length // 6)


def _candidates(trajectories: Sequence[Trajectory]) -> Iterator[Differentiator]:
    yield QuinticSpline()
    shortest = min(len(t) for t, _ in trajectories)
    for window in (7, 9, 11, 15, 21, 31, 45, 63, 91, 127):
        if 2 * window <= shortest:  # it must fit into every second point
            yield SavitzkyGolay(window)


def noise_level(t: Array, x: Array) -> Array:
    """σ of independent noise on each coordinate, from divided differences of unit norm: ``(T,), (T, d) → (d,)``.

    A difference of order k removes polynomials of degree k − 1. What a curve leaves over only adds to it, so the
    smallest of several orders is the best bound.
    """
    levels = []
    for order in (3, 5, 7):
        windows = np.lib.stride_tricks.sliding_window_view(t, order + 1)  # (T − k, k + 1)
        gaps = (windows[:, :, None] - windows[:, None, :]) / _mean_step(t)
        weights = 1.0 / np.prod(np.where(np.eye(order + 1) > 0, 1.0, gaps), axis=2)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        values = np.lib.stride_tricks.sliding_window_view(x, order + 1, axis=0)  # (T − k, d, k + 1)
        levels.append(np.sqrt(np.square(np.einsum("tdk,tk->td", values, weights)).mean(axis=0)))
    return np.asarray(np.min(levels, axis=0), dtype=np.float64)


def _estimated_error(method: Differentiator, trajectories: Sequence[Trajectory], weight: Array) -> float:
    """Return √(noise² + bias²) of dx over its size.

    The noise is the level of the data times the gain of the filter on white noise. The bias comes from steps h,
    2h and, where there are points enough, 4h: with e₁ = ‖D_h − D_2h‖ and e₂ = ‖D_2h − D_4h‖ it is e₁/(e₂/e₁ − 1)
    (Richardson), the quotient held between 1 (no convergence is seen) and 15 (fourth order, which all methods
    exceed; noise can make it look higher).
    """
    random = np.random.default_rng(0)
    shortest = min(len(t) for t, _ in trajectories)
    thrice = shortest >= max(4 * MIN_POINTS, 4 * (2 * method.edge + 1))
    stride = 4 if thrice else 2
    fine = coarse = noise = size = 0.0
    for t, x in trajectories:
        d1 = method(t, x) * weight
        d2 = method(t[::2], x[::2]) * weight
        margin = edge_of(method, len(t))
        at = np.arange(0, len(t), stride)
        at = at[(at >= margin) & (at < len(t) - margin)]
        fine += float(np.square(d1[at] - d2[at // 2]).sum())
        size += float(np.square(d1[at]).sum())
        edge = edge_of(method, len(t))
        white = method(t, random.standard_normal((len(t), 4)))[edge : len(t) - edge]
        noise += float(np.square(noise_level(t, x) * weight).sum() * np.square(white).mean() * len(at))
        if thrice:
            d4 = method(t[::4], x[::4]) * weight
            coarse += float(np.square(d2[at // 2] - d4[at // 4]).sum())
    if size == 0.0:
        return 0.0
    ratio = (coarse / fine) ** 0.5 if fine > 0 else 1.0
    bias = fine**0.5 / min(15.0, max(1.0, ratio - 1.0))
    return float(((noise + bias**2) / size) ** 0.5)
