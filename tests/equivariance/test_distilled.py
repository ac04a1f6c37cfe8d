"""Distillation: what it learns from, how it goes on, where it starts; networks that have the group by construction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import EnforceOptions
from symfind.data.hdf5 import write
from symfind.equivariance.distillation.invariant_modules import GradientMLP, InvariantMLP, Ratios
from symfind.equivariance.equivariance import Equivariance
from symfind.errors import InputError, UsageError, WorseThanBefore
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.progress import Advance

F64 = torch.float64


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def task_of(group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: tuple[int, ...]) -> Equivariance:
    g = parse_group(group)
    return Equivariance(g, parse_representation(g, rep_in), parse_representation(g, rep_out), shape, out)


class Half(nn.Module):
    """Half of |p₁|², and a part that breaks the symmetry: a poor teacher."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x[:, :3].square().sum(1, keepdim=True) + x[:, :1]


class Squared(nn.Module):
    """|p₁|², a symmetric model to start from."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3].square().sum(1, keepdim=True)


Stored = Callable[..., dict[str, Any]]


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    def save(model: nn.Module, x: Tensor, y: Tensor, **options: Any) -> dict[str, Any]:
        torch.jit.script(model.eval()).save(str(tmp_path / "m.pt"))
        write(tmp_path / "d.h5", {"x": x.numpy(), "y": y.numpy()}, {"kind": "function"})
        return {
            "model": str(tmp_path / "m.pt"), "data": str(tmp_path / "d.h5"), "group": "so3", "rep_in": "2V",
            "rep_out": "1", "method": "distill", "steps": 60, **options,
        }  # fmt: skip

    return save


def targets(x: Tensor) -> Tensor:
    p, q = x[:, :3], x[:, 3:]
    return p.square().sum(1, keepdim=True) + 0.3 * (p * q).sum(1, keepdim=True)


def test_targets_teach_what_the_model_does_not_know(stored: Stored) -> None:
    x = normal(300, 6)
    done = symfind.enforce(EnforceOptions(**stored(Half(), x, targets(x))))
    assert done.loss_before is not None and done.loss_after is not None
    assert "fitted to the targets on" in done.considered[0].detail
    assert done.loss_after.value < 0.1 * done.loss_before.value
    assert done.error_after.largest < 1e-9


def test_without_targets_the_teacher_is_followed(stored: Stored, tmp_path: Path) -> None:
    x = normal(300, 6)
    asked = stored(Half(), x, targets(x))
    write(tmp_path / "d.h5", {"x": x.numpy()}, {"kind": "points"})
    done = symfind.enforce(EnforceOptions(**asked))
    assert "fitted to the average of the model" in done.considered[0].detail and done.loss_after is None


class Interrupted(Exception):
    """What a user's Ctrl-C does."""


