"""Layerwise projection: the Reynolds average of every weight, idempotent, with hidden units that the weights show."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rounding import rounding
from torch import Tensor

from symfind.equivariance.equivariance import Equivariance, equivariance_error
from symfind.equivariance.methods.hidden import commutes
from symfind.equivariance.methods.project import Projection, project_network
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import CompactGroup, parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.models.modules import plain_module
from symfind.models.network import Activation, Layer, Rearrangement, Step

F64 = torch.float64
SILU, TANH = Activation("silu"), Activation("tanh")


def linear(inputs: int, outputs: int, name: str, seed: int = 0) -> Layer:
    rng = torch.Generator().manual_seed(seed + len(name) + inputs)
    weight = torch.randn(outputs, inputs, dtype=F64, generator=rng)
    return Layer("linear", name, weight, torch.randn(outputs, dtype=F64, generator=rng))


def convolution(inputs: int, outputs: int, size: int, name: str, stride: int = 1) -> Layer:
    rng = torch.Generator().manual_seed(size + inputs)
    weight = torch.randn(outputs, inputs, size, size, dtype=F64, generator=rng)
    attributes = {"stride": (stride, stride), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    return Layer("conv2d", name, weight, torch.randn(outputs, dtype=F64, generator=rng), attributes)


def task_of(group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: int) -> Equivariance:
    g = parse_group(group)
    return Equivariance(g, parse_representation(g, rep_in), parse_representation(g, rep_out), shape, (out,))


def projected(steps: list[Step], task: Equivariance, hidden: str | None = None) -> Projection:
    return project_network(steps, "", task.input_shape, task, hidden)


def error(steps: tuple[Step, ...], task: Equivariance) -> float:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(24, *task.input_shape, dtype=F64, generator=rng)
    return equivariance_error(
        plain_module(steps).requires_grad_(False), task, x, task.fresh_elements(64, rng), 1.0
    ).largest


def bound(steps: Sequence[Step], task: Equivariance) -> float:
    """Rounding of the network's values, whose size is at most the product of the weights' sizes."""
    size = math.prod(task.input_shape) ** 0.5
    for layer in steps:
        if isinstance(layer, Layer):
            bias = 0.0 if layer.bias is None else float(layer.bias.norm())
            size = size * float(layer.weight.norm()) + bias
    return rounding(size, factor=10)


# Of a weight whose part outside the space is nothing: sums over a row of it.
STILL = rounding(terms=128)


@pytest.mark.parametrize(
    ("group", "rep_in", "rep_out", "inputs", "outputs"),
    [
        ("so3", "3V+1", "2V+2", 10, 8),
        ("s4", "V⊗3", "V⊗2", 12, 8),
        ("c4", "image(5,5)", "3V", 25, 6),
        ("o3", "V^2", "V^2", 9, 9),
    ],
)
def test_a_linear_map_becomes_its_reynolds_average(
    group: str, rep_in: str, rep_out: str, inputs: int, outputs: int
) -> None:
    task = task_of(group, rep_in, rep_out, (inputs,), outputs)
    layer = linear(inputs, outputs, "w")
    layer = Layer("linear", "w", layer.weight, None)
    made = projected([layer], task)
    weight = made.layers[0].after.weight
    assert isinstance(task.group, CompactGroup)
    rule = task.group.haar(4)  # matrix entries of ρ_out⁻¹ ⊗ ρ_in are polynomials of degree 4 at most
    average = torch.einsum(
        "q,qab,bc,qcd->ad", rule.weights, task.rep_out.rho(rule.nodes).mT, layer.weight, task.rep_in.rho(rule.nodes)
    )
    assert torch.allclose(weight, average, atol=rounding(float(layer.weight.abs().max()), terms=len(rule.weights)))
    assert error(made.steps, task) < bound([layer], task)
    assert projected(list(made.steps), task).layers[0].moved < STILL


def deep_sets(seed: int, noise: float) -> tuple[list[Step], Tensor]:
    """A permutation-invariant MLP of 4 objects in 3 dimensions, its 4·8 hidden units in a random order."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=F64, generator=rng)

    one = torch.eye(4, dtype=F64)
    first = torch.kron(one, normal(8, 3)) + torch.kron(torch.ones(4, 4, dtype=F64), normal(8, 3))
    order = torch.randperm(32, generator=rng)
    bias, last = normal(8).repeat(4), normal(1, 8).repeat(1, 4)
    exact = [first[order], bias[order], last[:, order]]
    moved = [w + noise * normal(*w.shape) for w in exact]
    steps: list[Step] = [Layer("linear", "a", moved[0], moved[1]), SILU, Layer("linear", "b", moved[2], normal(1))]
    return steps, exact[0]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000))
