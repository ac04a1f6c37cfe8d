"""⟨X₁ … X_m⟩: the Lie algebra that matrices generate, by brackets with the generators until nothing new comes.

Every element of the algebra is a combination of [g₁, [g₂, … [g_{n−1}, g_n]]] with all gᵢ among the generators (Jacobi's
identity), so that a round brackets the generators with what the last round added. The span is that over the reals of
real or complex matrices.

Axis letters: m generators, k elements of the algebra, d dimension of the matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import scipy.linalg
import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.linalg.subspaces import UnclearRank

# The bracket of exact matrices is wrong by rounding, some 1e-15 of its size, and each round may lose a digit.
_EXACT = 1e-9
# A direction is believed where it stands out of the error by this factor, as everywhere else (clear_rank).
_GAP = 4.0


@dataclass(frozen=True, eq=False)
class GeneratedAlgebra:
    """What generators close to.

    Attributes
    ----------
    matrices
        ``(k, d, d)``: the generators, then nested brackets of them, each of Frobenius norm one.
    growth
        Dimension of the span before the first round and after each that added something.
    closed
        Whether the last round added nothing; else the search was stopped.
    """

    matrices: Tensor
    growth: tuple[int, ...]
    closed: bool


def generated_algebra(generators: Tensor, most: int, noise: float | None = None) -> GeneratedAlgebra:
    """The algebra that matrices ``(m, d, d)``, real or complex, generate over the reals.

    Parameters
    ----------
    generators
        They may depend on one another.
    most
        The search stops where the dimension exceeds this.
    noise
        Relative error of a generator; rounding if not given.

    Raises
    ------
    InputError
        A generator is zero or not finite.
    UnclearRank
        The errors leave open whether a bracket is new.
    """
    size = torch.linalg.matrix_norm(generators)
    if not bool(torch.isfinite(torch.view_as_real(generators.to(torch.complex128))).all()):
        raise InputError("generators must be finite; correct what is not")
    if len(generators) == 0 or float(size.min()) == 0.0:
        raise InputError("an algebra needs at least one generator, and no zero ones; remove them")
    unit = generators / size[:, None, None]
    cut = max(_EXACT, noise or 0.0)
    basis = _rows(unit)[:0]
    kept, basis = _independent(unit, basis, cut)
    unit = kept
    every, new, growth = kept, kept, [len(kept)]
    while len(new):
        brackets = (unit[:, None] @ new[None] - new[None] @ unit[:, None]).flatten(0, 1)
        new, basis = _independent(brackets, basis, cut)
        if not len(new):
            return GeneratedAlgebra(every, tuple(growth), True)
        every = torch.cat([every, new])
        growth.append(len(every))
        if len(every) > most:
            return GeneratedAlgebra(every, tuple(growth), False)
    return GeneratedAlgebra(every, tuple(growth), True)


def _rows(matrices: Tensor) -> Tensor:
    """Real coordinates ``(n, p)`` of matrices ``(n, d, d)``."""
    flat = torch.view_as_real(matrices) if matrices.is_complex() else matrices
    return flat.flatten(1)


def _independent(matrices: Tensor, basis: Tensor, cut: float) -> tuple[Tensor, Tensor]:
    """Those of norm one that lead out of a span of orthonormal rows ``(k, p)``, and the wider span."""
    size = torch.linalg.matrix_norm(matrices)
    # ‖[A, B]‖ ≤ √2 for unit A, B: what is far below is the error of a bracket that is zero.
    _check((size > cut) & (size <= _GAP * cut), size, cut)
    matrices = matrices[size > cut] / size[size > cut, None, None]
    rows = _rows(matrices)
    if not len(rows):
        return matrices, basis
    rest = rows - (rows @ basis.T) @ basis
    rest = rest - (rest @ basis.T) @ basis  # once more: the first pass leaves rounding of the size of the row
    # The order of the pivots is that of the brackets themselves: sparse ones stay what they are.
    triangle, order = scipy.linalg.qr(rest.T.numpy(), mode="r", pivoting=True)
    diagonal = torch.from_numpy(triangle.copy()).diagonal().abs()
    error = cut * max(1.0, len(rows) ** 0.5)
    _check((diagonal > error) & (diagonal <= _GAP * error), diagonal, error)
    rank = int((diagonal > error).sum())
    chosen = torch.as_tensor(order[:rank].copy(), dtype=torch.int64)
    found: Tensor = torch.linalg.qr(rest[chosen].T).Q.T
    return matrices[chosen], torch.cat([basis, found])


def _check(between: Tensor, values: Tensor, error: float) -> None:
    if bool(between.any()):
        value = float(values[between].max())
        raise UnclearRank(
            f"a bracket leaves the span by {value:.2g}, within a factor {_GAP:g} of the error {error:.2g}: whether it "
            "is new cannot be told; give generators with smaller errors, or state their `noise`"
        )
