"""V(g) = T⁻¹ g T: the defining representation in the coordinates of the user's data."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from symfind.lie.groups.atoms import Atom
from symfind.lie.groups.matrix_groups import Group
from symfind.lie.groups.representations import Representation, defining, of_word


def changed(group: Group, coordinates: Tensor | None) -> Representation:
    """V, as T⁻¹ g T for ``coordinates`` T ``(d, d)``; the group's own for None."""
    if coordinates is None or torch.equal(coordinates, torch.eye(len(coordinates), dtype=coordinates.dtype)):
        return defining(group)
    change, back = coordinates.double(), torch.linalg.inv(coordinates.double())
    digest = hashlib.sha256(change.contiguous().numpy().tobytes()).hexdigest()[:16]
    unit = change @ change.mT
    # T of a conformal change keeps V orthogonal; 1e-12 is rounding.
    conformal = float((unit / unit[0, 0] - torch.eye(len(unit), dtype=unit.dtype)).abs().max()) < 1e-12
    atom = Atom(
        name=f"V'[{digest}]",
        dim=group.degree,
        rho=lambda g: back @ g @ change,
        drho=lambda a: back @ a @ change,
        orthogonal=conformal and group.is_orthogonal,
        group_key=group.key,
    )
    return of_word(group, (atom,))


def in_coordinates(rep: Representation, coordinates: Tensor | None) -> Representation:
    """The representation with every V in it written as T⁻¹ g T."""
    if coordinates is None:
        return rep
    atom = changed(rep.group, coordinates).words[0][0]
    words = tuple(tuple((atom.dual if a.is_dual else atom) if a.name == "V" else a for a in w) for w in rep.words)
    return Representation(rep.group, words, rep.positions)
