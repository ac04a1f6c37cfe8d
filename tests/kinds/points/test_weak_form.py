"""b, K and E‖ξ‖²: a gradient field has ρ = 1, a rotation of a round density 0, and units do not matter."""

import torch
from torch import Tensor

from symfind.decision.halves import Half
from symfind.fields.catalogue import make_space
from symfind.fits.geometry import Moments, input_geometry
from symfind.fits.surrogate import Samples
from symfind.kinds.frame import Frame
from symfind.kinds.points.local_planes import local_planes, set_shape
from symfind.kinds.points.weak import WeakForm, WeakSide
from symfind.kinds.questions import QUESTIONS
from symfind.lie_derivative import Invariant


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def form_of(x: Tensor, space: str = "affine", k: int = 1) -> tuple[WeakForm, Tensor, Tensor]:
    d = x.shape[1] // k
    moments = Moments(x.shape[1])
    moments.add(x)
    geometry = input_geometry(moments, k)
    fields = make_space(space, d, tuple("xyz"[:d])).centred(geometry.mean, geometry.scale)
    frame = Frame(QUESTIONS["points"], (k, d), (1, 1), geometry, fields, Invariant())
    form = WeakForm(frame, Samples(x, x[:, :0]), torch.Generator().manual_seed(0))
    b, s = form.sums(x)
    return form, b / len(x), s / len(x)


def defects(b: Tensor, s: Tensor, vectors: Tensor) -> Tensor:
    return ((b @ vectors).square().sum(0) / (vectors * (s @ vectors)).sum(0)).sqrt()


def test_shares_lie_between_zero_and_one_and_gradients_have_one() -> None:
    x = normal(4000, 2)
    _, b, s = form_of(x)
    shares = defects(b, s, normal(6, 20, seed=1))
    assert float(shares.max()) <= 1 + 1e-9
    # A translation is the gradient of a coordinate; under a window no test function is that coordinate itself, and
    # what the functions near it miss is less than a tenth.
    moved = torch.zeros(6, 2, dtype=torch.float64)
    moved[0, 0] = moved[1, 1] = 1.0
    assert float(defects(b, s, moved).min()) > 0.9


def test_draws_of_a_true_symmetry_spread_as_its_estimate_does() -> None:
    """Over 40 draws of a round density: the estimate scatters as the draws of one sample say, not by √3 less."""
    weights = torch.empty(200, 20, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(9))
    estimates, spreads, doubled = [], [], []
    for seed in range(40):
        x = normal(400, 2, seed=seed)
        form, _, _ = form_of(x, "so")
        side = WeakSide(Half(Samples(x, x[:, :0]), torch.arange(400) % 20), form)
        along = side.along(torch.ones(1, 1).double())
        n, d = along.grams(torch.ones(1, 20).double())
        estimates.append(float(n / d))
        for held, made in ((spreads, along.draws), (doubled, along.grams)):
            n, d = made(weights)
            held.append(float((n / d).std()))
    actual = torch.tensor(estimates).std()
    assert 0.7 < float(torch.tensor(spreads).mean() / actual) < 1.4
    assert float(torch.tensor(doubled).mean() / actual) > 1.4


def test_units_change_nothing() -> None:
    x = normal(2000, 2)
    units = torch.tensor([1e3, 1e-3], dtype=torch.float64)
    plain, moved = (torch.linalg.svdvals(torch.linalg.solve(torch.linalg.cholesky(s), b.T).T)
                    for _, b, s in (form_of(x), form_of(x * units)))  # fmt: skip
    torch.testing.assert_close(moved, plain, rtol=1e-6, atol=1e-8)


def test_the_debiased_form_is_the_mean_over_pairs_of_blocks() -> None:
    x = normal(300, 2)
    form, _, _ = form_of(x)
    side = WeakSide(Half(Samples(x, x[:, :0]), torch.arange(300) % 6), form)
    weights = torch.rand(1, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found, _ = side.along(torch.eye(6).double()).grams(weights)
    total, mass = torch.zeros(6, 6).double(), 0.0
    for i in range(6):
        for j in range(6):
            if i != j:
                w = float(weights[0, i] * weights[0, j])
                total += w * side.b[i].T @ side.b[j]
                mass += w * float(side.count[i] * side.count[j])
    torch.testing.assert_close(found[0], (total + total.T) / 2 / mass, rtol=1e-9, atol=1e-12)


def test_debiasing_takes_the_noise_off_a_true_rotation() -> None:
    """Over 40 draws of a round density the mean of the debiased form is zero within four standard errors."""
    values, plain = [], []
    for seed in range(40):
        x = normal(400, 2, seed=seed)
        form, b, s = form_of(x, "so")
        side = WeakSide(Half(Samples(x, x[:, :0]), torch.arange(400) % 20), form)
        n, d = side.along(torch.ones(1, 1).double()).grams(torch.ones(1, 20).double())
        values.append(float(n / d))
        plain.append(float(b.square().sum() / s))
    found = torch.tensor(values)
    assert abs(float(found.mean())) < 4 * float(found.std()) / 40**0.5
    assert sum(plain) / 40 > 10 * abs(float(found.mean()))


def test_objects_share_their_action() -> None:
    x = normal(3000, 4)
    _, b, s = form_of(x, "so", k=2)
    assert b.shape[1] == 1
    # The plain share of noise: T/n test functions' worth.
    assert float(defects(b, s, torch.ones(1, 1).double())[0]) < 2 * (b.shape[0] / 3000) ** 0.5


def test_local_planes_of_a_plane_and_a_line() -> None:
    z = normal(500, 2)
    plane = torch.stack([z[:, 0], z[:, 1], z[:, 0] - 2 * z[:, 1]], 1)
    shape = set_shape(plane)
    assert shape is not None and shape.dimension == 2 and shape.noise < 1e-10
    variance, frames = local_planes(plane[:10], plane, 12)
    normals = torch.tensor([1.0, -2.0, -1.0]).double() / 6**0.5
    torch.testing.assert_close((frames[:, :, 2] @ normals).abs(), torch.ones(10).double())
    assert bool((variance.diff(dim=1) <= 0).all())
    line = torch.linspace(0, 1, 300).double()[:, None] * torch.tensor([1.0, 1.0, 3.0])
    along = set_shape(line[torch.randperm(300, generator=torch.Generator().manual_seed(0))].double())
    assert along is not None and along.dimension == 1
