"""Every form of a report: bytes that do not change, endings that tell it, nothing certified left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from symfind.cli.output import Output
from symfind.render.formats import FORMATS, Format
from symfind.schema.document import Report


@pytest.fixture(params=FORMATS, ids=lambda form: form.name)
def form(request: pytest.FixtureRequest) -> Format:
    chosen: Format = request.param
    return chosen


def test_the_same_report_gives_the_same_bytes(form: Format, rotation_report: Report, lorentz_report: Report) -> None:
    for report in (rotation_report, lorentz_report):
        assert form.encode(report) and form.encode(report) == form.encode(report)
    assert form.encode(rotation_report) != form.encode(lorentz_report)


def test_what_is_certified_is_there(form: Format, lorentz_report: Report) -> None:
    content = form.encode(lorentz_report).decode("utf-8", "replace")
    for word in ("so(1,3)", *(g.expression for g in lorentz_report.certified)):
        assert word in content, f"{form.name} leaves out {word}"


def test_its_endings_choose_it(form: Format, rotation_report: Report, tmp_path: Path) -> None:
    for ending in form.endings:
        path = tmp_path / f"report{ending}"
        output = Output(path=str(path), quiet=True)
        assert output.chosen_format() == form.name
        output.write_report(rotation_report)
        assert path.read_bytes() == form.encode(rotation_report)


def test_no_ending_is_of_two_formats() -> None:
    endings = [ending for form in FORMATS for ending in form.endings]
    assert len(endings) == len(set(endings)) and all(ending.startswith(".") for ending in endings)