def test_a_permutation_invariant_network_keeps_its_weights(seed: int) -> None:
    steps, _ = deep_sets(seed, 0.0)
    task = task_of("s4", "V⊗3", "1", (12,), 1)
    made = projected(steps, task)
    assert all(layer.moved < STILL for layer in made.layers)
    assert error(made.steps, task) < bound(made.steps, task)


def test_a_disturbed_one_is_put_right_by_as_much_as_it_was_disturbed() -> None:
    steps, exact = deep_sets(3, 1e-2)
    task = task_of("s4", "V⊗3", "1", (12,), 1)
    made = projected(steps, task)
    before, after = steps[0], made.layers[0].after
    assert isinstance(before, Layer)
    assert error(made.steps, task) < bound(made.steps, task)
    # A projection onto a space that holds the exact weights brings the disturbed ones nearer to them.
    assert float((after.weight - exact).norm()) < 0.6 * float((before.weight - exact).norm())
    assert projected(list(made.steps), task).layers[0].moved < STILL


def test_symmetric_groups_give_the_pattern_of_deep_sets() -> None:
    """Hom(V⊗c, V⊗c′) is I⊗A + 11ᵀ⊗B: two matrices, wherever a pair of objects stands."""
    task = task_of("s4", "V⊗3", "V⊗2", (12,), 8)
    weight = projected([linear(12, 8, "w")], task).layers[0].after.weight.reshape(4, 2, 4, 3).permute(0, 2, 1, 3)
    off = weight[~torch.eye(4, dtype=torch.bool)]
    assert float((weight[range(4), range(4)] - weight[0, 0]).abs().max()) < STILL
    assert float((off - off[0]).abs().max()) < STILL


def test_a_convolutional_network_under_quarter_turns() -> None:
    steps: list[Step] = [
        convolution(1, 8, 3, "a"),
        SILU,
        convolution(8, 8, 3, "b"),
        SILU,
        Rearrangement("flatten"),
        linear(128, 5, "c"),
    ]
    task = task_of("c4", "image(8,8)", "5", (1, 8, 8), 5)
    made = projected(steps, task)
    assert error(made.steps, task) < bound(made.steps, task)
    assert made.constant is None
    assert max(layer.moved for layer in projected(list(made.steps), task).layers) < STILL


def test_a_stride_that_breaks_the_turns_is_named() -> None:
    task = task_of("c4", "image(8,8)", "5", (1, 8, 8), 5)
    with pytest.raises(UsageError, match="'a'.*stride.*does not commute"):
        projected([convolution(1, 8, 3, "a", stride=2), SILU, Rearrangement("flatten"), linear(72, 5, "c")], task)


def test_a_connected_group_leaves_a_plain_network_constant_and_says_so() -> None:
    task = task_of("so3", "3V", "1", (9,), 1)
    made = projected([linear(9, 16, "a"), SILU, linear(16, 1, "b")], task)
    assert made.constant is not None and made.constant.before.path == "a"


def test_translations_keep_differences() -> None:
    task = task_of("t3", "points(3)", "1", (9,), 1)
    made = projected([linear(9, 16, "a"), SILU, linear(16, 1, "b")], task)
    assert made.constant is None
    assert error(made.steps, task) < bound(made.steps, task)


def test_odd_nonlinearities_allow_signs_and_others_do_not() -> None:
    sign = parse_representation(parse_group("inversion3"), "6det")
    assert commutes([TANH], sign, (6,))
    assert not commutes([SILU], sign, (6,))
    task = task_of("inversion3", "V", "V", (3,), 3)
    steps: list[Step] = [linear(3, 6, "a"), TANH, linear(6, 3, "b")]
    made = projected(steps, task, "6det")
    assert error(made.steps, task) < bound(made.steps, task)
    assert made.constant is None
    with pytest.raises(UsageError, match="'silu' after 'a' does not commute with 6det"):
        projected([linear(3, 6, "a"), SILU, linear(6, 3, "b")], task, "6det")


@pytest.mark.parametrize(
    ("steps", "sequential", "what"),
    [
        ([linear(9, 1, "a")], False, "more than one layer after another"),
        ([Layer("linear", None, torch.ones(1, 9, dtype=F64), None)], True, "layer 1 .*frozen"),
        ([SILU], True, "no linear or convolution layer"),
        ([linear(9, 9, "a"), SILU, linear(9, 9, "a"), SILU, linear(9, 1, "b")], True, "'a' acts more than once"),
    ],
)
def test_what_cannot_be_projected_is_named(steps: list[Step], sequential: bool, what: str) -> None:
    task = task_of("so3", "3V", "1", (9,), 1)
    with pytest.raises(UsageError, match=what):
        project_network(steps, "" if sequential else "add", (9,), task)


def test_the_number_of_hidden_representations_must_fit() -> None:
    task = task_of("s3", "V", "1", (3,), 1)
    with pytest.raises(UsageError, match="names 2 representations.*1 hidden"):
        projected([linear(3, 6, "a"), SILU, linear(6, 1, "b")], task, "2V; 2V")
