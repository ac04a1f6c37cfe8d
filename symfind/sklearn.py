"""Estimators for scikit-learn: a regression that keeps a symmetry exactly, rows moved by symmetries that were found.

``pip install 'symfind[sklearn]'``; the interface is that of scikit-learn (Buitinck et al., API design for machine
learning software, 2013). n rows, d features.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from symfind.conservation.functions import FunctionSpace
from symfind.conservation.invariant_functions import invariant_functions
from symfind.errors import SymfindError, UsageError
from symfind.fields.actions import fields_of_actions
from symfind.lie.groups.catalogue import parse_group
from symfind.linalg.threads import one_thread
from symfind.schema.document import Report

try:
    from sklearn.base import BaseEstimator, OneToOneFeatureMixin, RegressorMixin, TransformerMixin
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError("symfind.sklearn needs scikit-learn: pip install 'symfind[sklearn]'") from None

# More coordinates than this have more affine fields than a fit inside a fit should look through.
_MOST_COORDINATES = 12
# A row is moved by at most this much of a generator whose largest entry is one: a third of a turn by a rotation.
_LARGEST_MOVE = 2.0

Array = NDArray[np.float64]


class _Discovering(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: generators by name, from a report, or found in the rows."""

    def _generators(self, group: object, x: Array, y: Array | None) -> tuple[list[Array], Report | None]:
        """Matrices ``(d, d)`` or ((A, b), (0, 0)) that leave y as it is, and the report that found them."""
        d = x.shape[1]
        if group is None:
            return [], None
        if isinstance(group, Report):
            return _invariances(group, d), group
        if group != "auto":
            return _named(str(group), d), None
        if y is None or y.ndim > 1 or len(x) < self.min_rows or not 2 <= d <= _MOST_COORDINATES:
            return [], None
        from symfind.api import discover

        try:
            report = discover(x, y, seed=self.random_state, output_action="invariant")
        except SymfindError:  # rows that no symmetry can be asked of: constant columns, too few that differ
            return [], None
        return _invariances(report, d), report


class SymmetricRegressor(RegressorMixin, _Discovering):  # type: ignore[misc]
    """y ≈ f(I₁(x), …, I_m(x)): a regression on polynomials that the generators leave unchanged, exactly invariant.

    Parameters
    ----------
    group
        ``"auto"``: what `discover` certifies in the rows given to ``fit``; a name of `symfind groups`,
        which acts on each of the objects that the columns hold one after the other; a report; or None for no symmetry.
    degree
        The highest degree of the polynomials.
    regressor
        What is fitted on them; ridge regression, its weight chosen by cross-validation, if None.
    min_rows
        With ``"auto"`` the rows below which nothing is sought: a search takes seconds, and needs rows to be sure.
    random_state
        Seed of the search.

    Attributes
    ----------
    report_
        The report of the search, or None.
    generators_
        Matrices of the generators that the model keeps.
    n_features_in_
        d.

    Raises
    ------
    UsageError
        The group is unknown, has components that no generator reaches, or does not act on d columns.
    """

    def __init__(
        self, group: Any = "auto", degree: int = 4, regressor: Any = None, min_rows: int = 250, random_state: int = 0
    ) -> None:
        self.group = group
        self.degree = degree
        self.regressor = regressor
        self.min_rows = min_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Find the generators, and fit y ``(n,)`` on the polynomials of X ``(n, d)`` that they leave unchanged."""
        x, target = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        self.generators_, self.report_ = self._generators(self.group, x, target)
        self.scale_ = float(np.sqrt(np.mean(np.square(x)))) or 1.0
        with one_thread():
            self._space, self._vectors = self._invariants(len(x), x.shape[1])
            inner = RidgeCV(alphas=np.logspace(-10, 3, 14)) if self.regressor is None else _clone(self.regressor)
            self.model_ = make_pipeline(StandardScaler(), inner)
            self.model_.fit(self._features(x), target)
        return self

    def predict(self, X: Any) -> Array:
        """F(x) ``(n,)`` for X ``(n, d)``."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(self.model_.predict(self._features(x)))

    def _invariants(self, n: int, d: int) -> tuple[FunctionSpace, torch.Tensor | None]:
        """Polynomials, and the combinations of them that are invariant; None for all."""
        degree, names = max(1, self.degree), [f"x{i + 1}" for i in range(d)]
        if self.generators_:
            actions = [_in_units(a, d, self.scale_).tolist() for a in self.generators_]
            fields = fields_of_actions("group", d, d, actions)
            found = invariant_functions(fields, names, degree, 0.0, torch.Generator().manual_seed(0))
            return found.space, found.vectors
        # Twice as many rows as unknowns, or straight lines.
        while degree > 1 and 2 * math.comb(d + degree, degree) > n:
            degree -= 1
        return FunctionSpace.of(f"polynomial:{degree}", names, degree), None

    def _features(self, x: Array) -> Array:
        values = self._space(torch.from_numpy(np.ascontiguousarray(x / self.scale_)))
        values = values if self._vectors is None else values @ self._vectors
        if values.shape[1] == 0:  # nothing but constants is invariant
            values = values.new_zeros(len(x), 1)
        return values.numpy()


