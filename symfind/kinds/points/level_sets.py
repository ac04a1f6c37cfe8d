"""f_k(x) = 0: a set by functions that vanish on it, typed or fitted, their gradients the normals.

Of all polynomials of a degree, those that vanish on the points are the smallest generalised eigenvectors of
E[f²] against E‖∂f‖²_G, which is the mean squared distance from f = 0 to first order (Taubin 1991, gradient weights).
Axis letters: n points, d dimension, K functions, c codimension of the set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from symfind.decision.halves import part_held_out, with_duplicates_grouped
from symfind.errors import InputError, UsageError
from symfind.fields.expressions import Expression, parse_expression
from symfind.fields.polynomial import powers_of_x
from symfind.fields.typeset import monomial_text, sum_text
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.surrogate import Samples
from symfind.linalg.nullspace import generalised_spectrum
from symfind.linalg.tsqr import triangular_factor

# Gauss–Newton steps onto the set: each squares the relative distance, and noisy points start a tenth of the set away.
_STEPS = 4
# A normal direction whose singular value is below this share of the first is none at that point (a singular point).
_SINGULAR = 1e-3
HIGHEST = 8
_MOST_MONOMIALS = 250
# Distances of points that a polynomial passes through exactly, in units of the spread.
_EXACT = 1e-9
# Functions of slope one that are no larger on points they were not fitted to vanish there but for rounding.
_VANISHES = 1e-7
# Held-out distances within this factor of the best are one distance: the lower degree is taken.
_TIE = 1.05
# What passes the points as near as their noise is the set, unless one degree more halves the distance: several sheets
# through a band of noise come nearer to its points than the one that it surrounds, by a factor of 0.6 to 0.8.
_AS_NEAR, _GAIN = 1.2, 0.5
# A function whose zero set keeps this far from the points, in units of the spread, does not vanish on them.
_NOT_ZERO = 0.1


class LevelFunctions(Protocol):
    """K functions that vanish on a set."""

    def __call__(self, x: Tensor) -> Tensor:
        """Values ``(n, d)`` → ``(n, K)``."""
        ...

    def slopes(self, x: Tensor) -> Tensor:
        """Gradients ∂f ``(n, K, d)``."""
        ...


@dataclass(frozen=True)
class TypedLevels:
    """Formulas of the user's; differentiated by reverse mode."""

    formulas: tuple[Expression, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Values ``(n, d)`` → ``(n, K)``."""
        values = dict(zip(self.formulas[0].variables, x.unbind(-1), strict=True))
        return torch.stack([formula(values) for formula in self.formulas], -1)

    def slopes(self, x: Tensor) -> Tensor:
        """Gradients ∂f ``(n, K, d)``."""
        with torch.enable_grad():
            at = x.detach().clone().requires_grad_(True)
            rows = [torch.autograd.grad(column.sum(), at, retain_graph=True)[0] for column in self(at).unbind(-1)]
        return torch.stack(rows, 1)


@dataclass(frozen=True)
class PolynomialLevels:
    """f = φᵀW with W ``(f, K)``."""

    features: PolynomialFeatures
    weights: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Values ``(n, d)`` → ``(n, K)``."""
        return self.features(x) @ self.weights

    def slopes(self, x: Tensor) -> Tensor:
        """Gradients ∂f ``(n, K, d)``."""
        return self.features.derivative(x, self.weights)

    def text(self, coordinates: Sequence[str]) -> str:
        """The functions as equations, such as ``x² + y² − 1 = 0``; empty where they are too long to read."""
        exponents, matrix = powers_of_x(
            self.features.exponents, self.features.standard.mean, self.features.standard.scale
        )
        out = []
        for column in (matrix @ self.weights).T:
            column = column / column[column.abs().argmax()]
            terms = [
                (c, monomial_text(alpha, coordinates) if any(alpha) else "1")
                for alpha, c in zip(exponents.tolist(), column.tolist(), strict=True)
                if abs(c) > 1e-3
            ]
            if len(terms) > 8:
                return ""
            terms = [*(t for t in terms if t[1] != "1"), *(t for t in terms if t[1] == "1")]
            out.append(sum_text(terms).replace(" 1", " 1") + " = 0")
        return ", ".join(out)


def typed_levels(text: str, names: Sequence[str]) -> TypedLevels:
    """Functions from ``f; g`` or ``f = 1; g = 0``.

    Raises
    ------
    UsageError
        A formula does not parse, or is a number.
    """
    formulas = []
    for part in text.split(";"):
        left, _, right = part.partition("=")
        source = f"({left.strip()}) - ({right.strip()})" if right.strip() else left.strip()
        parse_expression(left.strip(), names)  # a fault is pointed out in what was typed
        formulas.append(parse_expression(source, names))
    levels = TypedLevels(tuple(formulas))
    for formula in formulas:
        if not any(name in formula.text for name in names):
            raise UsageError(f"--level-set '{formula.text}' is a number; give functions of {', '.join(names)}")
    return levels


def check_levels(levels: TypedLevels, x: Tensor, colour: Tensor, codimension: int) -> None:
    """Raise if typed functions are not finite, not independent or not zero on points ``(n, d)``.

    Raises
    ------
    InputError
        Which, and by how much.
    """
    values, slopes = levels(x), levels.slopes(x)
    for k, formula in enumerate(levels.formulas):
        if not bool(torch.isfinite(values[:, k]).all() & torch.isfinite(slopes[:, k]).all()):
            raise InputError(f"--level-set '{formula.text}' is not finite on the data; check the formula")
        size = (slopes[:, k] @ colour).norm(dim=1).square().mean().sqrt()
        away = float(values[:, k].square().mean().sqrt() / size.clamp(min=1e-300))
        if away > _NOT_ZERO:
            raise InputError(
                f"--level-set '{formula.text}' is not zero on the data: they lie {away:.2g} of their spread away; "
                "check the formula, or leave it out to have the functions fitted"
            )
    rank = (torch.linalg.svdvals(slopes @ colour) > 1e-6).sum(1).median()
    if int(rank) < codimension:
        raise InputError(f"the {codimension} functions of --level-set depend on one another; give independent ones")


def fitted_levels(x: Tensor, colour: Tensor, degree: int, codimension: int, noise: float) -> PolynomialLevels | None:
    """The polynomials of a degree that vanish on points ``(n, d)`` up to a noise in units of the spread.

    None where there are fewer than the codimension.
    """
    features = PolynomialFeatures.of_degree(_standard(x), degree)
    value = features(x)
    mean = value.mean(0)
    axes = colour.T.expand(x.shape[0], *colour.T.shape)
    slopes = features.push(x, axes).transpose(1, 2)  # (n, d, f): along units of the spread
    m = triangular_factor((value - mean)[:, 1:])  # the constant is what makes the mean zero
    s = triangular_factor(slopes[:, :, 1:].flatten(0, 1))
    spectrum = generalised_spectrum(m, s)
    vanish = int((spectrum.values <= min(max(2 * noise, 1e-6), _NOT_ZERO)).sum())
    if vanish < codimension:
        vanish = codimension if spectrum.values.shape[0] >= codimension else 0
    if vanish == 0:
        return None
    weights = spectrum.vectors[:, :vanish]
    size = (slopes[:, :, 1:] @ weights).square().sum(1).mean(0).sqrt()
    weights = weights / size
    return PolynomialLevels(features, torch.cat([-(mean[1:] @ weights)[None], weights]))


def degrees(d: int, rows: int) -> list[int]:
    """Degrees with few enough monomials for half of the rows."""
    return [k for k in range(1, HIGHEST + 1) if math.comb(d + k, k) <= min(_MOST_MONOMIALS, rows // 8)]


def exact_codimension(x: Tensor, other: Tensor, colour: Tensor) -> int:
    """How many independent gradients the polynomials have that vanish exactly on points ``(n, d)`` and on others.

    0 where none does: of points with noise, or of a set that no polynomial of a degree in reach describes.
    """
    found = 0
    for degree in degrees(x.shape[1], 2 * x.shape[0]):
        levels = fitted_levels(x, colour, degree, 1, 0.0)
        if levels is None:
            continue
        exact = levels(other).square().mean(0).sqrt() <= _VANISHES
        if bool(exact.any()):
            inside = PolynomialLevels(levels.features, levels.weights[:, exact])
            _, sigma, _ = _gradients(inside, other, colour)
            ranks = (sigma > _SINGULAR * sigma[:, :1].clamp(min=1e-300)).sum(1)
            found = max(found, int(ranks.median()))
    return found


def chosen_degree(x: Tensor, colour: Tensor, codimension: int, noise: float, generator: torch.Generator) -> int:
    """The lowest degree whose zero set, fitted to half of the points, passes the other half nearest."""
    copies = with_duplicates_grouped(Samples(x, x[:, :0])).group
    fit, test = (x[part] for part in part_held_out(x.shape[0], x.shape[0] // 2, copies, generator))
    distance: dict[int, float] = {}
    for degree in degrees(x.shape[1], x.shape[0]):
        levels = fitted_levels(fit, colour, degree, codimension, noise)
        if levels is None:
            continue
        moved, _ = onto(levels, test, colour, codimension)
        distance[degree] = float(((test - moved) @ torch.linalg.pinv(colour).T).square().sum(1).mean().sqrt())
        if distance[degree] < _EXACT or len(distance) > 2 + min(distance, key=distance.__getitem__):
            break
        below = distance.get(degree - 1, math.inf)
        if below <= _AS_NEAR * noise and distance[degree] > _GAIN * below:
            return degree - 1
    best = min(distance.values())
    return next(k for k, value in distance.items() if value <= _TIE * best or value < _EXACT)


def onto(levels: LevelFunctions, x: Tensor, colour: Tensor, codimension: int) -> tuple[Tensor, Tensor]:
    """Points moved to f = 0 by Gauss–Newton steps, and the normals there as orthonormal rows ``(n, c, d)``.

    Both in the metric in which ``colour`` ``(d, d)`` has unit columns: normals are covectors of whitened coordinates,
    zero at points where the functions have none.
    """
    for _ in range(_STEPS):
        u, sigma, vh = _gradients(levels, x, colour)
        c = min(codimension, sigma.shape[1])
        inverse = torch.where(sigma > _SINGULAR * sigma[:, :1], 1 / sigma.clamp(min=1e-300), torch.zeros_like(sigma))
        along = torch.einsum("nkj,nk->nj", u[:, :, :c], levels(x)) * inverse[:, :c]
        step = torch.einsum("ncd,nc->nd", vh[:, :c], along)
        # A step of the size of the set would be one of a point where the functions have no gradient.
        step = step * (0.5 / step.norm(dim=1, keepdim=True).clamp(min=0.5))
        x = x - step @ colour.T
    _, sigma, vh = _gradients(levels, x, colour)
    there = sigma[:, :codimension] > _SINGULAR * sigma.amax().clamp(min=1e-300)
    return x, vh[:, :codimension] * there[:, :, None]


def _gradients(levels: LevelFunctions, x: Tensor, colour: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    u, sigma, vh = torch.linalg.svd(levels.slopes(x) @ colour, full_matrices=False)
    return u, sigma, vh


def _standard(x: Tensor) -> Standardiser:
    return Standardiser.of(x.mean(0), x.std(0, correction=0))
