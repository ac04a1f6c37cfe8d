"""What is audited is what is loaded: archives with two faces, and damaged ones, run nothing and are refused."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model_zoo as zoo
import pytest
import torch
from test_model_file import Harmful, rewritten, saved
from two_faced import TRICKS, plain

from symfind.data.archive import foreign_globals, foreign_in_saved, fresh_archive
from symfind.data.zip_layout import ArchiveFault, ArchiveLimits, members_of, unpacked
from symfind.errors import InputError
from symfind.fits.checkpoint import held_state
from symfind.models.model import load_model

ROOT = Path(__file__).parents[2]
FORMATS = ("model.pt", "model.pt2")


class Touching(torch.nn.Module):
    """Writes stolen.pt into the working directory while it is loaded."""

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return (1, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        self.training = state[1]
        torch.save(torch.zeros(1), "stolen.pt")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def pair(name: str, folder: Path) -> tuple[Path, Path]:
    """A harmless archive and one of the same members that leaves stolen.pt behind when it is loaded."""
    if name.endswith(".pt"):
        loaded = plain(zoo.script(Touching(), folder / "a.pt"), folder / f"loaded-{name}")
        harmless = rewritten(loaded, folder / f"shown-{name}", {".py": lambda code: b"# nothing here\n"})
        return harmless, loaded
    harmless = plain(zoo.export(zoo.seeded(zoo.OutOfOrder), folder / "a.pt2", 3), folder / f"shown-{name}")
    edits = {"sample_inputs/model.pt": lambda _: saved(Harmful(folder / "stolen.pt"))}
    return harmless, rewritten(harmless, folder / f"loaded-{name}", edits)


def whole(name: str, folder: Path) -> Path:
    network = zoo.seeded(zoo.OutOfOrder)
    return zoo.script(network, folder / name) if name.endswith(".pt") else zoo.export(network, folder / name, 3)


def loaded_by_torch(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.jit.load(str(path)) if path.suffix == ".pt" else torch.export.load(path)
        except Exception:  # what the program runs happens before the loader sees that it makes no sense
            pass


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(path: Path, *words: str, trust: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        load_model(path, trust=trust)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("trick", TRICKS)
def test_an_archive_with_two_faces_is_refused_and_runs_nothing(trick: str, name: str, tmp_path: Path) -> None:
    shown, loaded = pair(name, tmp_path)
    path = tmp_path / name
    path.write_bytes(TRICKS[trick](shown, loaded))
    trace = tmp_path / "stolen.pt"
    # Python is shown the harmless one, torch the other: the trick is one.
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(shown) as same:
        assert {n: archive.read(n) for n in archive.namelist()} == {n: same.read(n) for n in same.namelist()}
    loaded_by_torch(path)
    assert trace.exists()
    trace.unlink()
    refused(path)
    assert not trace.exists()
    refused(path, trust=True)  # who trusts the author does not know which of the two faces was theirs
    assert not trace.exists()


def touching_legacy(trace: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save(Harmful(trace), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def renamed(data: bytes, ending: str, name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        for n in old.namelist():
            new.writestr(n.removesuffix(ending) + name if n.endswith(ending) else n, old.read(n))
    return out.getvalue()


def faced(trick: str, trace: Path) -> bytes:
    folder = trace.parent
    (folder / "harmless.zip").write_bytes(saved((torch.zeros(1), {})))
    (folder / "harmful.zip").write_bytes(saved((torch.zeros(1), Harmful(trace))))
    shown, loaded = (plain(folder / f"{n}.zip", folder / f"{n}-plain.zip") for n in ("harmless", "harmful"))
    return TRICKS[trick](shown, loaded)


@pytest.mark.parametrize(
    "inner",
    [
        touching_legacy,
        lambda trace: renamed(saved(Harmful(trace)), "data.pkl", "DATA.PKL"),
        lambda trace: faced("directory", trace),
        lambda trace: faced("locator", trace),
    ],
    ids=["several pickles", "upper case", "directory", "locator"],
)
def test_the_archive_inside_an_export_has_one_face(inner: Callable[[Path], bytes], tmp_path: Path) -> None:
    trace = tmp_path / "stolen.pt"
    path = rewritten(
        whole("a.pt2", tmp_path), tmp_path / "model.pt2", {"sample_inputs/model.pt": lambda _: inner(trace)}
    )
    loaded_by_torch(path)
    assert trace.exists()
    trace.unlink()
    refused(path, "a pickle that imports")
    assert not trace.exists()


def test_every_program_of_an_export_is_looked_into(tmp_path: Path) -> None:
    exported = whole("a.pt2", tmp_path)
    with zipfile.ZipFile(exported) as archive:
        program = json.loads(archive.read("a/models/model.json"))
    program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.system"
    path = rewritten(exported, tmp_path / "model.pt2", {}, {"models/model.text": json.dumps(program).encode()})
    refused(path, "torch.os.system")


def test_pickles_named_in_another_case_are_looked_into(tmp_path: Path) -> None:
    trace = tmp_path / "stolen.pt"

    def pickled(data: bytes) -> bytes:
        config = json.loads(data)
        config["config"]["last.weight"] |= {"use_pickle": True, "path_name": "ODD_name"}
        return json.dumps(config).encode()

    edits = {"model_weights_config.json": pickled}
    path = rewritten(
        whole("a.pt2", tmp_path), tmp_path / "model.pt2", edits, {"data/weights/odd_NAME": saved(Harmful(trace))}
    )
    loaded_by_torch(path)
    assert trace.exists()
    trace.unlink()
    refused(path, "a pickle that imports")
    assert not trace.exists()


def test_opaque_objects_are_refused(tmp_path: Path) -> None:
    def opaque(data: bytes) -> bytes:
        return json.dumps({"config": {"c": {"path_name": "opaque_obj_0", "use_pickle": True}}}).encode()

    edits = {"model_constants_config.json": opaque}
    path = rewritten(whole("a.pt2", tmp_path), tmp_path / "model.pt2", edits, {"data/constants/opaque_obj_0": b"."})
    refused(path, "no tensor")


def test_a_script_of_the_oldest_format_is_refused(tmp_path: Path) -> None:
    path = rewritten(whole("a.pt", tmp_path), tmp_path / "model.pt", {}, {"model.json": b"{}"})
    refused(path, "model.json")


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("name", FORMATS)
def test_a_flipped_bit_of_a_weight_ends_with_one_line_and_status_3(name: str, tmp_path: Path) -> None:
    path = whole(name, tmp_path)
    with zipfile.ZipFile(path) as archive:
        weight = next(i for i in archive.infolist() if i.filename.endswith(("data/0", "weight_0")))
        place = path.read_bytes().index(archive.read(weight)) + 5
    path.write_bytes(flipped(path.read_bytes(), place))
    loaded_by_torch(path)  # torch says nothing
    ran = subprocess.run(
        [sys.executable, "-c", "from symfind.cli.main import run; run()", "inspect", str(path)],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (3, "", 1)
    assert "CRC" in ran.stderr
    assert list(Path(tmp_path).glob("symfind-*")) == []


@pytest.mark.parametrize("name", FORMATS)
def test_every_flipped_bit_outside_padding_and_times_is_noticed_or_changes_nothing(name: str, tmp_path: Path) -> None:
    data = whole(name, tmp_path).read_bytes()
    with fresh_archive(tmp_path / name) as fresh:
        true = {n: fresh.text(n) for n in fresh.names}
    noticed = 0
    places = range(0, len(data), max(1, len(data) // 300))
    for place in places:
        (tmp_path / "flipped").write_bytes(flipped(data, place))
        try:
            with fresh_archive(tmp_path / "flipped") as fresh:
                # The names of the folder and of members may be others: each header has them as the directory does.
                assert {n: fresh.text(n) for n in fresh.names} == true
        except InputError:
            noticed += 1
    assert noticed > len(places) / 2


def entry_changed(data: bytes, at: int, value: bytes, *, header: bool) -> bytes:
    """Change the first header or the first entry of the directory."""
    start = 0 if header else data.index(b"PK\x01\x02")
    return data[: start + at] + value + data[start + at + len(value) :]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: b"MZ" * 8 + d, "directory that is not just before"),
        (lambda d: d + b"\0", "something follows"),
        (lambda d: d[:-2] + b"\1\0x", "something follows"),
        (lambda d: d[: len(d) // 2], "truncated"),
        (lambda d: entry_changed(d, 30, b"b", header=True), "names another member"),
        (lambda d: entry_changed(d, 6, b"\1", header=True), "differs from the directory"),
        (lambda d: entry_changed(d, 8, b"\1", header=False), "encrypted"),
        (lambda d: entry_changed(d, 10, b"\x0c", header=False), "other than deflate"),
        (lambda d: entry_changed(d, 20, b"\1\0\0\0", header=False), "two sizes"),
        (lambda d: entry_changed(d, 42, b"\1", header=False), "overlap"),
        (lambda d: d.replace(b"a/one", b"a/\\ne"), "leads elsewhere"),
        (lambda d: d.replace(b"a/one", b"/aone"), "leads elsewhere"),
        (lambda d: d.replace(b"a/one", b"../ne"), "leads elsewhere"),
        (lambda d: d.replace(b"a/one", b"a/o\0e"), "leads elsewhere"),
        (lambda d: d.replace(b"a/one", b"b/one"), "no common folder"),
        (lambda d: d.replace(b"a/one", b"a/TWO"), "two members of one name"),
    ],
)
def test_layouts_that_readers_can_disagree_about(change: Callable[[bytes], bytes], words: str, tmp_path: Path) -> None:
    path = tmp_path / "plain.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/one", b"1" * 40)
        archive.writestr("a/two", b"2" * 40)
    with fresh_archive(path) as fresh:
        assert {name: fresh.text(name) for name in fresh.names} == {"one": b"1" * 40, "two": b"2" * 40}
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=words) as caught, fresh_archive(path):
        pass
    assert str(path) in str(caught.value)


def test_what_compressed_members_unpack_to_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/zeros", bytes(2**21))
    with path.open("rb") as file:
        (member,) = members_of(file, ArchiveLimits())
        assert b"".join(unpacked(file, member, 2**12)) == bytes(2**21)
        with pytest.raises(ArchiveFault, match="unpack to more than 1 MiB"):
            members_of(file, ArchiveLimits(deflated=2**20))
    # A member that unpacks to more than it says is stopped there, not at the end of its data.
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    lies = data[:22] + struct.pack("<I", 9) + data[26 : start + 24] + struct.pack("<I", 9) + data[start + 28 :]
    path.write_bytes(lies)
    with pytest.raises(InputError, match="not of the size"), fresh_archive(path):
        pass


def test_archives_by_other_programs_of_the_same_members_are_read(tmp_path: Path) -> None:
    source = whole("a.pt", tmp_path)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new:
        new.mkdir("a")
        for name in old.namelist():
            new.writestr(name, old.read(name))
    x = torch.ones(2, 3, dtype=torch.float64)
    expected = load_model(source).bind((3,))(x)
    torch.testing.assert_close(load_model(tmp_path / "b.pt").bind((3,))(x), expected, rtol=0, atol=0)


def test_nothing_of_the_copy_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    for name in FORMATS:
        load_model(whole(name, tmp_path))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_pickles_that_hide_others_are_no_tensors(tmp_path: Path) -> None:
    import pickle

    assert foreign_globals(pickle.dumps([1.0], protocol=2)) == []
    assert foreign_globals(pickle.dumps([1.0], protocol=2) + pickle.dumps(Harmful(tmp_path / "trace"), protocol=2))
    assert foreign_in_saved(saved({"a": torch.ones(2)})) == []
    assert foreign_in_saved(zoo.script(zoo.Radius(), tmp_path / "a.pt").read_bytes()) == ["TorchScript"]


def test_a_checkpoint_holds_tensors_and_its_bits_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save({"settings": "s", "w": torch.ones(64)}, path)
    held = held_state(path, "s", "a state", resume=True)
    assert held is not None
    assert held["w"].tolist() == [1.0] * 64
    with pytest.raises(InputError, match="other data or options"):
        held_state(path, "t", "a state", resume=True)
    path.write_bytes(flipped(path.read_bytes(), path.read_bytes().index(torch.ones(64).numpy().tobytes())))
    with pytest.raises(InputError, match="no checkpoint of a state"):
        held_state(path, "s", "a state", resume=True)
    torch.save({"settings": "s", "w": Harmful(tmp_path / "trace")}, path)
    with pytest.raises(InputError, match="no checkpoint of a state"):
        held_state(path, "s", "a state", resume=True)
    assert not (tmp_path / "trace").exists()


def test_torch_reads_files_at_stated_places_and_only_copies() -> None:
    found: dict[str, Any] = {}
    for path in (ROOT / "symfind").rglob("*.py"):
        calls = re.findall(r"(?:torch|jit|export)\.load\((.*)", path.read_text(encoding="utf-8"))
        if calls:
            found[path.relative_to(ROOT / "symfind").as_posix()] = [call.split(",")[0].rstrip(")") for call in calls]
    assert found == {
        "models/torchscript.py": ["str(file.contents"],
        "models/exported.py": ["file.contents"],
        "fits/checkpoint.py": ["archive.path"],
        "verbs/given/architecture.py": ["archive.path"],
        "data/formats/arrays.py": ["archive.path"],  # tensors alone, of a fresh archive
        # Files that were just written here.
        "equivariance/verify.py": ["str(path)).eval()  # type: ignore[no-any-return", "path).module("],
        "verbs/enforce_module.py": ["path).state_dict", "str(path)).state_dict())  # type: ignore[no-untyped-call]"],
    }
