"""Labels and counts: probabilities and rates are fitted by likelihood, and judged as far as their rows allow."""

import math

import torch

from symfind.decision.witness.families import RegressionSettings
from symfind.decision.witness.fitting.labels import Labels, labels_of
from symfind.decision.witness.leftover import JudgeSettings
from symfind.decision.witness.proposals import Shape, catalogue
from symfind.decision.witness.trial import Rows, Verdict, joined, trial, verdict

JUDGES = JudgeSettings(centres=100, intervals=12)
FITS = RegressionSettings(knots=(4, 8), ridges=(1e-8, 1e-3), network=math.inf)


def drawn(seed: int, n: int, d: int) -> tuple[torch.Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64), generator


def judged(x: torch.Tensor, y: torch.Tensor, name: str) -> Verdict:
    offset, weight = y.mean(0), 1 / y.std(0)
    labels = labels_of(y, offset, weight)
    assert labels is not None
    rows = Rows(x, (y - offset) * weight, None, (x - x.mean(0)) / x.std(0), weight, labels)
    structure = next(s for s in catalogue(Shape((1, x.shape[1]), 1, False, False, False)) if s.name == name)
    half = torch.arange(len(x)) % 2 == 0
    first, second = rows.take(half.nonzero()[:, 0]), rows.take((~half).nonzero()[:, 0])
    trials = [trial(structure, a, b, 0, FITS, JUDGES) for a, b in ((first, second), (second, first))]
    assert trials[0] is not None and trials[1] is not None
    both = joined(trials[0], trials[1])
    return verdict(both, both.share, 0.05, JUDGES)


def labels_by(odds: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(len(odds), generator=generator, dtype=torch.float64) < torch.sigmoid(odds)).double()[:, None]


def test_a_label_of_the_radius_is_certified() -> None:
    x, generator = drawn(1, 9000, 2)
    assert judged(x, labels_by(9 * (1.2 - x.norm(dim=1)), generator), "so(2)").word == "certified"


def test_a_label_whose_edge_is_a_triangle_is_not() -> None:
    x, generator = drawn(2, 9000, 2)
    angle = torch.atan2(x[:, 1], x[:, 0])
    told = judged(x, labels_by(9 * (1.2 + 0.15 * torch.cos(3 * angle) - x.norm(dim=1)), generator), "so(2)")
    assert told.word != "certified" and told.lower > 0.05


def test_labels_that_know_nothing_of_x_certify_nothing() -> None:
    x, generator = drawn(3, 4000, 2)
    assert judged(x, labels_by(torch.zeros(4000), generator), "so(2)").word == "undecided"


def test_counts_of_a_radial_rate_are_certified_and_of_a_tilted_one_are_not() -> None:
    x, generator = drawn(4, 6000, 2)
    radial = 40 * torch.exp(-x.square().sum(1, keepdim=True) / 3)
    tilted = radial * torch.exp(0.15 * x[:, :1] * x[:, 1:])
    assert judged(x, torch.poisson(radial, generator), "so(2)").word == "certified"
    assert judged(x, torch.poisson(tilted, generator), "so(2)").word != "certified"


def test_what_is_a_label_and_what_a_count() -> None:
    one = torch.ones(())
    assert labels_of(torch.tensor([[-1.0], [3.0], [3.0]]), one, one) == Labels(False, -1.0, 4.0, 1.0, 1.0)
    counts = labels_of(torch.arange(5.0).repeat(10)[:, None], one, one)
    assert counts is not None and counts.counts
    assert labels_of(torch.arange(50.0)[:, None], one, one) is None  # few rows, many values: a number
    assert labels_of(torch.tensor([0.0, 0.5, 1.0]).repeat(9)[:, None], one, one) is None
    assert labels_of(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), one, one) is None


def test_odds_are_fitted_by_likelihood() -> None:
    x, generator = drawn(5, 20_000, 1)
    y = labels_by(0.5 - 1.5 * x[:, 0], generator)
    labels = Labels(False, 0.0, 1.0, 0.3, 2.0)
    w = labels.fitted(torch.cat([torch.ones_like(x), x], 1), (y - 0.3) * 2.0, 1e-9)
    assert torch.allclose(w, torch.tensor([0.5, -1.5]).double(), atol=0.08)  # three standard errors


def test_rates_are_fitted_by_likelihood() -> None:
    x, generator = drawn(6, 5000, 1)
    y = torch.poisson(torch.exp(1 + 0.5 * x), generator)
    labels = Labels(True, 0.0, 1.0, 0.0, 1.0)
    w = labels.fitted(torch.cat([torch.ones_like(x), x], 1), y, 1e-9)
    assert torch.allclose(w, torch.tensor([1.0, 0.5]).double(), atol=0.03)
    assert labels.deviance(labels.value(w[0] + x * w[1]), y) < labels.deviance(torch.full_like(y, float(y.mean())), y)
