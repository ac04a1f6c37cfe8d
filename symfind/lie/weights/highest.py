"""V = ⊕ m_λ V_λ: the irreducible parts of a representation by highest weight vectors, {v : E_α v = 0 for simple α}."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.lie.weights.roots import RootSystem
from symfind.lie.weights.torus import CompactForm
from symfind.linalg.subspaces import UnclearRank, clear_rank


@dataclass(frozen=True)
class HighestWeight:
    """An irreducible representation of the complexified algebra.

    Attributes
    ----------
    labels
        Dynkin labels of each simple factor, in the order of ``RootSystem.factors`` and of Bourbaki.
    dimension
        Over the complex numbers.
    charges
        The weight on the centre, in the directions of ``RootSystem.centre``.
    """

    labels: tuple[tuple[int, ...], ...]
    dimension: int
    charges: tuple[float, ...] = ()


def highest_weights(form: CompactForm, system: RootSystem, inside: Tensor | None = None) -> list[HighestWeight]:
    """The irreducible parts of C^d, each as often as it occurs.

    Parameters
    ----------
    form, system
        Of the algebra on C^d.
    inside
        ``(d, n)`` orthonormal columns of an invariant subspace; the whole space if not given.

    Raises
    ------
    UnclearRank
        The errors leave the number of parts open, or the dimensions do not add up.
    """
    d = form.frame.shape[0]
    space = torch.eye(d, dtype=torch.complex128) if inside is None else inside.to(torch.complex128)
    n = space.shape[1]
    top = space
    if system.raising:
        stacked = torch.cat([form.raising[i] @ space for i in system.raising])
        _, s, vh = torch.linalg.svd(stacked, full_matrices=True)
        padded = torch.cat([s, s.new_zeros(n - len(s))])
        # Root vectors have norm one and labels of order one: what is not zero is of the order of 1/√d.
        rank = clear_rank(padded, max(4.0 * form.error, 1e-8))
        top = space @ vh[rank:].mH
    found = []
    generator = torch.Generator().manual_seed(1)
    c = torch.randn(form.rank, generator=generator, dtype=torch.float64)
    element = torch.einsum("r,rab->ab", c.to(form.torus.dtype), form.torus) / 1j
    _, vectors = torch.linalg.eigh(top.mH @ element @ top)
    top = top @ vectors
    weights = torch.einsum("ai,rab,bi->ir", top.conj(), form.torus / 1j, top).real
    labels = system.labels(weights) if len(system.simple) else weights.new_zeros(len(weights), 0)
    charges = weights @ system.centre.T
    for one, charge in zip(labels, charges, strict=True):
        if bool((one < 0).any()):
            raise UnclearRank("a highest weight is negative; give generators with smaller errors")
        parts = tuple(tuple(int(one[i]) for i in f.nodes) for f in system.factors)
        found.append(HighestWeight(parts, system.dimension(one), tuple(round(v, 9) + 0.0 for v in charge.tolist())))
    if sum(w.dimension for w in found) != n:
        raise UnclearRank("the dimensions of the parts do not add up; give generators with smaller errors")
    return found


def counted(weights: list[HighestWeight]) -> list[tuple[int, HighestWeight]]:
    """Multiplicity and representation, the largest first; charges are left out of the comparison."""
    plain = Counter(HighestWeight(w.labels, w.dimension) for w in weights)
    return sorted(((m, w) for w, m in plain.items()), key=lambda e: (-e[1].dimension, e[1].labels))
