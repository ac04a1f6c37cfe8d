"""Noisy fields become formulas: sparse in units of the data, ratios recognised, shares of the norm."""

from __future__ import annotations

import pytest
import torch

from symfind.fields.catalogue import make_space
from symfind.kinds.field.learned.projection import projected
from symfind.linalg.nullspace import GeneralisedSpectrum

# KdV's: variables of very different spread, so that entries of one size are of very different importance.
SPREAD = torch.tensor([29.0, 37.0, 0.45], dtype=torch.float64)


@pytest.fixture(name="setting", scope="module")
def _setting():
    g = torch.Generator().manual_seed(0)
    z = torch.rand(500, 3, generator=g, dtype=torch.float64) * torch.tensor([100.0, 128.0, 1.6], dtype=torch.float64)
    space = make_space("point:1", 3, ("t", "x", "u")).centred(z.mean(0), SPREAD)
    design = (space.evaluate(z) / SPREAD).transpose(1, 2).flatten(0, 1)
    t, x, u = z.unbind(1)
    one, none = torch.ones_like(t), torch.zeros_like(t)
    rows = [(one, none, none), (none, one, none), (none, t, one), (3 * t, x, -2 * u)]
    true = torch.stack([(torch.stack(row, 1) / SPREAD).flatten() for row in rows], 1)
    # Directions that are orthonormal over the data, the first four spanning the true fields.
    factor = torch.linalg.qr(design).R
    turned = torch.linalg.qr(factor @ torch.linalg.lstsq(design, true).solution, mode="complete").Q
    coefficients = torch.linalg.solve_triangular(factor, turned, upper=True)
    values = torch.cat([torch.zeros(4), torch.ones(8)]).double()
    return space, GeneralisedSpectrum(values, coefficients, coefficients[:, :0]), true, design


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-2])
def test_formulas_are_recovered_from_a_mixed_noisy_span(setting, noise):
    space, spectrum, true, design = setting
    g = torch.Generator().manual_seed(1)
    mixed = true / torch.linalg.vector_norm(true, dim=0) @ torch.randn(4, 4, generator=g, dtype=torch.float64)
    left = torch.randn(12, 4, generator=g, dtype=torch.float64)
    error = design @ left
    fields = mixed + noise * error / torch.linalg.vector_norm(error, dim=0) * torch.linalg.vector_norm(mixed, dim=0)
    found = projected(space, spectrum, fields, design)
    texts = [space.expression(v, ("t", "x", "u")) for v in found.vectors.unbind(1)]
    assert sorted(texts) == sorted(["∂t", "∂x", "∂u + t ∂x", "3 t ∂t + x ∂x − 2 u ∂u"])
    assert max(found.defects) < 1e-9
    assert min(found.shares) > 1 - 400 * noise**2 - 1e-9


def test_what_no_formula_says_is_told_as_a_share(setting):
    space, spectrum, true, design = setting
    g = torch.Generator().manual_seed(2)
    other = torch.randn(len(design), 1, generator=g, dtype=torch.float64)
    other = other - design @ torch.linalg.lstsq(design, other).solution
    first = true[:, :1] / torch.linalg.vector_norm(true[:, 0])
    fields = 0.8 * first + 0.6 * other / torch.linalg.vector_norm(other)
    found = projected(space, spectrum, fields, design)
    assert found.shares[0] == pytest.approx(0.64, abs=1e-6)
