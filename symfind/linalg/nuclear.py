"""min f(w) + γ‖L(w)‖_* for f a sum of squares or a system of equations, with a duality gap.

Alternating directions on w and Z = L(w) (Boyd et al. 2011, §3) in the form of Douglas and Rachford: one matrix X holds
Z and its multiplier, Z = prox(X), Λ = ρ(X − Z), where prox is singular value thresholding (Cai, Candès, Shen 2010).
A step X ↦ X + α(KV − Z), V the w-step from 2Z − X, is a map whose fixed point is sought, so Anderson's extrapolation
(Walker, Ni 2011) applies to it; it is taken back where the residual grows.

The bound from below comes from the multiplier Λ of another w-step, from KV − (X − Z): such a Λ satisfies the linear
constraints of the dual problem exactly, so that a scaling to ‖Λ‖ ≤ γ makes it feasible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import NumericalError, UsageError
from symfind.linalg.extrapolation import Extrapolation
from symfind.linalg.losses import Constraint, Loss, SquaredLoss
from symfind.linalg.thresholding import MatrixMap, SingularValueThreshold, nuclear_norm, spectral_norm

_CHECK_EVERY = 10
# While KV and Z differ by so many tolerances the gap is not looked at, but for every so many checks.
_FAR, _LOOK_ANYWAY = 100.0, 4
_RELAXATION = 1.6  # the middle of the range 1.5 … 1.8 that is known to help (Boyd et al. 2011, §3.4.3)
# The threshold at the start, over the largest singular value: 1/10 to 1/60 took as many iterations, within a third.
_FIRST_CUT = 1 / 20
# The penalty is looked at after so many steps, and then ever more rarely, so that extrapolation can build up.
_FIRST_BALANCE, _RARER = 10, 1.5
# The optimal value may be zero; below this share of the starting value it counts as that.
_NOTHING = 1e-5
# L restricted to the free directions is held as numbers up to this many, 2 MB: beyond, its parts are faster.
_HELD = 2**18


@dataclass(frozen=True)
class State:
    """Where an iteration stands, to start another one near it: X, and the penalty ρ that belonged to γ."""

    x: Tensor
    penalty: float
    gamma: float


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
    sparse
        Thresholded w ``(F,)``; w itself without a sparsity.
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
    sparse: Tensor
    iterations: int
    converged: bool
    state: State


class _Split:
    """K: w ↦ L(w), flattened, with κw after it where there is a sparsity; on w = w₀ + Bt."""

    def __init__(self, lie: MatrixMap, unit: float, loss: Loss) -> None:
        rows, columns = lie.shape
        self._lie, self.unit, self._loss, self.split = lie, unit, loss, rows * columns
        self._offset = self.of(loss.fixed)
        self._table: Tensor | None = None
        if rows * columns * loss.basis.shape[1] <= _HELD:
            table = lie.dense().table.flatten(0, 1) @ loss.basis
            self._table = torch.cat([table, unit * loss.basis]) if unit else table

    def of(self, w: Tensor) -> Tensor:
        """Kw."""
        out = self._lie(w).flatten()
        return torch.cat([out, self.unit * w]) if self.unit else out

    def __call__(self, t: Tensor) -> Tensor:
        """K(w₀ + Bt)."""
        if self._table is not None:
            return torch.addmv(self._offset, self._table, t)
        return self.of(self.w(t))

    def adjoint(self, v: Tensor) -> Tensor:
        """(KB)*v."""
        if self._table is not None:
            return self._table.T @ v
        out = self._lie.adjoint(self.matrix(v))
        return self._loss.basis.T @ (out + self.unit * v[self.split :] if self.unit else out)

    def w(self, t: Tensor) -> Tensor:
        """w₀ + Bt."""
        return torch.addmv(self._loss.fixed, self._loss.basis, t)

    def matrix(self, v: Tensor) -> Tensor:
        """The part of L ``(rows, cols)``."""
        return v[: self.split].reshape(self._lie.shape)


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
    gram
        L*L where it is at hand, for several problems with one L.

    Raises
    ------
    InputError
        With ``equality``: no w satisfies the equations.
    """

    def __init__(
        self,
        theta: Tensor,
        y: Tensor,
        lie: MatrixMap,
        *,
        equality: bool = False,
        sparse: bool = False,
        gram: Tensor | None = None,
    ) -> None:
        if lie.shape[0] * lie.shape[1] * lie.size <= _HELD:
            lie = lie.dense()
        gram = lie.gram() if gram is None else gram
        # κ makes the two splits alike in size, whatever the units of w.
        unit = ((float(gram.trace()) / lie.size) ** 0.5 or 1.0) if sparse else 0.0
        if sparse:
            gram = gram + unit**2 * torch.eye(lie.size, dtype=gram.dtype, device=gram.device)
        self._loss: Loss = Constraint(theta, y, gram) if equality else SquaredLoss(theta, y, gram)
        self._split = _Split(lie, unit, self._loss)

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
            Told w at every check; true ends the iteration (a benchmark that knows the answer).

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
        if sparsity and not self._split.unit:
            raise UsageError("a sparsity was asked of a problem that was set up without; pass sparse=True")
        return _Iteration(self._split, self._loss, gamma, sparsity).run(start, tolerance, most, watch)


