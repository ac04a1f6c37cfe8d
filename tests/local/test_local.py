"""Symmetries of a part of the domain: found with the part, none in functions that have none or have it everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import symfind
from symfind.data.hdf5 import write
from symfind.decision.witness.problem import WitnessSettings
from symfind.errors import UsageError
from symfind.kinds.maps.witness import WitnessJudge
from symfind.kinds.search import search
from symfind.local.search import LocalFound, local_symmetries
from symfind.local.tree import Region, region_of
from symfind.options.of_verbs import DiscoverOptions
from symfind.progress import Clock, SilentProgress
from symfind.render.html import to_html
from symfind.schema.store import from_hdf5, from_json, to_hdf5, to_json


def cube(n: int, d: int, seed: int) -> Tensor:
    return 4 * torch.rand(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 2


def radial(x: Tensor) -> Tensor:
    r = x.norm(dim=1)
    return torch.sin(2 * r) + 0.3 * r


def directed(x: Tensor) -> Tensor:
    return torch.cos(2 * x[:, 0]) + x[:, 1] * x[:, 0] + 0.5 * x[:, -1]


def inside(x: Tensor) -> Tensor:
    return (x.norm(dim=1) < 1) | (x[:, 0] < 0)


def partly(x: Tensor) -> Tensor:
    return torch.where(inside(x), radial(x), directed(x))


def saturated(x: Tensor) -> Tensor:
    return torch.sin(2 * x[:, 1]) + (x[:, 0] - 0.3).clamp(min=0) ** 2 * torch.cos(x[:, 1])


def generic(x: Tensor) -> Tensor:
    return torch.sin(1.5 * x[:, 0] + 0.4 * x[:, 1]) + 0.7 * x[:, 0] * x[:, 1] + 0.3 * (x[:, 1] - 0.3) ** 3


def found_in(path: Path, function: Callable[[Tensor], Tensor], n: int = 1600, seed: int = 1) -> list[LocalFound]:
    x = cube(n, 2, seed)
    y = function(x)
    y = y + 0.01 * y.std() * torch.randn(n, generator=torch.Generator().manual_seed(seed + 9), dtype=torch.float64)
    write(path, {"x": x.numpy(), "y": y.numpy()}, {"kind": "function"})
    options = DiscoverOptions(source=str(path), surrogate="polynomial:2")
    _, evidence = search(options, path, torch.device("cpu"), Clock(SilentProgress()))
    assert isinstance(evidence.judge, WitnessJudge)
    problem, rows, _ = evidence.judge.problem(0)
    known = torch.zeros(problem.space.dim + problem.action.extra, 0, dtype=torch.float64)
    return local_symmetries(problem, rows, known, 0.05, 0, WitnessSettings())


def test_a_turn_that_holds_in_a_disc_and_a_half_plane(tmp_path: Path) -> None:
    (found,) = found_in(tmp_path / "f.h5", partly)
    assert found.name == "so(2)" and found.verdict.word == "certified" and found.agreement > 0.8
    x = cube(20_000, 2, 5)
    told = found.region.holds(torch.cat([x, x.norm(dim=1, keepdim=True)], 1))
    assert float((told & ~inside(x)).double().mean()) < 0.01
    assert float((told & inside(x)).double().sum() / inside(x).double().sum()) > 0.75


def test_a_coordinate_that_does_not_matter_on_one_side(tmp_path: Path) -> None:
    (found,) = found_in(tmp_path / "f.h5", saturated)
    assert found.name == "translation along axis 1"
    (box,) = found.region.boxes
    assert -math.inf == box[0][0] and 0.0 < box[0][1] < 0.7


@pytest.mark.parametrize("function", [radial, generic])
def test_what_holds_everywhere_or_nowhere_is_not_local(tmp_path: Path, function: Callable[[Tensor], Tensor]) -> None:
    assert found_in(tmp_path / "f.h5", function) == []


def test_a_tree_cuts_inside_of_a_region_and_not_around_noise() -> None:
    x = cube(1500, 2, 3)
    features = torch.cat([x, x.norm(dim=1, keepdim=True)], 1)
    one = torch.ones(len(x), dtype=torch.float64)
    found = region_of(features, (~inside(x)).double(), one, 0.02, inwards=True)
    assert not bool((found.holds(features) & ~inside(x)).any())
    assert float(found.holds(features).double().mean()) > 0.9 * float(inside(x).double().mean())
    assert " or " in found.text(("x1", "x2", "|x|"))
    noise = (torch.rand(1500, generator=torch.Generator().manual_seed(4), dtype=torch.float64) < 0.3).double()
    assert region_of(features, noise, one, 0.02, inwards=True) == Region(())


def test_the_report_and_its_page_show_the_region(tmp_path: Path) -> None:
    x = cube(1000, 2, 2)
    write(tmp_path / "f.h5", {"x": x.numpy(), "y": partly(x).numpy()}, {"kind": "function"})
    options = DiscoverOptions(source=str(tmp_path / "f.h5"), local=True, surrogate="polynomial:2", space="linear")
    report = symfind.discover(options)
    assert not [g for g in report.generators if g.verdict == "certified"]
    assert report.local is not None
    (found,) = report.local
    assert found.candidate == "so(2)" and 0.75 < found.share / float(inside(x).double().mean()) < 1.01
    assert from_json(to_json(report), "r") == report and from_hdf5(to_hdf5(report), "r") == report
    assert "rows inside and outside of the region" in to_html(report)


def test_local_needs_rows(tmp_path: Path) -> None:
    write(tmp_path / "p.h5", {"x": cube(500, 2, 1).numpy()}, {"kind": "points"})
    with pytest.raises(UsageError, match="--local needs rows"):
        symfind.discover(DiscoverOptions(source=str(tmp_path / "p.h5"), local=True))
