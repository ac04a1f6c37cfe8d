"""Layers in execution order, with their paths; a network called sequential is the composition of what is listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import model_zoo as zoo
import pytest
import torch
import torch.nn.functional as fn
from torch import Tensor, nn

from symfind.models.execution_order import ACTIVATIONS, padding_pairs
from symfind.models.model import load_model
from symfind.models.modules import plain_module
from symfind.models.network import Layer

SAVES: dict[str, Callable[..., Path]] = {
    "scripted": lambda network, path, *shape: zoo.script(network, path),
    "frozen": lambda network, path, *shape: zoo.freeze(network, path),
    "traced": zoo.trace,
    "exported": zoo.export,
}


@pytest.mark.parametrize("form", SAVES)
def test_order_is_that_of_execution(form: str, tmp_path: Path) -> None:
    network = zoo.seeded(zoo.OutOfOrder)
    assert next(iter(dict(network.named_parameters()))) == "last.weight"  # declared first, acts last
    model = load_model(SAVES[form](network, tmp_path / "model.pt", 3))
    steps = model.layers()
    assert [step.kind for step in steps] == ["linear", "silu", "linear", "tanh", "linear"]
    assert model.is_sequential
    layers = [step for step in steps if isinstance(step, Layer)]
    names = ["body.0", "middle", "last"]
    parameters = dict(network.named_parameters())
    for layer, name in zip(layers, names, strict=True):
        assert torch.equal(layer.weight, parameters[f"{name}.weight"])  # float32 as in the file
        assert layer.path == (None if form == "frozen" else f"{name}.weight")
        if name == "middle":
            assert layer.bias is None
        else:
            assert layer.bias is not None and torch.equal(layer.bias, parameters[f"{name}.bias"])
            assert layer.attributes["bias_path"] == (None if form == "frozen" else f"{name}.bias")


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Return σ as torch offers it by that name."""
    given: dict[str, Callable[[Tensor], Tensor]] = {
        "log_sigmoid": fn.logsigmoid,
        "softsign": nn.Softsign(),
        "gelu": lambda x: fn.gelu(x, approximate="tanh"),
        "elu": lambda x: fn.elu(x, 0.3),
        "celu": lambda x: fn.celu(x, 0.3),
        "softplus": lambda x: fn.softplus(x, 2.0),
        "leaky_relu": lambda x: fn.leaky_relu(x, 0.3),
        "hardtanh": lambda x: fn.hardtanh(x, -0.2, 0.4),
        "softmax": lambda x: x.softmax(-1),
        "log_softmax": lambda x: x.log_softmax(-1),
    }
    return given.get(name) or getattr(torch, name, None) or getattr(fn, name)


class Activated(nn.Module):
    def __init__(self, sigma: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.sigma = sigma

    def forward(self, x: Tensor) -> Tensor:
        return self.sigma(self.a(x))


# softsign is x / (1 + |x|) in torch's graphs; exporting is slow, and reads the same operators.
SPELLED = [("traced", name) for name in sorted(set(ACTIVATIONS) - {"softsign"})]
SPELLED += [("exported", name) for name in ("gelu", "leaky_relu", "elu", "softmax")]


@pytest.mark.parametrize(("form", "name"), SPELLED)
def test_each_activation_is_read_with_its_constants(name: str, form: str, tmp_path: Path) -> None:
    network = zoo.seeded(lambda: Activated(activation(name)))
    model = load_model(SAVES[form](network, tmp_path / "model.pt", 3))
    assert model.is_sequential
    assert len(model.layers()) == 2
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain_module(model.layers())(x).detach(), network(x).detach())


class Chain(nn.Module):
    """One of several spellings of a chain."""

    def __init__(self, spelling: str) -> None:
        super().__init__()
        self.spelling = spelling
        self.a = nn.Linear(12, 6)
        self.w = nn.Parameter(torch.randn(6, 4))
        self.c = nn.Parameter(torch.randn(4))
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        h = x.view(x.size(0), -1) if self.spelling == "sized" else x.reshape(-1, 12)
        h = torch.tanh(self.dropout(self.a(h)))
        if self.spelling == "matmul":
            return h @ self.w
        if self.spelling == "addmm":
            return torch.addmm(self.c, h, self.w)
        return fn.linear(h, self.w.t())


@pytest.mark.parametrize("spelling", ["sized", "matmul", "addmm", "linear"])
@pytest.mark.parametrize("form", ["traced", "exported"])
def test_spellings_of_a_chain(spelling: str, form: str, tmp_path: Path) -> None:
    network = zoo.seeded(lambda: Chain(spelling))
    model = load_model(SAVES[form](network, tmp_path / "model.pt", 3, 4))
    assert model.is_sequential
    assert [step.kind for step in model.layers()] == ["flatten", "linear", "tanh", "linear"]
    last = model.layers()[-1]
    assert isinstance(last, Layer)
    assert last.attributes.get("transposed") and last.path == "w"
    assert torch.equal(last.weight, network.w.t())
    assert (last.attributes["bias_path"] == "c") == (spelling == "addmm")
    x = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain_module(model.layers())(x).detach(), network(x).detach())


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("form", SAVES)
@pytest.mark.parametrize("padding", ["same", "valid", (2, 1)])
def test_convolution(form: str, padding: str | tuple[int, int], tmp_path: Path) -> None:
    # An even kernel with an odd dilation is padded unevenly, of which torch warns.
    network = zoo.seeded(
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, (3, 2), padding=padding, dilation=(2, 1), groups=2), nn.ReLU(), nn.Conv2d(4, 3, 2, 2)
        )
    )
    model = load_model(SAVES[form](network, tmp_path / "model.pt", 2, 6, 7))
    x = torch.randn(3, 2, 6, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain_module(model.layers())(x).detach(), network(x).detach())
    assert model.input_width == 2
    assert model.is_sequential


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(torch.tanh(self.a(x)))


class Split(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        g = self.b(x)  # takes x, not h
        return g + 0 * h


def test_layer_used_twice_is_listed_twice(tmp_path: Path) -> None:
    model = load_model(zoo.script(zoo.seeded(Shared), tmp_path / "model.pt"))
    assert [getattr(step, "path", None) for step in model.layers()] == ["a.weight", None, "a.weight"]
    assert model.is_sequential


@pytest.mark.parametrize("form", ["scripted", "traced", "exported"])
@pytest.mark.parametrize(
    "make", [zoo.Skipping, Split, zoo.Radius, lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Tanh())]
)
def test_other_graphs_are_not_called_sequential(make: Callable[[], nn.Module], form: str, tmp_path: Path) -> None:
    network = zoo.seeded(make)
    model = load_model(SAVES[form](network, tmp_path / "model.pt", 3))
    assert not model.is_sequential
    weights = [name for name in dict(network.named_parameters()) if name in ("a.weight", "b.weight", "0.weight")]
    assert [step.path for step in model.layers() if isinstance(step, Layer)] == weights


def test_branches_and_loops_are_not_called_sequential(tmp_path: Path) -> None:
    model = load_model(zoo.script(zoo.seeded(zoo.Branching), tmp_path / "model.pt"))
    assert not model.is_sequential
    assert [step.path for step in model.layers() if isinstance(step, Layer)] == ["a.weight", "b.weight"]


def test_padding_that_keeps_the_size() -> None:
    assert padding_pairs("same", (3, 2), (1, 1)) == ((1, 1), (0, 1))
    assert padding_pairs("valid", (3, 2), (1, 1)) == ((0, 0), (0, 0))
    assert padding_pairs([2], (3, 2), (1, 1)) == ((2, 2), (2, 2))
