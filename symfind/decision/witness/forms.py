"""y ≈ f(uᵀQu): forms Q and centres c that are learned, by Gauss–Newton on f fitted anew at each step.

The features of f are projected out of the Jacobian (variable projection, Golub and Pereyra 1973), so that what is left
moves Q alone; the scale of Q, which f absorbs, is then a null direction of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from symfind.decision.witness.families import RegressionSettings
from symfind.decision.witness.fitting.regression import SymmetricFit, design, fitted
from symfind.decision.witness.structure import Structure, SymmetricClass
from symfind.decision.witness.trial import Rows, features_of

# Relative step of central differences in the invariants.
_STEP = 1e-4
_ROUNDS = 25
_ROWS = 3000
_STOP = 1e-3
C = TypeVar("C", bound=SymmetricClass)


@dataclass(frozen=True)
class Refined(Generic[C]):
    """A structure with learned parameters.

    Attributes
    ----------
    structure
        The class.
    share
        Share of variance that was left on the rows it was learned on.
    errors
        Standard errors of the parameters ``(θ,)``.
    parameters
        ``(θ,)``.
    """

    structure: C
    share: float
    parameters: Tensor
    errors: Tensor


def symmetric_basis(b: int) -> Tensor:
    """Symmetric matrices ``(b(b+1)/2, b, b)``."""
    out = []
    for i in range(b):
        for j in range(i, b):
            s = torch.zeros(b, b, dtype=torch.float64)
            s[i, j] = s[j, i] = 1.0
            out.append(s)
    return torch.stack(out)


def with_form(structure: Structure, parameters: Tensor, centred: bool) -> Structure:
    """The first block's form, and centre, from parameters."""
    block = structure.blocks[0]
    b = block.form.shape[0]
    count = b * (b + 1) // 2
    form = torch.einsum("k,kij->ij", parameters[:count], symmetric_basis(b))
    centre = parameters[count:] if centred else None
    new = replace(block, form=form, centre=centre, crossed=False)
    return replace(structure, blocks=(new, *structure.blocks[1:]))


@dataclass(frozen=True)
class _State:
    """Where the iteration is: what is left, and the fit with its arguments."""

    share: float
    residual: Tensor
    fit: SymmetricFit
    invariants: Tensor
    covariants: Tensor


def refined(
    make: Callable[[Tensor], C],
    parameters: Tensor,
    rows: Rows,
    seed: int,
    settings: RegressionSettings,
    scaled: int | None = None,
) -> Refined[C]:
    """Gauss–Newton with damping from a start; ``make`` builds the class from its parameters.

    The first ``scaled`` parameters (all by default) have a common factor that f absorbs.
    """
    generator = torch.Generator().manual_seed(seed)
    if len(rows) > _ROWS:
        rows = rows.take(torch.randperm(len(rows), generator=generator)[:_ROWS])
    # Features that are the same from step to step: a network would be another one each time.
    light = replace(
        settings,
        selection_rows=1000,
        centres=160,
        unknowns=400,
        ridges=(1e-9, 1e-5),
        knots=(8, 24, 48),
        network=math.inf,
    )
    spread = (rows.y - rows.y.mean(0)).square().mean().clamp(min=1e-300)

    def error_of(theta: Tensor) -> _State | None:
        made = make(theta)
        z, k = features_of(made, rows)
        if not bool(torch.isfinite(z).all()):
            return None
        fit = fitted(z, k, rows.y, rows.group, seed, light)
        residual = rows.y - fit(z, k)
        return _State(float(residual.square().mean() / spread), residual, fit, z, k)

    def unit(theta: Tensor) -> Tensor:
        """The free scale of the first ``scaled`` parameters taken out."""
        return torch.cat([theta[:scaled] / theta[:scaled].norm().clamp(min=1e-300), theta[scaled:]])

    scaled = parameters.shape[0] if scaled is None else scaled
    theta = unit(parameters)
    state = error_of(theta)
    assert state is not None
    damping = 1e-3
    covariance = torch.full((theta.shape[0],), torch.inf, dtype=torch.float64)
    for _ in range(_ROUNDS):
        share, residual, fit, z, k = state.share, state.residual, state.fit, state.invariants, state.covariants
        jacobian = _parameter_slopes(make, theta, rows, fit, z, k)  # (n·m, θ)
        phi = design(fit.features(z), k)
        basis = torch.linalg.qr(phi / phi.norm(dim=0).clamp(min=1e-300)).Q
        free = jacobian - basis @ (basis.T @ jacobian)
        normal = free.T @ free
        gradient = free.T @ residual.reshape(-1)
        level = normal.diagonal().max().clamp(min=1e-300)
        eye = torch.eye(theta.shape[0], dtype=theta.dtype)
        # The common factor of the first parameters is no unknown.
        along = torch.cat([theta[:scaled], theta.new_zeros(theta.shape[0] - scaled)])
        away = eye - torch.outer(along, along)
        inverse = torch.linalg.pinv(away @ normal @ away / level, rtol=1e-10) / level
        covariance = (residual.square().mean() * inverse).diagonal()
        moved = False
        for _ in range(4):
            # Marquardt's scaling: directions that move f little are damped as little.
            size = normal.diagonal().clamp(min=1e-10 * level)
            step = torch.linalg.solve(normal + damping * torch.diag(size) + 1e-14 * level * eye, gradient)
            new = unit(theta + step)
            trial = error_of(new) if bool(torch.isfinite(new).all()) else None
            if trial is not None and trial.share < share:
                theta, state, moved = new, trial, True
                damping = max(damping / 10, 1e-9)
                break
            damping *= 10
        if not moved or state.share > (1 - _STOP) * share:
            break
    return Refined(make(theta), state.share, theta, covariance.clamp(min=0).sqrt())


