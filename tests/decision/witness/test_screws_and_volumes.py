"""Screws and volumes: found where they are exact, not where they are broken by a tenth of the spread."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from symfind.decision.witness.families import RegressionSettings
from symfind.decision.witness.fitting.regression import SymmetricFit
from symfind.decision.witness.learned import learned_forms
from symfind.decision.witness.leftover import Judged, JudgeSettings, Leftover
from symfind.decision.witness.problem import Problem, WitnessSettings
from symfind.decision.witness.proposals import Shape, catalogue
from symfind.decision.witness.scalings import _roundings, proposed_scalings, scaling_of
from symfind.decision.witness.structure import Screw, Structure, SymmetricClass, Volumes
from symfind.decision.witness.trial import Rows, Trial, Verdict, joined, trial, verdict
from symfind.fields.catalogue import make_space
from symfind.lie_derivative import Invariant

JUDGES = JudgeSettings(centres=100, intervals=12)
FITS = RegressionSettings(knots=(8, 24), lengths=(1.0, 2.0), ridges=(1e-9, 1e-5), centres=200, network=math.inf)


def rows_of(x: Tensor, y: Tensor) -> Rows:
    weight = 1 / y.std(0)
    return Rows(x, (y - y.mean(0)) * weight, None, (x - x.mean(0)) / x.std(0), weight)


def drawn(seed: int, n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def problem(objects: tuple[int, int], space: str) -> Problem:
    d = objects[1]
    fields = make_space(space, d, [f"x{i}" for i in range(d)])
    shape = Shape(objects, 1, False, False, space == "affine")
    return Problem(shape, fields, Invariant(), objects, (1, 1), torch.eye(d, dtype=torch.float64))


def judged(structure: SymmetricClass, rows: Rows) -> Verdict:
    half = torch.arange(len(rows)) % 2 == 0
    first, second = rows.take(half.nonzero()[:, 0]), rows.take((~half).nonzero()[:, 0])
    trials = [trial(structure, a, b, 0, FITS, JUDGES) for a, b in ((first, second), (second, first))]
    assert trials[0] is not None and trials[1] is not None
    both = joined(trials[0], trials[1])
    return verdict(both, both.share, 0.05, JUDGES)


def wave(x: Tensor, pitch: float, centre: tuple[float, float]) -> Tensor:
    u, v = x[:, 0] - centre[0], x[:, 1] - centre[1]
    angle = pitch * x[:, 2]
    return (torch.exp(-(u**2 + v**2) / 2) * (u * torch.cos(angle) + v * torch.sin(angle)))[:, None]


@pytest.mark.parametrize(("pitch", "centre"), [(1.3, (0.0, 0.0)), (-0.7, (0.5, -0.3))])
def test_a_screw_is_found_with_its_pitch_and_centre(pitch: float, centre: tuple[float, float]) -> None:
    asked, x = problem((1, 3), "affine"), drawn(1, 1500, 3)
    rows = rows_of(x, wave(x, pitch, centre))
    settings = WitnessSettings(regression=FITS)
    [screw] = [s for s, _, _ in learned_forms(asked, rows, 0, settings) if isinstance(s, Screw)]
    assert float(screw.pitch) == pytest.approx(pitch, rel=2e-3)
    assert screw.centre.tolist() == pytest.approx(centre, abs=2e-3)
    [field] = asked.algebra(screw, x).vectors.T
    assert judged(screw, rows).word == "certified"
    # x∂y − y∂x about c, and 1/κ along z.
    at = torch.zeros(1, 3).double()
    at[0, :2] = screw.centre + torch.tensor([1.0, 0.0]).double()
    _, turned, shifted = (asked.space.evaluate(at)[0].T @ field).tolist()
    assert shifted / turned == pytest.approx(1 / pitch, rel=2e-3)
    broken = rows_of(x, wave(x, pitch, centre) + 0.05 * x[:, 2:])
    assert judged(screw, broken).word != "certified"


def test_no_screw_is_refined_where_slopes_show_none() -> None:
    x = drawn(2, 2000, 3)
    for y in (x[:, :2].square().sum(1, keepdim=True), torch.tanh(x[:, :1] * x[:, 1:2]) + x[:, 2:] ** 2):
        learned = learned_forms(problem((1, 3), "affine"), rows_of(x, y), 0, WitnessSettings())
        assert not any(isinstance(s, Screw) for s, _, _ in learned)


@pytest.mark.parametrize(
    ("objects", "space", "name", "dimension"),
    [
        ((3, 3), "linear", "sl(3)", 8),
        ((4, 3), "linear", "sl(3)", 8),
        ((4, 3), "affine", "sl(3) with translations", 11),
        ((4, 4), "linear", "sl(4)", 15),
        ((1, 12), "linear", "volumes of 4 vectors, interleaved", 8),
        ((1, 9), "linear", "volumes of 3 vectors, stacked", 16),
    ],
)
def test_the_algebras_that_leave_volumes_alone(objects: tuple[int, int], space: str, name: str, dimension: int) -> None:
    asked = problem(objects, space)
    [found] = [s for s in catalogue(asked.shape) if s.name == name]
    assert isinstance(found, Volumes)
    assert asked.algebra(found, drawn(3, 200, objects[0] * objects[1])).dimension == dimension


def test_a_volume_is_certified_and_one_with_a_little_of_a_coordinate_is_not() -> None:
    x = drawn(4, 3000, 9)
    volume = torch.tanh(torch.linalg.det(x.reshape(-1, 3, 3)))[:, None]
    [found] = [s for s in catalogue(problem((3, 3), "linear").shape) if s.name == "sl(3)"]
    assert judged(found, rows_of(x, volume + 0.01 * drawn(5, 3000, 1))).word == "certified"
    assert judged(found, rows_of(x, volume + 0.06 * x[:, :1])).word != "certified"


def test_distances_of_bodies_hold_sums_over_pairs_that_their_products_do_not() -> None:
    x = drawn(6, 3000, 12)
    bodies = x.reshape(-1, 4, 3)
    apart = [(bodies[:, a] - bodies[:, b]).square().sum(1) for a in range(4) for b in range(a)]
    y = -sum(((r2 + 0.2).rsqrt() for r2 in apart), torch.zeros(3000).double())[:, None]
    found = {s.name: s for s in catalogue(problem((4, 3), "linear").shape)}
    rows = rows_of(x, y)
    half, other = rows.take(torch.arange(1500)), rows.take(torch.arange(1500, 3000))
    by_distances, by_products = (trial(found[n], half, other, 0, FITS) for n in ("so(3), by distances", "so(3)"))
    assert by_distances is not None and by_products is not None
    assert by_distances.share < 0.1 * by_products.share
    asked = problem((4, 3), "linear")
    assert asked.algebra(found["so(3), by distances"], x[:200]).dimension == 3


def test_what_a_poor_fit_leaves_over_has_no_lower_bound() -> None:
    """A fifth of the variance is missed by the best predictor, and a judge sees it: nothing is broken for sure."""
    left = Leftover((Judged("4 neighbours", 0.3, 0.01),), ())
    none = SymmetricFit(lambda z: z, torch.zeros(0, 1), "", 0.2, 3)
    [anything] = [s for s in catalogue(problem((1, 3), "linear").shape) if s.name == "so(3)"]
    found = Trial(anything, none, 0.2, 0.005, left)
    assert verdict(found, 0.2, 0.05, JUDGES).lower == 0.0
    sure = verdict(found, 0.001, 0.05, JUDGES)
    assert sure.word == "refuted" and sure.lower > 0.05


def test_the_scaling_of_everything_is_tried_where_a_poor_fit_shows_none() -> None:
    """log|(a − c)/(b − c)|: steep, so that a rough fit has slopes in which nothing can be read."""
    x = drawn(7, 1500, 3)
    rows = rows_of(x, ((x[:, :1] - x[:, 2:]) / (x[:, 1:2] - x[:, 2:])).abs().log())
    [found] = [s for s in catalogue(problem((3, 1), "affine").shape) if s.name == "translations of all objects"]
    assert isinstance(found, Structure)
    poor = SymmetricFit(lambda z: torch.cat([z, z.square()], 1), torch.ones(4, 1).double(), "", 0.3)
    [[scaling]] = proposed_scalings(found, poor, rows, 1, [], False, False)
    assert scaling.inputs.tolist() == [[1.0, 1.0, 1.0]]
    assert proposed_scalings(found, replace(poor, error=1e-4), rows, 1, [], False, False) == []


def test_an_angle_has_the_scaling_of_everything_and_one_of_softened_lengths_has_not() -> None:
    """uv/(u² + v² + c) of two differences: of degree zero for c = 0 alone."""
    x = drawn(8, 2400, 3)
    u, v = x[:, :1] - x[:, 2:], x[:, 1:2] - x[:, 2:]
    [found] = [s for s in catalogue(problem((3, 1), "affine").shape) if s.name == "translations of all objects"]
    assert isinstance(found, Structure)
    one = torch.ones(1, 3, dtype=torch.float64)
    scaling = scaling_of(found, one, torch.zeros(1, 1).double(), x)
    assert scaling is not None
    scaled = found.scaled("s", scaling)
    assert problem((3, 1), "affine").algebra(scaled, x).dimension == 2
    assert judged(scaled, rows_of(x, u * v / (u**2 + v**2))).word == "certified"
    assert judged(scaled, rows_of(x, u * v / (u**2 + v**2 + 0.1))).word != "certified"


def test_the_nearest_whole_exponents_are_tried_beside_what_slopes_say() -> None:
    """σ = −2.55 of a field that falls as r⁻³, read off slopes at its steep end."""
    [first, *_] = _roundings(torch.tensor([[0.2865, 0.3363, -0.8588]], dtype=torch.float64), 2)
    assert first.tolist() == [[1.0, 1.0, -3.0]]


@pytest.mark.parametrize("invariants", [0, 1, 3])
@pytest.mark.parametrize("best", [0.001, 0.2])
def test_what_is_undecided_has_no_lower_bound_above_the_tolerance(invariants: int, best: float) -> None:
    """A rest of 0.2 of the variance, of which near rows predict a third, is either refuted or not known."""
    left = Leftover((Judged("4 neighbours", 0.3, 0.01),), ())
    none = SymmetricFit(lambda z: z, torch.zeros(0, 1), "", 0.2, invariants)
    [anything] = [s for s in catalogue(problem((1, 3), "linear").shape) if s.name == "so(3)"]
    told = verdict(Trial(anything, none, 0.2, 0.005, left), best, 0.05, JUDGES)
    assert told.word == ("refuted" if invariants == 1 or best < 0.1 else "undecided")
    assert (told.lower > 0.05) == (told.word == "refuted")


@pytest.mark.parametrize(("eta", "word"), [(0.0104, "certified"), (0.02, "approximate")])
def test_a_rest_that_may_be_within_the_resolution_costs_no_certificate(eta: float, word: str) -> None:
    """Seen as surely as a judge must be: 3.4 standard errors."""
    share = eta**2
    left = Leftover((Judged("4 neighbours", 0.5, 0.5 / 3.4),), (Judged("4 neighbours", 0.9, 0.01),))
    fit = SymmetricFit(lambda z: z, torch.zeros(0, 1), "", 0.0, 3)
    [anything] = [s for s in catalogue(problem((1, 3), "linear").shape) if s.name == "so(3)"]
    assert verdict(Trial(anything, fit, 2 * share, 0.0, left), 2 * share, 0.05, JUDGES).word == word
