"""x′ = exp(tL)x: the generator L that carries vectors to their partners, by regression and the matrix logarithm.

Axis letters: n rows, k objects moved alike, d coordinates, p candidates. With translations L is the homogeneous matrix
((A, b), (0, 0)) and a row is (x, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.kinds.pairs.settings import SETTINGS
from symfind.linalg.logarithm import nearest_orthogonal, real_logarithm

# Unknowns beyond which a refinement by gradients costs more than the closed form is worth.
_MOST_UNKNOWNS = 600
_REFINED_ROWS = 500
_JOINT_ROWS = 200
_GRID = 64


@dataclass(frozen=True)
class Transport:
    """A fitted generator.

    Attributes
    ----------
    matrix
        L ``(D, D)``, homogeneous where the candidates hold translations.
    ambiguous
        Eigenvalues whose phase is so near half a turn that it may be wrapped; 0 where none was taken.
    linear
        The regression R of x′ on x, where the nearest orthogonal matrix was put in its place.
    """

    matrix: Tensor
    ambiguous: int = 0
    linear: Tensor | None = None


@dataclass(frozen=True)
class Candidates:
    """Which L are allowed.

    Attributes
    ----------
    name
        As given to ``--space``.
    basis
        Homogeneous or plain matrices ``(p, D, D)``; None for every d × d matrix, which has its own closed form.
    orthogonal
        Whether exp(L) is orthogonal, so that the nearest orthogonal matrix is taken.
    translations
        Whether rows carry a one.
    """

    name: str
    basis: Tensor | None
    orthogonal: bool = False
    translations: bool = False

    def rows(self, x: Tensor) -> Tensor:
        """Points ``(…, d)`` as rows ``(…, D)``."""
        return torch.cat([x, torch.ones_like(x[..., :1])], -1) if self.translations else x

    def projected(self, matrix: Tensor) -> Tensor:
        """Coefficients ``(p,)`` of the nearest combination of the basis."""
        assert self.basis is not None
        flat = self.basis.flatten(1)
        solution: Tensor = torch.linalg.lstsq(flat.T, matrix.reshape(-1, 1), driver="gelsd").solution[:, 0]
        return solution


def carried(matrix: Tensor, amounts: Tensor, x: Tensor) -> Tensor:
    """exp(t_i L)x_i for rows ``(n, k, D)``."""
    distinct, which = torch.unique(amounts, return_inverse=True)
    if len(distinct) == 1:
        single: Tensor = x @ torch.linalg.matrix_exp(float(distinct[0]) * matrix).T
        return single
    moved = torch.linalg.matrix_exp(distinct[:, None, None] * matrix)[which]
    return torch.einsum("nab,nkb->nka", moved, x)


def transport_known(x: Tensor, moved: Tensor, amounts: Tensor, candidates: Candidates, scale: Tensor) -> Transport:
    """L from pairs ``(n, k, d)`` with known amounts ``(n,)``; ``scale`` ``(d,)`` are the units of the residual.

    Raises
    ------
    InputError
        For fewer rows than coordinates.
    UsageError
        For large unrestricted matrices with amounts that differ.
    """
    a, b = candidates.rows(x), candidates.rows(moved)
    d = a.shape[-1]
    if a.shape[0] * a.shape[1] < 2 * d:
        raise InputError(
            f"{a.shape[0]} pairs are too few for a {d} × {d} generator; give at least {4 * d}, or a smaller --space"
        )
    equal = bool((amounts == amounts[0]).all())
    free = d * d if candidates.basis is None else candidates.basis.shape[0]
    if equal:
        r = torch.linalg.lstsq(a.flatten(0, 1), b.flatten(0, 1), driver="gelsd").solution.T
        if candidates.translations:
            r = torch.cat([r[:-1], torch.eye(d, dtype=r.dtype)[-1:]])  # the ones stay ones
        logarithm = real_logarithm(nearest_orthogonal(r) if candidates.orthogonal else r)
        matrix = logarithm.matrix / float(amounts[0])
        if candidates.basis is None or candidates.orthogonal:
            return Transport(matrix, logarithm.ambiguous, r if candidates.orthogonal else None)
        start, ambiguous = candidates.projected(matrix), logarithm.ambiguous
    else:
        if free > _MOST_UNKNOWNS:
            raise UsageError(f"{free} unknowns with amounts that differ; take a smaller --space than {candidates.name}")
        start, ambiguous = _first_order(a, b, amounts, _basis(candidates, d)), 0
    some = slice(0, _REFINED_ROWS)
    coefficients = _refined(start, _basis(candidates, d), a[some], b[some], amounts[some], scale)
    return Transport(torch.einsum("p,pab->ab", coefficients, _basis(candidates, d)), ambiguous)


def transport_unknown(x: Tensor, moved: Tensor, candidates: Candidates, scale: Tensor) -> Transport:
    """One L for pairs ``(n, k, d)`` whose amounts are not known; ‖L‖ = √2, as for a turn in one plane.

    Raises
    ------
    UsageError
        For more unknowns than can be refined.
    """
    a, b = candidates.rows(x)[:_JOINT_ROWS], candidates.rows(moved)[:_JOINT_ROWS]
    basis = _basis(candidates, a.shape[-1])
    if basis.shape[0] > _MOST_UNKNOWNS:
        raise UsageError(f"amounts that are not known need fewer than {_MOST_UNKNOWNS} candidates; --space has more")
    units = _units(scale, a.shape[-1])
    middle, gap = (a + b) / 2, (b - a) / units
    # The direction of every displacement is Lx: the L along which most of it lies, in the first order of t.
    along = torch.einsum("pab,nkb->npka", basis, middle).div(units).flatten(2)  # (n, p, k·D)
    pull = torch.einsum("npq,nq->np", along, gap.flatten(1))
    pull = pull / gap.flatten(1).norm(dim=1, keepdim=True).clamp(min=1e-300)
    size = torch.einsum("npq,nrq->pr", along, along)
    values, vectors = torch.linalg.eigh(size)
    keep = values > 1e-10 * values[-1]
    whiten = vectors[:, keep] / values[keep].sqrt()
    leading = torch.linalg.eigh(whiten.T @ pull.T @ pull @ whiten).eigenvectors[:, -1]
    coefficients = whiten @ leading
    for _ in range(2):
        coefficients = _unit_length(coefficients, basis)
        matrix = torch.einsum("p,pab->ab", coefficients, basis)
        t = amounts_along(matrix, a, b, units)
        coefficients = _refined_jointly(coefficients, t, basis, a, b, units)
    coefficients = _unit_length(coefficients, basis)
    return Transport(torch.einsum("p,pab->ab", coefficients, basis))


def amounts_along(matrix: Tensor, a: Tensor, b: Tensor, units: Tensor) -> Tensor:
    """The t_i ``(n,)`` that bring exp(t_i L)a_i closest to b_i, from a grid over one period and Newton steps."""
    values = torch.linalg.eigvals(matrix)
    turn = float(values.imag.abs().max())
    growth = float(values.real.abs().max())
    size = float(matrix.norm())
    furthest = math.pi / turn if turn > 1e-3 * size else SETTINGS.foldings / max(growth, 0.1 * size, 1e-300)
    grid = torch.linspace(-furthest, furthest, 2 * _GRID + 1, dtype=torch.float64)
    moved = torch.linalg.matrix_exp(grid[:, None, None] * matrix)
    nearest = []
    for x, y in zip(torch.split(a, 256), torch.split(b, 256), strict=True):
        gap = (torch.einsum("tab,nkb->ntka", moved, x) - y[:, None]) / units
        nearest.append(gap.square().sum((2, 3)).argmin(1))
    t = grid[torch.cat(nearest)]
    for _ in range(6):
        at = torch.einsum("nab,nkb->nka", torch.linalg.matrix_exp(t[:, None, None] * matrix), a)
        slope = (at @ matrix.T / units).flatten(1)
        gap = ((b - at) / units).flatten(1)
        step = (slope * gap).sum(1) / slope.square().sum(1).clamp(min=1e-300)
        t = t + step.clamp(-furthest / _GRID, furthest / _GRID)
    return t


def units_of(scale: Tensor, candidates: Candidates) -> Tensor:
    """Units of the residual for rows ``(…, D)``."""
    return _units(scale, scale.shape[0] + int(candidates.translations))


def _units(scale: Tensor, width: int) -> Tensor:
    return torch.cat([scale, torch.ones(width - scale.shape[0], dtype=scale.dtype)])


def _basis(candidates: Candidates, d: int) -> Tensor:
    if candidates.basis is not None:
        return candidates.basis
    return torch.eye(d * d, dtype=torch.float64).reshape(d * d, d, d)


def _unit_length(coefficients: Tensor, basis: Tensor) -> Tensor:
    size = torch.einsum("p,pab->ab", coefficients, basis).norm()
    unit: Tensor = coefficients * (2.0**0.5 / size.clamp(min=1e-300))
    return unit


def _first_order(a: Tensor, b: Tensor, amounts: Tensor, basis: Tensor) -> Tensor:
    """Coefficients with b − a ≈ t L(a + b)/2."""
    along = torch.einsum("pab,nkb->nkap", basis, (a + b) / 2) * amounts[:, None, None, None]
    gap = (b - a).reshape(-1, 1)
    solution: Tensor = torch.linalg.lstsq(along.reshape(len(gap), -1), gap, driver="gelsd").solution[:, 0]
    return solution


def _refined(start: Tensor, basis: Tensor, a: Tensor, b: Tensor, amounts: Tensor, scale: Tensor) -> Tensor:
    """Least squares of exp(tL)a − b over c."""
    units = _units(scale, a.shape[-1])
    size = ((b - a) / units).square().mean().clamp(min=1e-300)
    c = start.clone().requires_grad_(True)

    def loss() -> Tensor:
        moved = carried(torch.einsum("p,pab->ab", c, basis), amounts, a)
        return (((moved - b) / units).square().mean() / size).sum()

    return _minimised(loss, [c])[0]


def _refined_jointly(start: Tensor, amounts: Tensor, basis: Tensor, a: Tensor, b: Tensor, units: Tensor) -> Tensor:
    size = ((b - a) / units).square().mean().clamp(min=1e-300)
    c, t = start.clone().requires_grad_(True), amounts.clone().requires_grad_(True)

    def loss() -> Tensor:
        matrix = torch.einsum("p,pab->ab", c, basis)
        moved = torch.einsum("nab,nkb->nka", torch.linalg.matrix_exp(t[:, None, None] * matrix), a)
        return (((moved - b) / units).square().mean() / size).sum()

    return _minimised(loss, [c, t])[0]


def _minimised(loss: Callable[[], Tensor], unknowns: list[Tensor]) -> list[Tensor]:
    """Where a smooth function of the unknowns is least, by L-BFGS."""
    starts = [u.detach().clone() for u in unknowns]
    optimiser = torch.optim.LBFGS(
        unknowns, max_iter=60, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value: Tensor = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    # Unrelated pairs can drive the exponential to infinity; nothing better than the start is known then.
    if not all(bool(torch.isfinite(u).all()) for u in unknowns):
        return starts
    return [u.detach() for u in unknowns]
