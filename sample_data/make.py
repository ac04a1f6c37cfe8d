"""Make the files of sample_data/: ``python sample_data/make.py --data FOLDER [NAME …]``.

FOLDER holds dimuons.npz and planets.npz (README.md beside this file says where they come from); the synthetic
files and the trained network need none.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from symfind.sources.files import appearing_whole
from symfind.sources.hdf5 import write
from symfind.sources.samples import write_sample

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


def _sample(name: str, file: str) -> Callable[[Path], None]:
    return lambda data: write_sample(name, HERE / file)


MAKERS: dict[str, Callable[[Path], None]] = {
    "dimuons": dimuons,
    "planets": planets,
    "rigid_body": _sample("rigid-body", "rigid_body.h5"),
    "kepler": _sample("kepler", "kepler.h5"),
    "shell": _sample("shell", "shell.h5"),
    "no_symmetry": _sample("noise", "no_symmetry.h5"),
}


def main() -> None:
    """Make the files named on the command line, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MAKERS, []], help="files to make, by default all")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of dimuons.npz and planets.npz")
    given = parser.parse_args()
    for name in given.names or MAKERS:
        MAKERS[name](given.data)


if __name__ == "__main__":
    main()
