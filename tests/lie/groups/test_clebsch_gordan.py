"""Complete decompositions: multiplicities from characters, equal matrices in equal parts, every real type."""

import pytest
import torch

from symfind.errors import UsageError
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.clebsch_gordan import ClebschGordan, isotypic_parts
from symfind.lie.groups.intertwiners import intertwiners
from symfind.lie.groups.invariant_cache import InvariantCache
from symfind.lie.groups.invariants import action_of, connected_invariants
from symfind.lie.groups.notation import parse_representation

F64 = torch.float64


def so3_multiplicities(power):
    """Dⁿ → multiplicities of degrees in V^⊗n by l ⊗ 1 = (l−1) ⊕ l ⊕ (l+1)."""
    m = {0: 1}
    for _ in range(power):
        grown = {}
        for degree, count in m.items():
            for target in range(abs(degree - 1), degree + 2):
                grown[target] = grown.get(target, 0) + count
        m = grown
    return m


@pytest.mark.parametrize("power", [1, 2, 3, 4, 5])
def test_tensors_of_so3(power):
    parts = isotypic_parts(parse_representation(parse_group("so3"), f"V^{power}"))
    found = {int(p.irreducible.label[2:]): p.multiplicity for p in parts}
    assert found == so3_multiplicities(power)


@pytest.mark.parametrize(
    ("group", "formula", "parts"),
    [
        ("so3", "1x2⊗1x1+V", {(7, 1): 1, (5, 1): 1, (3, 1): 2}), ("o3", "V^2+V", {(1, 1): 1, (3, 1): 2, (5, 1): 1}),
        ("so2", "V^2+1", {(1, 1): 3, (2, 2): 1}), ("su2", "V^2", {(1, 1): 4, (3, 1): 4}), ("su2", "V+V", {(4, 4): 2}),
        ("su3", "V", {(6, 2): 1}), ("so4", "V^2", {(1, 1): 1, (3, 1): 2, (9, 1): 1}), ("u2", "V", {(4, 2): 1}),
        ("o2", "V^2", {(1, 1): 2, (2, 1): 1}), ("so3", "3", {(1, 1): 3}),
    ],
)  # fmt: skip
def test_decomposition(group, formula, parts):
    """Keys: (dimension, type 1/2/4 for real/complex/quaternionic); multiplicities summed over inequivalent ones."""
    v = parse_representation(parse_group(group), formula)
    found = isotypic_parts(v)
    counted = {}
    for p in found:
        kind = (p.irreducible.action.dim, len(p.irreducible.commutant))
        counted[kind] = counted.get(kind, 0) + p.multiplicity
    assert counted == parts
    q = torch.cat([u for p in found for u in p.basis], 1)
    assert float((q.mT @ q - torch.eye(v.dim, dtype=F64)).abs().max()) < 1e-13 and q.shape == (v.dim, v.dim)
    rho = v.rho(v.group.sample(1, torch.Generator().manual_seed(3))[0])
    for p in found:
        blocks = p.basis.mT @ rho @ p.basis
        assert float((rho @ p.basis - p.basis @ blocks).abs().max()) < 1e-12
        assert float((blocks - blocks[0]).abs().max()) < 1e-12  # copies have equal matrices


@pytest.mark.parametrize(("group", "power"), [("so3", 5), ("su2", 4), ("so4", 4), ("so2", 6), ("o3", 4), ("u2", 4)])
def test_invariants_by_chain_and_by_kernel_agree(group, power):
    g = parse_group(group)
    word = parse_representation(g, f"V^{power}").words[0]
    chain = ClebschGordan(g).invariants(word)
    factor = action_of(word[0], g)
    direct = connected_invariants([factor] * power)
    assert chain.shape == direct.shape
    assert float((chain - direct @ (direct.mT @ chain)).abs().max()) < 1e-12


def test_high_rank_goes_through_the_chain():
    """T(9) of so(3) has 232 invariants (Riordan number) in 19,683 dimensions."""
    g = parse_group("so3")
    space = intertwiners(parse_representation(g, "V^4"), parse_representation(g, "V^5"), InvariantCache(None))
    assert space.dim == 232
    m = space.matrix(torch.randn(232, dtype=F64, generator=torch.Generator().manual_seed(0)))
    assert space.residual(m) < 1e-13


@pytest.mark.parametrize(("group", "formula"), [("s4", "V"), ("so13", "V"), ("so3 x s3", "V"), ("se2", "V")])
def test_only_compact_groups_of_positive_dimension(group, formula):
    with pytest.raises(UsageError, match="compact"):
        isotypic_parts(parse_representation(parse_group(group), formula))
