"""Every side of the bounds: weights of one are the plain pencil, weights are linear, directions span, repeats agree."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from symfind.decision.bounds import Side, exponential_weights
from symfind.decision.given import GivenSide
from symfind.decision.halves import Half
from symfind.decision.refits import RefitSide
from symfind.fields.catalogue import make_space
from symfind.fits.features import FourierFeatures, PolynomialFeatures, Standardiser
from symfind.fits.geometry import Moments, input_geometry
from symfind.fits.surrogate import Family, LinearFit, Samples, fit_weights
from symfind.kinds.frame import Frame
from symfind.kinds.maps.nullspace import lie_derivative
from symfind.kinds.points.tangent import Metric, NormalPencil, local_normals
from symfind.kinds.points.weak import WeakForm, WeakSide
from symfind.kinds.questions import QUESTIONS
from symfind.lie_derivative import Bracket, Free, Invariant, OutputAction


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def frame_of(x: Tensor, kind: str, outputs: tuple[int, int], action: OutputAction, space: str = "linear") -> Frame:
    moments = Moments(3)
    moments.add(x)
    geometry = input_geometry(moments, 1)
    fields = make_space(space, 3, ("x", "y", "z")).centred(geometry.mean, geometry.scale)
    return Frame(QUESTIONS[kind], (1, 3), outputs, geometry, fields, action)


def half_of(x: Tensor, y: Tensor) -> Half:
    return Half(Samples(x, y), torch.arange(len(x)) % 20)


def refit_side(kind: str, action: OutputAction, outputs: int, waves: bool = False) -> Side:
    x = normal(400, 3)
    y = torch.stack([x[:, 1] * x[:, 2], -x[:, 0] * x[:, 2] + x[:, 1] ** 3, x[:, 0]], 1)[:, :outputs]
    y = y + 0.05 * normal(400, outputs, seed=3)
    standard = Standardiser.of(x.mean(0), x.std(0))
    family = Family(PolynomialFeatures.of_degree(standard, 3))
    if waves:
        family = Family(FourierFeatures.draw(standard, 20, 1.5, torch.Generator().manual_seed(0)), 1e-6)
    weights, _ = fit_weights(family, [(x, y)], outputs)
    fit = LinearFit(family.features, weights, (3,), (outputs,))
    derivative = lie_derivative(frame_of(x, kind, (1, outputs), action), fit, x)
    return RefitSide(half_of(x, y), derivative, family)


def given_side() -> Side:
    side = refit_side("function", Invariant(), 1)
    assert isinstance(side, RefitSide)
    return GivenSide(side.half, side.template, (3,))


def weak_side() -> Side:
    x = normal(600, 3)
    frame = frame_of(x, "points", (1, 1), Invariant(), "affine")
    half = half_of(x, x[:, :0])
    return WeakSide(half, WeakForm(frame, half.samples, torch.Generator().manual_seed(0)))


def tangent_side() -> Side:
    x = torch.nn.functional.normalize(normal(400, 3), dim=1)
    frame = frame_of(x, "points", (1, 1), Invariant())
    inputs = frame.geometry.inputs
    metric = Metric(inputs.whiten, inputs.colour)
    planes = local_normals(x @ metric.whiten.T, x.new_zeros(3), metric, 2, 12)
    return GivenSide(half_of(x, x[:, :0]), NormalPencil(frame.space, metric, planes), (3,))


MAKERS: dict[str, Callable[[], Side]] = {
    "refits of a scalar": lambda: refit_side("function", Invariant(), 1),
    "refits of a vector, free": lambda: refit_side("function", Free(3), 3),
    "refits of a flow": lambda: refit_side("flow", Bracket(), 3),
    "refits with waves": lambda: refit_side("function", Invariant(), 1, waves=True),
    "given": given_side,
    "weak": weak_side,
    "tangent": tangent_side,
}


@pytest.fixture(scope="module", params=MAKERS)
def side(request: pytest.FixtureRequest) -> Side:
    return MAKERS[request.param]()


def test_directions_are_ascending_and_as_many_as_the_space_has(side: Side) -> None:
    found = side.directions()
    assert bool((found.values.diff() >= 0).all())
    assert found.vectors.shape[1] + found.trivial.shape[1] == found.vectors.shape[0]


def test_weights_of_one_are_the_plain_pencil_and_their_scale_does_not_matter(side: Side) -> None:
    along = side.along(side.directions().vectors[:, :4])
    ones = torch.ones(1, side.blocks, dtype=torch.float64)
    n1, s1 = along.grams(ones)
    n3, s3 = along.grams(3 * ones)
    torch.testing.assert_close(n3 / s3.diagonal(dim1=1, dim2=2)[:, None], n1 / s1.diagonal(dim1=1, dim2=2)[:, None])
    assert n1.shape == s1.shape == (1, 4, 4)


def test_grams_are_symmetric_and_follow_a_change_of_directions(side: Side) -> None:
    vectors = side.directions().vectors[:, :3]
    weights = exponential_weights(5, side.blocks, torch.Generator().manual_seed(1))
    n, s = side.along(vectors).grams(weights)
    mix = normal(3, 2, seed=7)
    mixed_n, mixed_s = side.along(vectors @ mix).grams(weights)
    for whole, part in ((n, mixed_n), (s, mixed_s)):
        scale = float(whole.abs().max())
        torch.testing.assert_close(whole, whole.mT, rtol=0, atol=1e-12 * scale)
        torch.testing.assert_close(mix.T @ whole @ mix, part, rtol=1e-8, atol=1e-11 * scale)


def test_each_row_of_weights_is_for_itself_and_repeats_agree(side: Side) -> None:
    along = side.along(side.directions().vectors[:, :3])
    weights = exponential_weights(4, side.blocks, torch.Generator().manual_seed(2))
    n, s = along.grams(weights)
    alone_n, alone_s = along.grams(weights[2:3])
    torch.testing.assert_close(n[2:3], alone_n, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(s[2:3], alone_s, rtol=1e-9, atol=1e-14)


def test_misfit_grams_have_the_size_of_the_directions(side: Side) -> None:
    for gram in side.along(side.directions().vectors[:, :3]).misfit():
        assert gram.shape == (3, 3)
        torch.testing.assert_close(gram, gram.mT)


@pytest.mark.parametrize("name", ["given", "tangent"])
def test_without_a_fit_the_weighted_quotient_is_the_defect(name: str) -> None:
    side = MAKERS[name]()
    found = side.directions()
    n, s = side.along(found.vectors).grams(torch.ones(1, side.blocks, dtype=torch.float64))
    defects = (n[0].diagonal() / s[0].diagonal()).sqrt()
    torch.testing.assert_close(defects, found.values, rtol=1e-9, atol=1e-12)


def test_rows_that_are_kept_and_rows_that_are_made_again_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = given_side()
    monkeypatch.setattr("symfind.decision.given._KEPT_NUMBERS", 0)
    made = given_side()
    vectors = kept.directions().vectors[:, :4]
    weights = exponential_weights(5, kept.blocks, torch.Generator().manual_seed(1))
    for one, other in zip(kept.along(vectors).grams(weights), made.along(vectors).grams(weights), strict=True):
        torch.testing.assert_close(one, other)
