"""F(e^{ts₁}x₁, …) = e^{tc}F(x): the scalings that positive data allow, with rational exponents (Buckingham 1914).

In u = log x and v = log y a scaling is s·∂v = c, so that v = w·u + ψ(π), with the logarithms π of d − r monomials that
r scalings leave alone. The span of the s is where the gradients of v do not vary, which any smooth fit proposes; the
exponents are fitted with ψ on one half, made rational, and judged on the other as every symmetric model is.

Axis letters: n rows, d variables, r scalings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from symfind.decision.halves import two_halves
from symfind.decision.witness.families import Standard, polynomial_features
from symfind.decision.witness.fitting.exponents import PowerLawSettings, Scalings, rational, refined, ridge_solved
from symfind.decision.witness.fitting.regression import SymmetricFit, fitted
from symfind.decision.witness.leftover import JudgeSettings, leftover
from symfind.decision.witness.trial import Trial, Verdict, joined, verdict
from symfind.errors import InputError

# Two halves of fewer rows than this hold no fit of two variables.
_FEWEST = 40


@dataclass(frozen=True)
class Found:
    """The largest set of scalings that holds, and what falls next.

    Attributes
    ----------
    scalings
        None where none is certified, approximate or undecided.
    verdict
        Of them.
    share
        1 − R² of the model on rows that it was not fitted to.
    fallen
        Verdicts of larger sets.
    """

    scalings: Scalings | None
    verdict: Verdict | None
    share: float
    fallen: tuple[tuple[int, Verdict], ...] = field(default=())


def scalings_of(
    x: Tensor,
    y: Tensor,
    group: Tensor | None,
    tolerance: float,
    seed: int,
    settings: PowerLawSettings = PowerLawSettings(),  # noqa: B008 (frozen)
    judges: JudgeSettings = JudgeSettings(),  # noqa: B008 (frozen)
) -> Found:
    """The scalings that positive x ``(n, d)`` and y ``(n,)`` allow.

    Raises
    ------
    InputError
        Numbers are not positive, do not vary, or are too few.
    """
    if len(x) < _FEWEST:
        raise InputError(f"{len(x)} rows, at least {_FEWEST} are needed for scalings; give more")
    u, v = x.log(), y.log()
    if float(v.std()) == 0.0:
        raise InputError("y does not vary, so that every scaling leaves it alone; give data that vary")
    generator = torch.Generator().manual_seed(seed)
    halves = two_halves(len(x), group, generator)
    gradients, best = _gradients(u, v, halves, settings)
    scale = u.std(0)
    if float(scale.min()) < 1e-9 * float(scale.max()):
        raise InputError("a variable does not vary, so that nothing can be said of its scaling; leave it out")
    centred = (gradients - gradients.mean(0)) * scale
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    fallen: list[tuple[int, Verdict]] = []
    undecided: Found | None = None
    d = u.shape[1]
    for r in range(d, 0, -1):
        start = _reduced((vectors[:, :r] * scale[:, None]).T, gradients.mean(0))
        scalings, said, share = _judged(u, v, group, halves, start, best, tolerance, seed, settings, judges)
        if said.word in ("certified", "approximate"):
            return Found(scalings, said, share, tuple(fallen))
        if said.word == "undecided" and undecided is None:
            undecided = Found(scalings, said, share)
        fallen.append((r, said))
    if undecided is not None:
        refuted = tuple(f for f in fallen if f[1].word == "refuted")
        return Found(undecided.scalings, undecided.verdict, undecided.share, refuted)
    return Found(None, None, 1.0, tuple(fallen))


def _gradients(u: Tensor, v: Tensor, halves: tuple[Tensor, Tensor], settings: PowerLawSettings) -> tuple[Tensor, float]:
    """∇v at all rows ``(n, d)`` of the polynomial that predicts best, and its held-out share of the variance of v."""
    d = u.shape[1]
    standard = Standard.of("plain", u)
    fit, judge = halves
    most = min(settings.unknowns, len(fit) // 4)
    best: tuple[float, int] | None = None
    degrees = [p for p in range(1, 7) if math.comb(d + p, p) <= most] or [1]
    for p in degrees:
        phi = polynomial_features(standard, d, p)(u)
        weights = ridge_solved(phi[fit], v[fit])
        error = float((v[judge] - phi[judge] @ weights).square().mean() / v.var())
        if best is None or error < 0.98 * best[0]:
            best = error, p
    assert best is not None
    features = polynomial_features(standard, d, best[1])
    weights = ridge_solved(features(u), v)
    step = 1e-4 * u.std(0)
    rows = []
    for i in range(d):
        shift = torch.zeros(d, dtype=u.dtype)
        shift[i] = step[i]
        rows.append((features(u + shift) - features(u - shift)) @ weights / (2 * step[i]))
    return torch.stack(rows, 1), best[0]


def _reduced(span: Tensor, mean: Tensor) -> Scalings:
    """Rows ``(r, d)`` in reduced form, by pivots that leave exponents small."""
    r, d = span.shape
    left, pivots = span.clone(), list[int]()
    for _ in range(r):
        size = left.norm(dim=0)
        size[pivots] = -1.0
        p = int(size.argmax())
        pivots.append(p)
        direction = left[:, p] / left[:, p].norm()
        left = left - direction[:, None] * (direction @ left)
    pivots.sort()
    others = [j for j in range(d) if j not in pivots]
    reduced = torch.linalg.solve(span[:, pivots], span)
    return Scalings(tuple(pivots), tuple(others), reduced[:, others], reduced @ mean)


def _judged(
    u: Tensor,
    v: Tensor,
    group: Tensor | None,
    halves: tuple[Tensor, Tensor],
    start: Scalings,
    best: float,
    tolerance: float,
    seed: int,
    settings: PowerLawSettings,
    judges: JudgeSettings,
) -> tuple[Scalings, Verdict, float]:
    """The scalings that are fitted to one half, made rational where that is told, and judged on both halves.

    A certificate is of numbers. Where fractions lose something, or others lie within the errors, the span may be
    symmetric and its exponents are open: the fitted ones are given with their errors, undecided. Numbers that lie
    far from every fraction, for their errors, are those of a law with other exponents, and stand as they are.
    """
    fitted_ones, mean = refined(u, v, halves, start, settings)
    fractions, told = rational(mean, settings)
    said: Verdict | None = None
    if fractions is not None:
        said, share = _said(u, v, group, halves, fractions, best, tolerance, seed, judges)
        if said.word == "certified" and told:
            return fractions, said, share
    fitted_said, fitted_share = _said(u, v, group, halves, fitted_ones, best, tolerance, seed, judges)
    if fitted_said.word == "certified":
        word = "certified" if fractions is None and told else "undecided"
        return fitted_ones, replace(fitted_said, word=word), fitted_share
    if said is not None and said.word == "certified":
        return fitted_ones, replace(said, word="undecided"), share
    if fractions is not None and said is not None:
        return fractions, said, share
    return fitted_ones, fitted_said, fitted_share


def _said(
    u: Tensor,
    v: Tensor,
    group: Tensor | None,
    halves: tuple[Tensor, Tensor],
    scalings: Scalings,
    best: float,
    tolerance: float,
    seed: int,
    judges: JudgeSettings,
) -> tuple[Verdict, float]:
    """The verdict on given exponents, each half judged by the fit of the other, and the share that is missed."""
    trials = [_trial(u, v, group, a, b, scalings, seed + i, judges) for i, (a, b) in enumerate((halves, halves[::-1]))]
    both = joined(trials[0], trials[1])
    return verdict(both, best, tolerance, judges), both.share


def _trial(
    u: Tensor,
    v: Tensor,
    group: Tensor | None,
    fit: Tensor,
    judge: Tensor,
    s: Scalings,
    seed: int,
    judges: JudgeSettings,
) -> Trial:
    """The model v = w·u + ψ(π), with ψ fitted on some rows and judged on others."""
    z, target = s.invariants(u), (v - s.offset(u))[:, None]
    ones = s.covariants(u)
    white = (u - u.mean(0)) / u.std(0)
    of = None if group is None else group[judge]
    value: Tensor
    fitted_one: SymmetricFit = fitted(z[fit], ones[fit], target[fit], None if group is None else group[fit], seed)
    value = fitted_one(z[judge], ones[judge])
    residual = target[judge] - value
    centred = (v[judge] - v[judge].mean())[:, None]
    squares = residual.square().sum(1) / centred.square().sum(1).mean()
    left, _ = leftover(white[judge], z[judge], ones[judge], centred, residual, of, seed + 1, judges)
    share, error = float(squares.mean()), float(squares.std()) / math.sqrt(len(judge))
    return Trial(s, fitted_one, share, error, left)
