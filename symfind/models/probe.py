"""A few rows put through a model before it is believed: are they independent, is the derivative the derivative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.models.autodiff import pulled_back, recording

_ROWS = 6


def sample_rows(shape: tuple[int, ...], sample: Tensor | None, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a handful of rows ``(n, *shape)``: the first of the data, or standard normal ones."""
    if sample is not None:
        return sample[:_ROWS].detach().to(device, dtype)
    generator = torch.Generator().manual_seed(0)
    return torch.randn((_ROWS, *shape), generator=generator, dtype=torch.float64).to(device, dtype)


@dataclass(frozen=True)
class Probe:
    """Rows ``x`` ``(n, *input_shape)`` and the map F that they are put through."""

    x: Tensor
    f: Callable[[Tensor], Tensor]

    def saved_numbers_per_row(self) -> int:
        """Count what one row makes autograd keep: two batches are compared, so that the weights drop out."""
        counts = []
        for rows in (1, 3):
            batch = self.x[:1].expand(rows, *self.x.shape[1:]).clone().requires_grad_()
            kept: list[int] = []
            with recording(), torch.autograd.graph.saved_tensors_hooks(_counter(kept), lambda tensor: tensor):
                self.f(batch)
            counts.append(sum(kept))
        return max(1, (counts[1] - counts[0]) // 2)


def _counter(kept: list[int]) -> Callable[[Tensor], Tensor]:
    def count(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    return count


def difference_between_rows(probe: Probe, dtype: torch.dtype) -> Literal["none", "random", "mixed"]:
    """Compare F(batch) with F(batch) again, and row by row with F(row).

    Rows may differ by rounding, which grows with |F|: 64 units of it, for sums taken in another order. Beyond that,
    √ε of float32 of the spread of F over the rows is allowed for (networks that compute in float32 inside), which
    is far below what mixing does and far below what any verdict on a symmetry turns on.
    """
    with torch.no_grad():
        together = probe.f(probe.x)
        again = probe.f(probe.x)
        backwards = probe.f(probe.x.flip(0)).flip(0)
        alone = torch.cat([probe.f(row) for row in torch.split(probe.x, 1)])
    flat = together.reshape(len(together), -1)
    known = flat[torch.isfinite(flat).all(1)]
    if len(known) == 0:
        return "none"  # nothing to compare; the values are refused as not finite where they are asked for
    spread = float((known - known.mean(0)).abs().max())
    tolerance = torch.finfo(torch.float32).eps ** 0.5 * spread + 64 * torch.finfo(dtype).eps * float(known.abs().max())
    if not _same(together, again, tolerance):
        return "random"
    if not _same(together, backwards, tolerance) or not _same(together, alone, tolerance):
        return "mixed"
    return "none"


def _same(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return torch.allclose(a, b, rtol=0.0, atol=tolerance, equal_nan=True)


def disagreement_with_differences(probe: Probe, dtype: torch.dtype) -> bool:
    """Say whether uᵀdF·v is plainly not the slope of uᵀF along v, at most of the rows.

    The step is ε^(1/3) of the spread of each coordinate, which balances the error of a central difference (h²) with
    rounding (ε/h). Single rows may lie at a kink, so the majority decides, and only half of the slope being missing
    counts.
    """
    generator = torch.Generator().manual_seed(1)
    x = probe.x
    v = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x) * _spread(x)
    eps = torch.finfo(dtype).eps
    step = eps ** (1 / 3)
    with torch.no_grad():
        ahead, behind = probe.f(x + step * v), probe.f(x - step * v)
    difference = (ahead - behind).reshape(len(x), -1) / (2 * step)
    u = torch.randn(difference.shape, generator=generator, dtype=torch.float64).to(x)
    with recording():
        y, gradient = pulled_back(probe.f, x, u)
    slope = (gradient * v).reshape(len(x), -1).sum(1)
    known = torch.isfinite(slope) & torch.isfinite(difference).all(1)
    if not bool(known.any()):
        return False
    x, slope, difference, y, u, gradient = (part[known] for part in (x, slope, difference, y, u, gradient))
    if not bool(gradient.any()):  # between its steps a piecewise constant F has the right slope, nought
        return bool(((y - y.mean(0)).abs() > 64 * eps * y.abs().max()).any())
    rise = (u * difference).sum(1)
    # Rounding of F and of x itself, 8 units of each, is no slope.
    rounded = (u * y).abs().sum(1) + (gradient * x).reshape(len(x), -1).abs().sum(1)
    wrong = (rise - slope).abs() > 0.5 * torch.maximum(rise.abs(), slope.abs()) + 8 * eps * rounded / step
    return bool(wrong.double().mean() > 0.5)


def _spread(x: Tensor) -> Tensor:
    """Return the standard deviation of each coordinate, its size where it does not vary, 1 where it is nought."""
    deviation, size = x.std(0, correction=0), x.abs().amax(0)
    size = torch.where(size > 0, size, torch.ones_like(size))
    return torch.where(deviation > 0, deviation, size)


def check_derivative(probe: Probe, dtype: torch.dtype, path: str) -> None:
    """Refuse a model whose derivative is not that of its values.

    Raises
    ------
    InputError
        It is detached, rounded or piecewise constant.
    """
    if disagreement_with_differences(probe, dtype):
        raise InputError(
            f"{path}: the derivative of the model disagrees with its values (detached, rounded or piecewise "
            "constant outputs); export it without detach, no_grad, rounding or argmax"
        )
