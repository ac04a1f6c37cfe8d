"""Derivatives of fields against closed forms: clean, noisy, on axes that close and on axes that do not."""

from collections.abc import Callable
from math import exp, pi

import pytest
import torch
from torch import Tensor

from symfind.data.axes import Axis
from symfind.errors import InputError
from symfind.kinds.field.grid.field_data import FieldData
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.grid.jets import jets, multi_indices
from symfind.kinds.field.grid.local_polynomials import fitted, through


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def even(n: int, length: float, periodic: bool) -> Tensor:
    return torch.arange(n, dtype=torch.float64) * (length / (n if periodic else n - 1))


def held(u: Tensor, *axes: Axis, components: tuple[str, ...] = ("u",), groups: Tensor | None = None) -> FieldData:
    """Values (R, nt, …, c) as a field."""
    return FieldData(axes, components, torch.arange(len(u)) if groups is None else groups, lambda rows: u[rows])


def travelling(r: Tensor, t: Tensor, x: Tensor, index: MultiIndex) -> Tensor:
    """∂^J of Σ cos(l(x − c_l t) + r l) e^(−l/2) over l = 1 … 20, c_l = 1 + l/20: waves of many lengths."""
    total = torch.zeros(torch.broadcast_shapes(r.shape, t.shape, x.shape), dtype=torch.float64)
    for wave in range(1, 21):
        speed = wave * (1 + wave / 20)
        phase = wave * x - speed * t + r * wave + (index[0] + index[1]) * pi / 2
        total = total + (-speed) ** index[0] * wave ** index[1] * exp(-wave / 2) * phase.cos()
    return total


def waves_field(
    nt: int = 60, nx: int = 64, rows: int = 4, noise: float = 0.0, step: float = 0.04
) -> tuple[FieldData, Callable[[JetSample, MultiIndex], Tensor]]:
    t, x = Axis("t", torch.arange(nt, dtype=torch.float64) * step, False), Axis("x", even(nx, 2 * pi, True), True)
    r = torch.arange(rows, dtype=torch.float64)
    u = travelling(r[:, None, None], t.coordinates[:, None], x.coordinates, (0, 0))
    u = u + noise * u.std() * torch.randn(u.shape, generator=seeded(7), dtype=torch.float64)

    def exact(sample: JetSample, index: MultiIndex) -> Tensor:
        return travelling(sample.group.double(), sample.points[:, 0], sample.points[:, 1], index)

    return held(u[..., None], t, x), exact


