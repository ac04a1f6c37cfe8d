"""``enforce`` never makes a model worse in silence, and what it writes is what it says: one case for each fault."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import EnforceOptions
from symfind.data.hdf5 import write
from symfind.equivariance.measure import task_loss
from symfind.equivariance.verify import check_written
from symfind.errors import InputError, UsageError, WorseThanBefore

F64 = torch.float64


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def quarter(x: Tensor) -> Tensor:
    """Rows of points of the plane turned by 90°."""
    p = x.reshape(len(x), -1, 2)
    return torch.stack([-p[..., 1], p[..., 0]], -1).reshape(x.shape)


class Residual(nn.Module):
    """A skip connection and a LayerNorm: no chain of layers."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.first, self.inner = nn.Linear(4, 8), nn.Linear(8, 8)
        self.norm, self.last = nn.LayerNorm(8), nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(x))
        return self.last(h + torch.tanh(self.inner(self.norm(h))))


class ThreeAtATime(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.each, self.all = nn.Linear(2, 3), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.all(torch.tanh(self.each(x.view(-1, 2))).view(-1, 6))


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(0.5)
        h = self.a(x)
        h.relu_()
        return self.b(h)


class Complex(nn.Module):
    """|Wx|² with a complex W: its real part alone is another function."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.complex(normal(4, 3), normal(4, 3, seed=2)))

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(self.w.dtype) @ self.w).abs().square().sum(1, keepdim=True)


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(x).sum((1, 2))[:, None]


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., str]:
    def save(model: nn.Module, x: Tensor, batch: bool = True, name: str = "model.pt2") -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shapes = ({0: torch.export.Dim("n", min=1)},) if batch else None
            program = torch.export.export(model.eval(), (x.clone(),), dynamic_shapes=shapes)
            torch.export.save(program, tmp_path / name)
        return str(tmp_path / name)

    return save


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[..., str]:
    def save(model: nn.Module, name: str = "model.pt") -> str:
        torch.jit.script(model.eval()).save(str(tmp_path / name))
        return str(tmp_path / name)

    return save


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., str]:
    def save(x: Tensor, y: Tensor, name: str = "data.h5") -> str:
        write(tmp_path / name, {"x": x.numpy(), "y": y.numpy()}, {"kind": "function"})
        return str(tmp_path / name)

    return save


@pytest.mark.parametrize("model", [Residual, ThreeAtATime, InPlace, Complex])
@pytest.mark.parametrize("ending", [".pt", ".pt2"])
def test_an_exported_graph_is_wrapped_as_it_is(
    exported: Callable[..., str], tmp_path: Path, model: Callable[[], nn.Module], ending: str
) -> None:
    """The mean over the four quarter turns, written out, is what the file gives: nothing was dropped."""
    torch.manual_seed(0)
    own, x, out = model().double(), normal(5, 4), tmp_path / f"out{ending}"
    options = EnforceOptions(
        model=exported(own, x), group="c4", rep_in="2V", rep_out="1", method="average", n_samples=64
    )
    symfind.enforce(options, out)
    turns = [x, quarter(x), -x, -quarter(x)]
    right = torch.stack([own(turned.clone()) for turned in turns]).mean(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.jit.load(str(out)) if ending == ".pt" else torch.export.load(out).module()
    assert torch.allclose(made(x.clone()), right, atol=1e-12)
    assert torch.allclose(made(x[:1].clone()), right[:1], atol=1e-12)
    assert made(x[:0].clone()).shape == (0, 1)


def test_a_fixed_batch_is_called_with_just_that_many_rows(exported: Callable[..., str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    own, x = Residual().double(), normal(7, 4)
    model = exported(own, x[:3], batch=False)
    options = EnforceOptions(model=model, group="c4", rep_in="2V", rep_out="1", method="average", n_samples=32)
    symfind.enforce(options, tmp_path / "out.pt")
    right = torch.stack([own(t) for t in (x, quarter(x), -x, -quarter(x))]).mean(0)
    assert torch.allclose(torch.jit.load(str(tmp_path / "out.pt"))(x), right, atol=1e-12)


def test_a_file_that_holds_something_else_is_not_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole, x = Residual().double().eval(), normal(9, 4)
    chain = nn.Sequential(whole.first, nn.Tanh(), whole.inner, nn.Tanh(), whole.last)  # without skip and norm
    torch.jit.script(chain).save(str(tmp_path / "chain.pt"))
    with pytest.raises(InputError, match="other values than the method"):
        check_written(tmp_path / "chain.pt", "torchscript", whole, x, F64, (4,))
    torch.jit.script(whole).save(str(tmp_path / "whole.pt"))
    check_written(tmp_path / "whole.pt", "torchscript", whole, x, F64, (4,))


def test_embeddings_are_refused_by_name(exported: Callable[..., str]) -> None:
    model = exported(Embedded(), torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(InputError, match="'embedding' looks up whole numbers"):
        symfind.enforce(EnforceOptions(model=model, group="c2", shape=(2,)))


class Upright(nn.Module):
    """x₁ + |p₀|², which is right on rows that stand upright and on no others."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 1:2] + x[:, :2].square().sum(1, keepdim=True)


def test_a_worse_result_is_written_on_demand_only(
    scripted: Callable[..., str], stored: Callable[..., str], tmp_path: Path
) -> None:
    x = normal(300, 4) * torch.tensor([0.05, 1.0, 0.05, 1.0], dtype=F64)
    x[:, 1] = x[:, 1].abs()
    noise = 0.01 * normal(300, 1, seed=3)
    data, model, out = stored(x, Upright()(x) + noise), scripted(Upright()), tmp_path / "out.pt"
    options = EnforceOptions(model=model, group="c4", rep_in="2V", rep_out="1", data=data, method="average")
    with pytest.raises(WorseThanBefore, match="seen in one orientation") as raised:
        symfind.enforce(options, out)
    assert raised.value.exit_code == 1 and "\n" not in str(raised.value) and not out.exists()
    forced = EnforceOptions(model=model, group="c4", rep_in="2V", rep_out="1", data=data, method="average", force=True)
    done = symfind.enforce(forced, out)
    assert out.exists()
    assert done.loss_change is not None and done.loss_change.mean > 0.1 and done.loss_change.why
    # The best constant misses |z| + z² by its variance, (1 − 2/π) + 2 + 2 √(2/π) = 3.96, whose tails are long.
    assert done.loss_constant is not None and done.loss_constant.value == pytest.approx(3.96, rel=0.6)
    assert done.loss_before is not None and done.loss_before.value == pytest.approx(1e-4, rel=0.3)


class NoisyRadius(nn.Module):
    """|x|² and a part that breaks the symmetry, which the mean over the group takes off."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum(1, keepdim=True) + 0.5 * x[:, :1]


def test_a_better_result_is_written_and_the_cheapest_of_equals_taken(
    scripted: Callable[..., str], stored: Callable[..., str], tmp_path: Path
) -> None:
    x = normal(300, 4)
    data = stored(x, x.square().sum(1, keepdim=True) + 0.01 * normal(300, 1, seed=3))
    done = symfind.enforce(
        EnforceOptions(model=scripted(NoisyRadius()), group="so2", rep_in="2V", rep_out="1", data=data, steps=20),
        tmp_path / "out.pt",
    )
    assert done.loss_before is not None and done.loss_after is not None
    assert done.loss_before.value == pytest.approx(0.25, rel=0.3)  # E(x/2)²
    assert done.loss_after.value == pytest.approx(1e-4, rel=0.3)
    equal = {m.method: m.cost for m in done.considered if m.loss and m.loss.value < 2e-4 and m.cost is not None}
    assert {"average", "frames"} <= set(equal)
    assert equal[done.method] <= 2 * min(equal.values())  # times that differ by less are the same


def test_the_budget_ends_the_quadrature(scripted: Callable[..., str]) -> None:
    torch.manual_seed(0)
    asked: dict[str, Any] = {"model": scripted(Residual().double()), "group": "so2", "rep_in": "2V", "rep_out": "1"}
    done = symfind.enforce(EnforceOptions(**asked, method="average", budget=5, n_samples=32))
    assert int(done.considered[0].detail.split()[0]) <= 5
    with pytest.raises(UsageError, match="--budget allows 1"):
        symfind.enforce(EnforceOptions(**asked, method="frames", budget=1, n_samples=32))


def test_the_loss_is_that_of_the_task() -> None:
    x = normal(4000, 1)
    y = (torch.rand(4000, 1, generator=torch.Generator().manual_seed(2), dtype=F64) < torch.sigmoid(2 * x)).double()
    assert task_loss(2 * x, y, "m").kind == "binary cross-entropy"  # logits
    assert task_loss((y + 0.1 * normal(4000, 1, seed=5)), y, "m").kind == "mse"  # a regression on 0 and 1
    labels = torch.randint(3, (50, 1), generator=torch.Generator().manual_seed(0)).double()
    logits = normal(50, 3)
    loss = task_loss(logits, labels, "m")
    assert loss.kind == "cross-entropy"
    by_hand = (torch.logsumexp(logits, 1) - logits.gather(1, labels.long())[:, 0]).mean()
    assert loss.measured(logits, labels).value == pytest.approx(float(by_hand))
    pair = torch.cat([x, 10 * x], 1)
    measured = task_loss(0 * pair, pair, "m").measured(0 * pair, pair)
    assert measured.outputs == pytest.approx((float(x.square().mean()), 100 * float(x.square().mean())))
    with pytest.raises(InputError, match="3 outputs a row, but y has 1 column"):
        task_loss(logits, labels + 0.5, "m")


class Charges(nn.Module):
    """|Σ q r| of rows (q, x, y, z): scalars and vectors."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[..., :1] * x[..., 1:]).sum(1).square().sum(1, keepdim=True)


class Lopsided(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, :1].square() * x[:, 1, 2:3] + x[:, 2, 3:]


def test_a_charge_beside_a_place_is_no_vector(scripted: Callable[..., str], tmp_path: Path) -> None:
    done = symfind.enforce(EnforceOptions(model=scripted(Charges()), group="so3", shape=(3, 4), n_samples=64))
    assert done.method == "unchanged"
    assert (done.group.rep_in, done.group.rep_out) == ("3(1+V)", "1")
    again = EnforceOptions(
        model=scripted(Charges()), group="so3", shape=(3, 4), n_samples=64,
        rep_in=done.group.rep_in, rep_out=done.group.rep_out,
    )  # fmt: skip
    assert symfind.enforce(again).method == "unchanged"  # as it was shown, it can be typed


def test_a_model_that_obeys_no_guess_is_asked_about(scripted: Callable[..., str]) -> None:
    options = EnforceOptions(model=scripted(Lopsided()), group="so3", shape=(3, 4), n_samples=64)
    with pytest.raises(InputError, match=r"--rep-in '[^']+' --rep-out '1' \(relative.*or --rep-in") as raised:
        symfind.enforce(options)
    assert raised.value.exit_code == 3


class PointMajor(nn.Module):
    """Commutes with the shifts of a circle, but its hidden layer is points × channels, not channels × points."""

    def __init__(self, points: int = 8, channels: int = 3, off: float = 1e-4) -> None:
        super().__init__()
        out, back = normal(channels, points), normal(points, channels, seed=2)
        self.a, self.b = nn.Linear(points, points * channels).double(), nn.Linear(points * channels, points).double()
        with torch.no_grad():
            for i in range(points):
                for j in range(points):
                    self.a.weight[i * channels : (i + 1) * channels, j] = out[:, (j - i) % points]
                    self.b.weight[i, j * channels : (j + 1) * channels] = back[(i - j) % points]
            self.a.weight += off * normal(points * channels, points, seed=4)
            self.a.bias.fill_(0.1)
            self.b.bias.fill_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x)))


