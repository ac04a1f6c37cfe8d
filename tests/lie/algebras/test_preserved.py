"""Preserved forms, polynomial invariants, fixed points, invariant subspaces."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.algebras.algebra import algebra_of_matrices, algebra_of_structure_constants
from symfind.lie.algebras.preserved import fixed_points, invariant_subspaces, polynomial_invariants, preserved_forms
from symfind.lie.groups.catalogue import parse_group

F64 = torch.float64


def noisy(matrices: Tensor, noise: float, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    k = matrices.shape[0]
    mixed = torch.einsum("xk,kab->xab", torch.linalg.qr(torch.randn(k, k, generator=rng, dtype=F64)).Q, matrices)
    return mixed + noise * torch.randn(mixed.shape, generator=rng, dtype=F64)


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-5])
def test_lorentz_preserves_minkowski(noise: float) -> None:
    found = preserved_forms(algebra_of_matrices(noisy(parse_group("so(1,3)").generators, noise)))
    assert len(found) == 1
    form = found[0]
    metric = torch.diag(torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=F64))
    assert form.symmetric and form.signature == (1, 3)
    assert float((form.matrix - metric).abs().max()) < 1e-9 + 10 * noise
    # The stated uncertainty is of the size of the true error.
    assert float(form.standard_error.max()) < 1e-9 + 20 * noise
    if noise:
        assert float((form.matrix - metric).norm()) < 6 * float(form.standard_error.norm())


def test_form_of_a_conjugated_lorentz_algebra_is_its_pullback() -> None:
    rng = torch.Generator().manual_seed(3)
    p = torch.randn(4, 4, generator=rng, dtype=F64)
    moved = p @ parse_group("so(1,3)").generators @ torch.linalg.inv(p)
    metric = torch.diag(torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=F64))
    back = torch.linalg.inv(p)
    expected = back.T @ metric @ back
    (form,) = preserved_forms(algebra_of_matrices(moved))
    assert torch.allclose(form.matrix, expected / expected[0, 0], atol=1e-7)


def test_symplectic_and_linear_algebras() -> None:
    (form,) = preserved_forms(algebra_of_matrices(parse_group("sp4").generators))
    assert not form.symmetric and form.signature == (2, 2)
    expected = torch.zeros(4, 4, dtype=F64)
    expected[0, 2] = expected[1, 3] = 1.0
    assert torch.allclose(form.matrix, expected - expected.T, atol=1e-9)
    assert preserved_forms(algebra_of_matrices(parse_group("gl3").generators)) == ()


def test_rotation_of_two_vectors_preserves_three_products_and_no_more() -> None:
    so3 = parse_group("so3").generators
    both = torch.stack([torch.block_diag(a, a) for a in so3])
    found = preserved_forms(algebra_of_matrices(both))
    # r·r, v·v, r·v + v·r and the antisymmetric r·v − v·r.
    assert [f.symmetric for f in found] == [True, True, True, False]
    assert all(int((f.matrix.abs() > 1e-9).sum()) in (3, 6) for f in found)


def test_forms_need_matrices() -> None:
    f = algebra_of_matrices(parse_group("so3").generators).structure_constants
    with pytest.raises(InputError, match="matrices"):
        preserved_forms(algebra_of_structure_constants(f))
    with pytest.raises(InputError, match="matrices"):
        invariant_subspaces(algebra_of_structure_constants(f))


def test_polynomial_invariants_are_the_classical_ones() -> None:
    (square,) = polynomial_invariants(parse_group("so3").generators, 4)
    assert square.degree == 2
    terms = {tuple(e): c for e, c in zip(square.exponents.tolist(), square.coefficients.tolist(), strict=True) if c}
    assert terms == {(2, 0, 0): 1.0, (0, 2, 0): 1.0, (0, 0, 2): 1.0}
    # The torus diag(t, −2t): x²y and its powers, of which only x²y is new.
    (cubic,) = polynomial_invariants(torch.diag(torch.tensor([1.0, -2.0], dtype=F64))[None], 6)
    terms = {tuple(e): c for e, c in zip(cubic.exponents.tolist(), cubic.coefficients.tolist(), strict=True) if c}
    assert terms == {(2, 1): 1.0}
    assert polynomial_invariants(parse_group("gl2").generators, 4) == ()


def test_determinant_is_the_invariant_of_two_vectors_in_the_plane() -> None:
    sl2 = parse_group("sl2").generators
    (det,) = polynomial_invariants(torch.stack([torch.block_diag(a, a) for a in sl2]), 2)
    terms = {tuple(e): c for e, c in zip(det.exponents.tolist(), det.coefficients.tolist(), strict=True) if c}
    assert terms == {(1, 0, 0, 1): 1.0, (0, 1, 1, 0): -1.0}


def test_invariants_need_square_matrices_and_a_degree() -> None:
    with pytest.raises(InputError):
        polynomial_invariants(torch.zeros(1, 2, 3), 2)
    with pytest.raises(InputError):
        polynomial_invariants(torch.zeros(1, 2, 2), 0)


def test_fixed_points() -> None:
    rotations = parse_group("so3").generators
    centre = torch.tensor([1.0, -2.0, 0.5], dtype=F64)
    # A(x − c): all rotations about c fix c alone; one of them fixes its axis.
    found = fixed_points(rotations, -(rotations @ centre))
    assert found is not None
    assert torch.allclose(found[0], centre, atol=1e-9) and found[1].shape == (0, 3)
    axis = fixed_points(rotations[2:], -(rotations[2:] @ centre))
    assert axis is not None
    assert torch.allclose(axis[1].abs(), torch.tensor([[0.0, 0.0, 1.0]], dtype=F64), atol=1e-9)
    shift = torch.zeros(1, 3, 3, dtype=F64)
    assert fixed_points(shift, torch.tensor([[1.0, 0.0, 0.0]], dtype=F64)) is None


def test_invariant_subspaces_of_a_sum_of_blocks() -> None:
    so3, so2 = parse_group("so3").generators, parse_group("so2").generators
    blocks = [torch.block_diag(a, torch.zeros(2, 2, dtype=F64)) for a in so3]
    blocks.append(torch.block_diag(torch.zeros(3, 3, dtype=F64), so2[0]))
    found = invariant_subspaces(algebra_of_matrices(torch.stack(blocks)))
    assert [rows.shape[0] for rows in found] == [2, 3]
    assert torch.equal(found[0], torch.eye(5, dtype=F64)[3:])
    assert torch.equal(found[1], torch.eye(5, dtype=F64)[:3])
    assert [rows.shape[0] for rows in invariant_subspaces(algebra_of_matrices(so3))] == [3]
