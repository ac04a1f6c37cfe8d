"""Point groups against what is known of them: orders, axes, and data made with and without them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import symfind
from symfind.data.hdf5 import write
from symfind.discrete.point_groups.catalogue import plane_groups, point_groups
from symfind.discrete.point_groups.known import Ellipsoid, Known
from symfind.discrete.point_groups.orientation import Oriented, Table, best_orientation, placed
from symfind.discrete.point_groups.search import point_group_symmetries
from symfind.errors import UsageError
from symfind.kinds.search import search
from symfind.progress import Clock, SilentProgress
from symfind.schema.discrete import DiscreteGroup

GROUPS = {g.schoenflies: g for g in point_groups()}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(seed: int) -> Tensor:
    q = torch.linalg.qr(normal(3, 3, seed=seed)).Q
    return q * torch.linalg.det(q)


def certified(path: Path, kind: str, **arrays: Tensor) -> DiscreteGroup:
    write(path, {role: a.numpy() for role, a in arrays.items()}, {"kind": kind})
    options = symfind.DiscoverOptions(source=str(path), surrogate="polynomial")
    _, evidence = search(options, path, torch.device("cpu"), Clock(SilentProgress()))
    return point_group_symmetries(evidence, 0.05, 0.05, 0)[1]


@pytest.mark.parametrize(
    ("name", "mauguin", "order", "axes"),
    [
        ("T", "23", 12, {3: 4, 2: 3}),
        ("Td", "-43m", 24, {3: 4, 2: 3, -2: 6}),
        ("O", "432", 24, {4: 3, 3: 4, 2: 6}),
        ("Oh", "m-3m", 48, {4: 3, 3: 4, 2: 6, -2: 9}),
        ("I", "532", 60, {5: 6, 3: 10, 2: 15}),
        ("Ih", "-5-3m", 120, {5: 6, 3: 10, 2: 15, -2: 15}),
        ("D3h", "-6m2", 12, {3: 1, 2: 3, -2: 4}),
        ("D2d", "-42m", 8, {2: 3, -2: 2}),
        ("S4", "-4", 4, {2: 1}),
        ("C2v", "mm2", 4, {2: 1, -2: 2}),
        ("Ci", "-1", 2, {}),
    ],
)
def test_orders_and_axes_are_those_of_the_tables(name: str, mauguin: str, order: int, axes: dict[int, int]) -> None:
    group = GROUPS[name]
    counted: dict[int, int] = {}
    for n, u in group.axes:
        assert math.isclose(float(u.norm()), 1, abs_tol=1e-5)
        counted[n] = counted.get(n, 0) + 1
    assert (group.hermann_mauguin, group.order, counted) == (mauguin, order, axes)


def test_every_crystal_class_is_there_once() -> None:
    folds = {1, 2, 3, 4, 6}
    classes = [
        g
        for g in point_groups()
        if not g.continuous and all(abs(n) in folds for n, _ in g.axes) and _crystal(g.elements)
    ]
    assert len(classes) == 32
    assert len({g.schoenflies for g in point_groups()}) == len(point_groups())
    # C_n and D_n up to n = 12, a mirror, nothing, and the two limits.
    assert len(plane_groups()) == 2 * 11 + 2 + 2


def _crystal(elements: Tensor) -> bool:
    """A group keeps a lattice only if its traces are whole."""
    traces = elements.diagonal(dim1=1, dim2=2).sum(1)
    return bool(((traces - traces.round()).abs() < 1e-9).all())


def known(value, seed: int = 1) -> Known:  # type: ignore[no-untyped-def]
    x = normal(400, 1, 3, seed=seed)
    return Known(x, value, False, Ellipsoid.of(x.flatten(0, 1)))


def test_the_orientation_of_a_cube_is_found() -> None:
    h, c = rotation(3), torch.tensor([0.2, -0.1, 0.3], dtype=torch.float64)

    def quartic(x: Tensor) -> Tensor:
        return ((x[:, 0] - c) @ h).pow(4).sum(1, keepdim=True)

    one = known(quartic)
    found = best_orientation(Table(one, torch.zeros(3, dtype=torch.float64)), GROUPS["Oh"], one, True, 2)
    assert found.misfit < 1e-9 and torch.allclose(found.centre, c, atol=1e-5)
    # The axes are those of the cube, in some order and with some signs.
    assert torch.allclose((found.h.T @ h).abs().amax(0), torch.ones(3, dtype=torch.float64), atol=1e-8)


def test_a_cube_is_no_icosahedron() -> None:
    # The part of degree 4 of a cube, of which an icosahedron keeps nothing.
    one = known(lambda x: x[:, 0].pow(4).sum(1, keepdim=True) - 0.6 * x[:, 0].square().sum(1, keepdim=True) ** 2)
    table = Table(one, torch.zeros(3, dtype=torch.float64))
    assert best_orientation(table, GROUPS["I"], one, False, 2).misfit > 0.5
    assert best_orientation(table, GROUPS["C3v"], one, False, 2).misfit < 1e-6


def test_a_model_in_the_plane_has_its_five_turns(tmp_path: Path) -> None:
    x = normal(1000, 2, seed=4)
    z = torch.view_as_complex(x.contiguous())
    group = certified(tmp_path / "f.h5", "function", x=x, y=(z**5).real + 0.3 * (z**5).imag + z.abs() ** 2)
    assert (group.schoenflies, group.order) == ("C5v", 10)  # a mirror in one direction or another
    twisted = (z**5).real + (z**5).imag * z.abs() ** 2
    group = certified(tmp_path / "f.h5", "function", x=x, y=twisted)
    assert (group.schoenflies, group.order) == ("C5", 5)


def test_what_turns_by_any_angle_is_no_large_n(tmp_path: Path) -> None:
    x = normal(1000, 2, seed=5)
    group = certified(tmp_path / "f.h5", "function", x=x, y=(x**2).sum(1) - 0.1 * (x**2).sum(1) ** 2)
    assert group.order is None and group.schoenflies == "C∞v"


def test_a_trace_of_one_direction_is_seen(tmp_path: Path) -> None:
    x = normal(2000, 2, seed=6)
    z = torch.view_as_complex(x.contiguous())
    even = (z**3).real / (z**3).real.std()
    noise = 0.05 * normal(2000, seed=7)
    group = certified(tmp_path / "f.h5", "function", x=x, y=even + noise)
    assert group.schoenflies == "C3v" and group.axis_error is not None and group.axis_error < 0.01
    bent = 0.06 * (x[:, 0] + 0.5 * x[:, 1] ** 2) / (x[:, 0] + 0.5 * x[:, 1] ** 2).std()
    group = certified(tmp_path / "f.h5", "function", x=x, y=even + bent + noise)
    assert group.order is not None and group.order < 3


def test_four_coordinates_are_refused_in_a_line(tmp_path: Path) -> None:
    x = normal(400, 4)
    with pytest.raises(UsageError, match="plane and of space"):
        certified(tmp_path / "f.h5", "function", x=x, y=(x**2).sum(1))


@pytest.mark.slow
def test_a_cloud_of_chiral_tetrahedral_symmetry(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    elements = placed(GROUPS["T"].elements, rotation(8))
    place = torch.tensor([0.3, 0.5, 0.81], dtype=torch.float64)
    pick = torch.randint(12, (6000,), generator=generator)
    x = elements[pick] @ place + 0.05 * normal(6000, 3, seed=9)
    group = certified(tmp_path / "p.h5", "points", x=x)
    assert group.schoenflies == "T" and group.axis_error is not None and group.axis_error < 0.01
    assert Oriented(GROUPS["T"], rotation(8), x.mean(0), 0.0).elements.shape == (12, 3, 3)
