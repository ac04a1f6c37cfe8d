"""exp(tξ)x against the exponential of the matrix, and flows that are not bounded."""

import math

import torch
from torch import Tensor

from symfind.decision.witness.distribution.finite_elements import (
    AffineRows,
    flow_images,
    random_tori,
    rows_moved,
    torus_of,
    turned,
)
from symfind.fields.catalogue import make_space


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def oblique_turn(speeds: tuple[float, ...], rest: int, seed: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """A, b and the centre of turns of planes in random coordinates."""
    d = 2 * len(speeds) + rest
    a = torch.zeros(d, d, dtype=torch.float64)
    for i, w in enumerate(speeds):
        a[2 * i, 2 * i + 1], a[2 * i + 1, 2 * i] = -w, w
    t = torch.eye(d, dtype=torch.float64) + 0.3 * normal(d, d, seed=seed)
    a = t @ a @ torch.linalg.inv(t)
    centre = normal(d, seed=seed + 1)
    return a, -a @ centre, centre


def test_a_turn_is_the_exponential_of_its_matrix() -> None:
    a, b, centre = oblique_turn((1.0, 0.4), 1)
    torus = torus_of(a, b)
    assert torus is not None and torus.planes.shape[0] == 2 and torus.rest.shape[0] == 1
    x = normal(7, 5)
    found = turned(torus, torch.full((7,), 0.8, dtype=torch.float64), x)
    torch.testing.assert_close(found, (x - centre) @ torch.linalg.matrix_exp(0.8 * a).T + centre, atol=1e-9, rtol=1e-9)


def test_what_runs_away_has_no_torus() -> None:
    zero = torch.zeros(2, dtype=torch.float64)
    shear = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).double()
    assert torus_of(shear, zero) is None
    assert torus_of(torch.eye(2).double(), zero) is None
    assert torus_of(torch.diag(torch.tensor([1.0, -1.0])).double(), zero) is None
    assert torus_of(torch.zeros(2, 2).double(), torch.ones(2).double()) is None
    screw, _, _ = oblique_turn((1.0,), 1)
    axis = torch.linalg.svd(screw)[2][-1]  # the null vector: along it the screw moves
    assert torus_of(screw, axis) is None


def test_fields_of_a_space_are_read_as_affine_or_not() -> None:
    x = normal(50, 3) + 4.0
    space = make_space("affine", 3, ("x", "y", "z")).centred(x.mean(0), x.std(0))
    rows = AffineRows.of(space, torch.eye(12).double(), x, (1, 3))
    assert rows is not None
    expected = space.evaluate(x)
    found = torch.einsum("kab,nb->nka", rows.a, x) + rows.b
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)
    curved = make_space("polynomial:2", 3, ("x", "y", "z"))
    assert AffineRows.of(curved, torch.eye(curved.dim).double(), x, (1, 3)) is None


def test_objects_of_a_row_move_alike_and_keep_their_distance() -> None:
    space = make_space("so", 3, ("x", "y", "z"))
    x = normal(40, 6)
    rows = AffineRows.of(space, torch.eye(3).double(), x, (2, 3))
    assert rows is not None
    generator = torch.Generator().manual_seed(0)
    moved = rows_moved(x, random_tori(rows, 5, generator), 8, generator)
    for at in (x, moved):
        assert at.shape == (40, 6)
    apart = [(at[:, :3] - at[:, 3:]).norm(dim=1) for at in (x, moved)]
    torch.testing.assert_close(apart[1], apart[0])
    assert float((moved - x).norm(dim=1).median()) > 0.5


def test_curved_flows_are_integrated() -> None:
    """dθ/dt = r² about the origin: an angle of r²t."""

    def velocity(x: Tensor, c: Tensor) -> Tensor:
        return c * x.square().sum(1, keepdim=True) * torch.stack([-x[:, 1], x[:, 0]], 1)

    x = torch.tensor([[1.0, 0.0], [0.0, 1.2]]).double()
    t = torch.full((2,), 0.5, dtype=torch.float64)
    found = flow_images(velocity, x, torch.ones(2, 1).double(), t)
    for row, start in zip(found, x, strict=True):
        angle = 0.5 * float(start.square().sum())
        c, s = math.cos(angle), math.sin(angle)
        expected = torch.tensor([[c, -s], [s, c]]).double() @ start
        torch.testing.assert_close(row, expected, atol=1e-6, rtol=1e-6)
