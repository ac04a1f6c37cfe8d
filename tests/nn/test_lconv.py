"""L-conv: three parametrisations agree with their matrices, survive scripting and export, and have the known limits."""

import math
import re
from pathlib import Path

import pytest
import torch

from symfind.errors import UsageError
from symfind.fields.plane import Grid
from symfind.nn import FieldGenerators, FullGenerators, InvariantPool, LConv, LowRankGenerators, ResidualLConv

DOCS = Path(__file__).parents[2] / "docs" / "lconv.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.S)
CASES = [("full", None), ("low-rank", 3), ("field", None)]


@pytest.mark.parametrize("example", EXAMPLES, ids=["layers", "rotation", "convolution", "graph"])
def test_the_examples_of_the_documentation_run(example: str) -> None:
    exec(compile(example, str(DOCS), "exec"), {})


@pytest.mark.parametrize("shape", [(9,), (4, 5)])
@pytest.mark.parametrize(("parametrisation", "rank"), CASES)
def test_a_layer_is_its_formula_scripted_and_exported(
    parametrisation: str, rank: int | None, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    layer = LConv(2, 3, shape, generators=2, parametrisation=parametrisation, rank=rank)
    x = torch.randn(4, 2, *shape)
    flat, matrices = x.flatten(2), layer.generators.matrices()
    w = layer.weight.reshape(3, 3, 2)  # (m', 1 + k, m)
    expected = torch.einsum("om,nmd->nod", w[:, 0], flat) + layer.bias
    for i in range(2):
        expected = expected + torch.einsum("om,de,nme->nod", w[:, i + 1], matrices[i], flat)
    assert matrices.shape == (2, flat.shape[2], flat.shape[2])
    torch.testing.assert_close(layer(x).flatten(2), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.jit.script(layer)(x), layer(x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), layer(x), atol=1e-4, rtol=1e-4)


def test_low_rank_generators_have_that_rank_and_hold_no_square_matrix() -> None:
    torch.manual_seed(0)
    generators = LowRankGenerators(2, 20, 3)
    assert torch.linalg.matrix_rank(generators.matrices()).tolist() == [3, 3]
    assert max(p.numel() for p in generators.parameters()) == 2 * 20 * 3
    large = LConv(1, 1, (300, 300), generators=1, parametrisation="low-rank", rank=2)  # d² would be 32 GB
    assert large(torch.zeros(1, 1, 300, 300)).shape == (1, 1, 300, 300)


def test_a_rotation_field_is_antisymmetric_and_a_scaling_is_not() -> None:
    generators = FieldGenerators(2, (6, 6))
    with torch.no_grad():
        generators.coefficients.zero_()
        generators.coefficients[0, 0, 2], generators.coefficients[0, 1, 1] = -1.0, 1.0
        generators.coefficients[1, 0, 1] = generators.coefficients[1, 1, 2] = 1.0
    turn, scale = generators.matrices()
    torch.testing.assert_close(turn, -turn.T, atol=1e-5, rtol=0)
    assert (scale + scale.T).norm() > 0.1 * scale.norm()


def test_recurrent_steps_follow_the_exponential() -> None:
    a = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])
    layer = LConv.of(FullGenerators(a, learned=False), 1, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 1.0 / 1000]]))
    got = ResidualLConv(layer, 1000)(torch.tensor([[[1.0, 0.0]]]))
    # One turn by one radian; Euler's steps of 1/1000 are off by half a thousandth.
    torch.testing.assert_close(got[0, 0], torch.tensor([math.cos(1.0), math.sin(1.0)]), atol=2e-3, rtol=0)


def test_pooling_is_invariant_where_it_says_so() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2, 5)
    shuffled = x[..., torch.tensor([3, 1, 4, 0, 2])]
    q = torch.linalg.qr(torch.randn(5, 5)).Q
    for kind in ("mean", "max", "norm"):
        torch.testing.assert_close(InvariantPool(kind)(x), InvariantPool(kind)(shuffled))
    torch.testing.assert_close(InvariantPool("norm")(x), InvariantPool("norm")(x @ q))


def test_generators_are_learned_or_fixed_and_can_be_shared() -> None:
    fixed = LConv.of(FullGenerators(torch.eye(4)[None], learned=False), 1, 1)
    assert {name for name, _ in fixed.named_parameters()} == {"weight", "bias"}
    shared = FieldGenerators(2, (4, 4))
    both = torch.nn.Sequential(LConv.of(shared, 1, 2), LConv.of(shared, 2, 1))
    assert sum(p is shared.coefficients for p in both.parameters()) == 1
    assert Grid(4, 4).disc().sum() == 12  # the four corners lie outside


@pytest.mark.parametrize(
    "make",
    [
        lambda: LConv(1, 1, (4,), parametrisation="dense"),
        lambda: LConv(1, 1, (4,), rank=2),
        lambda: LConv(1, 1, (4,), parametrisation="low-rank", rank=9),
        lambda: LConv(1, 1, (2, 2, 2)),
        lambda: InvariantPool("median"),
        lambda: ResidualLConv(LConv(1, 2, (4,))),
        lambda: FullGenerators(torch.zeros(2, 3, 4)),
        lambda: FieldGenerators(1, (4,), "upwind"),
    ],
)
def test_what_does_not_go_together_is_said(make: object) -> None:
    with pytest.raises(UsageError):
        make()  # type: ignore[operator]
