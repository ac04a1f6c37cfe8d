"""Learned generators: the losses, a training that is interrupted, KdV found again, an equation without symmetry."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from jet_samples import random_jets

from symfind.decision.evidence import Finding
from symfind.decision.finding import decide
from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fields.neural import NeuralFields
from symfind.fits.training import Recipe, train
from symfind.kinds.field.determining_equations import Judged, evidence_of_equation
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.learned.search import learned_evidence, learned_fields, orders_of_variant
from symfind.kinds.field.learned.validity import Measure, derivative_loss, flow_loss
from symfind.kinds.field.transformed_jets import total_degree
from symfind.linalg.subspaces import principal_cosines
from symfind.progress import Clock, SilentProgress
from symfind.verbs.options import DiscoverOptions

BURGERS = "u_t + u*u_x - u_xx = 0"
GENERIC = "u_t + (1 + 0.5*sin(3*x + 2*t))*u*u_x - (1 + 0.3*cos(4*t - x))*u_xx - sin(2*x)*t = 0"


def problem(text: str, rows: int = 1200) -> tuple[Judged, JetSample]:
    equation = parse_equation(text, ("t", "x"), ("u",))
    return Judged(equation, None), random_jets(equation, rows)


def options(**given: object) -> DiscoverOptions:
    return DiscoverOptions(source="-", method="validity", **given)


@pytest.fixture(name="measure", scope="module")
def _measure() -> Measure:
    judged, jets = problem(BURGERS, 300)
    g = torch.Generator().manual_seed(5)
    full = {j: torch.randn(jets.rows, 1, generator=g, dtype=torch.float64) for j in total_degree(2, 2)}
    errors = {j: torch.full((1,), 1e-9, dtype=torch.float64) for j in full}
    return Measure.of(
        judged.equation, JetSample(("t", "x"), ("u",), jets.points, {**full, **jets.derivatives}, errors, jets.group)
    )


def small_network(fields: int) -> NeuralFields:
    return NeuralFields.draw(3, fields, (8,), torch.Generator().manual_seed(2))


def test_derivative_loss_depends_on_the_span_alone(measure):
    fields = small_network(3)
    mix = torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    first, second = derivative_loss(fields, measure), derivative_loss(fields.combined(mix), measure)
    assert float(first) == pytest.approx(float(second), abs=1e-8)


def test_derivative_loss_is_the_sum_of_logarithms_of_the_spectrum(measure):
    fields = small_network(3)
    values = measure.spectrum(fields).values
    expected = (values.square() + 1e-10).log().sum()
    assert float(derivative_loss(fields, measure)) == pytest.approx(float(expected), abs=1e-6)


def constant_fields(*components: tuple[float, float, float]) -> NeuralFields:
    """Fields without any slope: only the constant row of the head."""
    head = torch.zeros(9, len(components), 3, dtype=torch.float64)
    head[0] = torch.tensor(components, dtype=torch.float64)
    return (
        small_network(1)
        .combined(torch.ones(1, 1, dtype=torch.float64))
        .with_parameters([*small_network(1).parameters[:-1], head])
    )


def test_flow_loss_of_orthonormal_translations_is_its_floor(measure):
    g = torch.Generator().manual_seed(0)
    translations = constant_fields((1, 0, 0), (0, 1, 0))
    # Exact solutions stay solutions: log 10⁻⁴ at every point; no overlap, no slope.
    assert float(flow_loss(translations, measure, measure, g)) == pytest.approx(math.log(1e-4), abs=1e-6)


def test_flow_loss_sees_copies_and_fields_that_are_no_symmetries(measure):
    g = torch.Generator().manual_seed(0)
    copies = constant_fields((1, 0, 0), (1, 0, 0))
    # One pair at an angle of zero, three times π/2, less what clamps the cosine at 1 − 10⁻⁶.
    assert float(flow_loss(copies, measure, measure, g)) == pytest.approx(math.log(1e-4) + 1.5 * math.pi, abs=0.01)
    shift_of_u = constant_fields((0, 0, 1))
    assert float(flow_loss(shift_of_u, measure, measure, g)) > math.log(1e-4) + 2


def quadratic(parameters, generator):
    return (parameters[0] - torch.randn(3, generator=generator, dtype=torch.float64)).square().sum()


def judged_quadratic(parameters):
    return float(parameters[0].square().sum()), ""


def recipe(path: Path | None, steps: int, *, resume: bool = False, settings: str = "a") -> Recipe:
    return Recipe(steps, 10, 0.05, path, resume, settings)


def test_training_goes_on_where_it_was_interrupted(tmp_path):
    start = [torch.ones(3, dtype=torch.float64)]
    silent = SilentProgress()
    whole = train(start, quadratic, judged_quadratic, recipe(None, 40), torch.Generator().manual_seed(1), silent)

    class Interrupted(SilentProgress):
        def phase(self, name, total=None):
            if "step 20" in name:
                raise KeyboardInterrupt
            return super().phase(name, total)

    path = tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        train(start, quadratic, judged_quadratic, recipe(path, 40), torch.Generator().manual_seed(1), Interrupted())
    again = recipe(path, 40, resume=True)
    rest = train(start, quadratic, judged_quadratic, again, torch.Generator().manual_seed(9), silent)
    assert torch.equal(rest.parameters[0], whole.parameters[0])
    assert rest.scores == whole.scores
    with pytest.raises(InputError, match="other data or options"):
        other = recipe(path, 40, resume=True, settings="b")
        train(start, quadratic, judged_quadratic, other, torch.Generator(), silent)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="no checkpoint"):
        train(start, quadratic, judged_quadratic, again, torch.Generator(), silent)


def test_training_stops_when_nothing_gets_better():
    found = train(
        [torch.zeros(1, dtype=torch.float64)], lambda p, _: p[0].sum() * 0.0, lambda _: (1.0, ""),
        recipe(None, 1000), torch.Generator(), SilentProgress(),
    )  # fmt: skip
    assert found.steps == 50


def learned_finding(text: str, steps: int) -> tuple[Finding, JetSample]:
    judged, jets = problem(text)
    z = torch.cat([jets.points, jets.values], 1)
    space = make_space("point:1", 3, ("t", "x", "u")).centred(z.mean(0), z.std(0))
    g = torch.Generator().manual_seed(0)
    closed = evidence_of_equation(judged, jets, space, g)
    evidence = learned_evidence(options(steps=steps, bootstrap=40), judged, jets, closed, g, Clock(SilentProgress()))
    return decide(evidence, 0.05, 0.05, 40, 0), jets


@pytest.fixture(scope="module")
def burgers() -> Finding:
    return learned_finding(BURGERS, 60)[0]


def test_learned_generators_are_printed_as_expressions(burgers):
    space = burgers.evidence.space
    assert len(burgers.generators) == 4  # ∂t, ∂x, t∂x + ∂u, 2t∂t + x∂x − u∂u
    assert all(g.verdict == "certified" for g in burgers.generators)
    z = burgers.evidence.bracket_points
    vectors = torch.stack([g.vector for g in burgers.generators], 1)
    found = torch.einsum("npa,pk->kna", space.evaluate(z), vectors).flatten(1)
    t, x, u = z.unbind(1)
    one, none = torch.ones_like(t), torch.zeros_like(t)
    rows = [(one, none, none), (none, one, none), (none, t, one), (2 * t, x, -u)]
    true = torch.stack([torch.stack(row, 1).flatten() for row in rows])
    assert float(principal_cosines(found, true).min()) > 0.99
    assert any("explains" in note for note in burgers.notes)
    assert any("learned by derivative" in message for message in burgers.evidence.messages)


def test_an_equation_without_symmetry_gives_none(burgers):
    """No learned field comes near the validity of a symmetry, and nothing is certified."""
    finding, _ = learned_finding(GENERIC, 60)
    assert not [g for g in finding.generators if g.verdict == "certified"]
    assert finding.spectrum[0][0] > 10 * max(entry[0] for entry in burgers.spectrum[:4])


@pytest.mark.slow
def test_flows_learn_too():
    judged, jets = problem(BURGERS, 300)
    g = torch.Generator().manual_seed(4)
    extra = {(2, 0): torch.randn(jets.rows, 1, generator=g, dtype=torch.float64)}
    extra[1, 1] = torch.randn(jets.rows, 1, generator=g, dtype=torch.float64)
    jets = JetSample(
        jets.independent, jets.dependent, jets.points, {**jets.derivatives, **extra},
        {**jets.errors, **{j: torch.full((1,), 1e-9, dtype=torch.float64) for j in extra}}, jets.group,
    )  # fmt: skip
    asked = options(steps=4, variant="flow")
    found = learned_fields(asked, judged, jets, 1, g, Clock(SilentProgress()))
    assert found.fields.dim == 3
    assert bool(torch.isfinite(found.values).all())


def test_flows_are_for_one_space_dimension():
    equation = parse_equation("u_t - u_xx - u_yy = 0", ("t", "x", "y"), ("u",))
    with pytest.raises(UsageError, match="derivative"):
        orders_of_variant("flow", equation)
