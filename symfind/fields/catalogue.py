"""Spaces of candidate generators by name: ``linear``, ``affine+diagonal``, ``polynomial:2``, ``so``, a YAML file."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fields.actions import fields_of_actions
from symfind.fields.polynomial import box_fields, linear_fields, matrix_fields, polynomial_fields
from symfind.fields.space import VectorFieldSpace
from symfind.registry import Registry
from symfind.small_input import json_of, small_bytes, text_of


def _rotations(d: int) -> Tensor:
    """E_ji − E_ij for i < j: the fields x_i ∂_j − x_j ∂_i."""
    out = []
    for i in range(d):
        for j in range(i + 1, d):
            a = torch.zeros(d, d, dtype=torch.float64)
            a[j, i], a[i, j] = 1.0, -1.0
            out.append(a)
    return torch.stack(out) if out else torch.zeros(0, d, d, dtype=torch.float64)


def _traceless(d: int) -> Tensor:
    """E_ij for i ≠ j and E_ii − E_{i+1,i+1}."""
    unit = torch.eye(d * d, dtype=torch.float64).reshape(d, d, d, d)
    out = [unit[i, j] for i in range(d) for j in range(d) if i != j]
    out += [unit[i, i] - unit[i + 1, i + 1] for i in range(d - 1)]
    return torch.stack(out) if out else torch.zeros(0, d, d, dtype=torch.float64)


def _diagonal(d: int) -> Tensor:
    return torch.diag_embed(torch.eye(d, dtype=torch.float64))


# Monomials times directions beyond this need more memory than a candidate space is worth.
_MAX_FIELDS = 20_000
# More than there are names of spaces.
_MAX_PARTS = 20
# Steepest random features, in units of the data: steeper ones are steps.
_STEEPEST = 10.0


def make_space(name: str, d: int, coordinates: Sequence[str]) -> VectorFieldSpace:
    """The space called ``name`` on R^d; ``+`` adds spaces, a name that ends in .yaml, .yml or .json is a file.

    Raises
    ------
    UsageError
        For an unknown name (the nearest is given) or a space that is empty or too large in this dimension.
    InputError
        If a file cannot be read.
    """
    named = name.split("+")
    if len(named) > _MAX_PARTS:
        raise UsageError(f"a sum of {len(named)} spaces is asked for, at most {_MAX_PARTS} are tried; give fewer")
    parts = [_one_space(part.strip(), d, coordinates) for part in named]
    if len(parts) == 1:
        return parts[0]
    from symfind.fields.user import SumOfSpaces  # with YAML, which the plain spaces do without

    return SumOfSpaces(tuple(parts))


def _one_space(name: str, d: int, coordinates: Sequence[str]) -> VectorFieldSpace:
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise InputError(f"the space file '{name}' does not exist; give a YAML file with 'fields:'")
        from symfind.fields.user import read_user_space

        return read_user_space(path, d, coordinates)
    if name.endswith(".json"):
        return _certified_span(name, d)
    if name.endswith((".h5", ".hdf5")):
        raise UsageError(f"--space {name}: fields are read from a report in JSON; `symfind report {name} -o R.json`")
    head, _, tail = name.partition(":")
    family = SPACES.get(head)
    if family is None or (":" in name and not family.shown):
        near = difflib.get_close_matches(name, space_names(), n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(space_names())}"
        raise UsageError(f"unknown space '{name}'; {hint}")
    return family.make(name, tail, d, coordinates)


def _certified_span(name: str, d: int) -> VectorFieldSpace:
    """What the certified generators of a report span: symmetries that are asked to be symmetries of more."""
    form = "give a report that discover wrote"
    report = json_of(text_of(small_bytes(name, form), name, form), name, form)
    try:
        actions = [g["input_action"] for g in report["generators"] if g["verdict"] == "certified"]
        dimension = len(report["source"]["names"])
    except (KeyError, TypeError):
        raise InputError(f"the space '{name}' is no report of symfind; {form}") from None
    if not actions:
        raise InputError(f"{name}: no generator of the report is certified, so it spans no space; name another --space")
    return fields_of_actions(name, dimension, d, actions)


def _check_size(name: str, d: int, fields: int) -> None:
    if fields > _MAX_FIELDS:
        raise UsageError(
            f"the space '{name}' has {fields} fields on R^{d}, at most {_MAX_FIELDS} are tried; give a smaller "
            "space (--space) or fewer columns (--mapping)"
        )


def _polynomial(name: str, tail: str, d: int, coordinates: Sequence[str]) -> VectorFieldSpace:
    """All polynomials of a degree in all variables together."""
    del coordinates
    head = name.partition(":")[0]
    if tail not in tuple("012345678"):
        raise UsageError(f"the space '{name}' should be {head}:k with a degree k from 0 to 8")
    _check_size(name, d, math.comb(d + int(tail), d) * d)
    space = polynomial_fields(d, int(tail))
    return replace(space, name=name) if head == "point" else space


def _point(name: str, tail: str, d: int, coordinates: Sequence[str]) -> VectorFieldSpace:
    """Point transformations: polynomials of one degree, or of a degree in each variable."""
    if tail.startswith("chebyshev:"):
        return _box(name, tail.removeprefix("chebyshev:"), d, coordinates)
    return _polynomial(name, tail, d, coordinates)


def _box(name: str, tail: str, d: int, coordinates: Sequence[str]) -> VectorFieldSpace:
    """Products of Chebyshev polynomials of one variable each, of the degrees given in ``tail``."""
    degrees = [part.strip() for part in tail.split(",")]
    if len(degrees) != d or not all(part in tuple("012345678") for part in degrees):
        raise UsageError(
            f"the space '{name}' should be point:chebyshev: and {d} degrees from 0 to 8, one for each of "
            f"{', '.join(coordinates)}"
        )
    top = [int(part) for part in degrees]
    _check_size(name, d, math.prod(a + 1 for a in top) * d)
    return box_fields(name, top)


def _random_features(name: str, tail: str, d: int, coordinates: Sequence[str]) -> VectorFieldSpace:
    del coordinates
    asked = re.fullmatch(r"(\d+)(?:,(\d*\.?\d+))?", tail)
    if asked is None or not 1 <= int(asked[1]) * d <= _MAX_FIELDS or not 0 < float(asked[2] or 1) <= _STEEPEST:
        raise UsageError(
            f"the space '{name}' should be random-features:m with a number m of features, such as 200, or "
            f"random-features:m,s with their steepness s as well, above 0 and at most {_STEEPEST:g} (0.3 if not given)"
        )
    from symfind.fields.random_features import RandomFeatureFields

    return RandomFeatureFields.draw(name, d, int(asked[1]), *map(float, filter(None, [asked[2]])))


@dataclass(frozen=True)
class SpaceFamily:
    """Spaces of one name.

    Attributes
    ----------
    name
        What stands before a colon, or the whole name.
    make
        (name as asked, what stands behind the colon, d, coordinates) → the space on R^d.
    shown
        How it is written, with what stands behind the colon; nothing where no colon may follow.
    """

    name: str
    make: Callable[[str, str, int, Sequence[str]], VectorFieldSpace]
    shown: tuple[str, ...] = ()


def of_dimension(name: str, make: Callable[[int], VectorFieldSpace], least: int = 1) -> SpaceFamily:
    """A space that takes nothing but d, and is empty below a least d."""

    def made(asked: str, tail: str, d: int, coordinates: Sequence[str]) -> VectorFieldSpace:
        del tail, coordinates
        # Made of matrices d × d, unless they are translations or scalings.
        _check_size(asked, d, d if name in ("translations", "diagonal") else d * d)
        if d < least:
            raise UsageError(f"the space '{asked}' is empty in dimension {d}; take another, such as linear")
        return make(d)

    return SpaceFamily(name, made)


SPACES: Registry[SpaceFamily] = Registry(
    "space",
    (
        of_dimension("linear", linear_fields),
        of_dimension("affine", lambda d: polynomial_fields(d, 1)),
        of_dimension("translations", lambda d: polynomial_fields(d, 0)),
        of_dimension("so", lambda d: matrix_fields("so", _rotations(d)), least=2),
        of_dimension("se", lambda d: matrix_fields("se", _rotations(d), translations=True)),
        of_dimension("sl", lambda d: matrix_fields("sl", _traceless(d)), least=2),
        of_dimension("diagonal", lambda d: matrix_fields("diagonal", _diagonal(d))),
        of_dimension("killing", lambda d: matrix_fields("killing", _rotations(d), translations=True)),
        of_dimension("gl", linear_fields),
        of_dimension("aff", lambda d: polynomial_fields(d, 1)),
        SpaceFamily("polynomial", _polynomial, ("polynomial:k",)),
        SpaceFamily("point", _point, ("point:k", "point:chebyshev:i,j,k")),
        SpaceFamily("random-features", _random_features, ("random-features:m",)),
    ),
)


def space_names() -> list[str]:
    """Names that :func:`make_space` knows, for help texts."""
    return [shown for family in SPACES for shown in family.shown or (family.name,)]
