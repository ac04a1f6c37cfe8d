"""[eᵢ, eⱼ] = Σ f_ijk e_k: a Lie algebra from noisy generators, with the size of what may be zero.

Structure constants belong to a basis. Here the basis is orthonormal, for matrices after a change of coordinates that
brings the algebra close to one that is closed under transposition (:mod:`symfind.lie.algebras.balancing`); there the
constants that are not zero are of order one, whatever coordinates the generators came in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.algebras.balancing import balancing_path
from symfind.lie.algebras.closure import Bracket, MatrixBracket, TensorBracket, nearest_subalgebra
from symfind.linalg.subspaces import largest_sine, orthogonal_complement

# An error of f is known from a few draws only: three times the largest of them, and never less than rounding.
SAFETY = 3.0
_ROUNDING = 1e-11
# Constants of order one with smaller errors than this leave a factor of four to both sides of a cut.
_FAIR_ERROR = 0.05


@dataclass(frozen=True)
class LieAlgebra:
    """A Lie algebra and what is known of its errors.

    Attributes
    ----------
    structure_constants
        ``(k, k, k)``: [eᵢ, eⱼ] = Σ_k f[i, j, k] e_k.
    error
        What exactly zero combinations of them can grow to under the noise: the cut of every rank decision.
    closure
        Closure residual of the generators as given (:func:`symfind.lie.algebras.closure.closure_residual`).
    distance
        Sine of the largest principal angle between the span as given and this algebra; 0 if nothing was projected.
    noise
        Relative error of the generators that was assumed, or estimated from their closure.
    basis
        ``(k, p)``: eᵢ in the coefficients the generators were given in; None for an abstract algebra.
    matrices
        ``(k, d, d)``: eᵢ in balanced coordinates; None for an algebra that is not one of matrices.
    coordinates
        ``(d, d)`` Q with ``matrices`` = Q X Q⁻¹ for X in the user's coordinates.
    draws
        ``(r, k, d, d)``: ``matrices`` of algebras that the noise makes as likely, element by element.
    other_coordinates
        Other Q in which a decision may be clearer; see :func:`in_coordinates`.
    defect
        Closure residual of ``basis``.
    constant_draws
        ``(r, k, k, k)``: structure constants that the noise makes as likely.
    """

    structure_constants: Tensor
    error: float
    closure: float = 0.0
    distance: float = 0.0
    noise: float = 0.0
    basis: Tensor | None = None
    matrices: Tensor | None = None
    coordinates: Tensor | None = None
    draws: Tensor | None = None
    other_coordinates: tuple[Tensor, ...] = ()
    defect: float = 0.0
    constant_draws: Tensor | None = None

    @property
    def dimension(self) -> int:
        """Number k of generators."""
        return self.structure_constants.shape[0]

    def bracket(self, x: Tensor, y: Tensor) -> Tensor:
        """[x, y] for coefficient vectors ``(..., k)``."""
        return torch.einsum("...i,...j,ijk->...k", x, y, self.structure_constants)

    def adjoint(self) -> Tensor:
        """Matrices ad eᵢ ``(k, k, k)`` acting on columns: ad[i] @ y = [eᵢ, y]."""
        return self.structure_constants.transpose(1, 2)

    def killing_form(self) -> Tensor:
        """K(x, y) = tr(ad x ad y) ``(k, k)``."""
        return killing_form(self.structure_constants)

    def cut(self, quantity: Callable[[Tensor], Tensor], bound: float) -> float:
        """What zero can grow to in a matrix computed from the structure constants.

        Parameters
        ----------
        quantity
            Takes structure constants ``(k, k, k)`` to a matrix; its spread over the draws is the answer.
        bound
            A bound to use where there are no draws.
        """
        if self.constant_draws is None:
            return bound
        value = quantity(self.structure_constants)
        spread = [torch.linalg.matrix_norm(quantity(f) - value, 2) for f in self.constant_draws]
        least = _ROUNDING * max(1.0, float(torch.linalg.matrix_norm(value, 2)))
        return max(least, SAFETY * float(max(spread)), SAFETY * self.defect)

    @property
    def matrix_error(self) -> float:
        """What exactly zero combinations of the entries of ``matrices`` can grow to, as a spectral norm."""
        if self.matrices is None or self.draws is None:
            return self.error
        change = self.draws - self.matrices
        wide, tall = change.transpose(1, 2).flatten(2), change.flatten(1, 2)
        sizes = [torch.linalg.matrix_norm(m, 2).max() for m in (wide, tall)]
        return max(_ROUNDING, SAFETY * float(max(sizes)))

    def jacobi_residual(self) -> float:
        """The largest |[x,[y,z]] + [y,[z,x]] + [z,[x,y]]| over basis elements."""
        f = self.structure_constants
        nested = torch.einsum("jka,iab->ijkb", f, f)
        cyclic = nested + nested.permute(2, 0, 1, 3) + nested.permute(1, 2, 0, 3)
        return float(cyclic.abs().max()) if f.numel() else 0.0

    def restricted(self, rows: Tensor) -> LieAlgebra:
        """The subalgebra spanned by orthonormal rows ``(r, k)``; brackets are projected onto it."""
        f = torch.einsum("xi,yj,ijk,zk->xyz", rows, rows, self.structure_constants, rows)
        matrices = None if self.matrices is None else torch.einsum("xi,iab->xab", rows, self.matrices)
        basis = None if self.basis is None else rows @ self.basis
        draws = None if self.draws is None else torch.einsum("xi,riab->rxab", rows, self.draws)
        drawn = None
        if self.constant_draws is not None:
            drawn = torch.einsum("xi,yj,rijk,zk->rxyz", rows, rows, self.constant_draws, rows)
        return replace(self, structure_constants=f, matrices=matrices, basis=basis, draws=draws, constant_draws=drawn)

    def quotient(self, ideal: Tensor) -> LieAlgebra:
        """The quotient by an ideal of orthonormal rows ``(r, k)``, on the orthogonal complement of the ideal."""
        rows = orthogonal_complement(ideal)
        part = self.restricted(rows)
        return LieAlgebra(part.structure_constants, self.error, noise=self.noise, constant_draws=part.constant_draws)


def algebra_of_matrices(matrices: Tensor, noise: float | None = None) -> LieAlgebra:
    """The Lie algebra nearest to the span of matrices ``(k, d, d)``.

    Parameters
    ----------
    matrices
        Linearly independent.
    noise
        Relative error ‖ΔA‖/‖A‖ of each matrix; None estimates it from the distance to the nearest subalgebra.

    Raises
    ------
    InputError
        If the matrices are not square, finite and independent.
    """
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or matrices.shape[1] == 0:
        raise InputError(f"square matrices of shape (k, d, d) are expected, got {tuple(matrices.shape)}")
    given = matrices.double()
    k, d, _ = given.shape
    closed = nearest_subalgebra(given.reshape(k, d * d), MatrixBracket(d), noise)
    path = balancing_path(closed.basis.reshape(k, d, d))
    first = LieAlgebra(
        structure_constants=given.new_zeros(k, k, k),
        error=_ROUNDING,
        closure=closed.closure,
        distance=largest_sine(given.reshape(k, -1), closed.basis),
        noise=closed.noise,
        basis=closed.basis,
        matrices=closed.basis.reshape(k, d, d),
        coordinates=torch.eye(d, dtype=torch.float64),
        draws=closed.spread.reshape(-1, k, d, d),
        defect=closed.closure_after,
    )
    views = [in_coordinates(first, q) for q in reversed(path)]
    # Where the flow has followed the noise out of a degenerate algebra errors are large: such coordinates come last.
    views.sort(key=lambda view: view.error > _FAIR_ERROR)
    others = tuple(view.coordinates for view in views[1:] if view.coordinates is not None)
    return replace(views[0], other_coordinates=others)


def in_coordinates(algebra: LieAlgebra, q: Tensor) -> LieAlgebra:
    """An algebra of matrices again as Q g Q⁻¹, ``q`` ``(d, d)`` acting on the user's coordinates.

    Raises
    ------
    InputError
        If the algebra is not one of matrices.
    """
    if algebra.matrices is None or algebra.coordinates is None or algebra.draws is None or algebra.basis is None:
        raise InputError("coordinates can be changed for an algebra of matrices only; give matrices")
    k, d, _ = algebra.matrices.shape
    bracket = MatrixBracket(d)
    step = q @ torch.linalg.inv(algebra.coordinates)
    back = torch.linalg.inv(step)
    rows, triangle = _orthonormal((step @ algebra.matrices @ back).reshape(k, -1))
    moved = (step @ algebra.draws @ back).flatten(2)
    draws = torch.linalg.solve_triangular(triangle.expand(len(moved), k, k), moved, upper=False)
    f = _constants(rows, bracket)
    constant_draws = torch.stack([_constants(drawn, bracket) for drawn in draws])
    return replace(
        algebra,
        structure_constants=f,
        error=_error(f, constant_draws, algebra.defect),
        constant_draws=constant_draws,
        basis=torch.linalg.solve_triangular(triangle, algebra.basis, upper=False),
        matrices=rows.reshape(k, d, d),
        coordinates=q,
        draws=draws.reshape(-1, k, d, d),
    )


def algebra_of_fields(
    coefficients: Tensor, bracket: Callable[[Tensor, Tensor], Tensor], noise: float | None = None
) -> LieAlgebra:
    """The Lie algebra nearest to the span of fields Σ c_i ξ_i, for a space with a bracket that need not be closed.

    Parameters
    ----------
    coefficients
        ``(k, p)``, a generator in each row.
    bracket
        Takes two coefficient vectors ``(p,)`` to the coefficients ``(q,)``, q ≥ p, of their bracket in a larger space
        whose first p fields are the space itself.
    noise
        As in :func:`algebra_of_matrices`, of the coefficients.

    Raises
    ------
    InputError
        If shapes do not fit, or the rows are not finite and independent.
    """
    if coefficients.ndim != 2 or coefficients.shape[1] == 0:
        raise InputError(f"coefficients of shape (k, p) are expected, got {tuple(coefficients.shape)}")
    c = coefficients.double()
    p = c.shape[1]
    unit = torch.eye(p, dtype=torch.float64)
    table = torch.stack([torch.stack([bracket(a, b).double() for b in unit]) for a in unit])
    if table.shape[2] < p:
        raise InputError(f"a bracket on {p} fields must have at least {p} coefficients, got {table.shape[2]}")
    # Commutators of matrices obey ‖[A, B]‖ ≤ √2 ‖A‖‖B‖; the same unit is used for any bracket.
    size = float(torch.linalg.matrix_norm(table.reshape(p, -1), 2)) / p**0.5
    ambient = TensorBracket(table / size if size > 0 else table)
    closed = nearest_subalgebra(c, ambient, noise)
    f = _constants(closed.basis, ambient)
    constant_draws = torch.stack([_constants(rows, ambient) for rows in closed.spread])
    return LieAlgebra(
        structure_constants=f,
        error=_error(f, constant_draws, closed.closure_after),
        constant_draws=constant_draws,
        closure=closed.closure,
        distance=largest_sine(c, closed.basis),
        noise=closed.noise,
        basis=closed.basis,
        defect=closed.closure_after,
    )


def algebra_of_structure_constants(f: Tensor, error: float = _ROUNDING) -> LieAlgebra:
    """An abstract Lie algebra from f ``(k, k, k)``.

    Raises
    ------
    InputError
        If f is not finite, not antisymmetric, or fails the Jacobi identity by more than ``error``.
    """
    if f.ndim != 3 or len(set(f.shape)) != 1 or not bool(torch.isfinite(f).all()):
        raise InputError(f"finite structure constants (k, k, k) are expected, got {tuple(f.shape)}")
    g = f.double()
    size = max(float(g.abs().max()), 1e-300)
    algebra = LieAlgebra(g / size, max(error, _ROUNDING))
    if float((g + g.transpose(0, 1)).abs().max()) > algebra.error * size:
        raise InputError("structure constants f[i, j, k] must be antisymmetric in i and j")
    # Three terms of k products each.
    if algebra.jacobi_residual() > 3 * f.shape[0] * algebra.error:
        raise InputError("structure constants must satisfy the Jacobi identity; give those of a Lie algebra")
    return algebra


def killing_form(f: Tensor) -> Tensor:
    """K_ij = Σ f_iab f_jba ``(k, k)``."""
    return torch.einsum("iab,jba->ij", f, f)


def spectral_size(f: Tensor) -> float:
    """The larger spectral norm of the two ways to read f ``(k, k, k)`` as a matrix: x ↦ ad x, and (x, y) ↦ [x, y]."""
    unfolded = (f.flatten(1), f.flatten(0, 1))
    return max(float(torch.linalg.matrix_norm(m, 2)) for m in unfolded) if f.numel() else 0.0


def _orthonormal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal rows of the span, and T with rows = T @ orthonormal."""
    factors = torch.linalg.qr(rows.T)
    q: Tensor = factors.Q
    r: Tensor = factors.R
    return q.T, r.T


def _error(f: Tensor, constant_draws: Tensor, defect: float) -> float:
    """The cut: the spread of the constants over the draws, and what is left of the defect of closure."""
    changes = [spectral_size(drawn - f) for drawn in constant_draws]
    return max(_ROUNDING, SAFETY * max(changes, default=0.0), SAFETY * defect)


def _constants(rows: Tensor, bracket: Bracket) -> Tensor:
    """Constants f with [rᵢ, rⱼ] = Σ f_ijk r_k in the least-squares sense."""
    k, p = rows.shape
    value = bracket(rows, rows)[..., :p].reshape(k * k, p)
    f: Tensor = torch.linalg.lstsq(rows.T, value.T, driver="gelsd").solution.T.reshape(k, k, k)
    return 0.5 * (f - f.transpose(0, 1))
