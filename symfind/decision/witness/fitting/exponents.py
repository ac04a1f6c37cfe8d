"""Exponents of power laws: scalings in reduced form, fitted with ψ, with honest errors, and the fractions near them.

Axis letters: n rows, d variables, r scalings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from scipy.optimize import least_squares
from torch import Tensor

from symfind.decision.witness.families import Standard, polynomial_features


@dataclass(frozen=True)
class PowerLawSettings:
    """How exponents are proposed, fitted and made rational.

    Attributes
    ----------
    unknowns
        Coefficients at most of the polynomial whose gradients propose: cubic in eight variables.
    degree, finer
        Of ψ while exponents are fitted: quartics follow monotone laws to a per cent. What a polynomial of twice the
        degree changes is bias, and counts as an error.
    denominators
        Of the fractions that are tried; exponents of laws are whole numbers, halves and thirds nearly all.
    simple
        Fractions of this denominator, or of that of the fraction taken, are what it has to be told from.
    snapped
        An exponent nearer than this over q to p/q is tried as it: the finer fractions are, the nearer one always lies.
    errors
        Or so many errors away, but never further than a quarter of 1/q. A second simple fraction as near as that
        leaves the number open.
    """

    unknowns: int = 200
    degree: int = 4
    finer: int = 8
    simple: int = 3
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
    errors
        ``(r, d − r + 1)`` of exponents and outputs as they were fitted; None where they are fractions.
    """

    pivots: tuple[int, ...]
    others: tuple[int, ...]
    exponents: Tensor
    outputs: Tensor
    rational: bool = False
    errors: Tensor | None = None

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


def refined(
    u: Tensor, v: Tensor, halves: tuple[Tensor, Tensor], start: Scalings, settings: PowerLawSettings
) -> tuple[Scalings, Scalings]:
    """Exponents fitted to the first half, and the mean of both halves, each with errors that hold the bias of ψ.

    The standard error of a fit knows nothing of what its polynomial cannot follow; that shows in what a finer
    polynomial, or other rows, make of the same numbers. What is judged as it was fitted has seen one half; for the
    choice among a few fractions both tell.
    """
    a, b = halves
    coarse, spread = _least_squares(u[a], v[a], start, settings.degree)
    fine, fine_spread = _least_squares(u[a], v[a], coarse, settings.finer)
    took_fine = bool(fine_spread.sum() < spread.sum())
    kept, error = (fine, fine_spread) if took_fine else (coarse, spread)
    other, other_error = _least_squares(u[b], v[b], kept, settings.finer if took_fine else settings.degree)
    bias = (_numbers(fine) - _numbers(coarse)).abs()
    apart = (_numbers(kept) - _numbers(other)).abs()
    mean = 0.5 * (_numbers(kept) + _numbers(other))
    pooled = 0.5 * (error.square() + other_error.square()).sqrt()
    return (
        replace(kept, errors=torch.stack([error, bias, apart / math.sqrt(2)]).amax(0)),
        Scalings(
            start.pivots,
            start.others,
            mean[:, :-1],
            mean[:, -1],
            errors=torch.stack([pooled, bias / math.sqrt(2), apart / 2]).amax(0),
        ),
    )


def _numbers(scalings: Scalings) -> Tensor:
    """Exponents and outputs as one table ``(r, d − r + 1)``."""
    return torch.cat([scalings.exponents, scalings.outputs[:, None]], 1)


def _least_squares(u: Tensor, v: Tensor, start: Scalings, most: int) -> tuple[Scalings, Tensor]:
    """Exponents by least squares on rows ``(n, d)``, and their standard errors ``(r, d − r + 1)``.

    ψ is a polynomial of degree ``most``, or what a tenth of the rows allows, that is solved for at each step (variable
    projection).
    """
    r, k = start.rank, len(start.others)
    degree = max((p for p in range(1, most + 1) if math.comb(k + p, p) <= len(u) // 10), default=1)

    def of(parameters: Tensor) -> Scalings:
        table = parameters.reshape(r, k + 1)
        return Scalings(start.pivots, start.others, table[:, :k], table[:, k])

    def residual(parameters):  # type: ignore[no-untyped-def]
        scalings = of(torch.as_tensor(parameters, dtype=torch.float64))
        target = v - scalings.offset(u)
        if k == 0:
            return (target - target.mean()).numpy()
        z = scalings.invariants(u)
        phi = polynomial_features(Standard.of("plain", z), k, degree)(z)
        return (target - phi @ ridge_solved(phi, target)).numpy()

    found = least_squares(residual, _numbers(start).flatten().numpy(), method="trf", max_nfev=30, x_scale=1.0)
    slope = torch.as_tensor(found.jac, dtype=torch.float64)
    free = max(1, len(u) - slope.shape[1] - math.comb(k + degree, degree))
    variance = 2.0 * found.cost / free
    errors = (torch.linalg.pinv(slope.T @ slope, hermitian=True).diagonal() * variance).clamp(min=0.0).sqrt()
    return of(torch.as_tensor(found.x, dtype=torch.float64)), errors.reshape(r, k + 1)


def rational(scalings: Scalings, settings: PowerLawSettings) -> tuple[Scalings | None, bool]:
    """The simplest fractions near all numbers, None where one is near none; and whether that is told for sure.

    Fractions are told where no other that is as simple lies within the errors. That a number is no fraction is told
    where it is further from simple ones than twice that: errors known from two halves have heavy tails.
    """
    assert scalings.errors is not None
    given = list(zip(_numbers(scalings).flatten().tolist(), scalings.errors.flatten().tolist(), strict=True))
    numbers = [_fraction(v, e, settings) for v, e in given]
    whole = [n for n in numbers if n is not None]
    if len(whole) < len(numbers):
        strange = [g for n, g in zip(numbers, given, strict=True) if n is None]
        return None, any(_from_simple(v, settings) > 2 * settings.errors * e for v, e in strange)
    told = all(_told_apart(n, v, e, settings) for n, (v, e) in zip(whole, given, strict=True))
    table = torch.tensor([float(n) for n in whole], dtype=torch.float64).reshape(scalings.rank, -1)
    return Scalings(scalings.pivots, scalings.others, table[:, :-1], table[:, -1], True), told


def _from_simple(value: float, settings: PowerLawSettings) -> float:
    """How far the nearest simple fraction is."""
    return min(abs(value - round(value * q) / q) for q in range(1, settings.simple + 1))


def _fraction(value: float, error: float, settings: PowerLawSettings) -> Fraction | None:
    for q in settings.denominators:
        p = round(value * q)
        if abs(value - p / q) < min(max(settings.snapped / q, settings.errors * error), 0.25 / q):
            return Fraction(p, q)
    return None


def _told_apart(taken: Fraction, value: float, error: float, settings: PowerLawSettings) -> bool:
    """Whether no other fraction as simple lies within the errors."""
    reach = settings.errors * error
    for q in range(1, max(settings.simple, taken.denominator) + 1):
        for p in range(math.ceil((value - reach) * q), math.floor((value + reach) * q) + 1):
            if Fraction(p, q) != taken:
                return False
    return True


def ridge_solved(phi: Tensor, y: Tensor) -> Tensor:
    """Least squares with a ridge of rounding."""
    gram = phi.T @ phi
    shifted = gram + 1e-10 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    out: Tensor = torch.linalg.solve(shifted, phi.T @ y)
    return out
