"""README's commands: each is understood, each file it names is there or made before, and all of them run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from symfind.cli import commands, main

ROOT = Path(__file__).parents[1]
# Four spaces before the program: a line of a block. A text after two spaces says what it is for.
_LINE = re.compile(r"^    (?:\.venv/bin/)?(symfind [^#\n]*?)(?: {2,}[^\n]*)?$", re.MULTILINE)
# What stands for a file of the reader's in the list of the verbs.
_PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")


def lines() -> list[str]:
    found = _LINE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [line.strip() for line in found if not _PLACEHOLDER.search(line)]


def calls() -> list[list[str]]:
    parts = [part for line in lines() for part in re.split(r"\||&&", line)]
    return [shlex.split(part) for part in parts if part.split()[0] == "symfind"]


def test_there_are_commands() -> None:
    assert len(lines()) > 10 and ["symfind", "demo"] in calls()


def test_every_command_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for verb in main.VERBS:
        monkeypatch.setattr(commands, verb, lambda options, output: None)
    monkeypatch.chdir(ROOT)
    for call in calls():
        monkeypatch.setattr(sys, "argv", call)
        with pytest.raises(SystemExit) as ended:
            main.run()
        assert not ended.value.code, call


def test_every_file_is_there_or_made_before() -> None:
    made = set[str]()
    for call in calls():
        written = {call[i + 1] for i, word in enumerate(call[:-1]) if word in ("--output", "-o", "--witness")}
        written |= set(call[-1:]) if call[1] in ("sample", "convert") else set()
        for word in call[2:]:
            if re.search(r"\.(h5|pt|csv|json|npz)$", word) and word not in written:
                assert (ROOT / word).exists() or word in made, f"{word} in {' '.join(call)}"
        made |= written


@pytest.mark.slow
@pytest.mark.parametrize("line", lines())
def test_every_command_runs(line: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    program = tmp_path / "symfind"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m symfind "$@"\n')
    program.chmod(0o755)
    where: dict[str, Any] = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, env=os.environ | where)
    assert ended.returncode == 0, ended.stderr
