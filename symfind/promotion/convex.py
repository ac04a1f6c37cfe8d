"""F = φᵀW with as many symmetries as the data allow: min mean‖ΘW − Y‖² + γ‖L(W)‖_* along a path of γ.

Axis letters: n rows, D inputs, m outputs (all objects), f features, F = fm unknowns, P candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.fits.surrogate import Samples, fold_labels
from symfind.linalg.lasso import lasso
from symfind.linalg.nuclear import NuclearProblem, State
from symfind.progress import Advance
from symfind.promotion.debias import LieMap, Quadratic, Squares, debiased, null_directions
from symfind.promotion.operator import Candidates, Library, LieOperator, candidates_at, whitened
from symfind.promotion.setting import Setting, check_memory, points_needed
from symfind.promotion.settings import SETTINGS
from symfind.schema.promotion import PathEntry, RefitEntry

# γ from where everything is symmetric down to where nothing is: six decades serve data without noise as well. Refits
# take the shrinkage off, so that steps of less than a decade chose the same fits.
_PATH = tuple(10.0**-i for i in range(7))
# Few rows are held out a few at a time: a fit to three quarters of them would be much worse than one to all.
_FOLDS, _FOLDS_OF_FEW, _FEW = 4, 6, 200
# A point of the path is looked at, not published: cross-validated errors change by less than a per cent.
_TOLERANCE, _MOST = 1e-3, 300
# Numbers up to which L is held as a table, 64 MB.
_TABLED = 2**23
# A held-out share of variance below this is rounding (as in sources.surrogate).
_EXACT = 1e-16
# λ of the lasso that stands for no symmetry at all, in units in which features and outputs have mean square one.
_LASSO = tuple(10.0 ** (-i / 2) for i in range(1, 13))
# Where rows are few, one partition is a matter of luck, and leaving out few chooses too many features (Shao 1993): λ
# is chosen over several partitions into few parts.
_PARTITIONS, _PARTS = 6, 3


@dataclass(frozen=True)
class Promoted:
    """The chosen fit.

    Attributes
    ----------
    weights
        W ``(f, m)``.
    plain
        The least-squares W without promotion.
    gamma
        γ of the point of the path it came from.
    symmetries
        k ``(P₀, k)`` generators it has exactly, in the basis of the space and the action.
    refitted
        Whether W is the refit inside the nullspace, or a penalised fit.
    sparse
        λ, if W is the lasso, which needs no symmetry; None if it is not.
    freedom
        Dimension of the space of models that have these symmetries; F for none.
    path, refits
        Every γ, and every number of symmetries that was tried.
    error
        The cross-validated error of this fit.
    spectrum
        Singular values of L(W), ascending.
    """

    weights: Tensor
    plain: Tensor
    gamma: float
    symmetries: Tensor
    refitted: bool
    sparse: float | None
    freedom: int
    path: tuple[PathEntry, ...]
    refits: tuple[RefitEntry, ...]
    error: float
    spectrum: Tensor


@dataclass(frozen=True)
class _Step:
    """A penalised fit: w, the rank of L(w), and which w are not zero where a sparsity is asked."""

    w: Tensor
    rank: int
    support: Tensor | None


@dataclass(frozen=True)
class _Sparse:
    """The lasso: w, its error on each fold, and its λ."""

    w: Tensor
    errors: Tensor
    weight: float

    @property
    def error(self) -> float:
        """The cross-validated error."""
        return float(self.errors.mean())


@dataclass(frozen=True)
class Explored:
    """A path: its points, errors and fits at the best of them, on the folds and on all rows; least squares, lasso."""

    points: tuple[PathEntry, ...]
    best: int
    errors: tuple[float, ...]
    steps: tuple[_Step, ...]
    plain: float
    sparse: _Sparse | None

    @property
    def sparse_stands(self) -> bool:
        """Whether the lasso's error is not above that of the path by more than its standard error over the folds."""
        if self.sparse is None:
            return False
        gap = self.sparse.errors - torch.tensor(self.errors, dtype=self.sparse.errors.dtype)
        return bool(gap.mean() <= gap.std() / len(gap) ** 0.5)

    @property
    def error(self) -> float:
        """The smallest cross-validated error so far."""
        path = min(self.points[self.best].error, self.plain)
        return path if self.sparse is None else min(path, self.sparse.error)


