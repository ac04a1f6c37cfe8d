"""Torch modules for use in training code: averages over groups, and networks of intertwiners."""

from symfind.enforce.equivariant_modules import EquivariantLinear, EquivariantMLP, GatedProduct
from symfind.nn.group_average import GroupAverage

__all__ = ["EquivariantLinear", "EquivariantMLP", "GatedProduct", "GroupAverage"]
