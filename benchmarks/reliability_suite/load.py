"""A thousand runs in one process, and eight processes side by side."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from benchmarks.reliability_suite.bases import bases

_RUNS = 1000


def _memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _run(arguments: list[str]) -> tuple[int, bytes]:
    from symfind.cli import main

    held = io.BytesIO()
    out, err = io.TextIOWrapper(held, encoding="utf-8"), io.StringIO()
    sys.argv = ["symfind", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(io.TextIOWrapper(io.BytesIO())):
            main.run()
    except SystemExit as end:
        out.flush()
        return int(end.code or 0), held.getvalue()
    raise AssertionError(err)


def _answer(content: bytes) -> str:
    """Digest of a document without what it took."""
    plain = json.loads(content)
    if isinstance(plain, dict):
        plain.pop("timing", None)
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _commands(whole: Path) -> list[list[str]]:
    return [
        ["inspect", str(whole / "data.h5")],
        ["inspect", str(whole / "model.pt")],
        ["identify", str(whole / "gens.yaml")],
        ["report", str(whole / "report.h5"), "--format", "json"],
        ["score", str(whole / "model.pt"), "--group", "so3", "--shape", "3", "--n-samples", "64"],
        ["inspect", str(whole / "broken.h5")],
    ]


def soak(folder: Path, seed: int, only: str) -> str:
    """Runs of six sorts, one after the other in this process: memory, files, descriptors, answers."""
    (folder / "whole").mkdir()
    whole = bases(folder / "whole")
    (whole / "broken.h5").write_bytes((whole / "data.h5").read_bytes()[:900])
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    import tempfile

    tempfile.tempdir = None
    commands, answers = _commands(whole), dict[int, set[str]]()
    start, early, descriptors = time.monotonic(), 0, 0
    for i in range(_RUNS):
        status, content = _run(commands[i % len(commands)])
        found = answers.setdefault(i % len(commands), set())
        before = len(found)
        found.add(f"{status} {_answer(content) if status == 0 else ''}")
        if before and len(found) > before:
            shown = content.decode(errors="replace")[:2000]
            print(f"run {i}, {commands[i % len(commands)]}: {status} {shown}", file=sys.stderr)
        if i == _RUNS // 5:
            early, descriptors = _memory(), len(list(Path("/proc/self/fd").iterdir()))
    late, now = _memory(), len(list(Path("/proc/self/fd").iterdir()))
    left = len(list((folder / "tmp").iterdir()))
    different = sum(len(found) - 1 for found in answers.values())
    return (
        f"{_RUNS} runs of inspect, identify, report and score in one process, one of six on a broken file: "
        f"{time.monotonic() - start:.0f} s; resident memory {early / 2**20:.0f} MiB after {_RUNS // 5} runs and "
        f"{late / 2**20:.0f} MiB at the end, {now - descriptors} more open files, {left} temporary files left, "
        f"{different} answers that differ from the first of their sort."
    )


def parallel(folder: Path, seed: int, only: str) -> str:
    """Eight processes at once on the same files, discover among them, against one alone; then one output for all."""
    (folder / "whole").mkdir()
    whole = bases(folder / "whole")
    code = "from symfind.cli.main import process; process()"
    commands = [["discover", str(whole / "data.h5"), "--format", "json", "-q"], *_commands(whole)[:5]]
    alone = [
        _answer(subprocess.run([sys.executable, "-c", code, *c], capture_output=True, check=True).stdout)
        for c in commands
    ]
    start, same = time.monotonic(), 0
    running = [
        (
            i % len(commands),
            subprocess.Popen([sys.executable, "-c", code, *commands[i % len(commands)]], stdout=subprocess.PIPE),
        )
        for i in range(8)
    ]
    for i, process in running:
        same += _answer(process.communicate()[0]) == alone[i]
    took = time.monotonic() - start
    out = folder / "one.json"
    writers = [
        subprocess.Popen([sys.executable, "-c", code, *commands[3], "--output", str(out), "-q"]) for _ in range(8)
    ]
    ended = sum(process.wait() == 0 for process in writers)
    whole_file = _answer(out.read_bytes()) == alone[3]
    left = [p.name for p in folder.iterdir() if p.name.startswith(".")]
    return (
        f"8 processes side by side on two cores, {took:.0f} s: {same} of 8 gave the answer of a process alone. 8 that write "
        f"one file at once: {ended} of 8 ended well, the file is {'whole' if whole_file else 'NOT whole'}, {len(left)} "
        "folders left."
    )
