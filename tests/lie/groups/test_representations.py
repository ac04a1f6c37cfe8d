"""Representations: homomorphism, derivative and notation."""

import pytest
import torch
from rounding import rounding

from symfind.errors import UsageError
from symfind.lie.groups.catalogue import group_from_generators, parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import data_shape, defining, natural_representation, trivial

F64 = torch.float64


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


CASES = [
    ("so3", "4x1+2x0", 14), ("so3", "2x3+1x2", 19), ("so3", "3V+1", 10), ("so3", "V^2", 9), ("so3", "V⊗(V+1)+2", 14),
    ("so3", "1o+0e", 4), ("o3", "1x1o+2x1e+1x0o+1x2", 15), ("o3", "2x3", 14), ("so2", "1x1+1x3+2x0", 6),
    ("o2", "1x2+1x0o+1x0e", 4), ("su2", "V+1x1", 7), ("su2", "1x1/2+1x3/2+1x2", 17), ("so13", "T(1,1)+V*", 20),
    ("so13", "V**V", 16), ("gl2", "V+V*+det", 5), ("o3", "det+V", 4), ("sl3", "2V*+1", 7), ("sp4", "V^2", 16),
    ("se2", "V+L", 5), ("se3", "points(2)+2L+1", 14), ("t2", "V", 3), ("e2", "V*", 3), ("diagonal3", "V+V*", 6),
    ("s4", "V+V^2", 20), ("s3", "regular+sign", 7), ("z5", "regular+V", 10), ("c4", "image(3)+2V", 13),
    ("d4", "image(4,4)+regular", 24), ("b3", "V", 3), ("reflections(2)", "image(2,3)", 6), ("so3 x s4", "V+1", 13),
    ("so3 x s4", "V1+V2+2x2", 17), ("s3 x so13", "V", 12), ("u2", "V+V*", 8),
]  # fmt: skip


@pytest.mark.parametrize(("group", "formula", "dim"), CASES)
def test_rho_is_a_homomorphism_with_derivative_drho(group, formula, dim):
    g = parse_group(group)
    v = parse_representation(g, formula)
    assert v.dim == dim
    a, b = g.sample(2, rng(3), scale=0.5)
    scale = 1 + float(v.rho(a).norm() * v.rho(b).norm())
    assert float((v.rho(a @ b) - v.rho(a) @ v.rho(b)).norm()) < 1e-12 * scale
    assert torch.allclose(v.rho(torch.stack([a, b]))[1], v.rho(b), atol=1e-14)
    assert float((v.dual.rho(a) - torch.linalg.inv(v.rho(a)).mT).norm()) < 1e-11 * scale
    if v.is_orthogonal:
        assert float((v.rho(a).mT @ v.rho(a) - torch.eye(dim, dtype=F64)).abs().max()) < rounding(terms=dim)
    for x in g.generators:
        assert torch.allclose(v.rho(torch.linalg.matrix_exp(0.7 * x)), torch.linalg.matrix_exp(0.7 * v.drho(x)),
                              atol=1e-12)  # fmt: skip


def test_degree_one_is_the_defining_representation():
    for name, one in (("so3", "1x1"), ("o3", "1x1o"), ("so2", "1x1"), ("o2", "1x1")):
        g = parse_group(name)
        x = g.sample(5, rng())
        assert torch.allclose(parse_representation(g, one).rho(x), x, atol=1e-14)


def test_degree_two_is_the_traceless_symmetric_square():
    """χ₂(θ) = 1 + 2cos θ + 2cos 2θ, and so on for every degree."""
    g = parse_group("so3")
    theta = torch.tensor([0.0, 1.0, 3.1, torch.pi], dtype=F64)
    x = torch.linalg.matrix_exp(theta[:, None, None] * g.generators[1])
    for degree in range(6):
        trace = torch.einsum("nii->n", parse_representation(g, f"1x{degree}").rho(x))
        character = 1 + 2 * sum(torch.cos(k * theta) for k in range(1, degree + 1))
        # An entry of degree ℓ is a polynomial of degree 2ℓ in half angles; the trace sums 2ℓ + 1 of them.
        assert float((trace - character).abs().max()) < rounding(2 * degree + 1, terms=2 * degree + 1)


