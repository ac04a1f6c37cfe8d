"""Noisy generators moved to the exact group next to them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symfind.equivariance.coordinates import changed
from symfind.equivariance.generators import nearest_affine_group, nearest_group
from symfind.errors import InputError
from symfind.lie.groups.catalogue import CompactGroup, parse_group
from symfind.lie.groups.families.generators import so_generators

F64 = torch.float64


def disturbed(generators: Tensor, noise: float, seed: int, change: Tensor | None = None) -> Tensor:
    """Random combinations of the generators, in other coordinates, with relative noise."""
    rng = torch.Generator().manual_seed(seed)
    k, d = len(generators), generators.shape[-1]
    mixed = torch.einsum("ab,bij->aij", torch.linalg.qr(torch.randn(k, k, dtype=F64, generator=rng)).Q, generators)
    if change is not None:
        mixed = torch.linalg.inv(change) @ mixed @ change
    out: Tensor = mixed + noise * torch.randn(k, d, d, dtype=F64, generator=rng) * mixed.norm() / (k * d)
    return out


SKEWED = torch.eye(4, dtype=F64) + 0.3 * torch.tensor(
    [[0.0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1], [0, -1, 0, 0]], dtype=F64
)


@pytest.mark.parametrize("signature", [(3, 0), (4, 0), (1, 3), (1, 2)])
@pytest.mark.parametrize("skewed", [False, True])
def test_the_algebra_of_a_form_is_found_in_any_coordinates(signature: tuple[int, int], skewed: bool) -> None:
    p, q = signature
    d = p + q
    change = SKEWED[:d, :d] if skewed else None
    given = disturbed(so_generators(p, q), 1e-4, 1, change)
    found = nearest_group(given)
    assert found.group.name == (f"so({p},{q})" if q else f"so({p})")
    assert found.distance < 1e-2  # the noise, enlarged by the conditioning of the combinations
    v = changed(found.group, found.coordinates)
    # Exact: V preserves the form TᵀηT to rounding.
    t = torch.eye(d, dtype=F64) if found.coordinates is None else found.coordinates
    form = t.mT @ torch.diag(torch.tensor([1.0] * p + [-1.0] * q, dtype=F64)) @ t
    g = v.rho(found.group.sample(5, torch.Generator().manual_seed(0), 0.5))
    assert torch.allclose(g.mT @ form @ g, form.expand_as(g), atol=1e-10)


def test_exact_generators_stay_where_they_are() -> None:
    found = nearest_group(disturbed(so_generators(1, 3), 0.0, 2))
    assert found.distance < 1e-12
    assert found.coordinates is not None and torch.equal(found.coordinates, torch.eye(4, dtype=F64))


def test_one_rotation_gets_a_circle_with_an_exact_quadrature() -> None:
    a = so_generators(3)[:1] + 1e-5 * torch.randn(1, 3, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    found = nearest_group(a, noise=1e-4)
    assert isinstance(found.group, CompactGroup)
    rule = found.group.haar(6)
    assert rule.exact
    # The mean of V over turns about an axis is the projection onto that axis.
    mean = torch.einsum("q,qij->ij", rule.weights, rule.nodes)
    assert torch.allclose(mean @ mean, mean, atol=1e-12)
    assert abs(float(mean.trace()) - 1.0) < 1e-12


def test_a_dilation_stays_not_compact() -> None:
    found = nearest_group(torch.eye(2, dtype=F64)[None])
    assert not isinstance(found.group, CompactGroup)


def test_affine_generators_of_rigid_motions() -> None:
    group = parse_group("se2")
    found = nearest_affine_group(disturbed(group.generators, 0.0, 1))
    assert found.group.name == "se(2)"
    assert found.distance < 1e-9


def test_other_affine_algebras_are_refused_with_a_way_out() -> None:
    about_a_point = torch.tensor([[[0.0, -1, 1], [1, 0, 0], [0, 0, 0]]], dtype=F64)
    with pytest.raises(InputError, match="neither t.2. nor se.2.*--group"):
        nearest_affine_group(about_a_point)


def test_nothing_certified_is_said() -> None:
    with pytest.raises(InputError, match="no certified generator"):
        nearest_group(torch.empty(0, 3, 3, dtype=F64))
