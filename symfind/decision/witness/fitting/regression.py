"""y ≈ Σ_a f_a(z) K_a: regressors f on invariants z, linear in their weights, chosen on the rows they are fitted to.

Axis letters: n rows, r invariants, m outputs, A covariants, f features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.decision.witness.families import (
    Additive,
    AdditiveAndRadial,
    Family,
    Features,
    Learned,
    RegressionSettings,
    Standard,
    families,
    network_features,
    one_signed,
)
from symfind.decision.witness.fitting.labels import Labels
from symfind.decision.witness.fitting.parts import Part, cost_of, equations_per_unknown, normal_equations, parts_of
from symfind.errors import NumericalError

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
    labels
        Where y is drawn: Σ f_a K_a is the logarithm of the odds, or of the rate.
    """

    features: Features
    weights: Tensor
    name: str
    error: float
    invariants: int = 0
    labels: Labels | None = None

    def __call__(self, z: Tensor, covariants: Tensor) -> Tensor:
        """Values ``(n, m)`` at invariants ``(n, r)`` and covariants ``(n, A, m)``."""
        parts = [
            torch.einsum("na,nam->nm", self.features(zp) @ self.weights, kp)
            for zp, kp in zip(torch.split(z, 4096), torch.split(covariants, 4096), strict=True)
        ]
        value = torch.cat(parts)
        return value if self.labels is None else self.labels.value(value)


def design(phi: Tensor, covariants: Tensor) -> Tensor:
    """φ_f(z) K_a as rows ``(n·m, f·A)``."""
    n, a, m = covariants.shape
    return torch.einsum("nf,nam->nmfa", phi, covariants).reshape(n * m, phi.shape[1] * a)


