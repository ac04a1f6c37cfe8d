"""Orbits given as 800 points: dimension of the algebra and its representation, over 20 seeds, and sets without any.

The representations are those of LieDetect's examples (Ennes, Tinarrage 2025): one orbit each, through a random point,
in random orthonormal coordinates.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from symfind import api
from symfind.errors import SymfindError
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation

POINTS, SEEDS = 800, range(101, 121)


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _placed(rows: Tensor, g: torch.Generator) -> Tensor:
    """In coordinates turned at random."""
    q = torch.linalg.qr(torch.randn(rows.shape[1], rows.shape[1], generator=g, dtype=torch.float64)).Q
    return rows @ q


def turned(group: str, formula: str, seed: int) -> Tensor:
    """One orbit of SO(3) or SU(2), by elements uniform on the group."""
    g = _random(seed)
    made = parse_group(group)
    rho = parse_representation(made, formula)
    q = torch.randn(POINTS, 4, generator=g, dtype=torch.float64)
    q = q / q.norm(dim=1, keepdim=True)
    angle = 2 * torch.atan2(q[:, 1:].norm(dim=1), q[:, 0])
    vector = angle[:, None] * q[:, 1:] / q[:, 1:].norm(dim=1, keepdim=True)
    e = made.generators
    # Generators in the size in which [e₁, e₂] = e₃.
    bracket = e[0] @ e[1] - e[1] @ e[0]
    size = float((bracket * e[2]).sum() / e[2].square().sum())
    elements = torch.linalg.matrix_exp(torch.einsum("nk,kij->nij", vector, rho.drho(e) / size))
    x0 = torch.randn(rho.dim, generator=g, dtype=torch.float64)
    return _placed(elements @ (x0 / x0.norm()), g)


def torus(weights: list[tuple[int, ...]], seed: int) -> Tensor:
    """One orbit of a torus, a plane a weight."""
    g = _random(seed)
    w = torch.tensor(weights, dtype=torch.float64)
    t = 2 * torch.pi * torch.rand(POINTS, w.shape[1], generator=g, dtype=torch.float64)
    phase = t @ w.T
    size = 0.5 + torch.rand(len(w), generator=g, dtype=torch.float64)
    return _placed(torch.stack([size * phase.cos(), size * phase.sin()], 2).flatten(1), g)


def no_orbit(seed: int) -> Tensor:
    """A surface in R⁴ without symmetry: a torus whose radius follows no angle."""
    g = _random(seed)
    a, b = (2 * torch.pi * torch.rand(POINTS, generator=g, dtype=torch.float64) for _ in range(2))
    r = 1 + 0.4 * (a + b.cos()).cos() + 0.25 * (2 * b - a).sin()
    return _placed(torch.stack([r * a.cos(), a.sin() + 0.3 * b.cos() ** 3, b.cos(), r * b.sin()], 1), g)


CASES: dict[str, tuple[Callable[[int], Tensor], int, str]] = {
    "SO(2), weights 1 and 4 in R⁴": (lambda s: torus([(1,), (4,)], s), 1, "weight 4 + weight 1"),
    "SO(2), weights 2 and 3 in R⁴": (lambda s: torus([(2,), (3,)], s), 1, "weight 3 + weight 2"),
    "SO(3), spin 1 in R³": (lambda s: turned("so3", "1x1", s), 3, "vector"),
    "SO(3), spin 2 in R⁵": (lambda s: turned("so3", "1x2", s), 3, "spin 2"),
    "SO(3), spins 1 and 2 in R⁸": (lambda s: turned("so3", "1x1+1x2", s), 3, "spin 2 + vector"),
    "SU(2), spin 1/2 in R⁴": (lambda s: turned("su2", "1x1/2", s), 6, "(½,½)"),
    # The turns about the vector act from the right on the spinors as well: one more field is tangent.
    "SU(2), spins 1 and 1/2 in R⁷": (lambda s: turned("su2", "1x1+1x1/2", s), 4, "spin 1/2 + vector"),
    "none: a bent torus in R⁴": (no_orbit, 0, ""),
}


def told(rows: Tensor) -> tuple[int, str]:
    """Dimension and representation that the tangent fields have; -1 where the set could not be told."""
    try:
        report = api.discover(x=rows, kind="points", method="tangent", space="linear")
    except SymfindError:
        return -1, ""
    r = report.algebra.representation
    return len(report.certified), "" if r is None else r.text


def table() -> str:
    """A line a case: how often dimension and parts are as expected, not told, or wrong."""
    lines = [
        f"| orbit of {POINTS} points | expected | as expected | undecided or not told | wrong | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, (draw, dimension, text) in CASES.items():
        counts, start = Counter[str](), time.perf_counter()
        for seed in SEEDS:
            found, parts = told(draw(seed))
            right = found == dimension and (dimension == 0 or _same(parts, text))
            counts["right" if right else "none" if found <= 0 else "wrong"] += 1
        n = len(SEEDS)
        seconds = (time.perf_counter() - start) / n
        shown = f"{dimension}: {text}" if text else "nothing"
        lines.append(
            f"| {name} | {shown} | {counts['right']} of {n} | {counts['none']} | {counts['wrong']} | {seconds:.1f} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines)


def _same(a: str, b: str) -> bool:
    return sorted(a.split(" + ")) == sorted(b.split(" + "))
