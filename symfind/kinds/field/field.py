"""From gridded solutions to evidence: their derivatives, the equation they obey, its determining equations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from symfind.data.dataset import Dataset
from symfind.decision.evidence import Examined
from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.kinds.field.determining_equations import Judged, evidence_of_equation
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.equation_fit import IdentifiedEquation, identify_equation, library_orders
from symfind.kinds.field.grid.field_data import FieldData, field_of
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.grid.jets import jets
from symfind.kinds.field.learned.search import learned_evidence, orders_of_variant
from symfind.kinds.field.weak_form import weak_rows

if TYPE_CHECKING:
    from symfind.kinds.request import Request
    from symfind.progress import Clock

# Points: identification of some twenty numbers and pencils of some hundred columns saturate well below.
_ROWS = 8192
# u_t = … is given up for u_tt = … where it leaves more than this share, and more than errors explain.
_NOT_FIRST_ORDER = 0.1
# A field whose spread is below this share of its size is the same everywhere, but for rounding.
_CONSTANT = 1e-12
# Where errors of the derivatives alone leave more than this, the weak form is tried, which differentiates no data.
_NOISY = 3e-3


def evidence_of_field(
    request: Request, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    """Point symmetries of the equation that is given, or of the one that is identified.

    Raises
    ------
    SymfindError
        The equation does not parse, or the grid is too coarse for it.
    """
    if request.method not in ("auto", "nullspace", "validity"):
        raise UsageError(f"--method {request.method} does not go with field data; take nullspace, validity or auto")
    field = field_of(dataset, stop)
    independent, dependent = tuple(axis.name for axis in field.axes), field.components
    names = (*independent, *dependent)
    space = make_space(request.space or "point:1", len(names), names)
    if request.equation is not None:
        equation = parse_equation(request.equation, independent, dependent)
        with clock.phase("derivatives"):
            sample = _varying(jets(field, equation.needed, generator, _ROWS))
        judged = Judged(equation, None)
    else:
        with clock.phase("derivatives"):
            sample = _varying(jets(field, library_orders(independent, dependent), generator, _ROWS))
        with clock.phase("fit"):
            sample, found = _identified(field, sample, generator)
        judged = Judged(found.equation, found)
    z = torch.cat([sample.points, sample.values], 1)
    spread = z.std(0, correction=0)
    centred = space.centred(z.mean(0), torch.where(spread > 0, spread, torch.ones_like(spread)))
    with clock.phase("nullspace"):
        evidence = evidence_of_equation(judged, sample, centred, generator)
    if request.method == "validity":
        sample = jets(field, orders_of_variant(request.variant, judged.equation), generator, _ROWS)
        evidence = learned_evidence(request, judged, sample, evidence, generator, clock)
    return Examined(replace(evidence, messages=(*evidence.messages, *sample.messages)), names)


def _varying(sample: JetSample) -> JetSample:
    """The sample itself.

    Raises
    ------
    InputError
        Every component is the same everywhere: no equation is told from another then.
    """
    u = sample.values
    if bool((u.std(0, correction=0) <= _CONSTANT * u.abs().amax(0)).all()):
        values = ", ".join(f"{name} = {v:g}" for name, v in zip(sample.dependent, u.mean(0).tolist(), strict=True))
        raise InputError(f"{values} everywhere; give solutions that differ from a constant")
    return sample


def _identified(
    field: FieldData, sample: JetSample, generator: torch.Generator
) -> tuple[JetSample, IdentifiedEquation]:
    """u_t = …, or u_tt = … where the first says little and the second more."""
    found = identify_equation(sample, generator)
    if found.expected > _NOISY and len(field.components) == 1 and min(a.points for a in field.axes) >= 24:
        weak = identify_equation(sample, generator, windows=weak_rows(field))
        if weak.residual < found.residual:
            return sample, weak
    if found.residual < max(_NOT_FIRST_ORDER, 2 * found.expected):
        return sample, found
    second = jets(field, library_orders(sample.independent, sample.dependent, 2), generator, _ROWS)
    other = identify_equation(second, generator, 2)
    return (second, other) if other.residual < 0.5 * found.residual else (sample, found)
