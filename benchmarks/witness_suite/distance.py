"""η: the distance of F to the symmetric functions, in values, and whether neighbours see what is left over.

    η² = E‖F − F_g‖² / Var F,     F_g(x) = ∫ g⁻¹F(gx) p(gx) dg / ∫ p(gx) dg,

the mean over the orbit under the density p of the rows, which is the nearest symmetric function in L²(p). Computed by
quadrature over the group, with nothing of the program that is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar
from scipy.spatial import cKDTree
from scipy.stats import norm as gaussian
from scipy.stats import qmc

from witness_suite.case import Array, Case, Sample, observed_outputs

# Rows over which η is averaged: two per cent of it for the widest of the breaking terms.
_ROWS = 3000
# Rows among which neighbours are sought: the half that is held out, at most so many.
_MOST_NEIGHBOURS = 10_000
# Knots of a function of the radius.
_RADII = 600
# What counts as seen: one in a hundred by chance.
_SIGMAS = 2.3

Average = Callable[[Sample, Array, str], Array]


@dataclass(frozen=True)
class Breaking:
    """What an attack breaks: ``average`` gives F_g at rows, ``words`` says which group was averaged over.

    Without an average nothing symmetric is near: η is 1, and it counts.
    """

    words: str
    average: Average | None = None

    def measured(self, case: Case, sample: Sample, seed: int, noise: float) -> dict[str, object]:
        """``eta`` of the sample's exact F, and ``visible`` with the noise of the case."""
        if self.average is None or sample.f is None:
            return {"eta": 1.0, "visible": True}
        y = sample.values
        half = np.random.default_rng([seed, 7]).permutation(len(y))[: min(len(y) // 2, _MOST_NEIGHBOURS)]
        apart = y[half] - self.average(sample, sample.x[half], case.kind)
        eta = float(np.sqrt(np.square(apart[:_ROWS]).mean(0).sum() / y.var(0).sum()))
        rng = np.random.default_rng([seed, 8])
        disturbed = observed_outputs(sample, noise, rng)
        left = apart + (disturbed - y)[half]
        group = None if sample.group is None else sample.group[half]
        return {"eta": eta, "visible": neighbours_see(sample.x[half], left, group) > _SIGMAS}


def neighbours_see(x: Array, residual: Array, group: Array | None = None) -> float:
    """Σ r_i·r_{n(i)} / Σ r_i² over nearest neighbours n(i), in units of its error were the rest white.

    Rows that are stored twice are one row, and neighbours are sought in other groups.
    """
    points = x.reshape(len(x), -1)
    points = points / np.maximum(points.std(0), 1e-300)
    _, first = np.unique(points, axis=0, return_index=True)
    points, r = points[first], residual[first] - residual[first].mean(0)
    r = r / np.maximum(r.std(0), 1e-300)
    if group is None:
        nearest = cKDTree(points).query(points, k=2)[1][:, 1]
        mutual = float(np.mean(nearest[nearest] == np.arange(len(points))))
        return float((r * r[nearest]).sum() / np.sqrt(r.size * (1 + mutual)))
    g = group[first]
    chosen = np.isin(g, np.unique(g)[::2])
    if chosen.all() or not chosen.any():
        return 0.0
    nearest = cKDTree(points[chosen]).query(points[~chosen])[1]
    products = (r[~chosen] * r[chosen][nearest]).sum(1)
    # Rows of one trajectory are not independent: its mean is one number.
    means = np.asarray([products[g[~chosen] == one].mean() for one in np.unique(g[~chosen])])
    return float(means.mean() / max(means.std(ddof=1) / np.sqrt(len(means)), 1e-300)) if len(means) > 2 else 0.0


def over_directions(d: int, nodes: int = 3000, stretched: Array | None = None) -> Breaking:
    """A scalar F of one object of normal coordinates and so(d): the mean over the sphere.

    With ``stretched``, a unit vector, over the ellipsoids |x + s (u·x)u| of that s for which η is least: an algebra
    need not be the one in the user's axes.
    """
    directions = sphere(d, nodes)

    def average(sample: Sample, x: Array, kind: str) -> Array:
        assert sample.f is not None and kind == "function"
        if stretched is None:
            return ellipsoidal_mean(sample, x, directions, None, 0.0)
        some, coarse = x[:: max(1, len(x) // 1500)], sphere(d, 200)
        y = np.asarray(sample.f(some)).reshape(len(some), -1)
        best = minimize_scalar(
            lambda s: np.square(y - ellipsoidal_mean(sample, some, coarse, stretched, s)).mean(),
            bounds=(-0.4, 0.6), method="bounded",
        ).x  # fmt: skip
        return ellipsoidal_mean(sample, x, directions, stretched, float(best))

    return Breaking(f"so({d})", average)


def ellipsoidal_mean(sample: Sample, x: Array, directions: Array, u: Array | None, s: float) -> Array:
    """F_g for the ellipsoids |x + s (u·x)u| = const, weighted by the normal density."""
    assert sample.f is not None

    def stretch(points: Array, by: float) -> Array:
        return points if u is None else points + by * (points @ u)[:, None] * u

    # F_g is a smooth function of the radius: a cubic spline through enough radii is exact to 1e-6.
    radii = np.linalg.norm(stretch(x, s), axis=-1)
    knots = np.linspace(0, radii.max() * (1 + 1e-9), _RADII)
    total, mass = 0.0, 0.0
    for n in directions:
        orbit = stretch(knots[:, None] * n, -s / (1 + s))
        share = np.exp((knots**2 - np.square(orbit).sum(1)) / 2) if u is not None else np.ones(_RADII)
        total = total + share[:, None] * np.asarray(sample.f(orbit)).reshape(_RADII, -1)
        mass = mass + share[:, None]
    return np.asarray(CubicSpline(knots, total / mass)(radii))


def nearest(*candidates: Breaking) -> Breaking:
    """Of several groups the one whose symmetric functions are nearest."""

    def average(sample: Sample, x: Array, kind: str) -> Array:
        y = np.asarray(sample.f(x)).reshape(len(x), -1)  # type: ignore[misc]
        means = [c.average(sample, x, kind) for c in candidates if c.average is not None]
        return min(means, key=lambda m: float(np.square(y - m).mean()))

    return Breaking(" or ".join(c.words for c in candidates), average)


def over_planes(
    d: int, nodes: int = 3000, planes: Sequence[tuple[int, int]] = ((0, 1),), half: float | None = None
) -> Breaking:
    """Turns of coordinate planes, each by its own angle; ``half`` of a box on which the rows are uniform."""
    count = round(nodes ** (1 / len(planes)))
    grids = np.meshgrid(*[2 * np.pi * np.arange(count) / count] * len(planes), indexing="ij")
    elements = np.tile(np.eye(d), (grids[0].size, 1, 1))
    for (i, j), angle in zip(planes, grids, strict=True):
        c, s = np.cos(angle.reshape(-1)), np.sin(angle.reshape(-1))
        elements[:, i, i], elements[:, j, j], elements[:, j, i], elements[:, i, j] = c, c, s, -s
    words = " + ".join(["so(2)"] * len(planes))
    if half is None:
        return over_elements(elements, words=words)
    # A turned corner leaves the box: only what stays inside counts.
    return over_elements(
        elements, log_density=lambda x: np.where(np.abs(x).max(-1) <= half * (1 + 1e-9), 0.0, -np.inf), words=words
    )


def over_rotations(nodes: int = 700) -> Breaking:
    """SO(3) on every object, Haar, by points of low discrepancy."""
    q = qmc.Sobol(4, seed=5).random(1 << int(np.ceil(np.log2(nodes))))
    q = gaussian.ppf(np.clip(q, 1e-9, 1 - 1e-9))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return over_elements(np.moveaxis(np.asarray(rows), 2, 0), words="so(3)")


def over_elements(
    elements: Array,
    shifts: Array | None = None,
    weights: Array | None = None,
    log_density: Callable[[Array], Array] | None = None,
    words: str = "",
) -> Breaking:
    """Quadrature with group elements ``(J, d, d)``, shifts ``(J, d)``, weights of the Haar measure.

    ``log_density`` is that of the rows with respect to a measure that the group preserves; None where it is invariant.
    """

    def average(sample: Sample, x: Array, kind: str) -> Array:
        assert sample.f is not None
        total, mass, top = 0.0, 0.0, None
        if log_density is not None:
            top = np.full(len(x), -np.inf)
            for j, g in enumerate(elements):
                moved = x @ g.T + (0.0 if shifts is None else shifts[j])
                top = np.maximum(top, log_density(moved))
        for j, g in enumerate(elements):
            moved = x @ g.T + (0.0 if shifts is None else shifts[j])
            y = np.asarray(sample.f(moved)).reshape(len(x), -1)
            if kind in ("flow", "map") or (y.shape[1] == g.shape[0] and y.shape[1] > 1):
                y = (y - (shifts[j] if shifts is not None and kind == "map" else 0.0)) @ np.linalg.inv(g).T
            share = np.ones(len(x)) if weights is None else np.full(len(x), weights[j])
            if log_density is not None:
                share = share * np.exp(log_density(moved) - top)
            total, mass = total + share[:, None] * y, mass + share[:, None]
        return np.asarray(total / mass)

    return Breaking(words, average)


def over_shifts(directions: Array, log_density: Callable[[Array], Array], reach: float, nodes: int = 61) -> Breaking:
    """Translations along one or two directions ``(r, d)``, weighted by the density of the rows."""
    ticks = np.linspace(-reach, reach, nodes)
    grids = np.stack(np.meshgrid(*[ticks] * len(directions), indexing="ij"), -1).reshape(-1, len(directions))
    eye = np.broadcast_to(np.eye(directions.shape[1]), (len(grids), *np.eye(directions.shape[1]).shape))
    return over_elements(eye, grids @ directions, log_density=log_density, words="translations")


def over_scalings(weights: Array, log_density: Callable[[Array], Array], reach: float, nodes: int = 41) -> Breaking:
    """Scalings x ↦ e^{t·w}x with weights ``(r, d)``, under a density with respect to Π dx/x."""
    ticks = np.linspace(-reach, reach, nodes)
    grids = np.stack(np.meshgrid(*[ticks] * len(weights), indexing="ij"), -1).reshape(-1, len(weights))
    elements = np.asarray([np.diag(np.exp(t @ weights)) for t in grids])
    return over_elements(elements, log_density=log_density, words="scalings")


def over_boosts(log_density: Callable[[Array], Array], reach: float = 3.0, nodes: int = 15) -> Breaking:
    """SO(1,3) for F and densities that rotations leave alone: boosts of all rapidities, measure sinh²η dη dn."""
    radii, radial = np.polynomial.legendre.leggauss(nodes)
    radii, radial = reach * (radii + 1) / 2, radial * reach / 2
    elements, weights = [], []
    for eta, w in zip(radii, radial, strict=True):
        for n in sphere(3, 60):
            g = np.eye(4)
            g[0, 0], g[0, 1:], g[1:, 0] = np.cosh(eta), np.sinh(eta) * n, np.sinh(eta) * n
            g[1:, 1:] += (np.cosh(eta) - 1) * np.outer(n, n)
            elements.append(g)
            weights.append(w * np.sinh(eta) ** 2)
    return over_elements(np.asarray(elements), weights=np.asarray(weights), log_density=log_density, words="so(1,3)")


def known(f_g: Callable[[Array], Array], words: str) -> Breaking:
    """F_g in closed form: where the mean of what breaks is zero on every orbit."""
    return Breaking(words, lambda sample, x, kind: np.asarray(f_g(x)).reshape(len(x), -1))


def onto(features: Callable[[Array], Array], words: str) -> Breaking:
    """Symmetric functions that are a finite space: features ``(n, q, m)``, by least squares."""

    def average(sample: Sample, x: Array, kind: str) -> Array:
        table = features(sample.x)
        y = sample.values
        flat = table.transpose(0, 2, 1).reshape(-1, table.shape[1])
        weights = np.linalg.lstsq(flat, y.reshape(-1), rcond=None)[0]
        return np.einsum("nqm,q->nm", features(x), weights)

    return Breaking(words, average)


def unbounded(words: str) -> Breaking:
    """Nothing symmetric is near."""
    return Breaking(words)


def sphere(d: int, nodes: int) -> Array:
    """Directions ``(nodes, d)``: equal angles, a Fibonacci spiral, or normal points of low discrepancy."""
    i = np.arange(nodes)
    if d == 2:
        return np.stack([np.cos(2 * np.pi * i / nodes), np.sin(2 * np.pi * i / nodes)], 1)
    if d == 3:
        z = 1 - (2 * i + 1) / nodes
        angle, r = np.pi * (1 + 5**0.5) * i, np.sqrt(1 - z**2)
        return np.stack([r * np.cos(angle), r * np.sin(angle), z], 1)
    q = qmc.Sobol(d, seed=3).random(1 << int(np.ceil(np.log2(nodes))))
    v = gaussian.ppf(np.clip(q, 1e-9, 1 - 1e-9))
    return np.asarray(v / np.linalg.norm(v, axis=1, keepdims=True))
