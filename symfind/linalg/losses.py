"""What min f(w) + γ‖L(w)‖_* needs of f, a sum of squares or a system of equations, factored once for every γ.

Both write w = w₀ + Bt with B chosen so that the w-step of alternating directions is diagonal in t. K below is L with
κw beside it where there is a sparsity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from symfind.errors import InputError

# Eigenvalues below this share of the largest belong to w that neither the data nor L can see; such w stay zero.
_UNSEEN = 1e-13
# A system of equations holds if its residual is rounding.
_SOLVED = 1e-8
# Rows of equations whose singular value is below this share of the largest repeat others.
_DEPENDENT = 1e-11


class Loss(Protocol):
    """f, as far as the iteration needs it.

    Attributes
    ----------
    fixed, basis
        w₀ ``(F,)`` and B ``(F, q)``.
    """

    @property
    def fixed(self) -> Tensor: ...  # noqa: D102
    @property
    def basis(self) -> Tensor: ...  # noqa: D102

    def start(self) -> Tensor:
        """Some w with f(w) finite."""
        ...

    def step(self, pull: Tensor, rho: float) -> Tensor:
        """The t of argmin f(w) + ρ/2‖Kw − V‖², from pull = (KB)*V."""
        ...

    def value(self, w: Tensor) -> float:
        """f(w), zero for constraints, which every iterate satisfies."""
        ...

    def dual(self, w: Tensor, largest: float, pairing: Callable[[Tensor], float]) -> float:
        """The largest dual value at s times the multiplier, 0 ≤ s ≤ largest; ⟨multiplier, Kw⟩ = pairing(w)."""
        ...


class SquaredLoss:
    """f(w) = ‖Θw − y‖²: one simultaneous diagonalisation of Θ*Θ and K*K solves the w-step for every ρ.

    Parameters
    ----------
    theta
        Θ ``(N, F)``.
    y
        ``(N,)``.
    gram
        K*K ``(F, F)``.
    """

    def __init__(self, theta: Tensor, y: Tensor, gram: Tensor) -> None:
        self._theta, self._y = theta, y
        squares = 2 * theta.T @ theta
        heavy, light = float(squares.trace()) or 1.0, float(gram.trace()) or 1.0
        values, vectors = torch.linalg.eigh(squares / heavy + gram / light)
        seen = values > _UNSEEN * values.max()
        root = vectors[:, seen] / values[seen].sqrt()
        # In these coordinates the two add up to the identity, so that one diagonal gives the other.
        share, turn = torch.linalg.eigh(root.T @ (squares / heavy) @ root)
        share = share.clamp(0, 1)
        self.basis = root @ turn
        self.fixed = torch.zeros_like(theta[0])
        self._loss_part, self._gram_part = heavy * share, light * (1 - share)
        self._moment = self.basis.T @ (2 * theta.T @ y)

    def start(self) -> Tensor:
        """The least-squares fit, slightly shrunk where the data say nothing."""
        rho = 1e-6 * float(self._loss_part.max()) / (float(self._gram_part.max()) or 1.0)
        out: Tensor = self.basis @ self.step(torch.zeros_like(self._moment), rho)
        return out

    def step(self, pull: Tensor, rho: float) -> Tensor:
        """The w-step."""
        out: Tensor = (self._moment + rho * pull) / (self._loss_part + rho * self._gram_part)
        return out

    def value(self, w: Tensor) -> float:
        """‖Θw − y‖²."""
        return float((self._theta @ w - self._y).square().sum())

    def dual(self, w: Tensor, largest: float, pairing: Callable[[Tensor], float]) -> float:
        """−s²‖ν‖²/4 − s⟨ν, y⟩ with ν = 2(Θw − y), which satisfies Θ*ν + K*Λ = 0 after a w-step."""
        nu = 2 * (self._theta @ w - self._y)
        square, along = float(nu.square().sum()), -float(nu @ self._y)
        s = min(largest, max(0.0, 2 * along / square)) if square > 0 else 0.0
        return s * along - s * s * square / 4


class Constraint:
    """f = 0 where Θw = y, else ∞: w₀ and the range of B from a QR factorisation of Θ*, KB with orthonormal columns.

    Raises
    ------
    InputError
        No w satisfies the equations.
    """

    def __init__(self, theta: Tensor, y: Tensor, gram: Tensor) -> None:
        q, r = torch.linalg.qr(theta.T, mode="complete")
        rank = min(theta.shape)
        diagonal = r.diagonal().abs()
        if rank and float(diagonal.min()) > _DEPENDENT * float(diagonal.max()):
            solved = torch.linalg.solve_triangular(r[:rank, :rank].T, y[:rank, None], upper=False)[:, 0]
            self.fixed, free = q[:, :rank] @ solved, q[:, rank:]
        else:  # equations that repeat one another
            u, sigma, vh = torch.linalg.svd(theta)
            rank = int((sigma > _DEPENDENT * sigma.max()).sum()) if sigma.numel() else 0
            self.fixed, free = vh[:rank].T @ ((u[:, :rank].T @ y) / sigma[:rank]), vh[rank:].T
        missed = float(torch.linalg.vector_norm(theta @ self.fixed - y))
        if missed > _SOLVED * float(torch.linalg.vector_norm(y)):
            share = missed / float(torch.linalg.vector_norm(y))
            raise InputError(
                f"no model of {theta.shape[1]} unknowns meets all {theta.shape[0]} equations ΘW = Y (relative residual "
                f"{share:.2g}); give fewer rows or more features, or penalise with γ in place of equality"
            )
        values, vectors = torch.linalg.eigh(free.T @ gram @ free)
        seen = values > _UNSEEN * values.max() if values.numel() else values > 0
        self.basis = free @ (vectors[:, seen] / values[seen].sqrt())
        self._offset = self.basis.T @ (gram @ self.fixed)

    def start(self) -> Tensor:
        """The smallest w."""
        out: Tensor = self.fixed
        return out

    def step(self, pull: Tensor, rho: float) -> Tensor:
        """The w-step, the same for every ρ."""
        out: Tensor = pull - self._offset
        return out

    def value(self, w: Tensor) -> float:
        """Nothing to pay."""
        return 0.0

    def dual(self, w: Tensor, largest: float, pairing: Callable[[Tensor], float]) -> float:
        """s⟨Λ, Kw₀⟩, since (KB)*Λ = 0 after a w-step."""
        return max(0.0, largest * pairing(self.fixed))
