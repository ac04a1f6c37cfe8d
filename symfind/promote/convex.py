"""F = φᵀW with as many symmetries as the data allow: min mean‖ΘW − Y‖² + γ‖L(W)‖_* along a path of γ.

Axis letters: n rows, D inputs, m outputs (all objects), f features, F = fm unknowns, P candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fields.space import VectorFieldSpace
from symfind.lie_derivative import OutputAction
from symfind.linalg.lasso import lasso
from symfind.linalg.nuclear import NuclearProblem, State
from symfind.progress import Advance
from symfind.promote.debias import LieMap, Quadratic, debiased, null_directions
from symfind.promote.operator import Candidates, Library, LieOperator, candidates_at, whitened
from symfind.sources.geometry import Geometry
from symfind.sources.surrogate import Samples, fold_labels

# γ from where everything is symmetric down to where nothing is: six decades serve data without noise as well.
_PATH = tuple(10.0 ** (-i / 2) for i in range(13))
# Few rows are held out a few at a time: a fit to three quarters of them would be much worse than one to all.
_FOLDS, _FOLDS_OF_FEW, _FEW = 4, 6, 200
# Steps of the path past the smallest error after which it will not come back.
_PATIENCE = 3
# A point of the path is looked at, not published: cross-validated errors change by less than a per cent.
_TOLERANCE, _MOST = 1e-3, 300
# Numbers up to which L is held as a table, 64 MB.
_TABLED = 2**23
# Errors within this factor of the smallest are one error: the fit with more symmetries is taken.
_TIE = 1.01
# A held-out share of variance below this is rounding (as in sources.surrogate).
_EXACT = 1e-16
# Points at which L_ξF is asked: twice the number that determines a combination of the features, and never very few.
_FEWEST_POINTS = 100
_MEMORY_SHARE = 0.5
# Jumps of the spectrum that are tried as the end of the symmetries.
_JUMPS = 6
# λ of the lasso that stands for no symmetry at all, in units in which features and outputs have mean square one.
_LASSO = tuple(10.0 ** (-i / 2) for i in range(1, 13))
# A refit with so many times the error of the penalised fit is not tried on the other folds.
_HOPELESS = 10.0
METRICS = ("whitened", "frobenius")


@dataclass(frozen=True)
class Setting:
    """What is promoted in which models.

    Attributes
    ----------
    space, action
        The candidates, centred on the data, and how they act on y.
    objects, output_objects
        (k, d) of x and (k′, m′) of y.
    geometry
        G of the inputs.
    outputs
        H^{1/2} of one output object ``(m′, h)``.
    metric
        ``whitened`` or ``frobenius``: the inner product of the candidates.
    """

    space: VectorFieldSpace
    action: OutputAction
    objects: tuple[int, int]
    output_objects: tuple[int, int]
    geometry: Geometry
    outputs: Tensor
    metric: str = "whitened"


@dataclass(frozen=True)
class PathPoint:
    """One γ: the exact symmetries of the fit, and its cross-validated error."""

    gamma: float
    symmetries: int
    error: float


@dataclass(frozen=True)
class Refit:
    """A number of symmetries, and the cross-validated error of the fit that has as many exactly."""

    symmetries: int
    error: float


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
    path: tuple[PathPoint, ...]
    refits: tuple[Refit, ...]
    error: float
    spectrum: Tensor


def check_memory(setting: Setting, features: int, rows: int) -> None:
    """Tell how much memory a problem needs before it is tried.

    Raises
    ------
    InputError
        It is more than half of what the machine has.
    """
    (k, d), (k_out, m) = setting.objects, setting.output_objects
    candidates = setting.space.dim + setting.action.extra
    points, unknowns = _points(rows, features), features * k_out * m
    acting = (k_out * m) ** 2 * candidates if setting.action.name != "invariant" else 0
    numbers = points * (k * d * (features + candidates) + features + acting + 8 * k_out * m * candidates)
    numbers += 6 * unknowns * unknowns
    limit = _MEMORY_SHARE * _machine_memory()
    if 8 * numbers > limit:
        raise InputError(
            f"{features} features of {k_out * m} outputs with {candidates} candidates need "
            f"{8 * numbers / 2**30:.1f} GB, and {limit / 2**30:.1f} GB is half of this machine's memory; take a lower "
            "degree, fewer features or a smaller --space"
        )


def _machine_memory() -> int:
    import os

    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _points(rows: int, features: int) -> int:
    return min(rows, max(_FEWEST_POINTS, 2 * features))


@dataclass(frozen=True)
class _Step:
    """A penalised fit: w, the rank of L(w), and which w are not zero where a sparsity is asked."""

    w: Tensor
    rank: int
    support: Tensor | None


@dataclass(frozen=True)
class _Sparse:
    """The lasso: w, its cross-validated error, and its λ."""

    w: Tensor
    error: float
    weight: float


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
        folds = _FOLDS_OF_FEW if len(samples) < _FEW else _FOLDS
        self._labels = fold_labels(len(samples), samples.group, folds, generator)
        if int(self._labels.max()) == 0:  # one group: segments of it, for want of anything independent
            self._labels = torch.arange(len(samples)) * folds // len(samples)

    def _operator(
        self, setting: Setting, features: Library, generator: torch.Generator
    ) -> tuple[LieMap, Tensor]:
        """L at some of the rows, on whitened candidates; and these in the basis of the space."""
        count = _points(len(self._samples), features.size)
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
        if gamma is not None and not 0 <= gamma < float("inf"):
            raise UsageError(f"--gamma is {gamma}, expected a finite number of at least 0")
        everything = torch.ones(len(self._samples), dtype=torch.bool)
        trained = [self._labels != fold for fold in range(int(self._labels.max()) + 1)]
        path = [gamma] if gamma is not None else [share * self._largest(everything) for share in _PATH]
        fits = [self._followed(kept) for kept in (*trained, everything)]
        steps: list[list[_Step]] = []
        errors: list[float] = []
        for g in path:
            steps.append([fit(g) for fit in fits])
            held = [self._error(s.w, ~kept) for s, kept in zip(steps[-1], trained, strict=False)]
            errors.append(sum(held) / len(held))
            advance(1)
            if len(errors) - errors.index(min(errors)) > _PATIENCE:
                break
        points = tuple(
            PathPoint(g, self._lie.shape[1] - s[-1].rank, e) for g, s, e in zip(path, steps, errors, strict=False)
        )
        best = errors.index(min(errors))
        refits = tuple(
            Refit(k, self._refitted_error(trained, steps[best], k)) for k in self._counts(steps[best][-1].w)
        )
        # A γ or λ that was asked for is kept to.
        sparse = self._lasso(trained, everything) if gamma is None and self._sparsity == 0 else None
        return self._selected(points, refits, best, steps[best][-1], everything, sparse)

    def _lasso(self, trained: list[Tensor], everything: Tensor) -> _Sparse:
        """The lasso, its λ by cross-validation over the same folds."""
        parts = [(self._theta[kept], self._y[kept], int(kept.sum())) for kept in (*trained, everything)]
        squares = torch.stack([theta.T @ theta / n for theta, _, n in parts])
        moment = torch.stack([theta.T @ y / n for theta, y, n in parts])
        w = lasso(squares, moment, torch.tensor(_LASSO, dtype=squares.dtype))
        errors = [
            sum(self._error(w[i, j].flatten(), ~kept) for i, kept in enumerate(trained)) / len(trained)
            for j in range(len(_LASSO))
        ]
        best = errors.index(min(errors))
        return _Sparse(w[-1, best].flatten(), errors[best], _LASSO[best])

    def _selected(
        self,
        points: tuple[PathPoint, ...],
        refits: tuple[Refit, ...],
        best: int,
        step: _Step,
        everything: Tensor,
        sparse: _Sparse | None,
    ) -> Promoted:
        penalised = points[best].error
        smallest = min(penalised, *(r.error for r in refits), *([sparse.error] if sparse is not None else []))
        good = [r for r in refits if r.error <= max(_TIE * smallest, _EXACT)]
        loss = Quadratic.of(*self._rows(everything))
        plain = loss.minimiser(torch.zeros_like(loss.squares))
        weight: float | None = None
        if not good and sparse is not None and sparse.error <= _TIE * smallest:
            w, freedom, error, weight = sparse.w, self._lie.size, sparse.error, sparse.weight
            directions = null_directions(self._lie, w, 0)
        elif good:
            chosen = max(good, key=lambda r: r.symmetries)
            done = debiased(loss, self._lie, step.w, chosen.symmetries, step.support)
            w, directions, freedom, error = done.w, done.directions, done.freedom, chosen.error
        else:
            count = points[best].symmetries
            w, freedom, error = step.w, self._lie.size, penalised
            directions = null_directions(self._lie, w, count)
        return Promoted(
            self.weights(w), self.weights(plain), points[best].gamma, self._basis @ directions, bool(good), weight,
            freedom, points, refits, error, torch.linalg.svdvals(self._lie(w)).flip(0),
        )  # fmt: skip

    def _counts(self, w: Tensor) -> list[int]:
        """Numbers of symmetries worth trying: none, all, and where the singular values of L(w) jump most."""
        sigma = torch.linalg.svdvals(self._lie(w)).flip(0)
        floor = 1e-9 * float(sigma[-1].clamp(min=1e-300))
        jumps = (sigma[1:].clamp(min=floor) / sigma[:-1].clamp(min=floor)).log()
        places = torch.argsort(jumps, descending=True)[:_JUMPS] + 1
        return sorted({0, len(sigma), *places.tolist()})

    def _followed(self, kept: Tensor) -> Callable[[float], _Step]:
        """γ ↦ the fit to the rows kept, each solve started at the last one."""
        problem = NuclearProblem(*self._rows(kept), self._lie, sparse=self._sparsity > 0)
        state: State | None = None

        def at(gamma: float) -> _Step:
            nonlocal state
            solved = problem.solve(gamma, sparsity=self._sparsity, start=state, tolerance=_TOLERANCE, most=_MOST)
            state = solved.state
            return _Step(solved.w, solved.rank, solved.sparse != 0 if self._sparsity > 0 else None)

        return at

    def _refitted_error(self, trained: Sequence[Tensor], steps: Sequence[_Step], count: int) -> float:
        """Cross-validated error of the refit with ``count`` symmetries; one fold is enough to see a hopeless one."""
        errors: list[float] = []
        for kept, step in zip(trained, steps, strict=False):
            done = debiased(Quadratic.of(*self._rows(kept)), self._lie, step.w, count, step.support)
            errors.append(self._error(done.w, ~kept))
            if errors[0] > max(_HOPELESS * self._error(step.w, ~kept), _EXACT):
                break
        return sum(errors) / len(errors)

    def _largest(self, kept: Tensor) -> float:
        """A γ at which the fit is symmetric under every candidate: ‖Λ‖ of a multiplier that certifies such a fit."""
        theta, y = self._rows(kept)
        values, vectors = torch.linalg.eigh(self._lie.gram())
        null = values < 1e-12 * values[-1]
        constant = Quadratic.of(theta, y).within(vectors[:, null]) if bool(null.any()) else torch.zeros_like(theta[0])
        slope = 2 * theta.T @ (y - theta @ constant)
        inverse = vectors[:, ~null] @ ((vectors[:, ~null].T @ slope) / values[~null])
        return max(float(torch.linalg.matrix_norm(self._lie(inverse), 2)), 1e-300)


def _in_units(candidates: Candidates, y_unit: Tensor) -> Candidates:
    """J between outputs in their own units."""
    if candidates.action is None:
        return candidates
    action = candidates.action * (y_unit[None, None, :, None] / y_unit[None, :, None, None])
    return replace(candidates, action=action)
