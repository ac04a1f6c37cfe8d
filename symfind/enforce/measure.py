"""What a model costs and misses: loss on held-out rows, change of the function, time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.enforce.equivariance import Function

# Rows for the time of one call; the best of three runs.
_TIMED_ROWS = 64


@dataclass(frozen=True)
class Loss:
    """A loss over held-out rows.

    Attributes
    ----------
    kind
        ``"mse"``, the mean squared error over all numbers of a row, or ``"cross-entropy"``.
    value
        Its mean.
    accuracy
        Share of rows whose largest output is the label, for a cross-entropy.
    rows
        Their number.
    """

    kind: str
    value: float
    accuracy: float | None
    rows: int


def loss_of(function: Function, x: Tensor, y: Tensor) -> Loss:
    """The loss of F(x) against y: cross-entropy where y holds labels of as many classes as F has outputs, else MSE."""
    out = function(x)
    flat, target = out.reshape(len(x), -1), y.reshape(len(x), -1).to(out)
    if _labels(flat, target):
        labels = target[:, 0].long()
        # Networks that end in a (log-)softmax are read as such: rows that sum to one, or whose exponentials do.
        logits = flat.clamp_min(1e-300).log() if _probabilities(flat) else flat
        value = torch.nn.functional.cross_entropy(logits, labels)
        return Loss("cross-entropy", float(value), float((flat.argmax(1) == labels).double().mean()), len(x))
    return Loss("mse", float((flat - target).square().mean()), None, len(x))


def _labels(flat: Tensor, target: Tensor) -> bool:
    classes = flat.shape[1]
    return (
        target.shape[1] == 1
        and classes > 1
        and bool((target == target.round()).all())
        and 0 <= float(target.min())
        and float(target.max()) < classes
    )


def _probabilities(flat: Tensor) -> bool:
    return bool((flat >= 0).all()) and float((flat.sum(1) - 1).abs().max()) < 1e-4


def relative_change(function: Function, original: Function, x: Tensor, unit: float) -> float:
    """√E‖F̄(x) − F(x)‖² in units of the spread of F."""
    gap = (function(x) - original(x)).reshape(len(x), -1).double()
    return float(gap.square().sum(1).mean().sqrt()) / unit


def seconds_per_call(function: Function, x: Tensor) -> float:
    """Time of one call on a few rows, the best of three."""
    rows = x[torch.arange(_TIMED_ROWS) % len(x)]
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        function(rows)
        best = min(best, time.perf_counter() - start)
    return best
