"""u_t + (u·∇)u + ∇p = ν Δu, ∇·u = 0 on the torus, through the vorticity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.samples.exponential import solve
from symfind.samples.waves import random_waves_2d, wavenumbers_2d

VISCOSITY = 0.05
# Taylor–Green vortices come out to 1e-9 with it (tests/samples/test_simulators.py).
_STEP = 0.01


@dataclass(frozen=True)
class Torus:
    """Fourier series on n × n points of a torus, and the flow of a vorticity."""

    n: int
    length: float

    def flow(self, vorticity: Tensor) -> tuple[Tensor, Tensor]:
        """(u, v) with v_x − u_y = ω and u_x + v_y = 0, without mean; all as series ``(…, n, n//2 + 1)``."""
        kx, ky = wavenumbers_2d(self.n, self.length)
        inverse = 1 / (kx**2 + ky**2).clamp(min=1e-300)
        inverse[0, 0] = 0.0
        stream = inverse * vorticity  # −Δψ = ω
        return 1j * ky * stream, -1j * kx * stream

    def values(self, series: Tensor) -> Tensor:
        """Return the values on the grid of a series, ``(…, n, n)``."""
        values: Tensor = torch.fft.irfft2(series, s=(self.n, self.n))
        return values

    def series(self, values: Tensor) -> Tensor:
        """Return the series of values on the grid, without the waves above two thirds of the highest."""
        kx, ky = wavenumbers_2d(self.n, 2 * torch.pi)
        series: Tensor = torch.fft.rfft2(values) * ((kx.abs() < self.n / 3) & (ky < self.n / 3))
        return series

    def pressure(self, u: Tensor, v: Tensor) -> Tensor:
        """The p without mean of Δp = 2 (u_x v_y − u_y v_x); all as series."""
        kx, ky = wavenumbers_2d(self.n, self.length)
        ux, uy, vx, vy = (self.values(1j * k * w) for w in (u, v) for k in (kx, ky))
        inverse = -1 / (kx**2 + ky**2).clamp(min=1e-300)
        inverse[0, 0] = 0.0
        return inverse * self.series(2 * (ux * vy - uy * vx))

    def evolve(self, vorticity: Tensor, mean: Tensor, times: Tensor, viscosity: float) -> Tensor:
        """u, v, p ``(R, nt, n, n, 3)`` at the given times from the vorticity ``(R, n, n)`` and mean flow ``(R, 2)``."""
        kx, ky = wavenumbers_2d(self.n, self.length)
        drift = mean[:, :, None, None]

        def nonlinear(w: Tensor, t: float) -> Tensor:
            u, v = (self.values(part) + drift[:, i] for i, part in enumerate(self.flow(w)))
            return -self.series(u * self.values(1j * kx * w) + v * self.values(1j * ky * w))

        linear = (-viscosity * (kx**2 + ky**2)).to(torch.complex128)
        w = solve(linear, nonlinear, self.series(vorticity), times, _STEP)
        u, v = self.flow(w)
        p = self.pressure(u, v)
        moving = drift[:, None]  # the same at all times
        return torch.stack([self.values(u) + moving[:, :, 0], self.values(v) + moving[:, :, 1], self.values(p)], dim=-1)


def navier_stokes_2d(rows: int, times: Tensor, n: int, length: float, generator: torch.Generator) -> Tensor:
    """Flows (u, v, p) with ν = 0.05 from random vorticity and mean flow: ``(rows, nt, n, n, 3)``.

    Computed on twice as many points along each axis.
    """
    vorticity = 2 * random_waves_2d(rows, 2 * n, 2, generator)
    mean = 0.5 * torch.randn((rows, 2), generator=generator, dtype=torch.float64)
    return Torus(2 * n, length).evolve(vorticity, mean, times, VISCOSITY)[:, :, ::2, ::2]
