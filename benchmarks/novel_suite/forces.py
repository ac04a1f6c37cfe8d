"""Fields of vectors that are gradients, without divergence, Hamiltonian, or none: found / expected over 20 seeds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from symfind.conservation.forces import judged_rows
from symfind.conservation.hamiltonian import poisson_matrix

ROWS, NOISE, SEEDS = 500, 0.01, range(301, 321)


def _gradient(x: Tensor, g: torch.Generator) -> Tensor:
    """−∇ of a potential with coefficients of its own."""
    c = 0.5 + torch.rand(4, generator=g, dtype=torch.float64)
    x = x.clone().requires_grad_(True)
    u = c[0] * x[:, 0] ** 2 * x[:, 1] + torch.sin(c[1] * x[:, 1] * x[:, 2]) + c[2] * x[:, 2] ** 3 + c[3] * x[:, 0] ** 2
    return -torch.autograd.grad(u.sum(), x)[0]


def _curl(x: Tensor) -> Tensor:
    return torch.stack([-x[:, 1], x[:, 0], 0 * x[:, 0]], 1)


def _gradient_and_curl(x: Tensor, g: torch.Generator) -> Tensor:
    f = _gradient(x, g)
    return f + 0.7 * f.std() * _curl(x)


def _whirls(x: Tensor, g: torch.Generator) -> Tensor:
    """Arnold, Beltrami and Childress' flow: no divergence."""
    a, b, c = 0.5 + torch.rand(3, generator=g, dtype=torch.float64)
    one, two, three = x.T
    return torch.stack(
        [a * three.sin() + c * two.cos(), b * one.sin() + a * three.cos(), c * two.sin() + b * one.cos()], 1
    )


def _pendulum(x: Tensor, g: torch.Generator) -> Tensor:
    c = 0.5 + torch.rand(1, generator=g, dtype=torch.float64)
    return torch.stack([x[:, 1], -c * x[:, 0].sin()], 1)


def _damped(x: Tensor, g: torch.Generator) -> Tensor:
    return _pendulum(x, g) - 0.3 * torch.stack([0 * x[:, 0], x[:, 1]], 1)


CASES: dict[str, tuple[Callable[[Tensor, torch.Generator], Tensor], int, tuple[str, ...]]] = {
    "−∇U of three coordinates": (_gradient, 3, ("conservative",)),
    "−∇U with a curl": (_gradient_and_curl, 3, ()),
    "whirls of Arnold, Beltrami, Childress": (_whirls, 3, ("divergence-free",)),
    "pendulum (q, p)": (_pendulum, 2, ("divergence-free", "hamiltonian")),
    "damped pendulum (q, p)": (_damped, 2, ()),
}


def table() -> str:
    lines = [
        f"| field, {ROWS} rows, {100 * NOISE:g} % noise | expected | as expected | undecided | false | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, (field, d, expected) in CASES.items():
        counts, start = Counter[str](), time.perf_counter()
        for seed in SEEDS:
            g = torch.Generator().manual_seed(seed)
            x = 3 * torch.rand(ROWS, d, generator=g, dtype=torch.float64) - 1.5
            y = field(x, g)
            y = y + NOISE * y.std() * torch.randn(ROWS, d, generator=g, dtype=torch.float64)
            poisson = poisson_matrix("canonical", d) if d == 2 else None
            said = judged_rows(x, y, None, poisson, 0.05, 0, tuple("xyz"[:d]))
            found = {j.kind for j in said if j.verdict == "certified"}
            counts["right" if found == set(expected) else "false" if found - set(expected) else "none"] += 1
        n = len(SEEDS)
        seconds = (time.perf_counter() - start) / n
        shown = ", ".join(expected) or "none"
        lines.append(
            f"| {name} | {shown} | {counts['right']} of {n} | {counts['none']} | {counts['false']} | {seconds:.1f} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines)