def _parameter_slopes(
    make: Callable[[Tensor], C], theta: Tensor, rows: Rows, fit: SymmetricFit, z: Tensor, k: Tensor
) -> Tensor:
    """∂(Σ f_a K_a)/∂θ ``(n·m, θ)``: of f by central differences in z, of z and K exactly."""
    spread = z.std(0).clamp(min=1e-300) * _STEP
    slopes = []
    for j in range(z.shape[1]):
        move = torch.zeros_like(z)
        move[:, j] = spread[j]
        slopes.append((fit(z + move, k) - fit(z - move, k)) / (2 * spread[j]))
    by_z = torch.stack(slopes, -1)  # (n, m, r)
    # Invariants are polynomials of low degree in θ, of which central differences are exact but for rounding.
    step = 1e-5 * float(theta.abs().max())
    out = []
    for i in range(theta.shape[0]):
        unit = torch.zeros_like(theta)
        unit[i] = step
        up, down = features_of(make(theta + unit), rows), features_of(make(theta - unit), rows)
        dz, dk = ((a - b) / (2 * step) for a, b in zip(up, down, strict=True))
        moved = torch.einsum("nmr,nr->nm", by_z, dz)
        if bool((dk != 0).any()):
            moved = moved + fit(z, dk)
        out.append(moved.reshape(-1))
    return torch.stack(out, 1)


def start_from_gradient(x: Tensor, gradient: Tensor, centred: bool) -> Tensor:
    """Q, c with ∇F ∥ 2Q(x − c): the smallest singular direction of what ∇F is not, for one object ``(n, d)``."""
    n, d = x.shape
    unit = gradient / gradient.norm(dim=1, keepdim=True).clamp(min=1e-300)
    columns = [x @ s for s in symmetric_basis(d)]
    if centred:
        columns += [torch.eye(d, dtype=x.dtype)[i].expand(n, d) for i in range(d)]
    fields = torch.stack(columns, -1)  # (n, d, θ)
    across = fields - torch.einsum("nd,ne,nek->ndk", unit, unit, fields)
    weight = gradient.norm(dim=1)[:, None, None]
    rows = (across * weight).reshape(-1, fields.shape[2])
    size = (fields * weight).reshape(-1, fields.shape[2]).norm(dim=0).clamp(min=1e-300)
    _, _, vh = torch.linalg.svd(rows / size, full_matrices=False)
    found: Tensor = vh[-1] / size
    count = d * (d + 1) // 2
    if not centred:
        return found
    form = torch.einsum("k,kij->ij", found[:count], symmetric_basis(d))
    centre = -torch.linalg.pinv(form, rtol=1e-6) @ found[count:]
    return torch.cat([found[:count], centre])


def start_from_moments(vectors: Tensor, y: Tensor, centred: bool) -> Tensor:
    """Q from the regression of y on u_aᵢu_bⱼ, one form for all pairs (a, b): ``(n, q, b)``, ``(n,)``."""
    n, q, b = vectors.shape
    pairs = [(a, c) for a in range(q) for c in range(a, q)]
    basis = symmetric_basis(b)
    columns = torch.stack(
        [torch.einsum("ni,kij,nj->nk", vectors[:, a], basis, vectors[:, c]) for a, c in pairs], 1
    )  # (n, pairs, k)
    flat = columns.reshape(n, -1)
    design_rows = torch.cat([torch.ones(n, 1, dtype=flat.dtype), vectors.reshape(n, -1), flat], 1)
    scale = design_rows.norm(dim=0).clamp(min=1e-300)
    solution = torch.linalg.lstsq(design_rows / scale, y[:, None], driver="gelsd").solution[:, 0] / scale
    table = solution[1 + q * b :].reshape(len(pairs), -1)
    _, _, vh = torch.linalg.svd(table, full_matrices=False)
    form = vh[0]
    if not centred:
        return torch.as_tensor(form)
    matrix = torch.einsum("k,kij->ij", solution[1 + q * b :], basis)
    centre = -0.5 * torch.linalg.pinv(matrix, rtol=1e-3) @ solution[1 : 1 + b]
    return torch.cat([form, centre])
