"""Checkpoints of sequential networks: symfind's own, and those that Keras wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import model_zoo as zoo
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from symfind.data.files import CHECKPOINT_FORMAT
from symfind.errors import InputError
from symfind.models.checkpoint import write_checkpoint
from symfind.models.keras import _same
from symfind.models.model import load_model
from symfind.models.network import Activation, Layer, Rearrangement, Step

KERAS = Path(__file__).parents[1] / "data" / "keras"


def convolution(weight: Tensor, bias: Tensor | None, padding: tuple[tuple[int, int], ...]) -> Layer:
    dims = weight.ndim - 2
    return Layer(
        f"conv{dims}d",
        "anywhere",
        weight,
        bias,
        {"stride": (2,) * dims, "padding": padding, "dilation": (1,) * dims, "groups": 1},
    )


def mixed(dtype: torch.dtype) -> list[Step]:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return [
        Rearrangement("permute", {"axes": (2, 0, 1)}),
        convolution(random(3, 2, 2, 3), random(3), ((1, 0), (0, 2))),
        Activation("leaky_relu", {"negative_slope": 0.25}),
        convolution(random(2, 3, 1, 1), None, ((0, 0), (0, 0))),
        Rearrangement("flatten"),
        Layer("linear", None, random(4, 4), random(4)),
        Activation("softmax", {"dim": -1}),
    ]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_round_trip_is_exact(dtype: torch.dtype, tmp_path: Path) -> None:
    steps = mixed(dtype)
    write_checkpoint(tmp_path / "a.h5", steps, (4, 5, 2), {"origin": "a test"})
    model = load_model(tmp_path / "a.h5")
    assert model.format == "checkpoint"
    assert model.input_shape == (4, 5, 2)
    assert model.is_sequential
    for step, original in zip(model.layers(), steps, strict=True):
        assert type(step) is type(original) and step.kind == original.kind
        if isinstance(step, Layer) and isinstance(original, Layer):
            assert step.weight.dtype == dtype
            assert torch.equal(step.weight, original.weight)
            assert (step.bias is None) == (original.bias is None)
            if step.bias is not None and original.bias is not None:
                assert torch.equal(step.bias, original.bias)
            assert all(step.attributes[key] == value for key, value in original.attributes.items())
        else:
            assert step == original
    write_checkpoint(tmp_path / "b.h5", model.layers(), model.input_shape, {"origin": "a test"})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_values_of_a_checkpoint_are_those_of_the_formula(tmp_path: Path) -> None:
    w, b = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]]), torch.tensor([0.1, 0.2, 0.3])
    write_checkpoint(tmp_path / "a.h5", [Layer("linear", None, w, b), Activation("tanh")], (2,))
    model = load_model(tmp_path / "a.h5")
    x = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    y, dy = model.value_and_jacobian(x)
    expected = torch.tanh(x @ w.double().t() + b.double())
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(dy[0], (1 - expected[0] ** 2)[:, None] * w.double())


def test_torchscript_becomes_a_checkpoint(tmp_path: Path) -> None:
    for make, shape in ((zoo.OutOfOrder, (3,)), (zoo.Convolutional, (2, 5, 4))):
        original = load_model(zoo.script(zoo.seeded(make), tmp_path / "model.pt")).bind(shape)
        write_checkpoint(tmp_path / "model.h5", original.layers(), shape)
        x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        torch.testing.assert_close(load_model(tmp_path / "model.h5")(x), original(x))


def test_deep_network(tmp_path: Path) -> None:
    layer = Layer("linear", None, torch.eye(2), torch.zeros(2))
    write_checkpoint(tmp_path / "deep.h5", [layer, Activation("relu")] * 300, (2,))
    x = torch.rand(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(load_model(tmp_path / "deep.h5")(x), x)


def test_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    write_checkpoint(path, [Layer("linear", None, torch.eye(2), None)], (2,))
    before = path.read_bytes()

    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(h5py.File, "create_dataset", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, [Layer("linear", None, 2 * torch.eye(2), None)], (2,))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


LINEAR = Layer("linear", "w", torch.ones(2, 3), torch.ones(2))


@pytest.mark.parametrize(
    ("steps", "shape", "word"),
    [
        ([LINEAR], (4,), "'w'"),
        ([LINEAR, LINEAR], (3,), "rows of shape (2,)"),
        ([Layer("linear", "w", torch.ones(2, 3), torch.ones(3))], (3,), "bias"),
        ([Layer("attention", "w", torch.ones(2, 3), None)], (3,), "unknown layer"),
        ([Activation("warp")], (3,), "unknown activation"),
        ([Rearrangement("permute", {"axes": (0, 0)})], (3, 3), "each axis once"),
        ([Layer("linear", "w", torch.ones(2, 3, dtype=torch.bfloat16), None)], (3,), "bfloat16"),
        ([convolution(torch.ones(1, 1, 5, 5), None, ((0, 0), (0, 0)))], (1, 3, 3), "conv2d"),
        ([convolution(torch.ones(1, 2, 2, 2), None, ((0, 0), (0, 0)))], (1, 3, 3), "conv2d"),
    ],
)
def test_steps_that_do_not_fit_are_not_written(
    steps: list[Step], shape: tuple[int, ...], word: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        write_checkpoint(tmp_path / "a.h5", steps, shape)
    assert word in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def rewrite(path: Path, change: Callable[[Any], None]) -> None:
    with h5py.File(path, "r+") as file:
        network = json.loads(file.attrs["network"])
        change(network)
        file.attrs["network"] = json.dumps(network)


def swap(path: Path, name: str, value: Any) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda path: swap(path, "layers/000/weight", None), "no dataset"),
        (lambda path: swap(path, "layers/000/weight", h5py.ExternalLink("/etc/hostname", "x")), "external link"),
        (lambda path: swap(path, "layers/000/weight", np.full((2, 3), np.nan)), "not finite"),
        (lambda path: swap(path, "layers/000/weight", np.ones((2, 3), dtype=int)), "dtype int64"),
        (lambda path: swap(path, "layers/000/weight", np.ones((2, 4))), "rows of shape (3,)"),
        (lambda path: swap(path, "layers/000/weight", 1.0), "no layer has such weights"),
        (lambda path: rewrite(path, lambda network: network.pop("input_shape")), "input_shape"),
        (lambda path: rewrite(path, lambda network: network["steps"].append("tanh")), "does not describe"),
        (lambda path: rewrite(path, lambda network: network["steps"].append({"kind": "warp"})), "'warp'"),
        (lambda path: rewrite(path, lambda network: network["steps"][0].update(weight="../x")), "'../x'"),
        (lambda path: h5py.File(path, "r+").attrs.update({"format": "symfind.sequential/2"}), "newer"),
        (lambda path: h5py.File(path, "r+").attrs.update({"network": "{"}), "does not describe"),
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), "truncated"),
    ],
)
def test_damaged_checkpoints(damage: Callable[[Path], None], word: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_checkpoint(path, [LINEAR, Activation("tanh")], (3,))
    damage(path)
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_layout_as_documented(tmp_path: Path) -> None:
    """The file of docs/checkpoints.md, written with h5py alone."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["format"] = CHECKPOINT_FORMAT
        file.attrs["network"] = json.dumps(
            {
                "input_shape": [2],
                "steps": [
                    {"kind": "linear", "weight": "layers/000/weight", "bias": "layers/000/bias"},
                    {"kind": "leaky_relu", "negative_slope": 0.1},
                    {"kind": "linear", "weight": "layers/002/weight"},
                ],
            }
        )
        file["layers/000/weight"] = [[1.0, -1.0], [2.0, 0.0], [0.0, 1.0]]
        file["layers/000/bias"] = [0.0, 1.0, -5.0]
        file["layers/002/weight"] = [[1.0, 1.0, 1.0]]
    # x = (3, 1): (2, 7, -4) → (2, 7, -0.4) → 8.6
    y = load_model(tmp_path / "a.h5")(torch.tensor([[3.0, 1.0]]))
    torch.testing.assert_close(y, torch.tensor([[8.6]], dtype=torch.float64))


