"""The heat and the wave equation: exact, mode by mode."""

from __future__ import annotations

import torch
from torch import Tensor

from symfind.samples.waves import random_waves, random_waves_2d, wavenumbers, wavenumbers_2d


def heat(rows: int, times: Tensor, n: int, length: float, generator: torch.Generator) -> Tensor:
    """Solutions of u_t = u_xx from random waves: ``(rows, nt, n, 1)``."""
    start = torch.fft.rfft(random_waves(rows, n, 5, generator))
    decay = torch.exp(-times[:, None] * wavenumbers(n, length) ** 2)
    u: Tensor = torch.fft.irfft(start[:, None] * decay, n)
    return u[..., None]


def wave(rows: int, times: Tensor, n: int, length: float, generator: torch.Generator) -> Tensor:
    """Solutions of u_tt = u_xx, u and u_t random waves at the start: ``(rows, nt, n, 1)``."""
    k = wavenumbers(n, length)
    start = torch.fft.rfft(random_waves(rows, n, 5, generator))[:, None]
    rate = torch.fft.rfft(random_waves(rows, n, 5, generator))[:, None]
    phase = times[:, None] * k
    # t sin(kt)/(kt), whose limit at k = 0 is t
    u: Tensor = torch.fft.irfft(start * phase.cos() + rate * times[:, None] * torch.sinc(phase / torch.pi), n)
    return u[..., None]


def heat_2d(rows: int, times: Tensor, n: int, length: float, generator: torch.Generator) -> Tensor:
    """Solutions of u_t = u_xx + u_yy from random waves: ``(rows, nt, n, n, 1)``."""
    kx, ky = wavenumbers_2d(n, length)
    start = torch.fft.rfft2(random_waves_2d(rows, n, 3, generator))
    decay = torch.exp(-times[:, None, None] * (kx**2 + ky**2))
    u: Tensor = torch.fft.irfft2(start[:, None] * decay, s=(n, n))
    return u[..., None]
