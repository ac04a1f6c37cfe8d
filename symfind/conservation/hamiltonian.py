"""F = J∇H: whether a flow is Hamiltonian for a stated Poisson matrix J, and what its conserved quantities generate.

J is constant and antisymmetric, {f, g} = ∇f·J∇g. H is sought in the library by least squares in the metric of the data,
on one half of the rows, and judged on the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from symfind.conservation.dependence import polynomial_in
from symfind.conservation.functions import FunctionSpace
from symfind.conservation.settings import SETTINGS
from symfind.decision.bounds import exponential_weights, quantile_factor
from symfind.decision.halves import halves
from symfind.errors import InputError, UsageError
from symfind.fits.geometry import Geometry
from symfind.fits.surrogate import Samples
from symfind.lie.algebras.canonical import canonical_basis
from symfind.linalg.subspaces import simplest_rational
from symfind.small_input import read_yaml

_REFITS = 200
# Rows for the least squares; the bound uses all.
_FITTED = 4000


@dataclass(frozen=True)
class HamiltonianFit:
    """The H that fits best.

    Attributes
    ----------
    vector
        ``(p,)`` in the library.
    defect, upper
        ‖F − J∇H‖/‖F‖ over all rows, and its bound from rows that H was not fitted to; infinite without two halves.
    """

    vector: Tensor
    defect: float
    upper: float


def poisson_matrix(asked: str, d: int) -> Tensor:
    """J ``(d, d)`` of ``canonical`` (q₁ … qₙ, p₁ … pₙ), ``pairs`` (q₁, p₁, q₂, p₂ …) or a YAML file with ``matrix``.

    Raises
    ------
    UsageError
        An odd number of coordinates has no canonical pairs, or the name is none of these.
    InputError
        The file holds no antisymmetric matrix of this size.
    """
    if asked in ("canonical", "pairs"):
        if d % 2:
            raise UsageError(f"--symplectic {asked} needs coordinates in pairs, and x has {d}; give a YAML file")
        unit = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
        eye = torch.eye(d // 2, dtype=torch.float64)
        return torch.kron(unit, eye) if asked == "canonical" else torch.kron(eye, unit)
    path = Path(asked)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError(f"--symplectic is '{asked}', expected canonical, pairs or a YAML file with a matrix")
    document = read_yaml(path, f"give YAML with `matrix:`, {d} rows of {d} numbers")
    try:
        matrix = torch.tensor(document["matrix"], dtype=torch.float64)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(f"{path}: should hold `matrix:`, {d} rows of {d} numbers") from None
    if matrix.shape != (d, d) or not bool(torch.isfinite(matrix).all()):
        raise InputError(f"{path}: the matrix is {tuple(matrix.shape)}, expected {d} × {d} finite numbers")
    if not bool((matrix + matrix.T).abs().max() <= 1e-12 * matrix.abs().max()) or not bool(matrix.any()):
        raise InputError(f"{path}: the matrix is not antisymmetric (or zero), so that it is no Poisson structure")
    return matrix


def hamiltonian(
    space: FunctionSpace,
    geometry: Geometry,
    poisson: Tensor,
    samples: Samples,
    alpha: float,
    generator: torch.Generator,
) -> HamiltonianFit:
    """H of least ‖F − J∇H‖ with its bound: rows x, F(x) ``(n, d)``."""
    some = torch.randperm(len(samples), generator=generator)[:_FITTED]
    whole = _least(space, geometry, poisson, samples.rows(some))
    error, size = _residual(space, geometry, poisson, samples, whole)
    defect = math.sqrt(float(error.sum() / size.sum()))
    split = halves(samples, generator)
    if split is None:
        return HamiltonianFit(whole, defect, math.inf)
    upper = 0.0
    for fitted, other in (split, split[::-1]):
        chosen = torch.randperm(len(fitted.samples), generator=generator)[:_FITTED]
        vector = _least(space, geometry, poisson, fitted.samples.rows(chosen))
        error, size = _residual(space, geometry, poisson, other.samples, vector)
        blocks = torch.zeros(2, other.blocks, dtype=torch.float64)
        blocks.index_add_(1, other.block, torch.stack([error, size]))
        weights = exponential_weights(_REFITS, other.blocks, generator)
        drawn = (weights @ blocks[0]) / (weights @ blocks[1])
        share = float(blocks[0].sum() / blocks[1].sum()) + quantile_factor(alpha) * float(drawn.std())
        upper = max(upper, math.sqrt(share))
    return HamiltonianFit(whole, defect, max(upper, defect))


def _fields(space: FunctionSpace, poisson: Tensor, x: Tensor, coefficients: Tensor) -> Tensor:
    """J∇f ``(n, k, d)``."""
    return space.gradients(x, coefficients) @ poisson.T


def _least(space: FunctionSpace, geometry: Geometry, poisson: Tensor, samples: Samples) -> Tensor:
    whiten = geometry.inputs.whiten
    eye = torch.eye(space.dim, dtype=torch.float64)
    columns = (_fields(space, poisson, samples.x, eye) @ whiten.T).transpose(1, 2).flatten(0, 1)
    scale = torch.linalg.vector_norm(columns, dim=0).clamp(min=1e-300)
    target = (samples.y @ whiten.T).flatten()[:, None]
    solved: Tensor = torch.linalg.lstsq(columns / scale, target, driver="gelsd").solution[:, 0]
    least: Tensor = solved / scale
    return least


def _residual(
    space: FunctionSpace, geometry: Geometry, poisson: Tensor, samples: Samples, vector: Tensor
) -> tuple[Tensor, Tensor]:
    """‖F − J∇H‖² and ‖F‖² ``(n,)``."""
    whiten = geometry.inputs.whiten
    made = _fields(space, poisson, samples.x, vector[:, None])[:, 0]
    return ((samples.y - made) @ whiten.T).square().sum(1), (samples.y @ whiten.T).square().sum(1)


def readable_vector(space: FunctionSpace, vector: Tensor, noise: float) -> Tensor:
    """H ``(p,)`` as a row of coefficients of its table with what is rational recognised, its size kept."""
    row = space.table(vector[:, None])
    largest = float(row.abs().max())
    shape = canonical_basis(row / largest, torch.full_like(row, max(noise, 1e-10))).coefficients[0]
    factor = float(row[0] @ shape / (shape @ shape))
    width = max(4 * noise, 1e-9) * abs(factor)
    simple = simplest_rational(factor - width, factor + width, 200)
    # A fraction of height h is believed where the interval is a tenth of the distance between such fractions.
    if simple is not None and 2 * width * max(abs(simple.numerator), simple.denominator) ** 2 <= 0.1:
        factor = float(simple)
    return shape * factor


def brackets(gradients: Tensor, values: Tensor, poisson: Tensor, names: Sequence[str]) -> tuple[str, ...]:
    """{f_a, f_b} = ∇f_a·J∇f_b in terms of the functions: values ``(n, k)``, gradients ``(n, k, d)``; zeros left out."""
    out = []
    moved = gradients @ poisson.T
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            value = (gradients[:, a] * moved[:, b]).sum(1)
            most = torch.linalg.vector_norm(gradients[:, a], dim=1) * torch.linalg.vector_norm(moved[:, b], dim=1)
            if float(value.norm()) <= SETTINGS.zero_bracket * float(most.norm()):
                continue
            text = polynomial_in(values, value, names) or "no polynomial of low degree in them"
            out.append(f"{{{names[a]}, {names[b]}}} = {text}")
    return tuple(out)