@pytest.mark.parametrize("name", ["dense", "conv2d"])
def test_file_written_by_keras(name: str) -> None:
    model = load_model(KERAS / f"{name}.h5")
    answers = json.loads((KERAS / f"{name}.json").read_text())
    x = torch.tensor(answers["x"], dtype=torch.float64)
    assert model.format == "keras"
    assert model.is_sequential
    assert model.input_shape == tuple(x.shape[1:])
    # Keras computed in float32.
    torch.testing.assert_close(model(x), torch.tensor(answers["y"], dtype=torch.float64), rtol=1e-5, atol=1e-6)


def test_layers_of_a_keras_file() -> None:
    kinds = [step.kind for step in load_model(KERAS / "dense.h5").layers()]
    assert kinds == ["linear", "gelu", "leaky_relu", "linear", "silu", "softplus", "linear"]
    first = load_model(KERAS / "dense.h5").layers()[0]
    assert isinstance(first, Layer)
    with h5py.File(KERAS / "dense.h5") as file:
        assert np.array_equal(file[str(first.path)][()].T, first.weight.numpy())


def keras_copy(name: str, folder: Path, change: Callable[[Any, h5py.File], None]) -> Path:
    path = Path(shutil.copy(KERAS / f"{name}.h5", folder / f"{name}.h5"))
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config, file)
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_names_and_shapes_of_keras_2(tmp_path: Path) -> None:
    def age(config: Any, file: h5py.File) -> None:
        layers = config["config"]["layers"]
        config["config"].pop("build_input_shape", None)
        layers.pop(0)  # no InputLayer: the first layer carries the shape
        layers[0]["config"]["batch_input_shape"] = [None, 3]
        layers[1]["config"]["alpha"] = layers[1]["config"].pop("negative_slope")
        for group in list(file["model_weights"]):
            for kind in ("kernel", "bias"):
                old = f"model_weights/{group}/sequential/{group}/{kind}"
                if old in file:
                    file[f"model_weights/{group}/{group}/{kind}:0"] = file[old][()]
                    del file[old]
        file.attrs["keras_version"] = "2.15.0"

    model = load_model(keras_copy("dense", tmp_path, age))
    answers = json.loads((KERAS / "dense.json").read_text())
    y = model(torch.tensor(answers["x"], dtype=torch.float64))
    torch.testing.assert_close(y, torch.tensor(answers["y"], dtype=torch.float64), rtol=1e-5, atol=1e-6)


