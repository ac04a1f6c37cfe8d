"""Files by the libraries that own their formats: at most two commands to the right answer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from symfind.data.formats.contents import FileFormat
from symfind.data.formats.registry import FILE_FORMATS
from symfind.data.formats.stored import read_tried
from symfind.errors import InputError
from symfind.kinds.inspection import inspection
from symfind.kinds.reading import open_dataset
from symfind.kinds.search import is_model

N = 60
X = np.random.default_rng(3).normal(size=(N, 3))
Y = (X**2).sum(1)
COLUMNS = ("px", "py", "pz", "energy")
TABLE = np.column_stack([X, Y])


def frame() -> Any:
    return pytest.importorskip("pandas").DataFrame(TABLE, columns=list(COLUMNS))


def csv(path: Path) -> None:
    frame().to_csv(path, index=False)


def german(path: Path) -> None:
    frame().to_csv(path, index=False, sep=";", decimal=",")


def tsv(path: Path) -> None:
    frame().to_csv(path, index=False, sep="\t")


def numpy_text(path: Path) -> None:
    np.savetxt(path, TABLE, header=" ".join(COLUMNS))


def parquet(path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame().to_parquet(path)


def feather(path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame().to_feather(path)


def pandas_fixed(path: Path) -> None:
    pytest.importorskip("tables")
    frame().to_hdf(path, key="d")


def pandas_table(path: Path) -> None:
    pytest.importorskip("tables")
    frame().to_hdf(path, key="d", format="table", data_columns=["py"])


def netcdf_columns(path: Path) -> None:
    pytest.importorskip("netCDF4")
    pytest.importorskip("xarray")
    frame().to_xarray().to_netcdf(path, engine="netcdf4")


def netcdf3_columns(path: Path) -> None:
    pytest.importorskip("xarray")
    frame().to_xarray().to_netcdf(path, engine="scipy")


def npy(path: Path) -> None:
    np.save(path, TABLE)


TABLES: dict[str, Callable[[Path], None]] = {
    "a.csv": csv,
    "de.csv": german,
    "a.tsv": tsv,
    "a.txt": numpy_text,
    "a.parquet": parquet,
    "a.feather": feather,
    "fixed.h5": pandas_fixed,
    "table.h5": pandas_table,
    "a.nc": netcdf_columns,
    "three.nc": netcdf3_columns,
    "a.npy": npy,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_asks_back_and_is_read_as_told(name: str, tmp_path: Path) -> None:
    """The first command is answered by the second: the column that is y, the others x, their names for free."""
    path = tmp_path / name
    TABLES[name](path)
    y = "c4" if name == "a.npy" else "energy"
    with pytest.raises(InputError, match=f"symfind discover .* --output-name {y}"):
        open_dataset(path)
    dataset = open_dataset(path, output_name=y)
    rows = dataset.take(torch.arange(N))
    np.testing.assert_allclose(rows["x"], X, rtol=1e-12)
    np.testing.assert_allclose(rows["y"], Y, rtol=1e-12)
    assert dataset.kind == "function" and dataset.names == (None if name == "a.npy" else COLUMNS[:3])
    assert f"y is {y}" in dataset.inferred
    assert not is_model(path)


def npz(path: Path) -> None:
    np.savez(path, x=X, y=Y)


def npz_pair(path: Path) -> None:
    np.savez(path, X, Y)


def matlab5(path: Path) -> None:
    scipy.io.savemat(path, {"x": X, "y": Y})


def matlab73(path: Path) -> None:
    """As MATLAB stores it: HDF5 after 512 bytes, axes in reverse, a class for each variable."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in (("x", X.T), ("y", Y[None])):
            file.create_dataset(name, data=array).attrs["MATLAB_class"] = np.bytes_("double")
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64"
    path.write_bytes(head + path.read_bytes()[len(head) :])


def tensors(path: Path) -> None:
    torch.save({"x": torch.from_numpy(X), "y": torch.from_numpy(Y)}, path)


def tensor_pair(path: Path) -> None:
    torch.save((torch.from_numpy(X), torch.from_numpy(Y)), path)


def safetensors(path: Path) -> None:
    pytest.importorskip("safetensors.numpy").save_file({"x": X, "y": Y}, path)


