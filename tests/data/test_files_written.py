"""Outputs: whole or not at all, through links, into devices and pipes, and never over an input."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from symfind.data.files import appearing_whole, check_apart
from symfind.errors import InputError, UsageError
from symfind.samples.catalogue import write_sample

ROOT = Path(__file__).parents[2]
RUN = [sys.executable, "-c", "from symfind.cli.main import process; process()"]


def symfind(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *arguments], capture_output=True, text=True, cwd=ROOT)


def written(path: Path, text: str = "new") -> None:
    with appearing_whole(path) as part:
        part.write_text(text)


def test_a_link_is_followed_and_the_mode_is_kept(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "r.json"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(Path("folder") / "r.json")
    written(link)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [entry.name for entry in target.parent.iterdir()] == ["r.json"]
    (tmp_path / "dangling").symlink_to(tmp_path / "folder" / "made")
    written(tmp_path / "dangling")
    assert (tmp_path / "folder" / "made").read_text() == "new"


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path in (tmp_path, tmp_path / "circle", tmp_path / "absent" / "r.json"):
        with pytest.raises(InputError, match="cannot be written"):
            written(path)


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    written(pipe)
    reader.join()
    assert got == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    written(link)
    assert link.is_symlink()
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert list(tmp_path.iterdir()) == [link]


def test_outputs_are_apart_from_inputs_and_from_one_another(tmp_path: Path) -> None:
    data, other = tmp_path / "s.h5", tmp_path / "t.h5"
    data.write_bytes(b"x")
    (tmp_path / "link").symlink_to(data)
    os.link(data, tmp_path / "hard")
    check_apart({"--output": str(other)}, {"SOURCE": str(data), "--group": "so3"})
    check_apart({"--output": "/dev/null", "--weights": "/dev/null"}, {"SOURCE": "/dev/null"})
    for name in ("s.h5", "link", "hard", "./s.h5"):
        with pytest.raises(UsageError, match="same file as SOURCE"):
            check_apart({"--output": f"{tmp_path}/{name}"}, {"SOURCE": str(data)})
    with pytest.raises(UsageError, match="same file as --output"):
        check_apart({"--output": str(other), "--weights": str(other)}, {"SOURCE": str(data)})


def test_no_verb_writes_over_its_input(tmp_path: Path) -> None:
    data = tmp_path / "s.h5"
    write_sample("kepler", data, rows=30)
    before = data.read_bytes()
    for arguments in (
        ("discover", str(data), "--output", str(data)),
        ("inspect", str(data), "--output", str(data)),
        ("promote", str(data), "--output", str(tmp_path / "m.pt"), "--checkpoint", str(data)),
        ("augment", str(data), "--generators", "r.json", "--output", str(data)),
    ):
        ended = symfind(*arguments)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
        assert "same file" in ended.stderr
    assert data.read_bytes() == before


def test_the_format_is_the_one_that_the_ending_promises(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    ended = symfind("groups", "--output", str(path), "--format", "table")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "promises json" in ended.stderr
    assert not path.exists()
    assert symfind("groups", "--output", str(path), "--format", "json").returncode == 0


WAITING = """
import os, signal, sys, tempfile, time
from pathlib import Path
from symfind.cli import main
from symfind.data.files import appearing_whole

# Whoever runs the tests may have them ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

def status():
    try:
        with appearing_whole(Path(sys.argv[1])) as part:
            part.write_text("half")
            print("ready", flush=True)
            time.sleep(60)
    except KeyboardInterrupt:
        return 130

main._status = status
main.run()
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_leaves_nothing_behind(name: str, status: int, tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    target.write_text("old")
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, str(target)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        assert process.wait(timeout=30) == status
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]
    assert target.read_text() == "old"
