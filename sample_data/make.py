"""Make the files of sample_data/: ``python sample_data/make.py --data FOLDER [NAME …]``.

Names are those of the files, such as ``dimuons``, and ``o5_model`` for o5.pt. FOLDER holds dimuons.npz,
planets.npz and mnist10k.npz (README.md beside this file says where they come from); the others need no data.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch

from symfind.data.files import appearing_whole
from symfind.data.hdf5 import write
from symfind.fields.plane import Grid
from symfind.fields.polynomial import polynomial_fields
from symfind.kinds.pairs.registration import PlaneFlow, turning
from symfind.samples.catalogue import write_sample
from symfind.samples.draws import o5_function

HERE = Path(__file__).parent


def dimuons(data: Path) -> None:
    """Invariant mass y = m² of the muon pair from its four-momenta x (2304, 2, 4), GeV; the recorded mass squared."""
    stored = np.load(data / "dimuons.npz")
    with appearing_whole(HERE / "dimuons.h5") as part:
        write(
            part,
            {"x": stored["x"], "y": stored["mass"] ** 2},
            {"kind": "function", "names": ("E", "px", "py", "pz"), "units": ("GeV",)},
        )


def planets(data: Path) -> None:
    """Acceleration y of nine bodies from their heliocentric position x (2700, 3); group is the body."""
    stored = np.load(data / "planets.npz")
    with appearing_whole(HERE / "planets.h5") as part:
        write(
            part,
            {"x": stored["r"], "y": stored["a"], "group": stored["body"]},
            {"kind": "function", "names": ("x", "y", "z"), "units": ("AU",)},
        )


def rotated_digits(data: Path) -> None:
    """8,000 digits x (8000, 1, 28, 28) turned by angles from the full circle, bilinear; y the digit (MNIST)."""
    stored = np.load(data / "mnist10k.npz")
    draws = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(stored["x"]), generator=draws)[:8000]
    angles = (2 * torch.rand(len(chosen), generator=draws, dtype=torch.float64) - 1) * math.pi
    grid, turn = Grid(28, 28), PlaneFlow(polynomial_fields(2, 1), Grid(28, 28))
    upright = torch.from_numpy(stored["x"]).double()[chosen, None]
    fields = angles[:, None] * turning(turn.fields)
    parts = zip(torch.split(upright, 500), torch.split(fields, 500), strict=True)
    turned = torch.cat([grid.sampled(images, turn.points(field)) for images, field in parts])
    with appearing_whole(HERE / "rotated_digits.h5") as part, h5py.File(part, "w") as file:
        file.attrs["kind"] = "image"
        pixels = turned.round().to(torch.uint8).numpy()
        file.create_dataset("x", data=pixels, chunks=(1000, 1, 28, 28), compression="gzip", compression_opts=9)
        file.create_dataset("y", data=stored["y"][chosen.numpy()].astype(np.uint8))


def o5_model(data: Path) -> None:
    """Train an MLP 10-32-32-1 (SiLU, float64) on the function of o5.h5 and save it as TorchScript.

    Inputs are standard normal; each step of Adam sees 1,024 fresh ones (20 million in all), so that what is left
    is the network's capacity, not the noise of a sample. The output is learned standardised and scaled back.
    """
    del data
    torch.manual_seed(0)
    draws = torch.Generator().manual_seed(100)
    reference = o5_function(torch.randn(200_000, 2, 5, generator=draws, dtype=torch.float64))
    mean, deviation = reference.mean(), reference.std()
    nn = torch.nn
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(10, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1)
    ).double()
    steps = 20_000
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        x = torch.randn(1024, 2, 5, generator=draws, dtype=torch.float64)
        error = network(x)[:, 0] - (o5_function(x) - mean) / deviation
        optimiser.zero_grad()
        error.square().mean().backward()
        optimiser.step()
        schedule.step()
    last = network[-1]
    with torch.no_grad():
        last.weight.mul_(deviation)
        last.bias.mul_(deviation).add_(mean)
    with appearing_whole(HERE / "o5.pt") as part:
        torch.jit.save(torch.jit.script(network.eval()), str(part))


def _sample(name: str, file: str, rows: int | None = None, seed: int = 0) -> Callable[[Path], None]:
    return lambda data: write_sample(name, HERE / file, rows=rows, seed=seed)


MAKERS: dict[str, Callable[[Path], None]] = {
    "dimuons": dimuons,
    "planets": planets,
    "rigid_body": _sample("rigid-body", "rigid_body.h5"),
    "kepler": _sample("kepler", "kepler.h5"),
    "shell": _sample("shell", "shell.h5"),
    "o5": _sample("o5", "o5.h5"),
    "o5_model": o5_model,
    "rotated_digits": rotated_digits,
    "no_symmetry": _sample("noise", "no_symmetry.h5"),
    # A seed of waves that 256 points and 140 times resolve, all five of them.
    "kdv": _sample("kdv", "kdv.h5", rows=5, seed=5),
}


def main() -> None:
    """Make the files named on the command line, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MAKERS, []], help="files to make, by default all")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of dimuons.npz, planets.npz and mnist10k.npz")
    given = parser.parse_args()
    for name in given.names or MAKERS:
        MAKERS[name](given.data)


if __name__ == "__main__":
    main()
