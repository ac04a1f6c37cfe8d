"""The largest point group, in any orientation and about any centre, that loses nothing: ``--discrete point-groups``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from symfind.decision.evidence import Evidence
from symfind.decision.witness.trial import Verdict
from symfind.discrete.finite import on_objects
from symfind.discrete.point_groups.catalogue import GOLDEN, Element, PointGroup, plane_groups, point_groups
from symfind.discrete.point_groups.orientation import Oriented, Table, best_orientation, halfway, placed
from symfind.discrete.point_groups.subjects import Rows, rows_of
from symfind.schema.discrete import Discrete, DiscreteGroup, GroupAxis

# An orientation is refined where the best frame of the grid has a mean ρ² below the first, and judged where ρ² is then
# below the second: far above δ², as a density of some thousand points is known to about a tenth.
_WORTH_REFINING, _WORTH_JUDGING = 0.5, 0.25
# Frames from which each group is refined.
_STARTS = 2
# So many groups that fell: what is smaller and true is nearly always found among the first ten.
_MOST_JUDGED = 24


@dataclass(frozen=True)
class Asked:
    """A group with what was said of it."""

    oriented: Oriented
    verdict: Verdict
    turns: bool
    axis_error: float
    centre_error: float


def point_group_symmetries(
    evidence: Evidence, tolerance: float, alpha: float, seed: int
) -> tuple[tuple[Discrete, ...], DiscreteGroup]:
    """Verdicts on groups, and the largest that is certified.

    Raises
    ------
    UsageError
        The data are of another kind, or neither of the plane nor of space.
    """
    ways = rows_of(evidence)
    k = ways[0].known.x.shape[1]
    held, others = _largest(ways[0], tolerance, alpha, seed, bool(evidence.doubts))
    for rows in ways[1:]:
        one, fell = _largest(rows, tolerance, alpha, seed, bool(evidence.doubts))
        if _size(one) > _size(held):
            held, others = one, fell
    found = [] if held is None else [_element(held, g, k) for g in held.oriented.group.generators]
    return (*found, *(_as_a_whole(one, k) for one in others)), _group(held)


def _size(one: Asked | None) -> int:
    return 1 if one is None else len(one.oriented.group.elements) * (1000 if one.oriented.group.continuous else 1)


def _largest(rows: Rows, tolerance: float, alpha: float, seed: int, doubted: bool) -> tuple[Asked | None, list[Asked]]:
    tables = [Table(rows.known, centre) for centre in rows.centres]
    every = point_groups() if tables[0].d == 3 else plane_groups()
    others: list[Asked] = []
    for group in every:
        if not group.generators or len(others) >= _MOST_JUDGED:
            continue
        near = [t for t in tables if float(t.scores(group).min()) < _WORTH_REFINING]
        if not near:
            continue
        oriented = min(
            (best_orientation(t, group, rows.known, rows.moves, _STARTS) for t in near), key=lambda one: one.misfit
        )
        if oriented.misfit > _WORTH_JUDGING:
            continue
        verdict, ways = rows.judged(oriented, tolerance, alpha, seed)
        middle, axis_error, centre_error = halfway(ways)
        one = Asked(middle, verdict, rows.turns, axis_error, centre_error)
        if one.verdict.word == "certified" and not doubted:
            return one, others
        others.append(one)
    return None, others


def _element(one: Asked, g: Element, k: int) -> Discrete:
    matrix = placed(g.matrix[None], one.oriented.h)[0]
    v = one.verdict
    move = on_objects(_told(g, one.oriented), matrix, k)
    return Discrete(
        name=move.name,
        matrix=move.matrix,
        centre=tuple(one.oriented.centre.tolist()),
        output="y likewise" if one.turns else "",
        output_action=matrix if one.turns else None,
        defect=v.eta,
        lower=v.lower,
        upper=v.upper,
        verdict=v.word,
        inside=1.0,
    )


def _as_a_whole(one: Asked, k: int) -> Discrete:
    """A group that was asked as one entry, by its last generator."""
    g = one.oriented.group
    entry = _element(one, g.generators[-1], k)
    values = {f: getattr(entry, f) for f in ("matrix", "centre", "output", "defect", "lower", "upper", "inside")}
    verdict = "undecided" if one.verdict.word == "certified" else one.verdict.word
    return Discrete(name=f"{g.schoenflies} ({g.hermann_mauguin})", verdict=verdict, **values)


def _told(g: Element, oriented: Oriented) -> str:
    d = len(oriented.h)
    axis = oriented.h @ torch.tensor(g.axis, dtype=torch.float64)[:d]
    direction = "(" + ", ".join(f"{round(v, 4) + 0.0:g}" for v in axis.tolist()) + ")"
    about = f" about {direction}" if d == 3 else ""
    if g.angle == 0:
        return "inversion"
    half = abs(g.angle - torch.pi) < 1e-9
    if g.improper and half:
        return f"mirror across {direction}"
    if abs(g.angle - GOLDEN) < 1e-9:
        return f"any turn{about}"
    turn = f"turn by {g.angle * 180 / torch.pi:.6g}°{about}"
    return f"{turn} and inversion" if g.improper else turn


def _group(held: Asked | None) -> DiscreteGroup:
    if held is None:
        return DiscreteGroup(order=1, name="C1 (1)", schoenflies="C1", hermann_mauguin="1")
    group, h = held.oriented.group, held.oriented.h
    d = len(h)
    return DiscreteGroup(
        order=group.order,
        name=f"{group.schoenflies} ({group.hermann_mauguin})",
        generators=tuple(_told(g, held.oriented) for g in group.generators),
        schoenflies=group.schoenflies,
        hermann_mauguin=group.hermann_mauguin,
        axes=tuple(
            GroupAxis(fold=n, direction=tuple((h @ u[:d]).tolist()))
            for n, u in _axes(group, d)
            if float((h @ u[:d]).norm()) > 1e-9
        ),
        centre=tuple(held.oriented.centre.tolist()),
        axis_error=held.axis_error,
        centre_error=held.centre_error,
    )


def _axes(group: PointGroup, d: int) -> Sequence[tuple[int, torch.Tensor]]:
    """Of the continuous ones the main axis alone: the others are any."""
    if not group.continuous:
        return group.axes
    return [(n, u) for n, u in group.axes if n == 0] if d == 3 else []
