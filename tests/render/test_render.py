"""What a reader sees: the words of the table, Markdown that stays a table, a page that loads nothing."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from symfind.render.html import to_html
from symfind.render.plots import spectrum_svg
from symfind.render.summary import (
    algebra_text,
    bracket_texts,
    fixed_text,
    forms_text,
    generator_rows,
    number_text,
    output_text,
    structure_text,
)
from symfind.render.tables import table, to_markdown, to_table_text
from symfind.schema.algebra import Algebra, FixedPoints, PreservedForm
from symfind.schema.document import Fit, Report, SpectrumEntry


def printed(report: Report, width: int, **console: object) -> str:
    out = Console(file=io.StringIO(), width=width, **console)  # type: ignore[arg-type]
    with out.capture() as captured:
        out.print(table(report))
    return captured.get()


def test_the_table_reads_as_the_design_shows_it(lorentz_report: Report) -> None:
    report = replace(lorentz_report, settings={"acts_on": "last"})
    lines = [" ".join(line.split()) for line in to_table_text(report).splitlines()]
    assert lines[:3] == [
        "function x (2304, 2, 4) → y (2304, 1) E px py pz, one action on both objects",
        "fit polynomial ridge, degree 2, held-out R² 1.000000",
        "space linear, 16 fields, none trivial",
    ]
    assert "1 px ∂py − py ∂px 5e-13 [4e-13, 7e-13] 3 certified" in lines
    assert "7 (not a symmetry) 0.12 [0.11, 0.14] refuted" in lines
    assert "algebra so(1,3), dimension 6 (= sl(2,C)): simple, not compact, closed to 3e-13" in lines
    assert "structure Killing signature (3, 3)" in lines
    assert "preserves diag(1, −1, −1, −1) ± 2e-11, signature (1, 3)" in lines
    assert lines[-1] == "covers all 16 directions of the space"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_width_keeps_every_generator_and_verdict(lorentz_report: Report, width: int) -> None:
    text = printed(lorentz_report, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("certified") == 6 and text.count("refuted") == 1
    assert text.count("5e-13") >= 6 and "…" not in text


def test_colour_is_for_terminals_only(lorentz_report: Report) -> None:
    assert "\x1b[" in printed(lorentz_report, 80, force_terminal=True, color_system="standard")
    assert "\x1b[" not in to_table_text(lorentz_report)


def test_markup_in_names_is_shown_as_it_is(rotation_report: Report) -> None:
    nasty = "[bold]x|y*_`<script>alert(1)</script>"
    generator = replace(rotation_report.generators[0], expression=nasty)
    report = replace(rotation_report, generators=(generator,), warnings=(nasty,))
    assert nasty in to_table_text(report)
    page = to_html(report)
    assert "<script" not in page and "&lt;script&gt;" in page
    rows = [line for line in to_markdown(report).splitlines() if line.startswith("| 1 ")]
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 7  # six cells, whatever the name


class _Page(HTMLParser):
    """Collects what a page would load or run, and whether its elements are closed in order."""

    VOID = frozenset({"meta", "line", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in {"script", "link", "img", "iframe"}:
            self.loads.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"} or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing(lorentz_report: Report, rotation_report: Report) -> None:
    for report in (lorentz_report, rotation_report, replace(rotation_report, generators=(), spectrum=())):
        text = to_html(report)
        page = _Page()
        page.feed(text)
        assert page.loads == [] and page.open == []
        assert "url(" not in text and "@import" not in text and "http" not in text


def test_the_page_shows_the_matrices(rotation_report: Report) -> None:
    page = to_html(rotation_report)
    figure = page[page.index("<figure>") : page.index("</figure>")]
    assert re.findall(r">([−\d.]+)</td>", figure) == ["0", "−1", "1", "0"]


def test_the_spectrum_puts_larger_defects_higher(lorentz_report: Report) -> None:
    drawing = spectrum_svg(lorentz_report)
    heights = [float(y) for y in re.findall(r'<circle[^>]* cy="([\d.]+)"', drawing)]
    kinds = re.findall(r'<circle class="(\w+)"', drawing)
    assert kinds == ["certified"] * 6 + ["refuted"] * 10
    assert min(heights[:6]) > max(heights[6:])  # y grows downwards
    tolerance = float(re.findall(r'class="tolerance"[^>]* y1="([\d.]+)"', drawing)[0])
    assert max(heights[6:]) < tolerance < min(heights[:6])


def test_a_spectrum_of_zeros_and_gaps_can_be_drawn(rotation_report: Report) -> None:
    zeros = (SpectrumEntry(defect=0.0, lower=0.0, upper=0.0), SpectrumEntry(defect=None))
    assert spectrum_svg(replace(rotation_report, spectrum=zeros, settings={})).count("<circle") == 1
    assert spectrum_svg(replace(rotation_report, spectrum=())) == ""


def test_nothing_found_is_said(rotation_report: Report) -> None:
    report = replace(
        rotation_report,
        generators=(),
        set_apart=(),
        spectrum=(SpectrumEntry(defect=0.3, lower=0.2, upper=0.4),),
        algebra=Algebra(dimension=0),
        fit=None,
    )
    text = to_table_text(report)
    assert "nothing certified" in text and "(not a symmetry)" in text and "fit" not in text
    empty = replace(report, spectrum=())
    assert "nothing certified" in to_table_text(empty) and "nothing certified" in to_markdown(empty)


def test_the_undecided_are_counted_apart_and_choices_are_notes(rotation_report: Report) -> None:
    undecided = replace(rotation_report.generators[0], verdict="undecided")
    report = replace(
        rotation_report, generators=(undecided,), algebra=Algebra(dimension=0), notes=("output action: invariant",)
    )
    text = to_table_text(report)
    assert "algebra    nothing certified; 1 undecided\n" in text
    assert "note       output action: invariant\n" in text


def test_directions_set_apart_are_not_shown_as_refuted(rotation_report: Report) -> None:
    # the second entry of the spectrum, 0.7, is the direction set apart
    assert [row.defect for row in generator_rows(rotation_report)] == ["1e-13", "0.9"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0"), (5e-13, "5e-13"), (9.6e-4, "1e-3"), (0.12, "0.12"), (0.0500001, "0.05"), (1.0, "1")],
)
def test_defects_are_short(value: float | None, text: str) -> None:
    assert number_text(value) == text


def test_the_algebra_in_words() -> None:
    abelian = Algebra(dimension=1, name="R", semisimple=False, solvable=True, compact=False, closure=0.0)
    assert algebra_text(abelian) == "R, dimension 1: not semisimple, solvable, not compact, closed"
    assert algebra_text(Algebra(dimension=3)) == "dimension 3"
    unknown = Algebra(dimension=2, name="unidentified", reason="the noise is too large")
    assert algebra_text(unknown) == "unidentified, dimension 2: because the noise is too large"


def test_the_structure_in_words() -> None:
    euclidean = Algebra(
        dimension=6,
        name="e(3)",
        killing_signature=(0, 3),
        center_dimension=0,
        radical_dimension=3,
        nilradical_dimension=3,
        levi="so(3)",
        solvable=False,
        derived_dimensions=(6,),
    )
    assert structure_text(euclidean) == "Killing signature (0, 3), radical of dimension 3, Levi factor so(3)"
    assert structure_text(Algebra(dimension=0)) == ""


def test_preserved_forms_in_words() -> None:
    symplectic = PreservedForm(matrix=((0.0, 1.0), (-1.0, 0.0)), signature=(1, 1), uncertainty=1e-9, symmetric=False)
    assert forms_text([symplectic]) == "[0 1; −1 0] ± 1e-9, antisymmetric"
    scaled = PreservedForm(matrix=((1.0, 0.0), (0.0, 0.5)))
    assert forms_text([scaled] * 5) == "; ".join(["diag(1, 0.5)"] * 3) + "; and 2 more"


@pytest.mark.parametrize(
    ("fixed", "text"),
    [
        (FixedPoints(point=(0.0, 0.0)), ""),
        (FixedPoints(point=(0.0, 0.0), directions=None), ""),
        (FixedPoints(point=(0.5, -1.0)), "(0.5, −1)"),
        (FixedPoints(point=(0.0, 0.0), directions=((0.0, 1.0),)), "the origin and what lies along (0, 1)"),
        (FixedPoints(point=(0.0, 0.0), directions=((-3e-17, -0.5),)), "the origin and what lies along (0, 1)"),
    ],
)
def test_fixed_points_in_words(fixed: FixedPoints, text: str) -> None:
    assert fixed_text(fixed) == text


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (None, ""),
        (((0.0, 0.0), (0.0, 0.0)), ""),
        (((1e-12, 0.0), (0.0, 0.0)), ""),
        (((-2.0, 0.0), (0.0, -2.0)), "y ↦ −2 y"),
        (((-1.0, 0.0), (0.0, -1.0)), "y ↦ −y"),
        (((0.0, -1.0), (1.0, 0.0)), "y likewise"),
        (((0.0, -1.01), (1.0, 0.0)), "y nearly likewise"),
        (((0.0, 1.0), (0.0, 0.0)), "y ↦ [0 1; 0 0] y"),
        (tuple(tuple(float(i + j) for j in range(5)) for i in range(5)), "y ↦ By, B 5 × 5"),
    ],
)
def test_what_a_generator_does_to_y(rotation_report: Report, output: object, text: str) -> None:
    generator = replace(rotation_report.generators[0], output_action=output)
    assert output_text(rotation_report, generator) == text
    shown = to_table_text(replace(rotation_report, generators=(generator,)))
    assert f"x ∂y − y ∂x{', ' + text if text else ''}" in " ".join(shown.split())


def test_a_flow_shows_its_rescaling_of_time_in_the_expression_alone(rotation_report: Report) -> None:
    source = replace(rotation_report.source, kind="flow")
    generator = replace(rotation_report.generators[0], output_action=((1.0,),))
    assert output_text(replace(rotation_report, source=source), generator) == ""


def test_brackets_are_written_out(rotation_report: Report) -> None:
    # so(3): [ξ1, ξ2] = ξ3 and so on in turn, here with an undecided generator in between.
    f = [[[0.0] * 3 for _ in range(3)] for _ in range(3)]
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        f[i][j][k], f[j][i][k] = 1.0, -1.0
    certified = rotation_report.generators[0]
    undecided = replace(certified, verdict="undecided")
    report = replace(
        rotation_report,
        generators=(certified, undecided, certified, certified),
        algebra=Algebra(dimension=3, structure_constants=f),
    )
    assert bracket_texts(report) == ["[ξ1, ξ3] = ξ4", "[ξ1, ξ4] = −ξ3", "[ξ3, ξ4] = ξ1"]
    assert "[ξ1, ξ3] = ξ4" in to_html(report) and "ξ1, ξ3" in to_markdown(report)
    assert bracket_texts(rotation_report) == []


def test_latex_and_forms_are_shown(rotation_report: Report) -> None:
    page = to_html(rotation_report)
    assert "preserved form" in page and r"x\,\partial_{y}" in page
    assert r"`x\,\partial_{y} - y\,\partial_{x}`" in to_markdown(rotation_report)


def test_a_fit_without_degree_or_score(rotation_report: Report) -> None:
    report = replace(rotation_report, fit=Fit(surrogate="random features"))
    assert "fit        random features\n" in to_table_text(report)
