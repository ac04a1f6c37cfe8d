"""The model that is to be made equivariant, as a map, as a module that can be saved, and the rows it is judged on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from symfind.equivariance.plain_modules import plain_module
from symfind.models.model import Model, load_model
from symfind.models.model_file import model_format
from symfind.models.network import Layer, Network, Step


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model and the rows it is judged on.

    Attributes
    ----------
    path
        The model file.
    model
        F as a map in float64 (in its own type where it cannot be converted).
    format
        ``torchscript``, ``torch.export``, ``checkpoint`` or ``keras``.
    x
        Rows ``(n, *input_shape)`` on which errors and changes are measured.
    y
        Targets of those rows, if there are any.
    trust
        Whether the user trusts the file's code.
    """

    path: Path
    model: Model
    format: str
    x: Tensor
    y: Tensor | None
    trust: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """Layers and activations in execution order, weights in the dtype of the file."""
        return self.model.layers()

    @property
    def fed_shape(self) -> tuple[int, ...]:
        """Shape in which a row goes into the network."""
        network, shape = self.stored(), self.model.input_shape
        if network.input_shape is not None:
            return network.input_shape
        return shape if network.first_layer is None else network.first_layer.row_shape(shape) or shape

    def stored(self) -> Network:
        """The network as it was stored, in its own dtype, apart from the one that is evaluated."""
        return stored_network(self.path, self.trust)

    def module(self) -> nn.Module:
        """A module that TorchScript can save, in the file's own dtype.

        The graph of a ``torch.export`` archive cannot be scripted; the layers that are read from it can.

        Raises
        ------
        InputError
            If the layers of such an archive, or of a checkpoint, cannot be read one after the other.
        """
        return self.stored().module if self.format == "torchscript" else plain_module(self.stored().steps)

    def widest(self) -> int:
        """Numbers in the widest activation of one row, as far as the layers tell."""
        width = max(int(self.x[0].numel()), 1)
        area = 1
        for step in self.steps:
            if isinstance(step, Layer):
                if step.kind != "linear":
                    # Convolutions keep the area of the image or shrink it.
                    area = max(area, int(self.x[0].numel()) // max(1, step.weight.shape[1]))
                width = max(width, step.weight.shape[0] * (area if step.kind != "linear" else 1))
        return width


def stored_network(path: Path, trust: bool) -> Network:
    """Load the network of a file afresh, without conversion."""
    form = model_format(path, trust=trust)
    cpu = torch.device("cpu")
    if form == "torchscript":
        from symfind.models.torchscript import load_torchscript

        return load_torchscript(path, cpu)
    if form == "torch.export":
        from symfind.models.exported import load_exported

        return load_exported(path, cpu)
    from symfind.models.checkpoint import load_checkpoint

    return load_checkpoint(path, cpu)


def evaluated(path: Path, x: Tensor, trust: bool) -> Model:
    """The model of a file, ready for rows like x."""
    return load_model(path, trust=trust).bind(tuple(x.shape[1:]), x)
