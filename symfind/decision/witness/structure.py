"""F = Σ_a f_a(I₁ … I_r) K_a: classes of exactly symmetric functions, made of bilinear invariants of linear views of x.

Axis letters: n rows, D coordinates of a whole row, q vectors of dimension b in a block, s scalars, r invariants,
A covariants, m outputs, w scalings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
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

    @property
    def turned_pairs(self) -> list[tuple[int, int]]:
        """(a, b) of the areas, if they are invariants."""
        q = self.view.shape[0]
        return [(a, b) for a in range(q) for b in range(a + 1, q)] if self.turned else []

    def invariants(self, x: Tensor) -> Tensor:
        """``(n, r)``."""
        u = self.vectors(x)
        first, second = (torch.tensor(side) for side in zip(*self.pairs, strict=True))
        out = torch.einsum("npb,bc,npc->np", u[:, first], self.form, u[:, second])
        if self.turned:
            more = [u[:, a, 0] * u[:, b, 1] - u[:, a, 1] * u[:, b, 0] for a, b in self.turned_pairs]
            out = torch.cat([out, torch.stack(more, 1)], 1)
        return out

    @property
    def own(self) -> list[bool]:
        """Which invariants are self-products."""
        return [a == b for a, b in self.pairs] + [False] * len(self.turned_pairs)

    def covariant_vectors(self, x: Tensor) -> tuple[Tensor, list[tuple[int, ...]]]:
        """Vectors ``(n, v, b)`` that turn with the block, and the u_a that each is made of."""
        u = self.vectors(x)
        q, b = u.shape[1:]
        alone: list[tuple[int, ...]] = [(a,) for a in range(q)]
        out, factors = [u], list(alone)
        if self.crossed and b == 2:
            out.append(torch.stack([-u[..., 1], u[..., 0]], -1))
            factors += alone
        if self.crossed and b == 3 and q > 1:
            pairs = [(i, j) for i in range(q) for j in range(i + 1, q)]
            out.append(torch.stack([torch.linalg.cross(u[:, i], u[:, j]) for i, j in pairs], 1))
            factors += pairs
        return torch.cat(out, 1), factors


@dataclass(frozen=True)
class Scaling:
    """Commuting scalings x_i ↦ e^{t ω_i}x_i, y_k ↦ e^{t σ_k}y_k, and the sizes that they are measured by.

    A size is N = Σ g_j q_j with q_j = |uᵀQu| of a vector and z² of a scalar, of one weight 2ω: the sum over all
    parts of a weight keeps further from zero than any of them.

    Attributes
    ----------
    inputs
        ω ``(w, D)``.
    outputs
        σ ``(w, m)``.
    sizes
        g ``(w, r)``: one size for each scaling.
    kept
        Invariants that are no constants when they are divided by their sizes.
    """

    inputs: Tensor
    outputs: Tensor
    sizes: Tensor
    kept: tuple[int, ...]


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

    def plain(self, x: Tensor) -> Tensor:
        """Invariants ``(n, r)`` of all but scalings."""
        parts = [block.invariants(x) for block in self.blocks]
        return torch.cat([*parts, x @ self.scalars.T], 1)

    def weights(self, inputs: Tensor) -> Tensor:
        """Weights ``(w, r)`` of the plain invariants, if ω ``(w, D)`` are those of the coordinates."""
        out = []
        for block in self.blocks:
            own = _weights_of_rows(block.view.abs().sum(1), inputs)
            out += [own[:, [a]] + own[:, [b]] for a, b in block.pairs + block.turned_pairs]
        return torch.cat([*out, _weights_of_rows(self.scalars, inputs)], 1)

    def quadratic(self, z: Tensor) -> Tensor:
        """|uᵀQu| of vectors, z² of scalars, zero of products of two ``(n, r)``."""
        vectors = torch.tensor([flag for block in self.blocks for flag in block.own], dtype=torch.bool)
        count = vectors.shape[0]
        own = torch.where(vectors, z[:, :count].abs(), torch.zeros_like(z[:, :count]))
        return torch.cat([own, z[:, count:].square()], 1)

    def _sizes(self, z: Tensor, scaling: Scaling) -> tuple[Tensor, Tensor]:
        """Log ρ ``(n, w)`` of weight one under each scaling, and the weights of the invariants."""
        weights = self.weights(scaling.inputs)
        count = weights.shape[1] - self.scalars.shape[0]
        single = torch.cat([weights[:, :count], 2 * weights[:, count:]], 1)  # of q_j
        first = [int(row.nonzero()[0]) for row in scaling.sizes]
        logs = (self.quadratic(z) @ scaling.sizes.T).clamp(min=1e-300).log()
        return logs @ torch.linalg.inv(single[:, first]), weights

    def invariants(self, x: Tensor) -> Tensor:
        """I(x): ``(n, D)`` → ``(n, r)``, differentiable."""
        z = self.plain(x)
        if self.scaling is None:
            return z
        size, weights = self._sizes(z, self.scaling)
        kept = list(self.scaling.kept)
        return z[:, kept] * torch.exp(-size @ weights[:, kept])

    def covariants(self, x: Tensor) -> Tensor:
        """K(x): ``(n, D)`` → ``(n, A, m)``, differentiable."""
        n = x.shape[0]
        out: list[Tensor] = [self.constants.expand(n, -1, -1)]
        weights: list[Tensor] = []
        scaling = self.scaling
        if scaling is not None:
            weights.append(scaling.outputs.new_zeros(self.constants.shape[0], scaling.outputs.shape[0]))
        for block in self.blocks:
            if block.slots is None:
                continue
            u, factors = block.covariant_vectors(x)
            out.append(torch.einsum("tmb,nvb->ntvm", block.slots, u).flatten(1, 2))
            if scaling is not None:
                own = _weights_of_rows(block.view.abs().sum(1), scaling.inputs)
                products = torch.stack([own[:, list(of)].sum(1) for of in factors])
                weights.append(products.repeat(block.slots.shape[0], 1))
        k = torch.cat(out, 1)
        if scaling is None:
            return k
        size, _ = self._sizes(self.plain(x), scaling)
        own = torch.cat(weights)  # (A, w)
        power = scaling.outputs.T[None, :, :] - own[:, None, :]  # (A, m, w)
        return k * torch.exp(torch.einsum("amw,nw->nam", power, size))

    def scaled(self, name: str, scaling: Scaling) -> Structure:
        """The same with scalings on top."""
        return replace(self, name=name, scaling=scaling)

    def usable(self, x: Tensor) -> bool:
        """Whether the sizes that scalings divide by keep away from zero on rows ``(n, D)``."""
        if self.scaling is None:
            return True
        return bool((self.quadratic(self.plain(x)) @ self.scaling.sizes.T > 0).all())


def _weights_of_rows(rows: Tensor, inputs: Tensor) -> Tensor:
    """Weights ``(w, q)`` of linear functions ``(q, D)``, each of coordinates of one weight."""
    if rows.shape[0] == 0:
        return inputs.new_zeros(inputs.shape[0], 0)
    return inputs[:, rows.abs().argmax(1)]


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


@dataclass(frozen=True)
class Volumes:
    """Functions of det(u_a, u_b, …) of vectors u_a = L_a x in space, which sl(b) leaves alone.

    Attributes
    ----------
    name
        In words.
    view
        L ``(q, b, D)``, q ≥ b.
    scalars
        S ``(s, D)``: linear functions of x that do not move.
    constants
        ``(t, m)``: outputs that do not move.
    """

    name: str
    view: Tensor
    scalars: Tensor
    constants: Tensor

    def invariants(self, x: Tensor) -> Tensor:
        """``(n, r)``."""
        q, b, _ = self.view.shape
        u = torch.einsum("qbd,nd->nqb", self.view, x)
        chosen = torch.tensor(list(combinations(range(q), b)))
        return torch.cat([torch.linalg.det(u[:, chosen]), x @ self.scalars.T], 1)

    def covariants(self, x: Tensor) -> Tensor:
        """``(n, t, m)``."""
        return self.constants.expand(x.shape[0], -1, -1)

    def usable(self, x: Tensor) -> bool:
        """Polynomials are finite everywhere."""
        return bool(torch.isfinite(x).all())


@dataclass(frozen=True)
class Screw:
    """Functions of r e^{i(φ − κz)} in a plane of axes: a turn about a point goes with a shift along another axis.

    Attributes
    ----------
    name
        In words.
    plane, along
        The axes (i, j) that turn, and the one that is shifted.
    pitch
        κ, the angle of a shift by one.
    centre
        c ``(2,)``.
    scalars
        S ``(s, D)``: linear functions of x that do not move.
    constants
        ``(t, m)``: outputs that do not move.
    """

    name: str
    plane: tuple[int, int]
    along: int
    pitch: Tensor
    centre: Tensor
    scalars: Tensor
    constants: Tensor

    def invariants(self, x: Tensor) -> Tensor:
        """``(n, r)``: r cos(φ − κz), r sin(φ − κz), which are smooth on the axis, and the scalars."""
        u, v = x[:, self.plane[0]] - self.centre[0], x[:, self.plane[1]] - self.centre[1]
        c, s = torch.cos(self.pitch * x[:, self.along]), torch.sin(self.pitch * x[:, self.along])
        return torch.cat([torch.stack([u * c + v * s, v * c - u * s], 1), x @ self.scalars.T], 1)

    def covariants(self, x: Tensor) -> Tensor:
        """``(n, t, m)``."""
        return self.constants.expand(x.shape[0], -1, -1)

    def usable(self, x: Tensor) -> bool:
        """Finite wherever x is."""
        return bool(torch.isfinite(x).all())


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
