"""The polynomial invariants of a report's generators, put into the report."""

from __future__ import annotations

from dataclasses import replace

import torch

from symfind.conservation.invariant_functions import invariant_functions
from symfind.errors import InputError
from symfind.fields.actions import fields_of_actions
from symfind.schema.conservation import Conservation, Conserved
from symfind.schema.document import Report

# Generators with larger errors leave open which of their combinations vanish.
_LARGEST_NOISE = 0.01


def with_invariants(report: Report, name: str, degree: int) -> Report:
    """The report with what all its certified generators conserve.

    Parameters
    ----------
    report
        Any report with generators on R^d.
    name
        As the user gave it.
    degree
        The highest degree of the polynomials.

    Raises
    ------
    InputError
        No generator is certified, their actions are no polynomials, or their errors are too large.
    """
    certified = report.certified
    if not certified:
        raise InputError(f"{name}: the report has no certified generator; there is nothing to be invariant under")
    noise = report.algebra.noise or 0.0
    if noise > _LARGEST_NOISE:
        raise InputError(f"{name}: the errors of the generators are {noise:.2g}, invariants need {_LARGEST_NOISE:g}")
    names = report.source.names
    fields = fields_of_actions(name, len(names), len(names), [g.input_action for g in certified])
    found = invariant_functions(fields, names, degree, noise, torch.Generator().manual_seed(0))
    entries = tuple(
        Conserved(
            expression=found.space.expression(vector, names),
            latex=found.space.expression(vector, names, latex=True),
            defect=defect,
            verdict="certified",
            independent=free,
            function_of=text,
        )
        for vector, defect, free, text in zip(
            found.vectors.unbind(1), found.defects, found.known.independent, found.known.function_of, strict=True
        )
    )
    together = Conservation(independent=sum(found.known.independent), relations=found.known.relations)
    note = f"invariants: polynomials up to degree {found.degree} that all {len(certified)} generators conserve"
    kept = tuple(n for n in report.notes if not n.startswith("invariants: "))
    return replace(report, conserved=entries, conservation=together, notes=(*kept, note))
