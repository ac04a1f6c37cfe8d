"""Lie algebra convolution on turned and scrambled digits, against convolutions and a perceptron of the same size."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.image_suite.kept import Kept
from symfind.fields.plane import Grid, image_space
from symfind.nn import LConv

TURN = torch.ones(1, dtype=torch.float64)


@dataclass(frozen=True)
class Contender:
    """A network for 784 pixels and 10 classes."""

    name: str
    make: Callable[[], nn.Module]

    def size(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.make().parameters())


class WithoutLast(nn.Linear):
    """Logits of which the last is zero: the classes' probabilities need no more, one ninth of a head is saved."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(n, m)``."""
        return nn.functional.pad(super().forward(x), (0, 1))


def lconv(generators: int, rank: int, filters: int, head: nn.Module) -> nn.Module:
    layer = LConv(1, filters, (28, 28), generators, "low-rank", rank)
    return nn.Sequential(layer, nn.ReLU(), nn.Flatten(), head)


def convolution(size: int, filters: int) -> nn.Module:
    layer = nn.Conv2d(1, filters, size, padding=size // 2)
    return nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(filters * 784, 10))


def perceptron(hidden: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))


OURS = "L-conv 6 × rank 16, 4 filters"
ORIGINAL = "L-conv 6 × rank 8, 16 filters (original)"
PERCEPTRON = "MLP, 237 hidden"
CONTENDERS = (
    Contender(OURS, lambda: lconv(6, 16, 4, nn.Linear(4 * 784, 10))),
    Contender(ORIGINAL, lambda: lconv(6, 8, 16, WithoutLast(16 * 784, 9))),
    Contender("CNN 3 × 3, 24 filters", lambda: convolution(3, 24)),
    Contender("CNN 5 × 5, 24 filters", lambda: convolution(5, 24)),
    Contender(PERCEPTRON, lambda: perceptron(237)),
)
# One grid for every network: rates of learning and weight decays.
GRID = tuple(product((1e-3, 3e-3, 1e-2), (1e-2, 3e-1)))
_BATCH = 64
_FOLDS = 5


def digits(folder: Path, quick: bool) -> tuple[Tensor, Tensor]:
    """MNIST turned by angles within ±90°, pixels scrambled by one fixed permutation, standardised, float32."""
    stored = np.load(folder / "mnist10k.npz")
    draws = torch.Generator().manual_seed(7)
    chosen = torch.randperm(len(stored["x"]), generator=draws)[: 2000 if quick else None].numpy()
    count, x = len(chosen), torch.from_numpy(stored["x"][chosen]).double()[:, None]
    angles = (2 * torch.rand(count, generator=draws, dtype=torch.float64) - 1) * math.pi / 2
    space, grid = image_space("image-rotation", 1), Grid(28, 28)
    turned = torch.cat([space.moved(u[None], grid, TURN, t) for u, t in zip(x, angles.tolist(), strict=True)])
    scrambled = turned.flatten(1)[:, torch.randperm(784, generator=draws)]
    scaled = (scrambled - scrambled.mean()) / scrambled.std()
    return scaled.float().reshape(-1, 1, 28, 28), torch.from_numpy(stored["y"][chosen].astype(np.int64))


def trained(contender: Contender, x: Tensor, y: Tensor, epochs: int, rate: float, decay: float, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = contender.make()
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay, foreach=True)
    steps = epochs * -(-len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x)), _BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        right = [network(a).argmax(1) == b for a, b in zip(torch.split(x, 1000), torch.split(y, 1000), strict=True)]
    return float(torch.cat(right).float().mean())


