"""R_g on rows that were not fitted, η and what is left over, for one class of symmetric functions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.families import RegressionSettings
from symfind.decision.witness.fitting.labels import Labels
from symfind.decision.witness.fitting.regression import SymmetricFit, fitted
from symfind.decision.witness.leftover import JudgeSettings, Leftover, leftover
from symfind.decision.witness.structure import SymmetricClass
from symfind.errors import NumericalError


@dataclass(frozen=True)
class Rows:
    """Rows to fit and to judge.

    Attributes
    ----------
    x
        ``(n, D)``.
    y
        ``(n, m)``, centred where nothing turns it, in units in which its components count alike.
    group
        ``(n,)`` or None.
    white
        ``(n, D)`` x on its support in units of its spread: what is near is decided in it.
    weights
        ``(m,)``: y is weights times the output, so that its components count alike.
    labels
        How y was drawn, where it is a label or a count.
    """

    x: Tensor
    y: Tensor
    group: Tensor | None
    white: Tensor
    weights: Tensor
    labels: Labels | None = None

    def __len__(self) -> int:
        """N."""
        return self.x.shape[0]

    def take(self, index: Tensor) -> Rows:
        """A subset."""
        group = None if self.group is None else self.group[index]
        return Rows(self.x[index], self.y[index], group, self.white[index], self.weights, self.labels)


def each_alike(y: Tensor) -> Tensor:
    """Weights ``(m,)`` by which each output has the spread one."""
    spread = y.std(0, correction=0)
    return torch.where(spread > 1e-13 * spread.max(), 1 / spread.clamp(min=1e-300), torch.zeros_like(spread))


def along_axes(x: Tensor, y: Tensor, d: int) -> Tensor:
    """Weights of vectors ``(n, m)`` of x's own space, in units of the spread of its axes; their mean square is one.

    Each by its own spread, a component that is constant but for noise would count as much as all the others.
    """
    scale = x.reshape(-1, d).std(0, correction=0)
    weights = torch.where(scale > 0, 1 / scale.clamp(min=1e-300), torch.zeros_like(scale)).repeat(y.shape[1] // d)
    size = (y.std(0, correction=0) * weights).square().mean().sqrt()
    return weights / size.clamp(min=1e-300)


@dataclass(frozen=True)
class Trial:
    """A class of functions, fitted on some rows and judged on others.

    Attributes
    ----------
    structure, fit
        The class and its member.
    share
        R_g = E‖y − F_g‖²/E‖y − Ey‖² on rows that were not fitted.
    error
        Standard error of it.
    left
        What the judges found; None where they were not asked.
    """

    structure: SymmetricClass
    fit: SymmetricFit
    share: float
    error: float
    left: Leftover | None = None

    @property
    def invariants(self) -> int:
        """Number r of invariants."""
        return self.fit.invariants

    def __call__(self, x: Tensor, weights: Tensor) -> Tensor:
        """F_g(x) ``(n, m)``, weighted as y is."""
        return self.fit(self.structure.invariants(x), self.structure.covariants(x) * weights)


@dataclass(frozen=True)
class Verdict:
    """What a trial says of its algebra.

    Attributes
    ----------
    eta, lower, upper
        Distance of F to the symmetric functions in values, relative to the spread of F.
    word
        ``certified``, ``approximate``, ``undecided`` or ``refuted``.
    left_over
        Share of the variance of y that is left over, significantly, beyond the class; 0 if nothing is.
    judge
        Which judge found it.
    """

    eta: float
    lower: float
    upper: float
    word: str
    left_over: float
    judge: str = ""


def features_of(structure: SymmetricClass, rows: Rows) -> tuple[Tensor, Tensor]:
    """I ``(n, r)`` and the weighted K ``(n, A, m)`` of rows."""
    return structure.invariants(rows.x), structure.covariants(rows.x) * rows.weights


def trial(
    structure: SymmetricClass,
    fit_rows: Rows,
    judge_rows: Rows,
    seed: int,
    settings: RegressionSettings,
    judges: JudgeSettings | None = None,
    *,
    quick: bool = False,
) -> Trial | None:
    """Fit on one half, judge on the other; None where the class divides by what vanishes on the data."""
    if not (structure.usable(fit_rows.x) and structure.usable(judge_rows.x)):
        return None
    z, k = features_of(structure, fit_rows)
    try:
        fit = fitted(z, k, fit_rows.y, fit_rows.group, seed, settings, quick=quick, labels=fit_rows.labels)
    except NumericalError:  # sizes to a high power overflow
        return None
    zq, kq = features_of(structure, judge_rows)
    value = fit(zq, kq)
    if not bool(torch.isfinite(value).all()):
        return None
    residual, centred = judge_rows.y - value, judge_rows.y - judge_rows.y.mean(0)
    if judge_rows.labels is not None:  # sure labels say more than doubtful ones
        scale = judge_rows.labels.scale(value)
        mean = (scale.square() * judge_rows.y).mean(0)
        residual, centred = scale * residual, scale * (judge_rows.y - mean)
    spread = centred.square().sum(1).mean().clamp(min=1e-300)
    squares = residual.square().sum(1) / spread
    share, error = float(squares.mean()), float(squares.std()) / math.sqrt(len(judge_rows))
    left = None
    if judges is not None:
        left, _ = leftover(judge_rows.white, zq, kq, centred, residual, judge_rows.group, seed + 1, judges)
    return Trial(structure, fit, share, error, left)


def joined(first: Trial, second: Trial) -> Trial:
    """Both halves exchanged: each judged by the fit of the other, what was found of all rows."""
    assert first.left is not None and second.left is not None
    error = 0.5 * math.hypot(first.error, second.error)
    share = 0.5 * (first.share + second.share)
    return Trial(first.structure, first.fit, share, error, first.left.joined(second.left))


def loses(found: Trial, part: Trial, rows: Rows, significant: float) -> bool:
    """Whether a class of fewer symmetries predicts the same rows better, by more standard errors than chance brings.

    The functions of a larger algebra are among those of its parts, of more variables: where it is exact, they are
    fitted at least as well.
    """
    gap = (rows.y - found(rows.x, rows.weights)).square().sum(1) - (rows.y - part(rows.x, rows.weights)).square().sum(1)
    return float(gap.mean()) > significant * float(gap.std()) / math.sqrt(len(rows))


def verdict(found: Trial, best: float, tolerance: float, judges: JudgeSettings, lost: bool = False) -> Verdict:
    """The word for one trial (DESIGN §9).

    ``best`` is the held-out share of the best predictor known; ``lost`` says that a part of the algebra does better.
    """
    left = found.left
    assert left is not None
    plain = math.sqrt(max(found.share + 1.65 * found.error, 0.0))
    upper = min(plain, math.sqrt(max(left.upper(found.share, judges), 0.0)))
    found_by = left.significant(judges)
    share = max((j.share for j in found_by), default=0.0) * found.share
    # η counts the spread of F, which is that of y without noise.
    signal = max(1 - found.share + share, 1e-9)
    eta = math.sqrt(min(share / signal, 1.0))
    sure = max((j.share - 2 * j.error for j in found_by), default=0.0) * found.share
    lower = math.sqrt(min(max(sure, 0.0) / signal, 1.0))
    # The best predictor is wrong by √best itself: what it lacks cannot speak against a symmetry.
    finite = math.sqrt(max(found.share - best, 0.0)) - 2 * math.sqrt(max(best, 0.0))
    judge = found_by[0].judge if found_by else ""
    resolution = tolerance / 5
    if upper < tolerance:
        # For sure: what is seen at all has at least 0.6 η as its lower bound, so that η of twice the resolution shows.
        word = "approximate" if found_by and (lower > resolution or lost) else "certified"
    elif lower > tolerance and (finite > tolerance or found.invariants == 1):
        # In one invariant neighbours tell a misfit from what is broken: rows of nearly its value are many.
        word = "refuted"
    else:
        word = "undecided"
        if found.invariants != 1:
            # What a poor fit leaves over is not broken for sure: as far as it is, a better predictor is known.
            lower = min(lower, max(finite, 0.0))
    return Verdict(max(eta, 0.0), lower, max(upper, lower), word, share, judge)


def rough_error(structure: SymmetricClass, rows: Rows, seed: int, settings: RegressionSettings) -> float | None:
    """Held-out share of variance of a fit to few rows, by which candidates are ranked; None where it is not usable."""
    if not structure.usable(rows.x):
        return None
    z, k = features_of(structure, rows)
    try:
        return fitted(z, k, rows.y, rows.group, seed, settings, quick=True).error
    except NumericalError:
        return None
