"""Every action on the output: columns against a finite difference of the flow it stands for, in both dtypes."""

import itertools
from dataclasses import fields

import pytest
import torch
from torch import Tensor

from symfind.fields.catalogue import make_space
from symfind.kinds.registry import KINDS
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, OutputAction, Same
from symfind.options.of_verbs import DiscoverOptions
from symfind.options.option import accepted
from symfind.tensor_actions import TensorAction, tensor_type

SPACES = ("linear", "affine", "polynomial:2")


def tensor(name: str, stored: int) -> TensorAction:
    found = tensor_type(name)
    assert found is not None
    return found.on(3, stored)


TENSORS = (
    ("vector", 3), ("covector", 3), ("two-form", 3), ("two-form", 9), ("form:3", 1), ("metric", 6), ("metric", 9),
    ("density", 1), ("tensor:1,1", 9), ("tensor:2,1", 27),
)  # fmt: skip
ACTIONS: tuple[OutputAction, ...] = (
    Invariant(), Same(), Free(3), Bracket(), Commuting(), *(tensor(*each) for each in TENSORS)
)  # fmt: skip


def outputs(action: OutputAction, n: int, objects: int) -> Tensor:
    """Values of as many components as the action is on; those of full storage have the symmetry of their type."""
    if not isinstance(action, TensorAction):
        return normal(n, objects, 3, seed=1)
    y = normal(n, objects, len(action.indices), seed=1)
    if not action.packed and action.type.symmetry:
        full = y.reshape(n, objects, 3, 3)
        y = (full + action.type.symmetry * full.transpose(2, 3)).flatten(2)
    return y


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def carried_tensor(action: TensorAction, flow: Tensor, y: Tensor) -> Tensor:
    """T ↦ g T with the Jacobian g ``(n, k, 3, 3)`` of a flow on upper, g⁻ᵀ on lower indices, over (det g)^w."""
    n, k, m = y.shape
    inverse = torch.linalg.inv(flow)
    rank, letters = action.type.rank, "abcdefgh"
    full = y.new_zeros(n, k, *(3,) * rank)
    sign = {(0, 1, 2): 1, (1, 2, 0): 1, (2, 0, 1): 1, (0, 2, 1): -1, (2, 1, 0): -1, (1, 0, 2): -1}
    for place, index in enumerate(action.indices):
        orders = [tuple(range(rank))] if not action.packed else list(itertools.permutations(range(rank)))
        for order in orders:
            even = sign[order] if rank == 3 else (1 if order == tuple(range(rank)) else -1)
            turned = tuple(index[o] for o in order)
            full[(..., *turned)] = y[..., place] * (even if action.type.symmetry < 0 and action.packed else 1)
    for slot in range(rank):
        matrix = flow if slot < action.type.upper else inverse.mT
        inside = letters[:rank]
        out = inside.replace(inside[slot], "z")
        full = torch.einsum(f"nkz{inside[slot]},nk{inside}->nk{out}", matrix, full)
    full = full / torch.linalg.det(flow).reshape(n, k, *(1,) * rank) ** action.type.weight
    return torch.stack([full[(..., *index)] for index in action.indices], -1) if rank else full[..., None]


def moved(action: OutputAction, space: str, c: Tensor, x: Tensor, y: Tensor, t: float) -> Tensor:
    """y after time t: what each action means, to first order in t."""
    name = action.name
    fields = make_space(space, 3, ("a", "b", "c"))
    p = fields.dim

    def xi(z: Tensor) -> Tensor:
        return torch.einsum("npd,p->nd", fields.evaluate(z.reshape(-1, 3)), c[:p]).reshape(z.shape)

    if name == "invariant":
        return y
    if isinstance(action, TensorAction):  # the Jacobian of x ↦ x + tξ(x) by differences
        e = 1e-4
        units = e * torch.eye(3, dtype=torch.float64)
        steps = [(u + t * (xi(x + u / 2) - xi(x - u / 2))) / e for u in units]
        return carried_tensor(action, torch.stack(steps, -1), y)
    if name in ("same", "bracket"):  # a small vector y at x is carried to the difference of two moved points
        e = 1e-5
        start, end = x - e * y / 2, x + e * y / 2
        carried = y + t * (xi(end) - xi(start)) / e
        return carried * (1 + t * c[p]) if name == "bracket" else carried
    if name == "free":
        return y + t * y @ c[p:].reshape(3, 3).T
    return y + t * xi(y)


