"""Few solutions of KdV, and the same moved along generators: what a small Fourier neural operator learns of each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import torch
from torch import Tensor, nn

import symfind
from symfind import AugmentOptions
from symfind.options.of_verbs import DiscoverOptions
from symfind.schema.document import Report
from symfind.schema.store import to_json

TRAJECTORIES, HELD_OUT, COPIES, SIZE = 4, 24, 16, 1.0
# Frames seen and frames asked for; one point in four of the grid.
PAST, AHEAD, THIN = 8, 8, 4
STEPS, BATCH, RATE = 600, 32, 3e-3
WIDTH, MODES, LAYERS = 24, 16, 3
ARMS = ("none", "discovered", "true", "wrong")
HEADER = (
    "| seed | without | discovered | true | u∂u for the boost | discovered / without | discovered / true | seconds |",
    "|---|---|---|---|---|---|---|---|",
)
# On (t, x, u, 1).
TRUE: Mapping[str, Sequence[tuple[int, int, float]]] = {
    "∂t": ((0, 3, 1.0),),
    "∂x": ((1, 3, 1.0),),
    "∂u + t ∂x": ((2, 3, 1.0), (1, 0, 1.0)),
    "3 t ∂t + x ∂x − 2 u ∂u": ((0, 0, 3.0), (1, 1, 1.0), (2, 2, -2.0)),
}
WRONG: Mapping[str, Sequence[tuple[int, int, float]]] = {"∂t": TRUE["∂t"], "∂x": TRUE["∂x"], "u ∂u": ((2, 2, 1.0),)}


class SpectralConvolution(nn.Module):
    """v ↦ F⁻¹(W_k (Fv)_k), the lowest waves alone."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.weight = nn.Parameter(torch.randn(modes, width, width, 2) / width)

    def forward(self, v: Tensor) -> Tensor:
        """``(b, width, n)`` → the same."""
        waves = torch.fft.rfft(v)[..., : self.modes]
        mixed = torch.einsum("bim,mio->bom", waves, torch.view_as_complex(self.weight))
        out: Tensor = torch.fft.irfft(mixed, n=v.shape[-1])
        return out


class FourierOperator(nn.Module):
    """Frames ahead from past frames, as a change of the last one (Li et al. 2021); it is told neither t nor x."""

    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Conv1d(PAST, WIDTH, 1)
        self.spectral = nn.ModuleList(SpectralConvolution(WIDTH, MODES) for _ in range(LAYERS))
        self.local = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, 1) for _ in range(LAYERS))
        self.project = nn.Sequential(nn.Conv1d(WIDTH, 64, 1), nn.GELU(), nn.Conv1d(64, AHEAD, 1))

    def forward(self, past: Tensor) -> Tensor:
        """``(b, PAST, n)`` → ``(b, AHEAD, n)``."""
        v = self.lift(past)
        for spectral, local in zip(self.spectral, self.local, strict=True):
            v = nn.functional.gelu(spectral(v) + local(v))
        out: Tensor = past[:, -1:] + self.project(v)
        return out


@dataclass(frozen=True)
class Row:
    """One seed: the error of each arm, and the seconds of all."""

    seed: int
    errors: Mapping[str, float]
    seconds: float

    @property
    def key(self) -> tuple[str, ...]:
        """The seed."""
        return (str(self.seed),)

    def text(self) -> str:
        """Markdown."""
        e = self.errors
        cells = [str(self.seed), *(f"{e[arm]:.4f}" for arm in ARMS)]
        cells += [f"{e['discovered'] / e['none']:.2f}", f"{e['discovered'] / e['true']:.3f}", f"{self.seconds:.0f}"]
        return f"| {' | '.join(cells)} |"


