"""Algebras of affine fields ξ(x) = Ax + b as explicit bases, and how far a found span lies from them.

The basis also carries what acts on F(x): a rescaling of time for flows, a matrix for a free output action, so that
F(gx) can be compared with what g does to F(x), g = exp(tξ), to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag, expm

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Algebra:
    """A basis of K generators.

    Attributes
    ----------
    a, b
        ``(K, d, d)`` and ``(K, d)``.
    output
        ``(K, m, m)``, the action on F(x) of functions; None for invariants.
    time
        ``(K,)``, c in L_ξF = cF for flows.
    """

    a: Array
    b: Array
    output: Array | None = None
    time: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def dimension(self) -> int:
        """K."""
        return len(self.a)

    def __add__(self, other: Algebra) -> Algebra:
        """The span of both, on the same space."""
        output = None
        if self.output is not None or other.output is not None:
            m = (self.output if self.output is not None else other.output).shape[1]  # type: ignore[union-attr]
            parts = [np.zeros((s.dimension, m, m)) if s.output is None else s.output for s in (self, other)]
            output = np.concatenate(parts)
        return Algebra(
            np.concatenate([self.a, other.a]), np.concatenate([self.b, other.b]), output,
            np.concatenate([self.times, other.times]),
        )  # fmt: skip

    @property
    def times(self) -> Array:
        """The c of each, zeros where none is stated."""
        return self.time if len(self.time) else np.zeros(self.dimension)

    def conjugate(self, t: Array) -> Algebra:
        """T ξ T⁻¹: the same fields in the coordinates X = Tx."""
        return Algebra(t @ self.a @ np.linalg.inv(t), self.b @ t.T, self.output, self.time)

    def about(self, centre: Array) -> Algebra:
        """Ax + b ↦ A(x − centre) + b."""
        return Algebra(self.a, self.b - self.a @ np.asarray(centre, dtype=np.float64), self.output, self.time)

    def acting(self, output: Array | None = None, time: Sequence[float] = ()) -> Algebra:
        """With an action on F(x)."""
        return Algebra(self.a, self.b, output, np.asarray(time, dtype=np.float64))

    def element(self, i: int, t: float) -> tuple[Array, Array]:
        """(g, s) of x ↦ gx + s = exp(tξ_i)x."""
        d = self.a.shape[1]
        generator = np.zeros((d + 1, d + 1))
        generator[:d, :d], generator[:d, d] = self.a[i], self.b[i]
        moved = expm(t * generator)
        return moved[:d, :d], moved[:d, d]

    def lifted(self) -> Array:
        """``(K, d, d + 1)``: (A, b)."""
        return np.concatenate([self.a, self.b[:, :, None]], 2)


def none(d: int) -> Algebra:
    """No symmetry."""
    return Algebra(np.zeros((0, d, d)), np.zeros((0, d)))


def linear(*matrices: Array) -> Algebra:
    """Fields Ax."""
    a = np.asarray(matrices, dtype=np.float64)
    return Algebra(a, np.zeros(a.shape[:2]))


def turn(d: int, i: int, j: int) -> Array:
    """x_i∂_j − x_j∂_i."""
    a = np.zeros((d, d))
    a[j, i], a[i, j] = 1.0, -1.0
    return a


def so(d: int, *axes: int, dimension: int | None = None) -> Algebra:
    """Rotations of all ``d`` coordinates, or of the named ``axes`` of a space of ``dimension``."""
    chosen = axes or tuple(range(d))
    whole = dimension or d
    return linear(*(turn(whole, i, j) for n, i in enumerate(chosen) for j in chosen[n + 1 :]))


def indefinite(form: Sequence[float]) -> Algebra:
    """so(p, q) of x ↦ Σ q_i x_i²: A = S Q with S antisymmetric."""
    q, d = np.diag(np.asarray(form, dtype=np.float64)), len(form)
    return linear(*(turn(d, i, j) @ q for i in range(d) for j in range(i + 1, d)))


LORENTZ = np.array([1.0, -1.0, -1.0, -1.0])


def lorentz() -> Algebra:
    """so(1,3) of E² − p²."""
    return indefinite(LORENTZ)


def translations(d: int, *directions: Sequence[float]) -> Algebra:
    """Constant fields; all of them if none is named."""
    b = np.asarray(directions, dtype=np.float64) if directions else np.eye(d)
    return Algebra(np.zeros((len(b), d, d)), b)


def euclidean(d: int) -> Algebra:
    """e(d)."""
    return so(d) + translations(d)


def scalings(*weights: Sequence[float]) -> Algebra:
    """Fields Σ w_i x_i∂_i."""
    return linear(*(np.diag(np.asarray(w, dtype=np.float64)) for w in weights))


def dilation(d: int) -> Algebra:
    """x·∂."""
    return linear(np.eye(d))


def sl(d: int) -> Algebra:
    """Traceless matrices."""
    out = [unit(d, i, j) for i in range(d) for j in range(d) if i != j]
    return linear(*out, *(unit(d, i, i) - unit(d, i + 1, i + 1) for i in range(d - 1)))


def gl(d: int) -> Algebra:
    """All matrices."""
    return linear(*(unit(d, i, j) for i in range(d) for j in range(d)))


def unit(d: int, i: int, j: int) -> Array:
    """The matrix with one entry 1."""
    a = np.zeros((d, d))
    a[i, j] = 1.0
    return a


def doubled(algebra: Algebra, copies: int = 2) -> Algebra:
    """The same A on each of several blocks of one object, as on (position, velocity); b on the first block alone."""
    a = np.asarray([block_diag(*[one] * copies) for one in algebra.a])
    b = np.concatenate([algebra.b, np.zeros((algebra.dimension, (copies - 1) * algebra.b.shape[1]))], 1)
    return Algebra(a, b)


def same(algebra: Algebra) -> Algebra:
    """F(x) moves as x does."""
    return algebra.acting(output=algebra.a)


def whitening(x: Array) -> tuple[Array, Array, Array]:
    """(W, C, μ): w = W(x − μ) of unit covariance over all objects and rows, x = Cw + μ."""
    points = x.reshape(-1, x.shape[-1])
    centre = points.mean(0)
    values, vectors = np.linalg.eigh(np.cov(points.T, bias=True).reshape(x.shape[-1], -1))
    root = np.sqrt(np.maximum(values, 1e-12 * values.max()))
    return (vectors / root).T, vectors * root, centre


def coordinates(lifted: Array, x: Array, live: Array | None = None) -> Array:
    """``(K, P)``: the fields (A, b) in whitened coordinates, of which F's live directions alone are kept."""
    w, c, centre = whitening(x)
    a, b = lifted[:, :, :-1], lifted[:, :, -1]
    moved = np.concatenate([w @ a @ c, ((a @ centre + b) @ w.T)[:, :, None]], 2)
    if live is not None:
        basis = np.linalg.qr(c.T @ live)[0]
        moved = np.einsum("dr,kdp->krp", basis, moved)
    return np.asarray(moved.reshape(len(lifted), -1))


def principal_cosines(found: Array, true: Array, x: Array, live: Array | None = None) -> Array:
    """Cosines between the spans of found and of true (A, b), descending; as many as the smaller dimension."""
    if not len(found) or not len(true):
        return np.zeros(0)
    bases = [row_space(coordinates(lifted, x, live)) for lifted in (found, true)]
    return np.asarray(np.linalg.svd(bases[0] @ bases[1].T)[1])


def row_space(rows: Array) -> Array:
    """An orthonormal basis of the rows, as rows."""
    _, s, vh = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(vh[s > 1e-9 * max(s.max(initial=0.0), 1e-300)])
