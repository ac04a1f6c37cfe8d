"""(L_ξT) = dT·ξ − ρ(dξ)T: how a generator acts on a tensor field given by its components.

One mechanism serves every type: a tensor with r upper and s lower indices and weight w has the representation

    ρ(J) = Σ J on each upper index − Σ Jᵀ on each lower index − w tr J,

a linear map gl(d) → gl(m) on the m components that are stored. For a vector L is the bracket dT·ξ − dξ·T, for a metric
ξ·∂g + dξᵀg + g dξ, for a density ξ·∂ρ + ρ div ξ. Axis letters: n points, d dimension, m stored components, p fields.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fields.space import VectorFieldSpace
from symfind.fits.geometry import SymmetricRoot
from symfind.lie_derivative import constant_slope

TYPES = ("scalar", "vector", "covector", "two-form", "form:k", "metric", "density", "tensor:r,s")
# Components that should be equal may differ by the rounding of single precision.
_ROUNDING = 1e-5
# A metric whose smallest eigenvalue is below this share of the largest, in units of the data, is singular.
_SINGULAR = 1e-12
# Directions of an index in which the tensor has less than this share of its size have no scale of their own.
_NO_SCALE = 1e-3
# The representation has d²m² numbers; more than this is no tensor anyone stores at points.
_MOST_NUMBERS = 10**7


@dataclass(frozen=True)
class TensorType:
    """What kind of tensor y is at each point.

    Attributes
    ----------
    name
        As in ``--output-type``.
    upper, lower
        Numbers r and s of indices.
    symmetry
        0 none, 1 symmetric, −1 alternating in all indices; such tensors may be stored packed.
    weight
        w of a density.
    regular
        Whether it must be invertible at every point, as a metric is.
    """

    name: str
    upper: int = 0
    lower: int = 0
    symmetry: int = 0
    weight: int = 0
    regular: bool = False

    @property
    def rank(self) -> int:
        """Number of indices."""
        return self.upper + self.lower

    def on(self, d: int, stored: int) -> TensorAction:
        """The action on ``stored`` numbers a row, in R^d: all components, or those with ascending indices.

        Raises
        ------
        InputError
            There are as many numbers in neither layout.
        """
        full = list(itertools.product(range(d), repeat=self.rank)) if d**self.rank <= _MOST_NUMBERS else []
        if self.symmetry == 1:
            packed = list(itertools.combinations_with_replacement(range(d), self.rank))
        else:
            packed = list(itertools.combinations(range(d), self.rank)) if self.symmetry else full
        for indices in (packed, full):
            if len(indices) == stored and indices and (stored * d) ** 2 <= _MOST_NUMBERS:
                return TensorAction(self, d, tuple(indices), packed=len(indices) < d**self.rank)
        axes = f"(N{f', {d}' * self.rank})" if self.rank else "(N)"
        if self.rank > d and self.symmetry < 0:
            raise InputError(f"a {self.name} on R^{d} is zero: it has more indices than there are dimensions")
        upper = f" or (N, {len(packed)}) with ascending indices" if len(packed) < len(full) else ""
        raise InputError(
            f"y has {stored} numbers a row, expected {axes}{upper} for a {self.name} on the {d} coordinates of x; "
            "store its components so, or choose another --output-type"
        )


def tensor_type(name: str) -> TensorType | None:
    """The type called ``name``; None for scalars.

    Raises
    ------
    UsageError
        There is no such type; the nearest is told.
    """
    known = {
        "vector": TensorType("vector", upper=1),
        "covector": TensorType("covector", lower=1),
        "two-form": TensorType("two-form", lower=2, symmetry=-1),
        "metric": TensorType("metric", lower=2, symmetry=1, regular=True),
        "density": TensorType("density", weight=1),
    }
    if name == "scalar":
        return None
    if name in known:
        return known[name]
    form = re.fullmatch(r"form:(\d)", name)
    if form is not None and int(form[1]) > 0:
        return TensorType(name, lower=int(form[1]), symmetry=-1)
    mixed = re.fullmatch(r"tensor:(\d),(\d)", name)
    if mixed is not None and 0 < int(mixed[1]) + int(mixed[2]) < 7:
        return TensorType(name, upper=int(mixed[1]), lower=int(mixed[2]))
    near = difflib.get_close_matches(name, TYPES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"--output-type is {name!r}, expected one of {', '.join(TYPES)}{hint}")


@dataclass(frozen=True)
class TensorAction:
    """ξ_Y·T = ρ(dξ(x))T on the stored components of a tensor.

    Attributes
    ----------
    type, d
        The type, and the dimension of the space.
    indices
        Of the m components that are stored, in order.
    packed
        Whether only those with ascending indices are.
    extra
        No further unknowns.
    """

    type: TensorType
    d: int
    indices: tuple[tuple[int, ...], ...]
    packed: bool
    extra: int = 0

    @property
    def name(self) -> str:
        """That of the type."""
        return self.type.name

    @cached_property
    def _places(self) -> dict[tuple[int, ...], int]:
        return {index: i for i, index in enumerate(self.indices)}

    def _component(self, index: tuple[int, ...]) -> tuple[int, float] | None:
        """Where the component with this index is stored and with which sign; None where it is zero."""
        if not self.packed:
            return self._places[index], 1.0
        ordered = tuple(sorted(index))
        if self.type.symmetry > 0:
            return self._places[ordered], 1.0
        if len(set(index)) < len(index):
            return None
        swaps = sum(a > b for a, b in itertools.combinations(index, 2))
        return self._places[ordered], -1.0 if swaps % 2 else 1.0

    @cached_property
    def representation(self) -> Tensor:
        """ρ as ``(m, m, d, d)``: ρ(J) = Σ_ij ρ[:, :, i, j] J_ij."""
        m, d = len(self.indices), self.d
        out = torch.zeros(m, m, d, d, dtype=torch.float64)
        for a, index in enumerate(self.indices):
            for slot, b in itertools.product(range(self.type.rank), range(d)):
                found = self._component((*index[:slot], b, *index[slot + 1 :]))
                if found is None:
                    continue
                place, sign = found
                if slot < self.type.upper:  # (J T)_a = J_ab T_b
                    out[a, place, index[slot], b] += sign
                else:  # (−Jᵀ T)_a = −J_ba T_b
                    out[a, place, b, index[slot]] -= sign
            out[a, a] -= self.type.weight * torch.eye(d, dtype=torch.float64)
        return out

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor:
        """ρ(dξᵢ(x))y: x ``(n, k, d)``, y ``(n, k′, m)`` → ``(n, k′, m, p)``."""
        n, objects, m = y.shape
        at = x if x.shape[1] == objects else x[:, :1].expand(n, objects, self.d)
        slopes = space.jacobian(at.reshape(-1, self.d)).flatten(2)  # (n, p, d·d)
        turned = torch.einsum("abij,nb->naij", self.representation.to(y), y.reshape(-1, m)).flatten(2)
        return (turned @ slopes.transpose(1, 2)).reshape(n, objects, m, -1)

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> Tensor | None:
        """ρ(A) for a field of constant slope A; None for a field of higher degree."""
        slope = constant_slope(space, coefficients)
        return None if slope is None else torch.einsum("abij,ij->ab", self.representation, slope)

    def root(self, values: Iterable[Tensor], inputs: SymmetricRoot) -> Tensor:
        """H^{1/2} ``(m, m)`` from values ``(n, 1, m)``: every index measured by the size T itself has along it.

        In coordinates of unit covariance, Q = E[T Tᵀ] over one index gives that index the scale Q^{-1/2r}, r the number
        of indices. So the components of a metric count as shares of it, and H does not depend on linear changes of
        units; the covariance of the components does not serve, as it is zero for a constant tensor.
        """
        if inputs.rank < self.d:
            raise InputError(
                f"x lies in a flat of dimension {inputs.rank} of {self.d}, off which a {self.name} cannot be followed; "
                "give coordinates of that flat"
            )
        y = torch.cat([value.reshape(-1, len(self.indices)) for value in values]).double().cpu()
        lift = self._unpacked()
        for slot in range(self.type.rank):
            lift = _on_index(inputs.whiten if slot < self.type.upper else inputs.colour.T, lift, slot)
        if self.type.rank == 0:
            return torch.eye(1, dtype=torch.float64) / y.square().mean().sqrt()
        shape = lift.shape[:-1]
        components = (y @ lift.reshape(-1, y.shape[1]).T).reshape(-1, *shape)
        for slot in range(self.type.rank):
            along = components.movedim(slot + 1, 1).reshape(len(y), self.d, -1)
            lift = _on_index(_scale(torch.einsum("nar,nbr->ab", along, along), self.type.rank), lift, slot)
        triangle: Tensor = torch.linalg.qr(lift.reshape(-1, y.shape[1]), mode="r").R
        # Components that the data leave at the same value have no unit of their own: an overall one suits all.
        size = (y @ triangle.T).square().sum(1).mean().sqrt()
        return triangle.T / size

    def _unpacked(self) -> Tensor:
        """All components from those that are stored: ``(d, …, d, m)``."""
        out = torch.zeros(*(self.d,) * self.type.rank, len(self.indices), dtype=torch.float64)
        for index in itertools.product(range(self.d), repeat=self.type.rank):
            found = self._component(index)
            if found is not None:
                out[(*index, found[0])] = found[1]
        return out

    def check(self, blocks: Iterable[Tensor], scale: Tensor) -> None:
        """Look at every row once; ``scale`` ``(d,)`` are the units of x.

        Raises
        ------
        InputError
            A tensor that lacks the symmetry of its type, that is zero in all rows, or a metric that is singular
            somewhere or between rows.
        """
        row, largest = 0, 0.0
        negative: int | None = None
        for block in blocks:
            y = block.reshape(-1, len(self.indices)).double().cpu()
            largest = max(largest, float(y.abs().max()) if y.numel() else 0.0)
            tensor = (y @ self._unpacked().reshape(-1, y.shape[1]).T).reshape(-1, *(self.d,) * self.type.rank)
            for slot in range(self.type.rank - 1 if self.type.symmetry else 0):
                turned = self.type.symmetry * tensor.transpose(slot + 1, slot + 2)
                apart = (tensor - turned).flatten(1).norm(dim=1) > _ROUNDING * tensor.flatten(1).norm(dim=1)
                if bool(apart.any()):
                    word = "symmetric" if self.type.symmetry > 0 else "alternating"
                    raise InputError(
                        f"y is no {self.name}: row {row + int(apart.nonzero()[0])} is not {word}; "
                        f"store its {word} part, or give --output-type tensor:{self.type.upper},{self.type.lower}"
                    )
            if self.type.regular:
                negative = self._signature(tensor, scale, row, negative)
            row += len(y)
        if largest == 0.0:
            raise InputError(f"y is zero in every row: a {self.name} that vanishes has every symmetry")

    def _signature(self, tensor: Tensor, scale: Tensor, row: int, negative: int | None) -> int:
        """How many eigenvalues are below zero, the same in every row."""
        values = torch.linalg.eigvalsh(tensor * scale * scale[:, None])
        size = values.abs()
        singular = size.amin(1) <= _SINGULAR * size.amax(1)
        if bool(singular.any()):
            raise InputError(
                f"the metric in row {row + int(singular.nonzero()[0])} is singular; leave out points where the "
                "coordinates break down, such as poles"
            )
        below = (values < 0).sum(1)
        first = int(below[0]) if negative is None else negative
        if bool((below != first).any()):
            other = row + int((below != first).nonzero()[0])
            count = int(below[other - row])
            raise InputError(
                f"the metric has {first} negative eigenvalues in row 0 and {count} in row {other}: it is singular "
                "between them; give rows of one side"
            )
        return first


def _on_index(matrix: Tensor, tensor: Tensor, slot: int) -> Tensor:
    """A matrix applied to one index of ``(d, …, d, m)``."""
    turned: Tensor = torch.tensordot(matrix, tensor, dims=([1], [slot]))
    return turned.movedim(0, slot)


def _scale(moment: Tensor, rank: int) -> Tensor:
    """Q^{-1/2r}; a direction in which there is nothing gets the mean scale."""
    values, vectors = torch.linalg.eigh(moment)
    # What is there along a direction is a size, the square root of its moment.
    empty = values <= _NO_SCALE**2 * values[-1]
    filled = torch.where(empty, values.mean(), values)
    root: Tensor = (vectors * filled.clamp(min=1e-300) ** (-1 / (2 * rank))) @ vectors.T
    return root


def components_told(action: TensorAction) -> str:
    """How y was read, in words."""
    if action.type.rank < 2 or not action.packed:
        return f"a {action.name}, all components stored"
    count = math.comb(action.d + (action.type.symmetry > 0), 2) if action.type.rank == 2 else len(action.indices)
    return f"a {action.name}, its {count} components with ascending indices stored"
