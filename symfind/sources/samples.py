"""Named sample datasets whose symmetries are known, made on the spot from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.linalg.threads import one_thread
from symfind.sources import charts
from symfind.sources.files import appearing_whole
from symfind.sources.hdf5 import write
from symfind.sources.mapping import nearest
from symfind.sources.simulators import kernels
from symfind.sources.simulators.catalogue import SIMULATORS, Simulator
from symfind.sources.simulators.mechanics import MECHANICS

Arrays: TypeAlias = dict[str, Tensor]


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


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def euler_equations(w: Tensor, inertia: tuple[float, float, float]) -> Tensor:
    """dω/dt = I⁻¹(Iω × ω), Euler's equations of a free rigid body in its principal axes; ``(n, 3) → (n, 3)``."""
    moments = torch.tensor(inertia, dtype=w.dtype)
    torque: Tensor = torch.linalg.cross(moments * w, w)
    return torque / moments


def _rigid_body(inertia: tuple[float, float, float]) -> Callable[[int, torch.Generator], Arrays]:
    def draw(n: int, generator: torch.Generator) -> Arrays:
        w = _normal(generator, n, 3)
        return {"x": w, "dx": euler_equations(w, inertia)}

    return draw


def _kepler(n: int, generator: torch.Generator) -> Arrays:
    """Give a = −r/|r|³ at one moment of each of n orbits: isotropic planes, eccentricity ≤ 0.2, GM = 1."""
    semi_major = _uniform(generator, 0.85, 1.15, n, 1)
    e = _uniform(generator, 0.0, 0.2, n, 1)
    mean_anomaly = _uniform(generator, 0.0, 2 * torch.pi, n, 1)
    anomaly = mean_anomaly
    for _ in range(8):  # Newton on Kepler's equation E − e sin E = M: exact to rounding after 5 at e ≤ 0.2
        anomaly = anomaly - (anomaly - e * anomaly.sin() - mean_anomaly) / (1 - e * anomaly.cos())
    axes, triangle = torch.linalg.qr(_normal(generator, n, 3, 3))
    # Without these signs the first axis, the perihelion, would lie in one half of the space (Mezzadri 2007).
    axes = axes * triangle.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    in_plane = torch.cat([anomaly.cos() - e, (1 - e**2).sqrt() * anomaly.sin()], dim=1)  # (n, 2)
    r = semi_major * torch.einsum("nij,nj->ni", axes[:, :, :2], in_plane)
    return {"x": r, "y": -r / r.norm(dim=1, keepdim=True) ** 3}


def _integrate(f: Callable[[Tensor], Tensor], x: Tensor, step: float, steps: int, parts: int) -> Tensor:
    """Return the states x(0), x(step), … of dx/dt = f(x) by RK4 in parts of a step: ``(R, d) → (R, steps, d)``."""
    states = [x]
    h = step / parts
    for _ in range(steps - 1):
        for _ in range(parts):
            k1 = f(x)
            k2 = f(x + h / 2 * k1)
            k3 = f(x + h / 2 * k2)
            k4 = f(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(x)
    return torch.stack(states, dim=1)


def lorenz_equations(x: Tensor) -> Tensor:
    """dx/dt = (10(y − x), x(28 − z) − y, xy − 8z/3); ``(n, 3) → (n, 3)``."""
    a, b, c = x.unbind(-1)
    return torch.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], dim=-1)