def page(folder: Path, folds: int, seeds: int, epochs: int, quick: bool, kept: Kept) -> list[str]:
    """The section; tuned on the first fold's training digits; an interruption leaves whole folds."""
    x, y = digits(folder, quick)
    parts = torch.tensor_split(torch.randperm(len(x), generator=torch.Generator().manual_seed(3)), _FOLDS)
    setting = [len(x), epochs]

    def scored(contender: Contender, fold: int, part: Tensor, test: Tensor, tuned: Any, seed: int) -> dict[str, float]:
        def compute() -> dict[str, float]:
            start = time.process_time()
            network = trained(contender, x[part], y[part], epochs, *tuned, seed)
            right = accuracy(network, x[test], y[test])
            print(contender.name, fold, tuned, seed, f"{right:.4f}", flush=True)
            return {"accuracy": right, "seconds": round(time.process_time() - start, 1)}

        value: dict[str, float] = kept.get(["digits", *setting, contender.name, fold, *tuned, seed], compute)
        return value

    first = torch.cat([parts[i] for i in range(1, _FOLDS)])
    cut = 4 * len(first) // 5
    tuned = {}
    for contender in CONTENDERS:
        on = [scored(contender, -1, first[:cut], first[cut:], pair, 0)["accuracy"] for pair in GRID]
        tuned[contender.name] = GRID[on.index(max(on))]
    scores: dict[str, list[dict[str, float]]] = {c.name: [] for c in CONTENDERS}
    for fold, seed in product(range(folds), range(seeds)):
        rest = torch.cat([parts[i] for i in range(_FOLDS) if i != fold])
        for contender in CONTENDERS:
            scores[contender.name].append(scored(contender, fold, rest, parts[fold], tuned[contender.name], seed))
    return list(_table(scores, tuned, len(x), folds, seeds, epochs))


def _table(
    scores: dict[str, list[dict[str, float]]],
    tuned: dict[str, tuple[float, float]],
    count: int,
    folds: int,
    seeds: int,
    epochs: int,
) -> Iterator[str]:
    rates, decays = (", ".join(f"{v:g}" for v in sorted({pair[i] for pair in GRID})) for i in (0, 1))
    yield "## Turned and scrambled digits"
    yield ""
    yield f"{count} MNIST digits turned by up to ±90° and scrambled by one fixed permutation of the pixels; {folds} of"
    yield f"5 folds × {seeds} seeds, {epochs} epochs, batches of {_BATCH}, AdamW with one cycle. Every network has its"
    yield f"rate ({rates}) and weight decay ({decays}) from the same grid, on a fifth of the first fold's training"
    yield "digits. Lower bounds are one-sided 95 % over folds, of the difference in points to the best CNN, paired by"
    yield "fold and seed. The original configuration has a head that leaves one logit out: its size is then within 5 %."
    yield ""
    yield "| network | parameters | rate | decay | accuracy | s.d. | − best CNN | lower bound | s a training |"
    yield "|---|---|---|---|---|---|---|---|---|"
    values = {name: [row["accuracy"] for row in rows] for name, rows in scores.items()}
    cnn = max((n for n in values if n.startswith("CNN")), key=lambda n: mean(values[n]))
    for contender in CONTENDERS:
        name = contender.name
        own = values[name]
        gap, lower = paired(own, values[cnn], seeds)
        spread = stdev(own) if len(own) > 1 else 0.0
        versus = " | " if name == cnn else f"{100 * gap:+.2f} | " + ("" if math.isnan(lower) else f"{100 * lower:+.2f}")
        seconds = mean(row["seconds"] for row in scores[name])
        rate, decay = tuned[name]
        yield (
            f"| {name} | {contender.size():,} | {rate:g} | {decay:g} | {mean(own):.4f} | {spread:.4f} | {versus} | "
            f"{seconds:.0f} |"
        )
    yield ""
    for other in (cnn, PERCEPTRON, ORIGINAL):
        gap, lower = paired(values[OURS], values[other], seeds)
        bound = "one fold, no bound" if math.isnan(lower) else f"lower bound {100 * lower:+.2f}"
        yield f"- {OURS} against {other}: {100 * gap:+.2f} points, {bound}."
    yield ""


# t quantiles 0.95 for 1 to 4 degrees of freedom.
_T95 = (6.314, 2.920, 2.353, 2.132)


def paired(a: list[float], b: list[float], seeds: int) -> tuple[float, float]:
    """Mean difference and its one-sided 95 % lower bound over folds (the means over seeds are what is independent)."""
    each = [p - q for p, q in zip(a, b, strict=True)]
    gaps = [mean(each[i : i + seeds]) for i in range(0, len(each), seeds)]
    if len(gaps) < 2:
        return gaps[0], math.nan
    return mean(gaps), mean(gaps) - _T95[len(gaps) - 2] * stdev(gaps) / len(gaps) ** 0.5
