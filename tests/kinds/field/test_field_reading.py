"""Fields in files: layouts, axes, what the data say of their ends, and what cannot be used."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from symfind.data.axes import component_names, parse_grid
from symfind.data.dataset import Dataset
from symfind.errors import InputError, UsageError
from symfind.kinds.field.grid.field_data import FieldData, field_of
from symfind.kinds.inspection import inspection
from symfind.kinds.reading import open_dataset

T = np.linspace(0.0, 3.0, 20)
X = np.arange(32) * 0.25  # a period of 8


def wave(r: int = 3) -> Any:
    """sin(2π(x − t)/8 + r): period 8 in x."""
    phase = np.arange(r)[:, None, None]
    return np.sin(2 * np.pi * (X[None, None, :] - T[None, :, None]) / 8 + phase)


def write(path: Path, attributes: dict[str, Any] | None = None, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array)
        file.attrs.update(attributes or {})
    return path


def field(path: Path, **options: Any) -> FieldData:
    return field_of(open_dataset(path, **options))


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        open_dataset(path, **options)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path))
    return message


def test_the_stored_layout_is_recognised(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", u=wave(), t=T, x=X)
    dataset = open_dataset(path)
    assert (dataset.kind, dataset.n_rows, dataset.shapes) == ("field", 3, {"u": (3, 20, 32, 1)})
    read = field_of(dataset)
    assert [axis.name for axis in read.axes] == ["t", "x"] and read.components == ("u",)
    assert read.axes[1].periodic and read.axes[1].period == pytest.approx(8.0)
    assert not read.axes[0].periodic and read.axes[0].step == pytest.approx(3.0 / 19)
    assert torch.equal(read.take(torch.tensor([0, 2]))[..., 0], torch.from_numpy(wave()[[0, 2]]))
    assert read.groups.tolist() == [0, 1, 2]
    assert any("x, 32 points from 0 to 7.75, periodic, as its ends show" in line for line in dataset.messages)


def test_an_open_axis_is_told_from_a_periodic_one(tmp_path: Path) -> None:
    ramp = wave() + 0.3 * X
    assert not field(write(tmp_path / "f.h5", u=ramp, t=T, x=X)).axes[1].periodic
    rough = np.random.default_rng(0).normal(scale=0.01, size=wave().shape)
    assert field(write(tmp_path / "g.h5", u=wave() + rough, t=T, x=X)).axes[1].periodic
    assert not field(write(tmp_path / "h.h5", u=ramp + rough, t=T, x=X)).axes[1].periodic
    assert field(write(tmp_path / "i.h5", {"periodic": "x"}, u=ramp, t=T, x=X)).axes[1].periodic
    assert not field(write(tmp_path / "j.h5", u=wave(), t=T, x=X), grid="t, x open").axes[1].periodic


def test_a_repeated_end_of_a_period_is_left_out(tmp_path: Path) -> None:
    closed = np.concatenate([wave(), wave()[:, :, :1]], axis=2)
    path = write(tmp_path / "f.h5", u=closed, t=T, x=np.append(X, 8.0))
    read = field(path)
    assert read.axes[1].points == 32 and read.axes[1].period == pytest.approx(8.0)
    assert torch.equal(read.take(torch.arange(3))[..., 0], torch.from_numpy(wave()))
    assert "its last point is the first again" in read.messages[1]


def test_the_layout_of_ko_and_others(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", train__pde_20_32=wave())
    read = field(path, input="train/pde_20_32", grid="t=0:3,x=0:8 periodic")
    torch.testing.assert_close(read.axes[0].coordinates, torch.from_numpy(T))
    torch.testing.assert_close(read.axes[1].coordinates, torch.from_numpy(X))
    assert read.axes[1].periodic and read.components == ("u",)
    mapping = {"u": "train/pde_20_32", "grid": "t=0:3, x=0:7.75 open", "names": ["time", "place", "height"]}
    mapped = field(path, mapping=mapping)
    assert [axis.name for axis in mapped.axes] == ["time", "place"] and mapped.components == ("height",)
    torch.testing.assert_close(mapped.axes[1].coordinates, torch.from_numpy(X))


def test_components_and_two_space_axes(tmp_path: Path) -> None:
    u = np.random.default_rng(0).normal(size=(2, 20, 10, 12, 3))
    arrays = {"t": T, "x": np.arange(10.0), "y": np.arange(12.0)}
    three = open_dataset(write(tmp_path / "f.h5", {"names": "t x y u v p"}, u=u, **arrays))
    assert three.shapes["u"] == (2, 20, 10, 12, 3)
    assert field_of(three).components == ("u", "v", "p")
    assert torch.equal(field_of(three).take(torch.tensor([1])), torch.from_numpy(u[1:]))
    one = open_dataset(write(tmp_path / "g.h5", u=u[..., 0], **arrays))
    assert one.shapes["u"] == (2, 20, 10, 12, 1)
    line = open_dataset(write(tmp_path / "h.h5", u=u[..., 0], t=T, x=np.arange(10.0)))
    assert line.shapes["u"] == (2, 20, 10, 12)  # without y the last axis counts components
    assert component_names(2) == ("u", "v") and component_names(4) == ("u1", "u2", "u3", "u4")


def test_trajectories_come_a_block_at_a_time(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", u=wave(5).astype(np.float32), t=np.tile(T, (5, 1)), x=X, group=[1, 1, 2, 2, 3])
    dataset = open_dataset(path)
    read = field_of(dataset, stop=4)
    assert read.groups.tolist() == [1, 1, 2, 2]
    blocks = list(read.blocks(torch.tensor([1, 3])))
    assert [numbers.tolist() for numbers, _ in blocks] == [[1, 3]]
    torch.testing.assert_close(blocks[0][1][..., 0], torch.from_numpy(wave(5)[[1, 3]].astype(np.float32)).double())
    assert read.rounding == 2.0**-23 and blocks[0][1].dtype == torch.float64 and blocks[0][1].shape == (2, 20, 32, 1)


def test_one_run_needs_no_axis_of_runs(tmp_path: Path) -> None:
    """(nt, nx) on axes of those lengths is one run; (R, nt, nx) on the same axes stays R."""
    path = tmp_path / "f.h5"
    many = open_dataset(write(path, u=wave(), t=T, x=X))
    one = open_dataset(write(path, u=wave()[0], t=T, x=X))
    assert one.shapes["u"] == (1, *many.shapes["u"][1:])
    assert np.array_equal(one.take(torch.tensor([0]))["u"][0, :, :, 0], wave()[0])


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    assert "x has shape (30,), u has 32 points along x" in refusal(write(path, u=wave(), t=T, x=X[:30]))
    fallen = X.copy()
    fallen[[4, 5]] = fallen[[5, 4]]
    assert "x[5] = 1 comes after x[4] = 1.25" in refusal(write(path, u=wave(), t=T, x=fallen))
    assert "t[1] = 2.84211 comes after t[0] = 3" in refusal(write(path, u=wave(), t=T[::-1], x=X))
    assert "t[3] is not finite" in refusal(write(path, u=wave(), t=np.where(np.arange(20) == 3, np.nan, T), x=X))
    assert "u has shape (20,)" in refusal(write(path, u=wave()[0, :, 0], t=T, x=X))
    assert "at least 8 are needed" in refusal(write(path, u=wave()[:, :5], t=T[:5], x=X))
    assert "there is no x" in refusal(write(path, u=wave(), t=T)) and "--grid" in refusal(path)
    uneven = np.tile(X, (3, 1)) * np.array([[1.0], [1.1], [1.2]])
    assert "x differs between trajectories" in refusal(write(path, u=wave(), t=T, x=uneven))
    assert "steps differ" in refusal(write(path, {"periodic": "x"}, u=wave(), t=T, x=X**1.2))
    assert "group has shape (2,)" in refusal(write(path, u=wave(), t=T, x=X, group=[0, 1]))
    write(path, u=np.where(wave() > 0.99, np.nan, wave()), t=T, x=X)
    with pytest.raises(InputError, match="NaN or infinite, the first is u"):
        field(path).take(torch.arange(3))
    with pytest.raises(InputError, match="kind points, expected a field"):
        field(write(path, x=wave()[0]))


@pytest.mark.parametrize(
    ("grid", "fault"),
    [
        ("y=0:1", "names the axes y, expected t, x"),
        ("t=0:100;x=0:1", "names the axes t, expected t, x"),
        ("t=0:100, x=0:128 round", "has the entry"),
        ("t=0:100, x=5:1", "run from 5 to 1; it must increase"),
        ("t=0:1 periodic, x=0:1", "t is periodic"),
        ("t=0:1e, x=0:1", "has the span '0:1e'"),
        ("", "has the entry ''"),
    ],
)
def test_grids_that_cannot_be_read(grid: str, fault: str) -> None:
    with pytest.raises(UsageError, match="--grid") as caught:
        parse_grid(grid)
    assert fault in str(caught.value)


def test_a_grid_belongs_to_a_field(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", u=wave(), t=T, x=X)
    with pytest.raises(UsageError, match="kind points, as asked; leave one"):
        open_dataset(path, kind="points", grid="t, x")
    with pytest.raises(InputError, match="no dataset 'nowhere'"):
        open_dataset(path, grid="t=nowhere, x")
    with pytest.raises(InputError, match="grid is 3"):
        open_dataset(path, mapping={"grid": 3})


def test_inspect_says_what_a_field_holds(tmp_path: Path) -> None:
    told = inspection(write(tmp_path / "f.h5", u=wave(), t=T, x=X))
    assert told.kind == "field" and told.rows == 3 and told.shapes == {"u": (3, 20, 32, 1)}
    assert [q.question for q in told.questions][0].startswith("Lie point symmetries of the differential equation")
    assert any(line.startswith("t, 20 points from 0 to 3") for line in told.messages)
    assert isinstance(open_dataset(tmp_path / "f.h5"), Dataset)
    unnamed = inspection(write(tmp_path / "g.h5", train__pde_20_32=wave()))
    assert unnamed.kind is None
    assert '--input train/pde_20_32 --grid "t=START:STOP, x=START:STOP"' in unnamed.questions[0].command
