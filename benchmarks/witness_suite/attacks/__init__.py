"""Three hundred attacks and more: what seems symmetric, each with its distance to what is."""

from __future__ import annotations

from witness_suite.attacks import flows, inputs, structure, waves
from witness_suite.case import Case


def attacks() -> list[Case]:
    """Every attack but those on distributions."""
    return [
        *waves.ripples(), *waves.angles(), *waves.bumps(), *waves.steps(), *waves.kinks(), *inputs.collinear(),
        *inputs.categorical(), *inputs.blind(), *flows.autocorrelated(), *inputs.duplicates(),
        *flows.near_integrable(), *flows.flow_waves(), *flows.map_cases(), *waves.anisotropies(), *structure.axes(),
        *structure.frames(), *structure.scales(), *structure.vectors(), *structure.labels(),
    ]  # fmt: skip
