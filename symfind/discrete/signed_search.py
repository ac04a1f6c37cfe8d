"""All signed permutations g with F(gx) = B F(x), by branch and bound: generators of the group, not its elements.

F is expanded in Hermite functions of x/s, orthonormal under a normal measure that every signed permutation preserves.
In them g permutes the coefficients with signs, so that the coefficients whose coordinates have an image already give a
lower bound of ρ_g². For every level i one g is sought that fixes the coordinates before i and takes i to each place
that the group found so far does not reach (Sims 1970): at most 2d² searches, and their g generate the whole group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from symfind.discrete.settings import SETTINGS
from symfind.fields.polynomial import monomial_exponents

Image = tuple[int, int]  # coordinate i becomes coordinate σ(i) times ±1
Element = tuple[Image, ...]

MOST_COORDINATES = 8
_MOST_FUNCTIONS = 500
_DEGREE = 4
# Complete candidates tried in one search before it is given up: they passed the bound and failed the data.
_MOST_LEAVES = 64


class Settled(Protocol):
    """By how much g moves what is known of F, as far as the images of the first coordinates settle it.

    Attributes
    ----------
    most
        A branch that differs by more is cut.
    """

    most: float

    def differs(self, images: Element, sign: int) -> float:
        """What the last image adds."""
        ...


class Expanded(Protocol):
    """F in functions that signed permutations permute."""

    def settled(self, d: int) -> Settled:
        """The bound for g on d coordinates."""
        ...


@dataclass(frozen=True)
class Expansion:
    """Coefficients of F in Hermite functions of one object's coordinates and, for vectors, of its components.

    Attributes
    ----------
    coefficients
        α and output component → value; component −1 where outputs do not turn with x.
    size
        Their sum of squares.
    noise
        The sum of squares that sampling alone gives a difference of all coefficients.
    """

    coefficients: dict[tuple[tuple[int, ...], int, int], float]
    size: float
    noise: float = 0.0

    def settled(self, d: int) -> Settled:
        """Σ (c_gα ε^α − B c_α)²."""
        return _Coefficients(self, d)


def expansion(x: Tensor, value: Tensor, objects: tuple[int, int], turning: bool) -> Expansion:
    """Least squares of values ``(n, M)`` at x ``(n, k·d)``; ``turning`` outputs have components of x's own space."""
    d = objects[1]
    exponents, columns = hermite(x)
    solved = torch.linalg.lstsq(columns, value, driver="gelsd").solution  # (q, M)
    # What the expansion does not hold leaves errors on its coefficients, larger ones where it is large.
    left = (value - columns @ solved).square().sum(1)
    noise = 2 * float(columns.square().sum(1) @ left) / len(x) ** 2
    if not turning:
        varying = exponents.sum(1) > 0
        exponents, solved = exponents[varying], solved[varying]
    found = {}
    for alpha, row in zip(exponents.tolist(), solved.tolist(), strict=True):
        for component, entry in enumerate(row):
            place, axis = divmod(component, d) if turning else (component, -1)
            found[(tuple(alpha), place, axis)] = entry
    return Expansion(found, float(solved.square().sum()), noise)


def moments(x: Tensor) -> Expansion:
    """Means of Hermite functions over points ``(n, k·d)``: the coefficients of their density."""
    exponents, columns = hermite(x)
    mean = columns.mean(0)
    found = {(tuple(a), 0, -1): m for a, m in zip(exponents.tolist(), mean.tolist(), strict=True) if any(a)}
    noise = 2 * float(columns.var(0).sum()) / len(x)
    return Expansion(found, sum(m * m for m in found.values()), noise)


