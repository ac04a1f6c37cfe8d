"""Functions: invariants, Kepler's field, and every way in which data cannot speak."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from oracle_files import ask, certified, file_of, matrices, normal, principal_cosines, rotations

from symfind.errors import InputError
from symfind.samples.catalogue import write_sample
from symfind.samples.draws import asymmetric_cubic


def test_kepler_gives_the_rotations_and_nothing_false(tmp_path: Path) -> None:
    write_sample("kepler", tmp_path / "f.h5")
    report = ask(tmp_path / "f.h5", space="linear", output_action="same")
    truth = rotations(3)
    found = matrices(list(report.generators))
    assert found.shape[0] == 3
    assert float(principal_cosines(found, truth).min()) > 0.99
    assert len(certified(report)) <= 3


@pytest.mark.parametrize("action", [pytest.param("free", marks=pytest.mark.slow), "auto"])
def test_kepler_gives_the_scaling_too_where_any_matrix_may_act(tmp_path: Path, action: str) -> None:
    """``auto`` chooses ``free``: the two give one report."""
    write_sample("kepler", tmp_path / "f.h5")
    report = ask(tmp_path / "f.h5", space="linear", output_action=action)
    truth = torch.cat([rotations(3), torch.eye(3).double().reshape(1, 9)])
    found = matrices(list(report.generators))
    assert found.shape[0] == 4
    assert float(principal_cosines(found, truth).min()) > 0.99


@pytest.mark.parametrize("power", [-3, 3])
def test_units_of_each_coordinate_change_nothing(tmp_path: Path, power: int) -> None:
    x = normal(500, 3)
    y = asymmetric_cubic(x)
    units = 10.0 ** torch.tensor([power, 0.0, -power], dtype=torch.float64)
    plain = ask(file_of(tmp_path / "a.h5", "function", x=x, y=y), space="linear")
    moved = ask(file_of(tmp_path / "b.h5", "function", x=x * units, y=1e3 * y), space="linear")
    for a, b in zip(plain.spectrum, moved.spectrum, strict=True):
        assert a.defect is not None
        assert b.defect == pytest.approx(a.defect, abs=1e-6)
    assert moved.generators == ()


def radial(x: torch.Tensor) -> torch.Tensor:
    square = x.square().sum(1)
    return square + square**2 / 4


def test_the_same_seed_gives_the_same_report_but_for_timing(tmp_path: Path) -> None:
    path = file_of(tmp_path / "a.h5", "function", x=normal(300, 3), y=radial(normal(300, 3)))
    one, two = (replace(ask(path, seed=3), timing={}) for _ in range(2))
    assert one == two


def test_invariance_is_found_without_names_or_hints(tmp_path: Path) -> None:
    x = normal(400, 3)
    found = matrices(certified(ask(file_of(tmp_path / "f.h5", "function", x=x, y=radial(x)))))
    assert found.shape[0] == 3
    assert float(principal_cosines(found, rotations(3)).min()) > 1 - 1e-9


@pytest.mark.parametrize("space", ["linear", "affine"])
def test_a_cubic_without_symmetry_has_none(tmp_path: Path, space: str) -> None:
    x = normal(600, 3)
    y = asymmetric_cubic(x)
    path = file_of(tmp_path / "f.h5", "function", x=x, y=y + 0.01 * y.std() * normal(600, seed=1))
    assert certified(ask(path, space=space)) == []


def test_a_constant_output_finds_nothing_and_says_so(tmp_path: Path) -> None:
    path = file_of(tmp_path / "f.h5", "function", x=normal(300, 3), y=torch.full((300,), 0.1).double())
    report = ask(path, space="linear")
    assert report.generators == ()
    assert report.algebra is not None and report.algebra.dimension == 0
    assert any("constant" in w for w in report.warnings)


def test_dead_inputs_are_trivial_and_named(tmp_path: Path) -> None:
    x = normal(400, 3)
    report = ask(file_of(tmp_path / "f.h5", "function", x=x, y=radial(x[:, :2])), space="linear")
    assert sorted(report.space.trivial) == ["x ∂z", "y ∂z", "z ∂z"]
    assert [g.expression for g in certified(report)] == ["x ∂y − y ∂x"]


def test_a_constant_input_is_trivial(tmp_path: Path) -> None:
    x = normal(400, 3)
    x[:, 2] = 0.1
    report = ask(file_of(tmp_path / "f.h5", "function", x=x, y=radial(x[:, :2])), space="linear")
    assert len(report.space.trivial) == 5  # x_j ∂z, and z ∂x, z ∂y, which are constant
    assert [g.expression for g in certified(report)] == ["x ∂y − y ∂x"]


def test_a_redundant_input_leaves_the_symmetry_on_its_plane(tmp_path: Path) -> None:
    x = normal(400, 3)
    x[:, 2] = x[:, 0] + x[:, 1]
    report = ask(file_of(tmp_path / "f.h5", "function", x=x, y=radial(x[:, :2])), space="linear")
    assert len(report.space.trivial) == 5
    assert len(certified(report)) == 1


def test_on_a_sphere_fields_that_vanish_are_trivial_and_no_other_is_certified_off_it(tmp_path: Path) -> None:
    x = torch.nn.functional.normalize(normal(500, 3), dim=1)
    report = ask(file_of(tmp_path / "f.h5", "function", x=x, y=asymmetric_cubic(x)), space="polynomial:2")
    assert len(report.space.trivial) == 3  # (|x|² − 1)∂_a
    assert certified(report) == []


def test_copies_of_rows_do_not_narrow_the_bounds(tmp_path: Path) -> None:
    x = normal(150, 3)
    y = asymmetric_cubic(x) + 0.3 * normal(150, seed=1)
    once = ask(file_of(tmp_path / "a.h5", "function", x=x, y=y), surrogate="polynomial:3", method="nullspace")
    often = ask(
        file_of(tmp_path / "b.h5", "function", x=x.repeat(6, 1), y=y.repeat(6)),
        surrogate="polynomial:3",
        method="nullspace",
    )
    for a, b in zip(once.spectrum[:2], often.spectrum[:2], strict=True):
        assert a.upper is not None and a.lower is not None and b.upper is not None and b.lower is not None
        # Half at least: they are random, and six times the rows would have narrowed them to less than half.
        assert b.upper - b.lower > 0.5 * (a.upper - a.lower)


def test_a_quadratic_fit_of_one_object_certifies_nothing(tmp_path: Path) -> None:
    x = normal(300, 3)
    path = file_of(tmp_path / "f.h5", "function", x=x, y=x.square().sum(1))
    report = ask(path, surrogate="polynomial:2", method="nullspace")
    assert certified(report) == []
    assert len(report.generators) == 3
    assert any("quadratic" in w for w in report.warnings)


def test_far_from_the_origin_the_scaling_is_not_taken_for_a_translation(tmp_path: Path) -> None:
    """sin(x − y) does not see x + y: fields along it are blind, and far out the scaling is nearly one of them."""
    x = normal(1500, 2) + 30.0
    report = ask(file_of(tmp_path / "f.h5", "function", x=x, y=torch.sin(x[:, 0] - x[:, 1])), space="linear")
    assert certified(report) == []


@pytest.mark.slow
def test_outliers_where_the_function_is_flat_certify_nothing(tmp_path: Path) -> None:
    """1 % of rows 30 times as far out, where tanh is flat: with two separate means a random field had ρ = 0.07."""
    x = normal(1500, 3)
    x[:15] *= 30
    y = torch.tanh(x[:, 0] + 0.5 * x[:, 1] * x[:, 2] - x[:, 2] ** 2)
    assert certified(ask(file_of(tmp_path / "f.h5", "function", x=x, y=y))) == []


def test_a_thin_direction_does_not_make_a_false_rotation(tmp_path: Path) -> None:
    """x² + y² + 5z² with σ_z = 0.1: of the rotations, only that of x and y is one."""
    x = normal(800, 3) * torch.tensor([1.0, 1.0, 0.1])
    y = x[:, 0] ** 2 + x[:, 1] ** 2 + 5 * x[:, 2] ** 2
    report = ask(file_of(tmp_path / "f.h5", "function", x=x, y=y), space="so")
    assert [g.expression for g in certified(report)] == ["x ∂y − y ∂x"]


def test_noise_certifies_nothing(tmp_path: Path) -> None:
    report = ask(file_of(tmp_path / "f.h5", "function", x=normal(400, 3), y=normal(400, seed=1)))
    assert certified(report) == []
    assert any("held-out variance" in w for w in report.warnings)


def test_too_few_rows_are_told_with_the_number_needed(tmp_path: Path) -> None:
    path = file_of(tmp_path / "f.h5", "function", x=normal(20, 3), y=normal(20))
    with pytest.raises(InputError, match=r"give at least \d+"):
        ask(path, space="polynomial:2")


def test_formulas_of_the_users_are_followed_past_where_they_are_finite(tmp_path: Path) -> None:
    space = tmp_path / "own.yaml"
    space.write_text("fields:\n- ['1/x', '0']\n- ['-y', 'x']\n- ['0', 'log(y)']\n", encoding="utf-8")
    x = 1 + torch.rand(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    report = ask(file_of(tmp_path / "f.h5", "function", x=x, y=radial(x)), space=str(space))
    assert [g.expression for g in certified(report)] == ["[(-y) ∂x + (x) ∂y]"]
