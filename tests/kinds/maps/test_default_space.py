"""What is searched where no space is named: affine fields, unless the rows do not suffice; and what that costs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from symfind.api import discover
from symfind.data.hdf5 import write
from symfind.decision.witness import search
from symfind.options.of_verbs import DiscoverOptions
from symfind.schema.document import Report


def plane(count: int, centre: tuple[float, float], seed: int = 5) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed)).double() + torch.tensor(centre)
    r2 = (x - torch.tensor(centre)).square().sum(1)
    return x, r2 - r2.square() / 8


def asked(tmp_path: Path, x: Tensor, y: Tensor, **options: object) -> Report:
    path = tmp_path / "d.h5"
    write(path, {"x": x.numpy(), "y": y.numpy()}, {"kind": "function"})
    return discover(DiscoverOptions(source=str(path), **options))  # type: ignore[arg-type]


def test_a_rotation_about_another_point_is_found_unasked(tmp_path: Path) -> None:
    x, y = plane(600, (2.0, -1.0))
    report = asked(tmp_path, x, y)
    assert report.space.name == "affine" and len(report.certified) == 1
    assert any("as nothing says that the centre is 0" in note for note in report.notes)
    fixed = report.algebra.fixed_points
    assert fixed is not None and fixed.point == pytest.approx((2.0, -1.0), abs=1e-6)
    assert asked(tmp_path, x, y, space="linear").certified == ()


def test_auto_is_the_same_as_nothing(tmp_path: Path) -> None:
    x, y = plane(600, (0.0, 0.0))
    plain, auto = asked(tmp_path, x, y), asked(tmp_path, x, y, space="auto")
    assert plain.generators == auto.generators and plain.notes == auto.notes
    assert [g.expression for g in plain.certified] == ["x ∂y − y ∂x"]


def test_few_rows_are_asked_for_what_they_can_tell(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 5, generator=generator).double()
    report = asked(tmp_path, x, x.square().sum(1))
    assert report.space.name == "affine"
    report = asked(tmp_path, x[:110], x[:110].square().sum(1))
    assert report.space.name == "linear"
    assert any("110 rows do not suffice for affine" in note for note in report.notes)


def test_a_centre_that_the_fit_rules_out_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    rough = search.rough_error

    def told(*given: object, **options: object) -> float | None:
        counted.append(given[0])
        return rough(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(search, "rough_error", told)
    numbers = {}
    x, y = plane(600, (0.0, 0.0))
    for space in ("linear", "affine"):
        counted.clear()
        assert len(asked(tmp_path, x, y, space=space).certified) == 1
        numbers[space] = len(counted)
    assert numbers["affine"] == numbers["linear"]


def test_translations_of_a_model_are_found_unasked(tmp_path: Path) -> None:
    class Apart(torch.nn.Module):
        """A function of the distance of two bodies."""

        def forward(self, x: Tensor) -> Tensor:
            return torch.exp(-(x[:, 0] - x[:, 1]).square().sum(1, keepdim=True) / 3)

    path = tmp_path / "m.pt"
    torch.jit.script(Apart()).save(str(path))
    report = discover(DiscoverOptions(source=str(path), sample="normal", shape=(2, 3), n_samples=300))
    assert report.space.name == "affine" and report.algebra.name == "e(3)"
