"""min f(w) + γ‖L(w)‖_* by alternating directions (ADMM), for f a sum of squares or a system of equations.

The dual value that stops the iteration comes at no cost: after every w-step the multiplier Λ satisfies the linear
constraints of the dual problem exactly, so that a scaling to ‖Λ‖ ≤ γ makes it feasible (Boyd et al. 2011, §3 and
§7; the matrix step is singular value thresholding, Cai, Candès, Shen 2010).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from symfind.errors import InputError, NumericalError, UsageError
from symfind.linalg.thresholding import MatrixMap, SingularValueThreshold, nuclear_norm

# Eigenvalues below this share of the largest belong to w that neither the data nor L can see; such w stay zero.
_UNSEEN = 1e-13
# A system of equations holds if its residual is rounding.
_SOLVED = 1e-8
# Rows of equations whose singular value is below this share of the largest repeat others.
_DEPENDENT = 1e-11
_CHECK_EVERY = 20
_RELAXATION = 1.6  # the middle of the range 1.5 … 1.8 that is known to help (Boyd et al. 2011, §3.4.3)
# The optimal value may be zero; below this share of the starting value it counts as that.
_NOTHING = 1e-5


@dataclass(frozen=True)
class State:
    """Where an iteration stands, to start another one near it: the splits, multipliers, and penalty."""

    z: Tensor
    multiplier: Tensor
    sparse: Tensor
    sparse_multiplier: Tensor
    penalty: float


@dataclass(frozen=True)
class NuclearSolution:
    """A minimiser with its certificate.

    Attributes
    ----------
    w
        ``(F,)``.
    objective
        f(w) + γ‖L(w)‖_* + λ‖w‖₁.
    gap
        Objective minus a lower bound on the minimum.
    rank
        Of the thresholded matrix Z ≈ L(w): cols − rank directions are exactly null in it.
    z
        Z ``(rows, cols)``.
    iterations, converged
        How many, and whether the gap reached the tolerance.
    state
        For a warm start.
    """

    w: Tensor
    objective: float
    gap: float
    rank: int
    z: Tensor
    iterations: int
    converged: bool
    state: State


class _Loss(Protocol):
    """f, as far as the iteration needs it."""

    def start(self) -> Tensor:
        """Some w with f(w) finite."""
        ...

    def minimiser(self, pull: Tensor, rho: float) -> Tensor:
        """The argmin of f(w) + ρ/2‖Kw‖² − ρ⟨w, pull⟩, K*K = L*L + κ²."""
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
        self._vectors = root @ turn
        self._loss_part, self._gram_part = heavy * share, light * (1 - share)
        self._moment = 2 * theta.T @ y

    def start(self) -> Tensor:
        """The least-squares fit, slightly shrunk where the data say nothing."""
        rho = 1e-6 * float(self._loss_part.max()) / (float(self._gram_part.max()) or 1.0)
        return self.minimiser(torch.zeros_like(self._moment), rho)

    def minimiser(self, pull: Tensor, rho: float) -> Tensor:
        """The w-step."""
        right = self._vectors.T @ (self._moment + rho * pull)
        out: Tensor = self._vectors @ (right / (self._loss_part + rho * self._gram_part))
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
    """f = 0 where Θw = y, else ∞: w = w₀ + Nz, with N and w₀ from a QR factorisation of Θ*.

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
            self._fixed, self._free = q[:, :rank] @ solved, q[:, rank:]
        else:  # equations that repeat one another
            u, sigma, vh = torch.linalg.svd(theta)
            rank = int((sigma > _DEPENDENT * sigma.max()).sum()) if sigma.numel() else 0
            self._fixed, self._free = vh[:rank].T @ ((u[:, :rank].T @ y) / sigma[:rank]), vh[rank:].T
        missed = float(torch.linalg.vector_norm(theta @ self._fixed - y))
        if missed > _SOLVED * float(torch.linalg.vector_norm(y)):
            share = missed / float(torch.linalg.vector_norm(y))
            raise InputError(
                f"no model of {theta.shape[1]} unknowns meets all {theta.shape[0]} equations ΘW = Y (relative residual "
                f"{share:.2g}); give fewer rows or more features, or penalise with γ in place of equality"
            )
        reduced = self._free.T @ gram @ self._free
        self._offset = self._free.T @ (gram @ self._fixed)
        values, vectors = torch.linalg.eigh(reduced)
        seen = values > _UNSEEN * values.max() if values.numel() else values > 0
        self._root = vectors[:, seen] / values[seen].sqrt()

    def start(self) -> Tensor:
        """The smallest w."""
        out: Tensor = self._fixed
        return out

    def minimiser(self, pull: Tensor, rho: float) -> Tensor:
        """The w-step, the same for every ρ."""
        right = self._free.T @ pull - self._offset
        out: Tensor = self._fixed + self._free @ (self._root @ (self._root.T @ right))
        return out

    def value(self, w: Tensor) -> float:
        """Nothing to pay."""
        return 0.0

    def dual(self, w: Tensor, largest: float, pairing: Callable[[Tensor], float]) -> float:
        """s⟨Λ, Kw₀⟩, since N*K*Λ = 0 after a w-step."""
        return max(0.0, largest * pairing(self._fixed))