def hermite(x: Tensor) -> tuple[Tensor, Tensor]:
    """Exponents ``(q, D)`` and orthonormal Hermite functions ``(n, q)`` of x over its root mean square."""
    n, width = x.shape
    degree = _DEGREE
    while degree > 1 and math.comb(width + degree, degree) > min(_MOST_FUNCTIONS, n // 4):
        degree -= 1
    exponents = monomial_exponents(width, 0, degree)
    z = x / x.square().mean().sqrt()
    ladder = [torch.ones_like(z), z]
    for i in range(1, degree):
        ladder.append((z * ladder[i] - math.sqrt(i) * ladder[i - 1]) / math.sqrt(i + 1))
    table = torch.stack(ladder)  # (degree + 1, n, width)
    columns = torch.ones(n, len(exponents), dtype=x.dtype)
    for b in range(width):
        columns = columns * table[exponents[:, b], :, b].T
    return exponents, columns


def generators(
    expanded: Expanded, objects: tuple[int, int], signs: Sequence[int], accepted: Callable[[Element, int], bool]
) -> tuple[list[tuple[Element, int]], int]:
    """Generators (g, sign of B) of the group, and its order; ``accepted`` is asked for complete candidates."""
    d = objects[1]
    search = _Search(expanded.settled(d), d, accepted)
    found: list[tuple[Element, int]] = []
    order = 1
    for level in range(d - 1, -1, -1):
        fixed: Element = tuple((i, 1) for i in range(level))
        reached = _orbit(level, [g for g, _ in found])
        for image in [(level, -1), *((j, s) for j in range(level + 1, d) for s in (1, -1))]:
            if image in reached:
                continue
            element = search.first((*fixed, image), 1)
            if element is not None:
                found.append((element, 1))
                reached = _orbit(level, [g for g, _ in found])
        order *= len(reached)
    if -1 in signs:
        element = search.first((), -1)
        if element is not None:
            found.append((element, -1))
            order *= 2
    return found, order


def _orbit(start: int, group: Sequence[Element]) -> set[Image]:
    """Places ±j that signed permutations take +start to."""
    reached, fresh = {(start, 1)}, [(start, 1)]
    while fresh:
        i, sign = fresh.pop()
        for g in group:
            j, s = g[i]
            image = (j, s * sign)
            if image not in reached:
                reached.add(image)
                fresh.append(image)
    return reached


class _Search:
    """Depth first over images of the coordinates, cut where the coefficients already differ too much."""

    def __init__(self, settled: Settled, d: int, accepted: Callable[[Element, int], bool]) -> None:
        self._d, self._settled, self._accepted = d, settled, accepted

    def first(self, start: Element, sign: int) -> Element | None:
        """The first complete element that begins with ``start`` and is accepted."""
        self._leaves, spent = 0, 0.0
        for i in range(len(start)):
            spent += self._settled.differs(start[: i + 1], sign)
        return self._deeper(start, spent, sign) if spent <= self._settled.most else None

    def _deeper(self, images: Element, spent: float, sign: int) -> Element | None:
        if len(images) == self._d:
            self._leaves += 1
            return images if self._accepted(images, sign) else None
        taken = {j for j, _ in images}
        options = []
        for j in range(self._d):
            if j not in taken:
                for s in (1, -1):
                    following: Element = (*images, (j, s))
                    more = spent + self._settled.differs(following, sign)
                    if more <= self._settled.most:
                        options.append((more, following))
        for more, following in sorted(options):
            found = self._deeper(following, more, sign)
            if found is not None or self._leaves >= _MOST_LEAVES:
                return found
        return None


class _Coefficients:
    """Coefficients of F, permuted with signs."""

    def __init__(self, expanded: Expansion, d: int) -> None:
        self._d, self._c = d, expanded.coefficients
        self.most = 2 * SETTINGS.cut * expanded.size + 3 * expanded.noise
        # Coefficients by the last coordinate that they ask for.
        self._levels: list[list[tuple[tuple[int, ...], int, int]]] = [[] for _ in range(d)]
        for key in self._c:
            alpha, _, axis = key
            last = max([b % d for b, a in enumerate(alpha) if a] + [axis], default=-1)
            self._levels[max(last, 0)].append(key)

    def differs(self, images: Element, sign: int) -> float:
        """Σ (c_gα ε^α − B c_α)² over the coefficients that the last image settles."""
        total = 0.0
        for key in self._levels[len(images) - 1]:
            alpha, place, axis = key
            moved, factor = [0] * len(alpha), 1
            for b, power in enumerate(alpha):
                if power:
                    image, flip = images[b % self._d]
                    moved[b - b % self._d + image] = power
                    factor *= flip**power
            other, turned = axis, sign
            if axis >= 0:
                other, flip = images[axis]
                turned = sign * flip
            total += (factor * self._c[(tuple(moved), place, other)] - turned * self._c[key]) ** 2
        return total
