"""ξ(x) = Ax + b: Lie algebras of affine vector fields, as matrices in coordinates in which their errors are alike.

[ξ_A, ξ_B] = dξ_B·ξ_A − dξ_A·ξ_B = −ξ_[A,B]: fields and matrices have opposite brackets, thus isomorphic algebras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.algebras.algebra import LieAlgebra, algebra_of_matrices
from symfind.lie.algebras.modules import commutant
from symfind.lie.algebras.preserved import PreservedForm, fixed_points, invariant_subspaces, preserved_forms
from symfind.linalg.subspaces import UnclearRank, clear_rank

# Entries of the change of basis that gives structure constants carry this much rounding.
_DIGITS = 12


@dataclass(frozen=True)
class AffineFields:
    """Independent fields Aᵢx + bᵢ, and the noise they are known with.

    Attributes
    ----------
    linear
        ``(k, d, d)``.
    shift
        ``(k, d)``: the fields at the origin.
    noise
        Relative error of each field in coordinates (x − centre)/scale; None estimates it from the closure.
    centre, scale
        ``(d,)``; zeros and ones where nothing is known of the data.
    """

    linear: Tensor
    shift: Tensor
    noise: float | None
    centre: Tensor
    scale: Tensor

    @classmethod
    def of_matrices(cls, matrices: Tensor, noise: float | None = None) -> AffineFields:
        """Linear fields Ax, nothing known of the data."""
        k, d = matrices.shape[:2]
        zero = torch.zeros(d, dtype=torch.float64)
        return cls(matrices.double(), zero.expand(k, d), noise, zero, torch.ones_like(zero))

    @property
    def homogeneous(self) -> Tensor:
        """((A, b), (0, 0)) on (x, 1) in the user's coordinates, ``(k, d+1, d+1)``."""
        return _homogeneous(self.linear, self.shift)

    def scaled(self) -> tuple[Tensor, Tensor]:
        """A and b in coordinates (x − centre)/scale, each field of unit size."""
        a = self.linear * self.scale / self.scale[:, None]
        b = (self.shift + self.linear @ self.centre) / self.scale
        size = torch.cat([a.flatten(1), b], 1).norm(dim=1)
        if bool((size == 0).any()) or not bool(torch.isfinite(size).all()):
            raise InputError("a generator is zero or not finite; leave it out")
        return a / size[:, None, None], b / size[:, None]


@dataclass(frozen=True)
class AffineAlgebra:
    """The algebra of affine fields.

    Attributes
    ----------
    algebra
        Of the linear parts about a common fixed point, if there is one, else of homogeneous matrices.
    metric
        The algebra of the linear parts, which preserved forms belong to; None if all fields are constant.
    fixed
        A fixed point ``(d,)`` nearest the centre and the directions ``(r, d)`` of others, in the user's coordinates
        (None where the noise leaves them open); None if no point is fixed.
    scale
        ``(d,)``: the units of the coordinates in which the algebras are given.
    """

    algebra: LieAlgebra
    metric: LieAlgebra | None
    fixed: tuple[Tensor, Tensor | None] | None
    scale: Tensor

    def preserved_forms(self) -> tuple[PreservedForm, ...]:
        """The forms of the linear parts, in the user's coordinates; signatures are taken in units of ``scale``.

        Raises
        ------
        UnclearRank
            If the noise leaves their number open.
        """
        if self.metric is None:
            return ()
        out = []
        for form in preserved_forms(self.metric):
            matrix = form.matrix / self.scale / self.scale[:, None]
            error = form.standard_error / self.scale / self.scale[:, None]
            # The entry that was made 1: on the diagonal, if there is one.
            ones = torch.cat([form.matrix.diagonal(), form.matrix.flatten()]) == 1.0
            entry = float(torch.cat([matrix.diagonal(), matrix.flatten()])[ones.to(torch.uint8).argmax()])
            out.append(replace(form, matrix=matrix / entry, standard_error=error / abs(entry)))
        return tuple(out)

    def invariant_subspaces(self) -> tuple[Tensor, ...] | None:
        """Rows of V₁, V₂, …, largest entry 1, in the user's coordinates about a fixed point.

        None if no point is fixed, or if the decomposition is not unique: it is where maps that commute with the algebra
        commute mutually.

        Raises
        ------
        UnclearRank
            If the noise leaves them open.
        """
        if self.fixed is None or self.algebra.matrices is None:
            return None
        error = self.algebra.matrix_error
        c = commutant(self.algebra.matrices, error)
        product = torch.einsum("iab,jbc->ijac", c, c)
        if float((product - product.transpose(0, 1)).abs().max()) > max(1e-6, 4.0 * error):
            return None
        rows = [v * self.scale for v in invariant_subspaces(self.algebra)]
        return tuple(v / v.gather(1, v.abs().argmax(1, keepdim=True)) for v in rows)


