"""Vector fields with exactly known symmetry algebras, in canonical coordinates: ``(n, d)`` → ``(n, d)``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recovery_suite.problem import Array, TorchMap


def linear(matrix: list[list[float]] | Array) -> TorchMap:
    """ẋ = Ax: the centraliser of A, and c ≠ 0 for a nilpotent A."""
    a = torch.as_tensor(np.asarray(matrix, dtype=np.float64))
    return lambda z: z @ a.T


def jordan(value: float, d: int) -> Array:
    """One Jordan block."""
    return value * np.eye(d) + np.eye(d, k=1)


def rotations(*frequencies: float, damping: float = 0.0) -> Array:
    """Blocks (−δ, −ω; ω, −δ)."""
    d = 2 * len(frequencies)
    a = -damping * np.eye(d)
    for i, w in enumerate(frequencies):
        a[2 * i, 2 * i + 1], a[2 * i + 1, 2 * i] = -w, w
    return np.asarray(a)


def hopf(z: Tensor) -> Tensor:
    """The normal form ẋ = x − ωy − r²x, ẏ = ωx + y − r²y with ω = 1.3: so(2)."""
    r = z.square().sum(-1, keepdim=True)
    turned = torch.stack([-z[:, 1], z[:, 0]], -1)
    return z + 1.3 * turned - r * z


def broken_hopf(strength: float) -> TorchMap:
    """The normal form with ``strength``·x added to ẋ and taken from ẏ: nearly so(2)."""
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64)
    return lambda z: hopf(z) + strength * signs * z


def two_hopf(z: Tensor) -> Tensor:
    """Two normal forms coupled by their radii: so(2) + so(2)."""
    a, b = z[:, :2], z[:, 2:]
    p, q = a.square().sum(-1, keepdim=True), b.square().sum(-1, keepdim=True)
    ja, jb = torch.stack([-a[:, 1], a[:, 0]], -1), torch.stack([-b[:, 1], b[:, 0]], -1)
    return torch.cat([a * (1 - p - 0.4 * q) + ja * (1 + 0.3 * q), b * (0.8 - q + 0.3 * p) + 1.7 * jb], -1)


def unitary(z: Tensor) -> Tensor:
    """ż = (1 + i)z − (1 − i/2)|z|²z on C², coordinates (Re₁, Re₂, Im₁, Im₂): u(2)."""
    w = torch.complex(z[:, :2], z[:, 2:])
    r = w.abs().square().sum(-1, keepdim=True)
    v = (1 + 1j) * w - (0.5 - 0.25j) * r * w
    return torch.cat([v.real, v.imag], -1)


def radial(z: Tensor) -> Tensor:
    """ẋ = (1 − |x|²/2)x: so(n)."""
    return (1 - z.square().sum(-1, keepdim=True) / 2) * z


def homogeneous_radial(z: Tensor) -> Tensor:
    """ẋ = −|x|²x: so(n) and x → sx with time."""
    return -z.square().sum(-1, keepdim=True) * z


def central_force(z: Tensor) -> Tensor:
    """r̈ = r − |r|²r in (r, v): so(3)."""
    r, v = z.split(z.shape[1] // 2, 1)
    return torch.cat([v, r - r.square().sum(-1, keepdim=True) * r], -1)


def quartic_potential(z: Tensor) -> Tensor:
    """r̈ = −|r|²r in (r, v): so(n) and r → sr, v → s²v with time."""
    r, v = z.split(z.shape[1] // 2, 1)
    return torch.cat([v, -r.square().sum(-1, keepdim=True) * r], -1)


def rigid_body(*inertia: float) -> TorchMap:
    """Euler's L̇ = L × I⁻¹L: scaling with time, and so(2) + R more for a symmetric top."""
    inverse = torch.tensor([1 / i for i in inertia], dtype=torch.float64)
    return lambda z: torch.linalg.cross(z, z * inverse)


