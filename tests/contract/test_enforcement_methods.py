"""Every way to make a model equivariant: the file it writes commutes with the group, and says how it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import EnforceOptions
from symfind.data.hdf5 import write
from symfind.equivariance.methods.registry import METHODS
from symfind.errors import UsageError
from symfind.names import ENFORCEMENT_NAMES

# Sums over the nodes of a network of a few hundred numbers, in units of the spread of its values.
ROUNDING = 1e3 * torch.finfo(torch.float64).eps


# Permutations of four coordinates lie in the group of whatever a method knows.
GROUPS = {"frames": "o4"}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("methods")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 12), nn.SiLU(), nn.Linear(12, 1)).double().eval()
    torch.jit.script(model).save(str(folder / "model.pt"))
    x = normal(128, 4, seed=1)
    write(folder / "data.h5", {"x": x.numpy(), "y": x.square().sum(1).numpy()}, {"kind": "function"})
    return folder


@pytest.fixture(params=METHODS.names)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_it_writes_commutes_with_every_permutation(method: str, folder: Path) -> None:
    out = folder / f"{method}.pt"
    options = EnforceOptions(
        model=str(folder / "model.pt"), data=str(folder / "data.h5"), rep_in="V", rep_out="1", method=method, steps=20,
        group=GROUPS.get(method, "s4"), force=True,  # the network was never trained: losses say nothing
    )  # fmt: skip
    done = symfind.enforce(options, out)
    assert done.method == method and done.error_before.largest > 1e-3
    extra = {"symfind.json": ""}
    made = torch.jit.load(str(out), _extra_files=extra)
    x = normal(16, 4, seed=2)
    with torch.no_grad():
        values = made(x)
        for order in ([1, 0, 2, 3], [1, 2, 3, 0]):  # which generate S4
            assert float((made(x[:, order]) - values).abs().max()) <= ROUNDING * max(float(values.abs().max()), 1.0)
    assert json.loads(extra["symfind.json"])["method"] == method


def test_auto_considers_every_method_or_says_why_not(folder: Path) -> None:
    done = symfind.enforce(EnforceOptions(model=str(folder / "model.pt"), group="so4", rep_in="V", n_samples=32))
    assert [m.method for m in done.considered] == list(METHODS.names)
    assert all(m.remark or m.error is not None for m in done.considered)


def test_the_option_takes_every_method_and_no_other() -> None:
    for name in ENFORCEMENT_NAMES():
        assert EnforceOptions(model="m.pt", group="so3", method=name).method == name
    with pytest.raises(UsageError, match="did you mean average"):
        EnforceOptions(model="m.pt", group="so3", method="averages")
