"""The catalogue: dimensions, preserved forms, Haar integrals against known moments."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.errors import UsageError
from symfind.lie.groups.catalogue import CompactGroup, catalogue, conjugate, group_from_generators, parse_group

F64 = torch.float64


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("name", "dimension", "degree"),
    [
        ("so3", 3, 3), ("SO(5)", 10, 5), ("so10", 45, 10), ("o(4)", 6, 4), ("so13", 6, 4),
        ("lorentz", 6, 4), ("o(1,3)", 6, 4),
        ("su2", 3, 4), ("su(3)", 8, 6), ("u(2)", 4, 4), ("sl3", 8, 3), ("gl(2)", 4, 2), ("sp4", 10, 4),
        ("scalings3", 1, 3), ("diagonal(3)", 3, 3), ("t2", 2, 3), ("se(3)", 6, 4), ("e2", 3, 3), ("sim(2)", 4, 3),
        ("aff2", 6, 3), ("iso(1,3)", 10, 5), ("s5", 0, 5), ("z4", 0, 4), ("c4", 0, 2), ("d6", 0, 2),
        ("reflections(3)", 0, 3), ("inversion2", 0, 2), ("b3", 0, 3), ("so3 x s5", 3, 8), ("so3xs5", 3, 8),
    ],
)  # fmt: skip
def test_dimension(name, dimension, degree):
    g = parse_group(name)
    assert (g.dimension, g.degree) == (dimension, degree)
    assert g.generators.shape == (dimension, degree, degree)
    if dimension:  # the generators are independent
        assert int(torch.linalg.matrix_rank(g.generators.reshape(dimension, -1))) == dimension
    assert g.key == parse_group(name).key


def test_every_family_closes_under_brackets():
    for family in catalogue():
        g = parse_group(family.example)
        assert isinstance(g, CompactGroup) == family.compact, family.name
        if g.dimension < 2:
            continue
        basis = g.generators.reshape(g.dimension, -1)
        brackets = torch.einsum("aij,bjk->abik", g.generators, g.generators)
        brackets = (brackets - brackets.transpose(0, 1)).reshape(-1, basis.shape[1])
        solved = torch.linalg.lstsq(basis.T, brackets.T).solution
        assert float((basis.T @ solved - brackets.T).abs().max()) < 1e-13, family.name


def test_preserved_forms():
    x = parse_group("so13").sample(20, rng(), scale=0.3)
    eta = torch.diag(torch.tensor([1.0, -1, -1, -1], dtype=F64))
    assert float((x.mT @ eta @ x - eta).abs().max()) < 1e-12
    assert float(x[:, 0, 0].min()) >= 1.0  # orthochronous
    y = parse_group("sp4").sample(20, rng(), scale=0.3)
    omega = torch.zeros(4, 4, dtype=F64)
    omega[:2, 2:], omega[2:, :2] = torch.eye(2), -torch.eye(2)
    assert float((y.mT @ omega @ y - omega).abs().max()) < 1e-11
    determinant = torch.linalg.det(parse_group("sl3").sample(20, rng(), scale=0.3))
    assert float((determinant - 1).abs().max()) < 1e-11


def test_affine_generators():
    se2 = parse_group("se2")
    assert se2.affine and se2.point_dimension == 2
    (a, b), *shifts = se2.affine_generators
    assert torch.equal(a, torch.tensor([[0.0, -1], [1, 0]], dtype=F64)) and not b.any()
    assert torch.equal(torch.stack([s[1] for s in shifts]), torch.eye(2, dtype=F64))
    assert not torch.stack([s[0] for s in shifts]).any()
    with pytest.raises(UsageError, match="product"):
        _ = parse_group("so3 x s2").affine_generators


def test_right_handed_rotations():
    lx, ly, lz = parse_group("so3").generators
    assert torch.equal(lx @ ly - ly @ lx, lz)
    assert torch.equal(lz @ torch.tensor([1.0, 0, 0], dtype=F64), torch.tensor([0.0, 1, 0], dtype=F64))


@pytest.mark.parametrize(
    ("name", "nearest"), [("sq3", "so3"), ("lorenz", "lorentz"), ("translation3", "t3"), ("refections3", "refl")]
)
def test_unknown_name_gives_nearest(name, nearest):
    with pytest.raises(UsageError, match=nearest):
        parse_group(name)


@pytest.mark.parametrize("name", ["so", "so(1,2,3)", "sp3", "s0", "", "se3 x s2", "so3 x", "so(-3)", "so(3"])
def test_malformed_name(name):
    with pytest.raises(UsageError):
        parse_group(name)


def test_dimension_of_the_data_fills_in():
    assert parse_group("translations", 3).name == "t(3)"
    assert parse_group("SE", 2).name == "se(2)"


@pytest.mark.parametrize(("name", "order"), [("s4", 24), ("z5", 5), ("c4", 4), ("c6", 6), ("d4", 8), ("b3", 48),
                                             ("reflections(3)", 8), ("inversion(3)", 2), ("s1", 1)])  # fmt: skip
def test_finite_orders(name, order):
    g = parse_group(name)
    assert len(g.elements) == order == g.order
    assert torch.equal(g.elements[0], torch.eye(g.degree, dtype=F64))


@given(degree=st.integers(0, 4), seed=st.integers(0, 5),
       name=st.sampled_from(["so2", "o2", "so3", "o3", "su2", "c6", "so3 x z3"]))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_haar_rule_is_invariant(degree, seed, name):
    """∫ f(hg) dg = ∫ f(gh) dg = ∫ f dg for polynomials of the rule's degree."""
    g = parse_group(name)
    r = rng(seed)
    u, v = torch.randn(2, g.degree, dtype=F64, generator=r)
    h = g.sample(1, r)[0]
    rule = g.haar(degree)
    assert rule.exact
    assert abs(float(rule.weights.sum()) - 1) < 1e-14

    def integral(nodes):
        return float(rule.weights @ (torch.einsum("i,nij,j->n", u, nodes, v) + 1) ** degree)

    scale = 1 + integral(rule.nodes).__abs__() + float(u.norm() * v.norm()) ** degree
    assert abs(integral(h @ rule.nodes) - integral(rule.nodes)) < 1e-13 * scale
    assert abs(integral(rule.nodes @ h) - integral(rule.nodes)) < 1e-13 * scale


