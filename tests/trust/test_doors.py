"""One door in, one door out: what is read, what is shown, what it may cost, and what is left of a process that died."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import symfind
from symfind.beside import TrialLimits, tried
from symfind.cost import memory_text
from symfind.data.files import appearing_whole, readable
from symfind.data.hdf5 import opened
from symfind.data.scratch import scratch_folder
from symfind.errors import InputError, SymfindError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fields.typeset import latex_name
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.options.of_verbs import AugmentOptions, DiscoverOptions, EnforceOptions
from symfind.render.html import to_html
from symfind.render.tables import to_markdown, to_table_text
from symfind.samples.catalogue import write_sample
from symfind.schema.document import Report
from symfind.schema.store import read_report, to_json
from symfind.small_input import InputLimits, small_bytes
from symfind.untrusted_text import LONGEST, shown

ROOT = Path(__file__).parents[2]
COMMANDS = "\x1b[2J\x1b]0;title\x07\n\u202e"


def test_a_pipe_without_a_writer_is_not_waited_for_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="nobody has written|has not ended"):
        small_bytes(tmp_path / "pipe", "give a file", InputLimits(patience=0.1))


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", f"sleep 0.1; printf abc > '{tmp_path}/pipe'"]):
        assert small_bytes(tmp_path / "pipe", "give a file", InputLimits(patience=20)) == b"abc"


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/full", "."])
def test_what_is_no_file_is_refused(place: str) -> None:
    with pytest.raises(InputError, match="device|directory"):
        small_bytes(place, "give a file")
    if place != ".":
        with pytest.raises(InputError, match="device"), readable(place):
            pass


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(100))
    with pytest.raises(InputError, match="more than"):
        small_bytes(tmp_path / "f", "give less", InputLimits(size=99))
    assert len(small_bytes(tmp_path / "f", "give less", InputLimits(size=100))) == 100


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    with pytest.raises(InputError, match="changed while it was read"), readable(path):
        path.write_bytes(b"another")
    with readable(path):
        path.read_bytes()


def test_an_error_is_one_line_that_can_be_shown() -> None:
    text = str(SymfindError(f"{COMMANDS}{'x' * 10**6} do this"))
    assert text.isprintable() and len(text) < LONGEST + 100
    assert text.endswith("do this") and "\\x1b[2J" in text
    assert str(UsageError("a", ("  x +", "    ^"))) == "a\n  x +\n    ^"


def test_names_of_a_file_do_not_reach_a_terminal_as_commands(rotation_report: Report) -> None:
    plain = rotation_report.to_plain()
    wild = f"{COMMANDS}`|<script>"
    plain["source"] |= {"names": [wild, wild], "path": wild}
    plain["generators"][0] |= {"expression": wild, "latex": wild}
    plain["warnings"] = [wild]
    report = Report.read(plain, "r")
    for text in (to_table_text(report), to_markdown(report), to_html(report), to_json(report)):
        assert not set("\x1b\x07\u202e") & set(text)
    assert "<script>" not in to_html(report)
    assert "``" not in to_markdown(report).replace("\\`", "")


def test_names_are_no_commands_of_latex() -> None:
    assert latex_name("\\input{/etc/passwd}") == r"\mathrm{\backslash{}input\{/etc/passwd\}}"
    assert latex_name("p_x") == "p_{x}" and latex_name("x1") == "x_{1}" and latex_name("energy") == r"\mathrm{energy}"


def test_joiners_of_scripts_stay() -> None:
    assert shown("\u0646\u200c\u0647 ∂ξ") == "\u0646\u200c\u0647 ∂ξ"


@pytest.mark.parametrize("name", ["so99999", "gl500", "so" + "9" * 5000, "u300", " x ".join(["so3"] * 40), "z20000"])
def test_groups_that_would_fill_the_memory_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="memory|digits|factors"):
        parse_group(name)


@pytest.mark.parametrize(
    "text", ["V^99", "V^9999999", "99999999V", "1x9999", "T(99,99)", "(V+1)^30", "V^" + "9" * 5000, "(" * 3000]
)
def test_representations_that_would_fill_the_memory_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_representation(parse_group("so3"), text)
    assert parse_representation(parse_group("so3"), "V^8+4x1").dim == 3**8 + 12


def test_costs_are_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="GiB of memory"):
        write_sample("kepler", tmp_path / "s.h5", rows=900_000_000)
    with pytest.raises(UsageError, match="fields on"):
        make_space("linear", 20_000, [f"x{i}" for i in range(20_000)])
    with pytest.raises(UsageError, match="at most"):
        DiscoverOptions(source="d.h5", bootstrap=10**9)
    assert make_space("linear", 100, [f"x{i}" for i in range(100)]).dim == 10_000
    assert (memory_text(2**31), memory_text(8 * 10**400)) == ("2 GiB", "10^400 bytes")


def test_a_process_beside_ends_in_place_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"m")
    limits = TrialLimits(memory=2**28, seconds=2.0)

    def ask_for_memory() -> None:
        bytearray(2**30)

    def crash() -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def write() -> None:
        try:
            (tmp_path / "stolen").write_bytes(b"x")
        except OSError:
            raise InputError("it could not write") from None

    def refuse() -> None:
        raise InputError("as it said")

    for action, told in (
        (crash, "SIGSEGV"), (ask_for_memory, "GiB of memory"), (lambda: os._exit(9), "status 9"), (refuse, "it said"),
        (write, "could not write"), (lambda: time.sleep(9), "more than"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=told):
            tried(path, action, "in a test", "mend it", limits)  # type: ignore[arg-type]
    assert tried(path, lambda: "an answer", "in a test", "mend it", limits) == "an answer"


def test_a_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from symfind.data.scratch import scratch_folder\n"
        "with scratch_folder('symfind-', Path(sys.argv[1])) as f:\n"
        "    (f / 'big').write_bytes(bytes(99)); print(f, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        with scratch_folder("symfind-", tmp_path):
            assert folder.is_dir()
        process.kill()
        process.wait()
        assert folder.is_dir()
        with scratch_folder("symfind-", tmp_path):
            assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "s.h5").write_text("old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limit[1]))
    try:
        with pytest.raises(InputError, match="make room"):
            write_sample("ellipse", tmp_path / "s.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_functions_of_the_package_spare_their_inputs_too(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(b"m")
    path = str(tmp_path / "m.pt")
    with pytest.raises(UsageError, match="same file"):
        symfind.enforce(EnforceOptions(model=path, group="so3"), Path(path))
    with pytest.raises(UsageError, match="same file"):
        symfind.augment(AugmentOptions(data=path, generators="r.json"), Path(path))
    assert (tmp_path / "m.pt").read_bytes() == b"m"


def test_numbers_whose_squares_are_not_held_are_refused_and_others_are_not(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(200, 2))
    y = (x**2).sum(1)[:, None]
    for a, b in ((1e-165, 1), (1e154, 1), (1, 1e156), (1, 1e-200)):
        with h5py.File(tmp_path / "d.h5", "w") as file:
            file["x"], file["y"] = a * x, b * y
        with pytest.raises(InputError, match="in units in which it is of size 1"):
            symfind.discover(DiscoverOptions(source=str(tmp_path / "d.h5")))


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1e9, 1e30])
def test_an_algebra_does_not_depend_on_the_unit_of_x(size: float, tmp_path: Path) -> None:
    """Rotations of a plane are found in metres and in Ångström, and a function without symmetry has none in either."""
    x = np.random.default_rng(1).normal(size=(200, 2))
    for y, names in (((x**2).sum(1), "so(2)"), (x[:, 0] ** 3 + 2 * x[:, 1] ** 2 + x[:, 0] * x[:, 1], "")):
        with h5py.File(tmp_path / "d.h5", "w") as file:
            file["x"], file["y"] = size * x, y[:, None]
        report = symfind.discover(DiscoverOptions(source=str(tmp_path / "d.h5"), bootstrap=40))
        assert report.algebra.name == names if names else not report.certified


def test_damage_on_which_the_library_loops_is_refused(tmp_path: Path, rotation_report: Report) -> None:
    """A file that opens is looked through beside; what that cannot do is refused in time."""
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"] = np.ones((3, 2))
    with opened(tmp_path / "d.h5") as file:
        assert list(file) == ["x"]


def test_nothing_is_connected_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    write_sample("ellipse", tmp_path / "s.h5")
    symfind.inspect(str(tmp_path / "s.h5"))
    symfind.discover(DiscoverOptions(source=str(tmp_path / "s.h5"), bootstrap=40))
    symfind.inspect(str(ROOT / "sample_data" / "o5.pt"))


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "golden").glob("*")), ids=lambda p: p.name)
def test_reports_of_schema_1_stay_readable(path: Path) -> None:
    report = read_report(str(path))
    assert report.certified and report.algebra.name
    for text in (to_table_text(report), to_markdown(report), to_html(report)):
        assert report.algebra.name in text.replace("\\", "")


def test_an_output_may_have_a_long_name(tmp_path: Path) -> None:
    with appearing_whole(tmp_path / ("n" * 250)) as part:
        part.write_text("x")
    assert [p.name for p in tmp_path.iterdir()] == ["n" * 250]
