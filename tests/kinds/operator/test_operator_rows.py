"""Pairs of fields: channels told from space, grids that must match, axes stored, stated or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.kinds.operator.rows import OperatorRows
from symfind.kinds.reading import open_dataset

AXIS = torch.linspace(-1, 1, 17, dtype=torch.float64)[:-1]


def stored(path: Path, **arrays: torch.Tensor) -> Path:
    attributes: dict[str, Any] = {"kind": "operator"}
    write(path, {name: array.numpy() for name, array in arrays.items()}, attributes)
    return path


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_channels_stand_before_the_grid_that_is_stored(tmp_path: Path) -> None:
    file = stored(tmp_path / "a.h5", x=noise(5, 16, 16), y=noise(5, 3, 16, 16), grid_x=AXIS, grid_y=2 * AXIS)
    dataset = open_dataset(file)
    rows = dataset.rows
    assert isinstance(rows, OperatorRows)
    assert dataset.shapes == {"x": (5, 1, 16, 16), "y": (5, 3, 16, 16)} and rows.channels == (1, 3)
    assert [axis.name for axis in rows.axes] == ["x", "y"]
    assert torch.equal(rows.axes[1].coordinates, 2 * AXIS)


def test_a_file_with_a_grid_needs_no_kind(tmp_path: Path) -> None:
    write(tmp_path / "b.h5", {"x": noise(4, 16).numpy(), "y": noise(4, 16).numpy(), "grid_x": AXIS.numpy()}, {})
    assert open_dataset(tmp_path / "b.h5").kind == "operator"


def test_the_grid_option_says_kind_and_axes(tmp_path: Path) -> None:
    write(tmp_path / "c.h5", {"x": noise(4, 8, 16).numpy(), "y": noise(4, 16).numpy()}, {})
    dataset = open_dataset(tmp_path / "c.h5", grid="x=0:4 periodic")
    assert dataset.kind == "operator" and dataset.shapes["x"] == (4, 8, 16)
    rows = dataset.rows
    assert isinstance(rows, OperatorRows) and rows.axes[0].periodic and rows.axes[0].step == 0.25


def test_without_coordinates_few_entries_are_channels(tmp_path: Path) -> None:
    line = open_dataset(stored(tmp_path / "d.h5", x=noise(4, 2, 16), y=noise(4, 2, 16)))
    assert line.shapes["x"] == (4, 2, 16) and "channels of a line" in " ".join(line.messages)
    plane = open_dataset(stored(tmp_path / "e.h5", x=noise(4, 16, 12), y=noise(4, 16, 12)))
    assert plane.shapes["x"] == (4, 1, 16, 12)


@pytest.mark.parametrize(
    ("arrays", "grid", "message"),
    [
        ({"x": noise(4, 16, 16), "y": noise(4, 16, 12)}, None, "16 × 16 points, y on one of 16 × 12"),
        ({"x": noise(4, 16, 16, 2), "y": noise(4, 16, 16, 2)}, None, "2 points along y"),
        ({"x": noise(4, 16, 3), "y": noise(4, 16, 3)}, None, "channels and space cannot be told"),
        ({"x": noise(4, 16), "y": noise(5, 16)}, None, "x has 4 rows, y has 5"),
        ({"x": noise(4, 16), "y": noise(4, 16), "grid_x": AXIS[:8]}, None, "16 points along x"),
        ({"x": noise(4, 16), "y": noise(4, 16), "grid_x": -AXIS}, None, "must increase"),
        ({"x": noise(4, 16), "y": noise(4, 16)}, "x=0:1, y=0:1", "on a grid of 2 axes it must be"),
        ({"x": noise(4, 16), "y": noise(4, 16), "grid_x": AXIS**3 + AXIS}, "x=grid_x periodic", "steps differ"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arrays: dict[str, torch.Tensor], grid: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as fault:
        open_dataset(stored(tmp_path / "bad.h5", **arrays), grid=grid)
    assert "\n" not in str(fault.value) and fault.value.exit_code == 3


def test_an_operator_has_no_time_axis(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="begins with t"):
        open_dataset(stored(tmp_path / "f.h5", x=noise(4, 16), y=noise(4, 16)), kind="operator", grid="t=0:1, x=0:1")
