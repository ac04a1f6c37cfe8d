"""t*: exact symmetries reach all the way, false ones stop where their finite defect passes δ."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from symfind.decision.reach import STEPS, Follower, _exponential, _stepwise, leverage_inside, unit_of_flow
from symfind.fields.catalogue import make_space
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.geometry import Moments, input_geometry
from symfind.fits.surrogate import Family, LinearFit, fit_weights
from symfind.kinds.frame import Frame
from symfind.kinds.maps.nullspace import lie_derivative
from symfind.kinds.questions import QUESTIONS
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, LieDerivative, OutputAction

TURN = torch.tensor([[0.0, -1.0, 0], [1.0, 0, 0], [0, 0, 0]], dtype=torch.float64)
END = STEPS[-1]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def derivative_of(
    x: Tensor, y: Tensor, degree: int, action: OutputAction, kind: str = "function", space: str = "affine"
) -> LieDerivative:
    d, m = x.shape[1], y.shape[1]
    family = Family(PolynomialFeatures.of_degree(Standardiser.of(x.mean(0), x.std(0)), degree))
    weights, _ = fit_weights(family, [(x, y)], m)
    moments = Moments(d)
    moments.add(x)
    geometry = input_geometry(moments, 1)
    fields = make_space(space, d, tuple("xyz"[:d])).centred(geometry.mean, geometry.scale)
    frame = Frame(QUESTIONS[kind], (1, d), (1, m), geometry, fields, action)
    return lie_derivative(frame, LinearFit(family.features, weights, (d,), (m,)), x)


def vector_of(derivative: LieDerivative, x: Tensor, matrix: Tensor, extra: list[float] | None = None) -> Tensor:
    basis = derivative.space.evaluate(x).transpose(1, 2).reshape(x.numel(), -1)
    # gelsd: the default driver returns noise for dependent columns (torch 2.13).
    c = torch.linalg.lstsq(basis, (x @ matrix.T).reshape(-1, 1), driver="gelsd").solution[:, 0]
    return torch.cat([c, torch.tensor(extra or [], dtype=torch.float64)])


def quartic(x: Tensor) -> Tensor:
    return (x[:, :1].square() + x[:, 1:2].square()).square() + x[:, 2:]


@pytest.fixture(scope="module")
def scalar() -> tuple[Tensor, LieDerivative]:
    x = normal(600, 3)
    return x, derivative_of(x, quartic(x), 4, Invariant())


def test_an_exact_rotation_reaches_half_a_turn(scalar: tuple[Tensor, LieDerivative]) -> None:
    x, derivative = scalar
    assert Follower(derivative, x[:300], None).reach(vector_of(derivative, x, TURN), 0.05).distance == END


def test_the_length_of_the_vector_does_not_matter(scalar: tuple[Tensor, LieDerivative]) -> None:
    x, derivative = scalar
    assert Follower(derivative, x[:300], None).reach(1e4 * vector_of(derivative, x, TURN), 0.05).distance == END


def test_a_false_field_does_not_reach(scalar: tuple[Tensor, LieDerivative]) -> None:
    x, derivative = scalar
    scaling = vector_of(derivative, x, torch.eye(3).double())
    assert Follower(derivative, x[:300], None).reach(scaling, 0.05).distance == 0.0


def test_a_scaling_with_its_action_on_y_and_a_flow_with_its_rescaling_of_time() -> None:
    x = normal(500, 3)
    y = torch.stack([x[:, 1] * x[:, 2], -x[:, 0] * x[:, 2], x[:, 0] * x[:, 1] / 3], 1)
    eye = torch.eye(3).double()
    free = derivative_of(x, y, 2, Free(3))
    right = vector_of(free, x, eye, (2 * eye).flatten().tolist())
    wrong = vector_of(free, x, eye, (1.5 * eye).flatten().tolist())
    assert Follower(free, x[:300], None).reach(right, 0.05).distance == END
    assert Follower(free, x[:300], None).reach(wrong, 0.05).distance == 0.0
    flow = derivative_of(x, y, 2, Bracket(), "flow")
    assert Follower(flow, x[:300], None).reach(vector_of(flow, x, eye, [1.0]), 0.05).distance == END
    assert Follower(flow, x[:300], None).reach(vector_of(flow, x, eye, [0.0]), 0.05).distance == 0.0


def test_thin_data_stop_a_rotation_that_is_only_small_at_first() -> None:
    """x² + y² + 5z² with σ_z = 0.1: the rotation of x and z has a small ρ, and no finite turn holds."""
    x = normal(2000, 3) * torch.tensor([1.0, 1.0, 0.1])
    y = x[:, :1] ** 2 + x[:, 1:2] ** 2 + 5 * x[:, 2:] ** 2
    derivative = derivative_of(x, y, 3, Invariant())
    turn = torch.tensor([[0.0, 0, -1.0], [0, 0, 0], [1.0, 0, 0]], dtype=torch.float64)
    v = vector_of(derivative, x, turn)
    assert Follower(derivative, x[:400], None).reach(v, 0.05).distance < 0.3


def test_a_translation_far_from_the_origin() -> None:
    """sin-free: F = (x − y)² at mean 30; x∂x + x∂y is a symmetry, which carries the data away within 1/30."""
    x = normal(800, 2) + 30.0
    derivative = derivative_of(x, (x[:, :1] - x[:, 1:]) ** 2 + (x[:, :1] - x[:, 1:]) ** 3, 3, Invariant())
    matrix = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    inside = leverage_inside(derivative.map.features, x)  # type: ignore[attr-defined]
    assert Follower(derivative, x[:400], inside).reach(vector_of(derivative, x, matrix), 0.05).distance >= 0.3


def test_redundant_coordinates_do_not_shorten_it() -> None:
    x = normal(600, 3)
    x[:, 2] = x[:, 0] + x[:, 1]
    y = (x[:, :1] ** 2 + x[:, 1:2] ** 2) ** 2
    derivative = derivative_of(x, y, 4, Invariant())
    tangent = torch.tensor([[0.0, -1.0, 0], [1.0, 0, 0], [1.0, -1.0, 0]], dtype=torch.float64)
    normal_to_plane = x.var(0) * torch.tensor([1.0, 1.0, -1.0])  # in standardised coordinates
    off = tangent + torch.outer(normal_to_plane, torch.tensor([5.0, -3.0, 0.0]).double())
    for matrix in (tangent, off):  # they differ by a trivial field: both are the same generator
        assert Follower(derivative, x[:300], None).reach(vector_of(derivative, x, matrix), 0.05).distance == END


def test_a_zero_vector_reaches_nowhere(scalar: tuple[Tensor, LieDerivative]) -> None:
    x, derivative = scalar
    assert Follower(derivative, x[:50], None).reach(torch.zeros(12).double(), 0.05).distance == 0.0


def test_points_that_leave_where_the_fit_was_made_do_not_count_and_none_left_is_the_end() -> None:
    x = normal(600, 3)
    derivative = derivative_of(x, quartic(x), 4, Invariant())
    v = vector_of(derivative, x, TURN)

    def nowhere(p: Tensor) -> Tensor:
        return torch.zeros(len(p), dtype=torch.bool)

    assert Follower(derivative, x[:300], nowhere).reach(v, 0.05).distance == 0.0
    inside = leverage_inside(derivative.map.features, x)  # type: ignore[attr-defined]
    assert float(inside(x).double().mean()) > 0.97
    assert not bool(inside(50 * x).any())
    assert Follower(derivative, x[:300], inside).reach(v, 0.05).distance == END


def test_unit_is_a_radian_for_a_rotation_and_a_spread_for_a_shift(scalar: tuple[Tensor, LieDerivative]) -> None:
    x, derivative = scalar
    assert unit_of_flow(derivative, vector_of(derivative, x, 2 * TURN), x) == pytest.approx(0.5, rel=1e-6)
    wide = replace(derivative, space=make_space("translations", 3, ("x", "y", "z")))
    shift = torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)
    expected = float(x[:, 0].std()) * 3**0.5 / 2
    assert unit_of_flow(wide, shift, x) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("action", "extra", "kind"),
    [(Free(3), (2 * torch.eye(3).double() + 0.3 * TURN).flatten().tolist(), "function"), (Bracket(), [0.7], "flow"),
     (Commuting(), [], "map")],
)  # fmt: skip
def test_exponentials_of_matrices_and_small_steps_follow_one_flow(
    action: OutputAction, extra: list[float], kind: str
) -> None:
    x = normal(300, 3) + 2.0
    y = torch.stack([x[:, 1] * x[:, 2], -x[:, 0] * x[:, 2], x[:, 0] * x[:, 1] / 3], 1)
    derivative = derivative_of(x, y, 2, action, kind)
    vector = vector_of(derivative, x, TURN + 0.2 * torch.eye(3).double(), extra)
    at, value = x[:20, None], y[:20, None]
    way = torch.tensor([1.0, -0.5], dtype=torch.float64).repeat_interleave(10)[:, None, None]
    whole = _exponential(derivative, vector, at, value, way)
    assert whole is not None
    exact, stepped = whole(at, value, 0.5, 1.5), _stepwise(derivative, vector, way)(at, value, 0.5, 1.5)
    for one, other in zip(exact, stepped, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4 * float(one.abs().max()))


def test_a_field_of_second_degree_has_no_exponential() -> None:
    x = normal(300, 2)
    derivative = derivative_of(x, x[:, :1] ** 2, 2, Invariant(), space="polynomial:2")
    vector = normal(derivative.unknowns)
    assert _exponential(derivative, vector, x[:20, None], x[:20, :1, None], torch.ones(20, 1, 1).double()) is None
