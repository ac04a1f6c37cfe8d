"""An exact density is certified, structure of any width is not; what is left over is measured by η."""

import math

import pytest
import torch
from torch import Tensor

from symfind.decision.witness.distribution.finer_waves import quiet_subspaces
from symfind.decision.witness.distribution.finite_elements import AffineRows, torus_of
from symfind.decision.witness.distribution.label_neighbours import NeighbourSettings, label_shares
from symfind.decision.witness.distribution.orbit_modes import ModeSettings, mode_sums
from symfind.decision.witness.distribution.two_sample import Judgement, judged
from symfind.decision.witness.distribution.weak_alignment import closed_coefficients, cocycles, homogeneous

N = 8000


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(n: int, seed: int) -> Tensor:
    return torch.rand(n, generator=draws(seed), dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=draws(seed), dtype=torch.float64)


def affine(d: int) -> AffineRows:
    """All affine fields, x_j ∂_i first, then ∂_i."""
    a = torch.zeros(d * d + d, d, d, dtype=torch.float64)
    b = torch.zeros(d * d + d, d, dtype=torch.float64)
    for i in range(d):
        for j in range(d):
            a[i * d + j, i, j] = 1.0
        b[d * d + i, i] = 1.0
    return AffineRows(a, b)


def rotations(d: int) -> Tensor:
    """Coefficients ``(d² + d, d(d − 1)/2)``."""
    columns = []
    for i in range(d):
        for j in range(i):
            c = torch.zeros(d * d + d, dtype=torch.float64)
            c[i * d + j], c[j * d + i] = 1.0, -1.0
            columns.append(c)
    return torch.stack(columns, 1)


def ring(angle: Tensor, width: float = 0.1, seed: int = 9) -> Tensor:
    radius = 1 + width * normal(len(angle), seed=seed)
    return math.sqrt(2) * torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], 1)


def modulated(k: int, a: float, seed: int = 4, n: int = N) -> Tensor:
    """Angles of density 1 + a cos kθ, by rejection."""
    t = 2 * math.pi * uniform(4 * n, seed)
    kept = t[2 * uniform(4 * n, seed + 1) < 1 + a * torch.cos(k * t)]
    return kept[:n]


def asked(x: Tensor, c: Tensor, group: Tensor | None = None) -> Judgement:
    found = judged(affine(x.shape[1]), c, x - x.mean(0), group, 0.05, 0.05, draws(1))
    assert found is not None
    return found


def test_a_ring_is_certified_though_the_proposal_is_beside_it() -> None:
    """Two per cent thick: a centre that is off by three would be seen by everything."""
    c = rotations(2)
    c[4:, 0] = torch.tensor([0.03, -0.02])
    for width in (0.02, 0.3):
        found = asked(ring(2 * math.pi * uniform(N, 3), width), c)
        assert found.verdict == "certified" and found.lower == 0 and found.upper < 0.05


@pytest.mark.parametrize(("k", "a"), [(2, 0.6), (16, 0.6), (40, 0.6), (100, 0.9)])
def test_a_modulated_ring_is_refuted_with_its_eta(k: int, a: float) -> None:
    found = asked(ring(modulated(k, a)), rotations(2))
    eta = math.sqrt(a * a / 2 / (1 + a * a / 2))
    assert found.verdict == "refuted"
    assert found.lower <= eta <= found.upper


