"""``enforce`` on files: kinds of model, what is written, what is refused."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import EnforceOptions, ScoreOptions
from symfind.errors import InputError, UsageError
from symfind.models.checkpoint import write_checkpoint
from symfind.models.model import load_model
from symfind.models.network import Activation, Layer
from symfind.schema.document import Report
from symfind.schema.enforcement import Enforcement
from symfind.schema.store import to_json

F64 = torch.float64
ROOT = Path(__file__).parents[2]


def network(*widths: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for a, b in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*layers[:-1]).double()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    def save(model: nn.Module, name: str = "model.pt", freeze: bool = False) -> str:
        scripted = torch.jit.script(model.eval())
        if freeze:
            scripted = torch.jit.freeze(scripted)
        torch.jit.save(scripted, str(tmp_path / name))
        return str(tmp_path / name)

    return save


def rotated(x: Tensor) -> Tensor:
    """About one axis and then another: an element of SO(3) made by hand."""
    c, s = 0.6, 0.8
    first = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=F64)
    second = torch.tensor([[1, 0, 0], [0, s, -c], [0, c, s]], dtype=F64)
    return (x.reshape(-1, 3) @ (second @ first).T).reshape(x.shape)


@pytest.mark.parametrize(("method", "bound"), [("average", 1e-6), ("frames", 1e-12)])
def test_the_file_that_is_written_is_invariant_and_needs_no_symfind(
    saved: Callable[..., str], tmp_path: Path, method: str, bound: float
) -> None:
    out = tmp_path / "out.pt"
    options = EnforceOptions(model=saved(network(9, 12, 1)), group="so3", method=method, n_samples=64)
    done = symfind.enforce(options, out)
    assert done.error_before.largest > 0.1
    assert done.error_after.largest <= bound
    assert done.error_after.elements == 256
    x = torch.randn(4, 9, dtype=F64)
    torch.save(torch.stack([x, rotated(x)]), tmp_path / "x.pt")
    code = (
        "import sys; sys.modules['symfind'] = None\n"
        "import torch\nextra = {'symfind.json': ''}\n"
        f"m = torch.jit.load({str(out)!r}, _extra_files=extra)\n"
        f"x = torch.load({str(tmp_path / 'x.pt')!r}, weights_only=True)\n"
        "y = torch.stack([m(x[0]), m(x[1])])\n"
        "print(float((y[0] - y[1]).abs().max() / y[0].std()), extra['symfind.json'].decode())"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    gap, provenance = ran.stdout.split(" ", 1)
    assert float(gap) <= 100 * bound  # in units of the spread of the result, which averaging makes small
    assert json.loads(provenance)["method"] == method


def test_auto_compares_and_says_why(saved: Callable[..., str], tmp_path: Path) -> None:
    data = tmp_path / "data.h5"
    x = torch.randn(200, 3, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    with h5py.File(data, "w") as file:
        file["x"], file["y"] = x.numpy(), x.square().sum((1, 2)).numpy()
    options = EnforceOptions(model=saved(network(9, 8, 1)), group="so3", data=str(data), steps=60)
    done = symfind.enforce(options, tmp_path / "out.pt")
    assert [m.method for m in done.considered] == ["project", "average", "frames", "distill"]
    assert "constant" in done.considered[0].remark
    losses = {m.method: m.loss for m in done.considered[1:] if m.loss is not None}
    best = min(losses, key=lambda m: losses[m].value)
    taken, least = losses[done.method], losses[best]
    assert done.loss_after == taken
    # Within a standard error of the smallest loss the cheapest is taken (paired rows: at most the sum of both errors).
    assert taken.value <= least.value + (taken.standard_error or 0.0) + (least.standard_error or 0.0)
    costs = {m.method: m.cost for m in done.considered[1:] if m.cost is not None}
    assert done.method == best or costs[done.method] < costs[best]


def test_projection_keeps_the_file_and_changes_its_weights(saved: Callable[..., str], tmp_path: Path) -> None:
    model = saved(network(12, 16, 1))
    options = EnforceOptions(
        model=model, group="s4", rep_in="V⊗3", method="project", weights=str(tmp_path / "w.h5"), n_samples=64
    )
    done = symfind.enforce(options, tmp_path / "out.pt")
    assert done.error_after.largest < 1e-13
    before, after = torch.jit.load(model), torch.jit.load(str(tmp_path / "out.pt"))
    assert [n for n, _ in before.named_parameters()] == [n for n, _ in after.named_parameters()]
    assert all(p.requires_grad for p in after.parameters())
    weight = dict(after.named_parameters())["0.weight"].detach()
    with h5py.File(tmp_path / "w.h5") as file:
        stored = torch.from_numpy(file["layers/000/weight"][()])
        basis = torch.from_numpy(file["layers/000/basis"][()])
        coefficients = torch.from_numpy(file["layers/000/coefficients"][()])
        old = torch.from_numpy(file["layers/000/weight_before"][()])
    assert torch.allclose(stored, weight, atol=1e-15)
    assert torch.allclose(torch.einsum("r,rij->ij", coefficients, basis), weight, atol=1e-13)
    bias = dict(before.named_parameters())["0.bias"].detach()
    new_bias = dict(after.named_parameters())["0.bias"].detach()
    size = torch.cat([old.flatten(), bias]).norm()
    distance = torch.cat([(weight - old).flatten(), new_bias - bias]).norm() / size
    assert done.layers[0].distance == pytest.approx(float(distance))


def test_a_checkpoint_stays_a_checkpoint(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    first = torch.randn(8, 4, generator=rng)  # float32
    last = torch.randn(1, 8, generator=rng)
    steps = [Layer("linear", "a", first, torch.zeros(8)), Activation("silu"), Layer("linear", "b", last, None)]
    write_checkpoint(tmp_path / "model.h5", steps, (4,))
    options = EnforceOptions(model=str(tmp_path / "model.h5"), group="s4", method="project", tolerance=1e-5)
    done = symfind.enforce(options, tmp_path / "out.h5")
    assert done.error_after.largest < 1e-5
    model = load_model(tmp_path / "out.h5")
    assert model.format == "checkpoint"
    x = torch.randn(3, 4, dtype=F64)
    assert torch.allclose(model(x), model(x[:, [1, 2, 3, 0]]), atol=1e-5)
    with pytest.raises(UsageError, match="writes torchscript here; give a name that ends in .pt"):
        symfind.enforce(
            EnforceOptions(model=str(tmp_path / "model.h5"), group="s4", method="average"), tmp_path / "out.h5"
        )
    again = symfind.enforce(
        EnforceOptions(model=str(tmp_path / "model.h5"), group="s4", method="average"), tmp_path / "out.pt"
    )
    assert again.error_after.largest < 1e-6


def test_an_exported_program_stays_one(tmp_path: Path) -> None:
    model = network(4, 8, 1).eval()
    batch = torch.export.Dim("n", min=1)
    program = torch.export.export(model, (torch.zeros(3, 4, dtype=F64),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "model.pt2")
    options = EnforceOptions(model=str(tmp_path / "model.pt2"), group="s4", method="project")
    done = symfind.enforce(options, tmp_path / "out.pt2")
    assert done.error_after.largest < 1e-13
    assert load_model(tmp_path / "out.pt2").format == "torch.export"
    wrapped = symfind.enforce(
        EnforceOptions(model=str(tmp_path / "model.pt2"), group="s4", method="average"), tmp_path / "out.pt"
    )
    assert wrapped.error_after.largest < 1e-12
    x = torch.randn(5, 4, dtype=F64, generator=torch.Generator().manual_seed(1))
    exact = torch.stack([model(x[:, list(order)]) for order in itertools.permutations(range(4))]).mean(0)
    made = torch.jit.load(str(tmp_path / "out.pt"))
    assert torch.allclose(made(x), exact, atol=1e-12)


class Invariant(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum(1, keepdim=True)


def test_an_equivariant_model_is_written_unchanged(saved: Callable[..., str], tmp_path: Path) -> None:
    model, out = saved(Invariant()), tmp_path / "out.pt"
    done = symfind.enforce(EnforceOptions(model=model, group="so3", shape=(6,), rep_out="1"), out)
    assert done.method == "unchanged" and "equivariant already" in done.reason
    assert out.read_bytes() == Path(model).read_bytes()


def test_a_frozen_module_is_wrapped_but_not_projected(saved: Callable[..., str], tmp_path: Path) -> None:
    model = saved(network(6, 8, 1), freeze=True)
    with pytest.raises(UsageError, match="layer 1 .*frozen module"):
        symfind.enforce(EnforceOptions(model=model, group="so3", shape=(6,), method="project"))
    done = symfind.enforce(EnforceOptions(model=model, group="so3", shape=(6,), method="frames"), tmp_path / "out.pt")
    assert done.error_after.largest < 1e-12


def test_an_average_with_an_output_that_is_a_vector(saved: Callable[..., str]) -> None:
    done = symfind.enforce(EnforceOptions(model=saved(network(6, 8, 3)), group="so3", rep_out="V", method="average"))
    assert done.error_after.largest < 1e-6
    assert done.group.rep_out == "V"


@pytest.mark.parametrize(
    ("changes", "error", "what"),
    [
        ({"group": "so33"}, UsageError, "acts on rows of 6 numbers"),
        ({"group": "rotatoins3"}, UsageError, "unknown group 'rotatoins3'; nearest: "),
        ({"group": "so4"}, UsageError, "give --rep-in, or a group of that dimension"),
        ({"group": "so3", "rep_in": "2V"}, UsageError, "dimension 6"),
        ({"group": "se3", "method": "average"}, UsageError, "not compact"),
        ({"group": "so3", "method": "project"}, InputError, "network is constant; use --method average or frames"),
        ({"group": "so3", "data": "missing.h5"}, InputError, "missing.h5"),
    ],
)
def test_bad_requests_end_in_one_line(
    saved: Callable[..., str], changes: dict[str, str], error: type[Exception], what: str
) -> None:
    options = EnforceOptions(model=saved(network(9, 8, 1)), **changes)  # type: ignore[arg-type]
    with pytest.raises(error, match=what) as raised:
        symfind.enforce(options)
    assert "\n" not in str(raised.value)


def test_one_group_is_named_in_one_way() -> None:
    with pytest.raises(UsageError, match="exactly one"):
        EnforceOptions(model="m.pt")
    with pytest.raises(UsageError, match="exactly one"):
        EnforceOptions(model="m.pt", group="so3", generators="r.json")


def test_the_generators_of_a_report_are_enforced(
    saved: Callable[..., str], tmp_path: Path, lorentz_report: Report
) -> None:
    """Boosts and rotations of a report, imposed by frames on a network of the momenta of muon pairs."""
    data = ROOT / "sample_data" / "dimuons.h5"
    boosts = [(0, 1), (0, 2), (0, 3)]
    turns = [(1, 2), (1, 3), (2, 3)]
    actions = []
    for i, j in boosts + turns:
        a = torch.zeros(4, 4, dtype=F64)
        a[i, j], a[j, i] = 1.0, 1.0 if i == 0 else -1.0
        actions.append(a.tolist())
    first = lorentz_report.generators[0]
    certified = tuple(replace(first, verdict="certified", defect=1e-12, upper=1e-11, input_action=a) for a in actions)
    report = replace(lorentz_report, generators=certified)
    (tmp_path / "report.json").write_text(to_json(report), encoding="utf-8")

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network(8, 8, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x.reshape(x.shape[0], -1) / 100.0)

    options = EnforceOptions(
        model=saved(Scaled()), generators=str(tmp_path / "report.json"), method="frames", data=str(data)
    )
    done = symfind.enforce(options, tmp_path / "out.pt")
    assert done.group.name == "so(1,3)" and not done.group.compact
    assert done.group.distance is not None and done.group.distance < 1e-6
    assert done.error_before.largest > 0.1
    assert done.error_after.largest < 1e-10


def test_the_document_reads_back(saved: Callable[..., str]) -> None:
    done = symfind.enforce(EnforceOptions(model=saved(network(4, 6, 1)), group="z4", method="average"))
    plain = json.loads(json.dumps(done.to_plain()))
    assert Enforcement.from_plain(plain) == done
    assert plain["schema"] == "symfind.enforcement/1"


def test_the_score_of_known_functions(saved: Callable[..., str]) -> None:
    class Anisotropic(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1].square() + x[:, 1:2].square() + 3.0 * x[:, 2:].square()

    exact = symfind.score(ScoreOptions(model=saved(Invariant()), group="so3", shape=(3,)))
    assert max(g.defect or 0.0 for g in exact.generators) < 1e-12
    assert exact.error.largest < 1e-12
    broken = symfind.score(ScoreOptions(model=saved(Anisotropic(), "b.pt"), group="so3", shape=(3,)))
    x_axis, y_axis, z_axis = broken.generators  # only turns about z leave x² + y² + 3z²
    assert (z_axis.defect or 0.0) < 1e-12 and max(z_axis.finite) < 1e-12
    for g in (x_axis, y_axis):
        assert (g.defect or 0.0) > 0.3
        # Along small turns the error is proportional to the angle: sizes 0.01 and 0.1.
        assert g.finite[1] / g.finite[0] == pytest.approx(10.0, rel=0.05)


def test_the_command_writes_the_model_and_says_what_it_did(saved: Callable[..., str], tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "symfind", "enforce", saved(network(4, 6, 1)), "--group", "s4"]
    ran = subprocess.run([*command, "--output", str(tmp_path / "out.pt")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["schema"] == "symfind.enforcement/1"
    assert ran.stderr.rstrip().endswith(f"wrote {tmp_path / 'out.pt'}")
    assert (tmp_path / "out.pt").is_file()
    bad = subprocess.run([*command, "--output", str(tmp_path / "out.h5")], capture_output=True, text=True, check=False)
    assert bad.returncode == 2 and bad.stderr.count("\n") == 1
    assert not (tmp_path / "out.h5").exists()