def driven_body(z: Tensor) -> Tensor:
    """A rigid body with friction and a constant torque: nothing is left."""
    torque = torch.tensor([0.4, -0.3, 0.6], dtype=torch.float64)
    return rigid_body(1.0, 2.0, 3.5)(z) - 0.2 * z + torque


def chain(z: Tensor) -> Tensor:
    """Two beads on a line with a bistable spring, (x₁, x₂, v₁, v₂): ∂x and P∂x, affine."""
    s = z[:, 1] - z[:, 0]
    force = s**3 - s
    return torch.stack([z[:, 2], z[:, 3], force, -force], -1)


def van_der_pol(z: Tensor) -> Tensor:
    """ẋ = y, ẏ = (1 − x²)y − x."""
    x, y = z[:, 0], z[:, 1]
    return torch.stack([y, (1 - x.square()) * y - x], -1)


def duffing(z: Tensor) -> Tensor:
    """ẋ = y, ẏ = x − x³ − 0.3y."""
    x, y = z[:, 0], z[:, 1]
    return torch.stack([y, x - x**3 - 0.3 * y], -1)


def lotka_volterra(z: Tensor) -> Tensor:
    """ẋ = x(1 − y), ẏ = y(x − 0.7)."""
    x, y = z[:, 0], z[:, 1]
    return torch.stack([x * (1 - y), y * (x - 0.7)], -1)


def lorenz(z: Tensor) -> Tensor:
    """σ = 10, ρ = 28, β = 8/3."""
    x, y, w = z[:, 0], z[:, 1], z[:, 2]
    return torch.stack([10 * (y - x), x * (28 - w) - y, x * y - 8 / 3 * w], -1)


def roessler(z: Tensor) -> Tensor:
    """With a = b = 0.2, c = 5.7."""
    x, y, w = z[:, 0], z[:, 1], z[:, 2]
    return torch.stack([-y - w, x + 0.2 * y, 0.2 + w * (x - 5.7)], -1)


def fitzhugh(z: Tensor) -> Tensor:
    """v̇ = v − v³/3 − w + 1/2, ẇ = (v + 0.7 − 0.8w)/2."""
    v, w = z[:, 0], z[:, 1]
    return torch.stack([v - v**3 / 3 - w + 0.5, (v + 0.7 - 0.8 * w) / 2], -1)


def pendulum(z: Tensor) -> Tensor:
    """θ̈ = −sin θ − 0.2θ̇."""
    return torch.stack([z[:, 1], -torch.sin(z[:, 0]) - 0.2 * z[:, 1]], -1)


def kepler(z: Tensor) -> Tensor:
    """r̈ = −r/|r|³ in (r, v): so(3) and Kepler's third law."""
    r, v = z.split(3, 1)
    return torch.cat([v, -r / r.norm(dim=1, keepdim=True) ** 3], -1)


def random_polynomial(d: int, degree: int, seed: int, outputs: int) -> TorchMap:
    """Σ_α c_α z^α with Gaussian c_α/α!^{1/2}, |α| ≤ degree: generically without linear symmetry."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(degree + 1)] * d, indexing="ij"), -1).reshape(-1, d)
    powers = torch.from_numpy(grid[(grid.sum(1) <= degree) & (grid.sum(1) >= 1)])
    factorial = np.array([1.0, 1.0, 2.0, 6.0, 24.0, 120.0])
    scale = np.sqrt(factorial[powers.numpy()].prod(1))
    weights = torch.from_numpy(rng.standard_normal((outputs, len(powers))) / scale)

    def f(z: Tensor) -> Tensor:
        table = [torch.ones_like(z)]
        for _ in range(degree):
            table.append(table[-1] * z)
        stacked = torch.stack(table)  # (degree + 1, n, d)
        terms = torch.stack([stacked[a, :, torch.arange(d)].prod(0) for a in powers], -1)
        return terms @ weights.T

    return f