class Stopping:
    """Progress that ends the work after so many steps of the distillation."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Advance]:
        yield self._step

    def _step(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise Interrupted


@pytest.mark.slow
def test_an_interrupted_distillation_ends_with_the_same_numbers(stored: Stored, tmp_path: Path) -> None:
    x = normal(200, 6)
    asked = stored(Half(), x, targets(x), checkpoint=str(tmp_path / "c"))
    whole = symfind.enforce(EnforceOptions(**asked), tmp_path / "whole.pt")
    (tmp_path / "c").unlink()
    with pytest.raises(Interrupted):
        symfind.enforce(EnforceOptions(**asked), tmp_path / "part.pt", Stopping(48))
    assert (tmp_path / "c").exists() and not (tmp_path / "part.pt").exists()
    again = symfind.enforce(EnforceOptions(**asked, resume=True), tmp_path / "again.pt")
    assert again.loss_after == whole.loss_after
    other = {**asked, "seed": 5, "resume": True}
    with pytest.raises(InputError, match="written with other data or options"):
        symfind.enforce(EnforceOptions(**other))
    with pytest.raises(UsageError, match="--checkpoint is for --method distill"):
        EnforceOptions(**{**asked, "method": "frames"})


def test_epochs_are_passes_over_the_rows(stored: Stored) -> None:
    x = normal(512, 6)
    done = symfind.enforce(EnforceOptions(**stored(Half(), x, targets(x), epochs=5)))
    assert done.loss_after is not None and done.settings["epochs"] == 5


def test_a_witness_is_started_from(stored: Stored, tmp_path: Path) -> None:
    x = normal(300, 6)
    asked = stored(Half(), x, targets(x), steps=20)
    plain = symfind.enforce(EnforceOptions(**asked))
    torch.jit.script(Squared()).save(str(tmp_path / "w.pt"))
    started = symfind.enforce(EnforceOptions(**asked, witness=str(tmp_path / "w.pt")), tmp_path / "out.pt")
    assert started.considered[0].detail.endswith("added to w.pt")
    assert plain.loss_after is not None and started.loss_after is not None
    assert started.loss_after.value < 0.5 * plain.loss_after.value
    made = torch.jit.load(str(tmp_path / "out.pt"))
    turned = (x.reshape(-1, 2, 3) @ parse_group("so3").sample(1, torch.Generator().manual_seed(2))[0].T).reshape(-1, 6)
    assert float((made(turned) - made(x)).detach().abs().max()) < 1e-9
    torch.jit.script(nn.Linear(6, 2).double()).save(str(tmp_path / "w.pt"))
    with pytest.raises(UsageError, match="give the witness of the same output"):
        symfind.enforce(EnforceOptions(**asked, witness=str(tmp_path / "w.pt")))


BUILT = [
    ("so3", "4V", "1", (4, 3), (1,)),
    ("o3", "4V", "2V+1", (4, 3), (7,)),
    ("so3", "2V", "V^2", (6,), (3, 3)),
    ("so3", "2V", "2V", (6,), (6,)),  # x × x vanishes
    ("so13", "3V", "V", (3, 4), (4,)),
    ("e3", "points(4)", "2L", (4, 3), (2, 3)),
    ("s4", "V", "V", (4,), (4,)),
    ("scalings(3)", "2V", "1", (2, 3), (1,)),
    ("scalings(3)", "2V", "V", (2, 3), (3,)),
    ("diagonal(2)", "3V", "1", (3, 2), (1,)),
    ("gl2", "4V", "1", (4, 2), (1,)),
    ("gl2", "4V", "V", (4, 2), (2,)),
    ("aff2", "points(5)", "1", (5, 2), (1,)),
    ("sim2", "points(4)", "1", (4, 2), (1,)),
]


@pytest.mark.parametrize(("group", "rep_in", "rep_out", "shape", "out"), BUILT)
def test_networks_on_invariants_are_equivariant_and_not_constant(
    group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: tuple[int, ...]
) -> None:
    task, rng = task_of(group, rep_in, rep_out, shape, out), torch.Generator().manual_seed(3)
    x = normal(64, *shape)
    network = InvariantMLP(task.rep_in, task.rep_out, x, out, 16, rng)
    g = task.fresh_elements(64, rng)
    with torch.no_grad():
        y, moved = network(x), network(task.moved_input(g, x))
    assert float((y - y.mean(0)).abs().max()) > 1e-3
    assert torch.allclose(moved, task.moved_output(g, y), rtol=1e-7, atol=1e-7 * float(y.abs().max()))
    assert torch.allclose(torch.jit.script(network)(x), network(x))


@pytest.mark.parametrize(("group", "rep_in"), [("gl2", "2V"), ("gl3", "3V"), ("diagonal(3)", "V")])
def test_one_orbit_has_no_ratios(group: str, rep_in: str) -> None:
    rep = parse_representation(parse_group(group), rep_in)
    x = normal(32, rep.dim).abs()
    with pytest.raises(UsageError, match="all rows are one orbit|no polynomial invariants"):
        Ratios(rep, x)


@pytest.mark.parametrize("beside", [False, True])
def test_forces_are_the_gradient_of_the_energy_beside_them(beside: bool) -> None:
    rep, x = parse_representation(parse_group("o3"), "4V"), normal(16, 4, 3)
    out = (13,) if beside else (12,)
    network = GradientMLP(rep, x, out, 16, torch.Generator().manual_seed(1))
    rows = x.clone().requires_grad_(True)
    u = network.one(network.features(rows))
    v = network.two(nn.functional.silu(u))
    energy = network.three(nn.functional.silu(v))
    slope = torch.autograd.grad(energy.sum(), rows)[0].flatten(1)
    made = network(x).detach()
    assert torch.allclose(made[:, -12:], -network.unit * slope, atol=1e-12)
    if beside:
        assert torch.allclose(made[:, :1], energy.detach(), atol=1e-12)
    with pytest.raises(UsageError, match="no gradient in 12 inputs"):
        GradientMLP(rep, x, (5,), 16, torch.Generator())


class Atoms(nn.Module):
    """|x − x₀|², right near one geometry in one orientation."""

    def __init__(self, still: Tensor) -> None:
        super().__init__()
        self.register_buffer("still", still)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.still).square().sum(1, keepdim=True)


class Halves(nn.Module):
    """Upper against lower half of a picture: classes that a half turn exchanges, as it does 6 and 9."""

    def forward(self, x: Tensor) -> Tensor:
        s = x[:, 0, :2].sum([1, 2]) - 0.5 * x[:, 0, 2:].sum([1, 2])
        return torch.stack([s, -s], 1)


class EnergyForces(nn.Module):
    """E = Σ|p − p̄|² and −∇E, with a part of one coordinate that breaks both."""

    def __init__(self, off: float) -> None:
        super().__init__()
        self.off = off

    def forward(self, x: Tensor) -> Tensor:
        p = x.reshape(-1, 4, 3)
        d = p - p.mean(1, keepdim=True)
        return torch.cat([d.square().sum([1, 2])[:, None], -2 * d.flatten(1)], 1) + self.off * x[:, :1]


@pytest.mark.parametrize("method", ["average", "frames", "distill"])
def test_a_molecule_in_one_orientation_is_refused(stored: Stored, tmp_path: Path, method: str) -> None:
    still = 1.5 * normal(9, seed=5)
    x = still + 0.1 * normal(200, 9, seed=2)
    model = Atoms(still)
    asked = stored(model, x, model(x) + 1e-3 * normal(200, 1, seed=3), rep_in="3V", method=method, budget=50, steps=20)
    with pytest.raises(WorseThanBefore, match="seen in one orientation"):
        symfind.enforce(EnforceOptions(**asked), tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


def test_pictures_that_stand_upright_are_refused(stored: Stored, tmp_path: Path) -> None:
    label = torch.randint(2, (300,), generator=torch.Generator().manual_seed(0)).double()
    x = normal(300, 1, 4, 4)
    x[:, 0, :2] += (1 - 2 * label)[:, None, None]
    asked = stored(Halves(), x, label[:, None], group="c4", rep_in="image(4,4)", rep_out="2", steps=20)
    with pytest.raises(WorseThanBefore, match="cross-entropy"):
        symfind.enforce(EnforceOptions(**{**asked, "method": "average"}), tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


@pytest.mark.parametrize("off", [0.0, 0.3])
def test_energy_and_forces_are_told_apart(stored: Stored, tmp_path: Path, off: float) -> None:
    x = normal(200, 12)
    y = EnergyForces(0.0)(x) + 0.01 * normal(200, 13, seed=3)
    asked = stored(EnergyForces(off), x, y, rep_in=None, rep_out=None, method="frames")
    done = symfind.enforce(EnforceOptions(**asked), tmp_path / "out.pt")
    assert (done.group.rep_in, done.group.rep_out) == ("4V", "1+4V")
    assert done.method == ("frames" if off else "unchanged")
    assert done.loss_before is not None and done.loss_after is not None
    assert done.loss_after.value <= done.loss_before.value * (0.2 if off else 1.0)
    assert prod(done.source.output_shape) == 13