def test_a_grid_that_the_hidden_layers_do_not_have_is_refused(scripted: Callable[..., str], tmp_path: Path) -> None:
    asked: dict[str, Any] = {"group": "translations", "grid": "x=0:1 periodic", "shape": (8,), "n_samples": 64}
    with pytest.raises(WorseThanBefore, match="hidden layers are not laid out as channels × grid"):
        symfind.enforce(EnforceOptions(model=scripted(PointMajor()), **asked), tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()
    exact = scripted(PointMajor(off=0.0), "exact.pt")
    done = symfind.enforce(EnforceOptions(model=exact, **asked), tmp_path / "out.pt")
    assert done.method == "unchanged" and (tmp_path / "out.pt").read_bytes() == Path(exact).read_bytes()


def test_a_group_whose_invariants_are_ratios_is_refused(
    scripted: Callable[..., str], stored: Callable[..., str], tmp_path: Path
) -> None:
    x = normal(64, 4)
    torch.manual_seed(0)
    model, data = scripted(Residual().double()), stored(x, x[:, :1])
    options = EnforceOptions(model=model, group="gl2", rep_in="2V", rep_out="1", data=data, method="distill", steps=5)
    with pytest.raises(InputError, match=r"constant: gl\(2\) has no polynomial invariants of 2V"):
        symfind.enforce(options, tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


def test_errors_are_those_of_the_file_in_its_own_type(
    scripted: Callable[..., str], stored: Callable[..., str], tmp_path: Path
) -> None:
    """In float32 an exact mean is exact to 1e-7, not to 1e-16; collinear rows stay as exact as others."""
    torch.manual_seed(0)
    model = scripted(nn.Sequential(nn.Linear(9, 16), nn.Tanh(), nn.Linear(16, 3)))
    x = (normal(200, 1, 3) * normal(200, 3, 1, seed=2)).reshape(200, 9)
    options = EnforceOptions(
        model=model, group="so3", rep_in="3V", rep_out="V", method="frames", data=stored(x, x[:, :3]), force=True
    )
    done = symfind.enforce(options, tmp_path / "out.pt")
    assert 1e-10 < done.error_after.largest < 1e-5
    assert done.considered[0].detail == "4 frames a row, 0 % of the rows in the fallback"


def test_frames_have_no_jump_where_moments_meet() -> None:
    """Along a path through a square (equal moments) F̄ changes as little as the path, not by a jump."""
    from symfind.equivariance.equivariance import Equivariance
    from symfind.equivariance.methods.frames import FrameAveragedNetwork
    from symfind.lie.groups.catalogue import parse_group
    from symfind.lie.groups.notation import parse_representation

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1)).double().requires_grad_(False)
    so2 = parse_group("so2")
    task = Equivariance(so2, parse_representation(so2, "2V"), parse_representation(so2, "1"), (4,), (1,))
    t = torch.linspace(-1e-6, 1e-6, 401, dtype=F64)  # relative gaps up to 2e-6 either way
    x = torch.tensor([1.0, 0, 0, 1], dtype=F64) + t[:, None] * torch.tensor([1.0, 0, 0, -1], dtype=F64)
    values = FrameAveragedNetwork(model, task)(x)[:, 0]
    apart = float((FrameAveragedNetwork(model, task)(x * 1.0)[0] - values[200]).abs())
    assert float(values.diff().abs().max()) < 0.2 * max(apart, 1e-3)


