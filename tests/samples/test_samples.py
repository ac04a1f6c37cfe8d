"""Samples: the symmetry each claims follows from its equations, and files are written whole."""

from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.kinds.reading import open_dataset
from symfind.samples.catalogue import SAMPLES, write_sample
from symfind.samples.draws import (
    asymmetric_cubic,
    euler_equations,
    hopf_equations,
    lorenz_equations,
    o5_function,
    three_atom_energy,
)

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


@lru_cache
def drawn(name: str, rows: int | None = None) -> dict[str, Tensor]:
    sample = SAMPLES[name]
    return sample.draw(rows or sample.rows, torch.Generator().manual_seed(1))


def nullity(matrix: Tensor) -> int:
    """Number of singular values below 1e-9 of the largest: far above rounding, far below what breaks a symmetry."""
    values = torch.linalg.svdvals(matrix)
    return int((values < 1e-9 * values[0]).sum())


def gradient(f: object, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]  # type: ignore[operator]


def invariances(f: object, x: Tensor, affine: bool) -> int:
    """Number of matrices A (and shifts), one action on all objects, with dF·(A x + b) = 0."""
    if affine:
        moved = torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)
    else:
        moved = x
    objects = gradient(f, x)
    if x.dim() == 2:
        objects, moved = objects[:, None], moved[:, None]
    return nullity(torch.einsum("nki,nkj->nij", objects, moved).flatten(1))


def flow_symmetries(f: object, x: Tensor, affine: bool) -> int:
    """Number of (A, b, c) with dF·(A x + b) − A F = c F."""
    n, d = x.shape
    value = f(x)  # type: ignore[operator]
    jacobian = torch.stack([gradient(lambda z, i=i: f(z)[:, i], x) for i in range(d)], dim=1)  # type: ignore[operator]
    unit = torch.eye(d, dtype=x.dtype)
    linear = torch.einsum("nai,nj->naij", jacobian, x) - torch.einsum("ai,nj->naij", unit, value)
    columns = [linear.reshape(n * d, d * d), -value.reshape(n * d, 1)]
    if affine:
        columns.append(jacobian.reshape(n * d, d))
    return nullity(torch.cat(columns, dim=1))


def test_potential_has_e3_on_each_atom_and_33_on_all_coordinates() -> None:
    x = drawn("potential", 1500)["x"]
    assert invariances(three_atom_energy, x, affine=True) == 6
    assert invariances(lambda z: three_atom_energy(z.reshape(-1, 3, 3)), x.flatten(1), affine=True) == 33


def test_o5_function_has_so5() -> None:
    x = drawn("o5", 1500)["x"]
    assert invariances(o5_function, x, affine=False) == 10
    assert torch.equal(drawn("o5", 1500)["y"], o5_function(x))


def test_noise_has_nothing() -> None:
    x = drawn("noise")["x"]
    assert invariances(asymmetric_cubic, x, affine=True) == 0


@pytest.mark.parametrize("affine", [False, True])
def test_flows_have_the_symmetries_they_claim(affine: bool) -> None:
    assert flow_symmetries(lambda w: euler_equations(w, (1.0, 2.0, 3.0)), drawn("rigid-body")["x"], affine) == 1
    assert flow_symmetries(lambda w: euler_equations(w, (1.0, 1.0, 2.0)), drawn("symmetric-top")["x"], affine) == 3
    assert flow_symmetries(lorenz_equations, drawn("lorenz")["x"], affine) == 0
    assert flow_symmetries(hopf_equations, drawn("hopf")["x"].flatten(0, 1), affine) == 1


def test_rigid_body_conserves_energy_and_angular_momentum() -> None:
    w = drawn("rigid-body")["x"]
    dw = drawn("rigid-body")["dx"]
    moments = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    for weights in (moments, moments**2):
        assert (weights * w * dw).sum(1).abs().max() < 1e-12


def test_kepler_states_obey_newton_in_all_directions() -> None:
    rows = drawn("kepler")
    r = rows["x"].norm(dim=1, keepdim=True)
    assert (rows["y"] * r**3 + rows["x"]).abs().max() < 1e-12
    assert 0.85 * 0.8 <= r.min() and r.max() <= 1.15 * 1.2  # a(1 − e) … a(1 + e)
    # the mean of 1,200 isotropic positions of length 1 is of order 1/√(3·1200) = 0.017 in each coordinate
    assert rows["x"].mean(dim=0).abs().max() < 0.08
    spread = torch.linalg.eigvalsh(rows["x"].T.cov())
    # isotropic: the variances of 1,200 states differ by some 2/√1200 = 6 %, a plane would have a zero
    assert spread[0] > 0.8 * spread[2]


def test_trajectories_solve_their_equation() -> None:
    x = drawn("hopf")["x"]
    r0 = x[:, 0].norm(dim=1)[:, None]
    t = drawn("hopf")["t"][None]
    exact = 1 / (1 + (1 / r0**2 - 1) * (-2 * t).exp()).sqrt()  # of dr/dt = r − r³
    # RK4 with h = 0.0125 on rates up to 11: h⁴·11⁵/120 = 3e-5
    assert (x.norm(dim=2) - exact).abs().max() < 3e-5
    lorenz = drawn("lorenz", 100)
    assert lorenz["group"].tolist() == np.repeat(np.arange(8), 13)[:100].tolist()


