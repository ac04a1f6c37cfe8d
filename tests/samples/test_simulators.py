"""Simulated fields against closed forms, against their own equations, and as files."""

from math import pi
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.samples.advection import BURGERS, CKDV, KDV, KURAMOTO_SIVASHINSKY, NKDV, Advection
from symfind.samples.catalogue import write_sample
from symfind.samples.linear import heat, heat_2d, wave
from symfind.samples.navier_stokes import Torus, navier_stokes_2d
from symfind.samples.simulators import SIMULATORS
from symfind.samples.waves import coordinates, random_waves

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def times(*moments: float) -> Tensor:
    return torch.tensor(moments, dtype=torch.float64)


def d(u: Tensor, axis: int, order: int, length: float) -> Tensor:
    """∂ⁿu along a periodic axis, with another Fourier transform than the simulators'."""
    n = u.shape[axis]
    k = 2j * pi / length * torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    shape = [1] * u.dim()
    shape[axis] = n
    return torch.fft.ifft(torch.fft.fft(u, dim=axis) * (k**order).reshape(shape), dim=axis).real


def around(t: float, h: float) -> Tensor:
    """Five times with which ∂u/∂t at t is known to order h⁴, after the 0 that simulations start from."""
    return times(0.0, *(t + i * h for i in (-2, -1, 0, 1, 2)))


def rate(u: Tensor, h: float) -> Tensor:
    """∂u/∂t at the middle of the last five times."""
    return (u[:, 1] - 8 * u[:, 2] + 8 * u[:, 4] - u[:, 5]) / (12 * h)


def size(u: Tensor) -> float:
    return float(u.square().mean().sqrt())


def test_a_soliton_of_korteweg_de_vries_travels() -> None:
    length, c = 64.0, 1.0
    x = coordinates(256, length)

    def soliton(t: float) -> Tensor:
        # the tails reach e^(−32) at the end of the period
        return 3 * c / torch.cosh((c**0.5) / 2 * (x - 30.0 - c * t)) ** 2

    u = KDV.evolve(soliton(0.0)[None], times(0.0, 2.0), length)
    # fourth order in steps of 0.008, and waves left out above two thirds of the highest: e^(−26)
    assert (u[0, 1] - soliton(2.0)).abs().max() < 1e-8


def test_burgers_is_cole_hopf() -> None:
    x, nu = coordinates(128, 2 * pi), 0.01

    def exact(t: float) -> Tensor:
        # φ = 3 + e^(−νt) cos x + e^(−4νt) sin 2x solves φ_t = νφ_xx, and u = −2νφ_x/φ
        one, two = np.exp(-nu * t), np.exp(-4 * nu * t)
        phi = 3 + one * x.cos() + two * (2 * x).sin()
        return -2 * nu * (2 * two * (2 * x).cos() - one * x.sin()) / phi

    u = BURGERS.evolve(exact(0.0)[None], times(0.0, 5.0, 20.0), 2 * pi)
    for i, t in enumerate((0.0, 5.0, 20.0)):
        assert (u[0, i] - exact(t)).abs().max() < 1e-11


@pytest.mark.parametrize(
    ("law", "length", "equation"),
    [
        (KDV, 128.0, lambda t, u, ux, uxx, uxxx, uxxxx: u * ux + uxxx),
        (NKDV, 128.0, lambda t, u, ux, uxx, uxxx, uxxxx: np.exp(t / 50) * (u * ux + uxxx)),
        (CKDV, 128.0, lambda t, u, ux, uxx, uxxx, uxxxx: u * ux + uxxx + u / (2 * t + 2)),
        (KURAMOTO_SIVASHINSKY, 64.0, lambda t, u, ux, uxx, uxxx, uxxxx: u * ux + uxx + uxxxx),
        (BURGERS, 2 * pi, lambda t, u, ux, uxx, uxxx, uxxxx: u * ux - 0.01 * uxx),
    ],
)
def test_advection_solves_its_equation(law: Advection, length: float, equation: object) -> None:
    t, h = 0.3, 0.01
    u = law.evolve(law.amplitude * random_waves(2, 192, 3, seeded()), around(t, h), length)
    terms = [d(u[:, 3], 1, order, length) for order in range(5)]
    ut = rate(u, h)
    # h⁴ u_ttttt/30 with rates of the fastest waves near 3: 1e-6
    assert size(ut + equation(t, *terms)) < 2e-6 * size(ut)  # type: ignore[operator]


@pytest.mark.parametrize("law", [KDV, CKDV, NKDV, KURAMOTO_SIVASHINSKY])
def test_a_finer_grid_and_shorter_steps_change_nothing(law: Advection) -> None:
    length = 64.0 if law is KURAMOTO_SIVASHINSKY else 128.0
    fine = Advection(law.symbol, law.step / 2, law.amplitude, law.speed, law.clock, law.scale)
    t = times(0.0, 2.0, 4.0)
    u = law(2, t, 192, length, seeded())
    refined = fine(2, t, 384, length, seeded())[:, :, ::2]
    assert (u - refined).abs().max() < 1e-8 * u.abs().max()


