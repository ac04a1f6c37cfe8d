"""Functions, flows, maps and points whose symmetries are known, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Arrays: TypeAlias = dict[str, Tensor]


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def euler_equations(w: Tensor, inertia: tuple[float, float, float]) -> Tensor:
    """dω/dt = I⁻¹(Iω × ω), Euler's equations of a free rigid body in its principal axes; ``(n, 3) → (n, 3)``."""
    moments = torch.tensor(inertia, dtype=w.dtype)
    torque: Tensor = torch.linalg.cross(moments * w, w)
    return torque / moments


def rigid_body(inertia: tuple[float, float, float]) -> Callable[[int, torch.Generator], Arrays]:
    """Draws of angular velocities with their rates, for three moments of inertia."""

    def draw(n: int, generator: torch.Generator) -> Arrays:
        w = _normal(generator, n, 3)
        return {"x": w, "dx": euler_equations(w, inertia)}

    return draw


def kepler(n: int, generator: torch.Generator) -> Arrays:
    """Give a = −r/|r|³ at one moment of each of n orbits: isotropic planes, eccentricity ≤ 0.2, GM = 1."""
    semi_major = _uniform(generator, 0.85, 1.15, n, 1)
    e = _uniform(generator, 0.0, 0.2, n, 1)
    mean_anomaly = _uniform(generator, 0.0, 2 * torch.pi, n, 1)
    anomaly = mean_anomaly
    for _ in range(8):  # Newton on Kepler's equation E − e sin E = M: exact to rounding after 5 at e ≤ 0.2
        anomaly = anomaly - (anomaly - e * anomaly.sin() - mean_anomaly) / (1 - e * anomaly.cos())
    axes, triangle = torch.linalg.qr(_normal(generator, n, 3, 3))
    # Without these signs the first axis, the perihelion, would lie in one half of the space (Mezzadri 2007).
    axes = axes * triangle.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    in_plane = torch.cat([anomaly.cos() - e, (1 - e**2).sqrt() * anomaly.sin()], dim=1)  # (n, 2)
    r = semi_major * torch.einsum("nij,nj->ni", axes[:, :, :2], in_plane)
    return {"x": r, "y": -r / r.norm(dim=1, keepdim=True) ** 3}


def _integrate(f: Callable[[Tensor], Tensor], x: Tensor, step: float, steps: int, parts: int) -> Tensor:
    """Return the states x(0), x(step), … of dx/dt = f(x) by RK4 in parts of a step: ``(R, d) → (R, steps, d)``."""
    states = [x]
    h = step / parts
    for _ in range(steps - 1):
        for _ in range(parts):
            k1 = f(x)
            k2 = f(x + h / 2 * k1)
            k3 = f(x + h / 2 * k2)
            k4 = f(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(x)
    return torch.stack(states, dim=1)


def lorenz_equations(x: Tensor) -> Tensor:
    """dx/dt = (10(y − x), x(28 − z) − y, xy − 8z/3); ``(n, 3) → (n, 3)``."""
    a, b, c = x.unbind(-1)
    return torch.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], dim=-1)


