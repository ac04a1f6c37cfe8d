"""Standard input, files that appear whole, and what is told of a file without reading it."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from symfind.data.files import appearing_whole, readable, sha256
from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.kinds.inspection import inspection
from symfind.kinds.reading import open_dataset
from symfind.samples.catalogue import write_sample


def test_standard_input_is_spooled_and_removed(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", {"x": np.ones((3, 2))}, {})
    with readable("-", io.BytesIO((tmp_path / "a.h5").read_bytes())) as path:
        assert open_dataset(path).n_rows == 3
    assert not path.exists()
    with readable(tmp_path / "a.h5") as path:
        assert path == tmp_path / "a.h5"


def test_faults_of_standard_input_name_it() -> None:
    with pytest.raises(InputError, match="standard input is empty"), readable("-", io.BytesIO()):
        pass
    with pytest.raises(InputError, match="^standard input: not an HDF5 file"):
        with readable("-", io.BytesIO(b"a,b\n")) as path:
            open_dataset(path)
    with pytest.raises(UsageError, match="unknown kind"), readable("-", io.BytesIO(b"x")) as path:
        open_dataset(path, kind="none")


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), appearing_whole(target) as part:
        part.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    with appearing_whole(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]
    assert target.read_text() == "new"


def test_digest_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        sha256(tmp_path / "absent")


def test_inspection_of_data(tmp_path: Path) -> None:
    path = tmp_path / "a b.h5"
    write_sample("potential", path, rows=50)
    found = inspection(path)
    assert (found.kind, found.rows, found.names) == ("function", 50, ("x", "y", "z"))
    assert found.shapes == {"x": (50, 3, 3), "y": (50,)}
    assert found.size == path.stat().st_size
    assert [stored.name for stored in found.datasets] == ["x", "y"]
    assert found.questions[0].command == f"symfind discover '{path}'"
    assert found.questions[-1].command.endswith("--acts-on all")
    assert found.warnings == ()


def test_inspection_tells_how_trajectories_are_differentiated(tmp_path: Path) -> None:
    write_sample("hopf", tmp_path / "a.h5")
    found = inspection(tmp_path / "a.h5")
    assert found.kind == "flow"
    assert any("estimated relative error" in message for message in found.messages)


def test_inspection_of_a_foreign_file_suggests_names(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["label"] = "a word"
        file["run/q"] = np.zeros((5, 3))
        file["run/e"] = np.zeros(5)
    found = inspection(path)
    assert found.kind is None
    assert found.rows is None
    assert "no dataset 'x'" in found.messages[0]
    assert not found.messages[0].startswith(str(path))
    assert found.questions[0].command.endswith("--input run/q --kind points")
    for question in found.questions:
        options = question.command.split()
        named = {key: options[options.index(flag) + 1] for key, flag in NAMED.items() if flag in options}
        assert open_dataset(path, **named).n_rows == 5


NAMED = {"input": "--input", "output_name": "--output-name", "kind": "--kind"}


def test_inspection_warns_of_slow_chunks(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.zeros((100, 64)), chunks=(100, 8))
    assert "cut its rows" in inspection(tmp_path / "a.h5").warnings[0]


def test_inspection_of_what_is_no_hdf5(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("words")
    with pytest.raises(InputError, match="not an HDF5 file"):
        inspection(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w"):
        pass
    found = inspection(tmp_path / "b.h5")
    assert "no datasets" in found.messages[0]
    assert found.questions == ()