def algebra_of_affine_fields(fields: AffineFields) -> AffineAlgebra:
    """The Lie algebra nearest to the span of affine fields.

    Raises
    ------
    InputError
        If the fields are not independent.
    UnclearRank
        If the noise leaves open how many of the linear parts are independent.
    """
    a, b = fields.scaled()
    noise = fields.noise
    fixed = _fixed(fields, a, b)
    if fixed is not None:
        algebra = algebra_of_matrices(a, noise)
        return AffineAlgebra(algebra, algebra, fixed, fields.scale)
    whole = algebra_of_matrices(_homogeneous(a, b), noise)
    independent = _independent(a, max(noise or 0.0, whole.noise))
    if independent.shape[0] == 0:
        return AffineAlgebra(whole, None, None, fields.scale)
    return AffineAlgebra(whole, algebra_of_matrices(independent, noise), None, fields.scale)


def _fixed(fields: AffineFields, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor | None] | None:
    try:
        found = fixed_points(a, b, max(fields.noise or 0.0, 1e-9))
    except UnclearRank:
        if bool((fields.shift != 0).any()):
            raise
        return torch.zeros_like(fields.centre), None  # linear fields vanish at the origin, whatever their noise
    if found is None:
        return None
    point, directions = found
    # Linear parts of rounding put a fixed point of translations that far away.
    if float(point.norm()) * max(fields.noise or 0.0, 1e-9) > 1.0:
        return None
    return fields.centre + fields.scale * point, directions * fields.scale


def structure_constants(matrices: Tensor) -> Tensor:
    """[ξᵢ, ξⱼ] = Σ f[i, j, k] ξ_k by least squares: f ``(k, k, k)`` of the fields of matrices ``(k, d, d)``."""
    k = matrices.shape[0]
    commutator = torch.einsum("iab,jbc->ijac", matrices, matrices)
    commutator = commutator - commutator.transpose(0, 1)
    solution = torch.linalg.lstsq(matrices.flatten(1).T, -commutator.reshape(k * k, -1).T, driver="gelsd").solution
    f: Tensor = solution.T.reshape(k, k, k)
    # Adding zero turns −0.0 into 0.0.
    return torch.round(0.5 * (f - f.transpose(0, 1)), decimals=_DIGITS) + 0.0


def _homogeneous(a: Tensor, b: Tensor) -> Tensor:
    k, d = b.shape
    out = a.new_zeros(k, d + 1, d + 1)
    out[:, :d, :d], out[:, :d, d] = a, b
    return out


def _independent(a: Tensor, noise: float) -> Tensor:
    """Orthonormal matrices ``(r, d, d)`` of the span of the linear parts, of which some may vanish."""
    k, d, _ = a.shape
    _, s, vt = torch.linalg.svd(a.flatten(1), full_matrices=False)
    found: Tensor = vt[: clear_rank(s, max(noise, 1e-9) * math.sqrt(k))].reshape(-1, d, d)
    return found
