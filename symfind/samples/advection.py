"""u_t + uu_x = Lu on the circle: Korteweg–de Vries and its relatives, Kuramoto–Sivashinsky, Burgers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from symfind.samples.exponential import solve
from symfind.samples.waves import random_waves, wavenumbers


@dataclass(frozen=True)
class Advection:
    """w_s + a(s) w w_x = L w, shown as u(t) = b(t) w(s(t)).

    Attributes
    ----------
    symbol
        k → the symbol of L, complex.
    step
        The longest step in s.
    amplitude
        Of the waves at the start, in units of :func:`~symfind.samples.waves.random_waves`.
    speed, clock, scale
        a(s), s(t) and b(t); with b = 1 and s = t at the first time.
    """

    symbol: Callable[[Tensor], Tensor]
    step: float
    amplitude: float = 1.0
    speed: Callable[[float], float] = lambda s: 1.0
    clock: Callable[[Tensor], Tensor] = lambda t: t
    scale: Callable[[Tensor], Tensor] = torch.ones_like

    def evolve(self, start: Tensor, times: Tensor, length: float) -> Tensor:
        """The solution at the given times from u = start ``(R, n)`` at the first, n even: ``(R, nt, n)``.

        The waves above two thirds of the highest are left out, so that products do not fold back.
        """
        n = start.shape[-1]
        k = wavenumbers(n, length)
        kept = torch.arange(len(k)) < n / 3
        flux = torch.where(kept, -0.5j * k, 0.0)

        def nonlinear(v: Tensor, s: float) -> Tensor:
            product: Tensor = self.speed(s) * flux * torch.fft.rfft(torch.fft.irfft(v, n).square())
            return product

        series = solve(self.symbol(k), nonlinear, kept * torch.fft.rfft(start), self.clock(times), self.step)
        u: Tensor = self.scale(times)[:, None] * torch.fft.irfft(series, n)
        return u

    def __call__(self, rows: int, times: Tensor, n: int, length: float, generator: torch.Generator) -> Tensor:
        """Solutions from random waves on n points, ``(rows, nt, n, 1)``, computed on twice as many."""
        start = self.amplitude * random_waves(rows, 2 * n, 3, generator)
        return self.evolve(start, times, length)[..., ::2, None]


# Halving these steps moves the solutions at t = 4 by less than 1e-8 of their size (tests/samples/test_simulators.py).
KDV = Advection(lambda k: 1j * k**3, step=0.008)
KURAMOTO_SIVASHINSKY = Advection(lambda k: (k**2 - k**4).to(torch.complex128), step=0.005)
# A fifth of the usual waves: with ν = 0.01 on 256 points, larger ones steepen into fronts no grid point sees.
BURGERS = Advection(lambda k: (-0.01 * k**2).to(torch.complex128), step=0.01, amplitude=0.2)
# u_t e^(−t/50) + uu_x + u_xxx = 0 is Korteweg–de Vries in the time s = 50 (e^(t/50) − 1).
NKDV = Advection(lambda k: 1j * k**3, step=0.012, clock=lambda t: 50 * torch.expm1(t / 50))
# u_t + uu_x + u_xxx + u/(2t + 2) = 0 with u = w/√(t + 1): w_t + ww_x/√(t + 1) + w_xxx = 0.
CKDV = Advection(
    lambda k: 1j * k**3, step=0.008, speed=lambda t: 1 / sqrt(t + 1), scale=lambda t: 1 / torch.sqrt(t + 1)
)
