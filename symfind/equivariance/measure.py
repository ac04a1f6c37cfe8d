"""What a model costs and misses: loss on held-out rows, change of the function, time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Function
from symfind.errors import InputError
from symfind.linalg.threads import one_thread
from symfind.schema.enforcement import LossMeasured

# Rows for the time of one call, and runs of which the best counts; slow models show their time in fewer, and quick
# ones need more, as on a busy machine most of a few are interrupted.
_TIMED_ROWS = 32
_RUNS, _MOST_RUNS = 5, 50
_LONG = 0.2

# The loss of each output is told of so many: more are a field, of which single numbers tell nothing.
_MOST_OUTPUTS = 16


@dataclass(frozen=True)
class TaskLoss:
    """The loss that a model was trained on, as its values and the targets tell: one number a row.

    Attributes
    ----------
    kind
        ``mse``, ``cross-entropy`` or ``binary cross-entropy``.
    probabilities
        Whether values are probabilities; else they are logits (logarithms of probabilities are logits, too).
    one_hot
        Whether targets are one-hot rows, not labels.
    """

    kind: str
    probabilities: bool = False
    one_hot: bool = False

    def rows(self, out: Tensor, y: Tensor) -> Tensor:
        """The loss of each row ``(n,)``."""
        return self._entries(out, y).mean(1)

    def _entries(self, out: Tensor, y: Tensor) -> Tensor:
        flat = out.reshape(len(out), -1).double()
        target = y.reshape(len(out), -1).double()
        if self.kind == "mse":
            return (flat - target).square()
        if self.kind == "cross-entropy":
            logits = flat.clamp_min(1e-300).log() if self.probabilities else flat
            return nn.functional.cross_entropy(logits, self._labels(target), reduction="none")[:, None]
        if self.probabilities:
            # Rounding of a probability near 0 or 1 must not cost the infinite.
            return nn.functional.binary_cross_entropy(flat.clamp(1e-12, 1 - 1e-12), target, reduction="none")
        return nn.functional.binary_cross_entropy_with_logits(flat, target, reduction="none")

    def _labels(self, target: Tensor) -> Tensor:
        return target.argmax(1) if self.one_hot else target[:, 0].long()

    def measured(self, out: Tensor, y: Tensor) -> LossMeasured:
        """The mean over rows, its standard error, the loss of each output where there are several, and accuracy."""
        entries = self._entries(out, y)
        rows = entries.mean(1)
        flat, target = out.reshape(len(out), -1), y.reshape(len(out), -1)
        accuracy = None
        if self.kind == "cross-entropy":
            accuracy = float((flat.argmax(1) == self._labels(target)).double().mean())
        elif self.kind == "binary cross-entropy":
            cut = 0.5 if self.probabilities else 0.0
            accuracy = float(((flat > cut) == (target > 0.5)).double().mean())
        several = 1 < entries.shape[1] <= _MOST_OUTPUTS
        return LossMeasured(
            kind=self.kind,
            value=float(rows.mean()),
            accuracy=accuracy,
            rows=len(out),
            standard_error=standard_error(rows),
            outputs=tuple(entries.mean(0).tolist()) if several else (),
        )

    def constant(self, y: Tensor, count: int, width: int) -> Tensor:
        """The best constant values for targets y, repeated: ``(count, width)``."""
        target = y.reshape(len(y), -1).double()
        if self.kind == "cross-entropy":
            share = torch.bincount(self._labels(target), minlength=width).double()
            mean = (share + 1) / (share.sum() + width)  # a class that these rows lack is not impossible
            return (mean if self.probabilities else mean.log()).expand(count, -1)
        mean = target.mean(0)
        if self.kind == "binary cross-entropy":
            mean = (target.sum(0) + 1) / (len(target) + 2)
            mean = mean if self.probabilities else torch.logit(mean)
        return mean.expand(count, -1)


def task_loss(values: Tensor, y: Tensor, name: str) -> TaskLoss:
    """The loss under which the values F(x) beat the best constant by most, of those that the targets allow.

    Parameters
    ----------
    values, y
        F(x) and targets of some rows.
    name
        Of the model, for messages.

    Raises
    ------
    InputError
        Targets of another width than the outputs, that are no labels of them.
    """
    flat, target = values.reshape(len(values), -1), y.reshape(len(y), -1).double()
    m, width = flat.shape[1], target.shape[1]
    # Networks that end in a softmax give rows that sum to one.
    probabilities = bool((flat >= 0).all()) and float((flat.sum(1) - 1).abs().max()) < 1e-4
    if width == 1 and m > 1:
        whole = bool((target == target.round()).all()) and float(target.min()) >= 0 and float(target.max()) < m
        if whole:
            return TaskLoss("cross-entropy", probabilities)
    if width != m:
        raise InputError(
            f"{name}: {m} outputs a row, but y has {width} column{'s' if width > 1 else ''} that are no labels 0 … "
            f"{m - 1}; give --output-name a dataset of {m} columns, or data without y"
        )
    asked = [TaskLoss("mse")]
    if bool(((target == 0) | (target == 1)).all()) and float(target.std(0).max() if len(target) > 1 else 0) > 0:
        if m > 1 and bool((target.sum(1) == 1).all()):
            asked.append(TaskLoss("cross-entropy", probabilities, True))
        unit = bool(((flat >= 0) & (flat <= 1)).all())
        asked.append(TaskLoss("binary cross-entropy", unit))

    def beside_a_constant(loss: TaskLoss) -> float:
        least = float(loss.rows(loss.constant(target, len(target), m), target).mean())
        return float(loss.rows(flat, target).mean()) / least if least > 0 else math.inf

    return min(asked, key=beside_a_constant)


def standard_error(rows: Tensor) -> float:
    """s/√n of the mean of rows ``(n,)``; infinite for one row, which says nothing of the others."""
    return float(rows.std() / len(rows) ** 0.5) if len(rows) > 1 else math.inf


def worse_by(after: Tensor, before: Tensor, dtype: torch.dtype) -> tuple[float, float]:
    """The mean of after − before over the same rows, and its standard error with the rounding of ``dtype``.

    Paired: what makes a row hard for both cancels.
    """
    gap = after - before
    rounding = 64 * torch.finfo(dtype).eps * float(torch.maximum(after.abs(), before.abs()).mean())
    return float(gap.mean()), standard_error(gap) + rounding


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
        begin = time.perf_counter()
        for run in range(_MOST_RUNS):
            start = time.perf_counter()
            function(rows)
            best = min(best, time.perf_counter() - start)
            if best > _LONG or (run >= _RUNS and time.perf_counter() - begin > _LONG):
                break
    return best
