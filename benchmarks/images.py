"""Rotations learned from pairs of images, and Lie algebra convolution on turned and scrambled digits.

``python benchmarks/images.py --data FOLDER --output docs/images.md`` writes the page; ``--only so2`` or ``--only
mnist`` one part; ``--quick`` a minute's worth of it. FOLDER holds mnist10k.npz (see sample_data/README.md).
Every row of a comparison is computed in the same run, on the same folds and seeds.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from torch import Tensor, nn

from symfind.discover.lconv import plane_matrix, spectral_radius
from symfind.discover.registration import register_together
from symfind.discover.transport import Candidates, transport_known
from symfind.fields.image import Grid, image_space
from symfind.nn import LConv
from symfind.sources.files import appearing_whole

ANGLE = math.pi / 10
TURN = torch.ones(1, dtype=torch.float64)


# ------------------------------------------------------------------ so(2) from random images


def random_images(count: int, side: int, *, band_limited: bool, seed: int) -> Tensor:
    x = torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if not band_limited:
        return x
    k = torch.fft.fftfreq(side, dtype=torch.float64)
    low = torch.exp(-(k[:, None].square() + k.square()) / (2 * 0.15**2))
    return torch.fft.ifft2(torch.fft.fft2(x) * low).real


def correlation(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum() / (a.norm() * b.norm()))


def prediction_error(matrix: Tensor, x: Tensor, grid: Grid, angle: float) -> float:
    """‖exp(θL)x − x turned‖ / ‖x turned − x‖ inside the disc that no turn carries away."""
    turned = image_space("image-rotation", 1).moved(x, grid, TURN, angle)
    said = (x.flatten(1) @ torch.linalg.matrix_exp(angle * matrix).T).reshape(x.shape)
    inside = grid.disc()
    return float((said - turned)[..., inside].norm() / (turned - x)[..., inside].norm())


def so2(quick: bool) -> list[str]:
    lines = [
        "## so(2) from random images",
        "",
        "White and band-limited random images turned by π/10 (bilinear). The truth is x ∂y − y ∂x with a sinc stencil,",
        "which the coordinate fields share; the unrestricted L shares nothing with it. Published: correlation 0.70 at",
        "7 × 7 and 0.12 at 20 × 20 at best (Dehmamy et al. 2021). The coefficient is (c(x ∂y) − c(y ∂x))/2, truth 1.",
        "The columns of angles are ‖exp(θL)x − x turned‖/‖x turned − x‖ on fresh images inside the disc.",
        "",
        "| size | images | parametrisation | correlation | coefficient | θ = π/10 | π/5 | π/4 | s | remark |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for side in (7, 20):
        grid = Grid(side, side)
        truth = plane_matrix(image_space("image-rotation", 1), TURN, grid)
        for band in (False, True):
            count = 4 * side * side if quick else 10 * side * side
            x = random_images(count, side, band_limited=band, seed=1)
            moved = image_space("image-rotation", 1).moved(x, grid, TURN, ANGLE)
            fresh = random_images(100, side, band_limited=band, seed=2)
            for name, fit in (("coordinate field", _field), ("unrestricted", _unrestricted)):
                start = time.perf_counter()
                matrix, coefficient, remark = fit(x, moved, grid)
                seconds = time.perf_counter() - start
                errors = " | ".join(f"{prediction_error(matrix, fresh, grid, a):.2f}" for a in _ANGLES)
                value = "" if coefficient is None else f"{coefficient:.3f}"
                lines.append(
                    f"| {side} × {side} | {'band-limited' if band else 'white'} | {name} | "
                    f"{correlation(matrix, truth):.3f} | {value} | {errors} | {seconds:.1f} | {remark} |"
                )
            errors = " | ".join(f"{prediction_error(truth, fresh, grid, a):.2f}" for a in _ANGLES)
            kind = "band-limited" if band else "white"
            lines.append(f"| {side} × {side} | {kind} | the truth itself | 1.000 | 1.000 | {errors} | | |")
    return [*lines, ""]


_ANGLES = (math.pi / 10, math.pi / 5, math.pi / 4)


def _field(x: Tensor, moved: Tensor, grid: Grid) -> tuple[Tensor, float | None, str]:
    space = image_space("image-affine", 1)
    some = slice(0, 400)
    amounts = torch.full((len(x[some]),), ANGLE, dtype=torch.float64)
    vector = register_together(x[some], moved[some], amounts, space, grid).coefficients
    assert space.plane is not None
    a = torch.einsum("pab,p->ab", space.plane.matrices(), vector)
    return plane_matrix(space, vector, grid), float(a[1, 0] - a[0, 1]) / 2, "shares the stencil of the truth"


def _unrestricted(x: Tensor, moved: Tensor, grid: Grid) -> tuple[Tensor, float | None, str]:
    a, b = x.flatten(2), moved.flatten(2)
    amounts = torch.full((len(x),), ANGLE, dtype=torch.float64)
    scale = torch.ones(a.shape[2], dtype=torch.float64)
    found = transport_known(a, b, amounts, Candidates("so", None, orthogonal=True), scale)
    phase = ANGLE * spectral_radius(image_space("image-rotation", 1), TURN, grid) / math.pi
    remark = f"{found.ambiguous} of {a.shape[2]} phases near π"
    if phase > 1:
        remark += f"; the finest detail turns by {phase:.1f} π: not identifiable"
    return found.matrix, None, remark


# ------------------------------------------------------------------ turned and scrambled digits


@dataclass(frozen=True)
class Contender:
    """A network for 784 pixels and 10 classes, its name, and the rates of learning it may choose from."""

    name: str
    make: Callable[[], nn.Module]


def lconv(generators: int, rank: int, filters: int) -> nn.Module:
    layer = LConv(1, filters, (28, 28), generators, "low-rank", rank)
    return nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(filters * 784, 10))


def convolution(size: int, filters: int) -> nn.Module:
    layer = nn.Conv2d(1, filters, size, padding=size // 2)
    return nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(filters * 784, 10))


def perceptron(hidden: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))


CONTENDERS = (
    Contender("L-conv 6 × rank 16, 4 filters", lambda: lconv(6, 16, 4)),
    Contender("L-conv 8 × rank 12, 4 filters", lambda: lconv(8, 12, 4)),
    Contender("L-conv 6 × rank 8, 16 filters (original)", lambda: lconv(6, 8, 16)),
    Contender("CNN 3 × 3, 24 filters", lambda: convolution(3, 24)),
    Contender("CNN 5 × 5, 24 filters", lambda: convolution(5, 24)),
    Contender("MLP, 237 hidden", lambda: perceptron(237)),
)
RATES = (5e-4, 1e-3, 2e-3)


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


def trained(contender: Contender, x: Tensor, y: Tensor, epochs: int, rate: float, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = contender.make()
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
    steps = epochs * -(-len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x)), 64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        right = [network(a).argmax(1) == b for a, b in zip(torch.split(x, 1000), torch.split(y, 1000), strict=True)]
    return float(torch.cat(right).float().mean())


def chosen_rate(contender: Contender, x: Tensor, y: Tensor, epochs: int) -> float:
    """Of :data:`RATES`, the best on a fifth of the first fold's training digits: the same tuning for all."""
    cut = 4 * len(x) // 5
    scores = [accuracy(trained(contender, x[:cut], y[:cut], epochs, r, 0), x[cut:], y[cut:]) for r in RATES]
    return RATES[scores.index(max(scores))]


