"""ρ_in and ρ_out, where the user names none: those the shapes allow, and of them the ones the model obeys best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from symfind.equivariance.coordinates import changed, in_coordinates
from symfind.equivariance.equivariance import Equivariance, Function, equivariance_error, spread
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import CompactGroup, Group
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import Representation, data_shape, natural_representation, trivial

# Pairs of an element and a row on which a candidate is judged: it is to be told from others, not measured.
_PAIRS = 48
# A later candidate must be plainly better than an earlier one, which is the more usual reading of the shapes.
_PLAINLY = 0.9


@dataclass(frozen=True)
class Inferred:
    """What was asked of the model, and how that was found.

    Attributes
    ----------
    task
        Group and representations.
    messages
        What was chosen for the user, and what against.
    """

    task: Equivariance
    messages: tuple[str, ...]


def inferred_task(
    function: Function,
    x: Tensor,
    output_shape: tuple[int, ...],
    group: Group,
    coordinates: Tensor | None,
    rep_in: str | None,
    rep_out: str | None,
    rng: torch.Generator,
) -> Inferred:
    """The representations named by the user, else those among the shapes' candidates under which the defect is least.

    Parameters
    ----------
    function
        F on rows.
    x
        Rows ``(n, *input_shape)``.
    output_shape
        Of one row of F(x).
    group, coordinates
        G, and T where V(g) = T⁻¹ g T.
    rep_in, rep_out
        Formulas, or None.
    rng
        Of the elements that candidates are judged on.

    Raises
    ------
    UsageError
        A formula that does not fit, or no candidate of the right dimension.
    """
    input_shape = tuple(x.shape[1:])
    sources = _given(group, coordinates, rep_in) or list(_candidates(group, coordinates, input_shape))
    targets = _given(group, coordinates, rep_out)
    if not targets:
        targets = [("invariant", trivial(group, prod(output_shape)))]
        targets += _candidates(group, coordinates, output_shape)
    if not sources:
        unit = prod(data_shape(group))
        raise UsageError(
            f"{group.name} acts on rows of {unit} numbers, and the model takes rows of shape {input_shape}; "
            "give --rep-in, or a group of that dimension"
        )
    tasks = [
        (f"{source_name} → {target_name}", Equivariance(group, source, target, input_shape, output_shape, coordinates))
        for source_name, source in sources
        for target_name, target in targets
    ]
    if len(tasks) == 1:
        return Inferred(tasks[0][1], () if rep_in and rep_out else (_sentence(tasks[0][0]),))
    rows = x[:_PAIRS]
    unit_of_error = spread(function(rows))
    state = rng.get_state()
    errors = []
    for _, task in tasks:
        rng.set_state(state)  # every candidate sees the same elements
        elements = task.fresh_elements(_PAIRS, rng)
        errors.append(equivariance_error(function, task, rows, elements, unit_of_error).rms)
    best = 0
    for i, error in enumerate(errors):
        if error < _PLAINLY * errors[best]:
            best = i
    judged = [f"{name} {error:.3g}" for (name, _), error in zip(tasks, errors, strict=True)]
    others = ", ".join(judged[:best] + judged[best + 1 :])
    return Inferred(
        tasks[best][1],
        (f"{_sentence(tasks[best][0])}; relative defect {errors[best]:.3g}, of the others: {others}",),
    )


def _sentence(name: str) -> str:
    return f"representations inferred: {name}"


def _given(group: Group, coordinates: Tensor | None, text: str | None) -> list[tuple[str, Representation]]:
    if text is None:
        return []
    return [(text, in_coordinates(parse_representation(group, text), coordinates))]


def _candidates(
    group: Group, coordinates: Tensor | None, shape: tuple[int, ...]
) -> Iterator[tuple[str, Representation]]:
    """Representations on rows of a shape, the most usual first."""
    if coordinates is not None:
        if prod(shape) % group.degree == 0:
            count = prod(shape) // group.degree
            yield f"{count} vectors", count * changed(group, coordinates)
        return
    if group.is_permutation and not group.factors:
        yield from _permuted_axes(group, shape)
        return
    if _turns_images(group, shape):
        channels, (height, width) = prod(shape[:-2]), shape[-2:]
        yield (
            f"{channels} images {height} x {width}",
            trivial(group, channels) * parse_representation(group, f"image({height},{width})"),
        )
    unit = prod(data_shape(group))
    if prod(shape) and prod(shape) % unit == 0 and not (len(shape) > 2 and shape[-1] > unit):
        rep = natural_representation(group, shape)
        yield str(rep), rep


def _permuted_axes(group: Group, shape: tuple[int, ...]) -> Iterator[tuple[str, Representation]]:
    """V on one axis of the row; of a flat row, objects one after the other, or coordinates one after the other."""
    n, v = group.degree, natural_representation(group, (group.degree,))
    if len(shape) == 1 and shape[0] % n == 0 and shape[0] > n:
        rest = trivial(group, shape[0] // n)
        yield f"{n} objects of {shape[0] // n} numbers", v * rest
        yield f"{shape[0] // n} coordinates of {n} objects", rest * v
        return
    for axis, size in enumerate(shape):
        if size == n:
            before, after = trivial(group, prod(shape[:axis])), trivial(group, prod(shape[axis + 1 :]))
            yield f"axis {axis} of {shape} permuted", before * v * after


def _turns_images(group: Group, shape: tuple[int, ...]) -> bool:
    if len(shape) < 2 or min(shape[-2:]) < 3 or not isinstance(group, CompactGroup) or not group.is_finite:
        return False
    integral = bool(((group.components == 0) | (group.components.abs() == 1)).all())
    swaps = group.degree == 2 and bool((group.components[:, 0, 1] != 0).any())
    return group.degree == 2 and integral and (shape[-1] == shape[-2] or not swaps)
