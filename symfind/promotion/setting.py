"""What is promoted in which models, and how much memory that takes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from torch import Tensor

from symfind.errors import InputError
from symfind.fields.space import VectorFieldSpace
from symfind.fits.geometry import Geometry
from symfind.lie_derivative import OutputAction

# Points at which L_ξF is asked: twice the number that determines a combination of the features, and never very few.
_FEWEST_POINTS = 100
_MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class Setting:
    """What is promoted in which models.

    Attributes
    ----------
    space, action
        The candidates, centred on the data, and how they act on y.
    objects, output_objects
        (k, d) of x and (k′, m′) of y.
    geometry
        G of the inputs.
    outputs
        H^{1/2} of one output object ``(m′, h)``.
    metric
        ``whitened`` or ``frobenius``: the inner product of the candidates.
    """

    space: VectorFieldSpace
    action: OutputAction
    objects: tuple[int, int]
    output_objects: tuple[int, int]
    geometry: Geometry
    outputs: Tensor
    metric: str = "whitened"


def check_memory(setting: Setting, features: int, rows: int) -> None:
    """Tell how much memory a problem needs before it is tried.

    Raises
    ------
    InputError
        It is more than half of what the machine has.
    """
    (k, d), (k_out, m) = setting.objects, setting.output_objects
    candidates = setting.space.dim + setting.action.extra
    points, unknowns = points_needed(rows, features), features * k_out * m
    acting = (k_out * m) ** 2 * candidates if setting.action.name != "invariant" else 0
    numbers = points * (k * d * (features + candidates) + features + acting + 8 * k_out * m * candidates)
    numbers += 6 * unknowns * unknowns
    limit = _MEMORY_SHARE * _machine_memory()
    if 8 * numbers > limit:
        raise InputError(
            f"{features} features of {k_out * m} outputs with {candidates} candidates need "
            f"{8 * numbers / 2**30:.1f} GB, and {limit / 2**30:.1f} GB is half of this machine's memory; take a lower "
            "degree, fewer features or a smaller --space"
        )


def _machine_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def points_needed(rows: int, features: int) -> int:
    """At how many of the rows L is asked."""
    return min(rows, max(_FEWEST_POINTS, 2 * features))
