"""L = log R: the generator of a finite linear transformation, and whether it is determined."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# Phases this close to half a turn (as a share of π) may be of either sign: the noise of a fit moves them across.
_NEAR_HALF_TURN = 0.1


@dataclass(frozen=True)
class Logarithm:
    """The principal logarithm of a matrix.

    Attributes
    ----------
    matrix
        Real L ``(d, d)`` with exp(L) = R where R has a real logarithm.
    phases
        |arg λ| of the eigenvalues of R ``(d,)``, between 0 and π.
    """

    matrix: Tensor
    phases: Tensor

    @property
    def ambiguous(self) -> int:
        """Eigenvalues so near the negative axis that their phase may be that of a turn beyond π, wrapped."""
        return int((self.phases > math.pi * (1.0 - _NEAR_HALF_TURN)).sum())


def nearest_orthogonal(r: Tensor) -> Tensor:
    """The orthogonal matrix Q that minimises ‖R − Q‖, for R ``(d, d)``."""
    u, _, vh = torch.linalg.svd(r)
    q: Tensor = u @ vh
    return q


def real_logarithm(r: Tensor) -> Logarithm:
    """Principal logarithm of a real matrix ``(d, d)``, by its eigenvectors, or by Schur's form where they are few.

    Eigenvalues on the negative axis have no real logarithm; what is returned is then the real part.
    """
    values, vectors = torch.linalg.eig(r)
    phases = values.angle().abs()
    # Below the square root of rounding the eigenvectors still reproduce R to eight digits; beyond, R is nearly
    # defective (a shear), which Schur's form does not mind.
    if float(torch.linalg.cond(vectors)) < 1e8 and float(values.abs().min()) > 0:
        matrix = torch.linalg.solve(vectors, vectors * values.log(), left=False).real
        return Logarithm(matrix, phases)
    from scipy.linalg import logm  # slow to import, and rarely needed

    return Logarithm(torch.from_numpy(logm(r.numpy())).real.double(), phases)
