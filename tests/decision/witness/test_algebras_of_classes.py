"""The algebra of a class of functions is derived from its invariants: dimensions from the literature."""

import math

import pytest
import torch

from symfind.decision.witness.proposals import Shape, catalogue, general
from symfind.decision.witness.scalings import scaling_of
from symfind.decision.witness.structure import Block, LogIndex, Structure, euclidean, minkowski
from symfind.decision.witness.symmetries import Symmetries, symmetries
from symfind.fields.catalogue import make_space
from symfind.lie_derivative import Bracket, Free, Invariant, OutputAction, Same


def rows(k: int, d: int) -> torch.Tensor:
    return torch.randn(200, k * d, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def algebra(
    structure: Structure | LogIndex,
    space: str,
    objects: tuple[int, int],
    action: OutputAction | None = None,
    outputs: tuple[int, int] = (1, 1),
    flow: bool = False,
) -> Symmetries:
    d = objects[1]
    fields = make_space(space, d, [f"x{i}" for i in range(d)])
    x = rows(*objects)
    eye = torch.eye(d, dtype=torch.float64)
    return symmetries(structure, fields, action or Invariant(), objects, outputs, x, eye, blind_counts=flow)


def named(shape: Shape, name: str) -> Structure:
    return next(s for s in catalogue(shape) if s.name == name)


@pytest.mark.parametrize(
    ("objects", "name", "space", "dimension"),
    [
        ((1, 3), "so(3)", "linear", 3),
        ((2, 4), "so(1,3), axis 1 apart", "linear", 6),
        ((3, 3), "so(3) with translations", "affine", 6),
        ((2, 2), "sl(2)", "linear", 3),
        ((2, 3), "translations of all objects", "affine", 3),
        ((1, 4), "so(2) + so(2) on 2 vectors, stacked", "linear", 2),
    ],
)
def test_classical_algebras(objects: tuple[int, int], name: str, space: str, dimension: int) -> None:
    shape = Shape(objects, 1, False, False, space == "affine")
    assert algebra(named(shape, name), space, objects).dimension == dimension


def test_all_functions_have_no_symmetry() -> None:
    shape = Shape((1, 3), 1, False, False, True)
    assert algebra(general(shape), "affine", (1, 3)).dimension == 0


def test_a_scaling_of_a_central_field_acts_on_its_values_too() -> None:
    """r ↦ −r/|r|³: so(3) and x ↦ e^t x, y ↦ e^{−2t}y."""
    shape = Shape((1, 3), 3, True, False, False)
    turned = named(shape, "so(3)")
    weights = scaling_of(turned, torch.ones(1, 3).double(), torch.tensor([[-2.0] * 3]).double(), rows(1, 3))
    assert weights is not None
    scaled = turned.scaled("so(3), 1 scaling", weights)
    assert algebra(turned, "linear", (1, 3), Free(3), (1, 3)).dimension == 3
    found = algebra(scaled, "linear", (1, 3), Free(3), (1, 3))
    assert found.dimension == 4
    x = rows(1, 3)
    k = scaled.covariants(x)[:, 0]
    ratio = k / (x / torch.linalg.vector_norm(x, dim=1, keepdim=True) ** 3)
    assert float(ratio.std() / ratio.mean().abs()) < 1e-12


def test_a_form_that_sees_a_plane_has_one_turn_and_blind_fields() -> None:
    """|Px|² with P across (1, 1, 1): the turn about it, and the three fields along it, which are no finding."""
    p = torch.eye(3, dtype=torch.float64) - torch.ones(3, 3, dtype=torch.float64) / 3
    view = torch.eye(3, dtype=torch.float64)[None]
    flat = Structure("plane", (Block(view, p),), torch.zeros(0, 3).double(), torch.eye(1).double())
    found = algebra(flat, "linear", (1, 3))
    assert found.dimension == 1
    assert found.blind.shape[1] == 3


def test_products_of_powers_leave_the_scalings_that_keep_them() -> None:
    index = LogIndex("x y z²", torch.tensor([[1.0, 1.0, 2.0]]).double(), torch.eye(1).double())
    assert algebra(index, "diagonal", (1, 3)).dimension == 2


def test_a_flow_with_central_symmetry_and_a_rescaling_of_time() -> None:
    """dx/dt = −|x|x: so(3), and x ↦ e^t x with time running e^{−t} as fast."""
    shape = Shape((1, 3), 3, True, True, False)
    turned = named(shape, "so(3)")
    weights = scaling_of(turned, torch.ones(1, 3).double(), torch.tensor([[2.0] * 3]).double(), rows(1, 3))
    assert weights is not None
    drag = turned.scaled("s", weights)
    assert algebra(drag, "linear", (1, 3), Bracket(), (1, 3), flow=True).dimension == 4


def test_the_wrong_form_is_another_algebra() -> None:
    """Boosts leave Minkowski products and no Euclidean ones."""
    view = torch.eye(4, dtype=torch.float64)[None]
    none = torch.zeros(0, 4).double()
    one = torch.eye(1).double()
    a = algebra(Structure("a", (Block(view, minkowski(4, [0])),), none, one), "linear", (1, 4)).vectors
    b = algebra(Structure("b", (Block(view, euclidean(4)),), none, one), "linear", (1, 4)).vectors
    cosines = torch.linalg.svdvals(torch.linalg.qr(a).Q.T @ torch.linalg.qr(b).Q)
    assert int((cosines > 1 - 1e-9).sum()) == 3  # the rotations of space
    assert float(cosines[3]) < math.cos(0.5)


def test_vectors_turn_with_their_objects() -> None:
    """u × v is a covariant of so(3), and of no larger algebra of the linear space."""
    shape = Shape((2, 3), 3, True, True, False)
    assert algebra(named(shape, "so(3)"), "linear", (2, 3), Same(), (1, 3)).dimension == 3