class NuclearProblem:
    """min f(w) + γ‖L(w)‖_* + λ‖w‖₁ for one f and L, and any γ and λ; what does not depend on them is factored once.

    Parameters
    ----------
    theta, y
        Θ ``(N, F)`` and y ``(N,)``.
    lie
        L.
    equality
        Whether f demands Θw = y, rather than being ‖Θw − y‖².
    sparse
        Whether λ may be other than zero.

    Raises
    ------
    InputError
        With ``equality``: no w satisfies the equations.
    """

    def __init__(
        self, theta: Tensor, y: Tensor, lie: MatrixMap, *, equality: bool = False, sparse: bool = False
    ) -> None:
        gram = lie.gram()
        self._lie = lie
        # κ makes the two splits alike in size, whatever the units of w.
        self._unit = (float(gram.trace()) / lie.size) ** 0.5 or 1.0
        self._sparse = sparse
        if sparse:
            gram = gram + self._unit**2 * torch.eye(lie.size, dtype=gram.dtype, device=gram.device)
        self._loss: _Loss = Constraint(theta, y, gram) if equality else SquaredLoss(theta, y, gram)

    def solve(
        self,
        gamma: float = 1.0,
        *,
        sparsity: float = 0.0,
        start: State | None = None,
        tolerance: float = 1e-6,
        most: int = 5000,
        watch: Callable[[Tensor], bool] | None = None,
    ) -> NuclearSolution:
        """Iterate until gap ≤ ``tolerance`` times the objective.

        Parameters
        ----------
        gamma, sparsity
            γ and λ.
        start
            The state of a neighbouring problem.
        tolerance
            Relative duality gap.
        most
            Iterations after which the best is returned, not converged.
        watch
            Told w at every check of the gap; true ends the iteration (a benchmark that knows the answer).

        Raises
        ------
        UsageError
            γ or λ negative or not finite, or λ without ``sparse``.
        NumericalError
            The iterates are no longer finite.
        """
        for name, value in (("γ", gamma), ("the sparsity", sparsity)):
            if not 0 <= value < float("inf"):
                raise UsageError(f"{name} is {value}, expected a finite number of at least 0")
        if sparsity and not self._sparse:
            raise UsageError("a sparsity was asked of a problem that was set up without; pass sparse=True")
        return _Iteration(self._lie, self._loss, self._unit if self._sparse else 0.0, gamma, sparsity).run(
            start, tolerance, most, watch
        )


