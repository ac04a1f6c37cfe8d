"""Tuned numbers: each has its reason and its range, and within the range no verdict of the cases changes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest
from settings_cases import CASES, NOT_TRIED, SLOWER, Case, answers

import symfind

ROOT = Path(symfind.__file__).parent


def settings() -> dict[str, Any]:
    """Folder, as a module, ↦ the settings of it."""
    folders = [path.parent.relative_to(ROOT.parent) for path in sorted(ROOT.rglob("*/settings.py"))]
    return {".".join(f.parts): importlib.import_module(".".join((*f.parts, "settings"))).SETTINGS for f in folders}


ALL = [(folder, held, field) for folder, held in settings().items() for field in fields(held)]


@pytest.mark.parametrize(("folder", "held", "field"), ALL, ids=[f"{a}.{f.name}" for a, _, f in ALL])
def test_a_number_has_a_reason_and_a_range(folder: str, held: Any, field: Field[Any]) -> None:
    least, most = field.metadata["range"]
    assert len(field.metadata["reason"]) > 10
    assert least <= getattr(held, field.name) <= most
    uses = [p for p in ROOT.rglob("*.py") if f".{field.name}" in p.read_text(encoding="utf-8")]
    assert uses, f"{folder}: nobody reads {field.name}"


def test_every_folder_with_settings_has_cases() -> None:
    assert set(settings()) == set(CASES)


def trials() -> Iterator[Any]:
    for folder, held, field in ALL:
        if field.name in NOT_TRIED.get(folder, ()):
            continue
        cases = CASES[folder] + ((SLOWER[field.name],) if field.name in SLOWER else ())
        for end, value in zip(("least", "most"), field.metadata["range"], strict=True):
            for case in cases:
                whole = int(value) if isinstance(getattr(held, field.name), int) else value
                if whole != getattr(held, field.name):
                    yield pytest.param(held, field.name, whole, case, id=f"{folder}.{field.name}-{end}-{case.__name__}")


@pytest.mark.slow
@pytest.mark.parametrize(("held", "name", "value", "case"), list(trials()))
def test_no_verdict_changes_at_the_ends_of_a_range(
    held: Any, name: str, value: float, case: Case, tmp_path: Path
) -> None:
    expected, before = answers(case), getattr(held, name)
    object.__setattr__(held, name, value)
    try:
        assert case(tmp_path) == expected
    finally:
        object.__setattr__(held, name, before)