def test_half_turns():
    """Rotations by π have no unique logarithm; D(g)² must still be 1."""
    g = parse_group("so3")
    half = torch.diag_embed(torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=F64))
    d = parse_representation(g, "1x4").rho(half)
    assert float((d @ d - torch.eye(9, dtype=F64)).abs().max()) < rounding(9, terms=9)


def test_sums_and_products_act_on_their_parts():
    g = parse_group("so3")
    v = defining(g)
    x = g.sample(1, rng())[0]
    both = (v + trivial(g)) * (v + trivial(g, 2))
    left = torch.block_diag(x, torch.eye(1, dtype=F64))
    right = torch.block_diag(x, torch.eye(2, dtype=F64))
    assert torch.allclose(both.rho(x), torch.kron(left, right), atol=1e-15)
    assert torch.equal((3 * v).rho(x), torch.block_diag(x, x, x))
    assert str(parse_representation(g, "4x1+2x0+V+V+3")) == "4x1+2x0+2V+3"
    again = parse_representation(g, str(parse_representation(g, "2(V⊗V)+1x2+1")))
    assert again.key == parse_representation(g, "2(V⊗V)+1x2+1").key


def test_product_acts_on_arrays_of_vectors():
    g = parse_group("so3 x s5")
    assert data_shape(g) == (5, 3) == data_shape(parse_group("s5 x so3"))
    x = g.sample(1, rng())[0]
    r, p = g.split(x)
    points = torch.randn(5, 3, dtype=F64, generator=rng())
    moved = (defining(g).rho(x) @ points.reshape(-1)).reshape(5, 3)
    assert torch.allclose(moved, p @ points @ r.mT, atol=1e-14)


def test_image_turns_like_rot90():
    g = parse_group("d4")
    quarter = torch.tensor([[0.0, -1], [1, 0]], dtype=F64)
    picture = torch.randn(5, 5, dtype=F64, generator=rng())
    rho = parse_representation(g, "image(5,5)").rho(quarter)
    assert torch.equal((rho @ picture.reshape(-1)).reshape(5, 5), torch.rot90(picture, 1, (-2, -1)))
    mirrored = parse_representation(g, "image(5)").rho(torch.diag(torch.tensor([-1.0, 1], dtype=F64)))
    assert torch.equal((mirrored @ picture.reshape(-1)).reshape(5, 5), picture.flip(-1))


def test_points_of_an_affine_group():
    g = parse_group("se2")
    x = g.sample(1, rng())[0]
    p = torch.randn(3, 2, dtype=F64, generator=rng())
    out = natural_representation(g, (3, 2)).rho(x) @ torch.cat([p.reshape(-1), torch.ones(1, dtype=F64)])
    expected = p @ x[:2, :2].mT + x[:2, 2]
    assert torch.allclose(out[:-1].reshape(3, 2), expected) and float(out[-1]) == 1.0


@pytest.mark.parametrize(
    ("group", "formula", "why"),
    [
        ("so3", "4y1", "read|known|place"), ("so3", "V+", "the end"), ("so3", "(V+1", r"'\)'"),
        ("so4", "2x1", "powers of V"),
        ("so3", "1x1/2", "su2"), ("so3", "V^V", "whole number"), ("so3", "regular", "infinite"), ("so3", "L", "affine"),
        ("so3", "image(4)", "pixels"), ("c4", "image(2,3)", "pixels"), ("c6", "image(4)", "pixels"),
        ("so3", "points(3)", "3V"), ("so3", "", "place"), ("so3", "W", "known"), ("so3", "V V", "place"),
        ("so3 x so3", "1x1", "V1"),
    ],
)  # fmt: skip
def test_malformed_formula(group, formula, why):
    with pytest.raises(UsageError, match=why):
        parse_representation(parse_group(group), formula)


def test_natural_representation_needs_a_fitting_shape():
    assert natural_representation(parse_group("so3"), (9, 3)).dim == 27
    assert natural_representation(parse_group("so3"), (27,)).dim == 27
    with pytest.raises(UsageError, match="rows of 3"):
        natural_representation(parse_group("so3"), (10,))
    with pytest.raises(UsageError, match="do not combine"):
        _ = defining(parse_group("so3")) + defining(parse_group("so4"))


def test_custom_groups_have_their_matrices():
    g = group_from_generators(parse_group("so13").generators[:3])
    assert defining(g).dim == 4 and not defining(g).is_orthogonal
