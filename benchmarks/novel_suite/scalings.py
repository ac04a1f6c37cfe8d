"""Laws of physics with their scalings, without and with noise, and laws that have none, over 20 seeds."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from symfind.decision.witness.power_laws import scalings_of

ROWS, SEEDS, NOISES = 600, range(501, 521), (0.0, 0.05)


def _drag(x: Tensor) -> Tensor:
    rho, v, size, mu = x.T
    reynolds = rho * v * size / mu
    return rho * v**2 * size**2 * (0.4 + 24 / (reynolds + 1) + 6 / (1 + reynolds.sqrt()))


def _waves(x: Tensor) -> Tensor:
    """Speed of water waves by length, depth, gravity."""
    length, depth, g = x.T
    return (g * length * torch.tanh(6.28 * depth / length)).sqrt()


def _kepler(x: Tensor) -> Tensor:
    """Period by axis, mass and the constant."""
    axis, mass, constant = x.T
    return 6.28 * (axis**3 / (mass * constant)).sqrt()


def _pendulum(x: Tensor) -> Tensor:
    _, length, g, angle = x.T
    return 6.28 * (length / g).sqrt() * (1 + (0.4 * angle) ** 2)


def _sum(x: Tensor) -> Tensor:
    return x[:, 0] + torch.exp(x[:, 1])


def _logistic(x: Tensor) -> Tensor:
    return 1 / (1 + x[:, 0] + 3 * torch.exp(-2 * x[:, 1]))


# The law, its variables, and the scalings (exponents of x and y) that span all.
CASES: dict[str, tuple[Callable[[Tensor], Tensor], int, list[list[float]]]] = {
    "drag on a sphere": (_drag, 4, [[1, 0, 0, 1, 1], [-3, 1, 1, -1, 1], [0, -1, 0, -1, -2]]),
    "waves on water": (_waves, 3, [[1, 1, 0, 0.5], [0, 0, 1, 0.5]]),
    "Kepler's third law": (_kepler, 3, [[1, 0, 0, 1.5], [0, 1, 0, -0.5], [0, 0, 1, -0.5]]),
    "pendulum": (_pendulum, 4, [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0.5], [0, 0, 1, 0, -0.5]]),
    "none: x + exp(y)": (_sum, 2, []),
    "none: a logistic law": (_logistic, 2, []),
}


def told(law: Callable[[Tensor], Tensor], d: int, rows: list[list[float]], noise: float, seed: int) -> str:
    g = torch.Generator().manual_seed(seed)
    x = torch.exp(3 * (torch.rand(ROWS, d, generator=g, dtype=torch.float64) - 0.5))
    y = law(x) * torch.exp(noise * torch.randn(ROWS, generator=g, dtype=torch.float64))
    found = scalings_of(x, y, None, 0.05, 0)
    if found.verdict is None or found.verdict.word != "certified" or found.scalings is None:
        return "right" if not rows else "none"
    both = torch.cat([found.scalings.matrix(), torch.tensor(rows, dtype=torch.float64).reshape(-1, d + 1)])
    same = int(torch.linalg.matrix_rank(both, rtol=1e-9)) == len(rows) == found.scalings.rank
    return "right" if same else "wrong"


def table() -> str:
    heads = " | ".join(f"{100 * noise:g} % noise" for noise in NOISES)
    lines = [
        f"| law, {ROWS} rows | expected | {heads} | undecided | wrong | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (law, d, rows) in CASES.items():
        shares, wrong, none, start = [], 0, 0, time.perf_counter()
        for noise in NOISES:
            answers = [told(law, d, rows, noise, seed) for seed in SEEDS]
            shares.append(f"{answers.count('right')} of {len(answers)}")
            wrong += answers.count("wrong")
            none += answers.count("none")
        seconds = (time.perf_counter() - start) / len(NOISES) / len(SEEDS)
        lines.append(f"| {name} | {len(rows)} | {' | '.join(shares)} | {none} | {wrong} | {seconds:.1f} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)
