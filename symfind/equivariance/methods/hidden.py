"""Representations of hidden units that a nonlinearity respects: read off the weights, or from a list of usual ones.

A pointwise nonlinearity commutes with permutations, an odd one with signed permutations too, one of degree one (ReLU)
with positive scalings; none with rotations. Whether it does is tested on numbers, not on names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from symfind.equivariance.equivariance import transformed
from symfind.errors import UsageError
from symfind.lie.groups.atoms import Atom
from symfind.lie.groups.catalogue import CompactGroup, Group
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import Representation, defining, of_word, trivial
from symfind.models.network import Activation
from symfind.models.sequential import SequentialNetwork

_F64 = torch.float64

# Assignments are cubic in the width; tables of permutations are |G| × width whole numbers.
_WIDEST = 2048
_LARGEST_TABLE = 2**24
_MOST_ELEMENTS = 5040

# A nonlinearity that breaks equivariance does so by order one on normal numbers; rounding is below 1e-14.
_COMMUTES = 1e-9


def commutes(activations: Sequence[Activation], rep: Representation, shape: tuple[int, ...]) -> bool:
    """Whether σ(ρ(g)h) = ρ(g)σ(h), tried at random elements and rows of ``shape``."""
    if not activations or rep.is_trivial:
        return True
    rng = torch.Generator().manual_seed(0)
    elements = rep.group.sample(16, rng, 0.5)
    h = torch.randn(16, rep.dim, dtype=_F64, generator=rng)
    sigma = SequentialNetwork(activations)
    with torch.no_grad():
        left = sigma(transformed(rep, elements, h).reshape(-1, *shape)).reshape(16, -1)
        right = transformed(rep, elements, sigma(h.reshape(-1, *shape)).reshape(16, -1))
    return bool((left - right).abs().max() <= _COMMUTES * (1 + right.abs().max()))


def hidden_candidates(
    group: Group, width: int, weight: Tensor, bias: Tensor | None, source: Representation
) -> Iterator[tuple[str, Representation]]:
    """Representations of ``width`` units fed by ``weight`` ``(width, D)`` from ``source``, the invariant one last.

    Parameters
    ----------
    group
        G.
    width
        Number of units (of channels, for a convolution).
    weight, bias
        Of the layer before them.
    source
        What the columns of ``weight`` transform by.
    """
    if isinstance(group, CompactGroup) and group.is_finite and group.order <= _MOST_ELEMENTS and not group.factors:
        found = matched_units(group, weight, bias, source)
        if found is not None:
            yield "permuted as the weights show", found
        if group.is_permutation and width % group.degree == 0:
            rest = trivial(group, width // group.degree)
            yield f"{group.degree} objects of {width // group.degree} units", defining(group) * rest
            yield f"{width // group.degree} units of {group.degree} objects", rest * defining(group)
        if group.order > 1 and width % group.order == 0:
            regular = parse_representation(group, "regular")
            yield f"{width // group.order} regular", (width // group.order) * regular
    if not group.factors and len(group.components):
        yield f"{width} det", width * parse_representation(group, "det")
    if not group.factors and not group.affine and not group.is_finite and width % group.degree == 0:
        yield f"{width // group.degree} vectors", (width // group.degree) * defining(group)
    yield "invariant units", trivial(group, width)


def matched_units(
    group: CompactGroup, weight: Tensor, bias: Tensor | None, source: Representation
) -> Representation | None:
    """The permutations of units P_g with P_g W ≈ W ρ(g), if they form a representation; None if they do not.

    For each generator of the group the rows of Wρ(g) are assigned to those of W at least cost.
    """
    width = len(weight)
    if width > _WIDEST or width * group.order > _LARGEST_TABLE:
        return None
    w = weight.to(_F64)
    extended = w if bias is None else torch.cat([w, bias.to(_F64)[:, None]], 1)
    steps = []
    for g in group.components:
        # Rows of Wρ(g) are ρ(g)ᵀ of rows of W; the dual moves them by ρ(g⁻¹)ᵀ, so at g⁻¹.
        inverse = torch.linalg.inv(g).expand(width, -1, -1)
        moved = transformed(source.dual, inverse, w)
        if bias is not None:
            moved = torch.cat([moved, bias.to(_F64)[:, None]], 1)
        _, target = linear_sum_assignment(torch.cdist(moved, extended).numpy())
        sigma = torch.empty(width, dtype=torch.int64)
        # (P W)_i = W_target(i), so P e_target(i) = e_i.
        sigma[torch.as_tensor(target)] = torch.arange(width)
        steps.append(sigma)
    table = _table(group, steps, width)
    if table is None or bool((table == torch.arange(width)).all()):
        return None
    return of_word(group, (_permuting(group, table),))


def _table(group: CompactGroup, steps: Sequence[Tensor], width: int) -> Tensor | None:
    """σ at every element, ``(|G|, width)`` in the order of ``group.elements``; None if two ways disagree."""
    every = group.elements.flatten(1)
    table = torch.full((len(every), width), -1, dtype=torch.int64)
    table[0] = torch.arange(width)
    frontier = [0]
    while frontier:
        here = frontier.pop()
        for g, sigma in zip(group.components, steps, strict=True):
            product = g @ group.elements[here]
            there = int((every - product.flatten()).abs().amax(1).argmin())
            moved = sigma[table[here]]
            if int(table[there, 0]) < 0:
                table[there] = moved
                frontier.append(there)
            elif not torch.equal(table[there], moved):
                return None
    return table


def _permuting(group: CompactGroup, table: Tensor) -> Atom:
    flat = group.elements.flatten(1)
    width = table.shape[1]

    def permutation(g: Tensor) -> Tensor:
        return table[torch.cdist(g.reshape(-1, flat.shape[1]), flat).argmin(-1)].reshape(*g.shape[:-2], width)

    def rho(g: Tensor) -> Tensor:
        return torch.eye(width, dtype=_F64)[permutation(g)].mT

    def drho(a: Tensor) -> Tensor:
        return torch.zeros(*a.shape[:-2], width, width, dtype=_F64)

    digest = hashlib.sha256(table.numpy().tobytes()).hexdigest()[:16]
    return Atom(f"units[{digest}]", width, rho, drho, True, group.key, permutation)


def given_hidden(group: Group, text: str, count: int) -> list[Representation]:
    """The hidden representations a user wrote, one for each hidden layer, separated by semicolons.

    Raises
    ------
    UsageError
        If their number is not that of the hidden layers.
    """
    parts = [part.strip() for part in text.split(";")]
    if len(parts) == 1:
        parts = parts * count
    if len(parts) != count:
        raise UsageError(
            f"--rep-hidden names {len(parts)} representations, and the network has {count} hidden layers; give one, "
            "or one for each, separated by semicolons"
        )
    return [parse_representation(group, part) for part in parts]
