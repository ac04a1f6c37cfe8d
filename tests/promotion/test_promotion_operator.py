"""The Lie derivative as a linear map of the parameters: its parts, its table, and the rows that discover uses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.geometry import Moments, input_geometry, output_root
from symfind.fits.surrogate import LinearFit
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, LieDerivative, OutputAction, Same
from symfind.promotion.operator import LieOperator, candidates_at, whitened

_F64 = torch.float64
NAMES = ("a", "b", "c")


def rows(n: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=_F64)


def features(width: int, degree: int) -> PolynomialFeatures:
    zero, one = torch.zeros(width, dtype=_F64), torch.ones(width, dtype=_F64)
    return PolynomialFeatures.of_degree(Standardiser(zero, one), degree)


CASES: list[tuple[OutputAction, int, int]] = [
    (Invariant(), 1, 1), (Invariant(), 2, 2), (Same(), 1, 3), (Free(2), 1, 2), (Free(2), 2, 2), (Bracket(), 1, 3),
]  # fmt: skip


def operator(action: OutputAction, k: int, m: int, space: str = "affine") -> tuple[LieOperator, torch.Tensor]:
    x = rows(17, 3 * k)
    candidates = candidates_at(make_space(space, 3, NAMES), action, x.reshape(-1, k, 3), (1, m))
    return LieOperator.of(features(3 * k, 2), x, candidates, rows(m, m, 5)), x


@pytest.mark.parametrize(("action", "k", "m"), CASES)
def test_parts_table_adjoint_and_gram_agree(action: OutputAction, k: int, m: int) -> None:
    lie, _ = operator(action, k, m)
    w, v = rows(1, lie.size, 1)[0], rows(*lie.shape, 2)
    table = lie.dense().table
    assert table.shape == (*lie.shape, lie.size)
    torch.testing.assert_close(lie(w), table @ w)
    torch.testing.assert_close((lie(w) * v).sum(), lie.adjoint(v) @ w)
    flat = table.flatten(0, 1)
    torch.testing.assert_close(lie.gram(), flat.T @ flat)
    change = rows(lie.shape[1], 2, 3)
    torch.testing.assert_close(lie.turned(change)(w), lie(w) @ change)


@pytest.mark.parametrize(("action", "k", "m"), CASES)
def test_it_is_the_lie_derivative(action: OutputAction, k: int, m: int) -> None:
    lie, x = operator(action, k, m)
    moments = Moments(3 * k)
    moments.add(x)
    w = rows(lie.size // m, m, 1)
    fit = LinearFit(features(3 * k, 2), w, (k, 3), (1, m))
    geometry = input_geometry(moments, k)
    root = output_root([fit(x.reshape(-1, k, 3)).reshape(-1, 1, m)])
    reference = LieDerivative(
        fit, make_space("affine", 3, NAMES), action, replace(geometry, outputs=root), (k, 3), (1, m)
    )
    ours = replace(lie, outputs=root)
    m_rows = reference.pencil(x.reshape(-1, k, 3)).m.flatten(0, 1)
    torch.testing.assert_close(ours(w.flatten()) * len(x) ** 0.5, m_rows)


def test_a_rotation_annihilates_what_depends_on_the_radius_alone() -> None:
    lie, x = operator(Invariant(), 1, 1, "so")
    radius = torch.linalg.lstsq(features(3, 2)(x), x.square().sum(1, keepdim=True)).solution
    assert float(lie(radius[:, 0]).abs().max()) < 1e-12


def test_maps_that_commute_are_linear_in_f_for_linear_candidates_alone() -> None:
    x = rows(9, 3)[:, None, :]
    assert candidates_at(make_space("linear", 3, NAMES), Commuting(), x, (1, 3)).action is not None
    with pytest.raises(UsageError, match="nonlinear map"):
        candidates_at(make_space("affine", 3, NAMES), Commuting(), x, (1, 3))


def test_whitened_candidates_have_unit_size_and_trivial_ones_are_dropped() -> None:
    x = rows(200, 3) * torch.tensor([1.0, 100.0, 0.01], dtype=_F64)
    moments = Moments(3)
    moments.add(x)
    geometry = input_geometry(moments, 1)
    candidates = candidates_at(make_space("linear+so", 3, NAMES), Invariant(), x[:, None, :], (1, 1))
    one = torch.ones(1, 1, dtype=_F64)
    change = whitened(candidates, geometry, one, x[:, :1], 1)
    assert change.shape == (12, 9)
    white = torch.einsum("rd,ndP->nrP", geometry.inputs.whiten, candidates.turned(change).fields)
    gram = torch.einsum("nrP,nrQ->PQ", white, white) / (200 * 3)
    torch.testing.assert_close(gram, torch.eye(9, dtype=_F64), atol=1e-8, rtol=0)


def test_candidates_that_are_zero_on_the_data() -> None:
    x = torch.zeros(20, 3, dtype=_F64)
    x[:, 0] = rows(20, 1)[:, 0]
    moments = Moments(3)
    moments.add(x)
    space = make_space("so", 3, NAMES)
    candidates = candidates_at(space, Invariant(), 0 * x[:, None, :], (1, 1))
    with pytest.raises(InputError, match="every candidate is zero"):
        whitened(candidates, input_geometry(moments, 1), torch.ones(1, 1, dtype=_F64), x[:, :1], 1)
