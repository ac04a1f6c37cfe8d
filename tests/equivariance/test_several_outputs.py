"""Models with several outputs, groups one after the other, and files that live on without symfind."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import EnforceOptions, ScoreOptions
from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.methods.average import AveragedNetwork
from symfind.equivariance.methods.frames import FrameAveragedNetwork
from symfind.errors import InputError, UsageError
from symfind.lie.groups.catalogue import CompactGroup, parse_group
from symfind.lie.groups.notation import parse_representation

F64 = torch.float64


class Potential(nn.Module):
    """An energy and a vector for each number, as a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 1), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = torch.tanh(self.a(x))
        return {"energy": self.b(h), "forces": self.c(h)}


class Pair(Potential):
    """The same as a tuple."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        h = torch.tanh(self.a(x))
        return self.b(h), self.c(h)


def saved(module: nn.Module, path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".pt2":
            shapes = ({0: torch.export.Dim("n", min=1)},)
            torch.export.save(torch.export.export(module.eval(), (torch.zeros(3, 6),), dynamic_shapes=shapes), path)
        else:
            torch.jit.script(module.eval()).save(str(path))
    return str(path)


def loaded(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.load(path).module() if path.suffix == ".pt2" else torch.jit.load(str(path))


def swapped(x: Tensor) -> Tensor:
    return x.view(-1, 3, 2)[:, [1, 0, 2]].flatten(1)


@pytest.mark.parametrize(
    ("make", "energy", "forces", "ending"),
    [(Potential, "energy", "forces", ".pt"), (Pair, "0", "1", ".pt"), (Potential, "energy", "forces", ".pt2")],
)
def test_one_of_several_outputs_is_enforced(
    make: type[nn.Module], energy: str, forces: str, ending: str, tmp_path: Path
) -> None:
    module = make()
    model = saved(module, tmp_path / f"model{ending}")
    asked = {"model": model, "group": "s3", "rep_in": "V⊗2", "method": "average", "n_samples": 64, "trust_model": True}
    x = torch.randn(8, 6)
    for name, rep_out in ((energy, "1"), (forces, "V⊗2")):
        out = tmp_path / f"{name}{ending}"
        symfind.enforce(EnforceOptions(**asked, rep_out=rep_out, model_output=name, force=True), out)  # type: ignore[arg-type]
        before = module(x)
        wanted = before[int(name)] if isinstance(before, tuple) else before[name]
        with torch.no_grad():
            found = loaded(out)
            # The mean over the six orders, by hand for two of its values: invariant, or moved along.
            y, moved = found(x), found(swapped(x))
        assert y.shape == wanted.shape
        assert float((moved - (swapped(y) if rep_out != "1" else y)).abs().max()) < 1e-5


def test_other_outputs_are_named(tmp_path: Path) -> None:
    model = saved(Potential(), tmp_path / "model.pt2")
    with pytest.raises(InputError, match=r"returns a dict.*--model-output.*energy, forces"):
        symfind.score(ScoreOptions(model=model, group="s3", rep_in="V⊗2", rep_out="1", trust_model=True))
    with pytest.raises(UsageError, match="the model gives energy, forces"):
        symfind.score(ScoreOptions(model=model, group="s3", model_output="force", trust_model=True))
    with pytest.raises(UsageError, match="outputs by place"):
        symfind.score(
            ScoreOptions(model=saved(Pair(), tmp_path / "pair.pt"), group="s3", model_output="a", trust_model=True)
        )


def test_orders_of_objects_together_with_rigid_motions() -> None:
    """s3, then e(3) on what that gives: frames do not see the order of the objects, so that both hold."""
    with pytest.raises(UsageError, match=r"enforce the other factors first and e\(3\)"):
        parse_group("e3 x s3")
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(9, 12), nn.Tanh(), nn.Linear(12, 1)).to(F64)
    x = torch.randn(48, 9, dtype=F64)
    s3, e3 = parse_group("s3"), parse_group("e3")
    assert isinstance(s3, CompactGroup)
    orders = Equivariance(s3, parse_representation(s3, "V⊗3"), parse_representation(s3, "1"), (9,), (1,))
    motions = Equivariance(e3, parse_representation(e3, "points(3)"), parse_representation(e3, "1"), (9,), (1,))
    both = FrameAveragedNetwork(AveragedNetwork(module, orders, s3.haar(1)), motions)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, dtype=F64))
    moved = (x.view(-1, 3, 3) @ turn.T + torch.tensor([1.0, -2.0, 0.5], dtype=F64)).flatten(1)
    with torch.no_grad():
        y = both(x)
        assert float((both(moved) - y).abs().max()) < 1e-9
        assert float((both(x.view(-1, 3, 3)[:, [2, 0, 1]].flatten(1)) - y).abs().max()) < 1e-9
        assert float((module(moved) - module(x)).abs().max()) > 1e-2  # which the network did not have
        assert float(y.std()) > 1e-4


LATER = """
import sys, warnings
sys.modules["symfind"] = None
warnings.simplefilter("ignore")
import torch
net = torch.export.load("out.pt2").module()
x = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
weights = [p.requires_grad_(True) for p in net.parameters()]
step = torch.optim.SGD(weights, 1e-2)
first = None
for _ in range(30):
    loss = (net(x)[:, 0] - x.square().sum(1)).square().mean()
    step.zero_grad(); loss.backward(); step.step()
    first = float(loss.detach()) if first is None else first
assert float(loss.detach()) < first
again = torch.export.export(net, (x[:3],), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
torch.export.save(again, "again.pt2")
assert torch.allclose(torch.export.load("again.pt2").module()(x), net(x), atol=1e-6)
"""


@pytest.mark.slow
def test_a_written_file_lives_on_without_symfind(tmp_path: Path) -> None:
    """Loaded where symfind cannot be imported, trained on, exported again."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 9), nn.LayerNorm(9), nn.Tanh(), nn.Linear(9, 1))
    asked = {"model": saved(module, tmp_path / "model.pt2"), "group": "s3", "rep_in": "V⊗2", "rep_out": "1"}
    symfind.enforce(EnforceOptions(**asked, method="project", trust_model=True), tmp_path / "out.pt2")
    done = subprocess.run([sys.executable, "-c", LATER], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