def test_generators_found_in_a_model_need_no_data(scripted: Callable[..., str], tmp_path: Path) -> None:
    from symfind import DiscoverOptions
    from symfind.schema.store import to_json

    class Radius(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(1, keepdim=True)

    source = scripted(Radius(), "radius.pt")
    report = symfind.discover(DiscoverOptions(source=source, sample="normal", shape=(2,)))
    (tmp_path / "r.json").write_text(to_json(report), encoding="utf-8")
    torch.manual_seed(0)
    model = scripted(nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).double(), "net.pt")
    options = EnforceOptions(
        model=model, generators=str(tmp_path / "r.json"), rep_out="1", method="average", n_samples=32
    )
    done = symfind.enforce(options, tmp_path / "out.pt")
    assert done.error_before.largest > 0.1 and done.error_after.largest < 1e-6


@pytest.mark.parametrize("method", ["project", "average", "frames", "distill"])
def test_the_users_own_module_comes_back_and_stays_equivariant_in_training(method: str) -> None:
    torch.manual_seed(0)
    group = {"project": "s4", "frames": "so4"}.get(method, "s4")
    own = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x = normal(128, 4)
    made = symfind.enforce(own, group, (x, x[:, :1]), method=method, rep_in="V", rep_out="1", steps=5, force=True)
    assert type(made).__name__ == {
        "project": "Sequential", "average": "AveragedNetwork", "frames": "FrameAveragedNetwork",
        "distill": "InvariantMLP",
    }[method]  # fmt: skip
    optimiser = torch.optim.Adam(made.parameters(), 1e-2)
    first = made(x).detach()
    for _ in range(20):
        loss = (made(x) - x[:, :1] - x.prod(1, keepdim=True)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    made.eval()
    moved = x[:, [1, 2, 0, 3]]  # an even permutation: in S4 and in SO(4)
    with torch.no_grad():
        assert float((made(x) - first).abs().max()) > 1e-3
        assert float((made(moved) - made(x)).abs().max()) < 1e-10
