"""The parts of R^d: multiplicities and highest weights of textbooks, in any coordinates and any basis."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from symfind import api
from symfind.answers.representation import representation_of
from symfind.lie.algebras.algebra import algebra_of_matrices
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.linalg.threads import one_thread
from symfind.render.summary import conclusions
from symfind.schema.algebra import Representation

F64 = torch.float64


def matrices(group: str, formula: str) -> Tensor:
    made = parse_group(group)
    return parse_representation(made, formula).drho(made.generators)


def turned(given: Tensor, seed: int) -> Tensor:
    """Other coordinates and another basis of the algebra."""
    g = torch.Generator().manual_seed(seed)
    k, d = given.shape[:2]
    s = torch.linalg.qr(torch.randn(d, d, generator=g, dtype=F64)).Q @ torch.diag(
        0.7 + torch.rand(d, generator=g).double()
    )
    return torch.einsum("ij,jab->iab", torch.randn(k, k, generator=g, dtype=F64), s @ given @ torch.linalg.inv(s))


def of_matrices(given: Tensor, name: str) -> Representation:
    with one_thread():
        found = representation_of(algebra_of_matrices(given), given, name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("group", "formula", "text", "rep_in"),
    [
        ("so3", "1x2", "spin 2", "1x2"),
        ("so3", "3x1+2x0", "3 × vector + 2 × scalar", "3x1+2x0"),
        ("so3", "V^2", "spin 2 + vector + scalar", "1x2+1x1+1x0"),  # 3 ⊗ 3 = 5 + 3 + 1
        ("su2", "1x1/2+1x1", "spin 1/2 + vector", "1x1/2+1x1"),
        ("so13", "V", "(½,½)", "1V"),
        ("so13", "V^2", "(1,1) + (1,0) ⊕ (0,1) + scalar", None),  # traceless, field strengths, trace
        ("so5", "2V+3", "2 × vector + 3 × scalar", "2V+3"),
        ("su3", "V", "3 [1,0] ⊕ 3̄ [0,1]", None),
        ("sp4", "V", "vector", None),
    ],
)
def test_parts_are_those_of_the_textbook(group: str, formula: str, text: str, rep_in: str | None) -> None:
    name = {"so3": "so(3)", "su2": "so(3)", "so13": "so(1,3)", "so5": "so(5)", "su3": "su(3)", "sp4": "sp(4,R)"}[group]
    given = matrices(group, formula)
    for seed in (0, 3):
        m = turned(given, seed) if seed else given
        found = of_matrices(m, name)
        assert (found.text, found.rep_in) == (text, rep_in)
        if rep_in is not None and seed:
            _check_coordinates(found, m)


def _check_coordinates(found: Representation, given: Tensor) -> None:
    """T A T⁻¹ is in the catalogue's representation, which ``enforce`` is told of."""
    assert found.group is not None and found.rep_in is not None and found.coordinates is not None
    t = torch.tensor(found.coordinates, dtype=F64)
    target = matrices(found.group, found.rep_in).flatten(1)
    moved = (t @ given @ torch.linalg.inv(t)).flatten(1)
    q = torch.linalg.qr(target.T).Q
    assert float((moved - moved @ q @ q.T).norm()) < 1e-6 * float(moved.norm())


def test_weights_of_a_circle_are_whole_numbers() -> None:
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=F64)
    two = torch.block_diag(0.3 * turn, 1.2 * turn)[None]
    assert of_matrices(two, "so(2)").text == "weight 1 + weight 4"


def test_a_report_tells_the_representation(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(yaml.safe_dump({"generators": turned(matrices("so3", "1x2"), 1).tolist()}), encoding="utf-8")
    report = api.identify(str(path))
    assert report.algebra.representation is not None and report.algebra.representation.text == "spin 2"
    assert ("acts as", "spin 2: --group so3 --rep-in 1x2 in the coordinates T x (T is in the report)") in conclusions(
        report
    )


def test_shears_have_no_parts(tmp_path: Path) -> None:
    # Not reductive: the line that all shears keep has no complement that they keep.
    path = tmp_path / "g.yaml"
    path.write_text(yaml.safe_dump({"generators": [[[0.0, 1.0], [0.0, 0.0]]]}), encoding="utf-8")
    assert api.identify(str(path)).algebra.representation is None


@pytest.mark.parametrize("seed", range(1, 9))
def test_coordinates_do_not_depend_on_the_sign_of_a_form(seed: int) -> None:
    """A form is known up to its sign, which rounding chooses."""
    m = turned(matrices("so13", "V"), seed)
    _check_coordinates(of_matrices(m, "so(1,3)"), m)
