"""Which finite steps the data can speak about: those that lead from rows to rows, one way or the other."""

import math

import pytest
import torch
from torch import Tensor

from symfind.decision.witness.problem import Problem, WitnessSettings
from symfind.decision.witness.proposals import Shape
from symfind.decision.witness.support import kept_share
from symfind.decision.witness.symmetries import Symmetries
from symfind.decision.witness.trial import Rows
from symfind.fields.catalogue import make_space
from symfind.lie_derivative import Invariant


def share(x: Tensor, field: str) -> float:
    space = make_space("affine", 3, ["x", "y", "z"])
    shape = Shape((1, 3), 1, False, False, True)
    problem = Problem(shape, space, Invariant(), (1, 3), (1, 1), torch.eye(3, dtype=torch.float64))
    at = torch.randn(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wanted = {
        "x ∂x + y ∂y + z ∂z": at,
        "x ∂y − y ∂x": torch.stack([-at[:, 1], at[:, 0], 0 * at[:, 0]], 1),
        "∂z": torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand_as(at),
    }[field]
    values = space.evaluate(at)  # (n, P, d)
    vector = torch.linalg.lstsq(values.transpose(1, 2).reshape(-1, space.dim), wanted.reshape(-1, 1)).solution
    rows = Rows(x, x[:, :1], None, x, torch.ones(1, dtype=torch.float64))
    return kept_share(problem, Symmetries(vector, torch.zeros(0, 3, dtype=torch.float64)), rows, WitnessSettings())


def sphere(n: int, least: float, most: float) -> Tensor:
    draws = torch.Generator().manual_seed(2)
    x = torch.randn(n, 3, generator=draws, dtype=torch.float64)
    radius = least + (most - least) * torch.rand(n, 1, generator=draws, dtype=torch.float64)
    return radius * x / x.norm(dim=1, keepdim=True)


def test_a_scaling_of_a_shell_that_holds_a_step_once_is_seen() -> None:
    """The outer rows can only go inwards, the inner only outwards: of pairs of rows, all are seen."""
    assert share(sphere(1500, 0.6, 1.4), "x ∂x + y ∂y + z ∂z") > 0.9


@pytest.mark.parametrize("field", ["x ∂x + y ∂y + z ∂z", "∂z"])
def test_a_step_off_a_thin_shell_is_not_seen(field: str) -> None:
    x = sphere(1500, 0.999, 1.001)
    assert share(x, field) < 0.5
    assert share(x, "x ∂y − y ∂x") > 0.9


def test_a_step_off_a_sheet_is_not_seen() -> None:
    """Curved, so that no direction is empty: z = sin 3x on a square."""
    draws = torch.Generator().manual_seed(3)
    x = torch.rand(1500, 3, generator=draws, dtype=torch.float64) * 2 - 1
    x[:, 2] = torch.sin(3 * math.pi / 2 * x[:, 0])
    assert share(x, "∂z") < 0.5
