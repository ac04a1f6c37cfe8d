"""Validity of learned fields: how nearly what they make of solutions is a solution, as a loss.

Two losses on the derivatives of solutions, both exact (no grid is resampled):

- by derivative: with A_ij = E w² (pr ξ_i Δ)·(pr ξ_j Δ) and B_ij = E⟨ξ_i, ξ_j⟩ the loss is log det A − log det B, the
  sum of the logarithms of the generalised eigenvalues. It does not depend on the basis, and a field can neither vanish
  nor copy another.
- along finite flows (Ko, Kim, Lee 2024, §4): mean log max(|Δ(pr(exp αξ) j)|, 10⁻⁴), with
  Σ_{a<b} (π/2 − arccos |⟨ξ_a, ξ_b⟩|), the gradient of the first of each pair stopped, and mean
  max(‖Δξ‖/‖Δz‖ − 3, 0) over pairs of points; fields are divided by their norm.

The data are the measure of every mean, so no field looks small by living where the data are not. Variables are in units
of their spread, and a point counts by w = (1 + Σ_J (u_J/σ_J)²)^−½, so that steep fronts do not decide alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.fields.neural import NeuralFields
from symfind.fields.taylor import Series
from symfind.kinds.field.equation import Equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.prolongation import Prolongation, Scales
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.transformed_jets import transformed
from symfind.linalg.nullspace import GeneralisedSpectrum, generalised_spectrum

# ρ² that counts as none: below it lies what the jets of float64 data leave.
_FLOOR = 1e-10
# Weights of the terms of the loss along flows (Ko et al.).
_KO_WEIGHTS = (1.0, 3.0, 1.0)
_FLOW_STEPS = 2
# Directions of the head whose norm is below this share of the largest are no fields.
TRIVIAL = 1e-7


@dataclass(frozen=True)
class Measure:
    """Points on an equation, with their weights: what learned fields are judged on.

    Attributes
    ----------
    equation
        Δ.
    jets
        On Δ = 0.
    scales
        Units of Δ and of the variables.
    weight
        w ``(n,)``.
    """

    equation: Equation
    jets: JetSample
    scales: Scales
    weight: Tensor

    @classmethod
    def of(cls, equation: Equation, jets: JetSample) -> Measure:
        """The points of a sample that can be moved onto the equation."""
        on, held = equation.solved(jets)
        on = on.take(held)
        own = torch.stack([on.derivatives[j][:, c] for c, j in equation.coordinates], 1)
        spread = own.std(0, correction=0).clamp(min=1e-300)
        weight = (1 + (own / spread).square().sum(1)).rsqrt()
        return cls(equation, on, Scales.of(equation, on, equation.linearised(on)), weight)

    def take(self, rows: Tensor) -> Measure:
        """The same at some of the points."""
        return replace(self, jets=self.jets.take(rows), weight=self.weight[rows])

    @cached_property
    def points(self) -> Tensor:
        """(t, x, u) ``(n, d)``."""
        return torch.cat([self.jets.points, self.jets.values], 1)

    def values(self, fields: NeuralFields) -> Tensor:
        """Fields in units of the spread, as rows ``(n·d, p)`` whose mean square over n is their norm."""
        rows = (fields.evaluate(self.points) / self.scales.spread).transpose(1, 2)
        return rows.flatten(0, 1) / math.sqrt(self.jets.rows)

    def residuals(self, fields: NeuralFields) -> Tensor:
        """Weighted pr(ξ)Δ in units of Δ's terms ``(n·E, p)``, scaled likewise."""
        at = Prolongation(self.equation, fields, self.scales)
        parts = []
        for rows in torch.split(torch.arange(self.jets.rows), at.rows_at_once):
            m, _ = at.rows(self.jets.take(rows))
            parts.append((m * self.weight[rows, None, None]).flatten(0, 1))
        return torch.cat(parts) / math.sqrt(self.jets.rows)

    def spectrum(self, fields: NeuralFields) -> GeneralisedSpectrum:
        """Validities √λ, ascending, and the combinations that have them."""
        return generalised_spectrum(self.residuals(fields), self.values(fields), TRIVIAL)


