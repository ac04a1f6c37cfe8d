"""What ``--discrete`` asks of evidence: candidates by name, or all signed permutations; and the group they generate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence
from symfind.discrete.acts import Act
from symfind.discrete.discrete import discrete_symmetries
from symfind.discrete.finite import Move, closure, generating, group_name, named_moves, signed_permutation
from symfind.discrete.point_groups.search import point_group_symmetries
from symfind.discrete.settings import SETTINGS
from symfind.discrete.signed_search import MOST_COORDINATES, generators
from symfind.discrete.subject import subject_of
from symfind.errors import UsageError
from symfind.schema.discrete import Discrete, DiscreteGroup

POINT_GROUPS = "point-groups"
_SEARCH = "signed-permutations"
# The search itself needs a defect, no bounds: few refits are enough.
_REFITS = 20


def asked_symmetries(
    evidence: Evidence, asked: str, names: Sequence[str], tolerance: float, alpha: float, refits: int, seed: int
) -> tuple[tuple[Discrete, ...], DiscreteGroup]:
    """Verdicts on the candidates of ``--discrete``, and the group that the certified ones generate.

    Raises
    ------
    UsageError
        A name is unknown, the data are of another kind, or have too many coordinates to search.
    InputError
        A file of matrices cannot be used.
    """
    if asked == POINT_GROUPS:
        return point_group_symmetries(evidence, tolerance, alpha, seed)
    order: int | None = None
    if asked == _SEARCH:
        moves, order = _searched(evidence, names, tolerance, seed)
    else:
        moves = named_moves(asked, subject_of(evidence).objects, names)
    found = discrete_symmetries(evidence, moves, tolerance, alpha, refits, seed)
    certified = [act for act, entry in found if entry.verdict == "certified"]
    return tuple(e for _, e in found), _group(certified, order if len(certified) == len(found) else None)


def _group(certified: Sequence[Act], order: int | None) -> DiscreteGroup:
    """Closed under products on x and F(x) together, so that x → −x with y → −y is no invariance."""
    both = [_with_output(act) for act in certified]
    elements = closure(both)
    if elements is None:
        text = "trivial" if not both else "not written out" if order is None else f"a group of order {order}"
        names = tuple(act.move.name for act in certified)
        return DiscreteGroup(order=1 if not both else order, name=text, generators=names)
    names = tuple(certified[i].move.name for i in generating(both))
    width = len(certified[0].move.matrix)
    told = elements[:, :width, :width] if _faithful(elements, width) else elements
    return DiscreteGroup(order=len(elements), name=group_name(told), generators=names)


def _faithful(elements: Tensor, width: int) -> bool:
    """Whether what happens to F(x) follows from what happens to x."""
    on_x = torch.round(elements[:, :width, :width], decimals=6) + 0.0
    return len(torch.unique(on_x.flatten(1), dim=0)) == len(elements)


def _with_output(act: Act) -> Tensor:
    if act.output is None or act.free:  # B that is solved for follows from g
        return act.move.matrix
    both: Tensor = torch.block_diag(act.move.matrix, act.output)  # type: ignore[no-untyped-call]
    return both


def _searched(evidence: Evidence, names: Sequence[str], tolerance: float, seed: int) -> tuple[tuple[Move, ...], int]:
    subject = subject_of(evidence)
    k, d = subject.objects
    if d > MOST_COORDINATES:
        raise UsageError(f"--discrete {_SEARCH} searches up to {MOST_COORDINATES} coordinates, x has {d}; name others")

    def judged(move: Move) -> float:
        ((_, found),) = discrete_symmetries(evidence, [move], tolerance, 0.05, _REFITS, seed)
        return found.defect

    expanded, signs, worth = subject.searched(names, SETTINGS.worth * tolerance, judged)
    found, order = generators(expanded, (k, d), signs, worth)
    return tuple(signed_permutation(element, names, k) for element, _ in found), order
