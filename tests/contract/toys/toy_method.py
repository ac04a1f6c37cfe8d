"""An enforcement method from outside: F at the origin, where no linear group moves anything."""

import torch
from torch import nn

from symfind.equivariance.candidates import Made
from symfind.equivariance.methods.method import Method
from symfind.equivariance.methods.registry import METHODS


class AtOrigin(nn.Module):
    """x ↦ F(0)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """F(0), a row for each of x."""
        return self.network(torch.zeros_like(x))


def at_origin(attempt):
    """The model with its input taken away."""
    return Made("origin", AtOrigin(attempt.subject.module()), "one point", ("origin: says the same everywhere",))


METHODS.register(Method(name="origin", make=at_origin))
