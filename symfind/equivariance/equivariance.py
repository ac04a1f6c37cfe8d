"""F(ρ_in(g)x) = ρ_out(g)F(x): what is asked of a network, and by how much it is missed.

Axis letters: n points, D input width, m output width, q group elements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.lie.groups.matrix_groups import CompactGroup, Group
from symfind.lie.groups.representations import Representation, Word, of_word, word_dimension
from symfind.schema.enforcement import ErrorMeasured

Function = Callable[[Tensor], Tensor]

# Boosts and dilations of this size (of the coefficients of the generators) are of order one and neither overflow
# a network nor hide in its rounding; compact groups are sampled by their Haar measure whatever it is.
_SPREAD = 0.5


@dataclass(frozen=True, eq=False)
class Equivariance:
    """F(ρ_in(g)x) = ρ_out(g)F(x) for all g of a group.

    Attributes
    ----------
    group
        G.
    rep_in, rep_out
        ρ_in on flattened rows of x, ρ_out on those of F(x); a representation of one dimension more than the row acts
        on (x, 1), as affine groups do.
    input_shape, output_shape
        Of one row.
    coordinates
        T ``(d, d)`` where V is written in other coordinates than the group's own: V(g) = T⁻¹ g T; None for T = 1.
    formulas
        ρ_in and ρ_out in the words in which they can be typed; None where they were made without words.
    """

    group: Group
    rep_in: Representation
    rep_out: Representation
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    coordinates: Tensor | None = None
    formulas: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Check the sizes; raises :class:`~symfind.errors.UsageError`."""
        for option, rep, shape in (
            ("--rep-in", self.rep_in, self.input_shape),
            ("--rep-out", self.rep_out, self.output_shape),
        ):
            if rep.dim - prod(shape) not in (0, 1) or (rep.dim != prod(shape) and not self.group.affine):
                raise UsageError(
                    f"{option} {rep} of {self.group.name} has dimension {rep.dim}, but the rows have shape {shape} "
                    f"({prod(shape)} numbers); give a representation of that dimension"
                )

    @property
    def written_in(self) -> str:
        """ρ_in as ``--rep-in`` takes it."""
        return str(self.rep_in) if self.formulas is None else self.formulas[0]

    @property
    def written_out(self) -> str:
        """ρ_out as ``--rep-out`` takes it."""
        return str(self.rep_out) if self.formulas is None else self.formulas[1]

    @property
    def is_compact(self) -> bool:
        """Whether G is compact, and so has a mean."""
        return isinstance(self.group, CompactGroup)

    @property
    def input_width(self) -> int:
        """D."""
        return prod(self.input_shape)

    @property
    def output_width(self) -> int:
        """Number m of outputs."""
        return prod(self.output_shape)

    def moved_input(self, elements: Tensor, x: Tensor) -> Tensor:
        """ρ_in(gᵢ)xᵢ, row by row: ``(n, d, d)`` and ``(n, *input_shape)`` → ``(n, *input_shape)``."""
        return transformed(self.rep_in, elements, x.reshape(len(x), -1)).reshape(x.shape)

    def moved_output(self, elements: Tensor, y: Tensor) -> Tensor:
        """ρ_out(gᵢ)yᵢ, row by row."""
        return transformed(self.rep_out, elements, y.reshape(len(y), -1)).reshape(y.shape)

    def fresh_elements(self, count: int, rng: torch.Generator) -> Tensor:
        """Random elements ``(count, d, d)``: Haar where G is compact."""
        return self.group.sample(count, rng, _SPREAD)


def transformed(rep: Representation, elements: Tensor, x: Tensor) -> Tensor:
    """ρ(gᵢ)xᵢ for rows x ``(n, D)``; rows of one number less than ρ's dimension are (x, 1) without the 1."""
    homogeneous = x.shape[1] == rep.dim - 1
    full = torch.cat([x, x.new_ones(len(x), 1)], 1) if homogeneous else x
    if rep.is_trivial:
        return x
    out = torch.empty_like(full)
    cpu = elements.to("cpu", torch.float64)
    for word, places in kinds(rep):
        index = places.to(x.device)
        part = full[:, index]  # (n, copies, dim)
        sigma = permutation_of(word, rep.group, cpu)
        if sigma is not None:
            target = index[:, sigma.to(x.device)].transpose(0, 1)  # (n, copies, dim)
            out.scatter_(1, target.flatten(1), part.flatten(1))
        else:
            matrix = of_word(rep.group, word).rho(cpu).to(x)
            out[:, index.flatten()] = torch.einsum("nij,nkj->nki", matrix, part).flatten(1)
    return out[:, :-1] if homogeneous else out


def kinds(rep: Representation) -> list[tuple[Word, Tensor]]:
    """Distinct summands and the positions of their copies ``(copies, dim)``."""
    found: dict[object, tuple[Word, list[Tensor]]] = {}
    for word, index in zip(rep.words, rep.slices, strict=True):
        found.setdefault(tuple(a.key for a in word), (word, []))[1].append(index)
    return [(word, torch.stack(places)) for word, places in found.values()]


def permutation_of(word: Word, group: Group, elements: Tensor) -> Tensor | None:
    """σ ``(n, dim)`` with ρ(g)eⱼ = e_σ(j) where every atom of the word permutes; None else."""
    if any(a.permutation is None for a in word):
        return None
    blocks = group.split(elements)
    out = torch.zeros(len(elements), 1, dtype=torch.int64)
    for a in word:
        assert a.permutation is not None
        out = (out[:, :, None] * a.dim + a.permutation(blocks[a.factor])[:, None, :]).flatten(1)
    assert out.shape[1] == word_dimension(word)
    return out


def spread(y: Tensor) -> float:
    """√E‖y − Ey‖² over rows, √E‖y‖² where they are all equal, 1 where they are zero: the unit of errors."""
    flat = y.reshape(len(y), -1).double()
    size = float(flat.square().sum(1).mean().sqrt())
    deviation = float((flat - flat.mean(0)).square().sum(1).mean().sqrt())
    # A constant in floating point spreads by rounding of its size.
    return deviation if deviation > 1e-12 * size else (size or 1.0)


def error_of(size: Tensor) -> ErrorMeasured:
    """Errors of pairs of an element and a row ``(n,)`` told by the largest and the root mean square."""
    return ErrorMeasured(largest=float(size.max()), rms=float(size.square().mean().sqrt()), elements=len(size))


def equivariance_error(
    function: Function, task: Equivariance, x: Tensor, elements: Tensor, unit: float, values: Tensor | None = None
) -> ErrorMeasured:
    """The defect of F at pairs of an element and a row, rows repeated where there are fewer.

    Parameters
    ----------
    function
        F.
    task
        What is asked of it.
    x
        Rows ``(n, *input_shape)``.
    elements
        ``(q, d, d)``, one pair each.
    unit
        What errors are divided by, see :func:`spread`.
    values
        F(x), if it is known.
    """
    index = torch.arange(len(elements)) % len(x)
    y = function(x[: len(elements)]) if values is None else values
    gap = function(task.moved_input(elements, x[index])) - task.moved_output(elements, y[index])
    size = gap.reshape(len(index), -1).double().norm(dim=1) / unit
    return error_of(size)


def compact(group: Group, method: str) -> CompactGroup:
    """The group as a compact one.

    Raises
    ------
    UsageError
        If it is not: there is no invariant mean to take.
    """
    if not isinstance(group, CompactGroup):
        raise UsageError(
            f"{group.name} is not compact and has no mean of finite mass, so --method {method} cannot be taken; "
            "use --method project, frames or distill"
        )
    return group
