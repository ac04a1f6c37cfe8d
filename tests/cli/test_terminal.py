"""What differs on a terminal: a table instead of JSON, and progress after two seconds."""

from __future__ import annotations

import gc
import os
import pty
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from symfind.cli.output import Output
from symfind.schema import store
from symfind.schema.document import Report

WORK = """
import sys, time
from symfind.cli.output import Output
from symfind.cli import terminal_progress
terminal_progress._PATIENCE = {patience}
with Output(quiet={quiet}).progress() as progress:
    with progress.phase("bootstrap", total=10) as advance:
        for _ in range(10):
            time.sleep(0.03)
            advance(1)
print("done")
"""


def seen(arguments: list[str], *streams: str, **environment: str) -> str:
    """Run Python with the named streams on a terminal of its own and return what that terminal received."""
    with ExitStack() as stack:
        ours, theirs = pty.openpty()
        stack.callback(os.close, ours)
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=os.environ | {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"} | environment,
            **{stream: theirs if stream in streams else subprocess.DEVNULL for stream in ("stdout", "stderr")},
        )
        os.close(theirs)
        received = b""
        try:
            while piece := os.read(ours, 65536):
                received += piece
        except OSError:  # Linux says so when the other end is closed
            pass
        assert process.wait(timeout=30) == 0
    return received.decode()


def test_a_terminal_gets_a_table(tmp_path: Path, lorentz_report: Report) -> None:
    path = tmp_path / "r.json"
    path.write_text(store.to_json(lorentz_report), encoding="utf-8")
    text = seen(["-m", "symfind", "report", str(path)], "stdout")
    assert text.count("certified") == 6 and "schema" not in text
    assert "\x1b[32m" not in text  # NO_COLOR
    coloured = seen(["-m", "symfind", "report", str(path)], "stdout", NO_COLOR="")
    assert "\x1b[32m" in coloured
    assert seen(["-m", "symfind", "report", str(path), "--format", "json"], "stdout").startswith("{")


def test_binary_is_not_written_to_a_terminal(tmp_path: Path, lorentz_report: Report) -> None:
    path = tmp_path / "r.json"
    path.write_text(store.to_json(lorentz_report), encoding="utf-8")
    code = f"""
import sys
from symfind.cli import main
sys.argv = ["symfind", "report", {str(path)!r}, "--format", "hdf5"]
try:
    main.run()
except SystemExit as ended:
    print("status", ended.code)
"""
    text = seen(["-c", code], "stdout", "stderr")
    assert "is binary" in text and "status 2" in text and "\x89HDF" not in text


def test_progress_is_drawn_only_when_it_takes_long() -> None:
    assert "bootstrap" in seen(["-c", WORK.format(patience=0.05, quiet=False)], "stderr")
    assert seen(["-c", WORK.format(patience=5, quiet=False)], "stderr").strip("\x1b[?25hl\r\n") == ""
    assert seen(["-c", WORK.format(patience=0.05, quiet=True)], "stderr") == ""


def test_progress_leaves_pipes_alone() -> None:
    code = WORK.format(patience=0.0, quiet=False)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (ended.stdout, ended.stderr) == ("done\n", "")


def test_garbage_is_collected_from_where_the_work_begins() -> None:
    gc.disable()
    try:
        with Output(quiet=True).progress():
            assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.enable()
