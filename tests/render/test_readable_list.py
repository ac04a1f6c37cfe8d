"""Undecided directions: twelve are listed, the rest counted; an algebra is one row; what is not sure is not refuted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from symfind.answers.compose import report_of_finding
from symfind.decision.evidence import Evidence, Finding, Generator, WithinData
from symfind.fields.polynomial import linear_fields
from symfind.fields.space import VectorFieldSpace
from symfind.lie_derivative import Invariant
from symfind.linalg.nullspace import GeneralisedSpectrum
from symfind.render.html import to_html
from symfind.render.tables import to_markdown, to_table_text
from symfind.schema.document import Environment, Report, Source
from symfind.schema.store import from_hdf5, from_json, to_hdf5, to_json


def report_with(vectors: torch.Tensor, d: int, verdict: str = "undecided", lower: float = 0.0) -> Report:
    """A report on linear fields of R^d, a generator a column, and one direction after them."""
    space: VectorFieldSpace = linear_fields(d)
    count = vectors.shape[1]
    values = torch.linspace(0.01, 0.04, count + 1, dtype=torch.float64)
    spectrum = GeneralisedSpectrum(values, torch.eye(d * d).double()[:, : count + 1], torch.zeros(d * d, 0).double())
    evidence = Evidence(
        space, Invariant(), spectrum, None, WithinData(), given=False, rank=d * d,
        bracket_points=torch.randn(50, d, generator=torch.Generator().manual_seed(0)).double(),
    )  # fmt: skip
    generators = tuple(
        Generator(v, float(x), 0.0, 0.3, verdict, None, 1e-9) for v, x in zip(vectors.T, values, strict=False)
    )
    entries = (*((g.defect, g.lower, g.upper) for g in generators), (0.09, lower, None))
    source = Source(path="data.h5", kind="function", names=tuple(f"x{i + 1}" for i in range(d)))
    where = Environment(symfind="0", torch="0", device="cpu", dtype="float64", threads=1)
    finding = Finding(evidence, entries, generators, 0.0, ())
    return report_of_finding(finding, source, {"tolerance": 0.05}, where, close=False)


def columns(matrices: list[torch.Tensor]) -> torch.Tensor:
    """Coefficients of fields Ax in the space of linear fields."""
    d = len(matrices[0])
    space = linear_fields(d)
    units = space.table(torch.eye(d * d).double())
    return torch.linalg.lstsq(
        units.T, torch.stack([a.T.flatten() for a in matrices], 1).double(), driver="gelsd"
    ).solution


def some(count: int, d: int = 5) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(d * d, count, generator=torch.Generator().manual_seed(1)).double()).Q


def rotations(d: int = 3) -> list[torch.Tensor]:
    out = []
    for i in range(d):
        for j in range(i + 1, d):
            a = torch.zeros(d, d)
            a[j, i], a[i, j] = 1.0, -1.0
            out.append(a)
    return out


def test_twelve_are_listed_and_the_rest_is_counted_in_one_line() -> None:
    report = report_with(some(20), 5)
    assert len(report.generators) == 12
    assert report.undecided is not None and (report.undecided.count, report.undecided.listed) == (20, 12)
    assert [g.defect for g in report.generators] == sorted(g.defect or 0.0 for g in report.generators)
    for text in (to_table_text(report), to_markdown(report), to_html(report)):
        assert "20 directions, of which the 12 of least defect are in the JSON report" in text
        assert "(17 more directions)" in text.replace("\\", "") and "4–20" in text
        assert "20 undecided" in text
    assert len(report.spectrum) == 21 and not any(g.latex for g in report.generators)
    table = to_table_text(report)
    # Three directions of at most three lines, whatever they are made of.
    assert "more terms)" in table and len(table.split("algebra")[0].splitlines()) < 20
    assert from_json(to_json(report), "r") == report and from_hdf5(to_hdf5(report), "r") == report


def test_what_is_certified_is_always_listed() -> None:
    report = report_with(some(20), 5, "certified")
    assert len(report.generators) == 20 and report.undecided is None


@pytest.mark.parametrize("form", [to_table_text, to_markdown, to_html])
def test_undecided_directions_that_form_an_algebra_are_one_row(form: object) -> None:
    report = report_with(columns(rotations()), 3)
    assert report.undecided is not None and report.undecided.algebra == "so(3)"
    text = form(report)  # type: ignore[operator]
    assert "1–3" in text and "so(3): " in text
    rows = [line for line in text.splitlines() if "undecided" in line and "x1 ∂x2" in line]
    assert len(rows) <= 1


def test_undecided_directions_that_form_none_are_rows() -> None:
    report = report_with(columns(rotations()[:2]), 3)
    assert report.undecided is not None and report.undecided.algebra is None
    assert "1–2" not in to_table_text(report)


def test_a_direction_is_refuted_only_where_its_lower_bound_is_above_the_tolerance() -> None:
    for lower, verdict in ((0.0, "not decided"), (0.03, "not decided"), (0.08, "refuted")):
        report = report_with(some(2), 5, lower=lower)
        last = to_table_text(report).split("algebra")[0].strip().splitlines()[-1]
        assert last.endswith(verdict)
        assert ("(not a symmetry)" in last) == (verdict == "refuted")
        assert f'<circle class="{verdict.replace(" ", "-")}"' in to_html(report)


def test_a_report_of_earlier_versions_is_counted_by_its_generators() -> None:
    assert "2 undecided" in to_table_text(replace(report_with(some(2), 5), undecided=None))
