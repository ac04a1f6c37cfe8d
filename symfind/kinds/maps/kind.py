"""Functions, maps and flows: F(x) is y, the next x, or dx/dt."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from symfind.kinds.kind import Arrays, Kind, Layout, has, rows_as_stored

if TYPE_CHECKING:
    import h5py

    from symfind.data.mapping import RoleMapping
    from symfind.data.rows import Rows
    from symfind.kinds.question import Question


def _flow(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    if len(arrays["x"].shape) > 2 and ("t" in arrays or given.axis is not None):
        return _along_time(file, arrays, given)
    return rows_as_stored(file, {role: array for role, array in arrays.items() if role != "t"}, given)


def _along_time(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    from symfind.kinds.maps.rows import trajectory_rows  # scipy is slow to import, and rarely needed

    return trajectory_rows(file, arrays, given.axis)


def _is_flow(arrays: Arrays, present: Set[str]) -> bool:
    del arrays
    return "x" in present and ("dx" in present or ("t" in present and "y" not in present))


def _of_function(output_type: str | None) -> Question:
    from symfind.kinds.maps.questions import function_question

    return function_question(output_type)


def _of_map(output_type: str | None) -> Question:
    from symfind.kinds.maps.questions import map_question

    del output_type
    return map_question()


def _of_flow(output_type: str | None) -> Question:
    from symfind.kinds.maps.questions import flow_question

    del output_type
    return flow_question()


FUNCTION = Kind(
    name="function",
    datasets="`x` (N, …), `y` (N, …) or (N)",
    recognised=has("x", "y"),
    layouts=(Layout(("x", "y"), ("group",), rows_as_stored),),
    questions=(
        ("fields along which y = F(x) moves with x, the action on y chosen by the data", ""),
        ("fields along which y does not change", " --output-action invariant"),
    ),
    question=_of_function,
    tensors=True,
    space="affine",
    promoted="values",
)

MAP = Kind(
    name="map",
    datasets="`x` (N, d), `x_next` (N, d)",
    recognised=has("x", "x_next"),
    layouts=(Layout(("x", "x_next"), ("group",), rows_as_stored),),
    questions=(("maps that commute with one step of a discrete dynamics", ""),),
    question=_of_map,
    space="affine",
    promoted="values",
    conserved="step",
)

FLOW = Kind(
    name="flow",
    datasets="`x` (N, d), `dx` (N, d); or `x` (R, T, d) with `t` (T) or (R, T)",
    recognised=_is_flow,
    layouts=(Layout(("x", "dx"), ("t", "group"), _flow), Layout(("x", "t"), ("group",), _along_time)),
    questions=(("point symmetries of dx/dt = F(x), with a rescaling of time", ""),),
    question=_of_flow,
    space="affine",
    promoted="values",
    conserved="rate",
    follows=True,
)