def netcdf_rows(path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    xarray.Dataset({"x": (("n", "d"), X), "y": (("n",), Y)}).to_netcdf(path, engine="netcdf4")


ARRAYS: dict[str, Callable[[Path], None]] = {
    "a.npz": npz,
    "pair.npz": npz_pair,
    "five.mat": matlab5,
    "seven.mat": matlab73,
    "a.pt": tensors,
    "pair.pt": tensor_pair,
    "a.safetensors": safetensors,
    "rows.nc": netcdf_rows,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_by_name_are_read_at_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    ARRAYS[name](path)
    assert not is_model(path)
    dataset = open_dataset(path)
    rows = dataset.take(torch.arange(N))
    assert dataset.kind == "function" and dataset.path == path
    np.testing.assert_array_equal(rows["x"], X)
    np.testing.assert_array_equal(rows["y"], Y)
    assert inspection(path).rows == N


T, SPACE = np.linspace(0.0, 2.0, 12), np.arange(16) / 16
U = np.sin(2 * np.pi * (SPACE[None, None] - T[None, :, None])) + np.arange(3)[:, None, None]


def of_xarray(path: Path, order: tuple[str, ...] = ("run", "time", "x"), **encoding: Any) -> Path:
    xarray = pytest.importorskip("xarray")
    engine = "scipy" if path.suffix == ".nc3" else "netcdf4"
    pytest.importorskip("netCDF4" if engine == "netcdf4" else "scipy")
    stored = xarray.Dataset({"velocity": (("run", "time", "x"), U)}, coords={"time": T, "x": SPACE})
    stored.transpose(*order).to_netcdf(path, engine=engine, encoding={"velocity": encoding} if encoding else {})
    return path


@pytest.mark.parametrize("name", ["a.nc", "a.nc3"])
def test_a_field_of_xarray_is_a_field(name: str, tmp_path: Path) -> None:
    """A file of velocity(run, time, x) was read as the points of its coordinate x."""
    dataset = open_dataset(of_xarray(tmp_path / name))
    assert (dataset.kind, dataset.names) == ("field", ("time", "x", "velocity"))
    np.testing.assert_array_equal(dataset.take(torch.arange(3))["u"][..., 0], U)
    assert "u is velocity(run, time, x)" in dataset.inferred


def test_axes_in_any_order_and_packed_numbers(tmp_path: Path) -> None:
    path = of_xarray(
        tmp_path / "a.nc", ("x", "time", "run"), dtype="i4", scale_factor=1e-8, add_offset=0.5, _FillValue=-(2**31)
    )
    rows = open_dataset(path).take(torch.tensor([0, 2]))["u"][..., 0]
    np.testing.assert_allclose(rows, U[[0, 2]], atol=1e-8)  # half of the last digit that was kept


def test_a_missing_number_is_found(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    holed = np.where(U == U[1, 2, 3], np.nan, U)
    stored = xarray.Dataset({"velocity": (("run", "time", "x"), holed)}, coords={"time": T, "x": SPACE})
    stored.to_netcdf(tmp_path / "a.nc", encoding={"velocity": {"dtype": "i4", "scale_factor": 1e-6, "_FillValue": -9}})
    with pytest.raises(InputError, match="NaN or infinite, the first is u"):
        open_dataset(tmp_path / "a.nc").take(torch.arange(3))


def test_one_run_and_a_variable_by_name(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    path = tmp_path / "a.nc"
    coordinates = {"lat": SPACE, "lon": SPACE, "time": T}
    xarray.Dataset(
        {
            "h": (("time", "lat", "lon"), np.random.default_rng(0).normal(size=(12, 16, 16))),
            "mean": (("time", "lon"), U[0]),
        },
        coords=coordinates,
    ).to_netcdf(path)
    with pytest.raises(InputError, match="--input h on .time, lat, lon.; --input mean on .time, lon."):
        open_dataset(path)
    assert open_dataset(path, input="h").shapes["u"] == (1, 12, 16, 16, 1)
    assert open_dataset(path, input="mean").shapes["u"] == (1, 12, 16, 1)


def test_a_coordinate_is_never_taken_for_data(tmp_path: Path) -> None:
    """Axes of which nothing is known: no answer about the coordinate x, but a question."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["signal"] = SPACE, U
        file["x"].make_scale("x")
        file["signal"].dims[2].attach_scale(file["x"])
    with pytest.raises(InputError, match=r"no dataset 'x'.*symfind discover .* --input signal --grid"):
        open_dataset(tmp_path / "a.h5")


def test_larger_data_left_unread_are_asked_about(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["velocity"] = SPACE, U
    with pytest.raises(InputError, match=r"larger data would be left unread, 'velocity' \(3, 12, 16\); type"):
        open_dataset(tmp_path / "a.h5")
    assert "not read: 'velocity'" in open_dataset(tmp_path / "a.h5", kind="points").inferred
    with h5py.File(tmp_path / "b.h5", "w") as file:  # no more than what is read: said, not asked
        file["x"], file["y"], file["weight"] = X, Y, Y
    assert "not read: 'weight'" in open_dataset(tmp_path / "b.h5").inferred


def test_nested_groups(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/x"], file["train/y"], file["test/x"], file["test/y"] = X, Y, X[:9], Y[:9]
    with pytest.raises(InputError, match=r"--input test \(its x, y\), or --input train"):
        open_dataset(tmp_path / "a.h5")
    assert open_dataset(tmp_path / "a.h5", input="train").shapes == {"x": (N, 3), "y": (N,)}
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["run/x"], file["run/y"] = X, Y
    assert open_dataset(tmp_path / "b.h5").n_rows == N


def test_columns_and_transposed_arrays(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["y"], file["a"], file["b"] = X.T, Y, X[:, 0], X[:, 1]
    dataset = open_dataset(tmp_path / "a.h5", transpose=True)
    np.testing.assert_array_equal(dataset.take(torch.tensor([4, 7]))["x"], X[[4, 7]])
    beside = open_dataset(tmp_path / "a.h5", input="a, b", output_name="y")
    assert beside.names == ("a", "b") and beside.shapes["x"] == (N, 2)


def test_columns_that_pair_up_need_no_option(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    np.savetxt(path, TABLE, header="q,p,dq,dp", comments="", delimiter=",")
    flow = open_dataset(path)
    assert (flow.kind, flow.names) == ("flow", ("q", "p")) and "dx is dq, dp" in flow.inferred
    np.testing.assert_allclose(flow.take(torch.arange(N))["dx"], TABLE[:, 2:])
    np.savetxt(path, TABLE, header="q,p,q_next,p_next", comments="", delimiter=",")
    assert open_dataset(path).kind == "map"
    np.savetxt(path, TABLE[:, :3], header="q,p,dq", comments="", delimiter=",")  # p has no rate: no flow
    with pytest.raises(InputError, match="nothing says what is asked"):
        open_dataset(path)


def test_runs_of_a_table_are_trajectories(tmp_path: Path) -> None:
    """Rows in any order; labels may be words."""
    t = np.linspace(0.0, 3.0, 40)
    rows = [(run, s, np.cos(s + r), np.sin(s + r)) for r, run in enumerate(("one", "two")) for s in t]
    np.random.default_rng(0).shuffle(rows)
    path = tmp_path / "a.csv"
    path.write_text("run,t,q,p\n" + "\n".join(",".join(map(str, row)) for row in rows))
    with pytest.raises(InputError, match="--kind flow"):
        open_dataset(path)
    dataset = open_dataset(path, kind="flow")
    assert dataset.names == ("q", "p") and "2 runs" in dataset.inferred
    read = dataset.take(torch.arange(dataset.n_rows))
    np.testing.assert_allclose(read["dx"][:, 0], -read["x"][:, 1], atol=1e-5)


def test_a_field_in_a_long_table(tmp_path: Path) -> None:
    t, x = np.meshgrid(T, SPACE, indexing="ij")
    path = tmp_path / "a.csv"
    np.savetxt(path, np.column_stack([x.ravel(), t.ravel(), U[0].ravel()]), header="x,t,u", comments="", delimiter=",")
    dataset = open_dataset(path, kind="field")
    np.testing.assert_allclose(dataset.take(torch.tensor([0]))["u"][0, :, :, 0], U[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n", "a line of names and no rows"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ("a,b\n1,2\n3\n", "repair or remove that row"),
        ("a,b\nx,y\nu,v\n", "none of the columns a, b holds numbers"),
        ("", "the file is empty"),
    ],
)
def test_tables_that_cannot_be_read_are_one_line(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=expected) as caught:
        open_dataset(path, output_name="b")
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path))


def test_an_unknown_column_names_the_nearest(tmp_path: Path) -> None:
    csv_text = "px,energy,name\n1,2,a\n3,4,b\n"
    (tmp_path / "a.csv").write_text(csv_text)
    with pytest.raises(InputError, match="no column 'energi'; did you mean 'energy'"):
        open_dataset(tmp_path / "a.csv", output_name="energi")
    with pytest.raises(InputError, match="'name' holds texts"):
        open_dataset(tmp_path / "a.csv", output_name="name")
    assert "left out, as they hold texts: name" in open_dataset(tmp_path / "a.csv", output_name="energy").inferred


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "five.mat", "a.pt", "pair.pt"])
def test_damaged_files_are_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    (TABLES | ARRAYS)[name](path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError) as caught:
        open_dataset(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


class Harmful:
    """A pickle of it would run a program."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm"),))


def test_no_pickle_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"x": torch.zeros(3), "more": Harmful()}, "a.pt")
    np.savez("a.npz", x=X, y=Y, more=np.array([Harmful()], dtype=object))
    with pytest.raises(InputError, match="a pickle can run any program"):
        open_dataset("a.pt")
    assert open_dataset("a.npz").n_rows == N
    assert not Path("harm").exists()


