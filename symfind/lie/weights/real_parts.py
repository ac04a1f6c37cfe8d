"""R^d = ⊕ Vᵢ: the irreducible parts of a representation by real matrices, each with its highest weights.

Where the matrices are closed under transposition so is their commutant, and the eigenspaces of a generic symmetric
element of it are irreducible over the reals: 1, 2 or 4 dimensions of the commutant belong to parts of real, complex or
quaternionic type, which over the complex numbers are one irreducible representation, two that are conjugate, or twice
the same one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.lie.algebras.modules import commutant
from symfind.lie.weights.highest import HighestWeight, highest_weights
from symfind.lie.weights.roots import RootSystem, root_system
from symfind.lie.weights.torus import compact_form_of_real, transposable
from symfind.linalg.subspaces import UnclearRank

# The commutant of matrices of this size is an eigenvalue problem of a thousand unknowns, some tenths of a second.
MOST_COORDINATES = 32
# Eigenvalues of a generic element: equal ones differ by rounding or some times the error, others by far more.
_EQUAL, _TIMES, _GAP = 1e-6, 10.0, 4.0
_TRIALS = 16


@dataclass(frozen=True, eq=False)
class RealPart:
    """An irreducible part over the reals.

    Attributes
    ----------
    basis
        ``(d, n)`` orthonormal columns, in the coordinates of the matrices.
    weights
        One highest weight (real type), or two.
    """

    basis: Tensor
    weights: tuple[HighestWeight, ...]

    @property
    def dimension(self) -> int:
        """Over the reals."""
        return int(self.basis.shape[1])

    @property
    def type(self) -> str:
        """``"real"``, ``"complex"`` or ``"quaternionic"``, by the commutant."""
        if len(self.weights) == 1:
            return "real"
        return "quaternionic" if self.weights[0] == self.weights[1] else "complex"


def real_parts(matrices: Tensor, error: float) -> tuple[RootSystem, tuple[RealPart, ...]] | None:
    """The roots of an algebra of real matrices and the irreducible parts of the space that it acts on.

    Parameters
    ----------
    matrices
        ``(k, d, d)`` orthonormal, in coordinates in which their span is closed under transposition.
    error
        Spectral norm that errors of combinations of them can have.

    Returns
    -------
    tuple or None
        None where the span is not closed under transposition: then it may not be reductive.

    Raises
    ------
    UnclearRank
        The errors leave roots, weights or parts open.
    """
    span = transposable(matrices, error)
    if span is None:
        return None
    form = compact_form_of_real(span)
    system = root_system(form)
    parts = []
    for basis in _blocks(torch.cat([span.skew, span.symmetric]), span.error):
        weights = highest_weights(form, system, basis)
        if len(weights) > 2:
            raise UnclearRank("a part is reducible at this noise; give generators with smaller errors")
        parts.append(RealPart(basis, tuple(sorted(weights, key=lambda w: (w.labels, w.charges), reverse=True))))
    return system, tuple(sorted(parts, key=lambda p: -p.dimension))


def _blocks(matrices: Tensor, error: float) -> list[Tensor]:
    """Orthonormal columns of the eigenspaces of a generic symmetric element of the commutant."""
    found = commutant(matrices, error)
    d = matrices.shape[1]
    generator = torch.Generator().manual_seed(0)
    near = max(_EQUAL, _TIMES * error)
    best: tuple[float, list[Tensor]] | None = None
    for _ in range(_TRIALS):
        c = torch.randn(len(found), generator=generator, dtype=torch.float64)
        element = torch.einsum("c,cab->ab", c, found)
        element = element + element.mT
        values, vectors = torch.linalg.eigh(element / torch.linalg.matrix_norm(element, 2).clamp(min=1e-300))
        steps = values.diff()
        if bool(((steps > near) & (steps <= _GAP * near)).any()):
            continue
        edges = [0, *(torch.nonzero(steps > near)[:, 0] + 1).tolist(), d]
        narrow = float(steps[steps > near].min()) if len(edges) > 2 else 2.0
        blocks = [vectors[:, a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
        if best is None or (len(blocks), narrow) > (len(best[1]), best[0]):
            best = narrow, blocks
    if best is None:
        raise UnclearRank("the parts of the space are not clear at this noise; give generators with smaller errors")
    return best[1]
