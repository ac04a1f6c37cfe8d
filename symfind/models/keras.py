"""Sequential networks in the legacy HDF5 files of Keras (``model.save("model.h5")``).

Keras keeps W of a dense layer as ``(in, out)`` and of a convolution as ``(*kernel, in, out)``, and its rows are
``(height, width, channels)``; torch keeps ``(out, in, *kernel)`` and works on ``(channels, height, width)``.
Layout: https://github.com/keras-team/keras, ``keras/src/legacy/saving/legacy_h5_format.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind.data import hdf5
from symfind.errors import InputError
from symfind.models.network import Activation, Layer, Network, Rearrangement, Step
from symfind.models.sequential import sequential_network, shape_after
from symfind.models.stored_weights import stored_tensor

# What Keras applies in training only.
_TRAINING_ONLY = {
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
}
# Keras' activation functions, with Keras' own constants where they differ from torch's.
_FUNCTIONS: Mapping[str, tuple[Activation, ...]] = {
    "linear": (),
    "relu": (Activation("relu"),),
    "relu6": (Activation("relu6"),),
    "tanh": (Activation("tanh"),),
    "sigmoid": (Activation("sigmoid"),),
    "silu": (Activation("silu"),),
    "swish": (Activation("silu"),),
    "gelu": (Activation("gelu", {"approximate": "none"}),),
    "elu": (Activation("elu", {"alpha": 1.0}),),
    "selu": (Activation("selu"),),
    "celu": (Activation("celu", {"alpha": 1.0}),),
    "mish": (Activation("mish"),),
    "softplus": (Activation("softplus"),),
    "softsign": (Activation("softsign"),),
    "exponential": (Activation("exp"),),
    "log_sigmoid": (Activation("log_sigmoid"),),
    "leaky_relu": (Activation("leaky_relu", {"negative_slope": 0.2}),),
    "softmax": (Activation("softmax", {"dim": -1}),),
    "log_softmax": (Activation("log_softmax", {"dim": -1}),),
    "hard_silu": (Activation("hardswish"),),
    "hard_swish": (Activation("hardswish"),),
    "hard_sigmoid": (Activation("hardsigmoid"),),
}
_TO_CHANNELS_FIRST = (2, 0, 1)
_TO_CHANNELS_LAST = (1, 2, 0)


def load_keras(path: Path, file: Any, model_config: str, version: str, device: torch.device) -> Network:
    """Load a Keras ``Sequential`` of Dense, Conv2D, Flatten, activations and layers that act in training only.

    Rows keep Keras' shape: an image is ``(height, width, channels)``.

    Raises
    ------
    InputError
        Another kind of model or layer, weights that are missing, or a description that cannot be read.
    """
    try:
        model = json.loads(model_config)
        if model["class_name"] != "Sequential":
            raise InputError(
                f"{path}: a Keras model of class '{model['class_name']}', expected Sequential; export it to TorchScript"
            )
        reader = _Reader(path, file, version)
        return reader.network(model["config"], device)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise InputError(
            f"{path}: Keras' model_config cannot be read ({type(error).__name__}: {error}); save the model again"
        ) from None


@dataclass
class _Reader:
    path: Path
    file: Any
    version: str
    steps: list[Step] = field(default_factory=list)
    shape: tuple[int, ...] = ()

    def network(self, config: Any, device: torch.device) -> Network:
        layers = config["layers"] if isinstance(config, dict) else config  # a bare list before Keras 2.2.3
        shape = next((found for found in map(_input_shape, layers) if found), None)
        if shape is None and isinstance(config, dict):
            shape = config.get("build_input_shape")
        sizes = [size for size in shape[1:] if size is not None] if shape else []
        if shape is None or len(sizes) < len(shape) - 1:
            raise InputError(
                f"{self.path}: the Keras model does not fix the shape of its input ({shape}); begin it with an Input "
                "layer of fixed shape"
            )
        input_shape = tuple(int(size) for size in sizes)
        self.shape = input_shape
        for layer in layers:
            self._take(layer["class_name"], layer["config"])
        return sequential_network(str(self.path), self.steps, input_shape, "keras", device)

    def _add(self, step: Step) -> None:
        last = self.steps[-1] if self.steps else None
        self.shape = shape_after(str(self.path), step, self.shape)
        if isinstance(step, Rearrangement) and isinstance(last, Rearrangement) and step.kind == last.kind == "permute":
            if [last.attributes["axes"][axis] for axis in step.attributes["axes"]] == sorted(last.attributes["axes"]):
                self.steps.pop()  # there and back again
                return
        self.steps.append(step)

    def _take(self, kind: str, config: Mapping[str, Any]) -> None:
        name = config.get("name", kind)
        if kind == "InputLayer" or kind in _TRAINING_ONLY:
            return
        if kind == "Dense":
            self._dense(name, config)
        elif kind == "Conv2D":
            self._convolution(name, config)
        elif kind == "Flatten":
            if config.get("data_format") == "channels_first" and len(self.shape) == 3:
                self._add(Rearrangement("permute", {"axes": _TO_CHANNELS_LAST}))
            self._add(Rearrangement("flatten"))
        elif kind == "Activation":
            self._activate(name, config["activation"])
        elif kind in _ACTIVATION_LAYERS:
            for activation in _ACTIVATION_LAYERS[kind](config, len(self.shape)):
                self._add(activation)
        else:
            raise InputError(
                f"{self.path}: layer '{name}' is a {kind}, expected Dense, Conv2D, Flatten or an activation; export "
                "the model to TorchScript"
            )

    def _dense(self, name: str, config: Mapping[str, Any]) -> None:
        path, kernel = self._weights(name, "kernel")
        bias_path, bias = self._weights(name, "bias") if config.get("use_bias", True) else (None, None)
        self._add(Layer("linear", path, kernel.t().contiguous(), bias, {"bias_path": bias_path}))
        self._activate(name, config.get("activation", "linear"))

    def _convolution(self, name: str, config: Mapping[str, Any]) -> None:
        path, kernel = self._weights(name, "kernel")
        bias_path, bias = self._weights(name, "bias") if config.get("use_bias", True) else (None, None)
        last = config.get("data_format", "channels_last") != "channels_first"
        if last:
            self._add(Rearrangement("permute", {"axes": _TO_CHANNELS_FIRST}))
        stride = tuple(int(n) for n in config["strides"])
        dilation = tuple(int(n) for n in config.get("dilation_rate", (1, 1)))
        padding = str(config["padding"])
        if padding not in ("same", "valid") or kernel.ndim != 4:
            raise InputError(
                f"{self.path}: layer '{name}' has padding '{padding}' and weights of shape {tuple(kernel.shape)}; "
                "expected 'same' or 'valid' and four axes"
            )
        pairs = tuple(
            _same(size, k, s, d) if padding == "same" else (0, 0)
            for size, k, s, d in zip(self.shape[1:], kernel.shape, stride, dilation, strict=False)
        )
        self._add(
            Layer(
                "conv2d",
                path,
                kernel.permute(3, 2, 0, 1).contiguous(),
                bias,
                {
                    "bias_path": bias_path,
                    "stride": stride,
                    "padding": pairs,
                    "dilation": dilation,
                    "groups": int(config.get("groups", 1)),
                },
            )
        )
        if last:
            self._add(Rearrangement("permute", {"axes": _TO_CHANNELS_LAST}))
        self._activate(name, config.get("activation", "linear"))

    def _activate(self, name: str, activation: Any) -> None:
        """Add an activation given by name, or as the function or layer that Keras wrote out."""
        if isinstance(activation, dict):
            kind = activation.get("class_name", "")
            if kind in _ACTIVATION_LAYERS:
                self._take(kind, activation["config"])
                return
            activation = activation.get("config", activation)
        activation = activation or "linear"
        # Before version 3 hard_sigmoid was another function.
        old = activation in ("hard_sigmoid", "hard_silu", "hard_swish") and not self.version.startswith("3.")
        if not isinstance(activation, str) or activation not in _FUNCTIONS or old:
            raise InputError(
                f"{self.path}: layer '{name}' has the activation {activation!r}, which is not known; known are "
                f"{', '.join(sorted(_FUNCTIONS))}"
            )
        for step in _FUNCTIONS[activation]:
            self._add(step)

    def _weights(self, layer: str, name: str) -> tuple[str, Tensor]:
        """Return path and values of the weights ``name`` (``name:0`` before Keras 3) of a layer."""
        prefix = f"model_weights/{layer}/"
        for stored in hdf5.listing(self.file):
            if stored.name.startswith(prefix) and stored.name.rpartition("/")[2].partition(":")[0] == name:
                return stored.name, stored_tensor(self.file, stored.name)
        raise InputError(f"{self.path}: no weights '{name}' of layer '{layer}'; save the whole model again")


def _input_shape(layer: Mapping[str, Any]) -> list[int | None] | None:
    config = layer["config"]
    found = config.get("batch_shape") or config.get("batch_input_shape")
    return list(found) if found else None


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the zeros that make the output ⌈size / stride⌉ long, the odd one at the end."""
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def _relu(config: Mapping[str, Any], dims: int) -> list[Activation]:
    top, slope = config.get("max_value"), float(config.get("negative_slope") or 0)
    if float(config.get("threshold") or 0) != 0 or (top is not None and slope != 0):
        raise ValueError("ReLU with a threshold, or with both a maximum and a slope, is not supported")
    if top is not None:
        return [Activation("hardtanh", {"min_val": 0.0, "max_val": float(top)})]
    return [Activation("leaky_relu", {"negative_slope": slope}) if slope else Activation("relu")]


def _leaky_relu(config: Mapping[str, Any], dims: int) -> list[Activation]:
    slope = config["negative_slope"] if "negative_slope" in config else config["alpha"]  # alpha before Keras 3
    return [Activation("leaky_relu", {"negative_slope": float(slope)})]


def _elu(config: Mapping[str, Any], dims: int) -> list[Activation]:
    return [Activation("elu", {"alpha": float(config.get("alpha", 1.0))})]


def _softmax(config: Mapping[str, Any], dims: int) -> list[Activation]:
    axis = config.get("axis", -1)
    if axis not in (-1, dims):
        raise ValueError(f"Softmax along axis {axis} is not supported, only along the last")
    return [Activation("softmax", {"dim": -1})]


_ACTIVATION_LAYERS: Mapping[str, Callable[[Mapping[str, Any], int], list[Activation]]] = {
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ELU": _elu,
    "Softmax": _softmax,
}