def test_twist_map_commutes_with_rotations_and_keeps_lengths() -> None:
    rows = drawn("twist-map")
    assert torch.allclose(rows["x"].norm(dim=1), rows["x_next"].norm(dim=1))
    angle = torch.atan2(rows["x_next"][:, 1], rows["x_next"][:, 0]) - torch.atan2(rows["x"][:, 1], rows["x"][:, 0])
    expected = 1 + rows["x"].square().sum(1) / 2
    assert ((angle - expected) / 2).sin().abs().max() < 1e-12  # equal modulo 2π


def test_points_lie_where_they_should() -> None:
    radius = drawn("shell")["x"].norm(dim=1)
    assert 0.8 <= radius.min() and radius.max() <= 1.2
    cube = drawn("cube")["x"]
    assert cube.abs().max() <= 1
    # fourth moments of a cube are not those of any rotation-invariant set: E x⁴ = 3 E x²y² there
    assert (cube[:, 0] ** 4).mean() < 2.5 * (cube[:, 0] ** 2 * cube[:, 1] ** 2).mean()
    centred = drawn("ellipse")["x"] - torch.tensor([1.0, -0.5], dtype=torch.float64)
    turned = centred @ torch.tensor([[3**0.5 / 2, -0.5], [0.5, 3**0.5 / 2]], dtype=torch.float64)
    assert ((turned[:, 0] / 2) ** 2 + turned[:, 1] ** 2 - 1).abs().max() < 1e-12


# Fields have their own tests, in test_simulators.py: 200 trajectories would take minutes.
@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.kind != "field"])
def test_samples_can_be_read_as_what_they_say(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.h5"
    write_sample(name, path, rows=200, seed=3)
    dataset = open_dataset(path)
    assert dataset.kind == SAMPLES[name].kind
    assert dataset.names == SAMPLES[name].names
    assert dataset.warnings == ()
    dataset.validate()
    again = tmp_path / "again.h5"
    write_sample(name, again, rows=200, seed=3)
    assert again.read_bytes() == path.read_bytes()
    write_sample(name, again, rows=200, seed=4)
    assert again.read_bytes() != path.read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["again.h5", "sample.h5"]


def test_requests_that_cannot_be_met(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'kepler'"):
        write_sample("keppler", tmp_path / "a.h5")
    with pytest.raises(UsageError, match="0 rows"):
        write_sample("kepler", tmp_path / "a.h5", rows=0)
    with pytest.raises(InputError, match="cannot be written"):
        write_sample("kepler", tmp_path / "absent" / "a.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "name"),
    [("rigid_body", "rigid-body"), ("kepler", "kepler"), ("shell", "shell"), ("no_symmetry", "noise"), ("o5", "o5")],
)
def test_committed_samples_are_those_the_program_makes(file: str, name: str) -> None:
    with h5py.File(SAMPLE_DATA / f"{file}.h5") as stored:
        for role, values in SAMPLES[name].draw(SAMPLES[name].rows, torch.Generator().manual_seed(0)).items():
            # another build of torch may round functions differently
            np.testing.assert_allclose(stored[role][()], values.numpy(), rtol=1e-9, atol=1e-12)


def test_committed_dimuons_have_their_invariant_mass() -> None:
    dataset = open_dataset(SAMPLE_DATA / "dimuons.h5")
    assert (dataset.names, dataset.units) == (("E", "px", "py", "pz"), ("GeV",))
    rows = next(dataset.blocks())
    assert rows["x"].shape == (2304, 2, 4)
    pair = rows["x"].sum(dim=1)
    metric = torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=torch.float64)
    assert torch.allclose((metric * pair**2).sum(1), rows["y"], rtol=1e-7)  # the mass was recorded to 2e-8


def test_committed_planets_fall_towards_the_sun() -> None:
    rows = next(open_dataset(SAMPLE_DATA / "planets.h5").blocks())
    assert sorted(set(rows["group"].tolist())) == list(range(1, 10))
    r = rows["x"].norm(dim=1)
    attraction = rows["y"].norm(dim=1) * r**2
    # Gauss's constant squared. The Sun itself falls towards Jupiter, 1/1047 of its mass at 5.2 AU: at Pluto's
    # 47 AU this is 47²/(1047·5.2²) = 8 % of the Sun's pull, and the other giants add to it.
    assert (attraction / 0.01720209895**2 - 1).abs().max() < 0.1


def test_committed_network_has_learned_so5() -> None:
    network = torch.jit.load(SAMPLE_DATA / "o5.pt")
    rows = next(open_dataset(SAMPLE_DATA / "o5.h5").blocks(rows=4000, stop=4000))
    with torch.no_grad():
        error = network(rows["x"])[:, 0] - rows["y"]
    assert error.square().mean() < 0.002 * rows["y"].var()
    slopes = gradient(network, rows["x"])
    moved = torch.einsum("nki,nkj->nij", slopes, rows["x"]).flatten(1)
    _, _, right = torch.linalg.svd(moved, full_matrices=False)
    i, j = torch.triu_indices(5, 5, offset=1)
    so5 = torch.zeros(10, 5, 5, dtype=torch.float64)
    so5[torch.arange(10), i, j] = 0.5**0.5
    so5[torch.arange(10), j, i] = -(0.5**0.5)
    cosines = torch.linalg.svdvals(so5.flatten(1) @ right[-10:].T)
    assert cosines.min() >= 0.9999


def test_sample_data_stay_small() -> None:
    assert sum(file.stat().st_size for file in SAMPLE_DATA.iterdir() if file.is_file()) < 8e6
