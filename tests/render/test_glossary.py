"""The glossary knows what reports say; a sum has at most three lines; names are not broken."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from symfind.lie.groups.catalogue import catalogue
from symfind.render.console import plain_table
from symfind.render.glossary import glossary, meaning, words
from symfind.render.summary import conclusions, headline
from symfind.render.tables import in_lines, table
from symfind.schema.document import VERDICTS, Report


@pytest.mark.parametrize(
    "word", [*VERDICTS, "not decided", "so(3)", "so3", "so(1,3)", "su(2)", "Reach", "rho", "center"]
)
def test_words_of_reports_are_known(word: str) -> None:
    assert meaning(word)


def test_labels_of_reports_are_known(lorentz_report: Report, rotation_report: Report) -> None:
    for report in (lorentz_report, rotation_report):
        labels = {label for pairs in (headline(report), conclusions(report)) for label, _ in pairs}
        assert {label for label in labels if meaning(label) is None} == set()


def test_a_word_that_no_report_uses_has_no_meaning() -> None:
    assert meaning("quux") is None and meaning("") is None


def test_no_word_is_there_twice_and_each_has_a_sentence() -> None:
    names = [word.name.lower() for group in glossary().values() for word in group]
    assert len(names) == len(set(names)) and all(len(word.meaning) > 15 for word in words().values())


def test_a_generator_has_at_most_three_lines(rotation_report: Report) -> None:
    long = " + ".join(f"{i}.125 x{i} ∂x{i + 1}" for i in range(40))
    report = replace(rotation_report, generators=(replace(rotation_report.generators[0], expression=long),))
    out = Console(file=io.StringIO(), width=80)
    with out.capture() as captured:
        out.print(table(report))
    lines = captured.get().splitlines()
    first = next(i for i, line in enumerate(lines) if line.split()[:1] == ["1"])
    last = next(i for i, line in enumerate(lines) if line.split()[:1] == ["2"])
    assert last - first <= 3 and "more terms)" in captured.get()
    assert in_lines("x ∂y − y ∂x", 30) == "x ∂y − y ∂x"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_name_of_a_group_is_broken(width: int) -> None:
    rows = [(f.name, f.example, f.dimension, "yes", f.components, f.defining, f.aliases) for f in catalogue()]
    header = ("name", "example", "dimension", "compact", "components", "representation", "aliases")
    out = Console(file=io.StringIO(), width=width)
    with out.capture() as captured:
        out.print(plain_table(header, rows))
    shown = captured.get().split()
    for row in rows:
        assert all(word in shown or f"{word};" in shown for cell in row for word in str(cell).split()), row
