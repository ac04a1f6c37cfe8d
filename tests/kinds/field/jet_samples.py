"""Random points of jet space, and exact solutions of the heat equation, as jet samples."""

from __future__ import annotations

import torch

from symfind.kinds.field.equation import Equation
from symfind.kinds.field.grid.jet_sample import JetSample


def random_jets(equation: Equation, rows: int = 400, seed: int = 0, groups: int = 8) -> JetSample:
    """Points anywhere on the equation: every derivative drawn, then moved onto Δ = 0."""
    generator = torch.Generator().manual_seed(seed)
    q, c = len(equation.independent), len(equation.dependent)
    sample = JetSample(
        equation.independent,
        equation.dependent,
        2 * torch.rand(rows, q, generator=generator, dtype=torch.float64),
        {j: torch.randn(rows, c, generator=generator, dtype=torch.float64) for j in equation.needed},
        {j: torch.full((c,), 1e-9, dtype=torch.float64) for j in equation.needed},
        torch.arange(rows) % groups,
    )
    solved, held = equation.solved(sample)
    return solved.take(held)


def heat_jets(
    rows: int = 1500, *, rate=None, groups: int = 8, order: int = 4, noise: float = 0.0, seed: int = 0
) -> JetSample:
    """Σ aᵢ exp(−kᵢ²s(t)) sin(kᵢx + pᵢ) in each of several trajectories, s′ = rate(t): solutions of u_t = rate(t)·u_xx.

    ``rate`` gives (s, s′) at t; s = t if it is not given.
    """
    generator = torch.Generator().manual_seed(seed)
    group = torch.arange(rows) % groups
    t, x = (torch.rand(rows, generator=generator, dtype=torch.float64) * top for top in (1.5, 6.0))
    s, speed = (t, torch.ones_like(t)) if rate is None else rate(t)
    size = torch.randn(groups, 4, generator=generator, dtype=torch.float64)[group]
    k = torch.tensor([0.0, 0.7, 1.3, 2.1], dtype=torch.float64)
    phase = 6.3 * torch.rand(groups, 4, generator=generator, dtype=torch.float64)[group]
    derivatives = {}
    for a in (0, 1):
        for b in range(order + 2):
            wave = torch.sin(k * x[:, None] + phase + b * torch.pi / 2) * k**b * torch.exp(-k.square() * s[:, None])
            factor = (-k.square() * speed[:, None]) ** a
            derivatives[(a, b)] = (size * wave * factor).sum(1, keepdim=True)
    errors = {}
    for j, value in derivatives.items():
        rms = value.square().mean(0).sqrt()
        share = noise if any(j) else 0.0
        derivatives[j] = value + share * rms * torch.randn(value.shape, generator=generator, dtype=torch.float64)
        errors[j] = rms * max(share, 1e-12)
    return JetSample(("t", "x"), ("u",), torch.stack([t, x], 1), derivatives, errors, group)
