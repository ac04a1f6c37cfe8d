"""min_w ‖y − Σ_a (φᵀw_a)K_a‖² by the parts that it falls into: outputs that no covariant links are apart.

The outputs of a flow (q̇, ṗ) are combinations of the same vectors with other coefficients: one Gram matrix serves all
copies, where the whole would be a matrix of twice the width.

Axis letters: n rows, f features, A covariants, m outputs; of a part s copies, a covariants and b outputs each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import NumericalError

# Copies are made of the same numbers; they differ by rounding.
_SAME = 1e-12


@dataclass(frozen=True)
class Part:
    """Outputs that share their covariants, and copies of them: K_copy = c · K_first, output by output.

    Attributes
    ----------
    covariants, outputs
        ``(s, a)`` and ``(s, b)`` numbers of each copy.
    factors
        c ``(s, b)``.
    """

    covariants: Tensor
    outputs: Tensor
    factors: Tensor

    def of_first(self, covariants: Tensor) -> Tensor:
        """K of the first copy ``(n, a, b)`` from ``(n, A, m)``."""
        return covariants[:, self.covariants[0]][:, :, self.outputs[0]]

    def with_equal_factors(self) -> list[Part]:
        """Itself where each copy is a multiple of the first, else every copy by itself."""
        if bool((self.factors == self.factors[:, :1]).all()):
            return [self]
        one = torch.ones_like(self.factors[:1])
        return [Part(c[None], o[None], one) for c, o in zip(self.covariants, self.outputs, strict=True)]

    @property
    def copies(self) -> int:
        """S."""
        return self.covariants.shape[0]

    @property
    def cost(self) -> int:
        """b·a²: of a Gram matrix, in units of n f²."""
        return self.outputs.shape[1] * self.covariants.shape[1] ** 2


def parts_of(covariants: Tensor) -> list[Part]:
    """The parts of K ``(n, A, m)``; covariants that vanish everywhere are in none."""
    linked = (covariants != 0).any(0)
    left = linked.any(1)
    parts: list[Part] = []
    while bool(left.any()):
        own = torch.zeros_like(left)
        own[left.nonzero()[0]] = True
        while True:
            outputs = linked[own].any(0)
            grown = linked[:, outputs].any(1)
            if bool((grown == own).all()):
                break
            own = grown
        left &= ~own
        one = Part(own.nonzero().T, outputs.nonzero().T, covariants.new_ones(1, int(outputs.sum())))
        for i, part in enumerate(parts):
            factors = _factors(part, one, covariants)
            if factors is not None:
                joined = zip((part.covariants, part.outputs, part.factors),
                             (one.covariants, one.outputs, factors), strict=True)  # fmt: skip
                parts[i] = Part(*(torch.cat(pair) for pair in joined))
                break
        else:
            parts.append(one)
    return parts


def _factors(part: Part, one: Part, covariants: Tensor) -> Tensor | None:
    """C ``(1, b)`` if the one is a copy of the first of the part."""
    if part.covariants.shape[1] != one.covariants.shape[1] or part.outputs.shape[1] != one.outputs.shape[1]:
        return None
    first, second = part.of_first(covariants), one.of_first(covariants)
    size = first.square().sum((0, 1))
    factors = (first * second).sum((0, 1)) / size
    same = (second - factors * first).square().sum((0, 1)) <= _SAME**2 * second.square().sum((0, 1))
    return factors[None] if bool(same.all()) else None


def cost_of(parts: Sequence[Part]) -> float:
    """√Σ b·a²: as many features of one covariant and one output cost as much as one of these parts."""
    return math.sqrt(max(1, sum(part.cost for part in parts)))


def equations_per_unknown(parts: Sequence[Part]) -> float:
    """The least number of outputs over covariants: each row has so many equations for an unknown of a feature."""
    return min((part.outputs.shape[1] / part.covariants.shape[1] for part in parts), default=1.0)


@dataclass(frozen=True)
class NormalEquations:
    """Gram matrices and moments of all parts.

    Attributes
    ----------
    parts, grams, moments
        Of each part the Gram matrix of each output ``(b, f·a, f·a)``, or their sum ``(1, …)`` if there is one copy, and
        the moments of each copy ``(f·a, s)``.
    covariants
        A.
    """

    parts: Sequence[Part]
    grams: Sequence[Tensor]
    moments: Sequence[Tensor]
    covariants: int

    def solved(self, ridge: float) -> Tensor:
        """W ``(f, A)`` with ridge in units of the mean square of each column."""
        return self.solved_for([ridge])[0]

    def solved_for(self, ridges: Sequence[float]) -> Tensor:
        """W ``(R, f, A)`` for each of R ridges: small factorisations cost less together than one by one."""
        out: Tensor | None = None
        for part, gram, moment in zip(self.parts, self.grams, self.moments, strict=True):
            a = part.covariants.shape[1]
            if out is None:
                out = moment.new_zeros(len(ridges), moment.shape[0] // a, self.covariants)
            if gram.shape[0] == 1:
                own = solved(gram[0], moment, ridges)
                if part.copies > 1:
                    own = own / part.factors[:, 0].square()
            else:
                weights = part.factors.square()
                own = torch.cat(
                    [
                        solved(torch.einsum("b,bij->ij", weights[i], gram), moment[:, i : i + 1], ridges)
                        for i in range(part.copies)
                    ],
                    2,
                )
            for i in range(part.copies):
                out[:, :, part.covariants[i]] = own[:, :, i].reshape(len(ridges), -1, a)
        assert out is not None
        return out


def normal_equations(
    features: Callable[[Tensor], Tensor], z: Tensor, covariants: Tensor, y: Tensor, parts: Sequence[Part]
) -> NormalEquations:
    """Over rows in blocks."""
    grams: list[Tensor] = []
    moments: list[Tensor] = []
    for zp, kp, yp in zip(*(torch.split(t, 2048) for t in (z, covariants, y)), strict=True):
        phi = features(zp)
        for i, part in enumerate(parts):
            gram, moment = _of_part(phi, kp, yp, part)
            if len(grams) <= i:
                grams.append(gram)
                moments.append(moment)
            else:
                grams[i] += gram
                moments[i] += moment
    return NormalEquations(parts, grams, moments, covariants.shape[1])


def _of_part(phi: Tensor, covariants: Tensor, y: Tensor, part: Part) -> tuple[Tensor, Tensor]:
    k = part.of_first(covariants)
    n, a, b = k.shape
    columns = [(phi[:, :, None] * k[:, None, :, o]).reshape(n, -1) for o in range(b)]
    moment = phi.new_zeros(phi.shape[1] * a, part.copies)
    for o, d in enumerate(columns):
        moment += (d.T @ y[:, part.outputs[:, o]]) * part.factors[:, o]
    grams = torch.stack([d.T @ d for d in columns])
    return grams if part.copies > 1 and b > 1 else grams.sum(0, keepdim=True), moment


def solved(gram: Tensor, moment: Tensor, ridges: Sequence[float]) -> Tensor:
    """(G + λ)⁻¹ ``moment`` ``(R, f, s)``, columns scaled to one; a λ is raised where a factorisation fails by rounding.

    Raises
    ------
    NumericalError
        G is not finite: invariants or covariants overflow on the rows.
    """
    if not bool(torch.isfinite(gram).all()):
        raise NumericalError("the invariants of a class of functions are not finite on the rows")
    scale = gram.diagonal().clamp(min=0).sqrt()
    scale = torch.where(scale > 1e-12 * scale.max(), scale, torch.full_like(scale, torch.inf))
    unit = gram / scale[:, None] / scale[None, :]
    eye = torch.eye(gram.shape[0], dtype=gram.dtype)
    levels = torch.tensor(ridges, dtype=gram.dtype)
    while True:
        factor, failed = torch.linalg.cholesky_ex(unit + levels[:, None, None] * eye)
        if not bool(failed.any()):
            break
        levels = torch.where(failed > 0, 10 * levels, levels)
    solution: Tensor = torch.cholesky_solve((moment / scale[:, None])[None], factor) / scale[:, None]
    return solution
