"""Every action on the output: columns against a finite difference of the flow it stands for, in both dtypes."""

import pytest
import torch
from torch import Tensor

from symfind.fields.catalogue import make_space
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, OutputAction, Same

SPACES = ("linear", "affine", "polynomial:2")
ACTIONS: tuple[OutputAction, ...] = (Invariant(), Same(), Free(3), Bracket(), Commuting())


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moved(name: str, space: str, c: Tensor, x: Tensor, y: Tensor, t: float) -> Tensor:
    """y after time t: what each action means, to first order in t."""
    fields = make_space(space, 3, ("a", "b", "c"))
    p = fields.dim

    def xi(z: Tensor) -> Tensor:
        return torch.einsum("npd,p->nd", fields.evaluate(z.reshape(-1, 3)), c[:p]).reshape(z.shape)

    if name == "invariant":
        return y
    if name in ("same", "bracket"):  # a small vector y at x is carried to the difference of two moved points
        e = 1e-5
        start, end = x - e * y / 2, x + e * y / 2
        carried = (end + t * xi(end) - start - t * xi(start)) / e
        return carried * (1 + t * c[p]) if name == "bracket" else carried
    if name == "free":
        return y + t * y @ c[p:].reshape(3, 3).T
    return y + t * xi(y)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.name)
def test_columns_are_the_velocity_of_y(action: OutputAction, space: str) -> None:
    fields = make_space(space, 3, ("a", "b", "c"))
    x, y, c = normal(8, 2, 3), normal(8, 2, 3, seed=1), normal(fields.dim + action.extra, seed=2)
    columns = action.columns(fields, x, y)
    t = 1e-4
    expected = (moved(action.name, space, c, x, y, t) - moved(action.name, space, c, x, y, -t)) / (2 * t)
    if columns is None:
        assert float(expected.abs().max()) == 0.0
        return
    assert columns.shape == (8, 2, 3, fields.dim + action.extra)
    torch.testing.assert_close(columns @ c, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.name)
def test_columns_are_linear_in_y_but_for_the_commuting_action(action: OutputAction) -> None:
    fields = make_space("linear", 3, ("a", "b", "c"))
    x, y = normal(5, 1, 3), normal(5, 1, 3, seed=1)
    one, two = action.columns(fields, x, y), action.columns(fields, x, 2 * y)
    if one is not None and two is not None:
        torch.testing.assert_close(two, 2 * one)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.name)
def test_matrix_is_what_a_linear_generator_does_to_y(action: OutputAction) -> None:
    fields = make_space("linear", 3, ("a", "b", "c"))
    x, y, c = normal(5, 1, 3), normal(5, 1, 3, seed=1), normal(fields.dim + action.extra, seed=2)
    matrix, columns = action.matrix(fields, c), action.columns(fields, x, y)
    if action.name in ("invariant", "commuting"):
        assert matrix is None
    elif action.name == "bracket":
        assert matrix is not None and matrix.tolist() == [[float(c[-1])]]
    else:
        assert matrix is not None and columns is not None
        torch.testing.assert_close(columns @ c, y @ matrix.T)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.name)
def test_single_precision_stays_single(action: OutputAction) -> None:
    fields = make_space("affine", 3, ("a", "b", "c"))
    columns = action.columns(fields, normal(4, 1, 3).float(), normal(4, 1, 3, seed=1).float())
    assert columns is None or columns.dtype == torch.float32


def test_one_input_carries_several_outputs() -> None:
    fields = make_space("linear", 3, ("a", "b", "c"))
    x, y = normal(4, 1, 3), normal(4, 2, 3, seed=1)
    columns = Same().columns(fields, x, y)
    torch.testing.assert_close(columns[:, 1], Same().columns(fields, x, y[:, 1:])[:, 0])


def test_a_quadratic_field_has_no_constant_matrix() -> None:
    fields = make_space("polynomial:2", 2, ("a", "b"))
    assert Same().matrix(fields, normal(fields.dim)) is None
