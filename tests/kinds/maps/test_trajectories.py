"""Derivatives along trajectories: right, with an error that is estimated right, and rows that stay together."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from symfind.data.dataset import Dataset
from symfind.data.mapping import Axis, RoleMapping
from symfind.errors import InputError
from symfind.kinds.maps.trajectories import (
    QuinticSpline,
    SavitzkyGolay,
    check_times,
    choose_differentiation,
    edge_of,
    noise_level,
)
from symfind.kinds.reading import open_dataset


def waves(t: np.ndarray, phase: float) -> tuple[np.ndarray, np.ndarray]:
    """Two coordinates of very different size with their exact derivatives."""
    x = np.stack([np.sin(t + phase), 100 * np.cos(2 * t + phase)], axis=1)
    dx = np.stack([np.cos(t + phase), -200 * np.sin(2 * t + phase)], axis=1)
    return x, dx


def times(points: int, even: bool, rng: np.random.Generator) -> np.ndarray:
    t = np.linspace(0, 12, points)
    return t if even else t + rng.uniform(-0.3, 0.3, points) * (t[1] - t[0])


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("method", [QuinticSpline(), SavitzkyGolay(7), SavitzkyGolay(31)])
def test_quintics_are_differentiated_exactly(method: QuinticSpline | SavitzkyGolay, even: bool) -> None:
    t = times(80, even, np.random.default_rng(0)) / 12
    coefficients = np.random.default_rng(1).normal(size=(6, 3))
    x = np.polynomial.polynomial.polyval(t, coefficients).T
    exact = np.polynomial.polynomial.polyval(t, np.polynomial.polynomial.polyder(coefficients)).T
    # rounding of x, 1e-16, divided by the step 0.0125 and amplified by one-sided fits at the ends
    assert np.abs(method(t, x) - exact).max() < 1e-9


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-2])
@pytest.mark.parametrize("points", [60, 300])
def test_estimated_error_is_that_of_the_derivative(points: int, noise: float, even: bool) -> None:
    rng = np.random.default_rng(5)
    trajectories, slopes = [], []
    for phase in (0.3, 2.0, 4.0):
        t = times(points, even, rng)
        x, dx = waves(t, phase)
        trajectories.append((t, x + noise * x.std(axis=0) * rng.standard_normal(x.shape)))
        slopes.append(dx)
    chosen = choose_differentiation(trajectories)
    spread = np.concatenate([x for _, x in trajectories]).std(axis=0)
    edge = edge_of(chosen.method, points)
    wrong = right = 0.0
    for (t, x), dx in zip(trajectories, slopes, strict=True):
        kept = slice(edge, points - edge)
        wrong += np.square((chosen.method(t, x) - dx) / spread)[kept].sum()
        right += np.square(dx / spread)[kept].sum()
    true = (wrong / right) ** 0.5
    # With noise the estimate is close; without, it is an upper bound, as the order of convergence is capped.
    assert true / 2 < chosen.error < (2 * true if noise else 100 * true)
    # interpolating noise costs σ/h: what was chosen does better than the spline where there is noise
    if noise == 1e-2:
        assert isinstance(chosen.method, SavitzkyGolay)
    if noise == 0.0:
        assert isinstance(chosen.method, QuinticSpline)


@pytest.mark.parametrize("even", [True, False])
def test_noise_level(even: bool) -> None:
    rng = np.random.default_rng(2)
    t = times(2000, even, rng)
    x, _ = waves(t, 1.0)
    noisy = x + np.array([0.01, 3.0]) * rng.standard_normal(x.shape)
    np.testing.assert_allclose(noise_level(t, noisy), [0.01, 3.0], rtol=0.1)


def test_a_transient_at_the_start_is_seen_in_the_error() -> None:
    t = np.linspace(0, 10, 200)
    x = np.stack([np.exp(-40 * t) + 1e-2 * np.sin(t), np.cos(t)], axis=1)  # decays within one step
    assert choose_differentiation([(t, x)]).error > 0.05


def test_constant_data_have_no_derivative() -> None:
    chosen = choose_differentiation([(np.arange(20.0), np.ones((20, 2)))])
    assert chosen.error == 0.0


def test_times_must_increase() -> None:
    t = np.arange(20.0)
    check_times(t, "file")
    with pytest.raises(InputError, match="file has 8 points, at least 12"):
        check_times(t[:8], "file")
    t[7] = t[6]
    with pytest.raises(InputError, match=r"t\[7\] = 6 comes after t\[6\] = 6"):
        check_times(t, "file")
    t[7] = np.nan
    with pytest.raises(InputError, match="time 7 is not finite"):
        check_times(t, "file")


def store(path: Path, **datasets: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file[name] = data
    return path


def stack(count: int, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t = np.linspace(0, 6, points)
    pairs = [waves(t, 0.7 * phase) for phase in range(count)]
    return t, np.stack([x for x, _ in pairs]), np.stack([dx for _, dx in pairs])


def everything(dataset: Dataset) -> dict[str, torch.Tensor]:
    return dataset.take(torch.arange(dataset.n_rows))


def test_trajectories_become_rows(tmp_path: Path) -> None:
    t, x, dx = stack(5, 100)
    dataset = open_dataset(store(tmp_path / "a.h5", x=x, t=t))
    assert dataset.kind == "flow"
    edge = (100 - dataset.n_rows // 5) // 2
    assert edge == 3
    assert dataset.shapes == {"x": (470, 2), "dx": (470, 2), "group": (470,)}
    rows = everything(dataset)
    kept = slice(edge, 100 - edge)
    assert torch.equal(rows["x"], torch.from_numpy(x[:, kept].reshape(-1, 2)))
    assert rows["group"].tolist() == np.repeat(np.arange(5), 94).tolist()
    exact = torch.from_numpy(dx[:, kept].reshape(-1, 2))
    assert (rows["dx"] - exact).norm() < 1e-5 * exact.norm()
    assert "quintic spline: estimated relative error" in dataset.messages[1]
    assert dataset.warnings == ()


@pytest.mark.parametrize("bounds", [(0, 1), (90, 100), (93, 95), (100, 400), (469, 470)])
def test_ranges_of_trajectory_rows(tmp_path: Path, bounds: tuple[int, int]) -> None:
    t, x, _ = stack(5, 100)
    dataset = open_dataset(store(tmp_path / "a.h5", x=x.astype("f4"), t=np.stack([t] * 5)))
    rows = everything(dataset)
    for role in ("x", "dx", "group"):
        part = torch.cat([block[role] for block in dataset.blocks(rows=40, start=bounds[0], stop=bounds[1])])
        assert torch.equal(part, rows[role][slice(*bounds)])


def test_times_as_an_axis_one_trajectory_and_labels(tmp_path: Path) -> None:
    t, x, dx = stack(2, 100)
    mapping = RoleMapping(roles={"t": Axis(0.0, float(t[1]))})
    path = store(tmp_path / "a.h5", x=x, group=np.array([4, 9]))
    dataset = open_dataset(path, mapping=mapping)
    assert sorted(set(everything(dataset)["group"].tolist())) == [4, 9]
    single = open_dataset(store(tmp_path / "b.h5", x=x[1], t=t))
    assert torch.allclose(everything(single)["dx"], everything(dataset)["dx"][94:], rtol=1e-9)
    assert "single trajectory" in single.warnings[0]


def test_given_derivatives_are_kept(tmp_path: Path) -> None:
    t, x, dx = stack(3, 8)  # too few to differentiate, and that is not needed
    dataset = open_dataset(store(tmp_path / "a.h5", x=x, dx=dx, t=t))
    rows = everything(dataset)
    assert torch.equal(rows["dx"], torch.from_numpy(dx.reshape(-1, 2)))
    assert rows["group"].tolist() == np.repeat([0, 1, 2], 8).tolist()
    # without times, (N, k, d) is k objects in one space
    assert open_dataset(store(tmp_path / "b.h5", x=x, dx=dx)).shapes["x"] == (3, 8, 2)
    # rows with a time each are rows
    assert open_dataset(store(tmp_path / "c.h5", x=x[0], dx=dx[0], t=t)).shapes["x"] == (8, 2)


def test_several_objects_along_time(tmp_path: Path) -> None:
    t, x, dx = stack(3, 60)
    both = np.stack([x, 2 * x], axis=2)  # (R, T, k, d)
    rows = everything(open_dataset(store(tmp_path / "a.h5", x=both, t=t)))
    assert rows["dx"].shape[1:] == (2, 2)
    assert torch.allclose(rows["dx"][:, 1], 2 * rows["dx"][:, 0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"t": np.linspace(0, 1, 99)}, r"t has shape \(99,\), expected \(100,\) or \(5, 100\)"),
        ({"t": np.linspace(1, 0, 100)}, "trajectory 0: t must increase"),
        ({"t": np.tile(np.r_[np.arange(99.0), 98.0], (5, 1))}, "trajectory 0: t must increase"),
        ({"group": np.arange(4)}, "group has shape"),
    ],
)
def test_trajectory_faults(tmp_path: Path, change: dict[str, np.ndarray], expected: str) -> None:
    t, x, _ = stack(5, 100)
    with pytest.raises(InputError, match=expected):
        open_dataset(store(tmp_path / "a.h5", **{"x": x, "t": t, **change}))


def test_nan_in_a_trajectory_is_located_as_stored(tmp_path: Path) -> None:
    t, x, _ = stack(5, 100)
    x[3, 0, 1] = np.nan  # at an edge that is left out of the rows, but not of the differentiation
    with pytest.raises(InputError, match=r"1 of 1100 numbers are NaN or infinite, the first is x\[3, 0, 1\]"):
        for _ in open_dataset(store(tmp_path / "a.h5", x=x, t=t)).blocks():
            pass


def test_noise_is_warned_of(tmp_path: Path) -> None:
    t, x, _ = stack(5, 100)
    noisy = x + 0.05 * x.std(axis=(0, 1)) * np.random.default_rng(0).standard_normal(x.shape)
    dataset = open_dataset(store(tmp_path / "a.h5", x=noisy, t=t))
    assert "Savitzky–Golay" in dataset.messages[1]
    assert "estimated relative error" in dataset.warnings[0]
