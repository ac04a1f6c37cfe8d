"""Which algebras are tried: the classical groups in the user's coordinates, for one object and for several.

Axis letters: k objects of dimension d in a row, D = k·d, m outputs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.structure import (
    Block,
    Structure,
    SymmetricClass,
    Volumes,
    euclidean,
    minkowski,
    symplectic,
)

# All subsets of axes are tried up to here; beyond, only runs of neighbouring axes, whose number grows as a square.
_SUBSETS = 4
# Dimensions of one vector among several in a row of one object: planes and space.
_COPIES = (2, 3)
# Differences of all pairs are tried of so many coordinates: of more, splines in each have more unknowns than rows.
_PAIRED = 8
# More volumes than five vectors span are more numbers than the coordinates that they are made of.
_MOST_VOLUMES = 10

# The name of the class of all functions.
NOTHING = "no symmetry"


@dataclass(frozen=True)
class Shape:
    """What the rows look like.

    Attributes
    ----------
    objects
        (k, d).
    outputs
        m, all outputs of a row.
    vectors
        Whether y may hold vectors of x's space: it is turned by dξ, or by an unknown matrix.
    moved_with
        Whether it must: --output-action same, a flow, a map.
    shifts
        Whether the space has constant fields.
    matrices
        Whether it has fields that are not constant.
    """

    objects: tuple[int, int]
    outputs: int
    vectors: bool
    moved_with: bool
    shifts: bool
    matrices: bool = True

    @property
    def width(self) -> int:
        """D."""
        return self.objects[0] * self.objects[1]


def _view(groups: Sequence[Sequence[int]], width: int) -> Tensor:
    """L ``(q, b, D)`` that picks coordinates."""
    eye = torch.eye(width, dtype=torch.float64)
    return torch.stack([eye[list(group)] for group in groups])


def _differences(view: Tensor) -> Tensor:
    q = view.shape[0]
    return torch.stack([view[a] - view[b] for a in range(q) for b in range(a + 1, q)])


def _pairwise(eye: Tensor, places: Sequence[int]) -> Tensor:
    """x_i − x_j of all pairs."""
    return torch.stack([eye[i] - eye[j] for i, j in itertools.combinations(places, 2)])


def _rows(indices: Sequence[int], width: int) -> Tensor:
    return torch.eye(width, dtype=torch.float64)[list(indices)].reshape(-1, width)


def _slots(groups: Sequence[Sequence[int]], m: int) -> Tensor:
    """``(t, m, b)``: outputs that stand as a group of coordinates does."""
    return torch.stack([torch.eye(m, dtype=torch.float64)[:, list(group)] for group in groups])


def _forms(b: int, several: bool, free: bool) -> Iterator[tuple[str, Tensor, bool]]:
    """Names, forms, and whether cross products go with them."""
    yield f"so({b})", euclidean(b), b in (2, 3)
    if b == 2:
        yield "so(1,1)", minkowski(2, [0]), False
    if b >= 3:
        for t in range(b):
            yield f"so(1,{b - 1}), axis {t + 1} apart", minkowski(b, [t]), False
    if b == 4:
        for t in (1, 2, 3):
            yield f"so(2,2), axes 1 and {t + 1} apart", minkowski(4, [0, t]), False
    if several and free and b % 2 == 0:
        yield ("sl(2)" if b == 2 else f"sp({b})"), symplectic(b, False), False
        if b > 2:
            yield f"sp({b}), pairs of neighbours", symplectic(b, True), False


def _output_groups(shape: Shape, groups: Sequence[Sequence[int]]) -> list[list[int]] | None:
    """Where vectors like those of ``groups`` of the first object stand in y; None if y cannot hold them."""
    d, m = shape.objects[1], shape.outputs
    if not shape.vectors or m % d:
        return None
    own = [list(group) for group in groups if max(group) < d]
    return [[start + i for i in group] for start in range(0, m, d) for group in own]


def _with_outputs(
    shape: Shape, name: str, blocks: Sequence[tuple[Sequence[Sequence[int]], Block]], scalars: Tensor
) -> Iterator[Structure]:
    """The structure with outputs that turn, and with outputs that do not."""
    m = shape.outputs
    if shape.vectors:
        taken: list[int] = []
        turned: list[Block] = []
        for groups, block in blocks:
            places = _output_groups(shape, groups)
            if places is None:
                turned = []
                break
            taken += [i for place in places for i in place]
            turned.append(Block(block.view, block.form, block.centre, block.squares, block.crossed, _slots(places, m)))
        if turned:
            rest = [i for i in range(m) if i not in taken]
            yield Structure(name, tuple(turned), scalars, _rows(rest, m))
    if not shape.moved_with or not blocks:
        plain = tuple(block for _, block in blocks)
        yield Structure(name, plain, scalars, torch.eye(m, dtype=torch.float64))


def general(shape: Shape) -> Structure:
    """Functions of all coordinates: no symmetry."""
    eye = torch.eye(shape.outputs, dtype=torch.float64)
    return Structure(NOTHING, (), torch.eye(shape.width, dtype=torch.float64), eye)


def catalogue(shape: Shape, fixed: Sequence[int] = ()) -> list[SymmetricClass]:
    """Structures to try; the coordinates ``fixed`` of an object (categories) are scalars in all of them."""
    d = shape.objects[1]
    free = [i for i in range(d) if i not in fixed]
    out: list[SymmetricClass] = []
    if shape.matrices and len(free) >= 2:
        out.extend(_volumes(shape, fixed))
        out.extend(_on_axes(shape, free, ""))
        for axes in _subsets(free):
            out.extend(_on_axes(shape, axes, f" of axes {' '.join(str(i + 1) for i in axes)}"))
        if not fixed:
            for b in _COPIES:
                if d % b == 0 and d > b:
                    out.extend(_copies(shape, b))
    if shape.shifts:
        out.extend(_translations(shape, free))
    return out


def _on_axes(shape: Shape, axes: Sequence[int], where: str) -> Iterator[Structure]:
    """The groups that preserve a form on some axes of every object, with and without translations."""
    k, d = shape.objects
    width = shape.width
    rest = _rows([a * d + i for a in range(k) for i in range(d) if i not in axes], width)
    groups = [[a * d + i for i in axes] for a in range(k)]
    view = _view(groups, width)
    for apart in (False, True) if shape.shifts and k > 1 else (False,):
        for form_name, form, crossed in _forms(len(axes), k > 1, len(axes) in (d, 2)):
            skew = bool((form == -form.T).all())
            vectors = view if not apart else view[:-1] - view[-1:] if skew else _differences(view)
            if skew and vectors.shape[0] < 2:
                continue  # an area needs two vectors
            block = Block(vectors, form, None, apart and not skew, crossed)
            title = f"{form_name}{' with translations' if apart else ''}{where}"
            yield from _with_outputs(shape, title, [(groups, block)], rest)
    if k > 2 and len(axes) == d and not shape.vectors:
        # The same invariants as distances, of one sign each: energies of pairs are sums of functions of one.
        block = Block(torch.cat([view, _differences(view)]), euclidean(d), None, True)
        yield from _with_outputs(shape, f"so({d}), by distances", [(groups, block)], rest)


def _volumes(shape: Shape, fixed: Sequence[int]) -> Iterator[SymmetricClass]:
    """sl(b) of at least b vectors in space, b > 2: in the plane volumes are areas, a form as others are."""
    k, d = shape.objects
    if shape.vectors or fixed:
        return
    constants, empty = torch.eye(shape.outputs, dtype=torch.float64), _rows([], shape.width)
    eye = torch.eye(shape.width, dtype=torch.float64)
    if k > 1 and d > 2:
        view = eye.reshape(k, d, -1)
        if _MOST_VOLUMES >= math.comb(k, d) > 0:
            yield Volumes(f"sl({d})", view, empty, constants)
        if shape.shifts and _MOST_VOLUMES >= math.comb(k - 1, d) > 0:
            yield Volumes(f"sl({d}) with translations", view[:-1] - view[-1:], empty, constants)
    elif k == 1 and d % 3 == 0 and _MOST_VOLUMES >= math.comb(d // 3, 3) > 0:
        c = d // 3
        yield Volumes(f"volumes of {c} vectors, stacked", eye.reshape(c, 3, d), empty, constants)
        if c > 3:  # a determinant is that of the transpose, and keeps sl(3) from both sides
            yield Volumes(
                f"volumes of {c} vectors, interleaved", eye.reshape(3, c, d).transpose(0, 1), empty, constants
            )


def _subsets(free: Sequence[int]) -> list[tuple[int, ...]]:
    """Axes that turn among themselves while the others stay."""
    if len(free) <= _SUBSETS:
        return [s for b in range(2, len(free)) for s in itertools.combinations(free, b)]
    return [tuple(free[i : i + b]) for b in (2, 3) for i in range(len(free) - b + 1)]


def _copies(shape: Shape, b: int) -> Iterator[Structure]:
    """One object made of c vectors of dimension b: positions and velocities, several bodies in a row."""
    k, d = shape.objects
    c, width = d // b, shape.width
    empty = _rows([], width)
    for order in ("stacked", "interleaved") if b != c or b > 1 else ("stacked",):
        inside = [[j * b + i if order == "stacked" else i * c + j for i in range(b)] for j in range(c)]
        groups = [[a * d + i for i in group] for a in range(k) for group in inside]
        view = _view(groups, width)
        name = f"{c} vectors, {order}"
        for form_name, form, crossed in _forms(b, True, True):
            yield from _with_outputs(
                shape, f"{form_name} on {name}", [(groups, Block(view, form, None, False, crossed))], empty
            )
        if b == 3:  # in a field along an axis, gravity or a magnet's, all turn about it alone
            for pair in itertools.combinations(range(3), 2):
                flat = [[group[i] for i in pair] for group in groups]
                along = [i for i in range(width) if not any(i in group for group in flat)]
                block = Block(_view(flat, width), euclidean(2), None, False, True)
                where = " ".join(str(i + 1) for i in pair)
                yield from _with_outputs(
                    shape, f"so(2) of axes {where} on {name}", [(flat, block)], _rows(along, width)
                )
        if c == 2:
            halves = [[group for a in range(k) for group in [[a * d + i for i in inside[j]]]] for j in (0, 1)]
            blocks = [(half, Block(_view(half, width), euclidean(b), None, False, b in (2, 3))) for half in halves]
            yield from _with_outputs(shape, f"so({b}) + so({b}) on {name}", blocks, empty)
        if shape.shifts and c % 2 == 0 and c >= 4 and k == 1:
            places = c // 2
            moving = torch.cat([_differences(view[:places]), view[places:]])
            block = Block(moving, euclidean(b), None, False, b in (2, 3))
            yield from _with_outputs(shape, f"e({b}) on {places} positions and velocities", [(groups, block)], empty)


def _translations(shape: Shape, free: Sequence[int]) -> Iterator[Structure]:
    """Functions of differences."""
    k, d = shape.objects
    width = shape.width
    if k > 1:
        eye = torch.eye(width, dtype=torch.float64).reshape(k, d, width)
        moved = (eye[:-1] - eye[-1:])[:, list(free)].reshape(-1, width)
        still = _rows([a * d + i for a in range(k) for i in range(d) if i not in free], width)
        yield from _with_outputs(shape, "translations of all objects", [], torch.cat([moved, still]))
        return
    if not shape.moved_with:
        return  # along a translation a function of one object is constant: a blind direction
    for i in free:
        yield from _with_outputs(
            shape, f"translation along axis {i + 1}", [], _rows([j for j in range(d) if j != i], width)
        )
    if len(free) > 1:
        eye = torch.eye(width, dtype=torch.float64)
        others = _rows([j for j in range(d) if j not in free], width)
        common = torch.cat([eye[list(free[:-1])] - eye[free[-1]], others])
        yield from _with_outputs(shape, "common translation of all coordinates", [], common)
        if 2 < len(free) <= _PAIRED:
            # The same invariants as differences of all pairs: couplings are sums of functions of one.
            pairs = torch.cat([_pairwise(eye, free), others])
            yield from _with_outputs(shape, "common translation of all coordinates, by differences", [], pairs)
        if d % 2 == 0 and 4 <= d <= 2 * _PAIRED and len(free) == d:
            for order, moving in (("first half", range(d // 2)), ("odd coordinates", range(0, d, 2))):
                rest = [j for j in range(d) if j not in moving]
                pairs = torch.cat([_pairwise(eye, moving), eye[rest]])
                yield from _with_outputs(shape, f"common translation of the {order}", [], pairs)
        for size in (2, 3):
            if d % size == 0 and d > size and len(free) == d:
                per = d // size
                for step in (1, per):
                    places = [
                        [j * size + i for j in range(per)] if step == 1 else [i * per + j for j in range(per)]
                        for i in range(size)
                    ]
                    rows = [eye[p[:-1]] - eye[p[-1]] for p in places]
                    yield from _with_outputs(shape, f"translations of {per} points", [], torch.cat(rows))
