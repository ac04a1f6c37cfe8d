"""Flows and maps whose conserved quantities are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor

Draw: TypeAlias = Callable[[int, torch.Generator], dict[str, Tensor]]
# Kind, names, rows, what it holds, what is known, how it is drawn: as in symfind.samples.catalogue.Sample.
Entry: TypeAlias = tuple[str, tuple[str, ...], int, str, str, Draw]

_FRICTION = 1.0


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def pendulum_equations(x: Tensor) -> Tensor:
    """dq/dt = p, dp/dt = −sin q; ``(n, 2) → (n, 2)``."""
    return torch.stack([x[:, 1], -x[:, 0].sin()], 1)


def kepler_equations(x: Tensor) -> Tensor:
    """dr/dt = p, dp/dt = −r/|r|³; ``(n, 6) → (n, 6)``."""
    r, p = x[:, :3], x[:, 3:]
    return torch.cat([p, -r / torch.linalg.vector_norm(r, dim=1, keepdim=True) ** 3], 1)


def lotka_volterra_equations(x: Tensor) -> Tensor:
    """dx/dt = x(1 − y), dy/dt = y(x − 1); ``(n, 2) → (n, 2)``."""
    a, b = x.unbind(1)
    return torch.stack([a * (1 - b), b * (a - 1)], 1)


def damped_double_pendulum_equations(x: Tensor, friction: float = _FRICTION) -> Tensor:
    """Two equal rods and masses, g = 1, friction in both joints; angles a, b and their rates ``(n, 4) → (n, 4)``."""
    a, b, u, v = x.unbind(1)
    c, s = (a - b).cos(), (a - b).sin()
    # (2, c; c, 1)(u̇, v̇) = (−s v² − 2 sin a − γu, s u² − sin b − γv)
    first = -s * v**2 - 2 * a.sin() - friction * u
    second = s * u**2 - b.sin() - friction * v
    determinant = 2 - c**2
    return torch.stack([u, v, (first - c * second) / determinant, (2 * second - c * first) / determinant], 1)


def mcmillan_map(x: Tensor, strength: float = 0.8) -> Tensor:
    """(x, y) ↦ (y, −x + 2μy/(1 + y²)), which conserves x²y² + x² + y² − 2μxy (McMillan 1971); ``(n, 2) → (n, 2)``."""
    a, b = x.unbind(1)
    return torch.stack([b, -a + 2 * strength * b / (1 + b**2)], 1)


def _pendulum(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    x = torch.cat([_uniform(generator, -3.0, 3.0, n, 1), _uniform(generator, -2.0, 2.0, n, 1)], 1)
    return {"x": x, "dx": pendulum_equations(x)}


def _kepler_orbits(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    r = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    r = r / torch.linalg.vector_norm(r, dim=1, keepdim=True) * _uniform(generator, 0.5, 2.0, n, 1)
    p = 0.7 * torch.randn(n, 3, generator=generator, dtype=torch.float64)
    x = torch.cat([r, p], 1)
    return {"x": x, "dx": kepler_equations(x)}


def _lotka_volterra(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    x = _uniform(generator, 0.3, 2.5, n, 2)
    return {"x": x, "dx": lotka_volterra_equations(x)}


def _mcmillan(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    x = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return {"x": x, "x_next": mcmillan_map(x)}


def _damped_double_pendulum(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Trajectories of 100 points, 0.05 apart, by RK4 in five parts of a step."""
    length, step, parts = 100, 0.05, 5
    count = -(-n // length)
    x = torch.cat([_uniform(generator, -2.5, 2.5, count, 2), _uniform(generator, -1.0, 1.0, count, 2)], 1)
    states, h, f = [x], step / parts, damped_double_pendulum_equations
    for _ in range(length - 1):
        for _ in range(parts):
            k1 = f(x)
            k2 = f(x + h / 2 * k1)
            k3 = f(x + h / 2 * k2)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + f(x + h * k3))
        states.append(x)
    return {"x": torch.stack(states, 1), "t": step * torch.arange(length, dtype=torch.float64)}


MECHANICS: Mapping[str, Entry] = MappingProxyType(
    {
        "pendulum": (
            "flow", ("q", "p"), 2000,
            "a pendulum at random angles and momenta",
            "conserved: the energy p²/2 − cos q",
            _pendulum,
        ),
        "kepler-orbits": (
            "flow", ("x", "y", "z", "px", "py", "pz"), 4000,
            "positions and momenta of a body about a fixed centre, with their derivatives",
            "conserved: energy, angular momentum, Laplace–Runge–Lenz vector, 5 of 7 independent",
            _kepler_orbits,
        ),
        "lotka-volterra": (
            "flow", ("x", "y"), 2000,
            "predators and prey",
            "conserved: x + y − log x − log y",
            _lotka_volterra,
        ),
        "damped-double-pendulum": (
            "flow", ("a", "b", "u", "v"), 4000,
            "trajectories of a double pendulum with strong friction, with times",
            "conserved: nothing",
            _damped_double_pendulum,
        ),
        "mcmillan-map": (
            "map", ("x", "y"), 2000,
            "one step of McMillan's integrable map of the plane",
            "conserved: x²y² + x² + y² − 1.6xy",
            _mcmillan,
        ),
    }
)  # fmt: skip
