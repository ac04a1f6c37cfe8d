"""Named sample datasets whose symmetries are known, made on the spot from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from symfind.cost import check_memory
from symfind.data.files import appearing_whole
from symfind.data.hdf5 import write
from symfind.data.mapping import nearest
from symfind.errors import UsageError
from symfind.linalg.threads import one_thread
from symfind.samples import charts, draws, kernels
from symfind.samples.draws import Arrays
from symfind.samples.mechanics import MECHANICS
from symfind.samples.simulators import SIMULATORS, Simulator


@dataclass(frozen=True)
class Sample:
    """A dataset that can be made: its content, and what is known about its symmetries.

    Attributes
    ----------
    kind, names
        Root attributes of the file; samples are without units.
    rows
        How many rows it has unless asked otherwise.
    about
        What it holds, in a line.
    symmetry
        The right answer, in a line.
    draw
        ``(rows, generator) → arrays by role``.
    simulator
        Of a field: what draws it on a grid of any size.
    periodic
        Axes of the grid that close, of maps between fields.
    """

    kind: str
    names: tuple[str, ...]
    rows: int
    about: str
    symmetry: str
    draw: Callable[[int, torch.Generator], Arrays]
    simulator: Simulator | None = None
    periodic: tuple[str, ...] = ()


# The waves that simulations start from are seen from 11 points on, and derivatives want a few times more.
_FEWEST_POINTS = 16


def write_sample(
    name: str,
    path: Path,
    *,
    rows: int | None = None,
    seed: int = 0,
    times: int | None = None,
    grid_size: int | None = None,
) -> None:
    """Write the sample ``name`` to an HDF5 file, which appears when it is whole; the same seed, the same bytes.

    ``times`` and ``grid_size`` are those of a field: points in time, and along each space axis.

    Raises
    ------
    UsageError
        No such sample (the message names the nearest), fewer than one row, a grid of fewer than 16 points, or one
        for a sample that has none.
    InputError
        The file cannot be written.
    """
    if name not in SAMPLES:
        raise UsageError(f"unknown sample '{name}'{nearest(name, SAMPLES)}")
    sample = SAMPLES[name]
    n = sample.rows if rows is None else rows
    if n < 1:
        raise UsageError(f"a sample of {n} rows is asked for, expected at least 1")
    width = 2048 if sample.kind == "operator" else 12  # x and y on 32 × 32 points; no other has more columns
    if sample.simulator is not None:
        width = sample.simulator.numbers(times, grid_size)
    check_memory(4 * n * width, f"a sample of {n:,} rows", "ask for fewer rows (--rows, --times, --grid-size)")
    generator = torch.Generator().manual_seed(seed)
    attributes: dict[str, str | tuple[str, ...]] = {"kind": sample.kind, "names": sample.names}
    if sample.periodic:
        attributes["periodic"] = sample.periodic
    if sample.simulator is not None:
        for option, size in (("--times", times), ("--grid-size", grid_size)):
            if size is not None and size < _FEWEST_POINTS:
                raise UsageError(f"{option} is {size}, expected at least {_FEWEST_POINTS}")
        with one_thread():  # thousands of short transforms, on which threads only wait for each other
            arrays = sample.simulator.arrays(n, generator, times, grid_size)
        attributes["periodic"] = sample.simulator.space
    elif times is None and grid_size is None:
        arrays = sample.draw(n, generator)
    else:
        raise UsageError(f"--times and --grid-size are those of a field, and {name} is a {sample.kind}; use --rows")
    with appearing_whole(path) as part:
        write(part, {role: array.numpy() for role, array in arrays.items()}, attributes)


def _field(simulator: Simulator) -> Sample:
    about = f"solutions of {simulator.equation} on a periodic grid"
    return Sample(
        "field", simulator.names, simulator.rows, about, simulator.symmetry, simulator.arrays, simulator=simulator
    )


def _operator(about: str, symmetry: str, draw: Callable[[int, torch.Generator], Arrays]) -> Sample:
    return Sample("operator", ("x", "y"), 500, about, symmetry, draw, periodic=("x", "y"))


_XYZ = ("x", "y", "z")

SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        "rigid-body": Sample(
            "flow", ("w1", "w2", "w3"), 2000,
            "Euler's equations of a free rigid body with moments 1, 2, 3, at random angular velocities",
            "linear: 1, the scaling of x with time", draws.rigid_body((1.0, 2.0, 3.0)),
        ),
        "symmetric-top": Sample(
            "flow", ("w1", "w2", "w3"), 2000, "Euler's equations of a free symmetric top with moments 1, 1, 2",
            "linear: 3, the turn about its axis, the scaling with time, and the scaling of w1, w2",
            draws.rigid_body((1.0, 1.0, 2.0)),
        ),
        "kepler": Sample(
            "function", _XYZ, 1200, "position r and acceleration a = −r/|r|³ on 1,200 orbits in all planes",
            "linear: so(3), and the scaling r ∂r with a ↦ −2a where the output action is free", draws.kepler,
        ),
        "lorenz": Sample(
            "flow", _XYZ, 4000, "eight trajectories of the Lorenz system with exact derivatives",
            "linear, affine: none", draws.lorenz,
        ),
        "hopf": Sample(
            "flow", ("x", "y"), 1600, "eight trajectories of a Hopf normal form with times, to be differentiated",
            "linear: so(2)", draws.hopf,
        ),
        "twist-map": Sample(
            "map", ("x", "y"), 2000, "one step of a twist map: each circle turns by its own angle", "linear: so(2)",
            draws.twist,
        ),
        "shell": Sample(
            "points", _XYZ, 20000, "points of a thick spherical shell, radius 0.8 to 1.2", "linear, affine: so(3)",
            draws.shell,
        ),
        "cube": Sample("points", _XYZ, 20000, "points of a cube", "linear, affine: none", draws.cube),
        "ellipse": Sample(
            "points", ("x", "y"), 200, "points of an ellipse that is turned and off the origin",
            "affine: the rotation of the ellipse along itself (with --method tangent)", draws.ellipse,
        ),
        "potential": Sample(
            "function", _XYZ, 4000, "energy of three atoms with anharmonic pair potentials, spread of order 1",
            "affine on each atom alike: e(3), 6; on all nine coordinates (--acts-on all): 33", draws.potential,
        ),
        "o5": Sample(
            "function", ("x1", "x2", "x3", "x4", "x5"), 10000,
            "a function of two vectors in five dimensions that depends on their lengths and angle alone",
            "linear on both vectors alike: so(5), 10", draws.o5,
        ),
        "noise": Sample(
            "function", _XYZ, 2000, "a cubic polynomial of three variables with 1 % of noise", "linear, affine: none",
            draws.noise,
        ),
        "heat-operator": _operator(
            "the heat semigroup on random fields inside a disc, 32 × 32",
            "affine: e(2), the translations and the rotation", kernels.heat,
        ),
        "heat-operator-waves": _operator(
            "the heat semigroup on random waves of a torus, 32 × 32",
            "affine: the translations; turns do not close on a torus", kernels.heat_of_waves,
        ),
        "anisotropic-operator": _operator(
            "a Gaussian kernel with elliptical level sets on random fields inside a disc",
            "affine: a conjugate of e(2), the translations and a turn along the ellipses", kernels.anisotropic,
        ),
        "fourfold-operator": _operator(
            "a kernel that varies as cos 4θ on random fields inside a disc", "affine: the translations",
            kernels.fourfold,
        ),
        "varying-operator": _operator(
            "a kernel that depends on the place on random fields inside a disc", "affine: none", kernels.varying,
        ),
        **{name: Sample(*entry) for name, entry in MECHANICS.items()},
        "sphere-metric": Sample(
            "function", ("x", "y"), 2000, "the metric of the unit sphere in stereographic coordinates",
            "polynomial:2 (with --output-type metric): so(3)", charts.sphere_metric,
        ),
        "half-plane-metric": Sample(
            "function", ("x", "y"), 2000, "the metric of the hyperbolic plane in the upper half-plane",
            "polynomial:2 (with --output-type metric): sl(2,R)", charts.half_plane_metric,
        ),
        "torus": Sample(
            "points", _XYZ, 2000, "points of a torus of revolution, radii 2 and 0.7",
            "killing: so(2), the turn about its axis (with --method tangent)", charts.torus,
        ),
        **{name: _field(simulator) for name, simulator in SIMULATORS.items()},
    }
)  # fmt: skip
