"""Affine fields: fixed points, metrics of linear parts, brackets with the sign of vector fields, units and origins."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.algebras.affine_fields import AffineFields, algebra_of_affine_fields, structure_constants
from symfind.lie.algebras.classify import identify
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.families.generators import so_generators

F64 = torch.float64


def affine(name: str, d: int) -> AffineFields:
    """A group of affine maps of the catalogue, in the user's coordinates."""
    matrices = parse_group(name).generators
    zero = torch.zeros(d, dtype=F64)
    return AffineFields(matrices[:, :d, :d], matrices[:, :d, d], 1e-9, zero, torch.ones(d, dtype=F64))


def about(centre: Tensor, scale: Tensor, noise: float = 1e-9) -> AffineFields:
    """Turns about ``centre``, seen by data around it."""
    a = so_generators(3)
    return AffineFields(a, -a @ centre, noise, centre + scale, scale)


def test_turns_about_a_point_are_so3_with_that_point_fixed() -> None:
    centre = torch.tensor([3.0, -1.0, 0.5], dtype=F64)
    found = algebra_of_affine_fields(about(centre, torch.ones(3, dtype=F64)))
    assert identify(found.algebra).name == "so(3)"
    assert found.fixed is not None and found.fixed[1] is not None
    assert torch.allclose(found.fixed[0], centre, atol=1e-7) and found.fixed[1].shape == (0, 3)


def test_the_euclidean_algebra_has_a_metric_and_no_fixed_point() -> None:
    found = algebra_of_affine_fields(affine("se3", 3))
    assert found.fixed is None and identify(found.algebra).name == "e(3)"
    (form,) = found.preserved_forms()
    assert torch.allclose(form.matrix, torch.eye(3, dtype=F64), atol=1e-6)


def test_translations_leave_every_form_and_so_none_is_told() -> None:
    found = algebra_of_affine_fields(affine("t3", 3))
    assert found.preserved_forms() == () and identify(found.algebra).name == "R^3"


def test_a_turn_in_space_fixes_its_axis() -> None:
    fields = AffineFields.of_matrices(so_generators(3)[:1], 1e-9)
    found = algebra_of_affine_fields(fields)
    assert found.fixed is not None and found.fixed[1] is not None
    axis = found.fixed[1]
    assert axis.shape == (1, 3) and math.isclose(float(axis[0, 0].abs()), 1.0, abs_tol=1e-9)


@pytest.mark.parametrize("noise", [0.02, 0.2, 0.9])
def test_linear_fields_keep_the_origin_whatever_the_noise(noise: float) -> None:
    found = algebra_of_affine_fields(AffineFields.of_matrices(so_generators(3), noise))
    assert found.fixed is not None and torch.equal(found.fixed[0], torch.zeros(3, dtype=F64))


def test_brackets_are_those_of_vector_fields() -> None:
    # [∂x, x ∂x] = ∂x, as 1 · d(x)/dx ∂x; the matrices ((0, 1), (0, 0)) and ((1, 0), (0, 0)) have the other sign.
    shift = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=F64)
    scaling = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=F64)
    f = structure_constants(torch.stack([shift, scaling]))
    assert f[0, 1].tolist() == [1.0, 0.0] and f[1, 0].tolist() == [-1.0, 0.0]


def test_an_abelian_span_has_no_brackets() -> None:
    f = structure_constants(torch.diag_embed(torch.eye(4, dtype=F64)))
    assert float(f.abs().max()) == 0.0


def test_zero_and_dependent_generators_are_refused() -> None:
    with pytest.raises(InputError, match="zero"):
        algebra_of_affine_fields(AffineFields.of_matrices(torch.zeros(1, 2, 2, dtype=F64)))
    with pytest.raises(InputError, match="independent"):
        algebra_of_affine_fields(AffineFields.of_matrices(torch.eye(2, dtype=F64).repeat(2, 1, 1)))


@settings(max_examples=6, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.floats(-50, 50))
def test_units_change_neither_the_name_nor_the_form(powers: list[float], offset: float) -> None:
    # so(1,3) in coordinates x = s z: it preserves diag(1, −1, −1, −1) / (sᵢ sⱼ), whatever the units s.
    scale = 10.0 ** torch.tensor(powers, dtype=F64)
    a = so_generators(1, 3) * scale[:, None] / scale
    centre = torch.full((4,), offset, dtype=F64) * scale
    found = algebra_of_affine_fields(AffineFields(a, torch.zeros(6, 4, dtype=F64), 1e-8, 0 * centre, scale))
    assert identify(found.algebra).name == "so(1,3)"
    (form,) = found.preserved_forms()
    expected = torch.diag(torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=F64) / scale.square()) * scale[0] ** 2
    assert torch.allclose(form.matrix * scale * scale[:, None], expected * scale * scale[:, None], atol=1e-4)
    assert form.signature == (1, 3)
