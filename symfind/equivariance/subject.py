"""The model that is to be made equivariant, as a map, as a module that can be saved, and the rows it is judged on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from symfind.errors import UsageError
from symfind.models.exported import scripted_graph
from symfind.models.loading import load_network
from symfind.models.model import Model, load_model
from symfind.models.modules import InBatches, plain_module
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
        ``torchscript``, ``torch.export`` or ``checkpoint``.
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

    def module(self, form: str = "torchscript") -> nn.Module:
        """The network as it is, in the file's own dtype, as a part of a file of kind ``form``.

        A graph of ``torch.export`` is called operation by operation, never taken apart into layers; one that takes
        so many rows and no others is called with just these.

        Raises
        ------
        UsageError
            An operation of such a graph that TorchScript does not have, by name; a TorchScript module for an archive
            of ``torch.export``.
        """
        network = self.stored()
        module = network.module
        if isinstance(module, fx.GraphModule):
            if form == "torchscript":
                module = scripted_graph(module, str(self.path))
            most = network.batch[1]
            return module if most is None else InBatches(module, most)
        if self.format == "checkpoint":
            return plain_module(network.steps)
        if form == "torch.export":
            raise UsageError(
                f"{self.path}: a TorchScript module cannot be a part of a torch.export archive; give an --output that "
                "ends in .pt"
            )
        return module

    @property
    def only_batch(self) -> int | None:
        """The number of rows of a call, where the file takes just that one."""
        least, most = self.model.batch
        return least if least == most else None

    @property
    def dtype(self) -> torch.dtype:
        """The type in which the file computes; float64 for a network without numbers of its own."""
        return self.model.stored_dtype or torch.float64

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
    return load_network(path, torch.device("cpu"), trust=trust)


def evaluated(path: Path, x: Tensor, trust: bool) -> Model:
    """The model of a file as a user meets it, in the file's own dtype, ready for rows like x."""
    own = stored_network(path, trust).dtype or torch.float64
    return load_model(path, dtype=own, trust=trust, bound=False).bind(tuple(x.shape[1:]), x, derivatives=False)
