"""F(e^{ts₁}x₁, …) = e^{tc}F(x): the scalings that positive data allow, with rational exponents (Buckingham 1914).

In u = log x and v = log y a scaling is s·∂v = c, so that v = w·u + ψ(π), with the logarithms π of d − r monomials that
r scalings leave alone. The span of the s is where the gradients of v do not vary, which any smooth fit proposes; the
exponents are fitted with ψ on one half, made rational, and judged on the other as every symmetric model is.

Axis letters: n rows, d variables, r scalings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

import torch
from scipy.optimize import least_squares
from torch import Tensor

from symfind.decision.witness.families import Standard, polynomial_features
from symfind.decision.witness.fitting.regression import SymmetricFit, fitted
from symfind.decision.witness.leftover import JudgeSettings, leftover
from symfind.decision.witness.trial import Trial, Verdict, joined, verdict
from symfind.errors import InputError

# Two halves of fewer rows than this hold no fit of two variables.
_FEWEST = 40


@dataclass(frozen=True)
class PowerLawSettings:
    """How exponents are proposed, fitted and made rational.

    Attributes
    ----------
    unknowns
        Coefficients at most of the polynomial whose gradients propose: cubic in eight variables.
    degree
        Of ψ while exponents are fitted: quartics follow monotone laws to a per cent.
    denominators
        Of the fractions that are tried; exponents of laws are whole numbers, halves and thirds nearly all.
    snapped
        An exponent nearer than this over q to p/q is tried as it: the finer fractions are, the nearer one always lies.
    errors
        Or so many standard errors away, but never further than a quarter of 1/q.
    """

    unknowns: int = 200
    degree: int = 4
    denominators: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    snapped: float = 0.04
    errors: float = 3.0


@dataclass(frozen=True)
class Scalings:
    """Scalings in reduced form: pivots are variables that each scaling moves alone among the pivots.

    Attributes
    ----------
    pivots, others
        Indices of variables, r and d − r of them.
    exponents
        ``(r, d − r)``: scaling i multiplies pivot i by e^t and other j by e^{t·exponents[i, j]}.
    outputs
        ``(r,)``: and y by e^{t·outputs[i]}.
    rational
        Whether the numbers are the fractions that they print as.
    """

    pivots: tuple[int, ...]
    others: tuple[int, ...]
    exponents: Tensor
    outputs: Tensor
    rational: bool = False

    @property
    def rank(self) -> int:
        """Number r of scalings."""
        return len(self.pivots)

    def matrix(self) -> Tensor:
        """Exponents ``(r, d + 1)`` of all variables and of y."""
        d = len(self.pivots) + len(self.others)
        out = torch.zeros(self.rank, d + 1, dtype=torch.float64)
        for i, p in enumerate(self.pivots):
            out[i, p] = 1.0
            out[i, list(self.others)] = self.exponents[i]
            out[i, d] = self.outputs[i]
        return out

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.rank} scalings"

    def invariants(self, u: Tensor) -> Tensor:
        """Log πⱼ = log xⱼ − Σ eᵢⱼ log x_{pivot i} at log x ``(n, d)``: ``(n, d − r)``."""
        return u[:, list(self.others)] - u[:, list(self.pivots)] @ self.exponents

    def covariants(self, u: Tensor) -> Tensor:
        """One ``(n, 1, 1)``."""
        return u.new_ones(len(u), 1, 1)

    def usable(self, u: Tensor) -> bool:
        """Whether logarithms are finite."""
        return bool(torch.isfinite(u).all())

    def offset(self, u: Tensor) -> Tensor:
        """Σ cᵢ log x_{pivot i} ``(n,)``."""
        return u[:, list(self.pivots)] @ self.outputs


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
    settings: PowerLawSettings = PowerLawSettings(),
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
    halves = _halves(len(x), group, generator)
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
        found = _judged(u, v, group, halves, start, best, tolerance, seed, settings, judges)
        if found is None:
            continue
        scalings, said, share = found
        if said.word in ("certified", "approximate"):
            return Found(scalings, said, share, tuple(fallen))
        if said.word == "undecided" and undecided is None:
            undecided = Found(scalings, said, share)
        fallen.append((r, said))
    if undecided is not None:
        refuted = tuple(f for f in fallen if f[1].word == "refuted")
        return Found(undecided.scalings, undecided.verdict, undecided.share, refuted)
    return Found(None, None, 1.0, tuple(fallen))


def _halves(n: int, group: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices of two halves; rows of one group to one side."""
    if group is None:
        order = torch.randperm(n, generator=generator)
        return order[: n // 2], order[n // 2 :]
    labels, inverse = torch.unique(group, return_inverse=True)
    if len(labels) < 2:
        raise InputError("all rows are of one group; give several, so that one part can be judged by the other")
    first = torch.zeros(len(labels), dtype=torch.bool)
    first[torch.randperm(len(labels), generator=generator)[: len(labels) // 2]] = True
    side = first[inverse]
    return side.nonzero()[:, 0], (~side).nonzero()[:, 0]


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
        weights = _solved(phi[fit], v[fit])
        error = float((v[judge] - phi[judge] @ weights).square().mean() / v.var())
        if best is None or error < 0.98 * best[0]:
            best = error, p
    assert best is not None
    features = polynomial_features(standard, d, best[1])
    weights = _solved(features(u), v)
    step = 1e-4 * u.std(0)
    rows = []
    for i in range(d):
        shift = torch.zeros(d, dtype=u.dtype)
        shift[i] = step[i]
        rows.append((features(u + shift) - features(u - shift)) @ weights / (2 * step[i]))
    return torch.stack(rows, 1), best[0]


def _solved(phi: Tensor, y: Tensor) -> Tensor:
    """Least squares with a ridge of rounding."""
    gram = phi.T @ phi
    shifted = gram + 1e-10 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    out: Tensor = torch.linalg.solve(shifted, phi.T @ y)
    return out


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


def _refined(u: Tensor, v: Tensor, start: Scalings, settings: PowerLawSettings) -> tuple[Scalings, Tensor]:
    """Exponents by least squares on rows ``(n, d)``, and their standard errors as one list of numbers.

    ψ is a polynomial that is solved for at each step (variable projection).
    """
    r, k = start.rank, len(start.others)
    degree = max((p for p in range(1, settings.degree + 1) if math.comb(k + p, p) <= len(u) // 10), default=1)

    def of(parameters: Tensor) -> Scalings:
        return Scalings(start.pivots, start.others, parameters[: r * k].reshape(r, k), parameters[r * k :])

    def residual(parameters):  # type: ignore[no-untyped-def]
        scalings = of(torch.as_tensor(parameters, dtype=torch.float64))
        target = v - scalings.offset(u)
        if k == 0:
            return (target - target.mean()).numpy()
        z = scalings.invariants(u)
        phi = polynomial_features(Standard.of("plain", z), k, degree)(z)
        return (target - phi @ _solved(phi, target)).numpy()

    first = torch.cat([start.exponents.reshape(-1), start.outputs])
    found = least_squares(residual, first.numpy(), method="trf", max_nfev=30, x_scale=1.0)
    slope = torch.as_tensor(found.jac, dtype=torch.float64)
    variance = 2.0 * found.cost / max(1, len(u) - slope.shape[1])
    errors = (torch.linalg.pinv(slope.T @ slope, hermitian=True).diagonal() * variance).clamp(min=0.0).sqrt()
    return of(torch.as_tensor(found.x, dtype=torch.float64)), errors


def _rational(scalings: Scalings, errors: Tensor, settings: PowerLawSettings) -> Scalings | None:
    """The simplest fractions near all numbers; None where one is near none."""
    given = (*scalings.exponents.reshape(-1).tolist(), *scalings.outputs.tolist())
    numbers = [_fraction(v, e, settings) for v, e in zip(given, errors.tolist(), strict=True)]
    whole = [n for n in numbers if n is not None]
    if len(whole) < len(numbers):
        return None
    values = torch.tensor([float(n) for n in whole], dtype=torch.float64)
    r, k = scalings.exponents.shape
    return Scalings(scalings.pivots, scalings.others, values[: r * k].reshape(r, k), values[r * k :], True)


def _fraction(value: float, error: float, settings: PowerLawSettings) -> Fraction | None:
    for q in settings.denominators:
        p = round(value * q)
        if abs(value - p / q) < min(max(settings.snapped / q, settings.errors * error), 0.25 / q):
            return Fraction(p, q)
    return None


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
) -> tuple[Scalings, Verdict, float] | None:
    """The scalings that are fitted to one half, made rational if they then lose nothing, judged on both halves."""
    refined, errors = _refined(u[halves[0]], v[halves[0]], start, settings)
    tried = [s for s in (_rational(refined, errors, settings), refined) if s is not None]
    first: tuple[Scalings, Verdict, float] | None = None
    for scalings in tried:
        trials = [
            _trial(u, v, group, a, b, scalings, seed + i, judges) for i, (a, b) in enumerate((halves, halves[::-1]))
        ]
        both = joined(trials[0], trials[1])
        said = verdict(both, best, tolerance, judges)
        if first is None:
            first = scalings, said, both.share
        if said.word == "certified":
            return scalings, said, both.share
    return first


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
