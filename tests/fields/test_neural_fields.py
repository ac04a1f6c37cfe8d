"""Fields of a network: slopes and series against differences of values, heads as a space of their own."""

from __future__ import annotations

import torch

from symfind.fields.neural import NeuralFields
from symfind.fields.taylor import Truncation, variables


def network() -> NeuralFields:
    g = torch.Generator().manual_seed(0)
    mean, scale = torch.tensor([[0.3, -1.0, 2.0], [0.5, 3.0, 1.5]], dtype=torch.float64)
    return NeuralFields.draw(3, 4, (7, 5), g).centred(mean, scale)


def points(n: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_slopes_are_limits_of_differences() -> None:
    fields, x, v = network(), points(6), points(6, 2)
    h = 1e-5
    difference = (fields.evaluate(x + h * v) - fields.evaluate(x - h * v)) / (2 * h)
    assert torch.allclose(fields.along(x, v), difference, atol=1e-8)
    assert torch.allclose(torch.einsum("npab,nb->npa", fields.jacobian(x), v), fields.along(x, v))
    w = points(12, 3).reshape(6, 2, 3)
    assert torch.allclose(fields.push(x, w), torch.einsum("npd,nmd->nmp", fields.evaluate(x), w))


def test_series_along_a_curve_are_its_derivatives() -> None:
    """ξ(x + δv): first and second derivatives against central differences."""
    fields, x, v = network(), points(5), points(5, 2)
    truncation = Truncation.below([(2,)])
    series = fields.on_series(variables(truncation, {(0,): x, (1,): v, (2,): torch.zeros_like(x)})).derivatives
    h = 1e-3
    ahead, here, behind = (fields.evaluate(x + s * v) for s in (h, 0.0, -h))
    assert torch.allclose(series[0], here)
    assert torch.allclose(series[1], fields.along(x, v))
    assert torch.allclose(series[2], (ahead - 2 * here + behind) / h**2, atol=1e-5)


def test_the_opened_head_holds_the_fields_and_the_constants() -> None:
    fields, x = network(), points(40)
    space = fields.opened()
    assert space.dim == 6 * 3 and space.has_constants
    basis = space.evaluate(x).permute(0, 2, 1).flatten(0, 1)
    constants = torch.eye(3, dtype=torch.float64).repeat(40, 1)
    for wanted in (fields.evaluate(x).permute(0, 2, 1).flatten(0, 1), constants):
        found = torch.linalg.lstsq(basis, wanted).solution
        assert torch.allclose(basis @ found, wanted, atol=1e-8)


def test_combinations_and_parameters() -> None:
    fields, x = network(), points(4)
    mix = points(4, 5)[:, :2]
    assert torch.allclose(fields.combined(mix).evaluate(x), torch.einsum("npd,pk->nkd", fields.evaluate(x), mix))
    again = fields.with_parameters([p.clone() for p in fields.parameters])
    assert torch.equal(again.evaluate(x), fields.evaluate(x))
    assert fields.expression(mix[:, 0], ("t", "x", "u")).count("ξ") == 4
