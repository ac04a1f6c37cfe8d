"""Finite symmetries against functions whose groups are known, and none where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import symfind
from symfind.data.hdf5 import write
from symfind.discrete.finite import closure, generating, group_name, named_moves
from symfind.discrete.output_matrix import solved_output
from symfind.discrete.signed_search import Element, expansion, generators
from symfind.discrete.span_search import span_expansion
from symfind.errors import InputError, UsageError
from symfind.samples.draws import asymmetric_cubic, lorenz_equations
from symfind.schema.document import Report
from symfind.schema.store import from_hdf5, from_json, to_hdf5, to_json


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def asked(path: Path, kind: str, discrete: str, **arrays: torch.Tensor) -> Report:
    write(path, {role: a.numpy() for role, a in arrays.items()}, {"kind": kind, "names": ("x", "y", "z")})
    options = symfind.DiscoverOptions(source=str(path), discrete=discrete, surrogate="polynomial", bootstrap=60)
    if kind == "points":
        options = symfind.DiscoverOptions(source=str(path), discrete=discrete, bootstrap=60)
    return symfind.discover(options)


def verdicts(report: Report) -> dict[str, str]:
    return {d.name: d.verdict for d in report.discrete or ()}


def test_a_noisy_function_with_one_exchange_and_one_reflection(tmp_path: Path) -> None:
    x = normal(2500, 3)
    clean = x[:, 0] * x[:, 1] + x[:, 2] ** 2 + 0.3 * (x[:, 0] + x[:, 1]) ** 3
    y = clean + 0.02 * clean.std() * normal(2500, 1, 3)[:, 0]
    found = verdicts(asked(tmp_path / "f.h5", "function", "reflections+permutations+inversion", x=x, y=y))
    assert {name for name, v in found.items() if v == "certified"} == {"z → −z", "x ↔ y"}
    assert found["x ↔ z"] == "refuted" and found["x → −x"] == "refuted"


def test_a_cubic_without_symmetry_has_none(tmp_path: Path) -> None:
    x = normal(1500, 3)
    report = asked(tmp_path / "f.h5", "function", "signed-permutations", x=x, y=asymmetric_cubic(x))
    assert not [v for v in verdicts(report).values() if v == "certified"]
    assert report.discrete_group is not None and report.discrete_group.order == 1


def test_an_odd_function_changes_sign(tmp_path: Path) -> None:
    x = normal(1500, 3)
    report = asked(tmp_path / "f.h5", "function", "inversion", x=x, y=x[:, 0] ** 3 + x[:, 1] * x[:, 2] * x[:, 0])
    assert report.discrete is not None
    (entry,) = report.discrete
    assert entry.verdict == "certified" and entry.output == "y → −y"


def test_lorenz_has_the_half_turn_alone(tmp_path: Path) -> None:
    x = normal(1500, 3) * 8
    report = asked(tmp_path / "f.h5", "flow", "signed-permutations", x=x, dx=lorenz_equations(x))
    assert verdicts(report) == {"x → −x, y → −y": "certified"}
    assert report.discrete_group is not None and report.discrete_group.name == "C2"
    assert from_json(to_json(report), "r") == report and from_hdf5(to_hdf5(report), "r") == report


def test_points_of_a_box_with_unequal_sides(tmp_path: Path) -> None:
    x = (2 * torch.rand(8000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1) * torch.tensor(
        [1.0, 1.0, 2.0], dtype=torch.float64
    )
    x[:, 0] = torch.where(x[:, 0] > 0, x[:, 0] ** 2, x[:, 0])  # denser on the right near zero
    found = verdicts(asked(tmp_path / "p.h5", "points", "reflections+permutations", x=x))
    assert found["x → −x"] == "refuted" and found["y ↔ z"] == "refuted" and found["y → −y"] != "refuted"


def test_data_on_one_side_say_nothing_about_the_other(tmp_path: Path) -> None:
    x = normal(1500, 3) * 0.3 + 4
    report = asked(tmp_path / "f.h5", "function", "inversion", x=x, y=(x**2).sum(1))
    assert report.discrete is not None
    (entry,) = report.discrete
    assert entry.inside == 0 and entry.verdict == "undecided"


@pytest.mark.parametrize(
    ("function", "d", "order"),
    [
        (lambda x: (x**4).sum(1), 3, 48),
        (lambda x: x[:, 0] * x[:, 1] * x[:, 2], 3, 24),  # an even number of signs, any order
        (lambda x: sum(x[:, i] * x[:, (i + 1) % 5] ** 2 for i in range(5)), 5, 5),
        (lambda x: (x**4).sum(1), 8, 2**8 * 40320),
        (asymmetric_cubic, 3, 1),
    ],
)
def test_the_search_gives_the_order_of_the_group(function, d: int, order: int) -> None:  # type: ignore[no-untyped-def]
    x = normal(2000, d)
    value = function(x)[:, None]

    def exact(element: Element, sign: int) -> bool:
        moved = torch.zeros_like(x)
        for i, (j, s) in enumerate(element):
            moved[:, j] = s * x[:, i]
        return bool(torch.allclose(function(moved), sign * value[:, 0], atol=1e-8))

    found, counted = generators(expansion(x, value, (1, d), False), (1, d), (1,), exact)
    assert counted == order and len(found) <= 2 * d


def test_groups_are_named_by_what_generates_them() -> None:
    moves = named_moves("reflections+permutations", (1, 3), ("x", "y", "z"))
    matrices = [m.matrix for m in moves]
    whole = closure(matrices)
    assert whole is not None and len(whole) == 48 and group_name(whole).startswith("B3")
    assert len(generating(matrices)) <= 3
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    assert group_name(closure([turn])) == "C4"  # type: ignore[arg-type]
    assert group_name(closure([turn, torch.diag(torch.tensor([1.0, -1.0]).double())])) == "D4"  # type: ignore[arg-type]
    assert closure([2 * turn]) is None


def test_objects_change_places(tmp_path: Path) -> None:
    x = normal(3000, 4).reshape(-1, 2, 2)
    y = (x[:, 0] * x[:, 1]).sum(1) + x.pow(3).sum((1, 2))
    path = tmp_path / "f.h5"
    write(path, {"x": x.numpy(), "y": y.numpy()}, {"kind": "function", "names": ("x", "y")})
    options = symfind.DiscoverOptions(source=str(path), discrete="permutations", surrogate="polynomial", bootstrap=60)
    found = verdicts(symfind.discover(options))
    assert found == {"x ↔ y": "certified", "objects 1 ↔ 2": "certified"}


def test_bad_candidates_are_told_in_a_line(tmp_path: Path) -> None:
    x = normal(300, 3)
    with pytest.raises(UsageError, match="expected reflections"):
        asked(tmp_path / "f.h5", "function", "mirrors", x=x, y=x[:, 0])
    path = tmp_path / "g.yaml"
    for text, words in (("matrices: [[[1, 0], [0, 1]]]", "expected 3 × 3"), ("matrices: 3", "should hold")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            asked(tmp_path / "f.h5", "function", str(path), x=x, y=x[:, 0])
    path.write_text("matrices: [[[1, 0, 0], [0, 1, 0], [0, 0, 0]]]")
    with pytest.raises(InputError, match="singular"):
        asked(tmp_path / "f.h5", "function", str(path), x=x, y=x[:, 0])


def exact_span(function, d: int, seed: int = 0) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """Order of the group, and the largest number of candidates that were tried."""
    x = normal(2000, d, seed)
    value, tried = function(x), []

    def exact(element: Element, sign: int) -> bool:
        moved = torch.zeros_like(x)
        for i, (j, s) in enumerate(element):
            moved[:, j] = s * x[:, i]
        at = function(moved)
        tried.append(element)
        left = at - value @ torch.linalg.lstsq(value, at).solution
        return bool(left.square().sum() < 1e-12 * at.square().sum())

    _, counted = generators(span_expansion(x, value), (1, d), (1,), exact)
    return counted, len(tried)


def mixed(x: torch.Tensor) -> torch.Tensor:
    """A smooth map without symmetry, its outputs linearly independent of all that signed permutations make of them."""
    weights = normal(x.shape[1], 3, 21)
    return torch.tanh(x @ weights) + 0.3 * (x @ normal(x.shape[1], 3, 22)) ** 2


@pytest.mark.parametrize(
    ("function", "d", "order"),
    [
        (torch.tanh, 3, 48),
        (lambda x: torch.tanh(x) * torch.arange(1, 6), 5, 2**5 * 120),
        (lambda x: x @ normal(3, 3, 5), 3, 48),  # linear: y is moved as x is, in oblique coordinates
        (lambda x: torch.stack([x[:, 0] ** 3 + x[:, 1], x[:, 2] ** 2], 1), 3, 4),
        (mixed, 3, 1),
    ],
)
def test_the_search_with_a_free_output_matrix_gives_the_order_of_the_group(function, d: int, order: int) -> None:  # type: ignore[no-untyped-def]
    counted, tried = exact_span(function, d)
    assert counted == order and tried <= 2 * d * d + 64


def test_an_output_matrix_has_the_order_of_its_candidate() -> None:
    value = normal(400, 3)
    turn = torch.tensor([[0.0, -2.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)  # fourth power one
    at = value @ turn.T + 1e-3 * normal(400, 3, 1)
    found = solved_output(value, at, 4)
    assert torch.allclose(torch.linalg.matrix_power(found, 4), torch.eye(3, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(found, turn, atol=1e-3)
    dependent = torch.cat([value, value[:, :1]], 1)
    twice = solved_output(dependent, torch.cat([at, at[:, :1]], 1), 4)
    assert torch.linalg.svdvals(twice)[-1] > 0.1


class Policy(torch.nn.Module):
    """Torques of two legs of two joints from their angles and the roll: mirrored, the roll changes its sign."""

    def __init__(self, gain: float, factor: float) -> None:
        super().__init__()
        self.gain, self.factor = gain, factor

    def leg(self, own: torch.Tensor, other: torch.Tensor, roll: torch.Tensor, gain: float) -> torch.Tensor:
        hip = -torch.tanh(2 * gain * own[:, 0] + 0.5 * other[:, 0]) + 0.4 * roll * own[:, 1]
        knee = torch.sin(own[:, 1]) - 0.3 * other[:, 1] + 0.2 * own[:, 0] ** 2 + 0.5 * roll
        return torch.stack([hip, knee], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right, roll = x[:, :2], x[:, 2:4], x[:, 4]
        one, two = self.leg(left, right, roll, self.gain), self.leg(right, left, -roll, 1.0)
        return torch.cat([self.factor * one, -two], 1)


@pytest.mark.parametrize(
    ("gain", "factor", "verdict", "output"),
    [
        (1.0, 1.0, "certified", "y → (−y3, −y4, −y1, −y2)"),
        (1.0, 1.1, "certified", "y by a matrix"),
        (1.1, 1.0, "approximate", "y → (−y3, −y4, −y1, −y2)"),
    ],
)
def test_the_mirror_of_a_policy_comes_with_its_matrix(
    tmp_path: Path, gain: float, factor: float, verdict: str, output: str
) -> None:
    path = tmp_path / "policy.pt"
    torch.jit.script(Policy(gain, factor).double()).save(str(path))  # type: ignore[no-untyped-call]
    write(tmp_path / "x.h5", {"x": 0.7 * normal(1500, 5).numpy()}, {})
    report = symfind.discover(
        symfind.DiscoverOptions(
            source=str(path),
            data=str(tmp_path / "x.h5"),
            discrete="signed-permutations",
            output_action="free",
            bootstrap=40,
        )
    )
    assert report.discrete is not None
    (entry,) = report.discrete
    assert entry.name == "x1 → x3, x2 → x4, x3 → x1, x4 → x2, x5 → −x5"
    assert (entry.verdict, entry.output) == (verdict, output)
    assert report.discrete_group is not None and report.discrete_group.order == (2 if verdict == "certified" else 1)
    if factor != 1.0:
        matrix = torch.as_tensor(entry.output_action, dtype=torch.float64)
        assert torch.allclose(matrix[0], torch.tensor([0, 0, -factor, 0], dtype=torch.float64), atol=1e-6)
