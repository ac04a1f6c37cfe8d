"""What ``--discrete`` asks of evidence: candidates by name, or all signed permutations; and the group they generate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence
from symfind.discrete.acts import Act, outputs_of, plain_defect
from symfind.discrete.discrete import DiscreteSymmetry, discrete_symmetries
from symfind.discrete.finite import Move, closure, generating, group_name, named_moves, signed_permutation
from symfind.discrete.signed_search import MOST_COORDINATES, Element, expansion, generators, moments
from symfind.errors import UsageError
from symfind.kinds.maps.nullspace import MapExtent
from symfind.kinds.points.weak import WeakSide

_SEARCH = "signed-permutations"
# Complete candidates with a plain defect up to this multiple of δ are judged by the bounds.
_WORTH = 2.0
_REFITS = 20


@dataclass(frozen=True)
class DiscreteGroup:
    """What the certified candidates generate.

    Attributes
    ----------
    order
        Number of elements; None where they are not written out.
    name
        A standard name, or the order in words.
    generators
        Names of candidates that suffice.
    """

    order: int | None
    name: str
    generators: tuple[str, ...]


def asked_symmetries(
    evidence: Evidence, asked: str, names: Sequence[str], tolerance: float, alpha: float, refits: int, seed: int
) -> tuple[tuple[DiscreteSymmetry, ...], DiscreteGroup]:
    """Verdicts on the candidates of ``--discrete``, and the group that the certified ones generate.

    Raises
    ------
    UsageError
        A name is unknown, the data are of another kind, or have too many coordinates to search.
    InputError
        A file of matrices cannot be used.
    """
    objects = _objects(evidence)
    order: int | None = None
    if asked == _SEARCH:
        moves, order = _searched(evidence, objects, names, tolerance, seed)
    else:
        moves = named_moves(asked, objects, names)
    found = discrete_symmetries(evidence, moves, tolerance, alpha, refits, seed)
    certified = [s for s in found if s.verdict == "certified"]
    return found, _group(certified, order if len(certified) == len(found) else None)


def _objects(evidence: Evidence) -> tuple[int, int]:
    if isinstance(evidence.extent, MapExtent):
        return evidence.extent.derivative.objects
    if evidence.sides is not None and isinstance(evidence.sides[0], WeakSide):
        return evidence.sides[0].form.frame.objects
    raise UsageError("--discrete goes with functions, maps, flows, points and models; leave it out")


def _group(certified: Sequence[DiscreteSymmetry], order: int | None) -> DiscreteGroup:
    """Closed under products on x and F(x) together, so that x → −x with y → −y is no invariance."""
    both = [_with_output(s.act) for s in certified]
    elements = closure(both)
    if elements is None:
        text = "trivial" if not both else "not written out" if order is None else f"a group of order {order}"
        return DiscreteGroup(1 if not both else order, text, tuple(s.act.move.name for s in certified))
    names = tuple(certified[i].act.move.name for i in generating(both))
    return DiscreteGroup(len(elements), group_name(elements[:, : _width(certified[0]), : _width(certified[0])])
                         if _faithful(elements, _width(certified[0])) else group_name(elements), names)  # fmt: skip


def _width(symmetry: DiscreteSymmetry) -> int:
    return symmetry.act.move.matrix.shape[0]


def _faithful(elements: Tensor, width: int) -> bool:
    """Whether what happens to F(x) follows from what happens to x."""
    on_x = torch.round(elements[:, :width, :width], decimals=6) + 0.0
    return len(torch.unique(on_x.flatten(1), dim=0)) == len(elements)


def _with_output(act: Act) -> Tensor:
    matrix = act.move.matrix
    if act.output is None:
        return matrix
    n, m = len(matrix), len(act.output)
    both = torch.zeros(n + m, n + m, dtype=torch.float64)
    both[:n, :n], both[n:, n:] = matrix, act.output
    return both


def _searched(
    evidence: Evidence, objects: tuple[int, int], names: Sequence[str], tolerance: float, seed: int
) -> tuple[tuple[Move, ...], int]:
    k, d = objects
    if d > MOST_COORDINATES:
        raise UsageError(f"--discrete {_SEARCH} searches up to {MOST_COORDINATES} coordinates, x has {d}; name others")
    if isinstance(evidence.extent, MapExtent):
        return _searched_map(evidence.extent, objects, names, tolerance)
    assert evidence.sides is not None
    side = evidence.sides[0]
    assert isinstance(side, WeakSide)

    def worth(element: Element, sign: int) -> bool:
        move = signed_permutation(element, names, k)
        (found,) = discrete_symmetries(evidence, [move], tolerance, 0.05, _REFITS, seed)
        return found.defect < _WORTH * tolerance

    found, order = generators(moments(side.half.samples.x), objects, (1,), worth)
    return tuple(signed_permutation(element, names, k) for element, _ in found), order


def _searched_map(
    extent: MapExtent, objects: tuple[int, int], names: Sequence[str], tolerance: float
) -> tuple[tuple[Move, ...], int]:
    k, d = objects
    derivative = extent.derivative
    points = extent.points.double()
    value = derivative.map(points).reshape(len(points), -1)

    def outputs(move: Move) -> list[tuple[Tensor, str]]:
        return outputs_of(derivative.action, derivative.objects, derivative.output_objects, move)

    labels = [about for _, about in outputs(signed_permutation([(i, 1) for i in range(d)], names, k))]
    turning = any("likewise" in text for text in labels) and "" not in labels

    def act_of(element: Element, sign: int) -> Act | None:
        move = signed_permutation(element, names, k)
        options = outputs(move)
        if sign < 0 and len(options) < 2:
            return None
        output, about = options[0 if sign > 0 else 1]
        return Act(move, output, about)

    inside = extent.inside

    def worth(element: Element, sign: int) -> bool:
        act = act_of(element, sign)
        if act is None:
            return False
        at = points if inside is None else points[inside(points.flatten(1) @ act.move.matrix.T)]
        return len(at) > 0 and plain_defect(derivative, at, act) < _WORTH * tolerance

    signs = (1, -1) if len(labels) > 1 else (1,)
    found, order = generators(expansion(points.flatten(1), value, objects, turning), objects, signs, worth)
    return tuple(signed_permutation(element, names, k) for element, _ in found), order
