"""Crafted and damaged files, formulas and options end with a line and an exit status, whatever they hold."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.reliability_suite.bases import bases
from benchmarks.reliability_suite.cases import Case
from benchmarks.reliability_suite.run_cases import all_cases, judged, warm

SEED = 700  # the table of docs/reliability.md is of another
# What ends before anything is computed: a tenth of a second each.
QUICK = (
    "model archives, bytes damaged", "HDF5 data, bytes damaged", "reports, bytes damaged", "groups and representations",
    "inputs that are no files", "outputs", "one file twice",
)  # fmt: skip


def chosen(count: int, quick: bool) -> list[Case]:
    cases = [
        c for c in all_cases(SEED, 0.3) if not quick or (c.sort in QUICK and not c.name.startswith(("flow", "enforce")))
    ]
    return random.Random(SEED).sample(cases, count)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warm()
    return bases(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("case", chosen(60, True), ids=lambda c: f"{c.sort}: {c.name[:40]!r}")
def test_a_hostile_input_ends_well(case: Case, tmp_path: Path, whole: Path) -> None:
    assert judged(case, tmp_path, whole) == ""


@pytest.mark.slow
@pytest.mark.parametrize("case", chosen(200, False), ids=lambda c: f"{c.sort}: {c.name[:40]!r}")
def test_any_hostile_input_ends_well(case: Case, tmp_path: Path, whole: Path) -> None:
    assert judged(case, tmp_path, whole) == ""
