"""What `inspect` tells of data, models and reports, and the other verbs that only list or write."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from symfind import api
from symfind.errors import InputError, UsageError
from symfind.kinds.inspection import Inspection
from symfind.schema.document import Report
from symfind.schema.store import to_hdf5, to_json
from symfind.verbs.contents import ModelContents, ReportContents


def test_a_scripted_network_shows_its_layers(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    torch.jit.script(nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2, bias=False))).save(str(path))
    found = api.inspect(str(path))
    assert isinstance(found, ModelContents)
    assert (found.format, found.input_width, found.input_shape, found.output_shape) == ("torchscript", 3, (3,), (2,))
    assert found.sequential and found.parameters == 3 * 5 + 5 + 5 * 2
    assert [(layer["kind"], layer["weight"], layer["bias"]) for layer in found.layers] == [
        ("linear", (5, 3), True),
        ("tanh", None, None),
        ("linear", (2, 5), False),
    ]
    assert any(q.command.endswith("--shape 3") for q in found.questions)


def test_a_convolution_tells_its_channels_but_no_shape(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    torch.jit.script(nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU())).save(str(path))
    found = api.inspect(str(path))
    assert isinstance(found, ModelContents)
    assert (found.input_width, found.input_shape, found.output_shape) == (2, None, None)


def test_a_dataset_is_inspected_as_before(tmp_path: Path) -> None:
    api.sample("shell", tmp_path / "s.h5", rows=50, seed=3)
    found = api.inspect(str(tmp_path / "s.h5"))
    assert isinstance(found, Inspection)
    assert (found.kind, found.rows) == ("points", 50)


@pytest.mark.parametrize("ending", [".json", ".h5"])
def test_a_report_shows_its_generators(tmp_path: Path, lorentz_report: Report, ending: str) -> None:
    path = tmp_path / f"r{ending}"
    path.write_bytes(to_hdf5(lorentz_report) if ending == ".h5" else to_json(lorentz_report).encode())
    found = api.inspect(str(path))
    assert isinstance(found, ReportContents)
    assert found.algebra.startswith("so(1,3), dimension 6") and len(found.generators) == 6
    assert found.generators[0] == {"expression": "px ∂py − py ∂px", "defect": "5e-13", "verdict": "certified"}


def test_what_is_nothing_of_these(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("hello")
    with pytest.raises(InputError, match="not an HDF5 file"):
        api.inspect(str(tmp_path / "f"))
    with pytest.raises(InputError, match="no such file"):
        api.inspect(str(tmp_path / "missing"))
    torch.save({"w": torch.zeros(2)}, tmp_path / "state.pt")
    with pytest.raises(InputError, match="state_dict"):
        api.inspect(str(tmp_path / "state.pt"))


def test_samples_are_written_alike_for_one_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        api.sample("cube", tmp_path / name, rows=20, seed=seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c
    with pytest.raises(UsageError, match="unknown sample 'cub'"):
        api.sample("cub", tmp_path / "d")


def test_the_catalogue_is_plain() -> None:
    records = api.groups()
    assert {"name", "dimension", "compact", "components", "representation", "aliases"} <= set(records[0])
    assert all(value is None or isinstance(value, str | bool | tuple) for r in records for value in r.values())
    compact = {r["name"]: r["compact"] for r in records}
    assert compact["so(n)"] is True and compact["so(p,q)"] is False
