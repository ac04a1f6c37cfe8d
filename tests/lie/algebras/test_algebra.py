"""Lie algebras from generators: closure, the nearest subalgebra, characteristic ideals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.algebras.algebra import LieAlgebra, algebra_of_matrices, algebra_of_structure_constants, in_coordinates
from symfind.lie.algebras.closure import MatrixBracket, closure_residual, nearest_subalgebra
from symfind.lie.algebras.structure import Structure, direct_summands
from symfind.lie.groups.catalogue import parse_group
from symfind.linalg.subspaces import largest_sine, span_basis

F64 = torch.float64


def conjugated(matrices: Tensor, seed: int, noise: float = 0.0) -> Tensor:
    """PAP⁻¹ for a random P, of norm one, with noise of that relative size."""
    rng = torch.Generator().manual_seed(seed)
    d = matrices.shape[1]
    p = torch.eye(d, dtype=F64)
    while True:
        p = torch.randn(d, d, generator=rng, dtype=F64)
        if float(torch.linalg.cond(p)) < 20:
            break
    moved = p @ matrices @ torch.linalg.inv(p)
    moved = moved / moved.flatten(1).norm(dim=1)[:, None, None]
    error = torch.randn(moved.shape, generator=rng, dtype=F64)
    return moved + noise * error / error.flatten(1).norm(dim=1)[:, None, None]


def heisenberg() -> Tensor:
    out = torch.zeros(3, 3, 3, dtype=F64)
    out[0, 0, 1] = out[1, 1, 2] = out[2, 0, 2] = 1.0
    return out


# Dimensions that the theory of each algebra gives: derived series, lower central series, centre, Killing signature,
# radical, nilradical.
KNOWN = {
    "so3": ((3,), (3,), 0, (0, 3), 0, 0),
    "so(1,3)": ((6,), (6,), 0, (3, 3), 0, 0),
    "sl3": ((8,), (8,), 0, (5, 3), 0, 0),
    "gl2": ((4, 3), (4, 3), 1, (2, 1), 1, 1),
    "se2": ((3, 2, 0), (3, 2), 0, (0, 1), 3, 2),
    "se3": ((6,), (6,), 0, (0, 3), 3, 3),
    "iso(1,3)": ((10,), (10,), 0, (3, 3), 4, 4),
    "sim2": ((4, 2, 0), (4, 2), 0, (1, 1), 4, 2),
    "aff2": ((6, 5), (6, 5), 0, (3, 1), 3, 2),
    "translations3": ((3, 0), (3, 0), 3, (0, 0), 3, 3),
}


@pytest.mark.parametrize("noise", [0.0, 1e-7])
@pytest.mark.parametrize("name", KNOWN)
def test_characteristic_ideals(name: str, noise: float) -> None:
    s = Structure(algebra_of_matrices(conjugated(parse_group(name).generators, 1, noise)))
    found = (
        s.derived_dimensions,
        s.lower_central_dimensions,
        s.centre.shape[0],
        s.killing_signature,
        s.radical.shape[0],
        s.nilradical.shape[0],
    )
    assert found == KNOWN[name]


def test_heisenberg_is_nilpotent_and_its_centre_is_its_derived_algebra() -> None:
    s = Structure(algebra_of_matrices(conjugated(heisenberg(), 0)))
    assert s.nilpotent and s.solvable and not s.semisimple
    assert s.lower_central_dimensions == (3, 1, 0)
    assert largest_sine(s.centre, s.derived) < 1e-9


def test_structure_constants_satisfy_their_definition() -> None:
    given = conjugated(parse_group("so(1,3)").generators, 3)
    a = algebra_of_matrices(given)
    assert a.basis is not None
    e = a.basis.reshape(6, 4, 4)
    commutators = e[:, None] @ e[None] - e[None] @ e[:, None]
    assert torch.allclose(commutators, torch.einsum("ijk,kab->ijab", a.structure_constants, e), atol=1e-9)
    assert a.jacobi_residual() < 1e-10
    assert largest_sine(a.basis, given.flatten(1)) < 1e-12


@pytest.mark.parametrize("name", ["so3", "so(1,3)", "se3", "sim2"])
def test_nearest_subalgebra_is_closed_and_as_near_as_the_noise(name: str) -> None:
    noise = 1e-4
    given = conjugated(parse_group(name).generators, 2, noise)
    k, d = given.shape[:2]
    found = nearest_subalgebra(given.flatten(1), MatrixBracket(d))
    assert found.closure_after < 1e-9 < 1e-6 < found.closure
    # The noise was not told: it is estimated from the closure.
    assert noise / 3 < found.noise < 6 * noise
    assert found.distance == pytest.approx(largest_sine(found.basis, given.flatten(1)), rel=1e-2)
    # No generator was moved by more than a few times its error.
    unit = given.flatten(1)
    moved = unit - (unit @ found.basis.T) @ found.basis
    assert float(moved.norm(dim=1).max()) < 4 * noise


def test_closure_residual_depends_on_the_span_alone() -> None:
    rows = torch.randn(3, 9, generator=torch.Generator().manual_seed(0), dtype=F64)
    change = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=F64)
    first = closure_residual(span_basis(rows), MatrixBracket(3))
    second = closure_residual(span_basis(1e3 * change @ rows), MatrixBracket(3))
    assert first == pytest.approx(second, rel=1e-9) and first > 0.1
    exact = parse_group("so3").generators.flatten(1)
    assert closure_residual(span_basis(exact), MatrixBracket(3)) < 1e-14
    assert closure_residual(span_basis(exact[:1]), MatrixBracket(3)) == 0.0


def test_random_matrices_are_far_from_an_algebra() -> None:
    given = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=F64)
    a = algebra_of_matrices(given)
    assert a.closure > 0.1 and a.distance > 0.1 and a.noise > 0.1


def test_so4_splits_into_two_ideals_and_lorentz_does_not() -> None:
    four = direct_summands(Structure(algebra_of_matrices(conjugated(parse_group("so4").generators, 0))))
    assert [rows.shape[0] for rows in four.ideals] == [3, 3] and four.complex_type == (False, False)
    lorentz = direct_summands(Structure(algebra_of_matrices(conjugated(parse_group("so(1,3)").generators, 0))))
    assert [rows.shape[0] for rows in lorentz.ideals] == [6] and lorentz.complex_type == (True,)


def test_other_coordinates_describe_the_same_algebra() -> None:
    a = algebra_of_matrices(conjugated(parse_group("so(1,3)").generators, 5))
    b = in_coordinates(a, torch.eye(4, dtype=F64))
    assert a.basis is not None and b.basis is not None
    assert largest_sine(a.basis, b.basis) < 1e-10
    assert Structure(b).killing_signature == (3, 3)


def test_abstract_algebras_are_checked() -> None:
    f = algebra_of_matrices(parse_group("so3").generators).structure_constants
    assert Structure(algebra_of_structure_constants(7.0 * f)).semisimple
    with pytest.raises(InputError, match="antisymmetric"):
        algebra_of_structure_constants(f.abs())
    # [e1, e2] = e1, [e1, e3] = e2: the Jacobi identity fails.
    bad = torch.zeros(3, 3, 3, dtype=F64)
    bad[0, 1, 0], bad[1, 0, 0], bad[0, 2, 1], bad[2, 0, 1] = 1.0, -1.0, 1.0, -1.0
    with pytest.raises(InputError, match="Jacobi"):
        algebra_of_structure_constants(bad)
    with pytest.raises(InputError, match="matrices only"):
        in_coordinates(LieAlgebra(f, 1e-9), torch.eye(3, dtype=F64))


@pytest.mark.parametrize(
    "matrices",
    [torch.zeros(2, 3, 4), torch.eye(3).expand(2, 3, 3), torch.full((1, 2, 2), float("inf")), torch.zeros(1, 2, 2)],
)
def test_bad_matrices_are_refused(matrices: Tensor) -> None:
    with pytest.raises(InputError):
        algebra_of_matrices(matrices)
