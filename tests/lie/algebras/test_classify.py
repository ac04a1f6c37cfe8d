"""Names of Lie algebras: right up to isomorphism, or unidentified; never wrong."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.names import affine, catalogue, direct_sum, perturbed, trial, unit, upper_triangular, with_identity
from symfind.lie.algebras.algebra import algebra_of_matrices, algebra_of_structure_constants
from symfind.lie.algebras.classify import identify
from symfind.lie.algebras.simple import SimpleType, names_of, simple_type
from symfind.lie.groups.catalogue import parse_group

F64 = torch.float64
TURN = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=F64)
ENTRIES = {f"{e.name} in {e.matrices.shape[1]}": e for e in catalogue()}
# A few of each kind; all of them, twenty times, is the slow test.
QUICK = [
    "so(3) in 3", "so(4) in 4", "so(1,3) in 4", "sl(2,C) in 4", "sp(4,R) in 4", "su(3) in 6", "u(2) in 4",
    "gl(2,R) in 2", "co(3) in 3", "e(2) in 3", "e(1,3) in 5", "sim(2) in 3", "aff(2) in 3", "heis(2) in 4",
    "galilei(3) in 5", "borel(4) in 4", "e(2) + so(3) in 6", "R^3 in 3", "R^2 in 3", "so(3) + R^2 in 5",
]  # fmt: skip


@pytest.mark.parametrize("key", QUICK)
def test_names_survive_coordinates_and_noise(key: str) -> None:
    entry = ENTRIES[key]
    assert trial(entry, 1e-6, 7, logarithmic=False)[0] == "right"
    assert trial(entry, 1e-3, 7, logarithmic=False)[0] != "wrong"


@pytest.mark.slow
@pytest.mark.parametrize("key", ENTRIES)
def test_every_name_twenty_times(key: str) -> None:
    entry = ENTRIES[key]
    for seed in range(20):
        assert trial(entry, 1e-6, seed, logarithmic=False)[0] == "right"
        assert trial(entry, 1e-3, seed, logarithmic=False)[0] != "wrong"


def test_the_representation_chooses_among_isomorphic_names() -> None:
    def name(key: str) -> tuple[str, tuple[str, ...]]:
        report = identify(algebra_of_matrices(ENTRIES[key].matrices))
        return report.name, report.aliases

    assert name("so(1,3) in 4")[0] == "so(1,3)" and "sl(2,C)" in name("so(1,3) in 4")[1]
    assert name("sl(2,C) in 4")[0] == "sl(2,C)" and "so(1,3)" in name("sl(2,C) in 4")[1]
    assert name("so(3) in 3")[0] == "so(3)" and "su(2)" in name("so(3) in 3")[1]
    assert name("su(2) in 4")[0] == "su(2)" and "so(3)" in name("su(2) in 4")[1]
    assert name("sp(4,R) in 4")[0] == "sp(4,R)" and "so(2,3)" in name("sp(4,R) in 4")[1]
    assert name("so(2,3) in 5")[0] == "so(2,3)" and "sp(4,R)" in name("so(2,3) in 5")[1]
    assert name("sl(4,R) in 4")[0] == "sl(4,R)" and "so(3,3)" in name("sl(4,R) in 4")[1]
    assert name("so(4) in 4")[0] == "so(4)" and "so(3) + so(3)" in name("so(4) in 4")[1]
    assert name("so(2,2) in 4")[0] == "so(2,2)" and "sl(2,R) + sl(2,R)" in name("so(2,2) in 4")[1]
    assert name("gl(2,R) in 2")[0] == "gl(2,R)" and "sl(2,R) + R" in name("gl(2,R) in 2")[1]
    assert name("sl(2,R) + R in 3")[0] == "sl(2,R) + R" and "gl(2,R)" in name("sl(2,R) + R in 3")[1]
    assert name("so(5) in 5")[0] == "so(5)" and "usp(4)" in name("so(5) in 5")[1]


def test_report_of_the_lorentz_algebra() -> None:
    report = identify(algebra_of_matrices(parse_group("so(1,3)").generators))
    assert (report.dimension, report.name, report.reason) == (6, "so(1,3)", "")
    assert report.killing_signature == (3, 3)
    assert report.simple and report.semisimple and not report.solvable and report.compact is False
    assert report.derived_dimensions == (6,) and report.center_dimension == 0
    assert report.closure < 1e-12 and report.structure_constants.shape == (6, 6, 6)
    assert report.preserved_forms is not None and report.preserved_forms[0].signature == (1, 3)


def test_levi_factor_and_radical_of_the_euclidean_algebra() -> None:
    report = identify(algebra_of_matrices(parse_group("se3").generators))
    assert (report.name, report.levi, report.radical_dimension, report.nilradical_dimension) == ("e(3)", "so(3)", 3, 3)
    assert report.compact is False and report.semisimple is False and report.simple is False


@pytest.mark.parametrize(
    ("matrix", "name", "compact"),
    [
        (torch.tensor([[0.0, -1.0], [1.0, 0.0]]), "so(2)", True),
        (torch.eye(2), "R", False),
        (torch.tensor([[0.0, 1.0], [0.0, 0.0]]), "R", False),
        (torch.tensor([[0.1, -1.0], [1.0, 0.1]]), "R", False),
        # Frequencies 1 and 3/2 close, 1 and √2 do not.
        (torch.block_diag(TURN, 1.5 * TURN), "so(2)", True),
        (torch.block_diag(TURN, 2**0.5 * TURN), "R", False),
    ],
)
def test_circles_and_lines_differ_by_their_orbits(matrix: Tensor, name: str, compact: bool) -> None:
    report = identify(algebra_of_matrices(matrix.double()[None], noise=1e-12))
    assert (report.name, report.compact) == (name, compact)


def test_kepler_rotations_and_scaling() -> None:
    both = [torch.block_diag(a, a) for a in parse_group("so3").generators]
    scaling = torch.diag(torch.tensor([2.0, 2.0, 2.0, -1.0, -1.0, -1.0], dtype=F64))
    report = identify(algebra_of_matrices(torch.stack([*both, scaling])))
    assert report.name == "so(3) + R" and "co(3)" in report.aliases


def outside_the_catalogue() -> dict[str, Tensor]:
    """Algebras that resemble known ones and must stay unidentified."""
    so3 = parse_group("so3").generators
    spinor = ENTRIES["su(2) in 4"].matrices
    weights = torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=F64))
    spiral = torch.tensor([[0.3, -1.0], [1.0, 0.3]], dtype=F64)
    jordan = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=F64)
    return {
        # Same dimension as sim(4)'s parts, but the rotations act on R⁴ as on spinors.
        "su(2) on R^4": affine(spinor),
        "so(3) twice on R^6": affine(torch.stack([torch.block_diag(a, a) for a in so3])),
        "so(3) on R^5": affine(torch.stack([_traceless_symmetric(a) for a in so3])),
        "scaling by 1, 2, 3": affine(weights[None]),
        "spiral": affine(spiral[None]),
        "Jordan block": affine(jordan[None]),
        "homothety": affine(torch.eye(3, dtype=F64)[None]),
        "strictly upper triangular 4": torch.stack([unit(4, i, j) for i in range(4) for j in range(i + 1, 4)]),
        "upper triangular with equal ends": torch.cat(
            [torch.stack([unit(3, 0, 0) + unit(3, 2, 2), unit(3, 1, 1)]), upper_triangular(3)[[1, 2, 4]]]
        ),
        "two planes, one rotation": affine(torch.block_diag(so3[2][:2, :2], so3[2][:2, :2])[None]),
    }


def _traceless_symmetric(a: Tensor) -> Tensor:
    """The rotation generator on traceless symmetric matrices S ↦ [a, S], in an orthonormal basis."""
    basis = []
    for i in range(3):
        for j in range(i + 1, 3):
            basis.append((unit(3, i, j) + unit(3, j, i)) / 2**0.5)
    basis.append((unit(3, 0, 0) - unit(3, 1, 1)) / 2**0.5)
    basis.append((unit(3, 0, 0) + unit(3, 1, 1) - 2 * unit(3, 2, 2)) / 6**0.5)
    return torch.stack([torch.stack([((a @ s - s @ a) * t).sum() for s in basis]) for t in basis])


@pytest.mark.parametrize("case", outside_the_catalogue())
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_what_is_not_in_the_catalogue_is_not_named(case: str, noise: float) -> None:
    matrices = outside_the_catalogue()[case]
    rng = torch.Generator().manual_seed(5)
    report = identify(algebra_of_matrices(perturbed(matrices, noise, rng, logarithmic=False)))
    assert report.name == "unidentified" and report.reason
    assert report.dimension == matrices.shape[0]


def test_spans_that_are_not_closed_are_not_named() -> None:
    given = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(1), dtype=F64)
    report = identify(algebra_of_matrices(given))
    assert report.name == "unidentified" and report.closure > 0.1


def test_euclidean_names_need_little_noise_unless_coordinates_are_known_to_be_good() -> None:
    matrices = ENTRIES["e(2) in 3"].matrices
    noisy = matrices + 1e-4 * torch.randn(matrices.shape, generator=torch.Generator().manual_seed(0), dtype=F64)
    careful = identify(algebra_of_matrices(noisy))
    assert careful.name == "unidentified" and "noise" in careful.reason
    assert identify(algebra_of_matrices(noisy), conditioning=5.0).name == "e(2)"


def test_a_sphere_that_looks_flat_is_not_called_flat() -> None:
    # so(4) in coordinates diag(1, 1, 1, 100): its boost-like generators are translations to one part in 10⁴.
    p = torch.diag(torch.tensor([1.0, 1.0, 1.0, 100.0], dtype=F64))
    moved = p @ parse_group("so4").generators @ torch.linalg.inv(p)
    moved = moved / moved.flatten(1).norm(dim=1)[:, None, None]
    assert identify(algebra_of_matrices(moved)).name == "so(4)"
    noise = torch.randn(moved.shape, generator=torch.Generator().manual_seed(0), dtype=F64) / 4
    assert identify(algebra_of_matrices(moved + 1e-3 * noise)).name in ("unidentified", "so(4)")


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["so(1,3) in 4", "e(3) in 4", "aff(2) in 3", "co(3) in 3"]))
def test_name_is_invariant_under_conjugation(seed: int, key: str) -> None:
    assert trial(ENTRIES[key], 0.0, seed, logarithmic=False)[0] == "right"


def test_abstract_algebras_have_names_too() -> None:
    f = algebra_of_matrices(parse_group("sim3").generators).structure_constants
    assert identify(algebra_of_structure_constants(f)).name == "sim(3)"
    lorentz = algebra_of_matrices(parse_group("so(1,3)").generators).structure_constants
    assert identify(algebra_of_structure_constants(lorentz)).name == "so(1,3)"
    flat = identify(algebra_of_structure_constants(torch.zeros(2, 2, 2, dtype=F64)))
    # Without matrices orbits are not known: lines and circles cannot be told apart.
    assert (flat.name, flat.compact) == ("R^2", None)


def test_b3_and_c3_are_told_apart_by_their_roots() -> None:
    seven, six = parse_group("so7").generators, parse_group("sp6").generators
    b3 = simple_type(algebra_of_matrices(seven), 0, is_complex=False)
    c3 = simple_type(algebra_of_matrices(six), 12, is_complex=False)
    assert b3 == SimpleType("B", 3, False, 0) and c3 == SimpleType("C", 3, False, 12)
    assert [n.text for n in names_of(SimpleType("B", 3, False, 12))] == ["so(3,4)"]
    assert [n.text for n in names_of(SimpleType("C", 3, False, 12))] == ["sp(6,R)"]


def test_names_of_one_real_form_are_isomorphic_by_dimension_and_signature() -> None:
    for kind in (SimpleType("A", 3, False, p) for p in (0, 5, 6, 8, 9)):
        assert len(names_of(kind)) == 2
    assert {n.text for n in names_of(SimpleType("A", 3, False, 5))} == {"so(1,5)", "su*(4)"}
    assert {n.text for n in names_of(SimpleType("B", 2, False, 4))} == {"so(1,4)", "usp(2,2)"}
    assert names_of(SimpleType("A", 3, False, 7)) == ()


def test_a_centre_of_two_kinds() -> None:
    matrices = direct_sum(with_identity(parse_group("so3").generators), parse_group("so2").generators)
    report = identify(algebra_of_matrices(matrices))
    assert report.name == "so(3) + so(2) + R" and report.compact is False