def test_names_in_a_frame_of_pandas_cannot_run_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    monkeypatch.chdir(tmp_path)
    pandas_table(tmp_path / "a.h5")
    with h5py.File("a.h5", "a") as file:
        file["d/table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(Harmful(), 0))
    with pytest.raises(InputError):
        open_dataset("a.h5", output_name="energy")  # its names are gone, and nothing has run
    assert not Path("harm").exists()


def test_a_frame_of_pandas_is_not_sought_in_other_files(tmp_path: Path) -> None:
    pandas_fixed(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["d"] = h5py.ExternalLink("a.h5", "/d")
    with pytest.raises(InputError, match="there is no x"):
        open_dataset(tmp_path / "b.h5", kind="points")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["a"] = h5py.ExternalLink("a.h5", "/d")
        file["x"] = X
    with pytest.raises(InputError, match="external link"):
        open_dataset(tmp_path / "c.h5", input="a/block0_values,x")


def test_memory_is_computed_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symfind.data.memory.available_bytes", lambda: 100_000)
    for name in ("a.npy", "a.npz"):
        np.savez(tmp_path / name, x=np.zeros((9000, 3))) if name == "a.npz" else np.save(
            tmp_path / name, np.zeros(27000)
        )
        with pytest.raises(InputError, match="needs 432 kB of memory, 100 kB are free"):
            open_dataset(tmp_path / name)


def test_a_module_that_is_missing_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in (("a.parquet", "pyarrow"), ("a.safetensors", "safetensors")):
        (tmp_path / name).write_bytes(b"PAR1" if module == "pyarrow" else b"\x08")
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(
            InputError, match=rf"needs {module}, which is not installed; pip install 'symfind\[formats\]'"
        ):
            open_dataset(tmp_path / name)


def test_every_format_has_a_file_here() -> None:
    """A format that is added is asked for its file by this test."""
    read = {
        "CSV", "npy", "npz", "Parquet", "Feather", "pandas HDF5", "NetCDF 4 along one axis", "NetCDF 3", "MATLAB 5",
        "torch.save", "safetensors",
    }  # fmt: skip
    assert set(FILE_FORMATS.names) == read


def test_a_file_that_crashes_its_reader_ends_that_reader_alone(tmp_path: Path) -> None:
    """What a crafted file does to a library of another language happens beside this process."""
    (tmp_path / "a.bin").write_bytes(b"crafted")
    form = FileFormat("crashing", (".bin",), lambda path: os.kill(os.getpid(), signal.SIGSYS), "nothing")
    with pytest.raises(InputError, match=r"a.bin: refused, while reading it crashes its reader \(SIGSYS\)"):
        read_tried(form, tmp_path / "a.bin")
