"""Any module made equivariant by the mean over a group, for training code."""

# No postponed annotations here: TorchScript reads the types of a class's attributes as they are.

from math import prod

import torch
from torch import nn

from symfind.equivariance.equivariance import Equivariance, compact
from symfind.equivariance.methods.average import SAMPLES, AveragedNetwork
from symfind.lie.groups.catalogue import Group, parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import natural_representation, trivial


class GroupAverage(AveragedNetwork):
    """F̄(x) = ∫_G ρ_out(g)⁻¹F(ρ_in(g)x) dg for a module F: ``(n, *input_shape)`` → ``(n, *output_shape)``.

    Gradients reach F's parameters; scriptable if F is. The cost is one evaluation of F a node.

    Parameters
    ----------
    model
        F, rows independent.
    group
        A compact group, or its name.
    input_shape, output_shape
        Of one row.
    rep_in
        Formula of ρ_in on the flattened row; copies of V when absent.
    rep_out
        Formula of ρ_out; invariant when absent.
    degree
        Of the Haar quadrature: matrix entries up to this power are integrated exactly. Finite groups are summed.
    max_nodes
        Beyond it the group is sampled, with this many nodes.

    Raises
    ------
    UsageError
        For a group that is not compact, or representations that do not fit the shapes.

    Examples
    --------
    >>> f = GroupAverage(nn.Linear(6, 1).double(), "c4", (6,), (1,), rep_in="3V")
    >>> f(torch.ones(5, 6, dtype=torch.float64)).shape
    torch.Size([5, 1])
    """

    def __init__(
        self,
        model: nn.Module,
        group: Group | str,
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        rep_in: str | None = None,
        rep_out: str | None = None,
        degree: int = 8,
        max_nodes: int = SAMPLES,
    ) -> None:
        known = parse_group(group) if isinstance(group, str) else group
        task = Equivariance(
            known,
            natural_representation(known, input_shape) if rep_in is None else parse_representation(known, rep_in),
            trivial(known, prod(output_shape)) if rep_out is None else parse_representation(known, rep_out),
            input_shape,
            output_shape,
        )
        rule = compact(known, "average").haar(degree, torch.Generator().manual_seed(0), max_nodes)
        super().__init__(model, task, rule, input_shape)
