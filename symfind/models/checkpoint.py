"""HDF5 checkpoints of sequential networks in symfind's own layout (docs/checkpoints.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind.data import hdf5
from symfind.data.files import CHECKPOINT_FORMAT, appearing_whole
from symfind.errors import InputError
from symfind.models.network import Activation, Layer, Network, Rearrangement, Step
from symfind.models.sequential import sequential_network, shape_after
from symfind.models.stored_weights import stored_tensor

_REARRANGEMENTS = ("flatten", "permute")


def write_checkpoint(
    path: Path, steps: Sequence[Step], input_shape: tuple[int, ...], provenance: Mapping[str, str] | None = None
) -> None:
    """Write F = σ_L ∘ W_L ∘ … ∘ W₁; reading it back gives the same weights bit by bit.

    The file appears under its name only when it is whole.

    Parameters
    ----------
    path
        The file to make; one that is there is replaced.
    steps
        Layers, activations and rearrangements in execution order; weights of float16, float32 or float64.
    input_shape
        Shape of one row of x.
    provenance
        Text attributes to keep with the network (where it came from, what was done to it).

    Raises
    ------
    InputError
        Steps that do not fit one another, weights of another type, or a folder that cannot be written.
    """
    shape = input_shape
    datasets: dict[str, Any] = {}
    described: list[dict[str, Any]] = []
    for i, step in enumerate(steps):
        shape = shape_after(str(path), step, shape)
        entry: dict[str, Any] = {"kind": step.kind}
        if isinstance(step, Layer):
            for name, tensor in (("weight", step.weight), ("bias", step.bias)):
                if tensor is not None:
                    entry[name] = f"layers/{i:03d}/{name}"
                    datasets[entry[name]] = _array(path, entry[name], tensor)
            if step.kind != "linear":
                entry |= {key: step.attributes[key] for key in ("stride", "padding", "dilation", "groups")}
        else:
            entry |= step.attributes
        described.append(entry)
    network = json.dumps({"input_shape": list(input_shape), "steps": described})
    with appearing_whole(path) as part:
        attributes = {**(provenance or {}), "format": CHECKPOINT_FORMAT, "network": network}
        hdf5.write(part, datasets, attributes)


def _array(path: Path, name: str, tensor: Tensor) -> Any:
    if tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        raise InputError(f"{path}: '{name}' has dtype {tensor.dtype}; convert it to float32 or float64")
    if tensor.numel() == 0:
        raise InputError(f"{path}: '{name}' is empty (shape {tuple(tensor.shape)}); leave that layer out")
    return tensor.detach().cpu().contiguous().numpy()


def load_checkpoint(path: Path, device: torch.device) -> Network:
    """Load a sequential network from symfind's checkpoint.

    Raises
    ------
    InputError
        No checkpoint, damaged, of a later version, or with steps that do not fit one another.
    """
    with hdf5.opened(path) as file:
        form = _text(file, "format")
        if form != CHECKPOINT_FORMAT:
            if form.startswith("symfind.sequential/"):
                raise InputError(f"{path}: format '{form}' is newer than '{CHECKPOINT_FORMAT}'; update symfind")
            raise InputError(
                f"{path}: HDF5, but no network in it (no format '{CHECKPOINT_FORMAT}'); see docs/checkpoints.md"
            )
        try:
            network = json.loads(_text(file, "network"))
            input_shape = tuple(int(size) for size in network["input_shape"])
            steps = [_step(file, entry) for entry in network["steps"]]
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            raise InputError(
                f"{path}: its attribute 'network' does not describe a network ({type(error).__name__}: {error}); "
                "see docs/checkpoints.md"
            ) from None
        return sequential_network(str(path), steps, input_shape, "checkpoint", device)


def _text(file: Any, key: str) -> str:
    """Return a text attribute of the root, "" if there is none."""
    return "".join(hdf5.root_text(file, key)[:1])


def _step(file: Any, entry: Mapping[str, Any]) -> Step:
    rest = {key: value for key, value in entry.items() if key not in ("kind", "weight", "bias")}
    kind = str(entry["kind"])
    if kind in _REARRANGEMENTS:
        if kind == "permute":
            rest["axes"] = tuple(int(axis) for axis in rest["axes"])
        return Rearrangement(kind, rest)
    if "weight" not in entry:
        return Activation(kind, rest)
    if kind != "linear":
        rest = {
            "stride": tuple(int(n) for n in rest["stride"]),
            "padding": tuple((int(before), int(after)) for before, after in rest["padding"]),
            "dilation": tuple(int(n) for n in rest["dilation"]),
            "groups": int(rest["groups"]),
        }
    bias = entry.get("bias")
    return Layer(
        kind,
        str(entry["weight"]),
        stored_tensor(file, str(entry["weight"])),
        None if bias is None else stored_tensor(file, str(bias)),
        {"bias_path": bias, **rest},
    )
