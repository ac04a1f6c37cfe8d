"""From gridded solutions to evidence: their derivatives, the equation they obey, its determining equations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from symfind.data.dataset import Dataset
from symfind.decision.evidence import Examined
from symfind.decision.halves import groups_with_copies
from symfind.errors import InputError
from symfind.fields.catalogue import make_space
from symfind.kinds.field import DEFAULT_SPACE
from symfind.kinds.field.determining_equations import Judged, evidence_of_equation
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.equation_fit import IdentifiedEquation, identify_equation, library_orders
from symfind.kinds.field.grid.field_data import FieldData, field_of
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.grid.jets import jets
from symfind.kinds.field.learned.search import learned_evidence, orders_of_variant
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.weak_form import weak_rows

if TYPE_CHECKING:
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock

# Points: identification of some twenty numbers and pencils of some hundred columns saturate well below.
_ROWS = 8192
# A field whose spread is below this share of its size is the same everywhere, but for rounding.
_CONSTANT = 1e-12


def evidence_of_field(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    """Point symmetries of the equation that is given, or of the one that is identified.

    Raises
    ------
    SymfindError
        The equation does not parse, or the grid is too coarse for it.
    """
    field = field_of(dataset, stop)
    field = replace(field, groups=groups_with_copies(field.groups, field.blocks()))
    independent, dependent = tuple(axis.name for axis in field.axes), field.components
    names = (*independent, *dependent)
    space = make_space(request.space or DEFAULT_SPACE, len(names), names)
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
    if found.expected > SETTINGS.noisy and len(field.components) == 1 and min(a.points for a in field.axes) >= 24:
        weak = identify_equation(sample, generator, windows=weak_rows(field))
        if weak.residual < found.residual:
            return sample, weak
    if found.residual < max(SETTINGS.not_first_order, 2 * found.expected):
        return sample, found
    second = jets(field, library_orders(sample.independent, sample.dependent, 2), generator, _ROWS)
    other = identify_equation(second, generator, 2)
    return (second, other) if other.residual < 0.5 * found.residual else (sample, found)
