"""F = Σ_a f_a(I₁ … I_r) K_a: classes of exactly symmetric functions, made of bilinear invariants of linear views of x.

Axis letters: n rows, D coordinates of a whole row, q vectors of dimension b in a block, s scalars, r invariants,
A covariants, m outputs, w scalings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor


class SymmetricClass(Protocol):
    """𝓕_g as Σ_a f_a(I(x)) K_a(x).

    Attributes
    ----------
    name
        In words.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def invariants(self, x: Tensor) -> Tensor:
        """I(x): ``(n, D)`` → ``(n, r)``, differentiable."""
        ...

    def covariants(self, x: Tensor) -> Tensor:
        """K(x): ``(n, D)`` → ``(n, A, m)``, differentiable."""
        ...

    def usable(self, x: Tensor) -> bool:
        """Whether both are finite on rows ``(n, D)``."""
        ...


@dataclass(frozen=True)
class Block:
    """Vectors u_a = L_a x − c that a group of matrices moves alike, and the forms that it preserves.

    Attributes
    ----------
    view
        L ``(q, b, D)``.
    form
        Q ``(b, b)``, symmetric or antisymmetric: I_ab = u_aᵀQu_b.
    centre
        c ``(b,)``, or None for zero.
    squares
        Whether only u_aᵀQu_a are invariants that matter: the u_a are all the differences of points.
    crossed
        Whether the companions of Euclidean vectors, Ju in the plane and u_a × u_b in space, are covariants too.
    slots
        ``(t, m, b)``: how a vector of the block stands in the output.
    """

    view: Tensor
    form: Tensor
    centre: Tensor | None = None
    squares: bool = False
    crossed: bool = False
    slots: Tensor | None = None

    def vectors(self, x: Tensor) -> Tensor:
        """U ``(n, q, b)``."""
        u = torch.einsum("qbd,nd->nqb", self.view, x)
        return u if self.centre is None else u - self.centre

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(a, b) of the invariants, self-products first."""
        q = self.view.shape[0]
        symmetric = bool(torch.equal(self.form, self.form.T))
        own = [(a, a) for a in range(q)] if symmetric else []
        return own if self.squares else own + [(a, b) for a in range(q) for b in range(a + 1, q)]

    @property
    def turned(self) -> bool:
        """Whether area u_a ∧ u_b in the plane is a further invariant."""
        return self.crossed and self.view.shape[1] == 2 and not self.squares and self.view.shape[0] > 1

    def invariants(self, x: Tensor) -> Tensor:
        """``(n, r)``."""
        u = self.vectors(x)
        first, second = (torch.tensor(side) for side in zip(*self.pairs, strict=True))
        out = torch.einsum("npb,bc,npc->np", u[:, first], self.form, u[:, second])
        if self.turned:
            more = [
                u[:, a, 0] * u[:, b, 1] - u[:, a, 1] * u[:, b, 0]
                for a in range(u.shape[1])
                for b in range(a + 1, u.shape[1])
            ]
            out = torch.cat([out, torch.stack(more, 1)], 1)
        return out

    @property
    def own(self) -> list[bool]:
        """Which invariants are self-products."""
        q = self.view.shape[0]
        return [a == b for a, b in self.pairs] + [False] * (q * (q - 1) // 2 if self.turned else 0)

    def covariant_vectors(self, x: Tensor) -> tuple[Tensor, list[int]]:
        """Vectors ``(n, v, b)`` that turn with the block, and the degree of each in u."""
        u = self.vectors(x)
        q, b = u.shape[1:]
        out, degrees = [u], [1] * q
        if self.crossed and b == 2:
            out.append(torch.stack([-u[..., 1], u[..., 0]], -1))
            degrees += [1] * q
        if self.crossed and b == 3 and q > 1:
            pairs = [(i, j) for i in range(q) for j in range(i + 1, q)]
            out.append(torch.stack([torch.linalg.cross(u[:, i], u[:, j]) for i, j in pairs], 1))
            degrees += [2] * len(pairs)
        return torch.cat(out, 1), degrees


@dataclass(frozen=True)
class Scaling:
    """Weights of commuting scalings: part j of x is multiplied by e^{t ω_j}, part k of y by e^{t σ_k}.

    Attributes
    ----------
    parts
        ω ``(w, parts)``: blocks first, then scalars.
    outputs
        σ ``(w, m)``.
    """

    parts: Tensor
    outputs: Tensor


@dataclass(frozen=True)
class Structure:
    """A class of symmetric functions.

    Attributes
    ----------
    name
        In words.
    blocks
        Vectors with their forms.
    scalars
        S ``(s, D)``: linear functions of x that do not move.
    constants
        ``(t, m)``: outputs that do not move.
    scaling
        Scalings on top.
    """

    name: str
    blocks: tuple[Block, ...]
    scalars: Tensor
    constants: Tensor
    scaling: Scaling | None = None

    def _plain(self, x: Tensor) -> Tensor:
        parts = [block.invariants(x) for block in self.blocks]
        return torch.cat([*parts, x @ self.scalars.T], 1)

    def _own(self) -> Tensor:
        flags = [flag for block in self.blocks for flag in block.own]
        return torch.tensor([*flags, *[True] * self.scalars.shape[0]], dtype=torch.bool)

    def _weights(self, scaling: Scaling) -> Tensor:
        """Weights ``(w, r)`` of the plain invariants."""
        count = len(self.blocks)
        columns = [2 * scaling.parts[:, j : j + 1].expand(-1, len(b.own)) for j, b in enumerate(self.blocks)]
        return torch.cat([*columns, scaling.parts[:, count:]], 1)

    def _sizes(self, z: Tensor, scaling: Scaling) -> tuple[Tensor, Tensor, Tensor]:
        """Log ρ ``(n, w)`` of weight one under each scaling; weights; the self-products."""
        weights = self._weights(scaling)
        own = self._own()
        logs = z[:, own].abs().clamp(min=1e-300).log()
        return logs @ torch.linalg.pinv(weights[:, own]), weights, own

    def invariants(self, x: Tensor) -> Tensor:
        """I(x): ``(n, D)`` → ``(n, r)``, differentiable."""
        z = self._plain(x)
        if self.scaling is None:
            return z
        size, weights, own = self._sizes(z, self.scaling)
        null = torch.linalg.svd(weights[:, own], full_matrices=True).Vh[torch.linalg.matrix_rank(weights[:, own]) :]
        logs = z[:, own].abs().clamp(min=1e-300).log()
        ratios = z[:, ~own] * torch.exp(-size @ weights[:, ~own])
        return torch.cat([logs @ null.T, ratios], 1)

    def covariants(self, x: Tensor) -> Tensor:
        """K(x): ``(n, D)`` → ``(n, A, m)``, differentiable."""
        n = x.shape[0]
        out: list[Tensor] = [self.constants.expand(n, -1, -1)]
        weights: list[Tensor] = []
        scaling = self.scaling
        if scaling is not None:
            weights.append(scaling.outputs.new_zeros(self.constants.shape[0], scaling.outputs.shape[0]))
        for j, block in enumerate(self.blocks):
            if block.slots is None:
                continue
            u, degrees = block.covariant_vectors(x)
            out.append(torch.einsum("tmb,nvb->ntvm", block.slots, u).flatten(1, 2))
            if scaling is not None:
                degree = torch.tensor(degrees, dtype=x.dtype).repeat(block.slots.shape[0])
                weights.append(degree[:, None] * scaling.parts[:, j])
        k = torch.cat(out, 1)
        if scaling is None:
            return k
        size, _, _ = self._sizes(self._plain(x), scaling)
        own = torch.cat(weights)  # (A, w)
        power = scaling.outputs.T[None, :, :] - own[:, None, :]  # (A, m, w)
        return k * torch.exp(torch.einsum("amw,nw->nam", power, size))

    def scaled(self, name: str, scaling: Scaling) -> Structure:
        """The same with scalings on top."""
        return replace(self, name=name, scaling=scaling)

    def usable(self, x: Tensor) -> bool:
        """Whether the invariants that scalings divide by keep away from zero on rows ``(n, D)``."""
        if self.scaling is None:
            return True
        z = self._plain(x)[:, self._own()]
        weights = self._weights(self.scaling)[:, self._own()]
        if int(torch.linalg.matrix_rank(weights)) < weights.shape[0]:
            return False
        moved = (weights.abs() > 1e-12).any(0)
        same_sign = (z[:, moved] > 0).all(0) | (z[:, moved] < 0).all(0)
        return bool(same_sign.all())


@dataclass(frozen=True)
class LogIndex:
    """Functions of W log|x|: what is left alone by the scalings ω with Wω = 0.

    Attributes
    ----------
    name
        In words.
    directions
        W ``(r, D)``.
    constants
        ``(t, m)``: outputs that do not move.
    """

    name: str
    directions: Tensor
    constants: Tensor

    def invariants(self, x: Tensor) -> Tensor:
        """``(n, r)``."""
        return x.abs().clamp(min=1e-300).log() @ self.directions.T

    def covariants(self, x: Tensor) -> Tensor:
        """``(n, t, m)``."""
        return self.constants.expand(x.shape[0], -1, -1)

    def usable(self, x: Tensor) -> bool:
        """Whether no coordinate changes its sign."""
        return bool(((x > 0).all(0) | (x < 0).all(0)).all())


def euclidean(b: int) -> Tensor:
    """The unit form."""
    return torch.eye(b, dtype=torch.float64)


def minkowski(b: int, time: Sequence[int]) -> Tensor:
    """Diagonal, +1 on the axes of ``time`` and −1 on the others."""
    out = -torch.ones(b, dtype=torch.float64)
    out[list(time)] = 1.0
    return torch.diag(out)


def symplectic(b: int, paired: bool) -> Tensor:
    """Σ dqᵢ ∧ dpᵢ in the order (q, p), or (q₁, p₁, q₂, …) where ``paired``."""
    j = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    one = torch.eye(b // 2, dtype=torch.float64)
    return torch.kron(one, j) if paired else torch.kron(j, one)
