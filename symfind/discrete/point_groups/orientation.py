"""h ∈ SO(d) and a centre c that make a group in canonical axes the symmetry of F: x ↦ c + h g hᵀ(x − c).

ρ² of an element of one kind (n-fold turn, mirror, …) is a function of its axis alone. These functions are tabulated on
a grid of axes, so that any group in any orientation costs a few look-ups; the best orientations are then refined by the
method of Levenberg and Marquardt on the rows F(gx) − B F(x).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.discrete.point_groups.catalogue import Element, PointGroup, turn
from symfind.discrete.point_groups.known import Known

# Axes on half a sphere, 7° apart: functions of up to ten oscillations about a point are still seen.
_AXES = 400
# Angles about the main axis.
_ANGLES = 36
# Rows by which axes are compared, and by which orientations are refined.
_ROWS, _ROUGH, _REFINED = 150, 150, 400
_ROUGH_STEPS, _STEPS = 8, 20
# A rough orientation of a larger ρ² is not refined further.
_HOPELESS = 0.4
# Steps of the numerical derivatives, in radian and in spreads of x.
_DIFFERENCE = 1e-5


@dataclass(frozen=True)
class Oriented:
    """A group in space.

    Attributes
    ----------
    group
        In canonical axes.
    h, centre
        ``(d, d)`` and ``(d,)``.
    misfit
        Mean ρ_g² over its elements.
    """

    group: PointGroup
    h: Tensor
    centre: Tensor
    misfit: float

    @property
    def elements(self) -> Tensor:
        """H g hᵀ ``(|G|, d, d)``."""
        return placed(self.group.elements, self.h)


def placed(elements: Tensor, h: Tensor) -> Tensor:
    """H g hᵀ for elements ``(q, 3, 3)``, of the plane their part across z."""
    d = len(h)
    return h @ elements[:, :d, :d] @ h.T


def some_rows(known: Known, count: int) -> Known:
    """The first rows: they are in no order."""
    return Known(known.x[:count], known.value, known.turns, known.reach)


class Table:
    """ρ² of every kind of element about every axis, for one centre."""

    def __init__(self, known: Known, centre: Tensor) -> None:
        self.known, self.centre = some_rows(known, _ROWS), centre
        self.d = known.x.shape[2]
        self._axes = half_sphere(_AXES) if self.d == 3 else half_circle(4 * _ANGLES)
        self._made: dict[tuple[float, bool], Tensor] = {}
        self._nearest: dict[tuple[float, ...], Tensor] = {}
        self.frames = frames(self._axes) if self.d == 3 else circle_frames()

    def scores(self, group: PointGroup) -> Tensor:
        """Mean ρ² of the generators for every frame ``(F,)``."""
        total = torch.zeros(len(self.frames), dtype=torch.float64)
        for g in group.generators:
            total += self._of(g.kind)[self._at(g.axis)] if self._turns_by_axis(g) else self._of(g.kind)[0]
        return total / max(len(group.generators), 1)

    def _turns_by_axis(self, g: Element) -> bool:
        if self.d == 2:
            return g.improper
        return g.angle != 0.0

    def _of(self, kind: tuple[float, bool]) -> Tensor:
        """ρ² by axis."""
        if kind not in self._made:
            angle, improper = kind
            axes = self._axes
            if angle == 0.0 or (self.d == 2 and not improper):
                axes = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
            matrices = turn(axes, angle) * (-1 if improper else 1)
            self._made[kind] = self.known.misfits(matrices[:, : self.d, : self.d], self.centre)
        return self._made[kind]

    def _at(self, axis: tuple[float, ...]) -> Tensor:
        """The number of the nearest tabulated axis for every frame."""
        if axis not in self._nearest:
            u = self.frames @ torch.tensor(axis, dtype=torch.float64)
            near = [(part @ self._axes.T).abs().argmax(1) for part in torch.split(u, 4096)]
            self._nearest[axis] = torch.cat(near)
        return self._nearest[axis]


def half_sphere(count: int) -> Tensor:
    """Unit vectors ``(count, 3)`` with z > 0 on a spiral of equal areas (Fibonacci)."""
    i = torch.arange(count, dtype=torch.float64)
    z = (i + 0.5) / count
    phi = i * math.pi * (3 - math.sqrt(5))
    r = (1 - z.square()).sqrt()
    return torch.stack([r * phi.cos(), r * phi.sin(), z], 1)


def half_circle(count: int) -> Tensor:
    """Unit vectors ``(count, 3)`` across z."""
    phi = torch.arange(count, dtype=torch.float64) * math.pi / count
    return torch.stack([phi.cos(), phi.sin(), torch.zeros_like(phi)], 1)


def frames(axes: Tensor) -> Tensor:
    """Rotations ``(a·angles, 3, 3)`` that take z to each axis and then turn about it."""
    x = torch.linalg.cross(axes, torch.eye(3, dtype=torch.float64)[axes.abs().argmin(1)])
    x = x / x.norm(dim=1, keepdim=True)
    y = torch.linalg.cross(axes, x)
    first = torch.stack([x, y, axes], 2)
    z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    spins = torch.stack([turn(z, 2 * math.pi * i / _ANGLES) for i in range(_ANGLES)])
    return (first[:, None] @ spins[None]).flatten(0, 1)


def circle_frames() -> Tensor:
    """Turns of the plane by less than half a turn, ``(F, 3, 3)``."""
    z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    return torch.stack([turn(z, math.pi * i / (4 * _ANGLES)) for i in range(4 * _ANGLES)])


def best_orientation(table: Table, group: PointGroup, known: Known, moves: bool, starts: int) -> Oriented:
    """The orientation (and the centre, where it ``moves``) of least ρ², from the best frames of the table."""
    scores = table.scores(group)
    found: list[Oriented] = []
    taken: list[Tensor] = []
    for i in scores.argsort().tolist():
        h = table.frames[i]
        if any(float((h.T @ other).trace()) > 1 + 2 * math.cos(0.35) for other in taken):
            continue
        taken.append(h)
        found.append(refined(group, h[: table.d, : table.d], table.centre, known, moves, _ROUGH, _ROUGH_STEPS))
        if len(taken) >= starts or not group.generators or float(scores[i]) > 1:
            break
    best = min(found, key=lambda one: one.misfit)
    if best.misfit > _HOPELESS or not group.generators:
        return best
    return refined(group, best.h, best.centre, known, moves)


def refined(
    group: PointGroup,
    h: Tensor,
    centre: Tensor,
    known: Known,
    moves: bool,
    rows_used: int = _REFINED,
    steps: int = _STEPS,
) -> Oriented:
    """Levenberg and Marquardt on ‖F(gx) − B F(x)‖² over the generators."""
    few = some_rows(known, rows_used)
    d = len(h)
    spread = float(known.x.flatten(0, 1).std(0, correction=0).mean())
    generators = [g.matrix for g in group.generators]
    if not generators:
        return Oriented(group, h, centre, 0.0)
    own = torch.stack(generators)
    # The commonest few products too: two generators alone can hold where what they generate does not.
    own = torch.cat([own, torch.stack([a @ b for a in generators for b in generators[:1]])])
    turns = 3 if d == 3 else 1

    def moved(p: Tensor) -> tuple[Tensor, Tensor]:
        if d == 3:
            size = p[:3].norm()
            spin = turn(p[:3] / size, size) if float(size) > 0 else torch.eye(3, dtype=p.dtype)
        else:
            spin = turn(torch.tensor([0.0, 0.0, 1.0], dtype=p.dtype), p[0])[:2, :2]
        return spin @ h, centre + (spread * p[turns:] if moves else 0.0)

    def rows(p: Tensor) -> Tensor:
        at, c = moved(p)
        return few.rows(placed(own, at), c)

    p = torch.zeros(turns + (d if moves else 0), dtype=torch.float64)
    damping, r = 1e-2, rows(p)
    for _ in range(steps):
        columns = [(rows(p + _DIFFERENCE * e) - r) / _DIFFERENCE for e in torch.eye(len(p), dtype=p.dtype)]
        j = torch.stack(columns, 1)
        gram, slope = j.T @ j, j.T @ r
        level = gram.diagonal().mean().clamp(min=1e-12)
        step = -torch.linalg.solve(gram + damping * level * torch.eye(len(p), dtype=p.dtype), slope)
        at = rows(p + step)
        if float(at.square().sum()) < float(r.square().sum()):
            p, r, damping = p + step, at, max(damping / 5, 1e-8)
            if float(step.norm()) < 1e-8:
                break
        else:
            damping *= 8
            if damping > 1e4:
                break
    at, c = moved(p)
    return Oriented(
        group, at, c, float(some_rows(known, _ROUGH).misfits(placed(_sample(group.elements), at), c).mean())
    )


def _sample(elements: Tensor) -> Tensor:
    """About twelve elements, evenly among them, without the identity."""
    if len(elements) == 1:
        return elements
    rest = elements[1:]
    return rest[:: max(1, len(rest) // 12)]


def halfway(found: Sequence[Oriented]) -> tuple[Oriented, float, float]:
    """The mean of what two halves of the rows say, and the standard errors of an axis (radian) and of the centre.

    Of a model that was given there is one, without an error.
    """
    first = found[0]
    if len(found) == 1:
        return first, 0.0, 0.0
    second = found[1]
    u, _, v = torch.linalg.svd(first.h + second.h)
    middle = Oriented(first.group, u @ v, (first.centre + second.centre) / 2, first.misfit)
    axes = torch.stack([axis[: len(first.h)] for _, axis in first.group.axes] or [*torch.eye(len(first.h)).double()])
    gap = (axes @ (first.h - second.h).T).square().sum(1)
    return middle, 0.5 * float(gap.mean().sqrt()), 0.5 * float((first.centre - second.centre).norm())


def spin_generators(d: int) -> Tensor:
    """Of the turns about x, y, z, or of the plane, ``(p, d, d)``."""
    if d == 2:
        return torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
    return torch.tensor(
        [[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]],
        dtype=torch.float64,
    )