def size(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def test_waves_are_differentiated_to_high_orders() -> None:
    field, exact = waves_field()
    sample = jets(field, (2, 6), seeded(), rows=2000)
    assert sample.independent == ("t", "x") and sample.dependent == ("u",)
    assert set(sample.derivatives) == set(multi_indices((2, 6))) and sample.points.shape == (2000, 2)
    for index, values in sample.derivatives.items():
        truth = exact(sample, index)
        error = size(values[:, 0] - truth)
        # Along x only rounding, 1e-16·32⁶ at the most. Along t the fastest wave, ω = 40, has 4 points to a period:
        # windows of 23 miss it by sin²(ωh/2)^11 = 2e-3, and it is the smallest of all.
        assert error < (1e-9 if index[0] == 0 else 1e-3) * size(truth), (index, error / size(truth))
        # clean data: the estimate is of the right order, or says that only rounding is left
        rounding = 1e-13 * 32.0 ** index[1] * (1 if index[0] == 0 else 1e3)
        assert error < 4 * float(sample.errors[index]) + rounding, index


@pytest.mark.parametrize("noise", [1e-3, 1e-2, 1e-1])
def test_noise_is_averaged_out_and_its_errors_are_told(noise: float) -> None:
    field, exact = waves_field(nt=100, nx=128, rows=6, noise=noise)
    sample = jets(field, [(0, 1), (0, 2), (1, 0), (1, 1)], seeded(), rows=6000)
    for index, values in sample.derivatives.items():
        truth = exact(sample, index)
        error = size(values[:, 0] - truth)
        told = float(sample.errors[index])
        # Waves that drown in noise count with what they may hold, which weighs more the higher the order.
        assert error / 1.6 < told < (4 if sum(index) == 1 else 10) * error, (index, told / error)
    # at least three fifths of the noise on u goes: most of 64 waves hold nothing else
    assert size(sample.values[:, 0] - exact(sample, (0, 0))) < 0.4 * noise * size(exact(sample, (0, 0)))
    # the derivative of unsmoothed values: the mean of k² over 64 waves is 64²/3
    error = size(sample.derivatives[(0, 1)][:, 0] - exact(sample, (0, 1)))
    assert error < noise * size(sample.values) * 64 / 3**0.5 / 3
    assert any("u has noise of" in line for line in sample.messages)


def test_steps_that_are_too_long_are_told() -> None:
    # the waves that matter have 4 to 8 points to a period
    field, exact = waves_field(nt=80, step=0.3)
    sample = jets(field, (1, 1), seeded(), rows=4000)
    error = size(sample.derivatives[(1, 0)][:, 0] - exact(sample, (1, 0)))
    assert error > 0.01 * size(exact(sample, (1, 0)))
    assert 0.3 * error < float(sample.errors[(1, 0)])


def test_waves_beyond_the_grid_are_told() -> None:
    # e^(−l/2) at the highest wave of 14 points, l = 7, is a twentieth of the first
    field, exact = waves_field(nx=14)
    sample = jets(field, (0, 3), seeded(), rows=600)
    error = size(sample.derivatives[(0, 3)][:, 0] - exact(sample, (0, 3)))
    assert error > 0.1 * size(exact(sample, (0, 3)))
    assert 0.2 * error < float(sample.errors[(0, 3)])


def test_axes_that_do_not_close() -> None:
    t, x = Axis("t", even(80, 2.0, False), False), Axis("x", even(90, 3.0, False), False)
    r = torch.arange(3, dtype=torch.float64)[:, None, None]
    u = torch.exp(-t.coordinates[:, None]) * torch.sin(2 * x.coordinates + r) + x.coordinates
    sample = jets(held(u[..., None], t, x), (1, 3), seeded(), rows=3000)
    rate, phase = torch.exp(-sample.points[:, 0]), 2 * sample.points[:, 1] + sample.group
    for index, truth in (
        ((0, 1), 2 * rate * phase.cos() + 1),
        ((0, 3), -8 * rate * phase.cos()),
        ((1, 2), 4 * rate * phase.sin()),
        ((1, 0), -rate * phase.sin()),
    ):
        error = size(sample.derivatives[index][:, 0] - truth)
        # rounding, divided by the cube of a step of 0.03
        assert error < 1e-10 * 40.0 ** sum(index) * size(truth), index
        assert error < 5 * float(sample.errors[index]) + 1e-12 * 40.0 ** sum(index)
    # windows are whole: 16 points at each end of x, 15 of t, are not drawn
    assert float(sample.points[:, 1].min()) >= float(x.coordinates[16]) - 1e-12
    assert float(sample.points[:, 0].max()) <= float(t.coordinates[-16]) + 1e-12


def test_noise_on_axes_that_do_not_close() -> None:
    t, x = Axis("t", even(80, 2.0, False), False), Axis("x", even(90, 3.0, False), False)
    u = torch.exp(-t.coordinates[:, None]) * torch.sin(2 * x.coordinates) + x.coordinates
    noisy = u + 0.01 * torch.randn((4, *u.shape), generator=seeded(3), dtype=torch.float64)
    sample = jets(held(noisy[..., None], t, x), (1, 1), seeded(), rows=4000)
    rate, phase = torch.exp(-sample.points[:, 0]), 2 * sample.points[:, 1]
    for index, truth in (((0, 1), 2 * rate * phase.cos() + 1), ((1, 0), -rate * phase.sin())):
        error = size(sample.derivatives[index][:, 0] - truth)
        assert error < 0.1 * size(truth)
        assert error / 2.5 < float(sample.errors[index]) < 2.5 * error


def test_uneven_times() -> None:
    uniform = even(60, 3.0, False)
    t = Axis("t", uniform + 0.01 * torch.sin(7 * uniform), False)
    x = Axis("x", even(32, 2 * pi, True), True)
    u = torch.sin(x.coordinates - t.coordinates[:, None]) + torch.cos(2 * x.coordinates + t.coordinates[:, None])
    sample = jets(held(u[None, ..., None], t, x), (1, 0), seeded(), rows=500)
    at, place = sample.points.unbind(1)
    truth = -torch.cos(place - at) - torch.sin(2 * place + at)
    # 13 points at steps of 0.05: far below 1e-10
    assert size(sample.derivatives[(1, 0)][:, 0] - truth) < 1e-10


def test_two_space_axes_and_components() -> None:
    t = Axis("t", even(40, 1.0, False), False)
    x, y = Axis("x", even(24, 2 * pi, True), True), Axis("y", even(20, 4.0, True), True)
    at = t.coordinates[:, None, None]
    one = torch.sin(x.coordinates[:, None] - at) * torch.cos(pi / 2 * y.coordinates)
    two = torch.cos(2 * x.coordinates[:, None] + pi * y.coordinates) + at
    u = torch.stack([one, two], dim=-1)[None].repeat(3, 1, 1, 1, 1)
    sample = jets(held(u, t, x, y, components=("a", "b")), (1, 2, 1), seeded(), rows=900)
    assert sample.points.shape == (900, 3) and sample.values.shape == (900, 2)
    a, b, c = sample.points.unbind(1)
    exact = {
        (1, 1, 1): ((b - a).sin() * -(pi / 2) * (pi / 2 * c).sin(), torch.zeros_like(a)),
        (0, 2, 1): ((b - a).sin() * (pi / 2) * (pi / 2 * c).sin(), 4 * pi * (2 * b + pi * c).sin()),
        (1, 0, 0): (-(b - a).cos() * (pi / 2 * c).cos(), torch.ones_like(a)),
    }
    for index, truths in exact.items():
        for i, truth in enumerate(truths):
            assert size(sample.derivatives[index][:, i] - truth) < 1e-9, (index, i)
    assert sample.name((1, 2, 1), 1) == "b_txxy"


def test_one_space_axis_closes_and_the_other_does_not() -> None:
    t = Axis("t", even(30, 1.0, False), False)
    x, y = Axis("x", even(16, 2 * pi, True), True), Axis("y", even(40, 1.0, False), False)
    u = (torch.sin(x.coordinates[:, None] - t.coordinates[:, None, None]) * torch.exp(y.coordinates))[None, ..., None]
    sample = jets(held(u, t, x, y), (1, 1, 1), seeded(), rows=700)
    a, b, c = sample.points.unbind(1)
    assert size(sample.derivatives[(1, 1, 1)][:, 0] - torch.sin(b - a) * c.exp()) < 1e-8
    assert size(sample.derivatives[(0, 0, 1)][:, 0] - torch.sin(b - a) * c.exp()) < 1e-9


def test_a_trajectory_that_the_grid_does_not_resolve_is_left_out() -> None:
    field, _ = waves_field(rows=5)
    u = field.take(torch.arange(5))
    x = field.axes[1].coordinates
    u[3, :, :, 0] += torch.cos(31 * x + 40 * field.axes[0].coordinates[:, None])
    sample = jets(held(u, *field.axes, groups=torch.tensor([5, 6, 7, 8, 9])), (1, 2), seeded(), rows=100)
    assert sorted(set(sample.group.tolist())) == [5, 6, 7, 9]
    assert any("20.0% of the times are left out" in line for line in sample.messages)


def test_times_that_the_steps_do_not_resolve_are_left_out() -> None:
    t, x = Axis("t", even(120, 6.0, False), False), Axis("x", even(32, 2 * pi, True), True)
    clock = torch.exp(t.coordinates[:, None])  # the waves go faster and faster: 1 to 400 radians a unit, steps of 0.05
    u = (torch.sin(x.coordinates - clock) + torch.cos(2 * x.coordinates - clock))[None].repeat(2, 1, 1)
    sample = jets(held(u[..., None], t, x), (1, 1), seeded(), rows=2000)
    at, place = sample.points.unbind(1)
    truth = at.exp() * ((2 * place - at.exp()).sin() - (place - at.exp()).cos())
    error = size(sample.derivatives[(1, 0)][:, 0] - truth)
    # a wave of ω = e^3.5 has 3.8 points to a period: windows of 33 points still see it to some per mille
    assert 3.0 < float(at.max()) < 4.5
    assert error < 0.02 * size(truth) and error < 3 * float(sample.errors[(1, 0)])


def test_fields_that_say_little_are_no_error() -> None:
    t, x = Axis("t", even(40, 2.0, False), False), Axis("x", even(32, 2 * pi, True), True)
    wave = torch.sin(x.coordinates - t.coordinates[:, None])[None, ..., None].repeat(3, 1, 1, 1)
    still = torch.sin(x.coordinates).expand(3, 40, 32)[..., None]
    one_without = wave * torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)[:, None, None, None]
    white = torch.randn(wave.shape, generator=seeded(), dtype=torch.float64)
    for u in (0 * wave, 0 * wave + 3, still, one_without, wave[:1], 1e150 * wave, white):
        sample = jets(held(u, t, x), (1, 2), seeded(), rows=300)
        assert sample.rows == 300 and all(values.isfinite().all() for values in sample.derivatives.values())
        assert all(error.isfinite().all() for error in sample.errors.values())
    assert size(jets(held(still, t, x), (1, 0), seeded(), 300).derivatives[(1, 0)]) < 1e-12
    constant = jets(held(0 * wave + 3, t, x, components=("h",)), (0, 2), seeded(), 300)
    assert constant.messages == ("no derivative of h differs from 0",)


