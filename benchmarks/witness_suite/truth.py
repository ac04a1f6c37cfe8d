"""Is a stated algebra exact, and is it all there is? From the exact F alone, by differences, in numpy.

Exactness: F(gx) against what g does to F(x), for finite g = exp(tξ): equal to rounding. Completeness: the nullspace
of ξ ↦ L_ξF in the space that is asked, with dF by central differences of sixth order; fields along directions on
which F does not depend are no symmetries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from witness_suite.algebra import whitening
from witness_suite.case import Array, Case, Sample

# Central differences of sixth order at h = 2e-3 of the spread: errors near 1e-10 of the slope for F on that scale.
_STEP = 2e-3
_FOURTH, _SIXTH = (2 / 3, -1 / 12, 0.0), (3 / 4, -3 / 20, 1 / 60)
# Rows where the two rules differ by more are near a place where F is not smooth, or flat to rounding.
_SMOOTH = 1e-6
# A direction is exact below this share of the terms that cancel in it: differences leave 1e-8, breaking terms 1e-3.
_NULL = 1e-6
# Rows on which L_ξF is formed.
_ROWS = 1500


def violation(case: Case, sample: Sample, i: int, t: float = 0.07, rows: int = 400) -> float:
    """The root mean square of F(g x) − g·F(x) in units of F's spread, g = exp(tξ_i)."""
    algebra = sample.algebra
    g, shift = algebra.element(i, t)
    assert sample.f is not None
    x = sample.x[:rows]
    before, after = values(sample, x), values(sample, x @ g.T + shift)
    if case.kind == "flow":
        expected = before @ g.T * np.exp(t * algebra.times[i])
    elif case.kind == "map":
        expected = before @ g.T + shift
    elif algebra.output is not None:
        expected = before @ expm(t * algebra.output[i]).T
    else:
        expected = before
    return float(np.sqrt(np.square(after - expected).mean() / max(before.var(0).mean(), 1e-300)))


def values(sample: Sample, x: Array) -> Array:
    """F as ``(n, m)``."""
    assert sample.f is not None
    return np.asarray(sample.f(x), dtype=np.float64).reshape(len(x), -1)


def derivative(sample: Sample, x: Array) -> tuple[Array, Array]:
    """The slopes dF ``(n, m, k, d)`` and, for each row, how far two orders of the rule differ, relative to slopes."""
    points = x.reshape(len(x), -1, x.shape[-1])
    spread = np.sqrt(points.reshape(-1, points.shape[-1]).var(0))
    slopes: dict[int, list[Array]] = {0: [], 1: []}
    for o in range(points.shape[1]):
        for j in range(points.shape[2]):
            h = _STEP * spread[j]
            gaps = []
            for reach in (1, 2, 3):
                ahead, behind = points.copy(), points.copy()
                ahead[:, o, j] += reach * h
                behind[:, o, j] -= reach * h
                gaps.append(values(sample, ahead.reshape(x.shape)) - values(sample, behind.reshape(x.shape)))
            for order, weights in enumerate((_FOURTH, _SIXTH)):
                slopes[order].append(sum(w * g for w, g in zip(weights, gaps, strict=True)) / h)
    fourth, sixth = (np.stack(slopes[order], 2) for order in (0, 1))
    size = np.abs(sixth * np.tile(spread, points.shape[1])).sum((1, 2))
    error = np.abs((sixth - fourth) * np.tile(spread, points.shape[1])).sum((1, 2)) / np.maximum(size, 1e-300)
    return sixth.reshape(len(x), -1, points.shape[1], points.shape[2]), error


def lie_rows(case: Case, sample: Sample) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """L_ξF and the size of what cancels in it ``(n·m, P)``, fields on live directions, and which unknowns are A, b."""
    x = sample.x[:_ROWS]
    d = x.shape[-1]
    slope, error = derivative(sample, x)
    x, slope = x[error < _SMOOTH], slope[error < _SMOOTH]
    y = values(sample, x)
    points = x.reshape(len(x), -1, d)
    n, m = y.shape
    pairs = [(i, i) for i in range(d)] if case.space == "diagonal" else [(i, j) for i in range(d) for j in range(d)]
    columns, sizes, fields = [], [], []
    centre = points.reshape(-1, d).mean(0) if case.space == "affine" else np.zeros(d)
    outward = case.kind in ("flow", "map")

    def unknown(xi: Array, fibre: Array) -> None:
        columns.append((np.einsum("nmkd,nkd->nm", slope, xi) - fibre).reshape(-1))
        sizes.append((np.einsum("nmkd,nkd->nm", np.abs(slope), np.abs(xi)) + np.abs(fibre)).reshape(-1))
        fields.append(xi)

    for i, j in pairs:
        a = np.zeros((d, d))
        a[i, j] = 1.0
        moved = y - centre if case.kind == "map" else y
        fibre = moved @ a.T if outward or case.action == "same" else np.zeros_like(y)
        unknown((points - centre) @ a.T, fibre)
    if case.space == "affine":
        for i in range(d):
            shift = np.zeros(d)
            shift[i] = 1.0
            fibre = np.broadcast_to(shift, y.shape) if case.kind == "map" else np.zeros_like(y)
            unknown(np.broadcast_to(shift, points.shape), np.asarray(fibre))
    own = len(columns)
    if case.kind == "flow":
        unknown(np.zeros_like(points), y)
    elif case.action == "free":
        for i in range(m):
            for j in range(m):
                b = np.zeros((m, m))
                b[i, j] = 1.0
                unknown(np.zeros_like(points), y @ b.T)
    w, c, _ = whitening(x)
    size = np.stack([(xi @ w.T).reshape(-1) for xi in fields[:own]], 1)
    if not outward and points.shape[1] == 1:
        # F's live directions: the span of its gradients, in whitened coordinates.
        g = (slope[:, :, 0] @ c).reshape(-1, d)
        g = g / np.maximum(np.linalg.norm(g, axis=1, keepdims=True), 1e-300)
        _, s, vh = np.linalg.svd(g, full_matrices=False)
        alive = vh[s > 1e-5 * s.max()]
        size = np.stack([(xi @ w.T @ alive.T).reshape(-1) for xi in fields[:own]], 1)
    return np.stack(columns, 1), np.stack(sizes, 1), size, np.arange(len(columns)) < own


def exact_dimension(case: Case, sample: Sample) -> tuple[int, float]:
    """The number of exact fields in the space asked, and the smallest relative size of L_ξF outside them."""
    rows, terms, size, own = lie_rows(case, sample)
    # Rows of heavy tails would drown the rest, and columns have units: both are measured by what cancels in them,
    # never by what is left, which would turn an exactly null column into rounding noise.
    height = terms.sum(1)
    height = np.maximum(height, 1e-2 * np.median(height))[:, None]
    unit = np.linalg.norm(terms / height, axis=0)
    unit = np.where(unit > 0, unit, 1.0)
    _, s, vh = np.linalg.svd(np.linalg.qr(rows / height / unit, mode="r"), full_matrices=True)
    s = np.concatenate([s, np.zeros(len(vh) - len(s))])
    null, outside = vh[s < _NULL] / unit, s[s >= _NULL]
    least = float(outside.min()) if len(outside) else float("nan")
    if not len(null):
        return 0, least
    visible = size @ null[:, own].T
    sizes = np.linalg.svd(visible, compute_uv=False)
    reference = np.linalg.norm(size) * np.linalg.norm(null[:, own])
    return int((sizes > 1e-5 * reference).sum()), least
