"""From generators as a report states them (matrices, or monomials with coefficients) to the space they span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.fields.polynomial import PolynomialFields, matrix_fields, monomial_exponents

# Of numbers that are not small in themselves, relative to the largest of a field.
_ROUNDING = 1e-13


def fields_of_actions(name: str, dimension: int, d: int, actions: Sequence[object]) -> PolynomialFields:
    """The span of ``input_action`` of a report's generators, a field each.

    Parameters
    ----------
    name
        Of the report, for messages.
    dimension
        Of the points that its generators act on.
    d
        Of the points of the data.
    actions
        Matrices ``(d, d)`` or ``(d + 1, d + 1)``, or mappings with ``exponents`` and ``coefficients``.

    Raises
    ------
    InputError
        They do not act on points of d coordinates, or are formulas.
    """
    unfit = InputError(
        f"{name}: its generators do not act on points of {d} coordinates, as the data have; give a report on such data"
    )
    if dimension != d or not actions:
        raise unfit
    first = actions[0]
    if isinstance(first, Mapping):
        exponents = torch.tensor(first["exponents"], dtype=torch.int64)
        tables = torch.stack([torch.tensor(a["coefficients"], dtype=torch.float64) for a in actions])  # type: ignore[index]
        if exponents.ndim != 2 or exponents.shape[1] != d:
            raise unfit
        return _fields(name, d, exponents, tables)
    try:
        matrices = torch.tensor(actions, dtype=torch.float64)
    except (TypeError, ValueError):
        raise unfit from None
    if matrices.shape[1:] == (d, d):
        return matrix_fields(name, matrices)
    if matrices.shape[1:] != (d + 1, d + 1):
        raise unfit
    tables = torch.cat([matrices[:, :d, d:].transpose(1, 2), matrices[:, :d, :d].transpose(1, 2)], 1)
    return _fields(name, d, monomial_exponents(d, 0, 1), tables)


def _fields(name: str, d: int, exponents: Tensor, tables: Tensor) -> PolynomialFields:
    zero, one = torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
    # Recognised coefficients come back from centred coordinates with their rounding: ∂φ would turn about a far point.
    largest = tables.abs().amax((1, 2), keepdim=True)
    tables = torch.where(tables.abs() > _ROUNDING * largest, tables, torch.zeros_like(tables))
    return PolynomialFields(name, d, False, exponents, tables, zero, one, (False, False))
