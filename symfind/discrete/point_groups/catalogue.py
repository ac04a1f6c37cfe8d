"""The finite subgroups of O(2) and O(3), and the axial and full rotations, in canonical axes.

Main axis z, a twofold axis or the normal of a mirror along x; of T, O and I the twofold or fourfold axes are x, y, z.
Names are those of Schoenflies and of Hermann and Mauguin, a bar written as a minus sign before its number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from symfind.discrete.finite import closure

# Turns of more than eight steps are tried in the plane alone: in space nothing but the axial limit is told from them.
MOST_FOLD = 8
MOST_FOLD_IN_THE_PLANE = 12
# A share of a turn that no small number of steps brings back: it stands for all turns of an axis.
_GOLDEN = (3 - math.sqrt(5)) / 2
# The axial limit averages over so many turns: functions of fewer oscillations about an axis are averaged exactly.
_MANY = 24
# Random elements that stand for all rotations of space, the same ones always.
_HAAR = 96


@dataclass(frozen=True)
class Element:
    """(−1)^σ times the turn by ``angle`` about ``axis``.

    Attributes
    ----------
    axis
        Unit vector, ``(3,)``.
    angle
        In radian.
    improper
        Whether it is followed by the inversion: a mirror is the half turn about its normal, inverted.
    """

    axis: tuple[float, float, float]
    angle: float
    improper: bool = False

    @property
    def kind(self) -> tuple[float, bool]:
        """What it is but for its axis; the inversion has none."""
        return (round(self.angle, 9), self.improper)

    @property
    def matrix(self) -> Tensor:
        """``(3, 3)``."""
        return turn(torch.tensor(self.axis, dtype=torch.float64), self.angle) * (-1 if self.improper else 1)


@dataclass(frozen=True)
class PointGroup:
    """A group in canonical axes.

    Attributes
    ----------
    schoenflies, hermann_mauguin
        Names.
    generators
        Elements that generate it.
    continuous
        Whether it stands for a continuous group, of which ``elements`` is a part that averages alike.
    """

    schoenflies: str
    hermann_mauguin: str
    generators: tuple[Element, ...]
    continuous: bool = False

    @cached_property
    def elements(self) -> Tensor:
        """``(|G|, 3, 3)``, the identity among them."""
        if not self.generators:
            return torch.eye(3, dtype=torch.float64)[None]
        if self.schoenflies.startswith("K"):
            return _rotations(self.schoenflies == "Kh")
        steps = [Element(g.axis, 2 * math.pi / _MANY) if g.angle == GOLDEN else g for g in self.generators]
        found = closure([g.matrix for g in steps])
        assert found is not None
        return found

    @property
    def order(self) -> int | None:
        """|G|; None of a continuous one."""
        return None if self.continuous else len(self.elements)

    @cached_property
    def axes(self) -> tuple[tuple[int, Tensor], ...]:
        """(n, u): axes of turns with their largest n, then the normals of mirrors as (−2, u); n = 0 turns by any."""
        if self.schoenflies.startswith("K"):
            return ()
        folds: dict[tuple[float, ...], list[float]] = {}
        mirrors: dict[tuple[float, ...], None] = {}
        for g in self.elements:
            proper = float(torch.linalg.det(g)) > 0
            trace = float(g.trace())
            if proper and trace < 3 - 1e-6:
                folds.setdefault(_axis(g), []).append(trace)
            elif not proper and abs(trace - 1) < 1e-6:
                mirrors[_axis(-g)] = None
        out = [(len(turns) + 1, torch.tensor(u, dtype=torch.float64)) for u, turns in folds.items()]
        out = [(0 if self.continuous and n >= _MANY else n, u) for n, u in out]
        out.sort(key=lambda one: -(one[0] or _MANY))
        return (*out, *((-2, torch.tensor(u, dtype=torch.float64)) for u in mirrors))


GOLDEN = 2 * math.pi * _GOLDEN


def turn(axis: Tensor, angle: float | Tensor) -> Tensor:
    """The turn about unit vectors ``(…, 3)`` by an angle: 1 + sin θ [u] + (1 − cos θ)[u]² (Rodrigues)."""
    zero = torch.zeros_like(axis[..., 0])
    x, y, z = axis.unbind(-1)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*axis.shape[:-1], 3, 3)
    angle = torch.as_tensor(angle, dtype=axis.dtype)
    eye = torch.eye(3, dtype=axis.dtype)
    return eye + angle.sin()[..., None, None] * cross + (1 - angle.cos())[..., None, None] * cross @ cross


def _axis(g: Tensor) -> tuple[float, ...]:
    """The axis of a proper turn, of the two signs the one whose last entry that is not zero is positive."""
    values, vectors = torch.linalg.eigh((g + g.T) / 2)
    u = vectors[:, int((values - 1).abs().argmin())]
    last = u[u.abs() > 1e-6][-1]
    return tuple((torch.round(u * last.sign(), decimals=6) + 0.0).tolist())


def _rotations(improper: bool) -> Tensor:
    q = torch.randn(_HAAR, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    q = q / q.norm(dim=1, keepdim=True)
    half = q[:, 0].clamp(-1, 1).acos()
    axis = q[:, 1:] / q[:, 1:].norm(dim=1, keepdim=True)
    found = torch.cat([torch.eye(3, dtype=torch.float64)[None], turn(axis, 2 * half)])
    return torch.cat([found, -found]) if improper else found


_X, _Z = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
_INVERSION = Element(_Z, 0.0, True)
_DIAGONAL = (1 / math.sqrt(3),) * 3


def _in_plane(angle: float) -> tuple[float, float, float]:
    return (math.cos(angle), math.sin(angle), 0.0)


def _axial(n: int) -> list[PointGroup]:
    """Groups of an n-fold axis; n = 0 is the limit of all turns about it."""
    label = str(n) if n else "∞"
    spin = [Element(_Z, 2 * math.pi / n if n else GOLDEN)] if n != 1 else []
    flat, side, half = Element(_Z, math.pi, True), Element(_X, math.pi, True), Element(_X, math.pi)
    even = n % 2 == 0
    limit = n == 0

    def group(schoenflies: str, mauguin: str, *more: Element) -> PointGroup:
        return PointGroup(schoenflies, mauguin, (*spin, *more), limit)

    out = []
    if n != 1:
        out.append(group(f"C{label}", label))
        out.append(group(f"C{label}h", f"{label}/m" if even else f"-{2 * n}", flat))
        names = {0: "∞m", 2: "mm2"}
        out.append(group(f"C{label}v", names.get(n, f"{n}mm" if even else f"{n}m"), side))
        names = {0: "∞2", 2: "222"}
        out.append(group(f"D{label}", names.get(n, f"{n}22" if even else f"{n}2"), half))
        names = {0: "∞/mm", 2: "mmm"}
        out.append(group(f"D{label}h", names.get(n, f"{n}/mmm" if even else f"-{2 * n}m2"), half, flat))
    if n > 1:
        between = Element(_in_plane(math.pi / 2 + math.pi / (2 * n)), math.pi, True)
        out.append(group(f"D{n}d", f"-{2 * n}2m" if even else f"-{n}m", half, between))
        roto = _INVERSION if not even else Element(_Z, math.pi / n + math.pi, True)
        out.append(group(f"S{2 * n}", f"-{2 * n}" if even else f"-{n}", roto))
    if n == 1:
        out += [PointGroup("C1", "1", ()), PointGroup("Ci", "-1", (_INVERSION,)), PointGroup("Cs", "m", (flat,))]
    return out


def _cubic() -> list[PointGroup]:
    half, third, quarter = Element(_Z, math.pi), Element(_DIAGONAL, 2 * math.pi / 3), Element(_Z, math.pi / 2)
    golden = (1 + math.sqrt(5)) / 2
    length = math.hypot(1.0, golden)
    fifth = Element((0.0, 1.0 / length, golden / length), 2 * math.pi / 5)
    slant = Element((math.sqrt(0.5), math.sqrt(0.5), 0.0), math.pi, True)
    return [
        PointGroup("T", "23", (half, third)),
        PointGroup("Td", "-43m", (half, third, slant)),
        PointGroup("Th", "m-3", (half, third, _INVERSION)),
        PointGroup("O", "432", (quarter, third)),
        PointGroup("Oh", "m-3m", (quarter, third, _INVERSION)),
        PointGroup("I", "532", (fifth, third)),
        PointGroup("Ih", "-5-3m", (fifth, third, _INVERSION)),
    ]


@lru_cache(1)
def point_groups() -> tuple[PointGroup, ...]:
    """All groups of space, the largest first: K_h, K, D_∞h, …, I_h, O_h, …, C_1."""
    spins = (Element(_Z, GOLDEN), Element(_X, GOLDEN))
    every = [PointGroup("K", "∞∞", spins, True), PointGroup("Kh", "∞∞m", (*spins, _INVERSION), True), *_cubic()]
    for n in range(MOST_FOLD + 1):
        every += _axial(n)
    return tuple(sorted(every, key=lambda g: (-_size(g), g.schoenflies)))


def _size(group: PointGroup) -> int:
    """|G|, of the continuous ones above all others and in the order of inclusion."""
    if not group.continuous:
        return len(group.elements)
    return 10**6 * (2 if group.schoenflies.startswith("K") else 1) + len(group.elements)


@lru_cache(1)
def plane_groups() -> tuple[PointGroup, ...]:
    """All groups of the plane, as their likes in space, the largest first: O(2), SO(2), D_12, C_12, …, C_1."""
    side = Element(_X, math.pi, True)
    spin = Element(_Z, GOLDEN)
    every = [PointGroup("C∞v", "∞m", (spin, side), True), PointGroup("C∞", "∞", (spin,), True)]
    for n in range(MOST_FOLD_IN_THE_PLANE, 1, -1):
        turned = Element(_Z, 2 * math.pi / n)
        name = {2: "2mm"}.get(n, f"{n}mm" if n % 2 == 0 else f"{n}m")
        every += [PointGroup(f"C{n}v", name, (turned, side)), PointGroup(f"C{n}", str(n), (turned,))]
    every += [PointGroup("Cs", "m", (side,)), PointGroup("C1", "1", ())]
    return tuple(sorted(every, key=lambda g: (-_size(g), g.schoenflies)))
