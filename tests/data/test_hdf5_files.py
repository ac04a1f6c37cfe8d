"""Files written by somebody else: each fault ends with one line that names it and says what to do."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from symfind.data.hdf5 import dataset_at, holds, listing, opened, root_text, rows_of, write
from symfind.errors import InputError


def refusal(path: Path, name: str = "x") -> str:
    with pytest.raises(InputError) as caught, opened(path) as file:
        dataset_at(file, name)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert ";" in message  # a remedy follows the fault
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.h5"


def test_missing_file(path: Path) -> None:
    assert "no such file" in refusal(path)


def test_directory(tmp_path: Path) -> None:
    assert "directory" in refusal(tmp_path)


def test_empty_file(path: Path) -> None:
    path.touch()
    assert "empty" in refusal(path)


@pytest.mark.parametrize("content", [b"\0" * 4096, b"a,b\n1,2\n", b"PK\3\4" + b"\0" * 100])
def test_not_hdf5(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "not an HDF5 file" in refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated(path: Path, share: float) -> None:
    write(path, {"x": np.zeros((5000, 3))}, {})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "copy it again" in refusal(path)


def test_damaged_inside(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.random.default_rng(0).random((4000, 3)), chunks=(4000, 3), compression="gzip")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = b"\xff" * 4000
    path.write_bytes(content)
    with opened(path) as file:
        dataset = dataset_at(file, "x")
        with pytest.raises(InputError, match="rows 0:4000 of '/x' cannot be read"):
            rows_of(dataset, 0, 4000)


def test_external_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "other.h5", {"x": np.ones((3, 2))}, {})
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink("other.h5", "/x")
        file["group"] = h5py.ExternalLink("other.h5", "/")
        file["soft"] = h5py.SoftLink("/group/x")
    assert "external link" in refusal(path)
    assert "external link" in refusal(path, "group/x")
    assert "external link" in refusal(path, "soft")


def test_external_storage_is_not_read(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"0123456789abcdef")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (2,), dtype="f8", external=[(str(secret), 0, 16)])
    assert "external raw storage" in refusal(path)


def test_virtual_dataset_is_not_followed(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "other.h5", {"x": np.ones((3, 2))}, {})
    layout = h5py.VirtualLayout((3, 2), "f8")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", (3, 2))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)
    assert "virtual" in refusal(path)


def test_soft_link_inside_the_file_is_followed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["deep/er/data"] = np.arange(3.0)
        file["deep/here"] = h5py.SoftLink("er")
        file["x"] = h5py.SoftLink("/deep/here/data")
    with opened(path) as file:
        assert dataset_at(file, "x").shape == (3,)
        assert dataset_at(file, "/deep//er/./data").shape == (3,)


def test_soft_links_in_a_loop(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = h5py.SoftLink("/z")
        file["z"] = h5py.SoftLink("/x")
    assert "loop" in refusal(path)


@pytest.mark.parametrize(
    "data", [np.array([b"a", b"b"]), np.zeros(3, dtype=complex), np.zeros(3, dtype=[("a", "f8"), ("b", "i4")])]
)
def test_dtype_that_is_not_real_numbers(path: Path, data: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = data
    assert "expected real or integer numbers" in refusal(path)


def test_text_and_references(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = ["a", "b"]
        file.create_dataset("y", data=[file.ref], dtype=h5py.ref_dtype)
    assert "dtype object" in refusal(path)
    assert "expected real or integer numbers" in refusal(path, "y")


def test_declared_but_never_written(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10**12, 8), dtype="f8", chunks=(4096, 8))
        file.create_dataset("y", (10,), dtype="f8")
        file.create_dataset("z", (10, 2), dtype="f8", chunks=(5, 2))[:5] = 1.0
    assert "never written" in refusal(path)
    assert "never written" in refusal(path, "y")
    assert "1 of 2 chunks written" in refusal(path, "z")


def test_chunk_that_would_fill_the_memory(path: Path) -> None:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (2**28,), dtype="f8", chunks=(2**28,), compression="gzip")
        dataset.id.write_direct_chunk((0,), b"tiny")
    assert "smaller chunks" in refusal(path)


def test_empty_datasets(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((0, 3))
        file["null"] = h5py.Empty("f8")
    assert "is empty" in refusal(path)
    assert "is empty" in refusal(path, "null")


def test_missing_name_says_what_is_there(path: Path) -> None:
    write(path, {"positions": np.zeros((3, 2)), "energy": np.zeros(3)}, {})
    message = refusal(path)
    assert "'positions', 'energy'" in message


def test_group_where_a_dataset_was_expected(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x/inner"] = np.zeros(3)
    assert "'x' is a group" in refusal(path)
    assert "'x/inner'" in refusal(path)
    assert "no dataset 'x/inner/more'" in refusal(path, "x/inner/more")


def test_hard_links_in_a_loop_are_listed_once(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a/x"] = np.zeros(3)
        file["a/again"] = file["a"]
        file["broken"] = h5py.SoftLink("/nowhere")
    with opened(path) as file:
        assert [stored.name for stored in listing(file)] == ["a/x"]
        assert holds(file) == "the file holds 'a/x'"


def test_listing_names_faults_without_reading(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("good", data=np.zeros((10, 2), "f4"), chunks=(5, 2), compression="lzf")
        file["text"] = "word"
        file["out"] = h5py.ExternalLink("elsewhere.h5", "/x")
    with opened(path) as file:
        stored = {entry.name: entry for entry in listing(file)}
    assert stored["good"].fault is None
    assert (stored["good"].chunks, stored["good"].compression) == ((5, 2), "lzf")
    assert "dtype object" in str(stored["text"].fault)
    assert "external link" in str(stored["out"].fault)


def test_text_attributes(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "flow"
        file.attrs["names"] = ["a", "b"]
        file.attrs["units"] = np.array([b"m", b"s"])
        file.attrs["version"] = 3
        file.attrs["nothing"] = h5py.Empty("f4")
    with opened(path) as file:
        assert root_text(file, "kind") == ("flow",)
        assert root_text(file, "names") == ("a", "b")
        assert root_text(file, "units") == ("m", "s")
        assert root_text(file, "version") == root_text(file, "nothing") == root_text(file, "absent") == ()


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write(tmp_path / name, {"x": np.arange(12.0).reshape(4, 3)}, {"kind": "points", "names": ("u", "v", "w")})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_rows_are_stored_in_chunks(path: Path) -> None:
    write(path, {"x": np.zeros((100_000, 64)), "y": np.zeros(10)}, {})
    with h5py.File(path) as file:
        assert file["x"].chunks == (4096, 64)
        assert file["y"].chunks == (10,)
