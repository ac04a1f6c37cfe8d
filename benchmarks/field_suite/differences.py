"""Solutions by methods other than the package's: central differences with biased coefficients, and no symmetry."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import h5py
import torch
from torch import Tensor


def kdv_by_differences(path: Path) -> None:
    """u_t = −1.01 u u_x − 0.99 u_xxx by second-order central differences on 256 points, classical Runge–Kutta."""
    n, length = 256, 40.0
    h = length / n

    def rate(u: Tensor, t: float) -> Tensor:
        p1, m1, p2, m2 = u.roll(-1, 1), u.roll(1, 1), u.roll(-2, 1), u.roll(2, 1)
        return -1.01 * u * (p1 - m1) / (2 * h) - 0.99 * (p2 - 2 * p1 + 2 * m1 - m2) / (2 * h**3)

    _write(path, rate, _waves(8, n, length, seed=3), length, end=10.0, times=101, steps=30)


def without_symmetry(path: Path) -> None:
    """u_t = −u u_x + (0.3 + 0.15 sin x cos t) u_xx on a circle, by Fourier differentiation."""
    n, length = 64, 2 * math.pi
    ik = 1j * torch.fft.rfftfreq(n, 1 / n, dtype=torch.float64)
    x = torch.arange(n, dtype=torch.float64) * length / n

    def rate(u: Tensor, t: float) -> Tensor:
        hat = torch.fft.rfft(u)
        first, second = torch.fft.irfft(ik * hat, n=n), torch.fft.irfft(ik**2 * hat, n=n)
        return -u * first + (0.3 + 0.15 * torch.sin(x) * math.cos(t)) * second

    _write(path, rate, _waves(12, n, length, seed=4), length, end=3.0, times=121, steps=16)


SIMULATORS: dict[str, Callable[[Path], None]] = {
    "kdv by differences": kdv_by_differences,
    "without symmetry": without_symmetry,
}


def _waves(rows: int, n: int, length: float, seed: int) -> Tensor:
    """A mean and three waves of random size and place."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.arange(n, dtype=torch.float64) * length / n
    u = 0.3 * torch.randn(rows, 1, generator=generator, dtype=torch.float64).expand(rows, n)
    for m in (1, 2, 3):
        size = torch.randn(rows, 1, generator=generator, dtype=torch.float64) / m
        phase = 2 * math.pi * torch.rand(rows, 1, generator=generator, dtype=torch.float64)
        u = u + size * torch.sin(2 * math.pi * m * x / length + phase)
    return u


def _write(
    path: Path, rate: Callable[[Tensor, float], Tensor], u: Tensor, length: float, end: float, times: int, steps: int
) -> None:
    t = torch.linspace(0.0, end, times, dtype=torch.float64)
    h = end / (times - 1) / steps
    held = [u]
    for start in t[:-1].tolist():
        for i in range(steps):
            s = start + i * h
            k1 = rate(u, s)
            k2 = rate(u + h / 2 * k1, s + h / 2)
            k3 = rate(u + h / 2 * k2, s + h / 2)
            k4 = rate(u + h * k3, s + h)
            u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        held.append(u)
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "field"
        file["u"] = torch.stack(held, 1).numpy()
        file["t"] = t.numpy()
        n = u.shape[1]
        file["x"] = (torch.arange(n, dtype=torch.float64) * length / n).numpy()
        file.attrs["periodic"] = "x"
