"""Images: which turns leave the labels valid and over which range; bad images are told."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from symfind.api import discover
from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.fields.plane import Grid
from symfind.kinds.reading import open_dataset
from symfind.schema.document import Report
from symfind.verbs.options import DiscoverOptions

SIDE = 12


def ask(folder: Path, options: dict[str, Any] | None = None, **arrays: Tensor) -> Report:
    path = folder / "images.h5"
    write(path, {role: array.numpy() for role, array in arrays.items()}, {"kind": "image"})
    return discover(DiscoverOptions(source=str(path), **{"space": "image-rotation", **(options or {})}))


def bars(n: int, *, turned: bool) -> tuple[Tensor, Tensor]:
    """A thick or a thin bar at random angles (the label is its width), or one lying or standing (its direction)."""
    g = torch.Generator().manual_seed(0)
    y = torch.randint(2, (n,), generator=g)
    noise = torch.rand(n, generator=g, dtype=torch.float64)
    angle = math.pi * noise if turned else math.pi / 2 * y + 0.1 * (noise - 0.5)
    width = torch.where(y == 1, 0.35, 0.12) if turned else torch.full((n,), 0.2)
    x, up = Grid(SIDE, SIDE).points.T
    along = angle.cos()[:, None] * x + angle.sin()[:, None] * up
    across = -angle.sin()[:, None] * x + angle.cos()[:, None] * up
    image = torch.exp(-((along / 0.5) ** 4) - (across / width[:, None].double()) ** 2)
    return image.reshape(n, 1, SIDE, SIDE), y


class Total(nn.Module):
    """Two classes told apart by the brightness of the image."""

    def forward(self, x: Tensor) -> Tensor:
        total = x.flatten(1).mean(1, keepdim=True) - 0.1
        return torch.cat([-total, total], 1)


@pytest.mark.parametrize("turned", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_label_decides_over_which_range_a_turn_is_valid(tmp_path: Path, turned: bool) -> None:
    x, y = bars(2000, turned=turned)
    report = ask(tmp_path, x=(255 * x).round().to(torch.uint8), y=y)
    (curve,) = report.validity
    assert list(curve.amounts) == sorted(curve.amounts) and len(curve.amounts) == len(curve.accuracy)
    assert Report.read(report.to_plain(), "report") == report
    if turned:
        assert curve.range == pytest.approx(math.pi)
        (g,) = report.generators
        assert g.verdict == "certified" and g.reach == pytest.approx(math.pi)
        assert report.algebra.name == "so(2)"
    else:
        assert not report.generators
        (apart,) = report.set_apart
        assert "refuted over the full circle; holds up to " in apart.reason


def test_a_model_judges_in_place_of_labels(tmp_path: Path) -> None:
    x, _ = bars(2000, turned=True)
    torch.jit.script(Total()).save(str(tmp_path / "total.pt"))
    report = ask(tmp_path, {"model": str(tmp_path / "total.pt")}, x=x)
    assert [g.verdict for g in report.generators] == ["certified"]
    assert any("the same class as before" in note for note in report.notes)


def test_colours_are_followed_in_units_of_their_spread(tmp_path: Path) -> None:
    x, y = bars(2000, turned=True)
    torch.jit.script(Total()).save(str(tmp_path / "total.pt"))
    report = ask(tmp_path, {"model": str(tmp_path / "total.pt"), "space": "colour"}, x=x, y=y)
    # Means of 0.05 and 0.14, told apart at 0.1, cross it when all pixels brighten, not when all grow by a third.
    assert [(g.expression, g.verdict) for g in report.generators] == [("u ∂u", "certified")]
    assert [s.expression for s in report.set_apart] == ["∂u"]


def test_labels_without_meaning_certify_nothing(tmp_path: Path) -> None:
    x, _ = bars(300, turned=True)
    y = torch.randint(2, (300,), generator=torch.Generator().manual_seed(1))
    report = ask(tmp_path, x=x, y=y)
    assert not any(g.verdict == "certified" for g in report.generators)
    assert any("not recognised" in warning for warning in report.warnings)
    assert any("too few" in warning for warning in report.warnings)


def test_bad_images_are_told(tmp_path: Path) -> None:
    x, y = bars(8, turned=True)
    with pytest.raises(InputError, match="without labels and without a model"):
        ask(tmp_path, x=x)
    with pytest.raises(InputError, match="one class"):
        ask(tmp_path, x=x, y=torch.ones(8, dtype=torch.int64))
    with pytest.raises(InputError, match=r"label 0.5 is no whole number"):
        ask(tmp_path, x=x, y=y + 0.5)
    with pytest.raises(InputError, match="1 × 2 pixels"):
        ask(tmp_path, x=torch.zeros(8, 1, 1, 2), y=y)
    with pytest.raises(InputError, match="expected one number an image"):
        ask(tmp_path, x=x, y=torch.zeros(8, 3))
    with pytest.raises(UsageError, match="does not go with image data"):
        ask(tmp_path, {"method": "weak"}, x=x, y=y)


@pytest.mark.parametrize(
    ("stored", "row", "told"),
    [
        ((4, 3, 10, 12), (3, 10, 12), "3 channels first"),
        ((4, 10, 12, 3), (3, 10, 12), "3 channels last"),
        ((4, 10, 12), (1, 10, 12), "one channel"),
        ((4, 3, 10, 3), None, ""),
    ],
)
def test_the_axis_of_channels_is_recognised_and_told(
    tmp_path: Path, stored: tuple[int, ...], row: tuple[int, ...] | None, told: str
) -> None:
    x = torch.arange(math.prod(stored), dtype=torch.float64).reshape(stored)
    write(tmp_path / "a.h5", {"x": x.numpy(), "y": torch.arange(4).numpy()}, {"kind": "image"})
    if row is None:
        with pytest.raises(InputError, match="order of the axes"):
            open_dataset(tmp_path / "a.h5")
        return
    dataset = open_dataset(tmp_path / "a.h5")
    assert dataset.shapes["x"] == (4, *row) and told in " ".join(dataset.messages)
    read = dataset.take(torch.arange(4))["x"]
    torch.testing.assert_close(read, x.movedim(-1, 1) if "last" in told else x.reshape(4, *row))


@pytest.mark.slow
def test_turned_digits_are_certified_over_the_full_circle() -> None:
    sample = Path(__file__).parents[3] / "sample_data" / "rotated_digits.h5"
    report = discover(DiscoverOptions(source=str(sample)))
    assert [(g.expression, g.verdict) for g in report.certified] == [("x ∂y − y ∂x", "certified")]
    assert report.certified[0].reach == pytest.approx(math.pi)
    assert {s.expression for s in report.set_apart} >= {"∂x", "∂y", "x ∂x + y ∂y"}
