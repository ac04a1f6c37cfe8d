"""y ≈ Σ_a f_a(z) K_a: regressors f on invariants z, linear in their weights, chosen on the rows they are fitted to.

Axis letters: n rows, r invariants, m outputs, A covariants, f features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.families import (
    Family,
    Features,
    Learned,
    RegressionSettings,
    Standard,
    families,
    network_features,
    one_signed,
)
from symfind.decision.witness.parts import Part, cost_of, equations_per_unknown, normal_equations, parts_of

DEFAULT = RegressionSettings()
# Rows on which families are compared at least.
_FEWEST = 400


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
    parts = parts_of(covariants)
    generator = torch.Generator().manual_seed(seed)
    order = _order(z.shape[0], group, generator)
    # Every output of a part is an equation: as many equations rank families for vectors as for numbers.
    outputs = sum(part.outputs.shape[1] for part in parts)
    chosen = order[: max(_FEWEST, settings.selection_rows // max(1, outputs // 2))]
    cut = max(1, int(settings.held_out * chosen.shape[0]))
    if group is not None:  # whole groups to one side
        labels = group[chosen]
        while cut < chosen.shape[0] - 1 and bool(labels[cut] == labels[cut - 1]):
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
        for ridge in settings.ridges:
            value = torch.einsum("na,nam->nm", held @ equations.solved(ridge), covariants[test])
            error = float((value - y[test]).square().mean() / spread)
            if math.isfinite(error) and (best is None or error < 0.99 * best[0]):
                best = (error, family, ridge)
        if best is not None and best[0] < settings.settled:
            break
    assert best is not None
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
    return SymmetricFit(features, weights, f"{family.name} in {family.chart} units", error, z.shape[1])


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
