"""The symmetric model that decided: its file, its formula, and how the report shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from symfind.api import discover
from symfind.data.hdf5 import write
from symfind.decision.witness.formula import formula_of
from symfind.decision.witness.scalings import scaling_of
from symfind.decision.witness.structure import Block, LogIndex, Structure, euclidean, minkowski
from symfind.errors import InputError, UsageError
from symfind.options.of_verbs import DiscoverOptions
from symfind.render.html import to_html
from symfind.render.tables import to_markdown, to_table_text
from symfind.schema.document import Report
from symfind.schema.store import from_hdf5, from_json, to_hdf5, to_json


@dataclass(frozen=True)
class Written:
    report: Report
    module: torch.nn.Module
    told: dict[str, object]
    x: Tensor
    y: Tensor


def rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed)).double()
    return x, torch.exp(-x.square().sum(1) / 3)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("witness")
    x, y = rows(900, 3)
    write(folder / "d.h5", {"x": x.numpy(), "y": y.numpy()}, {"kind": "function"})
    path = folder / "w.pt"
    report = discover(DiscoverOptions(source=str(folder / "d.h5"), witness=str(path), space="linear"))
    extra = {"symfind.json": ""}
    module = torch.jit.load(str(path), _extra_files=extra)
    return Written(report, module, json.loads(extra["symfind.json"]), x, y)


def test_the_file_predicts_and_is_exactly_symmetric(written: Written) -> None:
    x, y = rows(5000, 4)  # more rows than one pass takes
    with torch.no_grad():
        value = written.module(x)
        turned = written.module(x @ torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64))
    assert value.shape == y.shape
    assert float((value - turned).abs().max()) < 1e-12
    assert float((value - y).square().mean() / y.var()) < 1e-4
    assert written.module(x[:1].float()).dtype == torch.float32


def test_its_held_out_score_is_in_the_report_and_in_the_file(written: Written) -> None:
    witness = written.report.witness
    assert witness is not None and witness.output is not None
    assert written.told["r2_of_unseen_rows"] == witness.r2 > 0.999
    assert written.told["formula"] == witness.formula == "y ≈ f(x² + y²)"
    assert written.told["source_sha256"] == written.report.source.sha256


def test_the_file_is_a_model_with_that_symmetry(written: Written) -> None:
    assert written.report.witness is not None
    path = str(written.report.witness.output)
    report = discover(DiscoverOptions(source=path, sample="normal", shape=(2,), n_samples=400, space="linear"))
    assert [g.expression for g in report.certified] == ["x ∂y − y ∂x"]


def test_every_format_shows_the_formula_and_html_the_picture(written: Written) -> None:
    report = written.report
    table, page = to_table_text(report), to_html(report)
    for text in (table, to_markdown(report), page):
        assert "f(x² + y²)" in text and "R = " in text and "η" in text
    assert report.witness is not None and report.witness.graph is not None
    graph = report.witness.graph
    assert graph.across == "x² + y²" and 100 <= len(graph.rows) <= 150
    assert 'class="model"' in page and page.count("<circle") >= 100
    assert from_json(to_json(report), "r") == report and from_hdf5(to_hdf5(report), "r") == report


def test_without_a_symmetry_nothing_is_written(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(300, n, generator=generator).double() for n in (2, 1))
    write(tmp_path / "d.h5", {"x": x.numpy(), "y": y.numpy()}, {"kind": "function"})
    report = discover(DiscoverOptions(source=str(tmp_path / "d.h5"), witness=str(tmp_path / "w.pt"), space="linear"))
    assert not (tmp_path / "w.pt").exists()
    assert any("not written" in text for text in report.warnings)


def test_a_name_that_cannot_be_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.pt"):
        discover(DiscoverOptions(source="d.h5", witness="w.json"))
    with pytest.raises(InputError, match="no such folder"):
        discover(DiscoverOptions(source="d.h5", witness=str(tmp_path / "none" / "w.pt")))


def of_form(form: Tensor, names: tuple[str, ...], x: Tensor, centre: Tensor | None = None, noise: float = 0.0) -> str:
    view = torch.eye(len(names)).double()[None]
    structure = Structure("g", (Block(view, form, centre),), torch.zeros(0, len(names)).double(), torch.ones(1, 1))
    formula = formula_of(structure, names, "y", x, noise)
    assert formula is not None
    return formula.text


def test_forms_are_written_in_the_names_of_the_coordinates() -> None:
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)).double()
    assert of_form(minkowski(4, (0,)), ("E", "px", "py", "pz"), x) == "y ≈ f(E² − px² − py² − pz²)"
    assert of_form(-euclidean(2), ("a", "b"), x[:, :2]) == "y ≈ f(a² + b²)"
    at = torch.tensor([1.5, 0.0]).double()
    assert of_form(euclidean(2), ("x", "y"), x[:, :2] + at, at) == "y ≈ f((x − 1.5)² + y²)"


def test_terms_are_dropped_by_what_they_move() -> None:
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)).double() * torch.tensor([1e-2, 1e2])
    in_units = torch.diag(torch.tensor([1e4, 1e-4])).double()
    assert "a²" in of_form(in_units, ("a", "b"), x) and "b²" in of_form(in_units, ("a", "b"), x)
    learned = torch.tensor([[1.0, 1e-4], [1e-4, 1.0003]]).double()
    assert of_form(learned, ("a", "b"), x / torch.tensor([1e-2, 1e2]), noise=1e-3) == "y ≈ f(a² + b²)"


def test_products_of_powers_and_what_is_too_long() -> None:
    x = torch.rand(200, 3).double() + 0.5
    index = LogIndex("p", torch.tensor([[1.0, -0.5, 0.5]]).double(), torch.ones(1, 1))
    formula = formula_of(index, ("a", "b", "c"), "y", x, 0.0)
    assert formula is not None and formula.text == "y ≈ f(a² b^−1 c)"
    flat = Structure(
        "g", (Block(torch.eye(3).double()[None], euclidean(3)),), torch.zeros(0, 3).double(), torch.eye(1).double()
    )
    scaling = scaling_of(flat, torch.ones(1, 3).double(), torch.ones(1, 1).double(), x)
    assert scaling is not None
    scaled = Structure(
        "g", (Block(torch.eye(3).double()[None], euclidean(3)),), torch.zeros(0, 3).double(), torch.ones(1, 1),
        scaling,
    )  # fmt: skip
    assert formula_of(scaled, ("a", "b", "c"), "y", x, 0.0) is None
