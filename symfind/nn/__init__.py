"""Torch modules for use in training code: averages over groups, networks of intertwiners, Lie algebra convolutions."""

from symfind.equivariance.equivariant_modules import EquivariantLinear, EquivariantMLP, GatedProduct
from symfind.nn.group_average import GroupAverage
from symfind.nn.lconv import FieldGenerators, FullGenerators, InvariantPool, LConv, LowRankGenerators, ResidualLConv

__all__ = [
    "EquivariantLinear",
    "EquivariantMLP",
    "FieldGenerators",
    "FullGenerators",
    "GatedProduct",
    "GroupAverage",
    "InvariantPool",
    "LConv",
    "LowRankGenerators",
    "ResidualLConv",
]