def fitted(
    z: Tensor,
    covariants: Tensor,
    y: Tensor,
    group: Tensor | None,
    seed: int,
    settings: RegressionSettings = DEFAULT,
    *,
    quick: bool = False,
    labels: Labels | None = None,
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
    labels
        How y was drawn, if it was.

    Raises
    ------
    NumericalError
        Invariants or covariants are not finite on the rows.
    """
    parts = parts_of(covariants)
    generator = torch.Generator().manual_seed(seed)
    order = _order(z.shape[0], group, generator)
    # Every output of a part is an equation: as many equations rank families for vectors as for numbers.
    outputs = sum(part.outputs.shape[1] for part in parts)
    most_rows = settings.selection_rows * (1 if labels is None or quick else settings.labelled)
    chosen = order[: max(settings.fewest, most_rows // max(1, outputs // 2))]
    cut = max(1, int(settings.held_out * chosen.shape[0]))
    if group is not None:  # whole groups to one side
        sides = group[chosen]
        while cut < chosen.shape[0] - 1 and bool(sides[cut] == sides[cut - 1]):
            cut += 1
    test, train = chosen[:cut], chosen[cut:]
    spread = (y[test] - y[train].mean(0)).square().mean().clamp(min=1e-300)
    ratio, cost = equations_per_unknown(parts), cost_of(parts)
    most = max(4, min(int(settings.unknowns / (3 * cost)), int(train.shape[0] * ratio / 3), 300))
    best: tuple[float, Family, float] | None = None
    for family in families(z[train], settings):
        standard = Standard.of(family.chart, z[train])
        features = family.make(standard, standard(z[train]), most)
        width = features(z[train][:2]).shape[1]
        if best is not None and width > train.shape[0] * ratio / 2:
            continue
        equations = normal_equations(features, z[train], covariants[train], y[train], parts)
        held = features(z[test])
        values = torch.einsum("rna,nam->rnm", held @ equations.solved_for(settings.ridges), covariants[test])
        errors = (values - y[test]).square().mean((1, 2)) / spread
        for ridge, error in zip(settings.ridges, errors.tolist(), strict=True):
            if math.isfinite(error) and (best is None or error < 0.99 * best[0]):
                best = (error, family, ridge)
        if best is not None and best[0] < settings.settled:
            break
    if best is None:
        raise NumericalError("no family of functions of these invariants is finite on the rows")
    error, family, ridge = best
    if error > settings.network and settings.rich and z.shape[1] > 1 and not quick:
        learned = _network_family(z, covariants, y, parts, train, test, spread, seed, settings)
        if learned is not None and learned[0] < 0.9 * error:
            error, family, ridge = learned
    rows = train if quick else order
    standard = Standard.of(family.chart, z[rows])
    allowed = min(int(settings.unknowns / cost) - z.shape[1] - 1, int(rows.shape[0] * ratio / 3))
    keep = max(4, min(settings.centres, allowed))
    features = family.make(standard, standard(z[rows]), keep if not quick else most)
    # The ridge that suits the rows that were chosen on is halved with each doubling of the rows.
    equations = normal_equations(features, z[rows], covariants[rows], y[rows], parts)
    weights = equations.solved(max(ridge * train.shape[0] / rows.shape[0], settings.ridges[0]))
    plain = SymmetricFit(features, weights, f"{family.name} in {family.chart} units", error, z.shape[1])
    if labels is None or covariants.shape[1:] != (1, 1):
        return plain
    return _by_likelihood(plain, z, covariants, y, test, train, order, labels, settings)


def _by_likelihood(
    plain: SymmetricFit,
    z: Tensor,
    covariants: Tensor,
    y: Tensor,
    test: Tensor,
    train: Tensor,
    order: Tensor,
    labels: Labels,
    settings: RegressionSettings,
) -> SymmetricFit:
    """The fit of the odds or the rate that predicts held-out rows best, if it predicts them better than squares do."""
    tried = [f for f in families(z[train], settings) if not isinstance(f.make, Learned | Additive | AdditiveAndRadial)]
    best: tuple[float, Family, float] | None = None
    for family in tried:
        standard = Standard.of(family.chart, z[train])
        features = family.make(standard, standard(z[train]), settings.label_radial)
        if features(z[:1]).shape[1] > min(train.shape[0] // 10, settings.label_features):
            continue
        phi, held = design(features(z[train]), covariants[train]), design(features(z[test]), covariants[test])
        for ridge in settings.label_ridges:
            w = labels.fitted(phi, y[train], ridge)
            lost = labels.deviance(labels.value(held @ w), y[test].reshape(-1))
            if math.isfinite(lost) and (best is None or lost < best[0]):
                best = (lost, family, ridge)
    squares = _at(plain, z, covariants, train, y, test, labels, settings)
    if best is None or best[0] > squares:
        return plain
    _, family, ridge = best
    standard = Standard.of(family.chart, z[order])
    features = family.make(standard, standard(z[order]), settings.label_radial)
    w = labels.fitted(design(features(z[order]), covariants[order]), y[order], ridge * train.shape[0] / order.shape[0])
    what = "rate" if labels.counts else "odds"
    name = f"{family.name} in {family.chart} units, log {what}"
    return replace(plain, features=features, weights=w.reshape(-1, 1), name=name, labels=labels)


def _at(
    plain: SymmetricFit,
    z: Tensor,
    covariants: Tensor,
    train: Tensor,
    y: Tensor,
    test: Tensor,
    labels: Labels,
    settings: RegressionSettings,
) -> float:
    """The held-out deviance of the same features fitted by squares."""
    equations = normal_equations(plain.features, z[train], covariants[train], y[train], parts_of(covariants))
    weights = equations.solved(settings.ridges[len(settings.ridges) // 2])
    held = replace(plain, weights=weights)(z[test], covariants[test])
    return labels.deviance(held, y[test])


def _network_family(
    z: Tensor,
    covariants: Tensor,
    y: Tensor,
    parts: Sequence[Part],
    train: Tensor,
    test: Tensor,
    spread: Tensor,
    seed: int,
    settings: RegressionSettings,
) -> tuple[float, Family, float] | None:
    """Features that a network of two layers learns on the rows it is trained on; its last layer is solved for."""
    best: tuple[float, Family, float] | None = None
    for chart in ("plain", "log") if bool(one_signed(z).any()) else ("plain",):
        made = network_features(Standard.of(chart, z[train]), z[train], covariants[train], y[train], seed, settings)
        weights = normal_equations(made, z[train], covariants[train], y[train], parts).solved(settings.ridges[1])
        value = torch.einsum("na,nam->nm", made(z[test]) @ weights, covariants[test])
        error = float((value - y[test]).square().mean() / spread)
        if math.isfinite(error) and (best is None or error < best[0]):
            name = f"network, {settings.hidden} × {settings.hidden}"
            best = (error, Family(name, chart, Learned(made)), settings.ridges[1])
    return best


def _order(n: int, group: Tensor | None, generator: torch.Generator) -> Tensor:
    """Rows at random, groups whole."""
    if group is None:
        return torch.randperm(n, generator=generator)
    _, inverse = torch.unique(group, return_inverse=True)
    place = torch.randperm(int(inverse.max()) + 1, generator=generator)[inverse]
    return torch.argsort(place, stable=True)