def _lorenz(n: int, generator: torch.Generator) -> Arrays:
    """Eight trajectories on the attractor (the last one shorter), each state with its exact derivative."""
    length = -(-n // 8)
    start = _normal(generator, 8, 3) * 8 + torch.tensor([0.0, 0.0, 25.0], dtype=torch.float64)
    settled = _integrate(lorenz_equations, start, 0.02, 250, 1)[:, -1]  # 5 time units: onto the attractor
    x = _integrate(lorenz_equations, settled, 0.02, length, 1).flatten(0, 1)[:n]
    group = torch.arange(8).repeat_interleave(length)[:n]
    return {"x": x, "dx": lorenz_equations(x), "group": group}


def hopf_equations(x: Tensor) -> Tensor:
    """dx/dt = (1 − |x|²) x + J x, the normal form of a Hopf bifurcation; ``(n, 2) → (n, 2)``."""
    a, b = x.unbind(-1)
    growth = 1 - a**2 - b**2
    return torch.stack([growth * a - b, growth * b + a], dim=-1)


def _hopf(n: int, generator: torch.Generator) -> Arrays:
    """Eight trajectories with times and no derivatives, from inside and outside the limit cycle."""
    radius = torch.linspace(0.1, 2.0, 8, dtype=torch.float64)
    angle = _uniform(generator, 0.0, 2 * torch.pi, 8)
    start = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    length = -(-n // 8)
    return {
        "x": _integrate(hopf_equations, start, 0.05, length, 4),
        "t": 0.05 * torch.arange(length, dtype=torch.float64),
    }


def _twist(n: int, generator: torch.Generator) -> Arrays:
    """Map x ↦ R(1 + |x|²/2) x: every circle turns by its own angle."""
    x = _normal(generator, n, 2)
    angle = 1 + x.square().sum(1) / 2
    a, b = x.unbind(1)
    turned = torch.stack([angle.cos() * a - angle.sin() * b, angle.sin() * a + angle.cos() * b], dim=1)
    return {"x": x, "x_next": turned}


def _shell(n: int, generator: torch.Generator) -> Arrays:
    direction = torch.nn.functional.normalize(_normal(generator, n, 3), dim=1)
    return {"x": direction * _uniform(generator, 0.8, 1.2, n, 1)}


def _cube(n: int, generator: torch.Generator) -> Arrays:
    return {"x": _uniform(generator, -1.0, 1.0, n, 3)}


def _ellipse(n: int, generator: torch.Generator) -> Arrays:
    """Points of an ellipse with half-axes 2 and 1, turned by 30° and moved off the origin."""
    angle = _uniform(generator, 0.0, 2 * torch.pi, n)
    half_axes = torch.tensor([[3**0.5, -0.5], [1.0, 3**0.5 / 2]], dtype=torch.float64)
    centre = torch.tensor([1.0, -0.5], dtype=torch.float64)
    return {"x": torch.stack([angle.cos(), angle.sin()], dim=1) @ half_axes.T + centre}


def three_atom_energy(x: Tensor) -> Tensor:
    """V = Σ_{i<j} w_ij (|r_i − r_j|² − c_ij)², quartic, so anharmonic and fitted exactly by polynomials.

    Every pair has its own strength and length, so nothing but e(3) is left: ``(n, 3, 3) → (n,)``.
    """
    energy = torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)
    for i, j, strength, square in ((0, 1, 1.0, 1.0), (0, 2, 0.6, 1.7), (1, 2, 0.35, 2.4)):
        energy = energy + strength * ((x[:, i] - x[:, j]).square().sum(1) - square) ** 2
    return energy


def _potential(n: int, generator: torch.Generator) -> Arrays:
    x = _normal(generator, n, 3, 3)
    return {"x": x, "y": three_atom_energy(x)}


def o5_function(x: Tensor) -> Tensor:
    """F = sin|x₁| − |x₂|³/2 + x₁·x₂/(|x₁||x₂|) of two vectors in R⁵: ``(n, 2, 5) → (n,)``.

    The O(5) regression of Finzi, Welling, Wilson 2021, on which LieGG (Moskalev et al. 2022) is measured.
    """
    first, second = x[:, 0], x[:, 1]
    a, b = first.norm(dim=1), second.norm(dim=1)
    value: Tensor = a.sin() - b**3 / 2 + (first * second).sum(1) / (a * b)
    return value


def _o5(n: int, generator: torch.Generator) -> Arrays:
    x = _normal(generator, n, 2, 5)
    return {"x": x, "y": o5_function(x)}


def asymmetric_cubic(x: Tensor) -> Tensor:
    """F = x + yz + x²y/2 + yz²/3 − z³/4 + y³/5; no linear or affine field leaves it unchanged: ``(n, 3) → (n,)``."""
    a, b, c = x.unbind(-1)
    return a + b * c + a**2 * b / 2 + b * c**2 / 3 - c**3 / 4 + b**3 / 5


def _noise(n: int, generator: torch.Generator) -> Arrays:
    """F(x) of a cubic without symmetry, with 1 % of noise."""
    x = _normal(generator, n, 3)
    y = asymmetric_cubic(x)
    return {"x": x, "y": y + 0.01 * y.std() * _normal(generator, n)}


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
            "flow",
            ("w1", "w2", "w3"),
            2000,
            "Euler's equations of a free rigid body with moments 1, 2, 3, at random angular velocities",
            "linear: 1, the scaling of x with time",
            _rigid_body((1.0, 2.0, 3.0)),
        ),
        "symmetric-top": Sample(
            "flow",
            ("w1", "w2", "w3"),
            2000,
            "Euler's equations of a free symmetric top with moments 1, 1, 2",
            "linear: 3, the turn about its axis, the scaling with time, and the scaling of w1, w2",
            _rigid_body((1.0, 1.0, 2.0)),
        ),
        "kepler": Sample(
            "function",
            _XYZ,
            1200,
            "position r and acceleration a = −r/|r|³ on 1,200 orbits in all planes",
            "linear: so(3), and the scaling r ∂r with a ↦ −2a where the output action is free",
            _kepler,
        ),
        "lorenz": Sample(
            "flow",
            _XYZ,
            4000,
            "eight trajectories of the Lorenz system with exact derivatives",
            "linear, affine: none",
            _lorenz,
        ),
        "hopf": Sample(
            "flow",
            ("x", "y"),
            1600,
            "eight trajectories of a Hopf normal form with times, to be differentiated",
            "linear: so(2)",
            _hopf,
        ),
        "twist-map": Sample(
            "map",
            ("x", "y"),
            2000,
            "one step of a twist map: each circle turns by its own angle",
            "linear: so(2)",
            _twist,
        ),
        "shell": Sample(
            "points",
            _XYZ,
            20000,
            "points of a thick spherical shell, radius 0.8 to 1.2",
            "linear, affine: so(3)",
            _shell,
        ),
        "cube": Sample(
            "points",
            _XYZ,
            20000,
            "points of a cube",
            "linear, affine: none",
            _cube,
        ),
        "ellipse": Sample(
            "points",
            ("x", "y"),
            200,
            "points of an ellipse that is turned and off the origin",
            "affine: the rotation of the ellipse along itself (with --method tangent)",
            _ellipse,
        ),
        "potential": Sample(
            "function",
            _XYZ,
            4000,
            "energy of three atoms with anharmonic pair potentials, spread of order 1",
            "affine on each atom alike: e(3), 6; on all nine coordinates (--acts-on all): 33",
            _potential,
        ),
        "o5": Sample(
            "function",
            ("x1", "x2", "x3", "x4", "x5"),
            10000,
            "a function of two vectors in five dimensions that depends on their lengths and angle alone",
            "linear on both vectors alike: so(5), 10",
            _o5,
        ),
        "noise": Sample(
            "function",
            _XYZ,
            2000,
            "a cubic polynomial of three variables with 1 % of noise",
            "linear, affine: none",
            _noise,
        ),
        "heat-operator": _operator(
            "the heat semigroup on random fields inside a disc, 32 × 32",
            "affine: e(2), the translations and the rotation",
            kernels.heat,
        ),
        "heat-operator-waves": _operator(
            "the heat semigroup on random waves of a torus, 32 × 32",
            "affine: the translations; turns do not close on a torus",
            kernels.heat_of_waves,
        ),
        "anisotropic-operator": _operator(
            "a Gaussian kernel with elliptical level sets on random fields inside a disc",
            "affine: a conjugate of e(2), the translations and a turn along the ellipses",
            kernels.anisotropic,
        ),
        "fourfold-operator": _operator(
            "a kernel that varies as cos 4θ on random fields inside a disc",
            "affine: the translations",
            kernels.fourfold,
        ),
        "varying-operator": _operator(
            "a kernel that depends on the place on random fields inside a disc",
            "affine: none",
            kernels.varying,
        ),
        **{name: Sample(*entry) for name, entry in MECHANICS.items()},
        "sphere-metric": Sample(
            "function",
            ("x", "y"),
            2000,
            "the metric of the unit sphere in stereographic coordinates",
            "polynomial:2 (with --output-type metric): so(3)",
            charts.sphere_metric,
        ),
        "half-plane-metric": Sample(
            "function",
            ("x", "y"),
            2000,
            "the metric of the hyperbolic plane in the upper half-plane",
            "polynomial:2 (with --output-type metric): sl(2,R)",
            charts.half_plane_metric,
        ),
        "torus": Sample(
            "points",
            _XYZ,
            2000,
            "points of a torus of revolution, radii 2 and 0.7",
            "killing: so(2), the turn about its axis (with --method tangent)",
            charts.torus,
        ),
        **{name: _field(simulator) for name, simulator in SIMULATORS.items()},
    }
)
