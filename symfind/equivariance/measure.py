"""What a model costs and misses: loss on held-out rows, change of the function, time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.equivariance.equivariance import Function
from symfind.lie.groups.invariants import one_thread

# Rows for the time of one call, and runs of which the best counts; slow models show their time in fewer.
_TIMED_ROWS = 32
_RUNS = 5
_LONG = 0.2


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


def loss_of(out: Tensor, y: Tensor) -> Loss:
    """The loss of values F(x) against y: cross-entropy where y holds labels of the outputs of F, else squared error."""
    flat, target = out.reshape(len(out), -1), y.reshape(len(out), -1).to(out)
    if _labels(flat, target):
        labels = target[:, 0].long()
        # Networks that end in a (log-)softmax are read as such: rows that sum to one, or whose exponentials do.
        logits = flat.clamp_min(1e-300).log() if _probabilities(flat) else flat
        value = torch.nn.functional.cross_entropy(logits, labels)
        return Loss("cross-entropy", float(value), float((flat.argmax(1) == labels).double().mean()), len(out))
    return Loss("mse", float((flat - target).square().mean()), None, len(out))


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


def relative_change(values: Tensor, original: Tensor, unit: float) -> float:
    """√E‖F̄(x) − F(x)‖² over rows of values, in units of the spread of F."""
    gap = (values - original).reshape(len(values), -1).double()
    return float(gap.square().sum(1).mean().sqrt()) / unit


def seconds_per_call(function: Function, x: Tensor) -> float:
    """Time of one call on a few rows by one thread, the best of some."""
    rows = x[torch.arange(_TIMED_ROWS) % len(x)]
    best = float("inf")
    with one_thread():  # threads that wait for one another on a busy machine would be all that is measured
        function(rows[:2])  # the first call pays for what is made once
        for _ in range(_RUNS):
            start = time.perf_counter()
            function(rows)
            best = min(best, time.perf_counter() - start)
            if best > _LONG:
                break
    return best
