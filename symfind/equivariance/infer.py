"""ρ_in and ρ_out, where the user names none: those the shapes allow, and of them the ones the model obeys best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from symfind.equivariance.coordinates import in_coordinates
from symfind.equivariance.equivariance import Equivariance, Function, equivariance_error, spread
from symfind.equivariance.settings import SETTINGS
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import CompactGroup, Group
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import Representation, data_shape

# Pairs of an element and a row on which a candidate is judged: it is to be told from others, not measured.
_PAIRS = 48


@dataclass(frozen=True)
class Inferred:
    """What was asked of the model, and how that was found.

    Attributes
    ----------
    task
        Group and representations.
    messages
        What was chosen for the user, and what against.
    doubt
        The two best guesses as options, with their defects, where the model obeys none of several; else empty.
    """

    task: Equivariance
    messages: tuple[str, ...]
    doubt: tuple[str, ...] = ()


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
    sources = [rep_in] if rep_in else list(dict.fromkeys(usual_of_rows(group, input_shape)))
    targets = [rep_out] if rep_out else list(dict.fromkeys(_of_values(group, output_shape)))
    if not sources:
        raise UsageError(_no_source(group, input_shape))

    def made(text: str) -> Representation:
        return in_coordinates(parse_representation(group, text), coordinates)

    tasks = [
        Equivariance(group, made(source), made(target), input_shape, output_shape, coordinates, (source, target))
        for source in sources
        for target in targets
    ]
    if len(tasks) == 1:
        return Inferred(tasks[0], () if rep_in and rep_out else (_sentence(tasks[0]),))
    rows = x[:_PAIRS]
    unit_of_error = spread(function(rows))
    state = rng.get_state()
    errors = []
    for task in tasks:
        rng.set_state(state)  # every candidate sees the same elements
        elements = task.fresh_elements(_PAIRS, rng)
        errors.append(equivariance_error(function, task, rows, elements, unit_of_error).rms)
    best = 0
    for i, error in enumerate(errors):
        if error < SETTINGS.guess_plainly * errors[best]:
            best = i
    judged = [f"{t.written_in} → {t.written_out} {error:.3g}" for t, error in zip(tasks, errors, strict=True)]
    others = ", ".join(judged[:best] + judged[best + 1 :])
    message = f"{_sentence(tasks[best])}; relative defect {errors[best]:.3g}, of the others: {others}"
    doubt: tuple[str, ...] = ()
    if errors[best] > SETTINGS.doubtful:
        second = min((i for i in range(len(tasks)) if i != best), key=lambda i: errors[i])
        doubt = tuple(f"{options_of(tasks[i])} (relative defect {errors[i]:.2g})" for i in (best, second))
    return Inferred(tasks[best], (message,), doubt)


def options_of(task: Equivariance) -> str:
    """The representations as they are typed."""
    return f"--rep-in '{task.written_in}' --rep-out '{task.written_out}'"


def _sentence(task: Equivariance) -> str:
    return f"representations inferred: {options_of(task)}"


def _no_source(group: Group, shape: tuple[int, ...]) -> str:
    unit, width = prod(data_shape(group)), prod(shape)
    mixed = ""
    if not group.affine and width > unit and len(_without_ones(shape)) <= 1:
        mixed = f" (vectors and scalars are written '{width % unit}+{width // unit}V')"
    return (
        f"{group.name} acts on rows of {unit} numbers, and the model takes rows of shape {shape}; "
        f"give --rep-in, or a group of that dimension{mixed}"
    )


def _of_values(group: Group, shape: tuple[int, ...]) -> Iterator[str]:
    """Formulas of ρ_out on values of a shape: invariant, as rows are, with scalars beside, pseudovectors, tensors."""
    width, unit = prod(shape), prod(data_shape(group))
    yield str(width)
    yield from usual_of_rows(group, shape)
    if group.affine or group.factors or group.is_permutation:
        return
    if len(_without_ones(shape)) <= 1 and width > unit and width % unit:
        yield f"{width % unit}+{_times(width // unit)}V"
        yield f"{_times(width // unit)}V+{width % unit}"
    if width == unit**2 and unit > 1:
        yield "V⊗V"
    if bool((torch.linalg.det(group.components) < 0).any() if len(group.components) else False):
        yield f"{_times(width)}det"
        if width % unit == 0:
            yield "V⊗det" if width == unit else f"{width // unit}(V⊗det)"


def usual_of_rows(group: Group, shape: tuple[int, ...]) -> Iterator[str]:
    """Formulas of ρ on rows of a shape, the most usual first; objects are never cut apart."""
    if prod(shape) == 0:
        return
    if group.is_permutation and not group.factors:
        yield from _permuted_axes(group, shape)
        return
    if _turns_images(group, shape):
        channels, (height, width) = prod(shape[:-2]), shape[-2:]
        yield _beside(channels, f"image({height},{width})", 1)
    unit, total, sizes = prod(data_shape(group)), prod(shape), _without_ones(shape)
    last = sizes[-1] if sizes else 1
    trailing = sizes[len(sizes) - len(data_shape(group)) :] == data_shape(group)
    # Vectors stand along the last axis, one or (of a table of objects) several; or the row is one vector, or flat.
    along = last == unit or (len(sizes) == 2 and last % unit == 0) or (len(group.factors) > 1 and trailing)
    if total % unit == 0 and (len(sizes) <= 1 or total == unit or along):
        yield f"points({total // unit})" if group.affine else f"{_times(total // unit)}V"
    if group.affine or group.factors or unit == 1 or _turns_images(group, shape):
        return
    for axis, size in enumerate(sizes[:-1]):
        if size == unit != last:  # coordinates stand last, as in docs/data.md, where they can
            yield _beside(prod(sizes[:axis]), "V", prod(sizes[axis + 1 :]))
    if len(sizes) > 1 and last > unit:
        yield from _mixed(prod(sizes[:-1]), last, unit)
    elif len(sizes) == 1 and total % unit == 0 and total % (unit + 1) == 0:
        yield from _mixed(total // (unit + 1), unit + 1, unit)


def _mixed(count: int, width: int, unit: int) -> Iterator[str]:
    """Objects of ``width`` numbers as scalars and vectors of ``unit``: as many vectors as there can be, or one."""
    for vectors in sorted({(width - 1) // unit, 1}, reverse=True):
        scalars = width - vectors * unit
        for inside in (f"{scalars}+{_times(vectors)}V", f"{_times(vectors)}V+{scalars}"):
            yield inside if count == 1 else f"{count}({inside})"


def _times(count: int) -> str:
    return "" if count == 1 else str(count)


def _beside(before: int, text: str, after: int) -> str:
    """The product before ⊗ text ⊗ after, without the ones."""
    return "⊗".join([*([str(before)] if before > 1 else []), text, *([str(after)] if after > 1 else [])])


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _permuted_axes(group: Group, shape: tuple[int, ...]) -> Iterator[str]:
    """V on one axis of the row; of a flat row, objects one after the other, or coordinates one after the other."""
    n = group.degree
    if len(shape) == 1 and shape[0] % n == 0 and shape[0] > n:
        yield _beside(1, "V", shape[0] // n)
        yield _beside(shape[0] // n, "V", 1)
        return
    for axis, size in enumerate(shape):
        if size == n:
            yield _beside(prod(shape[:axis]), "V", prod(shape[axis + 1 :]))


def _turns_images(group: Group, shape: tuple[int, ...]) -> bool:
    if len(shape) < 2 or min(shape[-2:]) < 3 or not isinstance(group, CompactGroup) or not group.is_finite:
        return False
    integral = bool(((group.components == 0) | (group.components.abs() == 1)).all())
    swaps = group.degree == 2 and bool((group.components[:, 0, 1] != 0).any())
    return group.degree == 2 and integral and (shape[-1] == shape[-2] or not swaps)