def derivative_loss(fields: NeuralFields, at: Measure) -> Tensor:
    """Log det A − log det B, floored where the derivatives of data end."""
    values, residuals = at.values(fields), at.residuals(fields)
    b = values.T @ values
    return torch.logdet(residuals.T @ residuals + _FLOOR * b) - torch.logdet(b)


def flow_loss(fields: NeuralFields, at: Measure, norms: Measure, generator: torch.Generator) -> Tensor:
    """Validity along random finite flows, orthonormality and steepness, with the weights of Ko et al.

    Parameters
    ----------
    fields
        K fields.
    at
        Points whose jets hold every |J| up to the order of the equation.
    norms
        Points for the norms and scalar products.
    generator
        Draws α ~ U(−0.4, 0.4) for each point, and the pairs.
    """
    values = norms.values(fields)
    unit = fields.combined(torch.diag(torch.linalg.vector_norm(values, dim=0).clamp(min=1e-12).reciprocal()))
    values = norms.values(unit)
    validity = _along(unit, at, generator)
    a, b = torch.triu_indices(unit.dim, unit.dim, 1)
    cosine = (values.detach().T @ values)[a, b].abs().clamp(max=1 - 1e-6)
    overlap = (math.pi / 2 - torch.arccos(cosine)).sum()
    z = norms.points / norms.scales.spread
    field = unit.evaluate(norms.points) / norms.scales.spread
    other = torch.randperm(norms.jets.rows, generator=generator)
    distance = torch.linalg.vector_norm(z - z[other], dim=1).clamp(min=1e-6)
    slope = torch.linalg.vector_norm(field - field[other], dim=2) / distance[:, None]
    steep = (slope - SETTINGS.flow_steepness).clamp(min=0).mean()
    loss: Tensor = _KO_WEIGHTS[0] * validity + _KO_WEIGHTS[1] * overlap + _KO_WEIGHTS[2] * steep
    return loss


def _along(fields: NeuralFields, at: Measure, generator: torch.Generator) -> Tensor:
    """Mean log max(|Δ|, 10⁻⁴) after a random step along each of K fields, from every point."""
    n, k = at.jets.rows, fields.dim
    every = torch.arange(n).repeat(k)

    def field(z: Series) -> Series:
        """The first n points move along the first field, and so on."""
        return fields.on_series(z).linear(
            lambda c: c.reshape(-1, k, n, k, fields.d).diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2).flatten(1, 2)
        )

    alpha = SETTINGS.flow_size * (2 * torch.rand(n * k, 1, generator=generator, dtype=torch.float64) - 1)
    moved = transformed(at.jets.take(every), at.equation.order, field, alpha, _FLOW_STEPS)
    delta = differentiable_value(at.equation, moved) / at.scales.equations * at.weight[every, None]
    return delta.abs().clamp(min=SETTINGS.flow_floor).log().mean()


def differentiable_value(equation: Equation, jets: JetSample) -> Tensor:
    """Δ ``(n, E)`` as a function of the derivatives, whose gradients it keeps."""
    n = jets.rows
    values = {jets.name(j, c): jets.derivatives[j][:, c] for c, j in equation.coordinates}
    values |= dict(zip(equation.independent, jets.points.unbind(1), strict=True))
    values |= {name: torch.full((n,), v, dtype=jets.points.dtype) for name, v in equation.parameters}
    return torch.stack([side(values) for side in equation.sides], 1)


def check_variant(name: str, equation: Equation) -> None:
    """Refuse flows of systems whose solutions have too many derivatives to be moved as series.

    Raises
    ------
    UsageError
        For three or more independent variables.
    """
    if name == "flow" and len(equation.independent) > 2:
        raise UsageError("--variant flow is for one space dimension; take --variant derivative")
