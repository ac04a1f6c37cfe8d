"""What is told while a verb runs, settings that are kept, reports as csv and tex."""

from __future__ import annotations

import csv
import io
import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from symfind.cli import line_progress, main
from symfind.cli.line_progress import LineProgress, Phase, PhaseLog, Together, together, told
from symfind.cli.output import Output
from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.render.tables import to_csv, to_tex
from symfind.schema.document import Report
from symfind.schema.store import to_json


def status(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["symfind", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.run()
    return int(ended.value.code or 0)


@pytest.fixture
def matrices(tmp_path: Path) -> Path:
    path = tmp_path / "generators.yaml"
    path.write_text("generators: [[[0, -1], [1, 0]]]\n", encoding="utf-8")
    return path


def test_settings_make_the_round_trip(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, rotation_report: Report
) -> None:
    write(tmp_path / "rows.h5", {"x": np.ones((8, 2)), "y": np.ones((8, 1))}, {})
    kept = tmp_path / "kept.yaml"
    asked = ("--space", "affine", "--tolerance", "0.01", "--seed", "3", "--dry-run")
    assert status(monkeypatch, "discover", str(tmp_path / "rows.h5"), *asked, "--save-config", str(kept)) == 0
    first = json.loads(capfd.readouterr().out)
    text = kept.read_text(encoding="utf-8")
    assert "tolerance: 0.01" in text and "bootstrap" not in text  # what differs from the default, and that alone
    assert status(monkeypatch, "discover", "--config", str(kept)) == 0
    second = json.loads(capfd.readouterr().out)
    assert first | {"free": 0} == second | {"free": 0}  # what other programs left of the memory
    assert status(monkeypatch, "discover", "--config", str(kept), "--save-config", str(kept)) == 2  # would overwrite


def test_a_log_has_phases_messages_and_errors(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], matrices: Path, tmp_path: Path
) -> None:
    log = tmp_path / "run.log"
    assert status(monkeypatch, "identify", str(matrices), "--log", str(log), "-v", "-o", str(tmp_path / "r.json")) == 0
    err = capfd.readouterr().err
    assert "identify" in err and "wrote" in err
    assert status(monkeypatch, "identify", str(tmp_path / "none.yaml"), "--log", str(log)) == 3
    lines = log.read_text(encoding="utf-8").splitlines()
    assert any("wrote" in line for line in lines) and "error: " in lines[-1]
    assert all(line[:4].isdigit() for line in lines)
    assert status(monkeypatch, "identify", str(matrices), "--log", str(tmp_path / "no" / "run.log")) == 3


def test_a_long_phase_is_told_of_with_total_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_progress, "_TOLD_AT", (0.1, 30.0))
    monkeypatch.setattr(line_progress, "PATIENCE", 0.1)
    lines: list[str] = []
    with LineProgress(lines.append, as_json=True) as progress:
        with progress.phase("fit", 10) as advance:
            for _ in range(10):
                time.sleep(0.06)
                advance(1)
        with progress.phase("read"):
            pass
    states = [json.loads(line) for line in lines]
    assert {s["phase"] for s in states} == {"fit"}  # a short one is not told of
    running = states[0]
    assert running["state"] == "running" and 0 < running["done"] < 10 and running["total"] == 10
    assert running["left"] == pytest.approx((10 - running["done"]) / running["rate"], rel=0.2)
    assert states[-1]["state"] == "done" and states[-1]["left"] == 0
    assert threading.active_count() < 10


def test_lines_speak_plainly() -> None:
    phase = Phase("bounds", 40, began=time.monotonic() - 4.0, done=10)
    assert told(phase.state()).startswith("measuring how sure that is: 10 of 40, 2.5 a second, 12")
    assert told(Phase("fit", None).state()) == "fitting a model to the rows: 0.0 s so far"
    assert not Phase("fit", None).due() and phase.due()


def test_several_watch_one_work() -> None:
    lines: list[str] = []
    with together(PhaseLog(lines.append), PhaseLog(lines.append)) as progress:
        assert isinstance(progress, Together)
        with pytest.raises(KeyError), progress.phase("read", 2) as advance:
            advance(1)
            raise KeyError
    assert len(lines) == 2 and lines[0].startswith("reading the file: ")


def test_forms_of_progress_and_folders_are_checked_beforehand(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean plain"):
        Output(watched="plan")
    with pytest.raises(InputError, match="--log"):
        Output(log=str(tmp_path / "no" / "log"))


def test_a_report_as_csv_has_its_numbers(lorentz_report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(lorentz_report))))
    assert [row["expression"] for row in rows] == [g.expression for g in lorentz_report.generators]
    assert [float(row["defect"]) for row in rows] == [g.defect for g in lorentz_report.generators]
    assert {row["algebra"] for row in rows} == {"so(1,3)"}
    evil = replace(lorentz_report.generators[0], expression="=cmd|' /C calc'!A0")
    (row,) = csv.DictReader(io.StringIO(to_csv(replace(lorentz_report, generators=(evil,)))))
    assert row["expression"].startswith("'=")


def test_a_report_as_latex_runs_no_command(rotation_report: Report) -> None:
    text = to_tex(rotation_report)
    assert r"$x\,\partial_{y} - y\,\partial_{x}$" in text and text.count(r"\\") == 2
    for evil in (r"\input{/etc/passwd}", r"x}\write18{ls}", r"\partialx\def\a{}", "x % y", "x $ \\immediate"):
        generator = replace(rotation_report.generators[0], latex=evil)
        assert evil not in to_tex(replace(rotation_report, generators=(generator,)))


@pytest.mark.parametrize("ending", [".html", ".json", ".csv"])
def test_a_model_is_not_written_to_a_report(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, ending: str
) -> None:
    (tmp_path / "m.pt").write_bytes(b"")
    path = tmp_path / f"x{ending}"
    assert status(monkeypatch, "enforce", str(tmp_path / "m.pt"), "--group", "so3", "-o", str(path)) == 2
    assert "--format html" in capfd.readouterr().err and not path.exists()


def test_a_stored_report_is_written_as_csv_and_tex(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rotation_report: Report
) -> None:
    (tmp_path / "r.json").write_text(to_json(rotation_report), encoding="utf-8")
    for ending, begin in ((".csv", "number,"), (".tex", "% ")):
        out = tmp_path / f"r{ending}"
        assert status(monkeypatch, "report", str(tmp_path / "r.json"), "-q", "-o", str(out)) == 0
        assert out.read_text(encoding="utf-8").startswith(begin)
