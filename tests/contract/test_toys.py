"""What a user adds from one file outside the package works like what the package has, from the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from symfind.cli import main
from symfind.data.hdf5 import write
from symfind.registry import Registry

TOYS = Path(__file__).with_name("toys")
ROOT = Path(__file__).parents[2]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``symfind …`` as a process of its own, in a folder of its own."""

    def ran(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
        ended = subprocess.run(
            [sys.executable, "-m", "symfind", *arguments], capture_output=True, text=True, cwd=tmp_path, env=environment
        )
        assert ended.returncode == status, ended.stderr
        return ended

    return ran


def toy(name: str) -> tuple[str, str]:
    return "--plugin", str(TOYS / f"toy_{name}.py")


def forces(path: Path) -> None:
    """−(1 + 1/2 r²)x and a whirl about the third axis: turns about it, and no other, carry forces along."""
    x = torch.randn(600, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whirl = torch.stack([-x[:, 1], x[:, 0], torch.zeros(600, dtype=torch.float64)], 1)
    force = whirl - (1 + 0.5 * x.square().sum(1, keepdim=True)) * x
    write(path, {"x": x.numpy(), "force": force.numpy()}, {"names": ("x", "y", "z")})


def test_a_kind(command: Command, tmp_path: Path) -> None:
    forces(tmp_path / "forces.h5")
    found = json.loads(command(*toy("kind"), "inspect", "forces.h5").stdout)
    assert found["kind"] == "force"
    assert [q["question"] for q in found["questions"]] == ["fields that turn forces with their places"]
    report = json.loads(command(*toy("kind"), "discover", "forces.h5", "--space", "so").stdout)
    assert report["source"]["kind"] == "force"
    assert [g["expression"] for g in report["generators"] if g["verdict"] == "certified"] == ["x ∂y − y ∂x"]
    assert "force" in command(*toy("kind"), "discover", "--help").stdout
    # Without the plugin the file holds points.
    assert json.loads(command("inspect", "forces.h5").stdout)["kind"] == "points"


def test_a_space(command: Command, tmp_path: Path) -> None:
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    write(tmp_path / "cubic.h5", {"x": x.numpy(), "y": (x[:, 0] * x[:, 1] * x[:, 2] + x[:, 0] ** 3).numpy()}, {})
    asked = ("cubic.h5", "--space", "scaling", "--output-action", "free")
    report = json.loads(command(*toy("space"), "discover", *asked).stdout)
    (g,) = report["generators"]
    assert g["verdict"] == "certified" and g["expression"] == "x ∂x + y ∂y + z ∂z"
    assert g["output_action"] == [[pytest.approx(3.0)]]  # F is of degree 3
    assert "unknown space 'scaling'" in command("discover", *asked, status=2).stderr


def test_an_enforcement_method(command: Command, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1)).double().eval()
    torch.jit.script(model).save(str(tmp_path / "model.pt"))
    asked = ("model.pt", "--group", "so3", "--n-samples", "32")
    done = json.loads(command(*toy("method"), "enforce", *asked, "--method", "axis", "--output", "made.pt").stdout)
    assert done["method"] == "axis" and done["error_after"]["largest"] < 1e-12
    made = torch.jit.load(str(tmp_path / "made.pt"))
    x = torch.randn(5, 3, dtype=torch.float64)
    with torch.no_grad():
        size = x.norm(dim=1, keepdim=True)
        torch.testing.assert_close(made(x), model(torch.cat([size, torch.zeros(5, 2).double()], 1)))


def test_a_format(command: Command, tmp_path: Path) -> None:
    forces(tmp_path / "forces.h5")
    # Two files at once, and the option in one word.
    both = (*toy("format"), f"--plugin={toy('kind')[1]}")
    command(*both, "discover", "forces.h5", "--space", "so", "--output", "found.tsv")
    table = list(csv.DictReader(io.StringIO((tmp_path / "found.tsv").read_text(encoding="utf-8")), delimiter="\t"))
    assert [row["generator"] for row in table if row["verdict"] == "certified"] == ["x ∂y − y ∂x"]
    told = command(*toy("format"), "report", "--help").stdout
    assert ".tsv" in told and "tsv" in told


@pytest.mark.parametrize(
    ("content", "arguments", "status", "words"),
    [
        (None, ("--plugin", "absent.py", "groups"), 3, "--plugin absent.py: no such Python file"),
        ("1 / 0", ("--plugin", "own.py", "groups"), 3, "--plugin own.py: ZeroDivisionError: division by zero"),
        (
            "from symfind.fields.catalogue import SPACES, of_dimension\nSPACES.register(of_dimension('so', None))",
            ("--plugin", "own.py", "groups"), 2, "there is a space 'so' already; take another name",
        ),
        (None, ("--plugin",), 2, "--plugin is without a file"),
    ],
)  # fmt: skip
def test_what_cannot_be_added_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    content: str | None, arguments: tuple[str, ...], status: int, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["symfind", *arguments])
    if content is not None:
        (tmp_path / "own.py").write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main.run()
    told = capsys.readouterr().err
    assert ended.value.code == status
    assert told.startswith("symfind: ") and words in told and told.count("\n") == 1


def test_a_registry_keeps_its_order_and_names_the_nearest() -> None:
    class Entry:
        def __init__(self, name: str) -> None:
            self.name = name

    registry: Registry[Entry] = Registry("thing", (Entry("one"), Entry("three")))
    registry.register(Entry("two"), before="three")
    assert registry.names == ("one", "two", "three") and len(registry) == 3 and "two" in registry
    assert registry["two"].name == "two" and registry.get("four") is None
    with pytest.raises(Exception, match="unknown thing 'thre', expected one of one, two, three; did you mean three"):
        registry["thre"]
