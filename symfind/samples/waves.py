"""Fields on the circle and the torus as Fourier series, and the random ones that simulations start from."""

from __future__ import annotations

import torch
from torch import Tensor


def wavenumbers(n: int, length: float) -> Tensor:
    """2πl/L of the modes l = 0 … n/2 of a real series on n points: ``(n//2 + 1,)``."""
    return 2 * torch.pi / length * torch.arange(n // 2 + 1, dtype=torch.float64)


def wavenumbers_2d(n: int, length: float) -> tuple[Tensor, Tensor]:
    """Of the modes of a real series on n × n points: k_x ``(n, 1)`` of either sign and k_y ``(1, n//2 + 1)``."""
    signed = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    return 2 * torch.pi / length * signed[:, None], wavenumbers(n, length)[None, :]


def coordinates(n: int, length: float) -> Tensor:
    """0, L/n, …, L − L/n: ``(n,)``."""
    return torch.arange(n, dtype=torch.float64) * (length / n)


def random_waves(rows: int, n: int, highest: int, generator: torch.Generator) -> Tensor:
    """Σ Aᵢ sin(2πlᵢx/L + φᵢ) of ten waves, A ∈ U[−½, ½], l ∈ {1 … highest}: ``(rows, n)`` on the circle.

    The start that Brandstetter, Welling and Worrall (2022) and Ko et al. (2024) use. What is drawn does not depend
    on n: a finer grid shows the same field.
    """
    amplitude = torch.rand((rows, 10, 1), generator=generator, dtype=torch.float64) - 0.5
    order = torch.randint(1, highest + 1, (rows, 10, 1), generator=generator)
    phase = 2 * torch.pi * torch.rand((rows, 10, 1), generator=generator, dtype=torch.float64)
    return (amplitude * torch.sin(order * coordinates(n, 2 * torch.pi) + phase)).sum(1)


def random_waves_2d(rows: int, n: int, highest: int, generator: torch.Generator) -> Tensor:
    """Σ A_l cos(2πl·x/L + φ_l) over all l ≠ 0 with |lᵢ| ≤ highest, of standard deviation one: ``(rows, n, n)``."""
    grid = coordinates(n, 2 * torch.pi)
    field = torch.zeros((rows, n, n), dtype=torch.float64)
    for i in range(highest + 1):
        for j in range(-highest, highest + 1):
            if i == 0 and j <= 0:  # −l is the same wave as l
                continue
            amplitude = torch.randn((rows, 1, 1), generator=generator, dtype=torch.float64)
            phase = 2 * torch.pi * torch.rand((rows, 1, 1), generator=generator, dtype=torch.float64)
            field += amplitude * torch.cos(i * grid[:, None] + j * grid[None, :] + phase)
    return field / field.square().mean((1, 2), keepdim=True).sqrt()
