"""A finding as a report: what goes into notes and warnings, and what faults of the algebra do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor, nn

from symfind import api
from symfind.answers import algebra as algebra_module
from symfind.answers import compose
from symfind.decision.evidence import Finding
from symfind.errors import NumericalError
from symfind.schema.document import Report
from symfind.verbs.options import DiscoverOptions


class Radius(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(-x.square().sum(-1, keepdim=True))


@pytest.fixture
def discovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """The report of exp(−|x|²) on R³, its finding changed before the report is composed."""
    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x.numpy()
    torch.jit.script(Radius()).save(str(tmp_path / "m.pt"))

    def report(change: Callable[[Finding], Finding] = lambda f: f, **options: Any) -> Report:
        def composed(finding: Finding, *arguments: Any, **keywords: Any) -> Report:
            return compose.report_of_finding(change(finding), *arguments, **keywords)

        monkeypatch.setattr(api, "report_of_finding", composed)
        source = DiscoverOptions(source=str(tmp_path / "m.pt"), data=str(tmp_path / "x.h5"), bootstrap=40, **options)
        return api.discover(source)

    return report


def undecided(finding: Finding) -> Finding:
    return replace(finding, generators=tuple(replace(g, verdict="undecided") for g in finding.generators))


def test_undecided_generators_are_not_in_the_algebra_but_named_in_a_note(discovered: Callable[..., Report]) -> None:
    report = discovered(undecided)
    assert report.algebra.dimension == 0 and report.algebra.name is None
    assert "if all were symmetries, the undecided generators would form so(3)" in report.notes

    def one_undecided(finding: Finding) -> Finding:
        *first, last = finding.generators
        return replace(finding, generators=(*first, replace(last, verdict="undecided")))

    report = discovered(one_undecided)
    assert report.algebra.dimension == 2 and "not closed" in report.algebra.reason
    assert any(note.endswith("certified and undecided generators together would form so(3)") for note in report.notes)


def test_choices_are_notes_and_doubts_are_warnings(discovered: Callable[..., Report]) -> None:
    report = discovered(lambda f: replace(f, doubts=("a doubt",)))
    assert report.warnings == ("a doubt",)
    assert any(note.startswith("output action: invariant") for note in report.notes)
    assert report.fit is None and report.generators[0].latex == r"x \partial_{y} - y \partial_{x}"


def test_a_fault_in_the_algebra_is_a_warning(
    discovered: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NumericalError("no name\nwas found")

    monkeypatch.setattr(algebra_module, "identify", fail)
    report = discovered()
    assert len(report.certified) == 3 and report.algebra.name == "unidentified"
    assert report.warnings == ("algebra: no name was found",) and report.algebra.reason == "no name was found"


def test_closing_an_open_span_that_cannot_be_certified_leaves_it(discovered: Callable[..., Report]) -> None:
    def two(finding: Finding) -> Finding:
        return replace(finding, generators=finding.generators[:2])

    report = discovered(two, close=True)
    assert [g.verdict for g in report.generators] == ["certified"] * 2
    assert any(note.startswith("not closed: the nearest algebra is at an angle") for note in report.notes)


def test_an_upper_bound_never_falls_along_the_spectrum(discovered: Callable[..., Report]) -> None:
    entries = ((0.3, None, None), (0.1, 0.05, 0.2), (0.02, 0.0, 0.4), (0.2, 0.1, 0.3))
    spectrum = discovered(lambda f: replace(f, spectrum=entries)).spectrum
    assert [s.defect for s in spectrum] == [0.02, 0.1, 0.2, 0.3]
    assert [s.upper for s in spectrum] == [0.4, 0.4, 0.4, None]
