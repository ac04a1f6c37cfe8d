"""Modules for users: equivariant by construction, differentiable, scriptable once their weights are written out."""

from __future__ import annotations

import doctest

import pytest
import torch
from torch import nn

from symfind.equivariance import equivariant_modules
from symfind.equivariance.equivariance import Equivariance, equivariance_error, spread
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.nn import EquivariantLinear, EquivariantMLP, GroupAverage, group_average

F64 = torch.float64


@pytest.mark.parametrize(
    ("group", "rep_in", "rep_out", "shape", "out"),
    [
        ("so3", "4V", "1", (4, 3), (1,)),
        ("o3", "3V", "2V+1", (3, 3), (7,)),
        ("so13", "2V", "1", (2, 4), (1,)),
        ("se3", "points(4)", "1+L", (4, 3), (4,)),
        ("s4", "V⊗3", "V⊗2", (4, 3), (4, 2)),
        ("sl2", "3V", "V", (3, 2), (2,)),
    ],
)
def test_networks_are_equivariant_before_any_training(
    group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: tuple[int, ...]
) -> None:
    g = parse_group(group)
    source, target = parse_representation(g, rep_in), parse_representation(g, rep_out)
    task = Equivariance(g, source, target, shape, out)
    net = EquivariantMLP(source, target, channels=4, output_shape=out, rng=torch.Generator().manual_seed(0))
    x = torch.randn(32, *shape, dtype=F64)
    with torch.no_grad():
        y = net(x)
        elements = task.fresh_elements(64, torch.Generator().manual_seed(1))
        assert y.shape == (32, *out)
        assert float(y.std()) > 1e-3
        assert equivariance_error(net, task, x, elements, spread(y)).largest < 1e-11
        plain = torch.jit.script(net.plain())
        assert torch.allclose(plain(x), y, atol=1e-12)


def test_a_linear_layer_is_trained_inside_its_space() -> None:
    g = parse_group("so3")
    layer = EquivariantLinear(parse_representation(g, "2V+1"), parse_representation(g, "V+2"))
    # Hom(2V+1, V+2) = 2 maps V → V and 2 scalars → scalars; the bias has the two scalars.
    assert layer.coefficients.shape == (4,) and layer.bias_coefficients.shape == (2,)
    layer(torch.randn(5, 7, dtype=F64)).square().sum().backward()
    assert layer.coefficients.grad is not None and float(layer.coefficients.grad.norm()) > 0
    assert layer.space.residual(layer.weight.detach()) < 1e-14


def test_a_network_learns_an_invariant_function() -> None:
    g = parse_group("so3")
    rng = torch.Generator().manual_seed(0)
    net = EquivariantMLP(parse_representation(g, "2V"), parse_representation(g, "1"), channels=8, depth=1, rng=rng)
    x = torch.randn(256, 2, 3, dtype=F64, generator=rng)
    y = (x[:, 0] * x[:, 1]).sum(1, keepdim=True)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-2)
    for _ in range(150):
        loss = nn.functional.mse_loss(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.02 * float(y.var())


def test_points_as_outputs_are_refused() -> None:
    g = parse_group("e2")
    with pytest.raises(UsageError, match="write differences, L"):
        EquivariantMLP(parse_representation(g, "points(3)"), parse_representation(g, "points(1)"))


def test_an_average_passes_gradients_on_and_can_be_scripted() -> None:
    body = nn.Linear(6, 1).double()
    net = GroupAverage(body, "so3", (6,), (1,), degree=3)
    x = torch.randn(8, 6, dtype=F64)
    net(x).sum().backward()
    assert body.bias.grad is not None and float(body.bias.grad) == pytest.approx(8.0)
    # The mean of a linear function over rotations is its constant.
    assert torch.allclose(net(x), body.bias.detach().expand(8, 1), atol=1e-13)
    assert torch.allclose(torch.jit.script(net)(x), net(x), atol=1e-14)


def test_an_average_needs_a_compact_group() -> None:
    with pytest.raises(UsageError, match="not compact"):
        GroupAverage(nn.Linear(4, 1), "so13", (4,), (1,))


@pytest.mark.parametrize("module", [equivariant_modules, group_average])
def test_examples_in_docstrings_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
