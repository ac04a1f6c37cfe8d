"""v' = Lv + N(v, t) with a diagonal, stiff L: exponential time differencing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

Nonlinearity = Callable[[Tensor, float], Tensor]

# Points of the circle around hL on which the coefficients are averaged: the mean converges geometrically, and
# 32 points of a circle of radius 1 leave an error below rounding (Kassam, Trefethen 2005, section 3).
_CIRCLE = 32


@dataclass(frozen=True)
class _Coefficients:
    """The functions of hL in a step of length h, each ``(modes,)``."""

    whole: Tensor  # exp(hL)
    half: Tensor  # exp(hL/2)
    stage: Tensor  # h (exp(hL/2) − 1)/(hL)
    first: Tensor
    middle: Tensor
    last: Tensor


def _coefficients(linear: Tensor, h: float) -> _Coefficients:
    angles = (torch.arange(_CIRCLE, dtype=torch.float64) + 0.5) * (2 * torch.pi / _CIRCLE)
    z = (h * linear)[..., None] + torch.polar(torch.ones_like(angles), angles)
    e = z.exp()
    return _Coefficients(
        whole=(h * linear).exp(),
        half=(h * linear / 2).exp(),
        stage=h * (((z / 2).exp() - 1) / z).mean(-1),
        first=h * ((-4 - z + e * (4 - 3 * z + z**2)) / z**3).mean(-1),
        middle=h * 2 * ((2 + z + e * (z - 2)) / z**3).mean(-1),
        last=h * ((-4 - 3 * z - z**2 + e * (4 - z)) / z**3).mean(-1),
    )


def solve(linear: Tensor, nonlinear: Nonlinearity, start: Tensor, times: Tensor, step: float) -> Tensor:
    """v(t) of v' = Lv + N(v, t) at the given times: ``(R, …) → (R, nt, …)``.

    The fourth-order method ETDRK4 of Cox and Matthews (2002), its coefficients as means over a circle (Kassam,
    Trefethen 2005).

    Parameters
    ----------
    linear
        The diagonal of L, complex, of the shape of one state.
    nonlinear
        (v, t) → N, of the shape of v.
    start
        v at ``times[0]``, complex, ``(R, …)``.
    times
        Increasing, ``(nt,)``.
    step
        The longest step; each interval is divided into equal ones.
    """
    v = start
    states = [v]
    moments = times.tolist()
    h = 0.0
    for begin, end in zip(moments, moments[1:], strict=False):
        steps = ceil((end - begin) / step)
        if abs((end - begin) / steps - h) > 1e-12 * h:  # rounding of evenly spaced times is no new step
            h = (end - begin) / steps
            c = _coefficients(linear, h)
        for i in range(steps):
            t = begin + i * h
            rate = nonlinear(v, t)
            a = c.half * v + c.stage * rate
            at_a = nonlinear(a, t + h / 2)
            at_b = nonlinear(c.half * v + c.stage * at_a, t + h / 2)
            at_d = nonlinear(c.half * a + c.stage * (2 * at_b - rate), t + h)
            v = c.whole * v + c.first * rate + c.middle * (at_a + at_b) + c.last * at_d
        states.append(v)
    return torch.stack(states, dim=1)
