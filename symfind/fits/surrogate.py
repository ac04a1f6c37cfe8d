"""F̂(x) = F₀(x) + φ(x)ᵀW: fits that stand for F where only samples are given, chosen by cross-validation."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fits.features import Features, FourierFeatures, MultiquadricFeatures, PolynomialFeatures, Standardiser
from symfind.fits.settings import SETTINGS
from symfind.linalg.processes import Processes
from symfind.linalg.tsqr import StreamedFactor, triangular_factor
from symfind.schema.document import Fit

# Singular values of the features below this share of the largest belong to functions that the points cannot
# see (dependent monomials on a curve or a sphere); the fit has no component there.
FEATURE_CUT = 1e-9
# A held-out share of variance below this is rounding: the family holds F exactly.
_EXACT = 1e-18
_ALONE = Processes()
# Folds of the cross-validation, and waves that are worth a family.
_FOLDS = 4
_FEWEST_WAVES = 8
# Monomials of a family at most: more take minutes.
_MOST_MONOMIALS = 700
_REQUEST = re.compile(
    r"(?P<head>auto|features|polynomial)"
    r"((?<=polynomial):(?P<degree>[1-9])(,ridge=(?P<ridge>\d+\.?\d*([eE][-+]?\d+)?))?)?"
)
# Ridges tried for random features, in units of their mean square: small ones first, because a heavy ridge
# makes a fit more symmetric than the truth (DESIGN §8).
_RIDGES = (1e-10, 1e-7, 1e-4, 1e-2)


@dataclass(frozen=True)
class Samples:
    """Rows held in memory.

    Attributes
    ----------
    x
        ``(n, D)`` flattened inputs.
    y
        ``(n, m)`` flattened outputs.
    group
        ``(n,)`` integers; rows of one group belong together in every split. None: every row by itself.
    """

    x: Tensor
    y: Tensor
    group: Tensor | None = None

    def __len__(self) -> int:
        """Number of rows n."""
        return self.x.shape[0]

    def rows(self, index: Tensor) -> Samples:
        """A subset."""
        return Samples(self.x[index], self.y[index], None if self.group is None else self.group[index])


@dataclass(frozen=True)
class LinearFit:
    """F̂ = φᵀW, a :class:`~symfind.models.differentiable_map.DifferentiableMap`.

    Attributes
    ----------
    features
        φ.
    weights
        W ``(f, m)``.
    input_shape, output_shape
        Shapes of one row.
    """

    features: Features
    weights: Tensor
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """F̂(x) ``(n, *output_shape)``."""
        return (self.features(x.flatten(1)) @ self.weights.to(x)).reshape(-1, *self.output_shape)

    def value_and_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """F̂ ``(n, m)`` and dF̂ ``(n, m, D)``."""
        flat = x.flatten(1)
        return self.features(flat) @ self.weights.to(x), self.features.derivative(flat, self.weights)


@dataclass(frozen=True)
class Family:
    """A class of fits: features and a ridge λ in units of the mean square of the features."""

    features: Features
    ridge: float = 0.0

    @property
    def name(self) -> str:
        """For the report."""
        return self.features.name

    @property
    def degree(self) -> int | None:
        """Degree of a polynomial family."""
        return self.features.degree if isinstance(self.features, PolynomialFeatures) else None


@dataclass(frozen=True)
class Choice:
    """What cross-validation chose.

    Attributes
    ----------
    family
        The class of fits.
    r2
        Held-out R², averaged over the outputs that vary.
    """

    family: Family
    r2: float

    @property
    def entry(self) -> Fit:
        """For the report: the name of a polynomial ends in its degree, which is a field of its own."""
        degree = self.family.degree
        return Fit(surrogate=self.family.name.removesuffix(f", degree {degree}"), degree=degree, r2=self.r2)


@dataclass(frozen=True)
class Whitened:
    """φ′ = φT with orthonormal columns over some rows: the coordinates in which weighted refits are stable.

    Attributes
    ----------
    transform
        T ``(f, f′)``, functions that the rows cannot see dropped.
    penalty
        λTᵀT ``(f′, f′)``, to be added to a mean Gram matrix.
    """

    transform: Tensor
    penalty: Tensor


def whiten_features(factor: Tensor, count: int, ridge: float) -> Whitened:
    """T from the triangular factor R of the features over ``count`` rows.

    With RᵀR/n = V diag(σ²) Vᵀ, T = V diag((σ² + λ)^{-1/2}).
    """
    _, sigma, vh = torch.linalg.svd(factor / math.sqrt(count), full_matrices=False)
    keep = sigma > FEATURE_CUT * sigma.max()
    transform = vh[keep].T / (sigma[keep].square() + ridge).sqrt()
    return Whitened(transform, ridge * transform.T @ transform)


def fit_weights(
    family: Family, blocks: Iterable[tuple[Tensor, Tensor]], outputs: int, processes: Processes = _ALONE
) -> tuple[Tensor, int]:
    """W of the (ridge) least-squares fit, rows streamed through one triangular factor; and the row count.

    Parameters
    ----------
    family
        Features and ridge.
    blocks
        Pairs x ``(n, D)``, y ``(n, m)``.
    outputs
        m.
    processes
        Each with blocks of its own.
    """
    f = family.features.size
    factor = StreamedFactor(f + outputs)
    count = 0
    for x, y in blocks:
        for part_x, part_y in zip(torch.split(x, 8192), torch.split(y, 8192), strict=True):
            factor.add(torch.cat([family.features(part_x), part_y], 1))
            count += part_x.shape[0]
    r, count = processes.joined_factor(factor.factor()), processes.total(count)
    if r.shape[0] < f + outputs:
        r = torch.cat([r, r.new_zeros(f + outputs - r.shape[0], f + outputs)])
    white = whiten_features(r[:f, :f], count, family.ridge)
    projected = (r[:f, :f] @ white.transform).T @ r[:f, f:] / count
    gram = white.transform.T @ (r[:f, :f].T @ r[:f, :f] / count) @ white.transform + white.penalty
    if family.ridge == 0.0:  # the whitened Gram matrix is the identity up to rounding; do not add that rounding
        return white.transform @ projected, count
    return white.transform @ torch.linalg.solve(gram, projected), count


def fold_labels(n: int, group: Tensor | None, folds: int, generator: torch.Generator) -> Tensor:
    """A fold for each row ``(n,)``, groups whole, as even as their sizes allow."""
    if group is None:
        return torch.randperm(n, generator=generator) % folds
    _, inverse, counts = torch.unique(group, return_inverse=True, return_counts=True)
    order = torch.randperm(counts.shape[0], generator=generator)
    order = order[torch.argsort(counts[order], descending=True, stable=True)]
    load = torch.zeros(folds)
    label = torch.zeros(counts.shape[0], dtype=torch.int64)
    for g in order.tolist():
        label[g] = int(torch.argmin(load))
        load[label[g]] += float(counts[g])
    return label[inverse]


def held_out_error(samples: Samples, family: Family, labels: Tensor, ridges: Sequence[float] = ()) -> list[float]:
    """Mean over outputs of Σ(y − ŷ)²/Σ(y − ȳ)² on held-out folds, for each ridge (else the family's own)."""
    spread = samples.y.var(0, correction=0)
    varies = spread > 1e-26 * samples.y.square().mean(0).clamp(min=1e-300)
    tried = ridges or (family.ridge,)
    if not bool(varies.any()):
        return [0.0 for _ in tried]
    y = samples.y[:, varies]
    phi = family.features(samples.x)
    f = phi.shape[1]
    squares = torch.zeros(len(tried), y.shape[1], dtype=torch.float64)
    for fold in range(int(labels.max()) + 1):
        train, test = labels != fold, labels == fold
        n_train = int(train.sum())
        r = triangular_factor(torch.cat([phi[train], y[train]], 1))
        u, sigma, vh = torch.linalg.svd(r[:f, :f] / n_train**0.5, full_matrices=False)
        keep = sigma > FEATURE_CUT * sigma.max()
        moment = u[:, keep].T @ r[:f, f:] / n_train**0.5
        projected = phi[test] @ vh[keep].T
        for i, ridge in enumerate(tried):
            shrunk = moment * (sigma[keep] / (sigma[keep].square() + ridge))[:, None]
            squares[i] += (y[test] - projected @ shrunk).square().sum(0)
    return (squares / (len(samples) * spread[varies])).mean(1).tolist()


def polynomial_families(standard: Standardiser, rows: int, low: int, high: int, limit: int) -> list[Family]:
    """Polynomials of degree low … high with at most ``limit`` and rows/4 monomials: half of the rows can fit them."""
    d = standard.mean.shape[0]
    degrees = [k for k in range(low, high + 1) if math.comb(d + k, k) <= min(limit, rows // 4)]
    return [Family(PolynomialFeatures.of_degree(standard, k)) for k in degrees]


def smooth_families(standard: Standardiser, x: Tensor, generator: torch.Generator) -> list[Family]:
    """Random waves and multiquadrics at several lengths, at most a quarter of the rows, so that half of them fit.

    384 waves leave 1e-3 of a bell of three variables in 4,000 rows, 384 multiquadrics 1e-7; waves do better on what
    goes on to wave (a ripple).
    """
    rows = x.shape[0]
    most = rows // 4 - 1 - standard.mean.shape[0]
    waves, centres = min(384, most), min(256, most)
    if waves < _FEWEST_WAVES:
        return []
    z = standard(x)
    correlation = z.T @ z / rows
    drawn: list[Features] = [
        FourierFeatures.draw(standard, waves, length, generator, correlation) for length in (0.7, 1.5)
    ]
    drawn += [MultiquadricFeatures.draw(standard, x, centres, length, generator) for length in (0.5, 1.0, 2.0)]
    return [Family(features) for features in drawn]


def _settled(errors: Sequence[float]) -> bool:
    """Whether a polynomial leaves little and two degrees beyond it found nothing: what is left is noise.

    Where more is left than noise usually makes (a bump at R² 0.95), waves are tried all the same.
    """
    best = min(range(len(errors)), key=errors.__getitem__) if errors else 0
    return len(errors) - best > 2 and errors[best] < SETTINGS.little_left


def choose_family(samples: Samples, request: str, min_degree: int, generator: torch.Generator) -> Choice:
    """The family with the smallest cross-validated error; among equals the simplest.

    Parameters
    ----------
    samples
        Rows to choose on.
    request
        ``auto``, ``polynomial`` (degree chosen), ``polynomial:k``, ``polynomial:k,ridge=r`` or ``features``.
    min_degree
        Lowest degree of a polynomial that ``auto`` may choose (3 for one scalar of one object: DESIGN §8 "Gauge").
    generator
        Source of the folds and of the random features.

    Raises
    ------
    UsageError
        For an unknown request.
    InputError
        If there are too few rows for the smallest family; the number needed is told.
    """
    n, d = samples.x.shape
    standard = Standardiser.of(samples.x.mean(0), samples.x.std(0, correction=0))
    asked = _REQUEST.fullmatch(request)
    if asked is None:
        raise UsageError(
            f"--surrogate is '{request}', expected auto, polynomial, polynomial:k, polynomial:k,ridge=r or features"
        )
    head, degree, ridge = asked["head"], asked["degree"], float(asked["ridge"] or 0)
    families: list[Family] = []
    low = 1 if head == "polynomial" else min(min_degree, 2)
    if degree:
        needed = 2 * math.comb(d + int(degree), d)
        if n < needed:
            raise InputError(f"{n} rows are too few for {request} in {d} variables; give at least {needed}")
        families = [Family(PolynomialFeatures.of_degree(standard, int(degree)), ridge)]
    elif head in ("auto", "polynomial"):
        families = polynomial_families(standard, n, low, SETTINGS.highest_degree, _MOST_MONOMIALS)
        if head == "auto" and min_degree > 2:
            families = [f for f in families if (f.degree or 0) >= min_degree] or families
    if head == "features" or (head == "auto" and n >= 200):
        families += smooth_families(standard, samples.x, generator)
    if not families:
        needed = 4 * (_FEWEST_WAVES + 1 + d if head == "features" else math.comb(d + low, d))
        raise InputError(f"{n} rows in {d} variables are too few for any fit; give at least {needed}")
    labels = fold_labels(n, samples.group, _FOLDS, generator)
    if int(labels.max()) == 0:  # one group: segments of it, for want of anything independent
        labels = torch.arange(n) * _FOLDS // n
    errors: list[float] = []
    tried: list[Family] = []
    for family in families:
        if errors and min(errors) < _EXACT:
            break  # a family that holds F exactly was found; richer ones only add rounding
        polynomial = family.degree is not None
        if head == "auto" and _settled(errors[: sum(f.degree is not None for f in tried)]):
            break  # F is a polynomial as far as the noise lets one see: waves cannot do better
        ridges = (family.ridge,) if polynomial else _RIDGES
        tried += [Family(family.features, ridge) for ridge in ridges]
        errors += held_out_error(samples, family, labels, ridges)
    best = min(errors)
    chosen = next(i for i, e in enumerate(errors) if e <= (1 + SETTINGS.tie) * best or e < _EXACT)
    return Choice(tried[chosen], 1.0 - errors[chosen])


def used_inputs(samples: Samples, choice: Choice, objects: int, generator: torch.Generator) -> Tensor:
    """Coordinates of an object that lower the held-out error, as zeros and ones ``(d,)``.

    A noisy fit depends a little on everything. A coordinate without which the same family predicts as well is one
    that F does not depend on as far as these data can tell, and a field along it no symmetry worth a name.
    """
    d = samples.x.shape[1] // objects
    labels = fold_labels(len(samples), samples.group, _FOLDS, generator)
    if d == 1 or int(labels.max()) == 0:
        return torch.ones(d, dtype=torch.float64)
    reference = max(held_out_error(samples, choice.family, labels)[0], _EXACT)
    used = torch.ones(d, dtype=torch.float64)
    for i in range(d):
        kept = torch.ones(samples.x.shape[1], dtype=torch.bool)
        kept[i::d] = False
        without = Family(choice.family.features.without(kept), choice.family.ridge)
        if held_out_error(samples, without, labels)[0] <= reference:
            used[i] = 0.0
    return used if bool(used.any()) else torch.ones(d, dtype=torch.float64)
