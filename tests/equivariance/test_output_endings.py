"""``enforce`` writes the kind of file that the ending of ``--output`` asks for, or names the one that it can write."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import EnforceOptions
from symfind.errors import InputError, UsageError

F64 = torch.float64


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=F64)


def exported(model: nn.Module, x: Tensor, path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = ({0: torch.export.Dim("n", min=1)},)
        torch.export.save(torch.export.export(model.eval(), (x,), dynamic_shapes=shapes), path)
    return str(path)


class Residual(nn.Module):
    """A skip connection: no chain of layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return self.c(h + torch.tanh(self.b(h)))


class Norm(nn.Module):
    """|x|² through a product: obeys every rotation."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum(1, keepdim=True)


def test_a_model_that_has_the_symmetry_is_written_as_the_ending_asks(tmp_path: Path) -> None:
    x = normal(32, 6)
    archive = exported(Norm(), x, tmp_path / "model.pt2")
    for method in ("auto", "frames"):
        out = tmp_path / f"{method}.pt"
        done = symfind.enforce(EnforceOptions(model=archive, group="so3", rep_out="1", method=method), out)
        assert done.method == "unchanged"
        assert torch.equal(torch.jit.load(str(out))(x), x.square().sum(1, keepdim=True))
    symfind.enforce(EnforceOptions(model=archive, group="so3", rep_out="1"), tmp_path / "out.pt2")
    assert (tmp_path / "out.pt2").read_bytes() == Path(archive).read_bytes()
    torch.jit.script(Norm()).save(str(tmp_path / "model.pt"))
    other = EnforceOptions(model=str(tmp_path / "model.pt"), group="so3", shape=(6,), rep_out="1")
    with pytest.raises(UsageError, match=r"has the symmetry already and stays torchscript.*ends in \.pt$"):
        symfind.enforce(other, tmp_path / "no.pt2")
    assert not (tmp_path / "no.pt2").exists()


def test_a_projected_archive_is_written_as_the_ending_asks(tmp_path: Path) -> None:
    archive = exported(Residual().double(), normal(3, 4), tmp_path / "model.pt2")
    out = tmp_path / "out.pt"
    done = symfind.enforce(EnforceOptions(model=archive, group="s4", method="project", rep_out="1", force=True), out)
    assert done.method == "project" and done.error_before.largest > 0.01
    x, net = normal(8, 4), torch.jit.load(str(out))
    with torch.no_grad():
        assert float((net(x[:, [1, 2, 0, 3]]) - net(x)).abs().max()) < 1e-10


class Forces(nn.Module):
    """−∇E inside forward."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_(True)
        found: list[Tensor | None] = torch.autograd.grad([x.pow(4).sum()], [x])
        first = found[0]
        assert first is not None
        return -first


def test_gradients_inside_forward_are_refused_by_name(tmp_path: Path) -> None:
    torch.jit.script(Forces()).save(str(tmp_path / "forces.pt"))
    asked = EnforceOptions(model=str(tmp_path / "forces.pt"), group="so3", shape=(6,), rep_in="2V", rep_out="2V")
    with pytest.raises(InputError, match=r"'autograd.grad' inside forward.*save the energy alone"):
        symfind.enforce(asked)


@pytest.mark.parametrize("method", ["average", "frames", "distill"])
def test_no_rows_give_no_values(method: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    torch.jit.script(module).save(str(tmp_path / "model.pt"))
    asked = {"model": str(tmp_path / "model.pt"), "group": "so2", "rep_in": "3V", "rep_out": "1", "n_samples": 64}
    symfind.enforce(EnforceOptions(**asked, method=method, steps=5, force=True), tmp_path / "out.pt")  # type: ignore[arg-type]
    assert torch.jit.load(str(tmp_path / "out.pt"))(torch.zeros(0, 6, dtype=F64)).shape == (0, 1)
