"""Means over a group and over frames: equivariant to rounding, and equal to what the definition says."""

from __future__ import annotations

from math import prod

import pytest
import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Equivariance, equivariance_error, spread
from symfind.equivariance.methods.average import AveragedNetwork, LiftedNetwork, rule_for
from symfind.equivariance.methods.frames import FrameAveragedNetwork, frame_support
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import CompactGroup, parse_group
from symfind.lie.groups.notation import parse_representation

F64 = torch.float64


def task_of(group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: tuple[int, ...]) -> Equivariance:
    g = parse_group(group)
    return Equivariance(g, parse_representation(g, rep_in), parse_representation(g, rep_out), shape, out)


def smooth_network(inputs: int, outputs: int) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(inputs, 16), nn.SiLU(), nn.Linear(16, outputs)).double().requires_grad_(False)


def momenta(n: int, k: int) -> Tensor:
    """Timelike vectors with positive energy."""
    p = torch.randn(n, k, 4, dtype=F64, generator=torch.Generator().manual_seed(3))
    p[..., 0] = (p[..., 1:].square().sum(-1) + 0.5).sqrt()
    return p


def errors(network: nn.Module, model: nn.Module, task: Equivariance, x: Tensor) -> tuple[float, float]:
    """Largest error before and after."""
    rng = torch.Generator().manual_seed(5)
    elements = task.fresh_elements(64, rng)

    def before(z: Tensor) -> Tensor:
        out: Tensor = model(z.reshape(len(z), -1))
        return out

    unit = spread(before(x))
    return (
        equivariance_error(before, task, x, elements, unit).largest,
        equivariance_error(network, task, x, elements, unit).largest,
    )


AVERAGED = [
    ("so3", "3V", "1", (3, 3), (1,)),
    ("so3", "2V", "2V", (2, 3), (2, 3)),
    ("o3", "2V", "V", (2, 3), (3,)),
    ("so2", "2V", "1", (4,), (1,)),
    ("s4", "V⊗3", "V⊗2", (4, 3), (4, 2)),
    ("c4", "image(6,6)", "V", (6, 6), (2,)),
]


@pytest.mark.parametrize(("group", "rep_in", "rep_out", "shape", "out"), AVERAGED)
def test_the_average_over_the_quadrature_is_equivariant(
    group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: tuple[int, ...]
) -> None:
    task = task_of(group, rep_in, rep_out, shape, out)
    model = smooth_network(prod(shape), prod(out))
    x = torch.randn(32, *shape, dtype=F64, generator=torch.Generator().manual_seed(0))
    chosen = rule_for(model, task, x, 1.0, 1e-5, torch.Generator().manual_seed(0), fed_shape=(prod(shape),))
    network = AveragedNetwork(model, task, chosen.rule, (prod(shape),))
    before, after = errors(lambda z: network(z).reshape(len(z), *out), model, task, x)  # type: ignore[arg-type]
    assert before > 0.1
    assert after < 1e-4
    assert chosen.reached


def test_a_finite_group_is_summed_exactly_as_by_hand() -> None:
    """c4 on a plane vector: the mean of F over the four quarter turns, written out."""
    task = task_of("c4", "V", "1", (2,), (1,))
    model = smooth_network(2, 1)
    group = task.group
    assert isinstance(group, CompactGroup)
    x = torch.randn(7, 2, dtype=F64)
    turned = [x, torch.stack([-x[:, 1], x[:, 0]], 1), -x, torch.stack([x[:, 1], -x[:, 0]], 1)]
    by_hand = torch.stack([model(t) for t in turned]).mean(0)
    assert torch.allclose(AveragedNetwork(model, task, group.haar(0))(x), by_hand, atol=1e-14)


def test_the_lifted_network_is_the_average() -> None:
    task = task_of("so3", "3V", "V", (9,), (3,))
    model = smooth_network(9, 3)
    group = task.group
    assert isinstance(group, CompactGroup)
    rule = group.haar(4)
    x = torch.randn(5, 9, dtype=F64)
    first = model[0]
    assert isinstance(first, nn.Linear)
    lifted = LiftedNetwork(first.weight.detach(), first.bias.detach(), model[1:], task, rule)
    assert torch.allclose(lifted(x), AveragedNetwork(model, task, rule)(x), atol=1e-13)


def test_small_chunks_change_nothing() -> None:
    task = task_of("so3", "2V", "V", (6,), (3,))
    model, group = smooth_network(6, 3), task.group
    assert isinstance(group, CompactGroup)
    rule, x = group.haar(5), torch.randn(4, 6, dtype=F64)
    whole, pieces = AveragedNetwork(model, task, rule), AveragedNetwork(model, task, rule, rows_at_once=7)
    assert torch.allclose(whole(x), pieces(x), atol=1e-13)


def test_a_group_without_a_mean_is_refused_with_a_way_out() -> None:
    task = task_of("so13", "2V", "1", (2, 4), (1,))
    with pytest.raises(UsageError, match="not compact.*--method project, frames or distill"):
        rule_for(smooth_network(8, 1), task, torch.zeros(1, 2, 4), 1.0, 1e-6, torch.Generator())


