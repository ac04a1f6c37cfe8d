"""φ(z): families of features of invariants, from smooth and cheap to fine.

Axis letters: n rows, r invariants, f features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symfind.fields.polynomial import Monomials, monomial_exponents

Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class RegressionSettings:
    """What the choice of a regressor is made from.

    Attributes
    ----------
    selection_rows
        Rows on which families are compared; their order does not change with more, and each costs its square.
    centres
        Radial functions of the fit that is kept. Their Gram matrix is factorised once a ridge.
    unknowns
        Most unknowns of one fit, as one Gram matrix costs that of them all: covariants and outputs counted.
    knots
        Intervals of a spline in one invariant.
    lengths
        Lengths of radial functions in units of the spread of the invariants times √r.
    ridges
        In units of the mean square of the features, small ones first: the least that rounding of normal equations
        leaves room for is 1e-11.
    degree_features
        Most monomials of a polynomial.
    held_out
        Share of the rows on which families are compared.
    settled
        Held-out share of variance below which no other family is looked for.
    rich
        Whether all lengths, both radial functions and additive splines are tried: not where candidates are only ranked.
    most_radial
        Most invariants for radial functions.
    network
        Held-out share of variance above which a network is tried as well: it costs seconds.
    fewest
        Rows on which families are compared at least, however many outputs a row has (200 to 800).
    labelled
        A label says little: families are told apart by so many times more rows (2 to 5).
    label_ridges
        Of likelihoods, which are flat where labels are sure: some ridge keeps the odds finite.
    label_radial, label_features
        Radial functions and features at most of a likelihood: what labels support is few, and each round of reweighting
        costs their square (half to twice of each).
    hidden, network_steps
        Units of each of its two layers, and steps of its training.
    """

    selection_rows: int = 1600
    centres: int = 900
    unknowns: int = 1500
    knots: tuple[int, ...] = (4, 8, 16, 32, 64)
    lengths: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    ridges: tuple[float, ...] = (1e-11, 1e-8, 1e-5, 1e-3, 1e-1)
    degree_features: int = 250
    held_out: float = 0.25
    settled: float = 1e-9
    rich: bool = True
    most_radial: int = 40
    network: float = 1e-3
    fewest: int = 400
    labelled: int = 3
    label_ridges: tuple[float, ...] = (1e-6, 1e-3)
    label_radial: int = 60
    label_features: int = 130
    hidden: int = 48
    network_steps: int = 250


# A chart is what an invariant is measured in before it is standardised: (z, columns of one sign) → u.
CHARTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "plain": lambda z, one_sign: z,
    "root": lambda z, one_sign: z.sign() * z.abs().sqrt(),
    "log": lambda z, one_sign: torch.where(one_sign, z.abs().clamp(min=1e-300).log(), z.sign() * z.abs().sqrt()),
}


def one_signed(z: Tensor) -> Tensor:
    """Which columns ``(r,)`` of ``(n, r)`` keep their sign."""
    return (z > 0).all(0) | (z < 0).all(0)


@dataclass(frozen=True)
class Standard:
    """(chart(z) − mean)/spread, kept within the range that was seen."""

    chart: str
    one_sign: Tensor
    mean: Tensor
    spread: Tensor
    low: Tensor
    high: Tensor

    @staticmethod
    def of(chart: str, z: Tensor) -> Standard:
        """From rows ``(n, r)``."""
        signs = one_signed(z)
        u = CHARTS[chart](z, signs)
        if u.shape[1] == 0:
            return Standard(chart, signs, *(u.new_zeros(0) for _ in range(4)))
        mean, spread = u.mean(0), u.std(0, correction=0)
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
        u = (u - mean) / spread
        return Standard(chart, signs, mean, spread, u.amin(0), u.amax(0))

    def unbounded(self, z: Tensor) -> Tensor:
        """Standardised ``(n, r)``."""
        return (CHARTS[self.chart](z, self.one_sign) - self.mean) / self.spread

    def __call__(self, z: Tensor) -> Tensor:
        """Standardised ``(n, r)``, no further than the range seen."""
        return torch.minimum(torch.maximum(self.unbounded(z), self.low), self.high)


def spline_features(standard: Standard, u: Tensor, intervals: int) -> Features:
    """Cubic B-splines in one coordinate with knots at quantiles of ``(n, 1)``."""
    levels = torch.linspace(0, 1, intervals + 1, dtype=torch.float64)
    inner = torch.unique(torch.quantile(u[:, 0], levels)).numpy()
    if inner.shape[0] < 2:
        return lambda z: torch.ones(z.shape[0], 1, dtype=torch.float64)
    knots = torch.from_numpy(np.r_[[inner[0]] * 3, inner, [inner[-1]] * 3])
    low, high = float(inner[0]), float(inner[-1])
    step = 1e-4 * (high - low)
    ends = torch.tensor([low, low + step, high - step, high], dtype=torch.float64)
    at_ends = _cubic_splines(knots, ends)
    below, above = (at_ends[1] - at_ends[0]) / step, (at_ends[3] - at_ends[2]) / step

    def features(z: Tensor) -> Tensor:
        u = standard.unbounded(z)[:, 0]
        at = u.clamp(low, high)
        # A line goes on where the rows that were seen end.
        return (
            _cubic_splines(knots, at) + (u - at).clamp(max=0)[:, None] * below + (u - at).clamp(min=0)[:, None] * above
        )

    return features


def _cubic_splines(knots: Tensor, at: Tensor) -> Tensor:
    """B(u) ``(n, m − 4)`` at points ``(n,)`` within m knots, those at the ends fourfold (de Boor 1972)."""
    span = torch.searchsorted(knots[3:-3], at, right=True).clamp(1, knots.shape[0] - 7) + 2
    values = [torch.ones_like(at)]
    for k in range(1, 4):  # of degree k the splines span − k … span are not zero
        left = [knots[span - r] for r in range(k)]
        right = [knots[span + 1 + r] for r in range(k)]
        shares = [values[r] / (right[r] - left[k - 1 - r]) for r in range(k)]
        fall = [(right[r] - at) * shares[r] for r in range(k)]
        rise = [(at - left[k - 1 - r]) * shares[r] for r in range(k)]
        values = [fall[0], *(fall[r] + rise[r - 1] for r in range(1, k)), rise[k - 1]]
    out = at.new_zeros(at.shape[0], knots.shape[0] - 4)
    return out.scatter(1, span[:, None] + torch.arange(-3, 1), torch.stack(values, 1))


def additive_features(standard: Standard, u: Tensor, intervals: int) -> Features:
    """A constant and cubic splines in each coordinate by itself."""
    parts = []
    for j in range(u.shape[1]):
        keep = slice(j, j + 1)
        one = Standard("plain", u.new_zeros(1), u.new_zeros(1), u.new_ones(1), standard.low[keep], standard.high[keep])
        parts.append(spline_features(one, u[:, j : j + 1], intervals))

    def features(z: Tensor) -> Tensor:
        at = standard.unbounded(z)
        columns = [part(at[:, j : j + 1])[:, 1:] for j, part in enumerate(parts)]
        return torch.cat([torch.ones(z.shape[0], 1, dtype=torch.float64), *columns], 1)

    return features


def polynomial_features(standard: Standard, r: int, degree: int) -> Features:
    """Monomials of r standardised invariants."""
    monomials = Monomials(monomial_exponents(r, 0, degree))
    # A polynomial goes on as it is: what is a polynomial on the rows that were seen is one beyond them.
    return lambda z: monomials(standard.unbounded(z))


def _radial(standard: Standard, centres: Tensor, length: float, smooth: bool) -> Features:
    """A constant, the coordinates, and exp(−s²/2) or the Matérn function (1 + s + s²/3)e^{−s} of s = √3|u − c|/ℓ."""
    scale = length * math.sqrt(centres.shape[1])

    def features(z: Tensor) -> Tensor:
        u = standard(z)
        s = torch.cdist(u, centres) / scale
        if smooth:
            bells = torch.exp(-0.5 * s.square())
        else:
            s = math.sqrt(5.0) * s
            bells = (1 + s + s.square() / 3) * torch.exp(-s)
        # The coordinates themselves are not bounded: beyond the rows that were seen a plane goes on.
        return torch.cat([torch.ones(z.shape[0], 1, dtype=torch.float64), standard.unbounded(z), bells], 1)

    return features


def _joined(parts: Sequence[Features]) -> Features:
    return lambda z: torch.cat([parts[0](z), *(part(z)[:, 1:] for part in parts[1:])], 1)


def _ones(z: Tensor) -> Tensor:
    return torch.ones(z.shape[0], 1, dtype=torch.float64)


@dataclass(frozen=True)
class Constant:
    """1."""

    def __call__(self, standard: Standard, u: Tensor, most: int) -> Features:
        """One column."""
        del standard, u, most
        return _ones


@dataclass(frozen=True)
class Spline:
    """Cubic B-splines of one invariant."""

    intervals: int

    def __call__(self, standard: Standard, u: Tensor, most: int) -> Features:
        """Knots at quantiles."""
        del most
        return spline_features(standard, u, self.intervals)


@dataclass(frozen=True)
class Polynomial:
    """Monomials up to a degree."""

    degree: int

    def __call__(self, standard: Standard, u: Tensor, most: int) -> Features:
        """By degree."""
        del most
        return polynomial_features(standard, u.shape[1], self.degree)


@dataclass(frozen=True)
class Radial:
    """Gaussian or Matérn functions about rows."""

    length: float
    smooth: bool

    def __call__(self, standard: Standard, u: Tensor, most: int) -> Features:
        """Centres are the first rows."""
        return _radial(standard, u[:most], self.length, self.smooth)


@dataclass(frozen=True)
class Additive:
    """Splines in each invariant by itself: sums over pairs are such, in as many variables as there are pairs."""

    intervals: int = 12

    def __call__(self, standard: Standard, u: Tensor, most: int) -> Features:
        """Fewer intervals where there are many invariants."""
        return additive_features(standard, u, max(4, min(self.intervals, most // max(1, u.shape[1]))))


@dataclass(frozen=True)
class AdditiveAndRadial:
    """Splines in each invariant by itself, and Gaussian functions of all."""

    intervals: int = 12

    def __call__(self, standard: Standard, u: Tensor, most: int) -> Features:
        """Both side by side."""
        return _joined([additive_features(standard, u, self.intervals), _radial(standard, u[: most // 2], 1.0, True)])


@dataclass(frozen=True)
class Learned:
    """Features that were made already."""

    features: Features

    def __call__(self, standard: Standard, u: Tensor, most: int) -> Features:
        """The same whatever the rows."""
        del standard, u, most
        return self.features


class Maker(Protocol):
    """Features of standardised rows ``(n, r)``, with at most so many radial functions."""

    def __call__(self, standard: Standard, u: Tensor, most: int) -> Features:
        """φ on rows ``(n, r)`` of invariants."""
        ...


@dataclass(frozen=True)
class Family:
    """One way of making features, in one chart."""

    name: str
    chart: str
    make: Maker


def families(z: Tensor, settings: RegressionSettings) -> list[Family]:
    """What is tried for r invariants ``(n, r)``: cheap and smooth ones first."""
    r = z.shape[1]
    constant = Family("constant", "plain", Constant())
    if r == 0:
        return [constant]
    charts = ["plain", "root", *(["log"] if bool(one_signed(z).any()) else [])]
    if r == 1:
        knots = [count for count in settings.knots if count * 6 < z.shape[0]]
        splines = [Family(f"spline, {count} intervals", chart, Spline(count)) for chart in charts for count in knots]
        return [constant, *splines]
    limit = min(settings.degree_features, z.shape[0] // 6)
    degrees = [p for p in range(1, 10) if math.comb(r + p, p) <= limit]
    out = [constant]
    for chart in charts:
        chosen = degrees if settings.rich else degrees[-2:]
        out += [Family(f"polynomial, degree {p}", chart, Polynomial(p)) for p in chosen]
        if r <= settings.most_radial and (settings.rich or chart != "root"):
            out += _radial_families(chart, settings)
        if chart == "plain":
            out.append(Family("splines along each invariant", chart, Additive()))
    return out


def _radial_families(chart: str, settings: RegressionSettings) -> list[Family]:
    kinds = ((True, "Gaussian"), (False, "Matérn")) if settings.rich else ((True, "Gaussian"),)
    out = [
        Family(f"{name} functions, length {length:g}", chart, Radial(length, smooth))
        for length in settings.lengths
        for smooth, name in kinds
    ]
    return [*out, Family("splines and Gaussian functions", chart, AdditiveAndRadial())] if settings.rich else out


def network_features(
    standard: Standard, z: Tensor, covariants: Tensor, y: Tensor, seed: int, settings: RegressionSettings
) -> Features:
    """1, u and the second layer of a tanh network that was trained by L-BFGS on all rows at once."""
    from scipy.optimize import minimize  # slow to import, and only what no spline holds needs it

    generator = torch.Generator().manual_seed(seed)
    u = standard.unbounded(z)
    r, a, h = u.shape[1], covariants.shape[1], settings.hidden

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64) / math.sqrt(shape[0])

    shapes = [(r, h), (h,), (h, h), (h,), (h, a)]
    start = [drawn(r, h), torch.zeros(h).double(), drawn(h, h), torch.zeros(h).double(), 0.1 * drawn(h, a)]

    def layers_of(flat: Tensor) -> list[Tensor]:
        parts = torch.split(flat, [math.prod(shape) for shape in shapes])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def hidden(at: Tensor, layers: list[Tensor]) -> Tensor:
        return torch.tanh(torch.tanh(at @ layers[0] + layers[1]) @ layers[2] + layers[3])

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        flat = torch.from_numpy(at).requires_grad_(True)
        layers = layers_of(flat)
        value = torch.einsum("na,nam->nm", hidden(u, layers) @ layers[4], covariants)
        total = (value - y).square().mean() + 1e-8 * flat.square().sum()
        (slope,) = torch.autograd.grad(total, flat)
        return total.item(), slope.numpy()

    flat = torch.cat([part.flatten() for part in start]).numpy()
    found = minimize(loss, flat, jac=True, method="L-BFGS-B", options={"maxiter": settings.network_steps, "maxcor": 30})
    trained = layers_of(torch.from_numpy(found.x))

    def features(at: Tensor) -> Tensor:
        inner = standard.unbounded(at)
        return torch.cat([torch.ones(at.shape[0], 1, dtype=at.dtype), inner, hidden(inner, trained)], 1)

    return features
