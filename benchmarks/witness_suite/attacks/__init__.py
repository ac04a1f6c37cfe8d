"""Three hundred attacks and more: what seems symmetric, each with its distance to what is."""

from __future__ import annotations

from dataclasses import replace

from witness_suite.attacks import flows, inputs, structure, waves
from witness_suite.case import Case, in_random_coordinates


def in_the_users_coordinates() -> list[Case]:
    """Every attack in the coordinates in which it was thought of."""
    return [
        *waves.ripples(), *waves.angles(), *waves.bumps(), *waves.steps(), *waves.kinks(), *inputs.collinear(),
        *inputs.categorical(), *inputs.blind(), *flows.autocorrelated(), *inputs.duplicates(),
        *flows.near_integrable(), *flows.flow_waves(), *flows.map_cases(), *waves.anisotropies(), *structure.axes(),
        *structure.frames(), *structure.scales(), *structure.vectors(), *structure.labels(),
        *structure.volumes(),
    ]  # fmt: skip


def attacks() -> list[Case]:
    """Every attack but those on distributions; one of twenty-five in random coordinates too."""
    own = in_the_users_coordinates()
    turned = [c for c in own if "diagonal" not in c.option.values() and "degenerate" not in c.tags][7::25]
    return [*own, *(replace(in_random_coordinates(c), family="in random coordinates") for c in turned)]
