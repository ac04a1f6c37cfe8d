"""Reports of ``conserve``: invariants of algebras, and every format of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import symfind
from symfind.errors import InputError
from symfind.render.html import to_html
from symfind.render.tables import to_markdown, to_table_text
from symfind.schema.store import from_hdf5, from_json, to_hdf5, to_json


def report_of(tmp_path: Path, matrices: list[list[list[float]]]) -> str:
    path = tmp_path / "generators.yaml"
    path.write_text(f"generators: {matrices}")
    target = tmp_path / "report.json"
    target.write_text(to_json(symfind.identify(str(path))))
    return str(target)


def boosts_and_turns() -> list[list[list[float]]]:
    out = []
    for i in range(4):
        for j in range(i + 1, 4):
            a = torch.zeros(4, 4)
            a[i, j], a[j, i] = 1.0, 1.0 if i == 0 else -1.0
            out.append(a.tolist())
    return out


def test_so13_has_one_invariant_and_its_square(tmp_path: Path) -> None:
    source = report_of(tmp_path, boosts_and_turns())
    report = symfind.conserve(symfind.ConserveOptions(source=source))
    assert report.conserved is not None and report.conservation is not None
    first, second = report.conserved
    assert first.expression == "x1² − x2² − x3² − x4²" and second.function_of == "I1²"
    assert report.conservation.independent == 1
    assert len(report.generators) == 6


def test_all_matrices_leave_nothing_unchanged(tmp_path: Path) -> None:
    units = [[[float(i == a and j == b) for j in range(2)] for i in range(2)] for a in range(2) for b in range(2)]
    report = symfind.conserve(symfind.ConserveOptions(source=report_of(tmp_path, units)))
    assert report.conserved == ()


def test_every_format_holds_what_was_found(tmp_path: Path) -> None:
    report = symfind.conserve(symfind.ConserveOptions(source=report_of(tmp_path, boosts_and_turns())))
    assert from_json(to_json(report), "report") == report
    assert from_hdf5(to_hdf5(report), "report") == report
    for text in (to_table_text(report), to_markdown(report), to_html(report)):
        assert "x1² − x2²" in text and "I1²" in text


def test_a_report_without_generators_is_declined(tmp_path: Path) -> None:
    path = tmp_path / "noise.h5"
    symfind.sample("noise", path, rows=200)
    target = tmp_path / "report.json"
    target.write_text(to_json(symfind.discover(symfind.DiscoverOptions(source=str(path)))))
    with pytest.raises(InputError, match="no certified generator"):
        symfind.conserve(symfind.ConserveOptions(source=str(target)))