def mnist(folder: Path, folds: int, seeds: int, epochs: int, quick: bool) -> list[str]:
    x, y = digits(folder, quick)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
    parts = torch.tensor_split(order, 5)
    scores: dict[str, list[float]] = {c.name: [] for c in CONTENDERS}
    facts: dict[str, tuple[int, float, float]] = {}
    first = torch.cat([parts[i] for i in range(1, 5)])
    for contender in CONTENDERS:
        start = time.perf_counter()
        rate = chosen_rate(contender, x[first], y[first], epochs)
        for fold in range(folds):
            rest = torch.cat([parts[i] for i in range(5) if i != fold])
            for seed in range(seeds):
                network = trained(contender, x[rest], y[rest], epochs, rate, seed)
                scores[contender.name].append(accuracy(network, x[parts[fold]], y[parts[fold]]))
        size = sum(p.numel() for p in contender.make().parameters())
        facts[contender.name] = (size, rate, time.perf_counter() - start)
        print(contender.name, facts[contender.name], [round(s, 4) for s in scores[contender.name]], flush=True)
    return _mnist_page(scores, facts, len(x), folds, seeds, epochs)


def _mnist_page(
    scores: dict[str, list[float]],
    facts: dict[str, tuple[int, float, float]],
    count: int,
    folds: int,
    seeds: int,
    epochs: int,
) -> list[str]:
    lines = [
        "## Turned and scrambled digits",
        "",
        f"{count} MNIST digits turned by up to ±90° and scrambled by one fixed permutation of the pixels; {folds} of 5",
        f"folds × {seeds} seeds, {epochs} epochs, AdamW with one cycle, the rate of learning chosen for each network",
        f"among {', '.join(f'{r:g}' for r in RATES)} on training digits of the first fold. Lower bounds are one-sided",
        "95 % over folds, of the difference in points to the best CNN, paired by fold and seed.",
        "",
        "| network | parameters | rate | accuracy | s.d. | − best CNN | lower bound | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cnn = max((n for n in scores if n.startswith("CNN")), key=lambda n: mean(scores[n]))
    for name, values in scores.items():
        gap, lower = paired(values, scores[cnn], seeds)
        size, rate, seconds = facts[name]
        spread = stdev(values) if len(values) > 1 else 0.0
        bound = "" if math.isnan(lower) else f"{100 * lower:+.2f}"
        scored = f"{mean(values):.4f} | {spread:.4f} | {100 * gap:+.2f} | {bound}"
        lines.append(f"| {name} | {size:,} | {rate:g} | {scored} | {seconds:.0f} |")
    best = max((n for n in scores if n.startswith("L-conv") and "original" not in n), key=lambda n: mean(scores[n]))
    lines.append("")
    for other in ("MLP, 237 hidden", "L-conv 6 × rank 8, 16 filters (original)", cnn):
        gap, lower = paired(scores[best], scores[other], seeds)
        bound = "one fold, no bound" if math.isnan(lower) else f"lower bound {100 * lower:+.2f}"
        lines.append(f"- {best} against {other}: {100 * gap:+.2f} points, {bound}.")
    return [*lines, ""]


# t quantiles 0.95 for 1 to 4 degrees of freedom.
_T95 = (6.314, 2.920, 2.353, 2.132)


def paired(a: list[float], b: list[float], seeds: int) -> tuple[float, float]:
    """Mean difference and its one-sided 95 % lower bound over folds (the means over seeds are what is independent)."""
    each = [p - q for p, q in zip(a, b, strict=True)]
    gaps = [mean(each[i : i + seeds]) for i in range(0, len(each), seeds)]
    if len(gaps) < 2:
        return gaps[0], math.nan
    return mean(gaps), mean(gaps) - _T95[len(gaps) - 2] * stdev(gaps) / len(gaps) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("so2", "mnist"), help="one part")
    parser.add_argument("--quick", action="store_true", help="2,000 digits, one fold, one seed, few epochs")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of mnist10k.npz")
    parser.add_argument("--folds", type=int, default=5, help="of five")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path, help="the page to write; standard output if not given")
    given = parser.parse_args()
    page = ["# Images", "", f"Written by `python benchmarks/images.py`, torch {torch.__version__}, CPU, "
            f"{torch.get_num_threads()} threads{', --quick' if given.quick else ''}.", ""]  # fmt: skip
    if given.only in (None, "so2"):
        page += so2(given.quick)
    if given.only in (None, "mnist"):
        folds, seeds, epochs = (1, 1, 4) if given.quick else (given.folds, given.seeds, given.epochs)
        page += mnist(given.data, folds, seeds, epochs, given.quick)
    text = "\n".join(page).rstrip() + "\n"
    if given.output is None:
        print(text)
        return
    with appearing_whole(given.output) as part:
        part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