@pytest.mark.parametrize(("name", "n"), [("so3", 3), ("so4", 4), ("so5", 5), ("o3", 3)])
def test_haar_moments(name, n):
    """E g₁₁² = 1/n and E g₁₁⁴ = 3/(n(n+2)): the first row is uniform on the sphere."""
    rule = parse_group(name).haar(4 if n < 5 else 2)
    g11 = rule.nodes[:, 0, 0]
    assert abs(float(rule.weights @ g11**2) - 1 / n) < 1e-13
    if n < 5:
        assert abs(float(rule.weights @ g11**4) - 3 / (n * (n + 2))) < 1e-13
    assert abs(float(rule.weights @ g11)) < 1e-13  # no invariant vector


def test_su2_haar_moment():
    """E|a|^{2k} = 1/(k+1) for the first entry a of SU(2)."""
    rule = parse_group("su2").haar(8)
    a2 = rule.nodes[:, 0, 0] ** 2 + rule.nodes[:, 2, 0] ** 2
    for k in range(5):
        assert abs(float(rule.weights @ a2**k) - 1 / (k + 1)) < 1e-14


def test_samples_lie_in_their_group_and_follow_the_rule():
    for name in ("so3", "o3", "su2", "su(3)", "u(2)", "so3 x s3"):
        g = parse_group(name)
        x = g.sample(4000, rng(1))
        eye = torch.eye(g.degree, dtype=F64)
        assert float((x.mT @ x - eye).abs().max()) < 1e-12
        # x₁₁ has variance 1/n (1/(2n) for complex matrices), so five standard errors are 5/√4000.
        assert abs(float(x[:, 0, 0].mean())) < 5 / math.sqrt(4000)


def test_too_many_nodes_become_samples():
    rule = parse_group("so5").haar(8, rng(), max_nodes=3000)
    assert not rule.exact and len(rule.weights) == 3000
    assert abs(float(rule.weights @ rule.nodes[:, 0, 0] ** 2) - 0.2) < 0.03
    assert not parse_group("s20").haar(1, rng(), max_nodes=50).exact
    assert not parse_group("so3 x s9").haar(2, rng(), max_nodes=50).exact


def test_groups_from_generators():
    tilt = torch.tensor([[1.0, 2, 0], [0, 1, 0], [1, 0, 1]], dtype=F64)
    so3 = parse_group("so3").generators
    compact = group_from_generators(so3[2:])
    assert isinstance(compact, CompactGroup)
    g = compact.sample(2000, rng())
    assert abs(float(g[:, 0, 0].mean())) < 0.1  # the walk has spread over the circle
    assert not isinstance(group_from_generators(tilt @ so3 @ torch.linalg.inv(tilt)), CompactGroup)
    with pytest.raises(UsageError, match="shape"):
        group_from_generators(torch.zeros(3, 2, 3))
    with pytest.raises(UsageError, match="finite"):
        group_from_generators(torch.full((1, 2, 2), math.nan))


@pytest.mark.parametrize("name", ["so3", "o2", "d4", "su2", "so13"])
def test_conjugate_groups(name):
    g = parse_group(name)
    r = rng(2)
    t = torch.eye(g.degree, dtype=F64) + 0.3 * torch.randn(g.degree, g.degree, dtype=F64, generator=r)
    moved = conjugate(g, t)
    assert type(moved) is type(g) and moved.key != g.key
    form = torch.diag(torch.tensor([1.0, -1, -1, -1], dtype=F64)) if name == "so13" else torch.eye(g.degree, dtype=F64)
    back = torch.linalg.inv(t)
    kept = back.mT @ form @ back
    x = moved.sample(5, r)
    assert float((x.mT @ kept @ x - kept).abs().max()) < 1e-9
    if isinstance(moved, CompactGroup):
        mean = torch.einsum("n,nij,njk->ik", moved.haar(2).weights, moved.haar(2).nodes.mT, moved.haar(2).nodes)
        shifted = torch.einsum("ji,jk,kl->il", x[0], mean, x[0])
        assert moved.haar(2).exact and float((shifted - mean).abs().max()) < 1e-11 * float(mean.norm())
    with pytest.raises(UsageError, match="matrix"):
        conjugate(g, torch.eye(7, dtype=F64))