def layer(config: Any, kind: str) -> Any:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == kind)


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("dense", lambda config, file: config.update(class_name="Functional"), "expected Sequential"),
        ("dense", lambda config, file: layer(config, "Dense").update(class_name="LSTM"), "is a LSTM"),
        ("dense", lambda config, file: layer(config, "Dense")["config"].update(activation="warp"), "'warp'"),
        ("dense", lambda config, file: layer(config, "InputLayer")["config"].update(batch_shape=[None, None]), "fix"),
        ("dense", lambda config, file: layer(config, "InputLayer")["config"].update(batch_shape=[None, 4]), "(4,)"),
        ("dense", lambda config, file: file.__delitem__("model_weights/dense"), "no weights 'kernel'"),
        ("dense", lambda config, file: config.pop("config"), "cannot be read"),
        ("conv2d", lambda config, file: file.attrs.update(keras_version="2.15.0"), "hard_sigmoid"),
        ("conv2d", lambda config, file: layer(config, "ReLU")["config"].update(threshold=1.0), "threshold"),
        ("conv2d", lambda config, file: layer(config, "Conv2D")["config"].update(padding="causal"), "'causal'"),
    ],
)
def test_keras_files_that_cannot_be_used(
    name: str, change: Callable[[Any, h5py.File], None], word: str, tmp_path: Path
) -> None:
    path = keras_copy(name, tmp_path, change)
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_keras_weights_without_a_model(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = ["dense"]
        file["dense/kernel:0"] = np.ones((3, 2))
    with pytest.raises(InputError, match="save the whole model"):
        load_model(tmp_path / "weights.h5")


@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 5), dilation=st.integers(1, 3))
def test_same_padding_gives_the_size_over_the_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    before, after = _same(size, kernel, stride, dilation)
    assert after - before in (0, 1)
    reach = dilation * (kernel - 1) + 1
    starts = [start for start in range(0, size + before + after - reach + 1, stride)]
    assert len(starts) == -(-size // stride)
