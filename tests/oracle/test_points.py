"""Distributions: a shell turns, a cube and twelve blobs do not; sets: what is tangent to them."""

from pathlib import Path

import pytest
import torch
from oracle_files import ask, certified, file_of, matrices, normal, principal_cosines, rotations

from symfind.errors import InputError, UsageError
from symfind.samples.catalogue import write_sample


def test_a_shell_has_so3_and_no_more(tmp_path: Path) -> None:
    write_sample("shell", tmp_path / "p.h5", rows=60_000)
    found = matrices(certified(ask(tmp_path / "p.h5")))
    assert found.shape[0] == 3
    assert float(principal_cosines(found, rotations(3)).min()) > 0.999


def test_a_cube_has_nothing(tmp_path: Path) -> None:
    write_sample("cube", tmp_path / "p.h5")
    report = ask(tmp_path / "p.h5")
    assert report.generators == ()
    assert report.spectrum[0].lower is not None and report.spectrum[0].lower > 0.3


def icosahedron() -> torch.Tensor:
    golden = (1 + 5**0.5) / 2
    corners = torch.tensor([[0.0, a, b * golden] for a in (-1, 1) for b in (-1, 1)], dtype=torch.float64)
    corners = torch.cat([corners, corners.roll(1, 1), corners.roll(2, 1)])
    return corners / corners.norm(dim=1, keepdim=True)


def test_blobs_on_an_icosahedron_are_told_from_a_sphere(tmp_path: Path) -> None:
    """Polynomials to degree 5 cannot tell them: the first invariant beyond |x|² has degree 6."""
    n, g = 20_000, torch.Generator().manual_seed(0)
    x = icosahedron()[torch.randint(12, (n,), generator=g)] + 0.1 * normal(n, 3)
    report = ask(file_of(tmp_path / "p.h5", "points", x=x))
    assert report.generators == ()
    assert report.spectrum[0].lower is not None and report.spectrum[0].lower > 0.3


def test_one_group_of_points_is_undecided(tmp_path: Path) -> None:
    x = normal(2000, 2)
    report = ask(file_of(tmp_path / "p.h5", "points", x=x, group=torch.zeros(2000, dtype=torch.int64)))
    assert certified(report) == []
    assert any("one group" in w for w in report.warnings)


def test_an_ellipse_is_turned_into_itself(tmp_path: Path) -> None:
    write_sample("ellipse", tmp_path / "p.h5")
    (only,) = certified(ask(tmp_path / "p.h5", method="tangent"))
    # x = c + T z with T the half-axes on the unit circle: the generator is T J T⁻¹.
    t = torch.tensor([[3**0.5, -0.5], [1.0, 3**0.5 / 2]], dtype=torch.float64)
    turn = t @ torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double() @ torch.linalg.inv(t)
    linear = torch.tensor(only.input_action, dtype=torch.float64)[:2, :2]
    assert float(principal_cosines(linear.reshape(1, 4), turn.reshape(1, 4))[0]) > 0.999


def test_points_that_fill_the_space_have_no_tangent_fields(tmp_path: Path) -> None:
    path = file_of(tmp_path / "p.h5", "points", x=normal(500, 2))
    with pytest.raises(InputError, match="fill the space"):
        ask(path, method="tangent")


def test_tangents_are_of_one_object(tmp_path: Path) -> None:
    path = file_of(tmp_path / "p.h5", "points", x=normal(200, 2, 3))
    with pytest.raises(UsageError, match="2 objects"):
        ask(path, method="tangent")


def test_a_trefoil_has_no_affine_tangent_field(tmp_path: Path) -> None:
    t = 2 * torch.pi * torch.rand(1500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.stack([t.sin() + 2 * (2 * t).sin(), t.cos() - 2 * (2 * t).cos()], 1)
    assert ask(file_of(tmp_path / "p.h5", "points", x=x), method="tangent").generators == ()


def traceless_orbit(n: int, seed: int = 0) -> torch.Tensor:
    """Symmetric matrices of eigenvalues 1.1, −0.2, −0.9 in an orthonormal basis of the traceless ones, ``(n, 5)``."""
    q = torch.linalg.qr(normal(n, 9, seed=seed).reshape(n, 3, 3))[0]
    m = q @ torch.diag(torch.tensor([1.1, -0.2, -0.9]).double()) @ q.mT
    off = 2**0.5 * torch.stack([m[:, 0, 1], m[:, 0, 2], m[:, 1, 2]], 1)
    return torch.cat([off, torch.stack([(m[:, 0, 0] - m[:, 1, 1]) / 2**0.5, 1.5**0.5 * m[:, 2, 2]], 1)], 1)


def test_an_orbit_of_three_dimensions_in_five_is_followed(tmp_path: Path) -> None:
    """800 points are too far apart for planes; Σm² and det m, of degrees two and three, vanish on them exactly."""
    path = file_of(tmp_path / "p.h5", "points", x=traceless_orbit(800))
    report = ask(path, method="tangent", space="linear")
    assert len(certified(report)) == 3
    assert any("a set of dimension 3" in note for note in report.notes)


def test_a_set_that_is_not_resolved_is_said_to_be(tmp_path: Path) -> None:
    """A folded surface: distances of 600 points are of few dimensions, but neither planes nor cubics follow it."""
    t = torch.rand(600, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 8
    waves = [torch.sin(t @ torch.tensor(w).double()) for w in ((1.0, 0.31), (0.53, 1.7), (1.37, -0.9), (0.2, 2.3))]
    with pytest.raises(InputError, match="cannot be told"):
        ask(file_of(tmp_path / "p.h5", "points", x=torch.stack(waves, 1)), method="tangent")