def test_numbers_of_few_digits_are_noisy() -> None:
    field, exact = waves_field()
    short = FieldData(field.axes, ("u",), field.groups, lambda rows: field.take(rows).float().double(), (), 2.0**-23)
    sample = jets(short, (0, 2), seeded(), rows=2000)
    error = size(sample.derivatives[(0, 2)][:, 0] - exact(sample, (0, 2)))
    assert error / 2 < float(sample.errors[(0, 2)]) < 30 * error  # rounding is 2^−25 on average, not 2^−23


def test_the_same_seed_draws_the_same_points() -> None:
    field, _ = waves_field(rows=3)
    first, again = (jets(field, (1, 1), seeded(4), rows=50) for _ in range(2))
    assert torch.equal(first.points, again.points)
    assert len(first.points) == 51  # as many of each trajectory where all times are resolved
    assert not torch.equal(first.points, jets(field, (1, 1), seeded(5), rows=50).points)
    part = first.take(first.group == 1)
    assert part.rows == 17 and torch.equal(part.points, first.points[first.group == 1])


def test_grids_that_are_too_small_for_the_order() -> None:
    field, _ = waves_field(nt=10)
    with pytest.raises(InputError, match="t has 10 points, derivatives of order 1 along it need at least 11"):
        jets(field, (1, 1), seeded())
    field, _ = waves_field(nx=12)
    with pytest.raises(InputError, match="x has 12 points, derivatives of order 6 along it need at least 14"):
        jets(field, (1, 6), seeded())
    with pytest.raises(ValueError, match="expected one for each of the 2 axes"):
        jets(field, (1, 1, 1), seeded())


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_filters_are_exact_on_polynomials(order: int) -> None:
    t = even(40, 3.0, False)
    uneven = t + 0.02 * torch.sin(5 * t)
    for coordinates, is_even in ((t, True), (uneven, False)):
        for f in [*through(coordinates, order, is_even), *fitted(coordinates, order, is_even)]:
            degree = max(order, min(2 * f.half, 2)) if f.half else 0
            inner = coordinates[(len(t) - len(f.weights)) // 2 :][: len(f.weights)]
            exact = inner ** (degree - order)
            for i in range(order):
                exact = exact * (degree - i)
            assert (f(coordinates[:, None] ** degree)[:, 0] - exact).abs().max() < 1e-9 * 13.0**order, f.name
