"""Several files, other formats, and what comes without one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from symfind.cli import commands, main
from symfind.cli.output import Output
from symfind.kinds.reading import open_dataset
from symfind.options.of_verbs import DiscoverOptions

X = np.random.default_rng(7).normal(size=(120, 2))
Y = (X**2).sum(1)


@dataclass(frozen=True)
class Ended:
    """Status, standard output and standard error of a command."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def symfind(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """The program in this process: torch is imported once."""

    def call(*arguments: object, **environment: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["symfind", *map(str, arguments)])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main.run()
        out, err = capfdbinary.readouterr()
        return Ended(int(ended.value.code or 0), out.decode(), err.decode())

    return call


def table(path: Path) -> Path:
    np.savetxt(path, np.column_stack([X, Y]), header="a,b,value", comments="", delimiter=",")
    return path


def test_a_table_in_two_commands(symfind: Run, tmp_path: Path) -> None:
    asked = symfind("discover", table(tmp_path / "a.csv"))
    assert asked.returncode == 3 and asked.stdout == ""
    command = asked.stderr.split("`")[1].split()
    assert command[:2] == ["symfind", "discover"]
    answered = symfind(*command[1:], "--format", "table")
    assert answered.returncode == 0
    assert answered.stdout.startswith("function   x (120, 2) → y (120,)   a b, by its columns; x is a, b; y is value")
    assert "a ∂b − b ∂a" in answered.stdout


def test_several_files_have_a_report_each_and_a_table(symfind: Run, tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        np.savez(tmp_path / name, x=X, y=Y)
    sources = [tmp_path / "one.npz", tmp_path / "two.npz", tmp_path / "missing.npz"]
    (tmp_path / "reports").mkdir()
    ended = symfind("discover", *sources, "--output", tmp_path / "reports", "--bootstrap", 40)
    assert ended.returncode == 3 and "missing.npz: no such file" in ended.stderr
    rows = json.loads(ended.stdout)
    assert [row["algebra"] for row in rows] == ["so(2)", "so(2)", None] and rows[2]["remark"].startswith("no such file")
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["one.json", "two.json"]
    refused = symfind("discover", *sources, "--output", tmp_path / "r.json")
    assert refused.returncode == 2 and "give a folder" in refused.stderr


def test_a_dry_run_reads_shapes_alone(symfind: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 4)), y=np.zeros(30))  # nothing varies: a search would refuse it
    plan = json.loads(symfind("discover", tmp_path / "a.npz", "--dry-run", "--space", "affine").stdout)
    assert (plan["kind"], plan["rows"], plan["unknowns"]) == ("function", 30, 20)
    assert plan["memory"] == 8 * 6 * 20 * 20  # a table and five Gram matrices of 20 fields


def test_what_would_not_fit_is_refused_with_the_mistake_behind_it(symfind: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.random.default_rng(0).normal(size=(3, 3000))
    ended = symfind("discover", tmp_path / "a.h5")
    assert ended.returncode == 3 and "of memory" in ended.stderr and "--transpose" in ended.stderr
    turned = symfind("discover", tmp_path / "a.h5", "--transpose", "--dry-run")
    assert json.loads(turned.stdout)["rows"] == 3000


def test_converted_files_say_the_same(symfind: Run, tmp_path: Path) -> None:
    to = tmp_path / "a.h5"
    ended = symfind("convert", table(tmp_path / "a.csv"), to, "--output-name", "value")
    assert ended.returncode == 0 and "x (120, 2), y (120,)" in ended.stderr
    with h5py.File(to) as file:
        np.testing.assert_allclose(file["x"], X)
        np.testing.assert_allclose(file["y"], Y)
        assert list(file.attrs["names"]) == ["a", "b"] and file.attrs["kind"] == "function"
    again = symfind("convert", to, to)
    assert again.returncode == 2 and "same file" in again.stderr


def test_a_converted_field_has_its_axes(symfind: Run, tmp_path: Path) -> None:
    t, x = np.linspace(0, 1, 10), np.arange(12) / 12
    u = np.sin(2 * np.pi * (x - t[:, None]))
    np.savez(tmp_path / "a.npz", u=u, t=t, x=x)
    assert symfind("convert", tmp_path / "a.npz", tmp_path / "b.h5").returncode == 0
    with h5py.File(tmp_path / "b.h5") as file:
        np.testing.assert_array_equal(np.asarray(file["u"])[0, :, :, 0], u)
        np.testing.assert_array_equal(file["t"], t)
        assert list(file.attrs["periodic"]) == ["x"]


def test_small_things_at_the_prompt(symfind: Run, tmp_path: Path) -> None:
    assert symfind("-V").stdout.startswith("symfind 0.")
    assert "Find the continuous symmetries" in symfind("help", "discover").stdout
    missing = symfind("score", tmp_path / "missing.pt")
    assert missing.returncode == 3 and "missing.pt: no such file" in missing.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [("symfind con", "convert"), ("symfind discover --kind fl", "flow"), ("symfind enforce m --group so", "so3"),
     ("symfind sample kep", "kepler"), ("symfind discover --space tran", "translations")],
)  # fmt: skip
def test_a_shell_completes_verbs_and_names(symfind: Run, line: str, expected: str) -> None:
    words = str(len(line.split()) - 1)
    ended = symfind(_SYMFIND_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=words)
    assert expected in ended.stdout.splitlines()


def test_the_demo_needs_no_clone(symfind: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks discover of a file that is there, wherever one stands."""
    monkeypatch.chdir(tmp_path)
    asked: list[DiscoverOptions] = []

    def discover(options: DiscoverOptions, output: Output) -> None:
        asked.append(options)

    monkeypatch.setattr(commands, "discover", discover)
    assert symfind("demo").returncode == 0
    assert open_dataset(asked[0].source).shapes == {"x": (2304, 2, 4), "y": (2304,)}
