"""Pictures of generators on images: what is drawn, what is not, and what is said where they cannot be."""

from __future__ import annotations

import builtins
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import torch

from symfind.api import discover
from symfind.data.hdf5 import write
from symfind.errors import UsageError
from symfind.fields.plane import Grid
from symfind.render.html import to_html
from symfind.render.pictures import pictures, write_pictures
from symfind.schema.document import Report
from symfind.verbs.options import DiscoverOptions

SIDE = 8


class Total(torch.nn.Module):
    """Two classes told apart by the brightness of the image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = x.flatten(1).mean(1, keepdim=True) - 0.1
        return torch.cat([-total, total], 1)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("images")
    x = torch.rand(60, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * Grid(SIDE, SIDE).disc()
    write(folder / "images.h5", {"x": x.numpy()}, {"kind": "image"})
    torch.jit.script(Total()).save(str(folder / "total.pt"))
    options = DiscoverOptions(source=str(folder / "images.h5"), model=str(folder / "total.pt"), space="image-rotation")
    return discover(options)


def size(png: bytes) -> tuple[int, int]:
    """Width and height from the header of a PNG file."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and png[12:16] == b"IHDR"
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def test_a_turn_is_drawn_as_field_matrix_orbit_and_curve(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = write_pictures(report, tmp_path)
    assert [p.name.split("-")[0] for p in paths] == ["field", "matrix", "moved", "validity"]
    for path in paths:
        assert min(size(path.read_bytes())) > 200
    page = to_html(report)
    embedded = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
    assert [b64decode(text) for text in embedded] == [p.read_bytes() for p in paths]  # the same bytes every time


def test_without_the_file_the_images_are_left_out(report: Report) -> None:
    pytest.importorskip("matplotlib")
    source = {**report.to_plain()["source"], "sha256": "0" * 64}
    elsewhere = Report.read({**report.to_plain(), "source": source}, "report")
    assert [p.name.split("-")[0] for p in pictures(elsewhere)] == ["field", "matrix", "validity"]


def test_other_data_have_no_pictures(report: Report, tmp_path: Path) -> None:
    source = {**report.to_plain()["source"], "kind": "function"}
    other = Report.read({**report.to_plain(), "source": source}, "report")
    assert pictures(other) == []
    assert "<img" not in to_html(other)
    with pytest.raises(UsageError, match="function data have no pictures"):
        write_pictures(other, tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        write_pictures(report, tmp_path / "absent")


def test_without_matplotlib_the_page_says_so(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pictures are drawn with matplotlib" in to_html(report)
    with pytest.raises(UsageError, match=re.escape("symfind[plots]")):
        pictures(report)