def test_a_kink_is_told_by_the_error_that_stays() -> None:
    task = task_of("so2", "V", "1", (2,), (1,))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)).double().requires_grad_(False)
    x = torch.randn(16, 2, dtype=F64)
    chosen = rule_for(model, task, x, 1.0, 1e-9, torch.Generator().manual_seed(0))
    assert not chosen.reached
    assert chosen.error > 1e-9


FRAMED = [
    ("so3", "4V", "1", (4, 3), (1,)),
    ("so3", "4V", "2V", (4, 3), (2, 3)),
    ("o3", "4V", "2V", (4, 3), (2, 3)),
    ("so3", "V", "V", (3,), (3,)),
    ("so3", "2V+1", "V+1", (7,), (4,)),
    ("so2", "3V", "V", (3, 2), (2,)),
    ("so5", "2V", "1", (2, 5), (1,)),
    ("se3", "points(5)", "2L", (5, 3), (2, 3)),
    ("e2", "points(5)", "points(1)", (5, 2), (1, 2)),
    ("t2", "points(3)", "1", (3, 2), (1,)),
    ("so13", "3V", "2V", (3, 4), (2, 4)),
]


@pytest.mark.parametrize(("group", "rep_in", "rep_out", "shape", "out"), FRAMED)
def test_frames_are_exact(group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: tuple[int, ...]) -> None:
    task = task_of(group, rep_in, rep_out, shape, out)
    model = smooth_network(prod(shape), prod(out))
    x = momenta(32, 3) if group == "so13" else torch.randn(32, *shape, dtype=F64)
    network = FrameAveragedNetwork(model, task, (prod(shape),))
    before, after = errors(lambda z: network(z).reshape(len(z), *out), model, task, x)  # type: ignore[arg-type]
    assert before > 0.1
    assert after < 1e-12


def test_frames_leave_an_invariant_function_as_it_is() -> None:
    class Norm(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(1, keepdim=True)

    task = task_of("so3", "4V", "1", (12,), (1,))
    x = torch.randn(9, 12, dtype=F64)
    assert torch.allclose(FrameAveragedNetwork(Norm(), task)(x), Norm()(x), rtol=1e-13)


def test_degenerate_frames_are_averaged_over_rotations() -> None:
    """A regular tetrahedron has no principal axes: C = Σxxᵀ is a multiple of the identity."""
    task = task_of("so3", "4V", "2V", (12,), (6,))
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=F64)
    x = corners.reshape(1, 12).repeat(8, 1)
    network = FrameAveragedNetwork(smooth_network(12, 6), task)
    assert frame_support(network, x).degenerate == 1.0
    before, after = errors(network, smooth_network(12, 6), task, x)
    assert before > 0.1
    assert after < 1e-5  # that of the quadrature of degree 10, not of frames


def test_rows_without_a_rest_frame_are_counted_and_are_no_numbers() -> None:
    task = task_of("so13", "2V", "1", (8,), (1,))
    network = FrameAveragedNetwork(smooth_network(8, 1), task)
    x = momenta(4, 2).reshape(4, 8)
    x[0] = torch.tensor([0.0, 1, 0, 0, 0, 1, 0, 0], dtype=F64)  # spacelike
    assert frame_support(network, x).missing == 0.25
    assert bool(network(x)[0].isnan()) and bool(network(x)[1:].isfinite().all())


@pytest.mark.parametrize("count", [4, 6])
def test_spacelike_rows_that_span_the_space_have_a_rest_frame(count: int) -> None:
    """(√(p² − ¼), p): no vector is timelike and, in some rows, no sum; four of them span a timelike direction."""
    p = torch.randn(200, count, 3, dtype=F64)
    p = p / p.norm(dim=2, keepdim=True) * (1 + p.norm(dim=2, keepdim=True))
    sign = torch.randint(2, (200, count), generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    time = sign * (p.square().sum(2) - 0.25).sqrt()
    x = torch.cat([time[..., None], p], 2)
    total = x.sum(1)
    assert int((total[:, 0] ** 2 < total[:, 1:].square().sum(1)).sum()) > 20  # where the sum gave none
    task = task_of("so13", f"{count}V", "V", (4 * count,), (4,))
    model = smooth_network(4 * count, 4)
    network = FrameAveragedNetwork(model, task)
    support = frame_support(network, x.flatten(1))
    assert support.missing == 0.0
    boosts = task.group.sample(200, torch.Generator().manual_seed(2), 0.3)
    with torch.no_grad():
        y, moved = network(x.flatten(1)), network(task.moved_input(boosts, x.flatten(1)))
    gap = (moved - task.moved_output(boosts, y)).norm(dim=1) / y.norm(dim=1).mean()
    assert support.degenerate == 0.0 and float(gap.max()) < 1e-9


@pytest.mark.parametrize(("group", "rep_in", "what"), [("s3", "V", "frames knows"), ("so3", "V^2", "vectors V")])
def test_frames_say_what_they_do_not_know(group: str, rep_in: str, what: str) -> None:
    g = parse_group(group)
    rep = parse_representation(g, rep_in)
    task = Equivariance(g, rep, parse_representation(g, "1"), (rep.dim,), (1,))
    with pytest.raises(UsageError, match=what):
        FrameAveragedNetwork(smooth_network(rep.dim, 1), task)


def test_representations_must_fit_the_rows() -> None:
    with pytest.raises(UsageError, match="--rep-in 2V.*dimension 6.*9 numbers"):
        task_of("so3", "2V", "1", (9,), (1,))
