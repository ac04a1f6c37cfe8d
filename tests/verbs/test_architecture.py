"""Weights without their network: state_dict, Lightning, safetensors; what is refused; nothing runs untrusted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from symfind.api import enforce, score
from symfind.errors import InputError, UsageError
from symfind.options.of_verbs import EnforceOptions, ScoreOptions
from symfind.verbs.given.architecture import built

CODE = """
from pathlib import Path
import torch

Path(__file__).with_name("ran").touch()


class Radial(torch.nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Linear(1, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner((x * x).sum(-1, keepdim=True))


class Sideways(Radial):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x[:, :1])


broken = 3
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(CODE, encoding="utf-8")
    torch.manual_seed(0)
    names = {"inner.0.weight": (8, 1), "inner.0.bias": (8,), "inner.2.weight": (1, 8), "inner.2.bias": (1,)}
    state = {name: torch.randn(shape) for name, shape in names.items()}
    torch.save(state, tmp_path / "weights.pt")
    lightning = {
        "state_dict": {f"model.{k}": v for k, v in state.items()},
        "epoch": 3,
        "hyper_parameters": {"width": 8},
    }
    torch.save(lightning, tmp_path / "weights.ckpt")
    pytest.importorskip("safetensors.torch").save_file(state, tmp_path / "weights.safetensors")
    return tmp_path


def asked(net: Path, weights: str, name: str, **more: object) -> ScoreOptions:
    named = {"architecture": f"{net / 'net.py'}:{name}", "trust_model": True, "shape": (2,), "n_samples": 64} | more
    return ScoreOptions(model=str(net / weights), group="so2", **named)  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", ["weights.pt", "weights.ckpt", "weights.safetensors"])
def test_a_symmetric_network_obeys_and_another_does_not(net: Path, weights: str) -> None:
    good = score(asked(net, weights, "Radial"))
    assert good.error.largest < 1e-5
    assert good.source.path == str(net / weights) and good.settings["model"] == str(net / weights)
    assert score(asked(net, weights, "Sideways")).error.largest > 0.1


def test_the_weights_are_those_of_the_file(net: Path) -> None:
    module = built(f"{net / 'net.py'}:Radial", net / "weights.ckpt", trust=True)
    state = torch.load(net / "weights.pt", weights_only=True)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_nothing_runs_untrusted(net: Path) -> None:
    with pytest.raises(UsageError, match="--trust-model"):
        score(asked(net, "weights.pt", "Radial", trust_model=False))
    assert not (net / "ran").exists()
    with pytest.raises(InputError, match="--architecture FILE.py:Class --trust-model"):
        enforce(EnforceOptions(model=str(net / "weights.pt"), group="so2", shape=(2,)), None)


@pytest.mark.parametrize(
    ("name", "words"), [("None_there", "no class"), ("broken", "no class"), ("Radial()", "no such file and class")]
)
def test_what_names_no_class_is_refused(net: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        score(asked(net, "weights.pt", name))


def test_weights_of_another_network_are_refused(net: Path) -> None:
    torch.save({"other": torch.ones(2)}, net / "other.pt")
    with pytest.raises(InputError, match="do not fit"):
        score(asked(net, "other.pt", "Radial"))
    torch.save([1, 2], net / "list.pt")
    with pytest.raises(InputError, match="no state_dict"):
        score(asked(net, "list.pt", "Radial"))
    (net / "damaged.safetensors").write_bytes(b"x" * 20)
    with pytest.raises(InputError, match=r"damaged\.safetensors"):
        score(asked(net, "damaged.safetensors", "Radial"))


def test_weights_are_enforced_and_the_file_named_is_the_one_given(net: Path, tmp_path: Path) -> None:
    options = EnforceOptions(
        model=str(net / "weights.pt"), group="so2", architecture=f"{net / 'net.py'}:Sideways", trust_model=True,
        shape=(2,), n_samples=64, method="average",
    )  # fmt: skip
    done = enforce(options, tmp_path / "out.pt")
    assert done.source.path == str(net / "weights.pt")
    assert done.error_after.largest < 0.01 * done.error_before.largest
    out = torch.jit.load(str(tmp_path / "out.pt"))
    x = torch.randn(8, 2)
    torch.testing.assert_close(out(x), out(x @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]])), rtol=1e-4, atol=1e-4)
