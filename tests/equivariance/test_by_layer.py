"""What layers add to the Lie derivative: the layer that breaks it has it all, and the sum is that of the network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import ScoreOptions
from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.request import prepared
from symfind.equivariance.scoring import by_layer
from symfind.equivariance.scoring.by_layer import layer_contributions
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.models.network import Activation, Layer
from symfind.render.pages.documents import document_html
from symfind.schema.enforcement import LayerScored, Score

F64 = torch.float64


def layers(
    tmp_path: Path, net: nn.Module, rep_in: str, rep_out: str, shape: tuple[int, ...]
) -> tuple[LayerScored, ...]:
    torch.jit.script(net.double()).save(str(tmp_path / "m.pt"))  # type: ignore[no-untyped-call]
    options = ScoreOptions(
        model=str(tmp_path / "m.pt"),
        group="so3",
        shape=shape,
        rep_in=rep_in,
        rep_out=rep_out,
        by_layer=True,
        n_samples=400,
    )
    rng = torch.Generator().manual_seed(0)
    ready = prepared(tmp_path / "m.pt", options, None, rng)
    return layer_contributions(ready.subject.model, ready.task, ready.subject.x, ready.subject.fed_shape)


def mixing(out: int, given: int) -> nn.Linear:
    """Vectors into combinations of them: commutes with rotations."""
    layer = nn.Linear(3 * given, 3 * out, bias=False)
    mixed = torch.randn(out, given, generator=torch.Generator().manual_seed(1), dtype=F64)
    layer.weight = nn.Parameter(torch.kron(mixed, torch.eye(3, dtype=F64)))
    return layer


def generic(out: int, given: int) -> nn.Linear:
    torch.manual_seed(2)
    return nn.Linear(given, out)


def test_the_second_layer_has_it_all_where_the_first_commutes(tmp_path: Path) -> None:
    found = layers(tmp_path, nn.Sequential(mixing(2, 2), generic(3, 6)), "2V", "V", (2, 3))
    assert [layer.share for layer in found] == pytest.approx([0.0, 1.0], abs=1e-9)
    assert found[0].rms < 1e-9 < 0.1 < found[1].rms


def test_a_layer_that_forgets_a_direction_has_the_turns_that_move_it(tmp_path: Path) -> None:
    """F = w₁x₁ + w₂x₂ behind a cut to two coordinates.

    Turns of these two are an action on what the first layer gives, and the second breaks them: w₁² + w₂². The others
    move by x₃, of which nothing is left: w₁² and w₂², the first layer's.
    """
    cut = nn.Linear(3, 2, bias=False)
    cut.weight = nn.Parameter(torch.eye(3, dtype=F64)[:2])
    found = layers(tmp_path, nn.Sequential(cut, nn.Linear(2, 1)), "V", "1", (3,))
    assert [layer.share for layer in found] == pytest.approx([0.5, 0.5], abs=0.05)


def test_an_equivariant_chain_has_none_and_a_pointwise_one_does(tmp_path: Path) -> None:
    whole = layers(tmp_path, nn.Sequential(mixing(3, 2), mixing(1, 3)), "2V", "V", (2, 3))
    assert all(layer.rms < 1e-9 for layer in whole)
    broken = layers(tmp_path, nn.Sequential(mixing(3, 2), nn.ReLU(), mixing(1, 3)), "2V", "V", (2, 3))
    assert [layer.kind for layer in broken] == ["linear 6 → 9", "pointwise relu", "linear 9 → 3"]
    assert [layer.share for layer in broken] == pytest.approx([0.0, 1.0, 0.0], abs=1e-9)


def test_the_sum_is_the_lie_derivative_of_the_network(tmp_path: Path) -> None:
    """Against dF·Ax − AF(x) by automatic differentiation of the whole: what is added is signed, and sums to it."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(3, 7), nn.Tanh(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    made = parse_group("so3")
    rep = parse_representation(made, "V")
    task = Equivariance(made, rep, rep, (3,), (3,))
    x = torch.randn(60, 3, dtype=F64, generator=torch.Generator().manual_seed(4))
    held = [x]
    for module in net:
        held.append(module(held[-1]).detach())
    steps = [(Layer("linear", None, net[0].weight, None),), (Activation("tanh"),)] * 2 + [
        (Layer("linear", None, net[4].weight, None),)
    ]
    for a in made.generators:
        d = by_layer._output_motion(steps, list(net), held, task, a, 30)

        def one(row: Tensor) -> Tensor:
            out: Tensor = net(row)
            return out

        slope = torch.stack([torch.autograd.functional.jacobian(one, row) for row in x[30:]])
        whole = torch.einsum("nij,nj->ni", slope, x[30:] @ a.T) - net(x[30:]) @ a.T
        assert torch.allclose((d[:-1] - d[1:]).sum(0), whole.detach(), atol=1e-10)
    found = layers(tmp_path, net, "V", "V", (3,))
    assert sum(layer.share for layer in found) == pytest.approx(1.0)


def test_strides_and_padding_are_named(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv1d(2, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1))
    found = layers(tmp_path, net, "2V", "1", (2, 3))
    assert found[0].kind == "conv1d 2 → 4, stride 2, padding with zeros 1"


def test_what_is_no_chain_and_too_few_rows_end_with_a_line(tmp_path: Path) -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) + x

    with pytest.raises(UsageError, match="one layer after another"):
        layers(tmp_path, Skip(), "V", "V", (3,))
    with pytest.raises(UsageError, match="gives 300 numbers.*n-samples 1205"):
        layers(tmp_path, nn.Sequential(nn.Linear(3, 300), nn.Tanh(), nn.Linear(300, 1)), "V", "1", (3,))


def test_the_command_shows_them(tmp_path: Path) -> None:
    torch.jit.script(nn.Sequential(mixing(2, 2), generic(3, 6)).double()).save(str(tmp_path / "m.pt"))  # type: ignore[no-untyped-call]
    document = symfind.score(
        ScoreOptions(model=str(tmp_path / "m.pt"), group="so3", shape=(2, 3), rep_out="V", by_layer=True, n_samples=200)
    )
    assert isinstance(document, Score) and len(document.layers) == 2
    assert "What each layer adds" in document_html(document) and "breaks it most" in document_html(document)
