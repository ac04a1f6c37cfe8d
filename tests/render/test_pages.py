"""Parts of the page: formulas as MathML, flows, copies of a solution and level sets, pages of other verbs."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from symfind.render.html import to_html
from symfind.render.matrices import shown_matrix
from symfind.render.pages import mathml
from symfind.render.pages.documents import document_html
from symfind.render.pages.flows import contour, flow_cards, level_cards
from symfind.schema.coverage import Drawn
from symfind.schema.document import Generator, Invariant, Report
from symfind.schema.enforcement import Enforcement, ErrorMeasured, GeneratorScored, GroupUsed, ModelSource, Score


def tags(text: str) -> str:
    """The formula as tags and letters, without what a reader does not see."""
    return (
        re.sub(r' (role|title|aria-label|class)="[^"]*"', "", mathml.math(text))
        .replace("<span>", "")
        .replace("</span>", "")
    )


def test_indices_powers_and_derivatives_are_typeset() -> None:
    assert tags("x ∂y") == "<math><mrow><mi>x</mi><msub><mo>∂</mo><mi>y</mi></msub></mrow></math>"
    assert "<msup><mi>E</mi><mn>2</mn></msup>" in tags("E²")
    assert "<msup><msub><mi>E</mi><mi>1</mi></msub><mn>2</mn></msup>" in tags("E1²")
    assert "<msub><mi>u</mi><mi>xxx</mi></msub>" in tags("u_t = -u*u_xxx")
    assert tags("x ∂y − y ∂x").count("<math>") == 2  # a line may break between terms, and there alone
    assert tags("2 (x − 1) ∂y").count("<math>") == 1
    assert "<mtr><mtd><mrow><mn>0</mn></mrow></mtd><mtd><mrow><mn>1</mn></mrow></mtd></mtr>" in tags(
        "y ↦ [0 1; −1 0] y"
    )


@pytest.mark.parametrize("text", ["<b>&\"'", "x ∂y, y ↦ −2 y", "∂", "²", "[", "a_b_c", "f(x, y)", "ξ1", "1e-5*u_xx"])
def test_any_text_is_well_formed_and_runs_nothing(text: str) -> None:
    ElementTree.fromstring(f"<p>{mathml.math(text)}</p>")


def flat(report: Report, action: object, **more: object) -> Report:
    points = tuple((math.cos(a), math.sin(a)) for a in range(30))
    generator = replace(report.generators[0], input_action=action)
    return replace(report, generators=(generator,), drawn=Drawn(rows=points, **more))  # type: ignore[arg-type]


def polylines(card: str, kind: str) -> list[np.ndarray]:
    found = re.findall(rf'<polyline class="{kind}" points="([^"]*)"', card)
    return [np.array([[float(v) for v in p.split(",")] for p in line.split()]) for line in found]


def test_orbits_of_a_turn_are_circles(rotation_report: Report) -> None:
    (card,) = flow_cards(flat(rotation_report, ((0.0, -1.0), (1.0, 0.0))))
    orbits = polylines(card, "orbit")
    assert len(orbits) > 5
    for orbit in orbits:
        away = np.linalg.norm(orbit - 150.0, axis=1)
        assert away.max() - away.min() < 1.5  # pixels; the frame's middle is that of the rows
    assert card.count('class="arrow"') == len(orbits)


def test_without_rows_or_a_field_nothing_is_drawn(rotation_report: Report) -> None:
    assert list(flow_cards(rotation_report)) == []
    assert list(flow_cards(flat(rotation_report, None))) == []
    assert list(level_cards(flat(rotation_report, ((0.0, -1.0), (1.0, 0.0))))) == []


def test_a_solution_and_its_copies(rotation_report: Report) -> None:
    # u(x) = x² at t = 0 under ∂u: copies stand above and below it.
    curve = tuple((0.0, x / 10, (x / 10) ** 2) for x in range(-10, 11))
    action = {"exponents": ((0, 0, 0),), "coefficients": ((0.0, 0.0, 1.0),)}
    source = replace(rotation_report.source, kind="field", names=("t", "x", "u"))
    generator = replace(rotation_report.generators[0], expression="∂u", input_action=action)
    drawn = Drawn(rows=curve, curve=curve)
    (card,) = flow_cards(replace(rotation_report, source=source, generators=(generator,), drawn=drawn))
    (solution,), copies = polylines(card, "solution"), polylines(card, "orbit")
    assert len(copies) == 4
    for copy in copies:
        np.testing.assert_allclose(copy[:, 0], solution[:, 0], atol=0.11)
        assert np.ptp(copy[:, 1] - solution[:, 1]) < 0.3 and abs(copy[0, 1] - solution[0, 1]) > 3


def test_level_sets_lie_where_the_function_has_its_value() -> None:
    x = y = np.linspace(-1.5, 1.5, 61)
    heights = x[:, None] ** 2 + y[None, :] ** 2
    segments = contour(x, y, heights, 1.0)
    ends = np.array(segments).reshape(-1, 2)
    assert len(segments) > 60
    np.testing.assert_allclose(np.linalg.norm(ends, axis=1), 1.0, atol=1e-3)
    assert contour(x, y, heights, 9.0) == []


def test_invariants_are_drawn_and_a_text_that_is_none_is_not(rotation_report: Report) -> None:
    report = flat(rotation_report, ((0.0, -1.0), (1.0, 0.0)))
    algebra = replace(
        report.algebra,
        invariants=(Invariant(expression="x² + y²", degree=2), Invariant(expression="no (formula", degree=2)),
    )
    (card,) = level_cards(replace(report, algebra=algebra))
    assert 'class="level" d="M' in card and "<title>" not in card
    assert "What stays" in to_html(replace(report, algebra=algebra))


def test_matrices_lose_rounding_and_keep_small_units() -> None:
    # A turn of axes in units of 1e-4 and 1e4: its entries differ by 1e16, and both move the data.
    rows = tuple((1e-4 * math.cos(a), 1e4 * math.sin(a)) for a in range(20))
    turn = ((3e-17, -1e-8), (1e8, 4e-18))
    assert shown_matrix(turn, rows) == ((0.0, -1e-8), (1e8, 0.0))
    assert shown_matrix(((1.0, 1e-17), (1e-9, 0.0)), ()) == ((1.0, 0.0), (1e-9, 0.0))


def test_velocity_is_the_derivative_of_the_flow(rotation_report: Report) -> None:
    x = np.array([[0.3, -0.7], [1.0, 2.0]])
    actions = (((0.0, -1.0), (1.0, 0.5)), ((1.0, 2.0, 3.0), (0.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    cubic = {"exponents": ((1, 2), (0, 0)), "coefficients": ((1.0, 0.0), (0.0, 2.0))}
    for action in (*actions, cubic):
        generator: Generator = replace(rotation_report.generators[0], input_action=action)
        slope = (generator.apply(x, 1e-5) - generator.apply(x, -1e-5)) / 2e-5
        np.testing.assert_allclose(slope, generator.velocity(x), rtol=1e-6)


def test_pages_of_scores_and_enforcements(rotation_report: Report) -> None:
    where = rotation_report.environment
    source = ModelSource(path="m.pt", format="torchscript", input_shape=(2,), output_shape=(1,))
    group = GroupUsed(name="so(2)", dimension=1, components=1, compact=True, rep_in="V", rep_out="1")
    error = ErrorMeasured(largest=0.2, rms=0.1, elements=64)
    generators = (GeneratorScored(name="generator 1", defect=0.1, finite=(0.001, 0.01, 0.1)),)
    score = Score(
        source=source, group=group, sizes=(0.01, 0.1, 1.0), generators=generators, error=error, environment=where
    )
    page = document_html(score)
    assert page.count('<polyline class="orbit"') == 1 and "<script" not in page and "so(2)" in page
    (line,) = polylines(page, "orbit")
    steps = np.diff(line, axis=0)
    np.testing.assert_allclose(steps[0], steps[1], atol=0.2)  # error ∝ t is a straight line on logarithmic axes
    after = replace(error, largest=1e-12, rms=1e-13)
    done = Enforcement(
        source=source, group=group, method="average", reason="as few layers <commute>", error_before=error,
        error_after=after, environment=where, warnings=("slower",), settings={"group": "so2"},
    )  # fmt: skip
    page = document_html(done)
    assert "&lt;commute&gt;" in page and 'class="warning" role="note">slower' in page
    heights = [float(y) for y in re.findall(r'<circle[^>]* cy="([\d.]+)"', page)]
    assert len(heights) == 2 and heights[1] > heights[0]  # the error after stands lower
