"""Exponents of a scaling are followed by prediction, and stay where no scaling predicts."""

import torch
from torch import Tensor

from symfind.decision.witness.problem import WitnessSettings
from symfind.decision.witness.proposals import Shape, catalogue
from symfind.decision.witness.scalings import scaling_of
from symfind.decision.witness.search import _followed, rough_error
from symfind.decision.witness.structure import Structure
from symfind.decision.witness.trial import Rows

SETTINGS = WitnessSettings()


def rows_of(x: Tensor, y: Tensor) -> Rows:
    weight = 1 / y.std(0)
    return Rows(x, y * weight, None, (x - x.mean(0)) / x.std(0), weight)


def followed(y: Tensor, x: Tensor, start: float) -> tuple[float, float]:
    """The exponent of y, and what it leaves beside what the start leaves."""
    rows = rows_of(x, y)
    plain = next(c for c in catalogue(Shape((1, 3), 3, True, True, False)) if c.name == "so(3)" and c.blocks)
    assert isinstance(plain, Structure)
    scaling = scaling_of(plain, torch.ones(1, 3, dtype=x.dtype), torch.full((1, 3), start, dtype=x.dtype), x)
    assert scaling is not None
    first = plain.scaled("so(3), 1 scaling", scaling)
    error = rough_error(first, rows, 0, SETTINGS.rough)
    assert error is not None
    found, left = _followed(plain, [(first, error)], (first, error), rows, 0, SETTINGS)
    assert isinstance(found, Structure) and found.scaling is not None
    return float(found.scaling.outputs[0, 0]), left / error


def drawn(seed: int) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(1500, 3, generator=draws, dtype=torch.float64)
    radius = 0.3 + 1.7 * torch.rand(1500, 1, generator=draws, dtype=torch.float64)
    return radius * x / x.norm(dim=1, keepdim=True)


def test_a_steep_law_is_reached_from_an_exponent_that_is_too_small() -> None:
    x = drawn(1)
    exponent, left = followed(x * x.norm(dim=1, keepdim=True) ** -5.5, x, -2.0)
    assert exponent == -4.5 and left < 1e-8


def test_a_law_without_a_scaling_gets_none_that_predicts() -> None:
    x = drawn(2)
    _, left = followed(x * torch.exp(-2 * x.norm(dim=1, keepdim=True)), x, 0.0)
    assert left > 1e-3