def test_linear_equations_are_solved_exactly() -> None:
    h = 0.01
    u = heat(3, around(0.5, h), 64, 16.0, seeded())[..., 0]
    # h⁴ u_ttttt/30 with rates below (2π·5/16)² = 3.9: 3e-7 of the fastest mode
    assert size(rate(u, h) - d(u[:, 3], 1, 2, 16.0)) < 3e-7 * size(rate(u, h))
    w = wave(3, around(0.5, h), 64, 16.0, seeded())[..., 0]
    second = (-w[:, 1] + 16 * w[:, 2] - 30 * w[:, 3] + 16 * w[:, 4] - w[:, 5]) / (12 * h**2)
    assert size(second - d(w[:, 3], 1, 2, 16.0)) < 1e-6 * size(second)
    plane = heat_2d(3, around(0.5, h), 32, 8.0, seeded())[..., 0]
    laplacian = d(plane[:, 3], 1, 2, 8.0) + d(plane[:, 3], 2, 2, 8.0)
    assert size(rate(plane, h) - laplacian) < 1e-5 * size(laplacian)


def test_a_heat_mode_decays_at_its_rate() -> None:
    u = heat(1, times(0.0, 1.0), 64, 16.0, seeded())[0, :, :, 0]
    series = torch.fft.rfft(u).abs()
    for mode in range(1, 6):
        if series[0, mode] > 1e-9:
            assert float(series[1, mode] / series[0, mode]) == pytest.approx(np.exp(-((2 * pi * mode / 16) ** 2)))


def test_taylor_green_vortices_decay_in_a_moving_frame() -> None:
    n, nu, t = 32, 0.1, 0.7
    x = coordinates(n, 2 * pi)[:, None]
    y = coordinates(n, 2 * pi)[None, :]
    drift = times(0.4, -0.3)[None]
    # u = cos x sin y, v = −sin x cos y, p = −(cos 2x + cos 2y)/4, vorticity −2 cos x cos y
    u = Torus(n, 2 * pi).evolve((-2 * x.cos() * y.cos())[None], drift, times(0.0, t), nu)[0, 1]
    sx, sy, fade = x - 0.4 * t, y + 0.3 * t, np.exp(-2 * nu * t)
    assert (u[..., 0] - 0.4 - sx.cos() * sy.sin() * fade).abs().max() < 1e-9
    assert (u[..., 1] + 0.3 + sx.sin() * sy.cos() * fade).abs().max() < 1e-9
    assert (u[..., 2] + ((2 * sx).cos() + (2 * sy).cos()) / 4 * fade**2).abs().max() < 1e-9


def test_a_random_flow_obeys_navier_stokes() -> None:
    h, length = 0.01, 2 * pi
    flow = navier_stokes_2d(1, around(0.3, h), 32, length, seeded())
    u, v, p = flow[:, 3].unbind(-1)
    ut, vt, _ = rate(flow, h).unbind(-1)
    ux, uy, vx, vy = (d(w, axis, 1, length) for w in (u, v) for axis in (1, 2))
    viscous = [0.05 * (d(w, 1, 2, length) + d(w, 2, 2, length)) for w in (u, v)]
    # 32 points see this flow to 1e-5, and products of it fold back
    assert size(ux + vy) < 1e-4 * size(ux)
    assert size(ut + u * ux + v * uy + d(p, 1, 1, length) - viscous[0]) < 1e-4 * size(ut)
    assert size(vt + u * vx + v * vy + d(p, 2, 1, length) - viscous[1]) < 1e-4 * size(vt)


# The others run for a hundred units of time, which takes seconds on any grid: kdv.h5 is committed.
@pytest.mark.parametrize("name", ["burgers", "heat", "wave", "heat-2d", "navier-stokes-2d"])
def test_fields_are_written_with_their_axes(name: str, tmp_path: Path) -> None:
    simulator = SIMULATORS[name]
    path = tmp_path / "f.h5"
    short = 17
    write_sample(name, path, rows=2, times=short, grid_size=16, seed=1)
    with h5py.File(path) as file:
        axes = len(simulator.space)
        components = () if len(simulator.components) == 1 else (len(simulator.components),)
        assert file["u"].shape == (2, short, *(16,) * axes, *components)
        assert np.isfinite(file["u"][()]).all()
        assert file["t"][-1] == simulator.end and len(file["t"]) == short
        for axis in simulator.space:
            assert file[axis][1] == pytest.approx(simulator.length / 16) and len(file[axis]) == 16
        assert tuple(file.attrs["names"]) == simulator.names
        assert tuple(file.attrs["periodic"]) == simulator.space
    if name == "navier-stokes-2d":  # two seconds each
        return
    again = tmp_path / "g.h5"
    write_sample(name, again, rows=2, times=short, grid_size=16, seed=1)
    assert again.read_bytes() == path.read_bytes()


def test_committed_kdv_conserves_what_korteweg_de_vries_conserves() -> None:
    with h5py.File(SAMPLE_DATA / "kdv.h5") as file:
        u, t, x = (torch.from_numpy(file[name][()]) for name in "utx")
    assert u.shape == (5, 140, 256) and float(t[-1]) == 100 and float(x[1]) == 0.5
    ux = d(u, 2, 1, 128.0)
    for density in (u, u**2, u**3 / 3 - ux**2):
        total = density.mean(2)
        # waves above the highest of 256 points are 5e-7 of these solutions, and fold back into products
        assert (total - total[:, :1]).abs().max() < 1e-5 * density.abs().mean()
    series = torch.fft.rfft(u[:, 0]).abs()
    assert series[:, 4:].max() < 1e-10 * series.max()  # three waves at the start


def test_sizes_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--times is 3, expected at least 16"):
        write_sample("heat", tmp_path / "a.h5", times=3)
    with pytest.raises(UsageError, match="--grid-size is 8"):
        write_sample("heat", tmp_path / "a.h5", grid_size=8)
    with pytest.raises(UsageError, match="kepler is a function"):
        write_sample("kepler", tmp_path / "a.h5", times=30)
