"""identify, inspect, sample and groups through the command line, as a shell would call them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from symfind.cli import main
from symfind.schema.document import Report
from symfind.schema.store import to_json

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    def ended(*arguments: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        monkeypatch.setattr(sys, "argv", ["symfind", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main.run()
        sys.stderr.flush()
        out, err = capfdbinary.readouterr()
        return int(exit_.value.code or 0), out, err.decode()

    return ended


def test_matrices_in_a_pipe_are_identified(run: Run) -> None:
    status, out, err = run("identify", "-", stdin=b"generators: [[[0, -1], [1, 0]], [[1, 0], [0, 1]]]\n")
    algebra = json.loads(out)["algebra"]
    assert (status, err) == (0, "")
    assert (algebra["dimension"], algebra["name"], algebra["compact"]) == (2, "co(2)", False)


def test_a_report_in_a_pipe_is_identified(run: Run, rotation_report: Report) -> None:
    status, out, _ = run("identify", "-", "--format", "table", stdin=to_json(rotation_report).encode())
    assert status == 0 and b"so(2), dimension 1" in out


@pytest.mark.parametrize(
    ("content", "status", "hint"),
    [
        (b"", 3, "standard input is empty"),
        (b"generators: [[[1, 2]]]", 3, "standard input: generator 1 is 1 \u00d7 2"),
        (b"a: b", 3, "no `generators:` list"),
    ],
)
def test_what_cannot_be_identified_is_one_line(run: Run, content: bytes, status: int, hint: str) -> None:
    ended, out, err = run("identify", "-", stdin=content)
    assert (ended, out) == (status, b"") and hint in err and err.count("\n") == 1


def test_groups_are_listed(run: Run) -> None:
    status, out, _ = run("groups")
    records = json.loads(out)
    assert status == 0 and {"so(n)", "so(p,q)", "se(n)", "s(n)"} <= {r["name"] for r in records}
    status, out, _ = run("groups", "--format", "table")
    assert status == 0 and b"so(p,q)" in out


def test_a_sample_goes_through_a_pipe_into_inspect(run: Run, tmp_path: Path) -> None:
    status, content, err = run("sample", "cube", "-", "--rows", "30")
    assert (status, err) == (0, "") and content.startswith(b"\x89HDF")
    status, out, _ = run("inspect", "-", stdin=content)
    found = json.loads(out)
    assert status == 0 and (found["path"], found["kind"], found["rows"]) == ("-", "points", 30)
    assert all(q["command"].startswith("symfind discover -") for q in found["questions"])
    path = tmp_path / "c.h5"
    assert run("sample", "cube", str(path), "--rows", "30")[0] == 0
    assert path.read_bytes() == content


def test_a_name_that_is_no_sample_is_a_mistake_of_usage(run: Run, tmp_path: Path) -> None:
    status, out, err = run("sample", "shel", str(tmp_path / "s.h5"))
    assert (status, out) == (2, b"") and "shell" in err and list(tmp_path.iterdir()) == []


def test_inspect_of_nothing_is_one_line(run: Run) -> None:
    status, out, err = run("inspect", "missing.h5")
    assert (status, out) == (3, b"") and err == "symfind: missing.h5: no such file; check the path\n"