@pytest.mark.parametrize("width", [0.01, 0.1])
def test_a_bump_of_any_width_is_seen(width: float) -> None:
    t = 2 * math.pi * uniform(N, 3)
    t[: N // 20] = 0.7 + width * normal(N // 20, seed=5)
    assert asked(ring(t), rotations(2)).verdict == "refuted"


def test_few_rows_certify_nothing() -> None:
    found = asked(ring(2 * math.pi * uniform(1000, 3)), rotations(2))
    assert found.verdict == "undecided" and "too few" in found.told


def test_a_shell_is_certified_and_its_latitudes_are_not() -> None:
    """Bands of latitude break so(3) down to the turn about their axis, which finer waves propose."""
    v = normal(4 * N, 3)
    x = 3**0.5 * v / v.norm(dim=1, keepdim=True) * (1 + 0.1 * normal(4 * N, 1, seed=2))
    assert asked(x[:N], rotations(3)).verdict == "certified"
    band = torch.cos(12 * torch.acos(v[:, 2] / v.norm(dim=1)))
    x = x[2 * uniform(4 * N, 8) < 1 + 0.9 * band][:N]
    assert asked(x, rotations(3)).verdict == "refuted"
    basis = affine(3)
    fields = AffineRows(
        torch.einsum("pk,pab->kab", rotations(3), basis.a), torch.einsum("pk,pa->ka", rotations(3), basis.b)
    )
    (axis,) = [mix for mix in quiet_subspaces(fields, x, draws(0)) if mix.shape[1] == 1]
    assert abs(float(axis[0, 0] / axis.norm())) > 0.99  # x ∂y − y ∂x is the first
    assert asked(x, rotations(3) @ axis).verdict == "certified"


def test_unbounded_flows_keep_no_distribution() -> None:
    c = torch.zeros(6, 1, dtype=torch.float64)
    c[0] = c[3] = 1.0
    assert asked(normal(N, 2), c).verdict == "refuted"


def test_copies_are_no_evidence() -> None:
    """Each of 400 points twenty times: as rows they would be clumps, as groups they are 400 points."""
    x = ring(2 * math.pi * uniform(400, 3)).repeat(20, 1)
    assert asked(x, rotations(2)).verdict == "refuted"
    assert asked(x, rotations(2), torch.arange(400).repeat(20)).verdict != "refuted"


def test_sums_along_orbits_have_mean_one_or_what_the_modulation_adds() -> None:
    """E|Σe^{ikθ}|²/n = 1 + (n − 1)a²/4 at the order of 1 + a cos kθ, 1 at others; the gamma law in every level."""
    torus = torus_of(torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double(), torch.zeros(2).double())
    assert torus is not None
    plain = mode_sums(torus, ring(2 * math.pi * uniform(N, 3)), None, ModeSettings(), 1)
    for sums in plain:
        degrees = sums.cells * len(sums.power)
        assert abs(float(sums.power.sum()) - degrees) < 5 * degrees**0.5
    (coarse,) = [m for m in mode_sums(torus, ring(modulated(7, 0.2)), None, ModeSettings(), 1) if m.level == 0]
    expected = N * 0.04 / 4
    assert abs(float(coarse.power[6]) - expected) < 5 * (2 * expected) ** 0.5


def test_labels_of_neighbours_estimate_the_mean_square_of_r() -> None:
    """Rows on half of a square, images on all of it: r = 1/3 there and −1 elsewhere, E r² = 3/4·1/9 + 1/4 = 1/3."""
    full = torch.rand(4000, 2, generator=draws(1), dtype=torch.float64)
    half = torch.rand(4000, 2, generator=draws(2), dtype=torch.float64) * torch.tensor([0.5, 1.0])
    settings = NeighbourSettings()
    for share in label_shares(half, full, None, settings):
        assert abs(share.share - 1 / 3) < 0.04
    other = torch.rand(4000, 2, generator=draws(3), dtype=torch.float64)
    for share in label_shares(other, full, None, settings):
        assert abs(share.share) < 4 * share.spread


def test_rotations_have_as_many_neighbours_as_ellipsoids() -> None:
    """The algebras near so(3) are those of ellipsoids: a centre and a shape, 3 + 5 (Whitehead: none but conjugates)."""
    basis = homogeneous(affine(3))
    assert cocycles(basis, rotations(3)).shape == (8, 12, 3)
    tilted = rotations(3) + 1e-3 * normal(12, 3, seed=6)
    closed, sine = closed_coefficients(basis, tilted)
    assert 0 < sine < 0.01 and cocycles(basis, closed).shape[0] == 8