class GeneratorAugmenter(OneToOneFeatureMixin, TransformerMixin, _Discovering):  # type: ignore[misc]
    """x ↦ exp(Σ tₐAₐ)x with t drawn for each row: data as they could have been measured just as well.

    The same row always moves by the same element, which its bytes choose, so that neither order nor batches matter.

    Parameters
    ----------
    group
        As in :class:`SymmetricRegressor`; ``"auto"`` needs y in ``fit``.
    size
        How far rows move, 0 not at all, 1 up to two radians of a rotation.
    min_rows
        As there.
    random_state
        Seed of the search and of the moves.

    Attributes
    ----------
    report_
        The report of the search, or None.
    generators_
        Matrices of the generators.
    n_features_in_
        d.
    """

    def __init__(self, group: Any = "auto", size: float = 1.0, min_rows: int = 250, random_state: int = 0) -> None:
        self.group = group
        self.size = size
        self.min_rows = min_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the generators that leave y ``(n,)`` as it is."""
        if y is None:
            x, target = validate_data(self, X, dtype=np.float64), None
        else:
            x, target = validate_data(self, X, y, dtype=np.float64)
        target = target if target is None or target.dtype.kind in "fiub" else None
        self.generators_, self.report_ = self._generators(self.group, x, target)
        return self

    def transform(self, X: Any) -> Array:
        """Each row moved by an element of its own; rows as they are where there is no generator."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        if not self.generators_:
            return np.array(x)
        d = x.shape[1]
        matrices = [a if len(a) > d else np.pad(a, ((0, 1), (0, 1))) for a in self.generators_]
        unit = torch.from_numpy(np.stack([a / np.abs(a).max() for a in matrices]))
        t = torch.from_numpy(np.stack([self._draw(row, len(unit)) for row in x]))
        with one_thread():
            moves = torch.matrix_exp(torch.einsum("nk,kij->nij", t, unit))
            homogeneous = torch.nn.functional.pad(torch.from_numpy(x.copy()), (0, 1), value=1.0)
            moved = torch.einsum("nij,nj->ni", moves, homogeneous)[:, :d]
        return np.asarray(moved.numpy())

    def augment(self, X: Any, y: Any, copies: int = 1) -> tuple[Array, Any]:
        """The rows and so many moved copies of each, ``((1 + copies) n, d)``, with their y."""
        rows = [np.asarray(X, dtype=np.float64)]
        for _ in range(copies):
            rows.append(self.transform(rows[-1]))
        return np.concatenate(rows), np.concatenate([np.asarray(y)] * (1 + copies))

    def _draw(self, row: Array, count: int) -> Array:
        digest = hashlib.sha256(row.tobytes() + str(self.random_state).encode()).digest()
        draws = np.random.default_rng(int.from_bytes(digest[:8], "big")).uniform(-1.0, 1.0, count)
        return np.asarray(self.size * _LARGEST_MOVE * draws / math.sqrt(count))


def _invariances(report: Report, d: int) -> list[Array]:
    """Certified generators that do nothing to y."""
    out = []
    for generator in report.certified:
        output = generator.output_action
        moves_y = isinstance(output, Sequence) and bool(np.abs(np.asarray(output, dtype=np.float64)).max() > 0)
        matrix = generator.matrix
        if not moves_y and len(matrix) in (d, d + 1):
            out.append(matrix)
    width = max(map(len, out), default=d)
    return [a if len(a) == width else np.pad(a, ((0, 1), (0, 1))) for a in out]


def _named(name: str, d: int) -> list[Array]:
    group = parse_group(name, d)
    size = group.degree - group.affine
    if group.dimension == 0 or group.component_count != 1:
        raise UsageError(
            f"group {name}: has elements that no generator reaches; take a connected one, such as so3 for o3"
        )
    if d % size:
        raise UsageError(f"group {name}: acts on {size} columns at a time, X has {d}; give a multiple of {size}")
    count = d // size
    out = []
    for a in group.generators.numpy():
        linear = np.kron(np.eye(count), a[:size, :size])
        if not group.affine:
            out.append(linear)
            continue
        shift = np.tile(a[:size, size], count)
        out.append(np.block([[linear, shift[:, None]], [np.zeros((1, d + 1))]]))
    return out


def _in_units(matrix: Array, d: int, scale: float) -> Array:
    """The same field in x/scale."""
    out = matrix.copy()
    out[:d, d:] /= scale
    return out


def _clone(regressor: Any) -> Any:
    from sklearn.base import clone

    return clone(regressor)
