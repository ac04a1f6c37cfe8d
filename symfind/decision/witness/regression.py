"""y ≈ Σ_a f_a(z) K_a: regressors f on invariants z, linear in their weights, chosen on the rows they are fitted to.

Axis letters: n rows, r invariants, m outputs, A covariants, f features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.optimize import minimize
from torch import Tensor

from symfind.fields.polynomial import Monomials, monomial_exponents


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
        Most unknowns of one fit, covariants counted: the cube of it is the cost.
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
    hidden, network_steps
        Units of each of its two layers, and steps of its training.
    """

    selection_rows: int = 1600
    centres: int = 900
    unknowns: int = 1500
    knots: tuple[int, ...] = (4, 8, 16, 32, 64)
    lengths: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    ridges: tuple[float, ...] = (1e-11, 1e-8, 1e-5, 1e-3)
    degree_features: int = 250
    held_out: float = 0.25
    settled: float = 1e-9
    rich: bool = True
    most_radial: int = 40
    network: float = 1e-3
    hidden: int = 48
    network_steps: int = 250


Features = Callable[[Tensor], Tensor]
DEFAULT = RegressionSettings()


@dataclass(frozen=True)
class SymmetricFit:
    """Σ_a f_a(z) K_a with f_a(z) = φ(z)ᵀ w_a.

    Attributes
    ----------
    features
        z ``(n, r)`` → φ ``(n, f)``.
    weights
        ``(f, A)``.
    name
        For the report.
    error
        Held-out share of variance that was left when the family was chosen.
    invariants
        r.
    """

    features: Features
    weights: Tensor
    name: str
    error: float
    invariants: int = 0

    def __call__(self, z: Tensor, covariants: Tensor) -> Tensor:
        """Values ``(n, m)`` at invariants ``(n, r)`` and covariants ``(n, A, m)``."""
        parts = [
            torch.einsum("na,nam->nm", self.features(zp) @ self.weights, kp)
            for zp, kp in zip(torch.split(z, 4096), torch.split(covariants, 4096), strict=True)
        ]
        return torch.cat(parts)


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


def _spline(standard: Standard, u: Tensor, intervals: int) -> Features:
    """Cubic B-splines in one coordinate with knots at quantiles of ``(n, 1)``."""
    levels = torch.linspace(0, 1, intervals + 1, dtype=torch.float64)
    inner = torch.unique(torch.quantile(u[:, 0], levels)).numpy()
    if inner.shape[0] < 2:
        return lambda z: torch.ones(z.shape[0], 1, dtype=torch.float64)
    knots = np.r_[[inner[0]] * 3, inner, [inner[-1]] * 3]

    step = 1e-4 * (inner[-1] - inner[0])

    def features(z: Tensor) -> Tensor:
        u = standard.unbounded(z)[:, 0].numpy()
        at = np.clip(u, inner[0], inner[-1])
        out = BSpline.design_matrix(at, knots, 3).toarray()
        beyond = np.nonzero(u != at)[0]
        if beyond.size:  # a line goes on where the rows that were seen end
            inward = at[beyond] + np.where(u[beyond] < at[beyond], step, -step)
            slope = (out[beyond] - BSpline.design_matrix(inward, knots, 3).toarray()) / (at[beyond] - inward)[:, None]
            out[beyond] += slope * (u[beyond] - at[beyond])[:, None]
        return torch.from_numpy(out)

    return features


def _additive(standard: Standard, u: Tensor, intervals: int) -> Features:
    """A constant and cubic splines in each coordinate by itself."""
    parts = []
    for j in range(u.shape[1]):
        keep = slice(j, j + 1)
        one = Standard("plain", u.new_zeros(1), u.new_zeros(1), u.new_ones(1), standard.low[keep], standard.high[keep])
        parts.append(_spline(one, u[:, j : j + 1], intervals))

    def features(z: Tensor) -> Tensor:
        at = standard.unbounded(z)
        columns = [part(at[:, j : j + 1])[:, 1:] for j, part in enumerate(parts)]
        return torch.cat([torch.ones(z.shape[0], 1, dtype=torch.float64), *columns], 1)

    return features


def _polynomial(standard: Standard, r: int, degree: int) -> Features:
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


def _spline_family(count: int, standard: Standard, u: Tensor, most: int) -> Features:
    return _spline(standard, u, count)