def lorenz(n: int, generator: torch.Generator) -> Arrays:
    """Eight trajectories on the attractor (the last one shorter), each state with its exact derivative."""
    length = -(-n // 8)
    start = _normal(generator, 8, 3) * 8 + torch.tensor([0.0, 0.0, 25.0], dtype=torch.float64)
    settled = _integrate(lorenz_equations, start, 0.02, 250, 1)[:, -1]  # 5 time units: onto the attractor
    x = _integrate(lorenz_equations, settled, 0.02, length, 1).flatten(0, 1)[:n]
    group = torch.arange(8).repeat_interleave(length)[:n]
    return {"x": x, "dx": lorenz_equations(x), "group": group}


def hopf_equations(x: Tensor) -> Tensor:
    """dx/dt = (1 − |x|²) x + J x, the normal form of a Hopf bifurcation; ``(n, 2) → (n, 2)``."""
    a, b = x.unbind(-1)
    growth = 1 - a**2 - b**2
    return torch.stack([growth * a - b, growth * b + a], dim=-1)


def hopf(n: int, generator: torch.Generator) -> Arrays:
    """Eight trajectories with times and no derivatives, from inside and outside the limit cycle."""
    radius = torch.linspace(0.1, 2.0, 8, dtype=torch.float64)
    angle = _uniform(generator, 0.0, 2 * torch.pi, 8)
    start = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    length = -(-n // 8)
    return {
        "x": _integrate(hopf_equations, start, 0.05, length, 4),
        "t": 0.05 * torch.arange(length, dtype=torch.float64),
    }


def twist(n: int, generator: torch.Generator) -> Arrays:
    """Map x ↦ R(1 + |x|²/2) x: every circle turns by its own angle."""
    x = _normal(generator, n, 2)
    angle = 1 + x.square().sum(1) / 2
    a, b = x.unbind(1)
    turned = torch.stack([angle.cos() * a - angle.sin() * b, angle.sin() * a + angle.cos() * b], dim=1)
    return {"x": x, "x_next": turned}


def shell(n: int, generator: torch.Generator) -> Arrays:
    """Points of a spherical shell, radius 0.8 to 1.2 in equal shares."""
    direction = torch.nn.functional.normalize(_normal(generator, n, 3), dim=1)
    return {"x": direction * _uniform(generator, 0.8, 1.2, n, 1)}


def cube(n: int, generator: torch.Generator) -> Arrays:
    """Points of the cube [−1, 1]³."""
    return {"x": _uniform(generator, -1.0, 1.0, n, 3)}


def ellipse(n: int, generator: torch.Generator) -> Arrays:
    """Points of an ellipse with half-axes 2 and 1, turned by 30° and moved off the origin."""
    angle = _uniform(generator, 0.0, 2 * torch.pi, n)
    half_axes = torch.tensor([[3**0.5, -0.5], [1.0, 3**0.5 / 2]], dtype=torch.float64)
    centre = torch.tensor([1.0, -0.5], dtype=torch.float64)
    return {"x": torch.stack([angle.cos(), angle.sin()], dim=1) @ half_axes.T + centre}


def three_atom_energy(x: Tensor) -> Tensor:
    """V = Σ_{i<j} w_ij (|r_i − r_j|² − c_ij)², quartic, so anharmonic and fitted exactly by polynomials.

    Every pair has its own strength and length, so nothing but e(3) is left: ``(n, 3, 3) → (n,)``.
    """
    energy = torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)
    for i, j, strength, square in ((0, 1, 1.0, 1.0), (0, 2, 0.6, 1.7), (1, 2, 0.35, 2.4)):
        energy = energy + strength * ((x[:, i] - x[:, j]).square().sum(1) - square) ** 2
    return energy


def potential(n: int, generator: torch.Generator) -> Arrays:
    """Three atoms and their energy."""
    x = _normal(generator, n, 3, 3)
    return {"x": x, "y": three_atom_energy(x)}


def o5_function(x: Tensor) -> Tensor:
    """F = sin|x₁| − |x₂|³/2 + x₁·x₂/(|x₁||x₂|) of two vectors in R⁵: ``(n, 2, 5) → (n,)``.

    The O(5) regression of Finzi, Welling, Wilson 2021, on which LieGG (Moskalev et al. 2022) is measured.
    """
    first, second = x[:, 0], x[:, 1]
    a, b = first.norm(dim=1), second.norm(dim=1)
    value: Tensor = a.sin() - b**3 / 2 + (first * second).sum(1) / (a * b)
    return value


def o5(n: int, generator: torch.Generator) -> Arrays:
    """Two vectors in R⁵ and F of them."""
    x = _normal(generator, n, 2, 5)
    return {"x": x, "y": o5_function(x)}


def asymmetric_cubic(x: Tensor) -> Tensor:
    """F = x + yz + x²y/2 + yz²/3 − z³/4 + y³/5; no linear or affine field leaves it unchanged: ``(n, 3) → (n,)``."""
    a, b, c = x.unbind(-1)
    return a + b * c + a**2 * b / 2 + b * c**2 / 3 - c**3 / 4 + b**3 / 5


def noise(n: int, generator: torch.Generator) -> Arrays:
    """F(x) of a cubic without symmetry, with 1 % of noise."""
    x = _normal(generator, n, 3)
    y = asymmetric_cubic(x)
    return {"x": x, "y": y + 0.01 * y.std() * _normal(generator, n)}
