"""t*: how far along exp(tξ) the finite statement F(exp(tξ)x) = exp(tξ)F(x) holds (DESIGN §2).

A small ρ on thin data proves nothing about finite transformations. The finite defect at t is

    ‖F(x_t) − y_t‖_H / min(|t|·‖ξ‖_S, √2·‖F‖_H),     d/dt (x_t, y_t) = (ξ(x_t), ξ_Y(x_t)·y_t),  y_0 = F(x_0),

which tends to ρ as t → 0; two values of F that have nothing to do with one another differ by √2 of its spread, so that
no more than that is asked where data are thin along ξ and |t|·‖ξ‖_S is large. Over fits it is taken over the points
that stay where the fit was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.decision.on_support import fields_on_support
from symfind.decision.settings import SETTINGS
from symfind.fits.features import Features
from symfind.lie_derivative import LieDerivative, constant_slope

Inside = Callable[[Tensor], Tensor]
# Distances along the flow that are tried, in units of one over the spectral radius; π is half a turn.
STEPS = (0.1, 0.3, 0.5, 1.0, 2.0, 3.0)
# An action on y that differs by more than this share between two points is not that of a matrix.
_ROUNDING = 1e-9
# Points further than this many standard deviations from the mean have left every support.
_RUN_OFF = 1e4


def leverage_inside(features: Features, x: Tensor) -> Inside:
    """Whether a point has no more leverage on the fit than nearly all the data have.

    φ(x)ᵀ(ΦᵀΦ/n)⁻¹φ(x) is the variance of a prediction in units of the noise; beyond twice its 99 % quantile over the
    data a prediction is extrapolation.
    """
    phi = features(x)
    _, sigma, vh = torch.linalg.svd(phi / len(x) ** 0.5, full_matrices=False)
    keep = sigma > 1e-6 * sigma[0]
    transform = vh[keep].T / sigma[keep]

    def leverage(points: Tensor) -> Tensor:
        score: Tensor = (features(points) @ transform).square().sum(1)
        return score

    bound = 2.0 * float(torch.quantile(leverage(x), 0.99))
    return lambda points: leverage(points).le(bound)


def unit_of_flow(derivative: LieDerivative, vector: Tensor, x: Tensor) -> float:
    """One over the spectral radius of ∂ξ/∂x, or over the drift Eξ in units of the data's spread if that is larger.

    For a nilpotent or nonlinear field, one over its size in the same units.
    """
    slope = constant_slope(derivative.space, vector)
    k, d = derivative.objects
    xi = torch.einsum("npd,p->nd", derivative.space.evaluate(x.reshape(-1, d)), vector[: derivative.space.dim])
    white = xi @ derivative.geometry.inputs.whiten.T
    size = math.sqrt(float(white.square().sum(1).mean()) / d)
    if slope is not None:
        radius = float(torch.linalg.eigvals(slope).abs().max())
        # A shear has radius zero but rounding leaves the cube root of the unit; the size is then the measure.
        if radius > 1e-3 * size:
            # Far from the origin a small turn carries all the data away together; that drift is the measure there.
            drift = float(white.mean(0).norm()) / math.sqrt(d)
            return 1.0 / max(radius, drift)
    return 1.0 / max(size, 1e-300)


def _velocity(derivative: LieDerivative, vector: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    n, k, d = x.shape
    # On the support: what a generator does off it is arbitrary (a trivial field), and F is not known there.
    xi = fields_on_support(derivative, x.reshape(n, -1), vector[:, None])
    columns = derivative.action.columns(derivative.space, x, y)
    fibre = torch.zeros_like(y) if columns is None else columns @ vector
    return xi.reshape(n, k, d), fibre


def _flow(derivative: LieDerivative, vector: Tensor, x: Tensor, y: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """(x, y) after times t ``(n, 1, 1)``, fourth-order Runge–Kutta."""
    h = t
    k1x, k1y = _velocity(derivative, vector, x, y)
    k2x, k2y = _velocity(derivative, vector, x + h / 2 * k1x, y + h / 2 * k1y)
    k3x, k3y = _velocity(derivative, vector, x + h / 2 * k2x, y + h / 2 * k2y)
    k4x, k4y = _velocity(derivative, vector, x + h * k3x, y + h * k3y)
    return x + h / 6 * (k1x + 2 * k2x + 2 * k3x + k4x), y + h / 6 * (k1y + 2 * k2y + 2 * k3y + k4y)


Advance = Callable[[Tensor, Tensor, float, float], tuple[Tensor, Tensor]]


def _stepwise(derivative: LieDerivative, vector: Tensor, way: Tensor) -> Advance:
    """(x, y, t, t′) → (x, y) after t′ − t, in steps of Runge and Kutta; ``way`` ``(n, 1, 1)`` scales the time."""

    def advance(x: Tensor, y: Tensor, at: float, target: float) -> tuple[Tensor, Tensor]:
        count = math.ceil((target - at) / SETTINGS.substep - 1e-9)
        for _ in range(count):
            x, y = _flow(derivative, vector, x, y, (target - at) / count * way)
        return x, y

    return advance


def _exponential(derivative: LieDerivative, vector: Tensor, x: Tensor, y: Tensor, way: Tensor) -> Advance | None:
    """The same by exponentials of matrices, where ξ and ξ_Y are affine and do not depend on the point; else None."""
    if constant_slope(derivative.space, vector) is None:
        return None
    (k, d), (k_out, m) = derivative.objects, derivative.output_objects
    centre, scale = derivative.geometry.mean.repeat(k), derivative.geometry.scale.repeat(k).clamp(min=1e-300)
    zero_y = y.new_zeros(k * d + 1, k_out, m)
    at = torch.cat([centre[None], centre + torch.diag(scale)])
    moved = _velocity(derivative, vector, at.reshape(-1, k, d), zero_y)[0].flatten(1) / scale
    on_x = _augmented(moved[1:] - moved[0], moved[0])
    size = float(y.abs().max().clamp(min=1e-300))
    units = torch.cat([y.new_zeros(1, k_out * m), size * torch.eye(k_out * m).to(y)]).reshape(-1, k_out, m)
    pulled = [
        _velocity(derivative, vector, point.expand(len(units), k, d), units)[1].flatten(1)
        for point in (x[0], at[-1].reshape(k, d))
    ]
    if float((pulled[0] - pulled[1]).abs().max()) > _ROUNDING * float(pulled[0].abs().max()):
        return None
    on_y = _augmented((pulled[0][1:] - pulled[0][0]) / size, pulled[0][0])

    def advance(x: Tensor, y: Tensor, at: float, target: float) -> tuple[Tensor, Tensor]:
        z, v = (x.flatten(1) - centre) / scale, y.flatten(1)
        signs = torch.stack([way[0, 0, 0], way[-1, 0, 0]])
        steps = ((target - at) * signs)[:, None, None]
        on = (torch.linalg.matrix_exp(steps * on_x), torch.linalg.matrix_exp(steps * on_y))
        parts = []
        for sign, of_x, of_y in zip(signs, *on, strict=True):
            rows = way[:, 0, 0] == sign
            parts.append((_moved(z[rows], of_x), _moved(v[rows], of_y)))
        z, v = (torch.cat(part) for part in zip(*parts, strict=True))
        return (z * scale + centre).reshape(x.shape), v.reshape(y.shape)

    return advance


def _augmented(slope: Tensor, shift: Tensor) -> Tensor:
    """The matrix on rows (z, 1) of z ↦ z·slope + shift."""
    width = len(shift)
    out = slope.new_zeros(width + 1, width + 1)
    out[:width, :width], out[width, :width] = slope, shift
    return out


def _moved(z: Tensor, exponential: Tensor) -> Tensor:
    """Rows (z, 1)·exponential, without the last column."""
    moved: Tensor = z @ exponential[:-1, :-1] + exponential[-1, :-1]
    return moved


@dataclass(frozen=True)
class Reach:
    """How far a generator was followed.

    Attributes
    ----------
    distance
        t*, the largest |t| up to which the finite defect stays within the tolerance, both ways.
    broken
        Whether the defect ended it, rather than the points leaving the support or the last step being done.
    """

    distance: float
    broken: bool

    @property
    def far_enough(self) -> bool:
        """Nothing speaks against the generator up to ``SETTINGS.least_reach``.

        Where the points leave the support before that, what holds on the first step is all that they can say; asking
        for more would reject most true algebras (DESIGN §8).
        """
        return self.distance >= SETTINGS.least_reach or (self.distance >= STEPS[0] and not self.broken)


@dataclass(frozen=True)
class Follower:
    """Points that are carried along generators, with what is the same for all of these.

    Attributes
    ----------
    derivative
        The Lie derivative, which holds F and the actions.
    points
        ``(n, *input_shape)``.
    inside
        Where F is known; None for a model, which is known everywhere.
    leaps
        Whether a generator that holds at the last step is followed no more closely.
    """

    derivative: LieDerivative
    points: Tensor
    inside: Inside | None
    leaps: bool = False

    @cached_property
    def _rows(self) -> Tensor:
        """Rows of S at the points."""
        return self.derivative.pencil(self.points).s

    @cached_property
    def _values(self) -> Tensor:
        """F ``(n, k′, m)``, in the precision of the metric whatever that of F."""
        return self._map(self.points)

    def _map(self, x: Tensor) -> Tensor:
        derivative = self.derivative
        values = derivative.map(x.reshape(-1, *derivative.map.input_shape))
        return values.reshape(-1, *derivative.output_objects).to(derivative.geometry.outputs)

    @cached_property
    def _spread(self) -> float:
        """‖F‖_H over the points, about its mean where F is an invariant (a constant is then no part of it)."""
        derivative, y = self.derivative, self._values
        first = self.points[:1].reshape(-1, *derivative.objects)
        if derivative.action.columns(derivative.space, first, y[:1]) is None:
            y = y - y.mean(0)
        return float((y @ derivative.geometry.outputs).square().sum((1, 2)).mean().sqrt())

    def reach(self, vector: Tensor, tolerance: float) -> Reach:
        """t* of a generator ``(P,)`` at the tolerance δ, and what ended it."""
        unit = unit_of_flow(self.derivative, vector, self.points.flatten(1))
        size = float((self._rows @ vector).square().sum(1).mean().sqrt())
        if size == 0.0:
            return Reach(0.0, broken=False)
        if self.leaps:
            leap = self._both_ways(vector, tolerance, unit, size, STEPS[-1:])
            if leap.distance:
                return leap
        return self._both_ways(vector, tolerance, unit, size, STEPS)

    def _both_ways(self, vector: Tensor, tolerance: float, unit: float, size: float, steps: tuple[float, ...]) -> Reach:
        """The last step that holds along ξ and along −ξ; both are followed together, as rows ``(2n, …)``."""
        derivative, points, inside = self.derivative, self.points, self.inside
        most = 2.0**0.5 * self._spread
        n = len(points)
        x = points.reshape(n, *derivative.objects)
        y = self._values.to(x).repeat(2, 1, 1)
        x = x.repeat(2, 1, 1)
        way = torch.tensor([unit, -unit], dtype=x.dtype, device=x.device).repeat_interleave(n)[:, None, None]
        advance = _exponential(derivative, vector, x, y, way) or _stepwise(derivative, vector, way)
        alive = torch.ones(2 * n, dtype=torch.bool)
        at, last = 0.0, 0.0
        for target in steps:
            x, y = advance(x, y, at, target)
            at = target
            # A nonlinear flow can run off in finite time, and a model need not stand numbers that no data have.
            spread = ((x - derivative.geometry.mean) / derivative.geometry.scale.clamp(min=1e-300)).abs()
            near = torch.nan_to_num(spread, nan=torch.inf).amax((1, 2)) < _RUN_OFF
            alive &= near & torch.isfinite(y).all(2).all(1)
            usable = alive if inside is None else alive & inside(torch.nan_to_num(x).flatten(1))
            counts = usable.reshape(2, n).sum(1).tolist()
            if min(counts) < max(SETTINGS.fewest_inside, SETTINGS.least_share * n):
                return Reach(last, broken=False)
            gaps = ((self._map(x[usable]) - y[usable]) @ derivative.geometry.outputs).square().sum((1, 2))
            allowed = tolerance * min(target * unit * size, most)
            if any(float(gap.mean().sqrt()) > allowed for gap in torch.split(gaps, counts)):
                return Reach(last, broken=True)
            last = target
        return Reach(last, broken=False)