def _polynomial_family(degree: int, standard: Standard, u: Tensor, most: int) -> Features:
    return _polynomial(standard, u.shape[1], degree)


def _radial_family(length: float, smooth: bool, standard: Standard, u: Tensor, most: int) -> Features:
    return _radial(standard, u[:most], length, smooth)


def _joined_family(standard: Standard, u: Tensor, most: int) -> Features:
    return _joined([_additive(standard, u, 12), _radial(standard, u[: most // 2], 1.0, True)])


@dataclass(frozen=True)
class Family:
    """One way of making features: (rows of z, most features) → φ."""

    name: str
    chart: str
    make: Callable[[Standard, Tensor, int], Features]
    steps: int = 1


def families(z: Tensor, settings: RegressionSettings) -> list[Family]:
    """What is tried for r invariants ``(n, r)``: cheap and smooth ones first."""
    r = z.shape[1]
    charts = ["plain", "root"]
    if r and bool(one_signed(z).any()):
        charts.append("log")
    out: list[Family] = []
    if r == 0:
        return [
            Family("constant", "plain", lambda s, u, most: lambda z: torch.ones(z.shape[0], 1, dtype=torch.float64))
        ]
    if r == 1:
        for chart in charts:
            for count in settings.knots:
                if count * 6 < z.shape[0]:
                    out.append(Family(f"spline, {count} intervals", chart, partial(_spline_family, count)))
        return out
    for chart in charts:
        degrees = [p for p in range(1, 10) if math.comb(r + p, p) <= min(settings.degree_features, z.shape[0] // 6)]
        for p in degrees[1:] if settings.rich else degrees[-2:]:
            out.append(Family(f"polynomial, degree {p}", chart, partial(_polynomial_family, p)))
        if r > settings.most_radial:
            continue
        if settings.rich or chart != "root":
            for length in settings.lengths:
                for smooth in (True, False) if settings.rich else (True,):
                    out.append(
                        Family(
                            f"{'Gaussian' if smooth else 'Matérn'} functions, length {length:g}",
                            chart,
                            partial(_radial_family, length, smooth),
                        )
                    )
        if settings.rich:
            out.append(
                Family(
                    "splines and Gaussian functions",
                    chart,
                    _joined_family,
                )
            )
    return out


def design(phi: Tensor, covariants: Tensor) -> Tensor:
    """φ_f(z) K_a as rows ``(n·m, f·A)``."""
    n, a, m = covariants.shape
    return torch.einsum("nf,nam->nmfa", phi, covariants).reshape(n * m, phi.shape[1] * a)


def _normal(features: Features, z: Tensor, covariants: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Gram matrix and moments of the design, rows in blocks."""
    gram: Tensor | None = None
    moment: Tensor | None = None
    for zp, kp, yp in zip(*(torch.split(t, 2048) for t in (z, covariants, y)), strict=True):
        d = design(features(zp), kp)
        g, b = d.T @ d, d.T @ yp.reshape(-1, 1)
        gram, moment = (g, b) if gram is None or moment is None else (gram + g, moment + b)
    assert gram is not None and moment is not None
    return gram, moment


def _solved(gram: Tensor, moment: Tensor, ridge: float) -> Tensor:
    """Ridge solution with columns scaled to one; raised where a factorisation fails by rounding."""
    scale = gram.diagonal().clamp(min=0).sqrt()
    scale = torch.where(scale > 1e-12 * scale.max(), scale, torch.full_like(scale, torch.inf))
    unit = gram / scale[:, None] / scale[None, :]
    eye = torch.eye(gram.shape[0], dtype=gram.dtype)
    while True:
        factor, failed = torch.linalg.cholesky_ex(unit + ridge * eye)
        if not bool(failed):
            break
        ridge *= 10
    solution: Tensor = torch.cholesky_solve(moment / scale[:, None], factor) / scale[:, None]
    return solution[:, 0]


def fitted(
    z: Tensor,
    covariants: Tensor,
    y: Tensor,
    group: Tensor | None,
    seed: int,
    settings: RegressionSettings = DEFAULT,
    *,
    quick: bool = False,
) -> SymmetricFit:
    """The family and ridge that predict held-out rows best, fitted to all rows.

    Parameters
    ----------
    z, covariants, y
        ``(n, r)``, ``(n, A, m)``, ``(n, m)``; y in units in which its components count alike.
    group
        ``(n,)`` labels kept whole, or None.
    seed
        Of the held-out share and the centres.
    quick
        Whether the fit on the selection rows is enough.
    """
    n, a, m = covariants.shape
    generator = torch.Generator().manual_seed(seed)
    order = _order(n, group, generator)
    chosen = order[: settings.selection_rows]
    cut = max(1, int(settings.held_out * chosen.shape[0]))
    if group is not None:  # whole groups to one side
        labels = group[chosen]
        while cut < chosen.shape[0] - 1 and bool(labels[cut] == labels[cut - 1]):
            cut += 1
    test, train = chosen[:cut], chosen[cut:]
    spread = (y[test] - y[train].mean(0)).square().mean().clamp(min=1e-300)
    most = max(4, min(settings.unknowns // (3 * a), train.shape[0] * m // (3 * a), 300))
    best: tuple[float, Family, float] | None = None
    for family in families(z[train], settings):
        standard = Standard.of(family.chart, z[train])
        features = family.make(standard, standard(z[train]), most)
        width = features(z[train][:2]).shape[1] * a
        if width > train.shape[0] * m // 2:
            continue
        gram, moment = _normal(features, z[train], covariants[train], y[train])
        held = design(features(z[test]), covariants[test])
        for ridge in settings.ridges:
            residual = held @ _solved(gram, moment, ridge) - y[test].reshape(-1)
            error = float(residual.square().mean() / spread)
            if math.isfinite(error) and (best is None or error < 0.99 * best[0]):
                best = (error, family, ridge)
        if best is not None and best[0] < settings.settled:
            break
    assert best is not None
    error, family, ridge = best
    if error > settings.network and settings.rich and z.shape[1] > 1 and not quick:
        learned = _network_family(z, covariants, y, train, test, spread, seed, settings)
        if learned is not None and learned[0] < 0.9 * error:
            error, family, ridge = learned
    if quick:
        rows = train
    else:
        rows = order
    standard = Standard.of(family.chart, z[rows])
    keep = max(4, min(settings.centres, settings.unknowns // a - z.shape[1] - 1, rows.shape[0] * m // (3 * a)))
    features = family.make(standard, standard(z[rows]), keep if not quick else most)
    # The ridge that suits the rows that were chosen on is halved with each doubling of the rows.
    gram, moment = _normal(features, z[rows], covariants[rows], y[rows])
    weights = _solved(gram, moment, max(ridge * train.shape[0] / rows.shape[0], settings.ridges[0]))
    return SymmetricFit(features, weights.reshape(-1, a), f"{family.name} in {family.chart} units", error, z.shape[1])


def _network_family(
    z: Tensor,
    covariants: Tensor,
    y: Tensor,
    train: Tensor,
    test: Tensor,
    spread: Tensor,
    seed: int,
    settings: RegressionSettings,
) -> tuple[float, Family, float] | None:
    """Features that a network of two layers learns on the rows it is trained on; its last layer is solved for."""
    best: tuple[float, Family, float] | None = None
    for chart in ("plain", "log") if bool(one_signed(z).any()) else ("plain",):
        made = _network_features(Standard.of(chart, z[train]), z[train], covariants[train], y[train], seed, settings)
        gram, moment = _normal(made, z[train], covariants[train], y[train])
        weights = _solved(gram, moment, settings.ridges[1])
        residual = design(made(z[test]), covariants[test]) @ weights - y[test].reshape(-1)
        error = float(residual.square().mean() / spread)

        def make(s: Standard, u: Tensor, most: int, made: Features = made) -> Features:
            return made

        if math.isfinite(error) and (best is None or error < best[0]):
            best = (error, Family(f"network, {settings.hidden} × {settings.hidden}", chart, make), settings.ridges[1])
    return best


def _network_features(
    standard: Standard, z: Tensor, covariants: Tensor, y: Tensor, seed: int, settings: RegressionSettings
) -> Features:
    """1, u and the second layer of a tanh network that was trained by L-BFGS on all rows at once."""
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


def _order(n: int, group: Tensor | None, generator: torch.Generator) -> Tensor:
    """Rows at random, groups whole."""
    if group is None:
        return torch.randperm(n, generator=generator)
    _, inverse = torch.unique(group, return_inverse=True)
    place = torch.randperm(int(inverse.max()) + 1, generator=generator)[inverse]
    return torch.argsort(place, stable=True)
