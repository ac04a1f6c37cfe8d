"""Projection of exported graphs: whatever the operations, F̄(ρ(g)x) = ρ(g)F̄(x), or the one that forbids it is named."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rounding import rounding
from torch import Tensor, nn

import symfind
from symfind import EnforceOptions
from symfind.data.hdf5 import write
from symfind.equivariance.equivariance import Equivariance, equivariance_error
from symfind.equivariance.methods.graph import GraphProjection, project_graph
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation

F64 = torch.float64


class Of(nn.Module):
    """f(self, x), its parts by name."""

    def __init__(self, f: Callable[[Any, Tensor], Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.f = f
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.f(self, x)


def drawn(f: Callable[[Any, Tensor], Tensor], **parts: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        torch.manual_seed(1)
        return Of(f, **{name: part() for name, part in parts.items()}).to(F64).eval()

    return make


def graph(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> tuple[Any, Tensor]:
    x = torch.randn(16, *shape, dtype=F64, generator=torch.Generator().manual_seed(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(make(), (x[:3],), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
        return program.module(), x


def task_of(group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: tuple[int, ...]) -> Equivariance:
    g = parse_group(group)
    return Equivariance(g, parse_representation(g, rep_in), parse_representation(g, rep_out), shape, out)


def projected(make: Callable[[], nn.Module], task: Equivariance) -> tuple[GraphProjection, Any, Tensor]:
    module, x = graph(make, task.input_shape)
    return project_graph(module, x[:12], task), module, x


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.softmax(q @ k.mT, -1) @ v


def linear(i: int, o: int) -> Callable[[], nn.Module]:
    return lambda: nn.Linear(i, o)


SKIP = drawn(
    lambda m, x: m.c(m.n(torch.tanh(m.a(x))) + torch.tanh(m.b(m.n(torch.tanh(m.a(x)))))),
    a=linear(6, 9), b=linear(9, 9), n=lambda: nn.LayerNorm(9), c=linear(9, 1),
)  # fmt: skip
BATCH = drawn(
    lambda m, x: m.c(torch.cat([x, m.n(torch.relu(m.a(x)))], 1)),
    a=linear(6, 9), n=lambda: nn.BatchNorm1d(9), c=linear(15, 6),
)  # fmt: skip
PLACES = drawn(
    lambda m, x: m.o(
        m.l(*[m.e(x.view(-1, 3, 2)) + m.p(torch.arange(3))] * 3, need_weights=False)[0].mean(1)
    ),
    e=linear(2, 8), p=lambda: nn.Embedding(3, 8), o=linear(8, 1),
    l=lambda: nn.MultiheadAttention(8, 2, batch_first=True),
)  # fmt: skip
MIXER = drawn(lambda m, x: m.o(m.t(m.e(x.view(-1, 3, 2)).mT).mT.tanh()).flatten(1), e=linear(2, 4), t=linear(3, 3),
              o=linear(4, 2))  # fmt: skip
VECTORS = drawn(
    lambda m, x: attend(m.q(x), m.k(x), m.v(x)).sum(1), q=linear(3, 6), k=linear(3, 6), v=linear(3, 3)
)  # fmt: skip
GRU = drawn(lambda m, x: m.o(m.r(x)[0][:, -1]), r=lambda: nn.GRU(3, 6, batch_first=True), o=linear(6, 3))
LSTM = drawn(lambda m, x: m.o(m.r(x)[0][:, -1]), r=lambda: nn.LSTM(3, 6, 2, batch_first=True), o=linear(6, 1))
STRIDED = drawn(
    lambda m, x: m.o(m.n(torch.relu(m.b(x)) + m.u(torch.tanh(m.a(x)))).mean((2, 3))),
    a=lambda: nn.Conv2d(1, 4, 2, stride=2), u=lambda: nn.ConvTranspose2d(4, 4, 2, stride=2),
    b=lambda: nn.Conv2d(1, 4, 3, padding=1), n=lambda: nn.GroupNorm(1, 4), o=linear(4, 1),
)  # fmt: skip
PATCHES = drawn(
    lambda m, x: m.o(nn.functional.max_pool2d(m.b(torch.relu(m.a(x))), 2).flatten(1)),
    a=lambda: nn.Conv2d(1, 4, 3, padding=1), b=lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4), o=linear(16, 2),
)  # fmt: skip


@pytest.mark.parametrize(
    ("make", "group", "rep_in", "rep_out", "shape", "out"),
    [
        (SKIP, "s3", "V⊗2", "1", (6,), (1,)),
        (BATCH, "s3", "V⊗2", "V⊗2", (6,), (6,)),
        (PLACES, "s3", "V⊗2", "1", (6,), (1,)),
        (MIXER, "s3", "V⊗2", "V⊗2", (6,), (6,)),
        (VECTORS, "so3", "4V", "V", (4, 3), (3,)),
        (VECTORS, "o3", "4V", "V", (4, 3), (3,)),
        (GRU, "s3", "5V", "V", (5, 3), (3,)),
        (LSTM, "s3", "5V", "1", (5, 3), (1,)),
        (STRIDED, "c4", "image(4,4)", "1", (1, 4, 4), (1,)),
        (PATCHES, "d4", "image(4,4)", "2", (1, 4, 4), (2,)),
    ],
)
def test_a_graph_is_equivariant_after_its_projection(
    make: Callable[[], nn.Module], group: str, rep_in: str, rep_out: str, shape: tuple[int, ...], out: tuple[int, ...]
) -> None:
    """The error is measured on elements and rows that the walk has not seen; the graph before misses by order one."""
    task = task_of(group, rep_in, rep_out, shape, out)
    made, module, x = projected(make, task)
    elements = task.fresh_elements(64, torch.Generator().manual_seed(5))
    with torch.no_grad():
        before = equivariance_error(module, task, x, elements, 1.0).largest
    after = equivariance_error(made.function, task, x, elements, 1.0).largest
    size = float(made.function(x).abs().max()) + float(x.abs().max())
    assert after < rounding(size, terms=4096)
    assert before > 1e-3
    assert float(made.function(x).std(0).max()) > 1e-4  # no constant


def test_a_projection_is_one() -> None:
    """Projecting what commutes already moves nothing."""
    task = task_of("s3", "V⊗2", "1", (6,), (1,))
    made, module, x = projected(SKIP, task)
    with torch.no_grad():
        for tie in made.ties:
            owner, _, name = tie.path.rpartition(".")
            getattr(module.get_submodule(owner), name).copy_(tie.after)
    again = project_graph(module, x[:12], task)
    assert all(tie.moved < rounding(terms=128) for tie in again.ties)


def test_objects_apart_keep_their_weights() -> None:
    """ρ(Σ φ(xᵢ)) is what permutations leave alone: no weight is bound."""
    sets = drawn(lambda m, x: m.o(torch.tanh(m.p(x.view(-1, 2))).view(-1, 3, 8).sum(1)), p=linear(2, 8), o=linear(8, 1))
    made, _, _ = projected(sets, task_of("s3", "V⊗2", "1", (6,), (1,)))
    assert made.ties == ()


@pytest.mark.parametrize(
    ("make", "group", "rep_in", "shape", "named"),
    [
        # The state at the end of a sequence knows its order, whatever the weights.
        (GRU, "z5", "V⊗3", (5, 3), "gru"),
        # Zeros at one end of a ring.
        (drawn(lambda m, x: m.c(x).mean(2), c=lambda: nn.Conv1d(2, 3, 3, padding=1)), "z6", "2⊗V", (2, 6), "conv1d"),
        # A fixed entry of a vector that turns.
        (drawn(lambda m, x: m.o(x[:, :1]), o=linear(1, 1)), "so3", "V", (3,), "slice"),
    ],
)
def test_what_has_no_projection_is_refused_by_name(
    make: Callable[[], nn.Module], group: str, rep_in: str, shape: tuple[int, ...], named: str
) -> None:
    out = 3 if named != "slice" else 1
    with pytest.raises(UsageError, match=f"'{named}'.*use --method average"):
        projected(make, task_of(group, rep_in, f"{out}", shape, (out,)))


def test_pointwise_units_under_turns_are_said_to_be_constant() -> None:
    with pytest.raises(UsageError, match=r"nothing of '.*' commutes with so\(3\).*constant"):
        projected(drawn(lambda m, x: m.b(torch.tanh(m.a(x)) + 1), a=linear(6, 9), b=linear(9, 1)),
                  task_of("so3", "2V", "1", (6,), (1,)))  # fmt: skip


def rows(tmp_path: Path, x: Tensor, y: Tensor) -> str:
    write(tmp_path / "data.h5", {"x": x.double().numpy(), "y": y.double().numpy()}, {"kind": "function"})
    return str(tmp_path / "data.h5")


def test_the_command_writes_the_archive_with_other_weights(tmp_path: Path) -> None:
    """float32, loaded by torch alone: the same operations, equivariant to rounding, at the cost of the model."""
    module = SKIP().float()
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module, (x[:3],), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
        torch.export.save(program, tmp_path / "model.pt2")
    y = x.view(-1, 3, 2).sum(1).square().sum(1, keepdim=True)
    asked = EnforceOptions(model=str(tmp_path / "model.pt2"), group="s3", rep_in="V⊗2", rep_out="1", method="project",
                           data=rows(tmp_path, x, y), force=True)  # fmt: skip
    done = symfind.enforce(asked, tmp_path / "out.pt2")
    assert done.error_after.largest < 1e-5 < done.error_before.largest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.export.load(tmp_path / "out.pt2").module()
    turned = x.view(-1, 3, 2)[:, [1, 2, 0]].flatten(1)
    assert float((loaded(x) - loaded(turned)).detach().abs().max()) < 1e-5
    assert {n.target for n in loaded.graph.nodes if n.op == "call_function"} >= {torch.ops.aten.layer_norm.default}


@pytest.mark.parametrize(
    ("make", "rep_in", "shape", "steps"),
    [pytest.param(SKIP, "V⊗2", (6,), 300, marks=pytest.mark.slow), (SKIP, "V⊗2", (6,), 60), (LSTM, "5V", (5, 3), 60)],
)
def test_it_stays_equivariant_while_it_is_trained_on(
    make: Callable[[], nn.Module], rep_in: str, shape: tuple[int, ...], steps: int
) -> None:
    """300 steps on targets without the symmetry: the class is kept, the weights never leave Hom_G."""
    module = make()
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(32, *shape, dtype=F64, generator=rng)
    y = torch.randn(32, 1, dtype=F64, generator=rng)
    made = symfind.enforce(module, "s3", (x, y), method="project", rep_in=rep_in, rep_out="1", force=True)
    assert type(made) is type(module)
    optimiser = torch.optim.Adam(made.parameters(), 1e-2)
    losses = []
    for _ in range(steps):
        loss = (made(x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    task = task_of("s3", rep_in, "1", shape, (1,))
    with torch.no_grad():
        error = equivariance_error(made, task, x, task.fresh_elements(64, rng), float(y.std()))
    assert error.largest < 1e-5