class _Iteration:
    """One run of the alternating directions."""

    def __init__(self, lie: MatrixMap, loss: _Loss, unit: float, gamma: float, sparsity: float) -> None:
        self._lie, self._loss, self._unit = lie, loss, unit
        self._gamma, self._sparsity = gamma, sparsity
        self._threshold = SingularValueThreshold()

    def run(
        self, start: State | None, tolerance: float, most: int, watch: Callable[[Tensor], bool] | None
    ) -> NuclearSolution:
        w = self._loss.start()
        first = self._objective(w)
        s = start or self._cold(w)
        best: NuclearSolution | None = None
        lower = 0.0
        iteration, rank = 0, 0
        while True:
            pull = self._lie.adjoint(s.z - s.multiplier / s.penalty)
            if self._unit:
                pull = pull + self._unit * (s.sparse - s.sparse_multiplier / s.penalty)
            w = self._loss.minimiser(pull, s.penalty)
            moved = self._lie(w)
            iteration += 1
            checked = iteration % _CHECK_EVERY == 0 or iteration >= most
            if checked:
                lower = max(lower, self._lower(w, moved, s))
                objective = self._objective(w, moved)
                if not objective < float("inf"):
                    raise NumericalError("the nuclear-norm solver diverged; scale the features, or take fewer of them")
                scale = max(objective, _NOTHING * first)
                done = objective - lower <= tolerance * scale
                if best is None or objective <= best.objective or done:
                    best = NuclearSolution(w, objective, objective - lower, rank, s.z, iteration, done, s)
                best = replace(best, gap=best.objective - lower, iterations=iteration)
                if done or iteration >= most or (watch is not None and watch(w)):
                    return best
                self._threshold.forget()
            s, rank, primal, dual = self._split(w, moved, s)
            if iteration % 10 == 0:
                s = _balanced(s, primal, dual)

    def _cold(self, w: Tensor) -> State:
        """Z = Lw, no multiplier, and a penalty at which a tenth of the largest singular value is cut off."""
        moved = self._lie(w)
        largest = float(torch.linalg.matrix_norm(moved, 2))
        sparse = self._unit * w
        penalty = 10 * (self._gamma or 1.0) / largest if largest > 0 else 1.0
        return State(moved, torch.zeros_like(moved), sparse, torch.zeros_like(sparse), penalty)

    def _split(self, w: Tensor, moved: Tensor, s: State) -> tuple[State, int, float, float]:
        """The step of Z and of the multipliers; rank of Z, relative primal and dual residuals."""
        relaxed = _RELAXATION * moved + (1 - _RELAXATION) * s.z
        cut = self._threshold(relaxed + s.multiplier / s.penalty, self._gamma / s.penalty)
        multiplier = s.multiplier + s.penalty * (relaxed - cut.value)
        sparse, sparse_multiplier = s.sparse, s.sparse_multiplier
        if self._unit:
            scaled = _RELAXATION * self._unit * w + (1 - _RELAXATION) * s.sparse
            shifted = scaled + s.sparse_multiplier / s.penalty
            level = self._sparsity / (self._unit * s.penalty)
            sparse = shifted.sign() * (shifted.abs() - level).clamp(min=0)
            sparse_multiplier = s.sparse_multiplier + s.penalty * (scaled - sparse)
        primal = _norm(moved - cut.value, self._unit * w - sparse)
        size = max(_norm(moved, self._unit * w), _norm(cut.value, sparse), 1e-300)
        dual = s.penalty * _norm(cut.value - s.z, sparse - s.sparse)
        force = max(_norm(multiplier, sparse_multiplier), 1e-300)
        return State(cut.value, multiplier, sparse, sparse_multiplier, s.penalty), cut.rank, primal / size, dual / force

    def _objective(self, w: Tensor, moved: Tensor | None = None) -> float:
        total = self._loss.value(w) + self._sparsity * float(w.abs().sum())
        if not bool(torch.isfinite(w).all()):
            return float("inf")
        return total + self._gamma * nuclear_norm(self._lie(w) if moved is None else moved)

    def _lower(self, w: Tensor, moved: Tensor, s: State) -> float:
        """A lower bound on the minimum, from the multiplier of this w-step scaled until it is feasible."""
        force = s.multiplier + s.penalty * (moved - s.z)
        spectral = float(torch.linalg.matrix_norm(force, 2))
        largest = self._gamma / spectral if spectral > 0 else float("inf")
        thin = self._unit * (s.sparse_multiplier + s.penalty * (self._unit * w - s.sparse))
        if self._unit:
            peak = float(thin.abs().max())
            largest = min(largest, self._sparsity / peak if peak > 0 else float("inf"))

        def pairing(at: Tensor) -> float:
            return float((force * self._lie(at)).sum()) + float(thin @ at)

        return self._loss.dual(w, largest, pairing) if largest < float("inf") else 0.0


def _norm(matrix: Tensor, vector: Tensor) -> float:
    return float((matrix.square().sum() + vector.square().sum()).sqrt())


def _balanced(s: State, primal: float, dual: float) -> State:
    """The penalty moved so that both residuals shrink at one rate (Wohlberg 2017), by at most a factor of five."""
    if min(primal, dual) <= 0 or 0.5 <= primal / dual <= 2:
        return s
    return replace(s, penalty=s.penalty * min(5.0, max(0.2, (primal / dual) ** 0.5)))
