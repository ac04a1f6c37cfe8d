"""Least squares inside {w : L_ξF = 0 for the ξ found}: the shrinkage of the nuclear norm taken off.

The span of a noisy fit is not quite that of any group, and the nullspace of a span that is not closed holds constants
alone. So span and fit are moved together: ‖Θw − y‖² + μ Σᵢ‖L_{ξᵢ}F‖² is minimised over w, and over the k directions
ξᵢ, in turn, while μ grows from nothing to where the second term is rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.linalg.thresholding import DenseMap
from symfind.promotion.operator import LieOperator
from symfind.promotion.settings import SETTINGS

# μ at which the symmetries hold to 1e-7; steps between two looks at the span, and when it is settled.
_LAST = 4e7
_TURNS = 5
_SETTLED = 1e-3
# Singular values of L below this share of the largest are rounding.
_HELD = 1e-7
_POLISHING = 8
# Squares of the Lie derivative, over the largest: small enough to be the same symmetry seen through the iteration's
# error, and small enough to be none.
_NEARLY_NULL, _IMPLIED, _NULL = 1e-7, 1e-9, 1e-13

# Products of pairs of candidates are held up to this many numbers, 128 MB.
_PAIRS = 2**24
# A square of residuals below this share of that of the targets is rounding.
_ROUNDING = 1e-12
# Pivots below this share of the largest may be rounding: then eigenvectors tell what is determined.
_DETERMINED = 1e-10

LieMap = LieOperator | DenseMap
"""w ↦ L(w), by its parts or as a table."""


@dataclass(frozen=True)
class Quadratic:
    """‖Θw − y‖² as w*Hw − 2b*w + c."""

    squares: Tensor
    moment: Tensor
    constant: float

    @staticmethod
    def of(theta: Tensor, y: Tensor) -> Quadratic:
        """From rows."""
        return Quadratic(theta.T @ theta, theta.T @ y, float(y @ y))

    def __call__(self, w: Tensor) -> float:
        """The value at w, to rounding."""
        return max(float(w @ (self.squares @ w) - 2 * self.moment @ w) + self.constant, _ROUNDING * self.constant)

    def minimiser(self, penalty: Tensor) -> Tensor:
        """The argmin of the sum with w*Pw; the smallest where w is not determined."""
        total = self.squares + penalty
        factor, fault = torch.linalg.cholesky_ex(total)
        pivots = factor.diagonal().square()
        if not int(fault) and float(pivots.min()) > _DETERMINED * float(pivots.max()):
            return torch.cholesky_solve(self.moment[:, None], factor)[:, 0]
        values, vectors = torch.linalg.eigh(total)
        seen = values > 1e-14 * values.max()
        out: Tensor = vectors[:, seen] @ ((vectors[:, seen].T @ self.moment) / values[seen])
        return out

    def within(self, basis: Tensor) -> Tensor:
        """The minimiser in the span of ``basis`` ``(F, r)``."""
        inner = Quadratic(basis.T @ self.squares @ basis, basis.T @ self.moment, self.constant)
        return basis @ inner.minimiser(torch.zeros_like(inner.squares))


class Squares:
    """V ↦ Σⱼ L_{vⱼ}*L_{vⱼ} for directions vⱼ among the candidates, and its transpose, from products of pairs.

    Parameters
    ----------
    lie
        L.
    """

    def __init__(self, lie: LieMap) -> None:
        self.lie = lie
        self._held: Tensor | None = None

    def _pairs(self) -> Tensor | None:
        """L_p*L_q + L_q*L_p for p < q, L_p*L_p, flattened ``(P(P+1)/2, F²)``; None if they are too many."""
        count, size = self.lie.shape[1], self.lie.size
        if not isinstance(self.lie, DenseMap) or count * (count + 1) // 2 * size * size > _PAIRS:
            return None
        if self._held is None:
            parts = self.lie.table.transpose(0, 1).contiguous()  # (P, rows, F)
            self._held = parts.new_empty(count * (count + 1) // 2, size * size)
            for row, (p, q) in zip(self._held, torch.triu_indices(count, count).T.tolist(), strict=True):
                product = parts[p].T @ parts[q]
                row.copy_((product if p == q else product + product.T).flatten())
        return self._held

    def of_directions(self, directions: Tensor) -> Tensor:
        """Σⱼ L_{vⱼ}*L_{vⱼ} ``(F, F)`` for V ``(P, k)``."""
        pairs = self._pairs()
        if pairs is None:
            return self.lie.turned(directions).gram()
        p, q = torch.triu_indices(len(directions), len(directions))
        return ((directions @ directions.T)[p, q] @ pairs).reshape(self.lie.size, -1)

    def of_models(self, models: Tensor) -> Tensor:
        """Σᵢ L(wᵢ)*L(wᵢ) ``(P, P)`` for W ``(F, r)``."""
        pairs, count = self._pairs(), self.lie.shape[1]
        total = torch.zeros(count, count, dtype=models.dtype)
        if pairs is None:
            for model in models.T:
                moved = self.lie(model)
                total += moved.T @ moved
            return total
        p, q = torch.triu_indices(count, count)
        total[p, q] = pairs @ (models @ models.T).flatten()
        return (total + total.T) / 2


@dataclass(frozen=True)
class Debiased:
    """A fit with k exact symmetries.

    Attributes
    ----------
    w
        ``(F,)``.
    directions
        ``(P, k)`` orthonormal, among the candidates of L; at least as many as asked.
    freedom
        Dimension of the space of models that have them.
    """

    w: Tensor
    directions: Tensor
    freedom: int


def null_directions(lie: LieMap, w: Tensor, count: int) -> Tensor:
    """The ``count`` right singular vectors ``(P, k)`` of L(w) with the smallest singular values."""
    moved = lie(w)
    vectors: Tensor = torch.linalg.eigh(moved.T @ moved).eigenvectors[:, :count]
    return vectors


def debiased(loss: Quadratic, squares: Squares, w: Tensor, count: int, support: Tensor | None = None) -> Debiased:
    """The best fit near w with ``count`` exact symmetries.

    Parameters
    ----------
    loss
        What is fitted.
    squares
        Of L, with candidates of comparable size.
    w
        Where to start: a fit that has the symmetries nearly.
    count
        k.
    support
        Which entries of w may differ from zero ``(F,)``; None for all.
    """
    lie = squares.lie
    kept = torch.arange(lie.size) if support is None else support.nonzero()[:, 0]
    inner = Quadratic(loss.squares[kept][:, kept], loss.moment[kept], loss.constant)

    def penalty(directions: Tensor) -> Tensor:
        out = squares.of_directions(directions)
        return out if support is None else out[kept][:, kept]

    def lifted(v: Tensor) -> Tensor:
        out = v.new_zeros(lie.size, *v.shape[1:])
        out[kept] = v
        return out

    if count == 0:
        w = lifted(inner.minimiser(torch.zeros_like(inner.squares)))
        return Debiased(w, null_directions(lie, w, 0), len(kept))
    # Data without noise hold the symmetries by themselves, and exactly.
    exact = lifted(inner.minimiser(torch.zeros_like(inner.squares)))
    sizes = torch.linalg.svdvals(lie(exact)).flip(0)
    if float(sizes[count - 1]) < _HELD * float(sizes[-1]):
        w = exact
    directions = null_directions(lie, w, count)
    unit = float(inner.squares.trace()) / max(float(penalty(directions).trace()), 1e-300)
    unit = min(unit, float(inner.squares.trace()) / max(float(lie.gram().trace()), 1e-300) * lie.shape[1])

    def followed(mu: float, w: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        for _ in range(_TURNS):
            before, w = w, lifted(inner.minimiser(mu * unit * penalty(directions)))
            directions = null_directions(lie, w, count)
            if float((w - before).abs().max()) < _SETTLED * float(w.abs().max()):
                break
        return w, directions

    mu, step = SETTINGS.first, 1 + SETTINGS.fast
    w, directions = followed(mu, w, directions)
    error = loss(w)
    while mu < _LAST:
        moved, turned = followed(mu * step, w, directions)
        worse = loss(moved)
        if worse > (1 + SETTINGS.costly) * error and step > 1 + SETTINGS.slow:
            step = max(1 + SETTINGS.slow, step**0.5)
            continue
        w, directions, error, mu = moved, turned, worse, mu * step
        step = min(1 + SETTINGS.fast, step**1.5)
    basis = _null_models(penalty(directions), _NEARLY_NULL)
    for _ in range(_POLISHING):
        # The symmetries common to all models of the space, then the models that have them.
        sizes, turned = torch.linalg.eigh(squares.of_models(lifted(basis)))
        # Brackets of symmetries are symmetries: more may be implied than were asked.
        directions = turned[:, : max(count, int((sizes < _IMPLIED * sizes[-1]).sum()))]
        values, vectors = torch.linalg.eigh(penalty(directions))
        basis = vectors[:, : basis.shape[1]]
        if float(values[max(0, basis.shape[1] - 1)]) < _NULL * float(values[-1]):
            break
    basis = _null_models(penalty(directions), _NULL)
    return Debiased(lifted(inner.within(basis)), directions, basis.shape[1])


def _null_models(squares: Tensor, cut: float) -> Tensor:
    """Orthonormal w ``(F, r)`` whose square is below a share of the largest; at least the smallest one."""
    values, vectors = torch.linalg.eigh(squares)
    null: Tensor = vectors[:, : max(1, int((values < cut * values[-1].clamp(min=1e-300)).sum()))]
    return null
