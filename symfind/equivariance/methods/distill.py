"""An equivariant network fitted to a teacher: cheap where the average is dear, and for groups without a mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.equivariant_modules import EquivariantMLP, Shaped
from symfind.lie.groups.intertwiners import invariants
from symfind.progress import Advance

_BATCH = 128
_RATE = 1e-2


def distilled_network(
    task: Equivariance,
    x: Tensor,
    target: Tensor,
    rng: torch.Generator,
    *,
    steps: int = 800,
    channels: int = 16,
    depth: int = 2,
    advance: Advance | None = None,
) -> EquivariantMLP:
    """An :class:`~symfind.equivariance.equivariant_modules.EquivariantMLP` G with G(x) ≈ target, by least squares.

    Parameters
    ----------
    task
        Group, representations, shapes.
    x
        Rows ``(n, *input_shape)``.
    target
        Values of the teacher there, ``(n, *output_shape)``.
    rng
        Of the first values and the batches.
    steps
        Of Adam, with a rate that falls to zero along a cosine.
    channels, depth
        Of the network.
    advance
        Told of the steps that are done.
    """
    flat, y = x.reshape(len(x), -1), target.reshape(len(x), -1)
    # Only the invariant part of the mean may be taken off and added again.
    space = invariants(task.rep_out)
    shift = space.project(y.mean(0)[:, None])[:, 0]
    size = float((y - shift).square().mean().sqrt()) or 1.0
    scale = float(flat.square().mean().sqrt()) or 1.0
    network = EquivariantMLP(
        task.rep_in,
        task.rep_out,
        channels,
        depth,
        output_shape=task.output_shape,
        scale=scale,
        coordinates=task.coordinates,
        rng=rng,
    )
    body = network.body[:-1]
    inside = (y - shift) / size
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    tell: Callable[[int], None] = advance or (lambda _: None)
    for _ in range(steps):
        rows = torch.randint(len(x), (min(_BATCH, len(x)),), generator=rng)
        loss = nn.functional.mse_loss(body(flat[rows]), inside[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        # Products make the loss steep in places: one such step would undo many.
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        tell(1)
    network.body[-1] = Shaped(task.output_shape, size, shift)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval()