def about() -> str:
    """What the table says."""
    return (
        "Written by `python -m benchmarks.fields --only augmentation --seeds 3 --output docs/fields.md`. A Fourier "
        f"neural operator ({LAYERS} layers, {WIDTH} channels, {MODES} waves) learns {AHEAD} frames of KdV "
        f"from the {PAST} before, from {TRAJECTORIES} trajectories of `symfind sample kdv`; the mean over {HELD_OUT} "
        "others of ‖error‖²/‖u‖² is told. Every arm takes the same "
        f"{STEPS} steps of Adam on {BATCH} windows; the others than the first take every second batch from {COPIES} "
        f"copies of each trajectory made by `symfind augment --size {SIZE:g}`, along the certified generators of "
        "`symfind discover` on these trajectories (the equation identified), along the true four, or with u∂u, no "
        "symmetry, in place of the boost. `augment` leaves out the scaling of itself, as it would change the period "
        "of x; the network commutes with translations in x and sees no t, so that what is gained is the boost's."
    )


def section(lines: Sequence[str]) -> str:
    """The part of the page."""
    return "\n".join([about(), "", *HEADER, *lines])


def measure_augmentation(seeds: int, folder: Path) -> Iterator[Row]:
    """Each seed draws other trajectories, other moves and another network."""
    held = folder / "kdv-held-out.h5"
    if not held.exists():
        symfind.sample("kdv", held, rows=HELD_OUT, seed=1000)
    for seed in range(seeds):
        start = time.process_time()
        few = folder / f"kdv-few-{seed}.h5"
        symfind.sample("kdv", few, rows=TRAJECTORIES, seed=seed)
        found = symfind.discover(DiscoverOptions(source=str(few), seed=seed))
        reports = {"discovered": found, "true": stated(found, TRUE), "wrong": stated(found, WRONG)}
        data = {"none": [frames(few)]}
        for arm, report in reports.items():
            path, to = folder / f"{arm}-{seed}.json", folder / f"{arm}-{seed}.h5"
            path.write_text(to_json(report), encoding="utf-8")
            symfind.augment(
                AugmentOptions(data=str(few), generators=str(path), copies=COPIES, size=SIZE, seed=seed), to
            )
            data[arm] = [*data["none"], frames(to)]
        truth = frames(held)
        errors = {arm: error(trained(data[arm], seed), truth) for arm in ARMS}
        yield Row(seed, errors, time.process_time() - start)


def stated(report: Report, fields: Mapping[str, Sequence[tuple[int, int, float]]]) -> Report:
    """A report of the same data with these generators, certified."""
    pattern = next(g for g in report.generators if g.verdict == "certified")
    generators = []
    for expression, entries in fields.items():
        action = torch.zeros(4, 4, dtype=torch.float64)
        for row, column, value in entries:
            action[row, column] = value
        generators.append(replace(pattern, expression=expression, input_action=action.tolist()))
    return replace(report, generators=tuple(generators))


def frames(path: Path) -> Tensor:
    """Frames ``(R, nt, nx)`` on the coarse grid."""
    with h5py.File(path) as file:
        return torch.from_numpy(file["u"][:, :, ::THIN]).float()


def trained(parts: Sequence[Tensor], seed: int) -> FourierOperator:
    """The network after all steps, the parts in turn."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = FourierOperator()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for step in range(STEPS):
        u = parts[step % len(parts)]
        row = torch.randint(0, len(u), (BATCH, 1), generator=generator)
        first = torch.randint(0, u.shape[1] - PAST - AHEAD + 1, (BATCH, 1), generator=generator)
        loss = missed(net, u[row, first + torch.arange(PAST + AHEAD)]).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    return net


def missed(net: FourierOperator, window: Tensor) -> Tensor:
    """‖error‖²/‖u‖² of each window ``(b, PAST + AHEAD, n)``."""
    truth = window[:, PAST:]
    return (net(window[:, :PAST]) - truth).square().sum((1, 2)) / truth.square().sum((1, 2))


@torch.no_grad()
def error(net: FourierOperator, u: Tensor) -> float:
    """The mean over all windows, half a window apart."""
    starts = range(0, u.shape[1] - PAST - AHEAD + 1, AHEAD)
    return float(torch.cat([missed(net, u[:, t : t + PAST + AHEAD]) for t in starts]).mean())