class ConvexFit:
    """One class of models on one set of rows.

    Parameters
    ----------
    setting
        Candidates and metrics.
    features
        φ.
    samples
        The rows to fit, with their groups.
    sparsity
        λ of λ‖W‖₁, W in units in which every feature and output has mean square one.
    generator
        Of the points and the folds.

    Raises
    ------
    UsageError
        λ is negative, or the output action is not linear.
    InputError
        It needs too much memory, or every candidate is zero on the data.
    """

    def __init__(
        self, setting: Setting, features: Library, samples: Samples, sparsity: float, generator: torch.Generator
    ) -> None:
        if not 0 <= sparsity < float("inf"):
            raise UsageError(f"--sparsity is {sparsity}, expected a finite number of at least 0")
        check_memory(setting, features.size, len(samples))
        self._sparsity, self._samples = sparsity, samples
        spread = samples.y.std(0, correction=0)
        self._y_unit = torch.where(spread > 0, spread, torch.ones_like(spread))
        theta = features(samples.x)
        size = theta.square().mean(0).sqrt()
        self._unit = torch.where(size > 0, size, torch.ones_like(size))
        self._theta, self._y = theta / self._unit, samples.y / self._y_unit
        self._lie, self._basis = self._operator(setting, features, generator)
        self._gram = self._lie.gram()
        self._squares = Squares(self._lie)
        folds = _FOLDS_OF_FEW if len(samples) < _FEW else _FOLDS
        self._labels = fold_labels(len(samples), samples.group, folds, generator)
        if int(self._labels.max()) == 0:  # one group: segments of it, for want of anything independent
            self._labels = torch.arange(len(samples)) * folds // len(samples)
        self._everything = torch.ones(len(samples), dtype=torch.bool)
        self._trained = _all_but(self._labels)
        again = range(_PARTITIONS if len(samples) < _FEW else 0)
        self._again = [
            k for _ in again for k in _all_but(fold_labels(len(samples), samples.group, _PARTS, generator))
        ] or self._trained

    def _operator(self, setting: Setting, features: Library, generator: torch.Generator) -> tuple[LieMap, Tensor]:
        """L at some of the rows, on whitened candidates; and these in the basis of the space."""
        count = points_needed(len(self._samples), features.size)
        chosen = torch.randperm(len(self._samples), generator=generator)[:count].sort().values
        x, y = self._samples.x[chosen], self._samples.y[chosen]
        k, d = setting.objects
        outputs = torch.kron(torch.eye(setting.output_objects[0], dtype=x.dtype), setting.outputs)
        candidates = candidates_at(setting.space, setting.action, x.reshape(-1, k, d), setting.output_objects)
        if setting.metric == "whitened":
            change = whitened(candidates, setting.geometry, outputs, y, k)
        else:
            rows = setting.space.table(torch.eye(setting.space.dim, dtype=x.dtype))
            change = torch.eye(candidates.basis.shape[0], dtype=x.dtype)
            change[: setting.space.dim, : setting.space.dim] /= torch.linalg.vector_norm(rows, dim=1)
        candidates = candidates.turned(change)
        lie = LieOperator.of(features, x, candidates, outputs)
        # In units of w in which features and outputs have mean square one.
        lie = replace(
            lie,
            values=lie.values / self._unit,
            slopes=lie.slopes / self._unit,
            outputs=self._y_unit[:, None] * outputs,
            candidates=_in_units(candidates, self._y_unit),
        )
        few = lie.shape[0] * lie.shape[1] * lie.size <= _TABLED
        return lie.dense() if few else lie, candidates.basis

    def _rows(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Θ and y for flattened w, compressed by a QR factorisation, each row counting 1/n."""
        n, m = int(kept.sum()), self._y.shape[1]
        theta, y = self._theta[kept] / n**0.5, self._y[kept] / n**0.5
        f = theta.shape[1]
        if n > f + m:
            factor = torch.linalg.qr(torch.cat([theta, y], 1), mode="r").R
            theta, y = factor[:, :f], factor[:, f:]
        return torch.kron(theta.contiguous(), torch.eye(m, dtype=y.dtype)), y.reshape(-1)

    def _error(self, w: Tensor, rows: Tensor) -> float:
        """Mean over outputs of the share of variance that is missed."""
        missed = self._y[rows] - self._theta[rows] @ w.reshape(self._theta.shape[1], -1)
        varies = self._samples.y.std(0, correction=0) > 0
        return float(missed[:, varies].square().mean()) if bool(varies.any()) else 0.0

    def weights(self, w: Tensor) -> Tensor:
        """W ``(f, m)`` in the user's units."""
        return w.reshape(self._theta.shape[1], -1) / self._unit[:, None] * self._y_unit

    def chosen(self, gamma: float | None = None, advance: Advance = lambda _: None) -> Promoted:
        """The fit whose cross-validated error is smallest; among equals the one with the most symmetries.

        Parameters
        ----------
        gamma
            The γ to take; None for a path.
        advance
            Told about every γ and fold.

        Raises
        ------
        UsageError
            γ is negative.
        """
        return self.refitted(self.explored(gamma, advance))

    def explored(self, gamma: float | None = None, advance: Advance = lambda _: None) -> Explored:
        """The penalised fits along the path, and the lasso; parameters as of :meth:`chosen`."""
        if gamma is not None and not 0 <= gamma < float("inf"):
            raise UsageError(f"--gamma is {gamma}, expected a finite number of at least 0")
        path = [gamma] if gamma is not None else [share * self._largest() for share in _PATH]
        fits = [self._followed(kept) for kept in (*self._trained, self._everything)]
        steps: list[list[_Step]] = []
        errors: list[float] = []
        held: list[tuple[float, ...]] = []
        for g in path:
            steps.append([fit(g) for fit in fits])
            held.append(tuple(self._error(s.w, ~kept) for s, kept in zip(steps[-1], self._trained, strict=False)))
            errors.append(sum(held[-1]) / len(held[-1]))
            advance(1)
            # The error of few rows may rise before it falls.
            if len(self._samples) >= _FEW and len(errors) - errors.index(min(errors)) > SETTINGS.patience:
                break
        points = tuple(
            PathEntry(gamma=g, symmetries=self._lie.shape[1] - s[-1].rank, error=e)
            for g, s, e in zip(path, steps, errors, strict=False)
        )
        best = errors.index(min(errors))
        # A γ or λ that was asked for is kept to.
        sparse = self._lasso() if gamma is None and self._sparsity == 0 else None
        plain = self._refitted_error(steps[best], 0)  # data without noise are known by it
        return Explored(points, best, held[best], tuple(steps[best]), plain, sparse)

    def refitted(self, explored: Explored) -> Promoted:
        """The refits inside exact nullspaces, from the best point of the path; the best of everything."""
        step = explored.steps[-1]
        refits = tuple(
            RefitEntry(symmetries=k, error=self._refitted_error(explored.steps, k)) for k in self._counts(step.w)
        )
        point, sparse = explored.points[explored.best], explored.sparse
        smallest = min(explored.error, *(r.error for r in refits))
        good = [r for r in refits if r.error <= max((1 + SETTINGS.tie) * smallest, _EXACT)]
        if sparse is not None:  # it stands for no symmetry: it contains least squares, but for data without noise
            good = [r for r in good if r.symmetries > 0 or r.error < _EXACT]
        loss = Quadratic.of(*self._rows(self._everything))
        plain = loss.minimiser(torch.zeros_like(loss.squares))
        weight: float | None = None
        w, freedom, error = step.w, self._lie.size, point.error
        if good:
            chosen = max(good, key=lambda r: r.symmetries)
            done = debiased(loss, self._squares, w, chosen.symmetries, step.support)
            w, directions, freedom, error = done.w, done.directions, done.freedom, chosen.error
        elif sparse is not None and explored.sparse_stands:
            w, error, weight = sparse.w, sparse.error, sparse.weight
            directions = null_directions(self._lie, w, 0)
        else:
            directions = null_directions(self._lie, w, point.symmetries)
        return Promoted(
            self.weights(w), self.weights(plain), point.gamma, self._basis @ directions, bool(good), weight, freedom,
            explored.points, refits, error, torch.linalg.svdvals(self._lie(w)).flip(0),
        )  # fmt: skip

    def _lasso(self) -> _Sparse:
        """The lasso; its error is that of the folds of all fits, λ is chosen on others where rows are few."""
        kept = [*self._trained, *self._again]
        parts = [(self._theta[k], self._y[k], int(k.sum())) for k in (*kept, self._everything)]
        squares = torch.stack([theta.T @ theta / n for theta, _, n in parts])
        moment = torch.stack([theta.T @ y / n for theta, y, n in parts])
        w = lasso(squares, moment, torch.tensor(_LASSO, dtype=squares.dtype))
        errors = torch.tensor(
            [[self._error(one.flatten(), ~k) for one in path] for k, path in zip(kept, w, strict=False)]
        )
        told, chosen = errors.tensor_split([len(self._trained)])
        best = int(chosen.mean(0).argmin())
        return _Sparse(w[-1, best].flatten(), told[:, best], _LASSO[best])

    def _counts(self, w: Tensor) -> list[int]:
        """Numbers of symmetries worth trying: none, all, and where the singular values of L(w) jump most."""
        sigma = torch.linalg.svdvals(self._lie(w)).flip(0)
        floor = 1e-9 * float(sigma[-1].clamp(min=1e-300))
        jumps = (sigma[1:].clamp(min=floor) / sigma[:-1].clamp(min=floor)).log()
        places = torch.argsort(jumps, descending=True)[: SETTINGS.jumps] + 1
        return sorted({0, len(sigma), *places.tolist()})

    def _followed(self, kept: Tensor) -> Callable[[float], _Step]:
        """γ ↦ the fit to the rows kept, each solve started at the last one."""
        problem = NuclearProblem(*self._rows(kept), self._lie, sparse=self._sparsity > 0, gram=self._gram)
        state: State | None = None

        def at(gamma: float) -> _Step:
            nonlocal state
            solved = problem.solve(gamma, sparsity=self._sparsity, start=state, tolerance=_TOLERANCE, most=_MOST)
            state = solved.state
            return _Step(solved.w, solved.rank, solved.sparse != 0 if self._sparsity > 0 else None)

        return at

    def _refitted_error(self, steps: Sequence[_Step], count: int) -> float:
        """Cross-validated error of the refit with ``count`` symmetries; one fold is enough to see a hopeless one."""
        errors: list[float] = []
        for kept, step in zip(self._trained, steps, strict=False):
            done = debiased(Quadratic.of(*self._rows(kept)), self._squares, step.w, count, step.support)
            errors.append(self._error(done.w, ~kept))
            if len(errors) == 1 and errors[0] > max(SETTINGS.hopeless * self._error(step.w, ~kept), _EXACT):
                return errors[0]
        return sum(errors) / len(errors)

    def _largest(self) -> float:
        """A γ at which the fit is symmetric under every candidate: ‖Λ‖ of a multiplier that certifies such a fit."""
        theta, y = self._rows(self._everything)
        values, vectors = torch.linalg.eigh(self._gram)
        null = values < 1e-12 * values[-1]
        constant = Quadratic.of(theta, y).within(vectors[:, null]) if bool(null.any()) else torch.zeros_like(theta[0])
        slope = 2 * theta.T @ (y - theta @ constant)
        inverse = vectors[:, ~null] @ ((vectors[:, ~null].T @ slope) / values[~null])
        return max(float(torch.linalg.matrix_norm(self._lie(inverse), 2)), 1e-300)


def _all_but(labels: Tensor) -> list[Tensor]:
    """Which rows are outside each fold."""
    return [labels != fold for fold in range(int(labels.max()) + 1)]


def _in_units(candidates: Candidates, y_unit: Tensor) -> Candidates:
    """J between outputs in their own units."""
    if candidates.action is None:
        return candidates
    action = candidates.action * (y_unit[None, None, :, None] / y_unit[None, :, None, None])
    return replace(candidates, action=action)
