"""Hom_G(V, W): dimensions from characters, projections against Haar averages, cases where the answer is zero."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.errors import NumericalError, UsageError
from symfind.lie.groups.catalogue import conjugate, group_from_generators, parse_group
from symfind.lie.groups.intertwiners import intertwiners, invariants
from symfind.lie.groups.invariant_cache import InvariantCache
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import defining, representation_from_matrices, trivial

F64 = torch.float64
OFF = InvariantCache(None)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def hom(group, source, target):
    g = parse_group(group) if isinstance(group, str) else group
    return intertwiners(parse_representation(g, source), parse_representation(g, target), OFF)


def equivariance_error(space, matrix, seed=1, scale=0.3):
    """max over random g of ‖ρ_W(g)M − Mρ_V(g)‖ / (‖M‖ ‖ρ‖)."""
    g = space.source.group.sample(4, rng(seed), scale=scale)
    left, right = space.target.rho(g), space.source.rho(g)
    difference = torch.linalg.matrix_norm(left @ matrix - matrix @ right)
    size = torch.linalg.matrix_norm(left) + torch.linalg.matrix_norm(right)
    return float((difference / size).max() / torch.linalg.matrix_norm(matrix).clamp_min(1e-300))


def invariants_by_character(power):
    """∫_{SO(3)} χ₁^power with the Weyl measure (1 − cos θ)/π on [0, π], by the midpoint rule, exact for these."""
    n = 64
    theta = (torch.arange(n, dtype=F64) + 0.5) * math.pi / n
    return round(float((((1 + 2 * torch.cos(theta)) ** power) * (1 - torch.cos(theta))).mean()))


def test_invariants_of_so3_are_riordan_numbers():
    g = parse_group("so3")
    riordan = [1, 0, 1, 1, 3, 6, 15, 36, 91]  # A005043
    for power, expected in enumerate(riordan):
        assert invariants_by_character(power) == expected
        space = invariants(defining(g) ** power, OFF)
        assert space.dim == expected, power
        if 0 < power < 8 and expected:
            basis = space.basis()
            gram = torch.einsum("aij,bij->ab", basis, basis)
            assert float((gram - torch.eye(expected, dtype=F64)).abs().max()) < 1e-13
            assert max(space.residual(b) for b in basis[:5]) < 1e-13


@pytest.mark.parametrize(
    ("group", "source", "target", "dim"),
    [
        ("so3", "10T(0)+10T(1)+5T(2)", "10T(0)+10T(1)+5T(2)", 475),  # 100+2·50 + 100+2·50 + 25·3
        ("so5", "1", "V^4", 3), ("so13", "1", "T(2,2)", 4), ("so13", "V", "V", 1), ("lorentz", "V*", "V", 1),
        ("o3", "1", "V^3", 0), ("so3", "1", "V^3", 1), ("o3", "V", "1x1e", 0), ("o3", "1x1e", "V^2", 1),
        ("so3", "1x2", "1x3", 0), ("so3", "4x1+2x0", "3x1+1x2", 12), ("so2", "V", "V", 2), ("o2", "V", "V", 1),
        ("so2", "1x1", "1x2", 0), ("su2", "V", "V", 4), ("su2", "V", "1x1", 0), ("su2", "V^2", "1x1", 4),
        ("su3", "V", "V", 2), ("u2", "V", "V", 2), ("sl3", "1", "V^3", 1), ("sl3", "V", "V*", 0), ("gl2", "V", "V", 1),
        ("gl2", "1", "V^2", 0), ("gl2", "V^2", "V^2", 2), ("sp4", "V", "V*", 1), ("sp4", "1", "V^4", 3),
        ("scalings3", "V", "V", 9), ("diagonal3", "V", "V", 3), ("diagonal3", "V^2", "V^2", 15),
        ("t2", "V", "1", 1), ("t2", "1", "V", 2), ("t2", "L", "V", 4), ("se2", "V", "V", 1), ("se2", "V", "L", 0),
        ("se2", "L", "V", 2), ("e2", "L", "V", 1), ("aff2", "V", "V", 1), ("se3", "points(4)", "L", 3),
        ("se2", "points(4)", "L", 6), ("iso(1,3)", "points(2)", "L", 1),
        ("s5", "V", "V", 2), ("s5", "V^2", "V^2", 15), ("s5", "V", "det", 0), ("s9", "V", "V", 2),
        ("s9", "V", "det", 0), ("s2", "V", "det", 1), ("z5", "V", "V", 5), ("z5", "regular", "V", 5),
        ("c4", "V", "V", 2), ("d4", "V", "V", 1), ("c4", "image(3)", "image(3)", 21), ("c4", "image(4)", "V", 8),
        ("d4", "image(3)", "det", 0),
        ("b3", "V^2", "V^2", 4), ("b5", "V", "V^3", 4), ("reflections(3)", "V", "V", 3), ("inversion3", "V", "V^2", 0),
        ("so3 x s5", "V", "V", 2), ("so3 x s5", "V", "V1", 1), ("so3 x s5", "V", "1", 0), ("so3 x s5", "1", "V^2", 2),
        ("so13 x s2", "V", "V", 2), ("so3 x so3", "V", "V", 1), ("so3 x so2", "V", "V", 2),
    ],
)  # fmt: skip
def test_dimension_and_exactness(group, source, target, dim):
    space = hom(group, source, target)
    assert space.dim == dim
    matrix = torch.randn(space.target.dim, space.source.dim, dtype=F64, generator=rng())
    near = space.project(matrix)
    assert torch.allclose(space.project(near), near, atol=1e-13)
    if dim == 0:
        assert not near.any()
        return
    # The difference is orthogonal to everything in the space.
    assert abs(float((near * (matrix - near)).sum())) < 1e-12 * float(matrix.norm()) ** 2
    assert space.residual(near) < 1e-13
    assert equivariance_error(space, near) < 1e-12
    c = torch.randn(3, dim, dtype=F64, generator=rng(2))
    assert torch.allclose(space.coefficients(space.matrix(c)), c, atol=1e-12)


@pytest.mark.parametrize(
    ("group", "source", "target", "degree"),
    [
        ("so3", "2V+1x2+1", "V^2+2V", 4), ("o3", "1x1o+1x0o+V^2", "1x1e+1x2", 4), ("so2", "V+1x2", "V^2", 4),
        ("o2", "V+1x2", "V^2+1x0o", 4), ("su2", "V", "V", 2), ("s4", "V^2", "V+regular", 0), ("so4", "V^2", "V^2", 4),
        ("d4", "image(3)+V", "V+det+image(2)", 0), ("so3 x s3", "V+V1", "2V+V2+1", 2), ("b2", "V^2", "V+V^2", 0),
    ],
)  # fmt: skip
def test_projection_is_the_reynolds_average(group, source, target, degree):
    """P M = ∫ ρ_W(g) M ρ_V(g)⁻¹ dg for orthogonal representations, the integral by an exact Haar rule."""
    space = hom(group, source, target)
    matrix = torch.randn(space.target.dim, space.source.dim, dtype=F64, generator=rng())
    rule = space.source.group.haar(degree)
    assert rule.exact
    mean = torch.zeros_like(matrix)
    for g, w in zip(rule.nodes.split(512), rule.weights.split(512), strict=True):
        mean += torch.einsum("n,nij,jk,nlk->il", w, space.target.rho(g), matrix, space.source.rho(g))
    assert float((space.project(matrix) - mean).abs().max()) < 1e-12


def test_permutations_give_the_deep_sets_pattern():
    """Zaheer et al. 2017: λ1 + γ11ᵀ, so one value on the diagonal and one off it."""
    space = hom("s6", "V", "V")
    near = space.project(torch.randn(6, 6, dtype=F64, generator=rng()))
    eye = torch.eye(6, dtype=torch.bool)
    assert float(near[eye].std()) < 1e-15 and float(near[~eye].std()) < 1e-15
    wide = hom("s6", "3V", "2V").project(torch.randn(12, 18, dtype=F64, generator=rng()))
    for block in wide.reshape(2, 6, 3, 6).permute(0, 2, 1, 3).reshape(-1, 6, 6):
        assert float(block[eye].std()) < 1e-15 and float(block[~eye].std()) < 1e-15


def test_large_permutation_representations_stay_sparse():
    space = hom("c4", "image(28)", "image(28)")
    assert space.dim == 784 * 784 // 4
    with pytest.raises(UsageError, match="2 GB"):
        space.basis()


def dense_dimension(space):
    """dim Hom by the singular values of the dense Kronecker system, for comparison only."""
    v, w = space.source, space.target
    rows = []
    one_v, one_w = torch.eye(v.dim, dtype=F64), torch.eye(w.dim, dtype=F64)
    for a in v.group.generators:
        rows.append(torch.kron(w.drho(a), one_v) - torch.kron(one_w, v.drho(a).mT.contiguous()))
    for g in v.group.components:
        back = torch.linalg.inv(v.rho(g)).mT.contiguous()
        rows.append(torch.kron(w.rho(g), back) - torch.kron(one_w, one_v))
    sigma = torch.linalg.svdvals(torch.cat(rows))
    return v.dim * w.dim - int((sigma > 1e-9).sum())


@pytest.mark.parametrize(
    ("group", "source", "target"),
    [("se3", "V^2", "V+L"), ("se3", "V*", "V^2"), ("t3", "V", "V^2+L"), ("sim(2)", "V^2", "V^2"), ("e2", "V^2", "L^2"),
     ("aff2", "V^2", "V*"), ("iso(1,3)", "V", "V*+L"), ("o(1,3)", "V^2", "V+1"), ("sl2", "V^2", "V^2"),
     ("u2", "V^2", "V"), ("t2", "points(3)", "points(3)")],
)  # fmt: skip
def test_dimension_agrees_with_the_dense_system(group, source, target):
    space = hom(group, source, target)
    assert space.dim == dense_dimension(space)
    if space.dim:
        near = space.project(torch.randn(space.target.dim, space.source.dim, dtype=F64, generator=rng()))
        assert space.residual(near) < 1e-12


@given(seed=st.integers(0, 1000), power=st.integers(1, 2))
@settings(max_examples=15, deadline=None)
def test_dimension_survives_a_change_of_coordinates(seed, power):
    """A conjugate of so(1,2), no longer normal nor closed under transposition."""
    r = rng(seed)
    tilt = torch.eye(3, dtype=F64) + 0.4 * torch.randn(3, 3, dtype=F64, generator=r)
    mixed = torch.randn(3, 3, dtype=F64, generator=r)
    if min(float(torch.linalg.svdvals(m)[-1]) for m in (tilt, mixed)) < 0.1:
        return
    plain = parse_group("so(1,2)")
    moved = tilt @ torch.einsum("ab,bij->aij", mixed, plain.generators) @ torch.linalg.inv(tilt)
    v = defining(group_from_generators(moved)) ** power
    w = defining(plain) ** power
    space = intertwiners(v, v, OFF)
    assert space.dim == intertwiners(w, w, OFF).dim
    near = space.project(torch.randn(v.dim, v.dim, dtype=F64, generator=r))
    assert space.residual(near) < 1e-11


def test_units_of_the_generators_do_not_matter():
    g = parse_group("so13")
    scales = torch.tensor([1e-6, 1, 1e4, 1, 1e-3, 1], dtype=F64)
    moved = group_from_generators(g.generators * scales[:, None, None])
    assert intertwiners(defining(moved) ** 2, defining(moved) ** 2, OFF).dim == 4


def test_oblique_finite_groups():
    """A dihedral group whose generators neither commute nor are orthogonal: End(V) is still R."""
    d6 = parse_group("d6")
    tilt = torch.tensor([[1.0, 0.7], [0, 0.5]], dtype=F64)
    moved = group_from_generators(torch.empty(0, 2, 2), tilt @ d6.components @ torch.linalg.inv(tilt))
    for g in (moved, conjugate(d6, tilt)):
        v = defining(g)
        space = intertwiners(v, v, OFF)
        assert space.dim == 1 and float(space.basis()[0][0, 1].abs()) < 1e-14
        assert intertwiners(v, v.dual, OFF).dim == 1


def test_equivalent_but_unequal_representations_meet():
    g = parse_group("so3")
    tilt = torch.linalg.qr(torch.randn(3, 3, dtype=F64, generator=rng()))[0]
    u = representation_from_matrices(g, tilt @ g.generators @ tilt.mT)
    space = intertwiners(defining(g), u, OFF)
    assert space.dim == 1
    found = space.basis()[0] * math.sqrt(3)
    assert min(float((found - tilt).abs().max()), float((found + tilt).abs().max())) < 1e-12


def test_projection_in_the_metric_of_the_data():
    """The nearest intertwiner for E‖ΔWx‖² is the one no other intertwiner beats."""
    space = hom("so3", "2V+1", "V+2")
    r = rng()
    matrix = torch.randn(5, 7, dtype=F64, generator=r)
    root = torch.randn(7, 7, dtype=F64, generator=r)
    covariance = root @ root.mT

    def loss(m):
        return float(torch.einsum("ij,jk,ik->", m - matrix, covariance, m - matrix))

    best = space.project(matrix, covariance)
    assert space.residual(best) < 1e-12
    for step in (1e-3, 0.1):
        for b in space.basis():
            assert loss(best + step * b) > loss(best) and loss(best - step * b) > loss(best)
    assert torch.allclose(space.project(matrix, 2.5 * torch.eye(7, dtype=F64)), space.project(matrix), atol=1e-12)
    assert torch.allclose(space.project(matrix, torch.zeros(7, 7, dtype=F64)), space.project(matrix), atol=1e-12)
    with pytest.raises(UsageError, match="covariance"):
        space.project(matrix, torch.eye(3, dtype=F64))


def test_gradients_pass_through():
    space = hom("so3 x s3", "V+1", "2V+1")
    c = torch.randn(space.dim, dtype=F64, generator=rng(), requires_grad=True)
    assert torch.autograd.gradcheck(space.matrix, (c,))
    single = space.matrix(c.detach().float())
    assert single.dtype == torch.float32 and torch.allclose(single.double(), space.matrix(c.detach()), atol=1e-6)


def test_mistakes_are_named():
    so3, so4 = parse_group("so3"), parse_group("so4")
    with pytest.raises(UsageError, match="one group"):
        intertwiners(defining(so3), defining(so4), OFF)
    with pytest.raises(UsageError, match="expected"):
        intertwiners(defining(so3), trivial(so3), OFF).project(torch.zeros(3, 3))
    with pytest.raises(NumericalError, match="lower"):
        hom("so13", "V^5", "V^5")


def test_threads_are_given_back():
    before = torch.get_num_threads()
    hom("so3", "V", "V")
    assert torch.get_num_threads() == before


class TestCache:
    """What is on disk may be missing, old, cut short or wrong: the answer is the same."""

    def solve(self, directory, power=6):
        g = parse_group("so3")
        return intertwiners(defining(g) ** (power // 2), defining(g) ** (power - power // 2), InvariantCache(directory))

    @pytest.fixture
    def eager(self, monkeypatch):
        monkeypatch.setattr("symfind.lie.groups.invariant_spaces._WORTH_KEEPING", -1.0)

    def test_second_solve_is_read(self, tmp_path, eager, monkeypatch):
        first = self.solve(tmp_path)
        assert len(list(tmp_path.iterdir())) == 1

        def forbidden(*_):
            raise AssertionError("solved again")

        monkeypatch.setattr("symfind.lie.groups.invariant_spaces._continuous", forbidden)
        assert torch.equal(self.solve(tmp_path).basis(), first.basis())

    @pytest.mark.parametrize("damage", ["empty", "cut", "flip", "noise", "header", "other"])
    def test_damaged_files_are_ignored(self, tmp_path, eager, damage):
        first = self.solve(tmp_path)
        (path,) = tmp_path.iterdir()
        data = bytearray(path.read_bytes())
        if damage == "flip":
            data[-5] ^= 0xFF
        new = {
            "empty": b"", "cut": data[:-8], "flip": data, "noise": bytes(range(256)) * 40, "header": b"[1]\n" + data,
            "other": data.replace(b'"rows": 729', b'"rows": 728'),
        }[damage]  # fmt: skip
        path.write_bytes(bytes(new))
        assert torch.equal(self.solve(tmp_path).basis(), first.basis())
        assert path.read_bytes() != bytes(new)  # and replaced

    def test_wrong_content_with_a_right_digest_is_ignored(self, tmp_path, eager):
        first = self.solve(tmp_path)
        (path,) = tmp_path.iterdir()
        g = parse_group("so3")
        key = " ".join([g.key, *["V"] * 6])
        InvariantCache(tmp_path).store(key, torch.eye(729, 15, dtype=F64))
        assert len(list(tmp_path.iterdir())) == 1
        assert torch.equal(self.solve(tmp_path).basis(), first.basis())

    def test_unwritable_directory_is_no_error(self, tmp_path, eager):
        blocker = tmp_path / "file"
        blocker.write_text("")
        assert self.solve(blocker / "below").dim == 15

    def test_environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert InvariantCache.of_user().directory == tmp_path / "symfind" / "invariants"
        monkeypatch.setenv("SYMFIND_CACHE", "off")
        assert InvariantCache.of_user().directory is None
        monkeypatch.delenv("SYMFIND_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert InvariantCache.of_user().directory.is_absolute()


def test_random_products_of_irreps_obey_the_triangle_rule():
    """dim Hom(D^a, D^b ⊗ D^c) = 1 if |b−c| ≤ a ≤ b+c, else 0."""
    for a, b, c in itertools.product(range(4), repeat=3):
        assert hom("so3", f"1x{a}", f"1x{b}⊗1x{c}").dim == int(abs(b - c) <= a <= b + c)