def named(action: OutputAction) -> str:
    return f"{action.name}, packed" if isinstance(action, TensorAction) and action.packed else action.name


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("action", ACTIONS, ids=named)
def test_columns_are_the_velocity_of_y(action: OutputAction, space: str) -> None:
    fields = make_space(space, 3, ("a", "b", "c"))
    x, y, c = normal(8, 2, 3), outputs(action, 8, 2), normal(fields.dim + action.extra, seed=2)
    columns = action.columns(fields, x, y)
    t = 2e-5
    expected = (moved(action, space, c, x, y, t) - moved(action, space, c, x, y, -t)) / (2 * t)
    if columns is None:
        assert float(expected.abs().max()) == 0.0
        return
    assert columns.shape == (*y.shape, fields.dim + action.extra)
    torch.testing.assert_close(columns @ c, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("action", ACTIONS, ids=named)
def test_columns_are_linear_in_y_but_for_the_commuting_action(action: OutputAction) -> None:
    fields = make_space("linear", 3, ("a", "b", "c"))
    x, y = normal(5, 1, 3), outputs(action, 5, 1)
    one, two = action.columns(fields, x, y), action.columns(fields, x, 2 * y)
    if one is not None and two is not None:
        torch.testing.assert_close(two, 2 * one)


@pytest.mark.parametrize("action", ACTIONS, ids=named)
def test_matrix_is_what_a_linear_generator_does_to_y(action: OutputAction) -> None:
    fields = make_space("linear", 3, ("a", "b", "c"))
    x, y, c = normal(5, 1, 3), outputs(action, 5, 1), normal(fields.dim + action.extra, seed=2)
    matrix, columns = action.matrix(fields, c), action.columns(fields, x, y)
    if action.name in ("invariant", "commuting"):
        assert matrix is None
    elif action.name == "bracket":
        assert matrix is not None and matrix.tolist() == [[float(c[-1])]]
    else:
        assert matrix is not None and columns is not None
        torch.testing.assert_close(columns @ c, y @ matrix.T)


@pytest.mark.parametrize("action", ACTIONS, ids=named)
def test_single_precision_stays_single(action: OutputAction) -> None:
    fields = make_space("affine", 3, ("a", "b", "c"))
    columns = action.columns(fields, normal(4, 1, 3).float(), outputs(action, 4, 1).float())
    assert columns is None or columns.dtype == torch.float32


def test_one_input_carries_several_outputs() -> None:
    fields = make_space("linear", 3, ("a", "b", "c"))
    x, y = normal(4, 1, 3), normal(4, 2, 3, seed=1)
    columns = Same().columns(fields, x, y)
    torch.testing.assert_close(columns[:, 1], Same().columns(fields, x, y[:, 1:])[:, 0])


def test_a_quadratic_field_has_no_constant_matrix() -> None:
    fields = make_space("polynomial:2", 2, ("a", "b"))
    assert Same().matrix(fields, normal(fields.dim)) is None


def test_every_action_that_can_be_asked_for_or_is_implied_is_here() -> None:
    names = {action.name for action in ACTIONS}
    choices = next(f for f in fields(DiscoverOptions) if f.name == "output_action")
    assert set(accepted(choices.metadata)) - {"auto"} <= names
    for kind in KINDS:
        if kind.question is not None:
            for shape in ((1, 1), (1, 3)):
                assert kind.question(None).action("auto", shape, shape)[0].name in names
