"""An enforcement method from outside: F at a point of the same size, which turns do not move."""

import torch
from torch import nn

from symfind.equivariance.candidates import Made
from symfind.equivariance.methods.method import Method
from symfind.equivariance.methods.registry import METHODS


class AlongOneAxis(nn.Module):
    """x ↦ F(|x|e₁)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """F(|x|e₁), a row for each of x."""
        size = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return self.network(torch.cat([size, torch.zeros_like(x[:, 1:])], 1))


def along_one_axis(attempt):
    """The model with the direction of its input taken away."""
    return Made("axis", AlongOneAxis(attempt.subject.module()), "one axis", ("axis: says the same along all others",))


METHODS.register(Method(name="axis", make=along_one_axis))