class _Iteration:
    """One run of the alternating directions."""

    def __init__(self, split: _Split, loss: Loss, gamma: float, sparsity: float) -> None:
        self._split, self._loss, self._gamma, self._sparsity = split, loss, gamma, sparsity
        self._threshold = SingularValueThreshold()
        self._lower = 0.0
        self._first = 0.0
        self._best: NuclearSolution | None = None

    def run(
        self, start: State | None, tolerance: float, most: int, watch: Callable[[Tensor], bool] | None
    ) -> NuclearSolution:
        x, rho = self._begun(start)
        ahead = Extrapolation()
        due: int | None = _FIRST_BALANCE
        before: tuple[Tensor, float] | None = None  # Z and the relative primal residual of the last plain step
        iteration = 0
        while True:
            iteration += 1
            z, rank = self._prox(x, rho)
            if before is not None:
                x, rho = _balanced(x, z, rho, before)
                before = None
                ahead.forget()
            moved = self._split(self._loss.step(self._split.adjoint(2 * z - x), rho))
            step = torch.sub(moved, z).mul_(_RELAXATION)
            if iteration % _CHECK_EVERY == 0 or iteration >= most:
                if iteration >= most or watch is not None or self._near(step, z, tolerance, iteration):
                    found = self._checked(x, z, moved, rho, rank, iteration, tolerance)
                    if found.converged or iteration >= most or (watch is not None and watch(found.w)):
                        return found
                if iteration % (5 * _CHECK_EVERY) == 0:
                    self._threshold.forget()  # a singular value that grew outside the subspace is seen again
            if due is not None and iteration >= due:
                due = int(iteration * _RARER)
                before = z, float(torch.linalg.vector_norm(step)) / _RELAXATION / _size(moved, z)
                x = x + step
            else:
                x = ahead(x, step)

    def _begun(self, start: State | None) -> tuple[Tensor, float]:
        """X and ρ: those of a neighbour, whose multiplier is scaled to this γ, or Kw with no multiplier."""
        w = self._loss.start()
        at = self._split.of(w)
        self._first = self._objective(w, at)
        if start is not None:
            scale = self._gamma / start.gamma if self._gamma > 0 and start.gamma > 0 else 1.0
            return start.x, start.penalty * scale
        largest = spectral_norm(self._split.matrix(at))
        return at, (self._gamma or 1.0) / (_FIRST_CUT * largest) if largest > 0 else 1.0

    def _prox(self, x: Tensor, rho: float) -> tuple[Tensor, int]:
        """Z, and κw thresholded, from X; the rank of Z."""
        cut = self._threshold(self._split.matrix(x), self._gamma / rho)
        unit, end = self._split.unit, self._split.split
        if not unit:
            return cut.value.flatten(), cut.rank
        thin = torch.nn.functional.softshrink(x[end:], self._sparsity / (unit * rho))
        return torch.cat([cut.value.flatten(), thin]), cut.rank

    def _near(self, step: Tensor, z: Tensor, tolerance: float, iteration: int) -> bool:
        """Whether the gap is worth its price."""
        if iteration % (_LOOK_ANYWAY * _CHECK_EVERY) == 0:
            return True
        return bool(torch.linalg.vector_norm(step) <= _FAR * tolerance * torch.linalg.vector_norm(z))

    def _checked(
        self, x: Tensor, z: Tensor, moved: Tensor, rho: float, rank: int, iteration: int, tolerance: float
    ) -> NuclearSolution:
        """The best w so far, with the best bound so far."""
        w = self._split.w(self._loss.step(self._split.adjoint(2 * z - x), rho))
        objective = self._objective(w, moved)
        if not objective < float("inf"):
            raise NumericalError("the nuclear-norm solver diverged; scale the features, or take fewer of them")
        self._lower = max(self._lower, self._bound(x, z, moved, rho))
        unit, end = self._split.unit, self._split.split
        best = self._best
        if best is None or objective <= best.objective:
            sparse = z[end:] / unit if unit else w
            state = State(x, rho, self._gamma)
            best = NuclearSolution(w, objective, 0.0, rank, self._split.matrix(z), sparse, iteration, False, state)
        gap = best.objective - self._lower
        done = gap <= tolerance * max(best.objective, _NOTHING * self._first)
        self._best = replace(best, gap=gap, iterations=iteration, converged=done)
        return self._best

    def _objective(self, w: Tensor, moved: Tensor) -> float:
        if not bool(torch.isfinite(w).all()):
            return float("inf")
        total = self._loss.value(w) + self._sparsity * float(w.abs().sum())
        return total + (self._gamma * nuclear_norm(self._split.matrix(moved)) if self._gamma else 0.0)

    def _bound(self, x: Tensor, z: Tensor, moved: Tensor, rho: float) -> float:
        """A lower bound on the minimum, from the multiplier of another w-step scaled until it is feasible."""
        u = x - z
        t = self._loss.step(self._split.adjoint(moved - u), rho)
        force = rho * (u + self._split(t) - moved)
        spectral = spectral_norm(self._split.matrix(force))
        largest = self._gamma / spectral if spectral > 0 else float("inf")
        unit, end = self._split.unit, self._split.split
        if unit:
            peak = unit * float(force[end:].abs().max())
            largest = min(largest, self._sparsity / peak if peak > 0 else float("inf"))
        if largest == float("inf"):
            return 0.0
        return self._loss.dual(self._split.w(t), largest, lambda w: float(force @ self._split.of(w)))


def _size(a: Tensor, b: Tensor) -> float:
    return max(float(torch.linalg.vector_norm(a)), float(torch.linalg.vector_norm(b)), 1e-300)


def _balanced(x: Tensor, z: Tensor, rho: float, before: tuple[Tensor, float]) -> tuple[Tensor, float]:
    """The penalty moved so that both relative residuals shrink at one rate (Wohlberg 2017), at most five times.

    Z and the multiplier stay: X − Z is the multiplier over ρ.
    """
    last, primal = before
    force = x - z
    dual = float(torch.linalg.vector_norm(z - last)) / max(float(torch.linalg.vector_norm(force)), 1e-300)
    if min(primal, dual) <= 0 or 0.5 <= primal / dual <= 2:
        return x, rho
    factor = min(5.0, max(0.2, (primal / dual) ** 0.5))
    return z + force / factor, rho * factor
