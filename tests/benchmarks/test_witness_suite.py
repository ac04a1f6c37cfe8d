"""The witness suite: stated algebras are exact and complete, attacks are broken by the η that is stated."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from witness_suite import algebra as la  # noqa: E402
from witness_suite.catalogue import cases  # noqa: E402
from witness_suite.distance import over_boosts, over_directions, over_planes, over_rotations, over_scalings  # noqa: E402
from witness_suite.outcome import Outcome, affine_parts, reading, smallest_cosine  # noqa: E402
from witness_suite.physics import everything  # noqa: E402
from witness_suite.points import Unfair, told_apart  # noqa: E402
from witness_suite.tolerance import curve  # noqa: E402
from witness_suite.truth import exact_dimension, violation  # noqa: E402

EXACT = everything()
ATTACKS = [c for c in cases("attacks") if "degenerate" not in c.tags]
# Finite elements move F by rounding; dF by differences is exact to 1e-8.
ROUNDING = 1e-10


def test_the_suite_is_as_large_as_is_asked():
    assert len(cases("physics")) == 62
    broken = [c for part in ("attacks", "points") for c in cases(part) if c.breaking is not None]
    assert len(broken) >= 300
    assert len(cases("dynamics")) == 240
    sizes = [len(c.sample(1).x) for c in cases("physics")]
    assert min(sizes) == 600 and max(sizes) == 20_000
    assert {c.kind for c in cases("physics")} == {"function", "flow", "map"}


@pytest.mark.parametrize("case", EXACT, ids=lambda c: c.name)
def test_every_generator_moves_nothing(case):
    sample = case.sample(3)
    assert sample.algebra.dimension == case.dimension > 0
    assert max(violation(case, sample, i) for i in range(case.dimension)) < ROUNDING


@pytest.mark.parametrize("case", EXACT, ids=lambda c: c.name)
def test_nothing_is_left_out_of_a_stated_algebra(case):
    assert exact_dimension(case, case.sample(2))[0] == case.dimension


def sampled(pool, count):
    """Some of each family, the same in every run."""
    families = {}
    for c in pool:
        families.setdefault(c.family, []).append(c)
    return [of[i * len(of) // count] for of in families.values() for i in range(min(count, len(of)))]


@pytest.mark.parametrize("case", sampled(ATTACKS, 3), ids=lambda c: c.name)
def test_attacks_keep_what_is_stated_and_nothing_else(case):
    check_attack(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", ATTACKS, ids=lambda c: c.name)
def test_every_attack_keeps_what_is_stated_and_nothing_else(case):
    check_attack(case)


def check_attack(case):
    sample = case.sample(2)
    assert all(violation(case, sample, i) < ROUNDING for i in range(sample.algebra.dimension))
    assert exact_dimension(case, sample)[0] == case.dimension


@pytest.mark.parametrize(
    "case", [c for c in cases("dynamics") if "3200 rows, noise 1 %" in c.name], ids=lambda c: c.family
)
def test_systems_of_the_equivalence_test(case):
    check_attack(case)


@pytest.mark.parametrize("case", [c for c in cases("points") if c.breaking is None], ids=lambda c: c.name)
def test_exact_distributions_do_not_change(case):
    sample = case.sample(1)
    x = sample.x[:300]
    for i in range(case.dimension):
        g, shift = sample.algebra.element(i, 0.4)
        assert abs(np.linalg.det(g)) == pytest.approx(1.0)
        before, after = sample.log_density(x), sample.log_density(x @ g.T + shift)
        seen = np.isfinite(before) & np.isfinite(after)
        np.testing.assert_allclose(after[seen], before[seen], atol=1e-9)


def sample_of(f, x, kind="function", breaking=None):
    from witness_suite.attacks.builder import attack

    case = attack("one", "one", lambda rng: x, f, la.none(x.shape[-1]), breaking, kind=kind)
    return case, case.sample(0)


def test_eta_of_a_cosine_is_half_its_square():
    # F = |x|² + a cos kθ: F_g = |x|², η² = (a²/2)/(Var|x|² + a²/2), and Var|x|² = 4 in the plane.
    x = np.random.default_rng(0).standard_normal((40_000, 2))
    angle = lambda x: np.arctan2(x[:, 1], x[:, 0])  # noqa: E731
    for breaking in (over_directions(2, 512), over_planes(2, 256)):
        case, sample = sample_of(lambda x: (x**2).sum(1) + 0.4 * np.cos(7 * angle(x)), x, breaking=breaking)
        found = breaking.measured(case, sample, 1, 0.0)
        assert found["eta"] == pytest.approx(np.sqrt(0.08 / 4.08), rel=0.04)
        assert found["visible"]


def test_eta_of_a_symmetric_function_is_zero_and_neighbours_see_nothing():
    x = np.random.default_rng(1).standard_normal((4000, 3))
    breaking = over_directions(3, 500)
    case, sample = sample_of(lambda x: np.log(1 + (x**2).sum(1)), x, breaking=breaking)
    seen = [breaking.measured(case, sample, seed, 0.05) for seed in range(8)]
    assert max(float(s["eta"]) for s in seen) < 1e-6
    assert sum(bool(s["visible"]) for s in seen) <= 1


def test_eta_of_a_product_with_an_offset_under_scalings():
    # log x₀ + a log x₁ under x ↦ (sx₀, x₁/s) with log-normal rows: F − F_g is the part of F along (1, −1).
    x = np.exp(0.5 * np.random.default_rng(2).standard_normal((30_000, 2)))
    density = lambda x: -np.square(np.log(x)).sum(1) / (2 * 0.25)  # noqa: E731
    breaking = over_scalings(np.array([[1.0, -1.0]]) / 2**0.5, density, 3.0, 101)
    case, sample = sample_of(lambda x: np.log(x) @ np.array([1.0, 0.8]), x, breaking=breaking)
    expected = np.sqrt(0.2**2 / 2 / (1 + 0.8**2))
    assert breaking.measured(case, sample, 1, 0.0)["eta"] == pytest.approx(expected, rel=0.04)


def test_rotations_and_boosts_leave_what_is_invariant():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((500, 2, 3))
    case, sample = sample_of(lambda x: (x[:, 0] * x[:, 1]).sum(1), x, breaking=over_rotations(64))
    assert case.breaking.measured(case, sample, 1, 0.0)["eta"] < 1e-9
    p = rng.standard_normal((500, 3))
    e = np.sqrt(1 + (p**2).sum(1, keepdims=True))
    x = np.concatenate([e, p], 1) * rng.uniform(0.5, 1.5, (500, 1))
    breaking = over_boosts(lambda x: -(x[:, 1:] ** 2).sum(1) / 2, nodes=6)
    case, sample = sample_of(lambda x: x[:, 0] ** 2 - (x[:, 1:] ** 2).sum(1), x, breaking=breaking)
    assert breaking.measured(case, sample, 1, 0.0)["eta"] < 1e-9


def test_neighbours_tell_blobs_from_their_turns_and_no_cloud_from_its_own():
    rng = np.random.default_rng(4)
    cloud = rng.standard_normal((3000, 2))
    assert told_apart(cloud[:1500], cloud[1500:], rng) < 3.5
    blobs = next(c for c in cases("points") if c.name == "5-fold density 0.5")
    found = Unfair().measured(blobs, blobs.sample(1), 1, 0.0)
    assert found["visible"] and float(found["eta"]) == pytest.approx(0.5 / np.pi, rel=0.05)


def a_report(case, sample, verdict, actions):
    return {
        "generators": [{"verdict": verdict, "expression": "", "input_action": a} for a in actions],
        "spectrum": [{"defect": 0.01, "lower": 0.0, "upper": 0.02}] * len(actions),
        "algebra": {"name": None}, "settings": {"tolerance": 0.05}, "witness": {"eta_lower": 0.0, "eta_upper": 0.03},
    }  # fmt: skip


def outcome_of(case, verdict, actions, **more):
    sample = case.sample(1)
    said = reading(a_report(case, sample, verdict, actions), sample)
    return Outcome("physics", case.name, case.family, case.kind, 1, 0.0, len(sample.x), case.dimension, **said, **more)


def test_reports_are_read_with_all_four_verdicts():
    case = next(c for c in cases("physics") if c.name == "morse well about a point")
    sample = case.sample(1)
    true = [np.block([[g, np.zeros((1, 3)).T], [np.zeros((1, 4))]]) for g in sample.algebra.a]
    for matrix, b in zip(true, sample.algebra.b, strict=True):
        matrix[:3, 3] = b
    right = outcome_of(case, "certified", [m.tolist() for m in true])
    assert right.exact and not right.false and right.cosine == pytest.approx(1.0, abs=1e-9)
    assert outcome_of(case, "approximate", [m.tolist() for m in true]).verdict == "approximate though exact"
    assert outcome_of(case, "undecided", [m.tolist() for m in true]).verdict == "undecided"
    assert outcome_of(case, "undecided", []).verdict == "REFUTED though exact"
    wrong = [la.turn(3, 0, 1).tolist(), la.turn(3, 1, 2).tolist(), np.eye(3).tolist()]
    assert outcome_of(case, "certified", wrong).false
    assert Outcome.of(json.loads(json.dumps(right.plain()))).plain() == json.loads(json.dumps(right.plain()))


def test_polynomial_tables_are_read_as_affine_fields():
    action = {"exponents": [[0, 0], [1, 0], [0, 1]], "coefficients": [[5.0, 6.0], [1.0, 3.0], [2.0, 4.0]]}
    np.testing.assert_allclose(affine_parts(action, 2), [[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]])
    assert affine_parts({"exponents": [[2, 0]], "coefficients": [[1.0, 0.0]]}, 2) is None


def test_fields_along_blind_directions_do_not_count_in_the_cosine():
    case = next(c for c in cases("physics") if c.name == "line of charge")
    sample = case.sample(1)
    axis = np.linalg.svd(sample.live.T)[2][2]
    blurred = np.block([[sample.algebra.a[0] + np.outer(axis, [1.0, 2.0, 3.0]), sample.algebra.b[0][:, None]],
                        [np.zeros((1, 4))]])  # fmt: skip
    found = smallest_cosine([{"input_action": blurred.tolist()}], sample)
    assert found == pytest.approx(1.0, abs=1e-9)


def test_the_curve_counts_what_its_intervals_hold():
    made = [
        Outcome("tolerance", f"force, η {eta}, noise 2 %", "force", "function", 1, 0.02, 100, 0, eta=eta,
                witness={"eta_lower": 0.0, "eta_upper": 0.03})
        for eta in (0.01, 0.02, 0.3)
    ]  # fmt: skip
    assert "2 of 3" in curve(made)
