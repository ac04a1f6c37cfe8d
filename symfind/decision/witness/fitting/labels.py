"""Labels and counts: y ∈ {0, 1} with E y = p, or y = 0, 1, 2, … with E y = μ, as a generalised linear model.

What is symmetric is the probability or the rate, F = E[y | x]; y is drawn anew in every row. Fits are by likelihood
(iteratively reweighted least squares, McCullagh and Nelder 1989, §2.5), residuals are Pearson's, (y − F)/√V(F).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# Odds of e^12 are sure for any number of rows that are read.
_FARTHEST = 12.0
_ROUNDS = 12
_SETTLED = 1e-6


@dataclass(frozen=True)
class Labels:
    """How y was drawn.

    Attributes
    ----------
    counts
        Whether y is a count (logarithm of the rate, V = μ) or one of two values (logarithm of the odds, V = p(1 − p)).
    low, unit
        y = low + unit · (0, 1, 2 …).
    offset, weight
        What is fitted is (y − offset) · weight.
    least_variance
        Least V in units of its mean (0.15 to 0.3): a weight 1/V grows without bound where a label is sure, and rows
        that say nothing of chance shall not decide alone.
    """

    counts: bool
    low: float
    unit: float
    offset: float
    weight: float
    least_variance: float = 0.2

    def mean(self, predictor: Tensor) -> Tensor:
        """P or μ of a linear predictor."""
        at = predictor.clamp(-_FARTHEST, _FARTHEST)
        return at.exp() if self.counts else torch.sigmoid(at)

    def value(self, predictor: Tensor) -> Tensor:
        """E y in the units that are fitted."""
        return (self.low + self.unit * self.mean(predictor) - self.offset) * self.weight

    def drawn(self, y: Tensor) -> Tensor:
        """0, 1, 2 … of what is fitted."""
        return ((y / self.weight + self.offset) - self.low) / self.unit

    def _variance(self, mean: Tensor) -> Tensor:
        return mean if self.counts else mean * (1 - mean)

    def scale(self, prediction: Tensor) -> Tensor:
        """1/√V of predicted values ``(n, 1)`` in the units that are fitted, a mean square of one."""
        mean = self.drawn(prediction).clamp(min=1e-6)
        v = self._variance(mean if self.counts else mean.clamp(max=1 - 1e-6))
        weight = 1 / v.clamp(min=self.least_variance * float(v.mean()))
        return (weight / weight.mean()).sqrt()

    def deviance(self, prediction: Tensor, y: Tensor) -> float:
        """−2 log likelihood less that of a perfect one, a row."""
        drawn, mean = self.drawn(y), self.drawn(prediction)
        least = math.exp(-_FARTHEST)
        if self.counts:
            mean = mean.clamp(min=least)
            lost = torch.xlogy(drawn, drawn.clamp(min=least) / mean) - (drawn - mean)
        else:
            mean = mean.clamp(least, 1 - least)
            lost = -(torch.xlogy(drawn, mean) + torch.xlogy(1 - drawn, 1 - mean))
        return 2 * float(lost.mean())

    def fitted(self, phi: Tensor, y: Tensor, ridge: float) -> Tensor:
        """Weights ``(f,)`` of the predictor φw for rows φ ``(n, f)``; the ridge is relative to mean squares of φ."""
        drawn = self.drawn(y).reshape(-1)
        scale = phi.square().mean(0).sqrt().clamp(min=1e-12)
        unit = phi / scale
        mean = 0.9 * drawn.mean() + 0.1 * drawn if self.counts else 0.8 * drawn + 0.1
        mean = mean.clamp(min=1e-3)
        at = mean.log() if self.counts else (mean / (1 - mean)).log()
        w = torch.zeros(phi.shape[1], dtype=phi.dtype)
        before = math.inf
        eye = torch.eye(phi.shape[1], dtype=phi.dtype)
        for _ in range(_ROUNDS):
            v = self._variance(mean).clamp(min=1e-4)
            target = at + ((drawn - mean) / v).clamp(-_FARTHEST, _FARTHEST)
            gram = unit.T @ (v[:, None] * unit)
            level = ridge * gram.diagonal().mean() + 1e-12
            w = torch.linalg.solve(gram + level * eye, unit.T @ (v * target))
            at = (unit @ w).clamp(-_FARTHEST, _FARTHEST)
            mean = self.mean(at)
            now = self.deviance(self.value(at), y.reshape(-1))
            if abs(before - now) < _SETTLED * max(now, 1e-6):
                break
            before = now
        return w / scale


def labels_of(y: Tensor, offset: Tensor, weights: Tensor) -> Labels | None:
    """How one output ``(n, 1)`` was drawn: None unless it takes two values, or few whole ones from zero up."""
    if y.shape[1] != 1 or y.shape[0] < 1:
        return None
    values = torch.unique(y)
    if values.shape[0] == 2:
        low, high = (float(v) for v in values)
        return Labels(False, low, high - low, float(offset), float(weights))
    whole = bool((values == values.round()).all()) and float(values[0]) >= 0
    if whole and 2 < values.shape[0] <= math.sqrt(y.shape[0]):
        return Labels(True, 0.0, 1.0, float(offset), float(weights))
    return None
