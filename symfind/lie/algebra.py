"""[eᵢ, eⱼ] = Σ f_ijk e_k: a Lie algebra from noisy generators, with the size of what may be zero.

Structure constants belong to a basis. Here the basis is orthonormal, for matrices after a change of coordinates that
brings the algebra close to one that is closed under transposition as far as it can be (:func:`balancing`); there the
constants that are not zero are of order one, whatever coordinates the generators came in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.closure import Bracket, ClosedSpan, MatrixBracket, TensorBracket, nearest_subalgebra
from symfind.linalg.subspaces import largest_sine, orthogonal_complement

# An error of f is known from a few draws only: three times the largest of them, and never less than rounding.
_SAFETY = 3.0
_ROUNDING = 1e-11
# Coordinates are not moved further than this condition number: beyond it the noise of entries grows ten-thousandfold.
_LARGEST_CONDITION = 1e3


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
        Closure residual of the generators as given (:func:`symfind.lie.closure.closure_residual`).
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
        ad = self.adjoint()
        return torch.einsum("iab,jba->ij", ad, ad)

    @property
    def matrix_error(self) -> float:
        """What exactly zero combinations of the entries of ``matrices`` can grow to, as a spectral norm."""
        if self.matrices is None or self.draws is None:
            return self.error
        change = self.draws - self.matrices
        wide, tall = change.transpose(1, 2).flatten(2), change.flatten(1, 2)
        sizes = [torch.linalg.matrix_norm(m, 2).max() for m in (wide, tall)]
        return max(_ROUNDING, _SAFETY * float(max(sizes)))

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
        return replace(self, structure_constants=f, matrices=matrices, basis=basis, draws=draws)

    def quotient(self, ideal: Tensor) -> LieAlgebra:
        """The quotient by an ideal of orthonormal rows ``(r, k)``, on the orthogonal complement of the ideal."""
        rows = orthogonal_complement(ideal)
        f = torch.einsum("xi,yj,ijk,zk->xyz", rows, rows, self.structure_constants, rows)
        return LieAlgebra(f, self.error, noise=self.noise)


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
    bracket = MatrixBracket(d)
    closed = nearest_subalgebra(given.reshape(k, d * d), bracket, noise)
    q = balancing(closed.basis.reshape(k, d, d))
    back = torch.linalg.inv(q)

    def moved(rows: Tensor) -> Tensor:
        return (q @ rows.reshape(-1, d, d) @ back).reshape(rows.shape)

    algebra = _from_closed(closed, bracket, moved)
    rows, triangle = _orthonormal(moved(closed.basis))
    draws = [torch.linalg.solve_triangular(triangle, moved(draw), upper=False) for draw in closed.spread]
    return replace(
        algebra,
        closure=closed.closure,
        distance=largest_sine(given.reshape(k, -1), closed.basis),
        matrices=rows.reshape(k, d, d),
        coordinates=q,
        draws=torch.stack(draws).reshape(-1, k, d, d),
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
    algebra = _from_closed(closed, ambient, lambda rows: rows)
    return replace(algebra, closure=closed.closure, distance=largest_sine(c, closed.basis))


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


def spectral_size(f: Tensor) -> float:
    """The larger spectral norm of the two ways to read f ``(k, k, k)`` as a matrix: x ↦ ad x, and (x, y) ↦ [x, y]."""
    unfolded = (f.flatten(1), f.flatten(0, 1))
    return max(float(torch.linalg.matrix_norm(m, 2)) for m in unfolded) if f.numel() else 0.0


def _orthonormal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal rows of the span, and T with rows = T @ orthonormal."""
    q, r = torch.linalg.qr(rows.T)
    return q.T, r.T


def _from_closed(closed: ClosedSpan, bracket: Bracket, moved: Callable[[Tensor], Tensor]) -> LieAlgebra:
    basis, triangle = _orthonormal(moved(closed.basis))
    f = _constants(basis, bracket)
    error = _ROUNDING
    for draw in closed.spread:
        rows = torch.linalg.solve_triangular(triangle, moved(draw), upper=False)
        change = _constants(rows, bracket) - f
        error = max(error, _SAFETY * spectral_size(change))
    # What is left of the defect of closure counts as error too.
    error = max(error, _SAFETY * closed.closure_after)
    in_input = torch.linalg.solve_triangular(triangle, closed.basis, upper=False)
    return LieAlgebra(f, error, noise=closed.noise, basis=in_input)


def _constants(rows: Tensor, bracket: Bracket) -> Tensor:
    """f with [rᵢ, rⱼ] = Σ f_ijk r_k in the least-squares sense."""
    k, p = rows.shape
    value = bracket(rows, rows)[..., :p].reshape(k * k, p)
    f = torch.linalg.lstsq(rows.T, value.T).solution.T.reshape(k, k, k)
    return 0.5 * (f - f.transpose(0, 1))


def balancing(basis: Tensor) -> Tensor:
    """Q for which Q g Q⁻¹ is nearly closed under transposition, or as near to it as its orbit comes.

    μ = Σ [Bᵢ, Bᵢᵀ] over an orthonormal basis is the moment map of GL(d) on subspaces of matrices; the flow Q̇ = −μQ
    lowers ‖μ‖ until μ acts on the algebra as a derivation (μ = 0 for reductive algebras; Kempf and Ness 1979).

    Parameters
    ----------
    basis
        ``(k, d, d)``.
    """
    k, d, _ = basis.shape
    q = torch.eye(d, dtype=basis.dtype)
    rows, _ = _orthonormal(basis.reshape(k, -1))
    # The curvature of ½ log det of the Gram matrix is at most 4·min(k, d): a step of its inverse never overshoots.
    rate = 1.0 / (4.0 * min(k, d))
    for _ in range(1000):
        b = rows.reshape(k, d, d)
        mu = (b @ b.transpose(1, 2) - b.transpose(1, 2) @ b).sum(0)
        velocity = (mu @ b - b @ mu).reshape(k, -1)
        speed = float((velocity - (velocity @ rows.T) @ rows).norm()) / k**0.5
        # A hundredth of the natural size: constants then differ from their balanced values by a few per cent.
        if speed < 1e-2:
            break
        step = torch.linalg.matrix_exp(-rate * mu)
        if float(torch.linalg.cond(step @ q)) > _LARGEST_CONDITION:
            break
        moved = torch.linalg.solve(step, step @ b, left=False)
        rows, triangle = _orthonormal(moved.reshape(k, -1))
        # Steps grow while the volume of the unit cube of the algebra still shrinks, and fall back where it does not.
        rate = rate * 1.2 if float(triangle.diagonal().abs().log().sum()) < 0 else 0.25 / min(k, d)
        q = step @ q
    return q
