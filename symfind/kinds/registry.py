"""The kinds of data: what question a file poses, and the roles its datasets play (DESIGN §3).

A kind is an entry of :data:`KINDS`; reading one more layout of data adds an entry, not a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Set

import h5py

from symfind.data.mapping import RoleMapping
from symfind.data.rows import Rows, stored_rows
from symfind.kinds.kind import Arrays, Kind, Layout


def _by_row(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    del given
    return stored_rows(file, arrays)


def _flow(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    if len(arrays["x"].shape) > 2 and ("t" in arrays or given.axis is not None):
        return _along_time(file, arrays, given)
    return _by_row(file, {role: array for role, array in arrays.items() if role != "t"}, given)


def _along_time(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    from symfind.kinds.maps.rows import trajectory_rows  # scipy is slow to import, and rarely needed

    return trajectory_rows(file, arrays, given.axis)


def _images(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    from symfind.kinds.image.rows import image_rows

    del given
    return image_rows(file, arrays)


def _fields(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    from symfind.kinds.field.grid.rows import field_rows

    return field_rows(file, arrays, given)


def _operators(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    from symfind.kinds.operator.rows import operator_rows

    return operator_rows(file, arrays, given)


def _is_flow(arrays: Arrays, present: Set[str]) -> bool:
    return "x" in present and ("dx" in present or ("t" in present and "y" not in present))


def _has(*roles: str) -> Callable[[Arrays, Set[str]], bool]:
    return lambda arrays, present: present >= set(roles)


def _is_image(arrays: Arrays, present: Set[str]) -> bool:
    if not present >= {"x", "y"}:
        return False
    x, y = arrays["x"], arrays["y"]
    return len(x.shape) == 4 and len(y.shape) == 1 and "int" in y.dtype


# In the order in which they are tried on a file that does not say its kind: the more particular first.
KINDS: tuple[Kind, ...] = (
    Kind(
        "pairs",
        _has("x", "x_moved"),
        (Layout(("x", "x_moved"), ("t", "group"), _by_row),),
        (("the generators that carry each x to x_moved, and by which amounts", ""),),
    ),
    Kind(
        "map",
        _has("x", "x_next"),
        (Layout(("x", "x_next"), ("group",), _by_row),),
        (("maps that commute with one step of a discrete dynamics", ""),),
    ),
    Kind(
        "field",
        _has("u", "t"),
        (Layout(("u", "t", "x"), ("y", "group"), _fields),),
        (("Lie point symmetries of the differential equation that the fields obey, found from them", ""),),
        input_role="u",
        first_axis="t",
        labelled=lambda row: (len(row) - 1 + row[-1],),  # t, x[, y], and the components
    ),
    Kind(
        "operator",
        _has("x", "y", "grid_x"),  # without its grid it looks like a function: then only its attribute tells
        (Layout(("x", "y"), ("grid_x", "grid_y", "group"), _operators),),
        (("moves of the plane, and of channels, under which the map from x to y is equivariant", ""),),
        objects=False,
        first_axis="x",
        labelled=lambda row: (len(row) - 1,),  # x[, y]
    ),
    Kind(
        "flow",
        _is_flow,
        (Layout(("x", "dx"), ("t", "group"), _flow), Layout(("x", "t"), ("group",), _along_time)),
        (("point symmetries of dx/dt = F(x), with a rescaling of time", ""),),
    ),
    Kind(
        "image",
        _is_image,
        (Layout(("x", "y"), ("group",), _images), Layout(("x",), ("group",), _images)),
        (
            ("turns, shifts and scalings of the image that leave the labels valid, and how far", ""),
            ("changes of brightness, contrast and colour that do", " --space colour"),
        ),
        objects=False,
    ),
    Kind(
        "function",
        _has("x", "y"),
        (Layout(("x", "y"), ("group",), _by_row),),
        (
            ("fields along which y = F(x) moves with x, the action on y chosen by the data", ""),
            ("fields along which y does not change", " --output-action invariant"),
        ),
    ),
    Kind(
        "points",
        _has("x"),
        (Layout(("x",), ("group",), _by_row),),
        (
            ("flows that preserve the distribution of the points", ""),
            ("flows tangent to the set that the points lie on", " --method tangent"),
        ),
    ),
)
