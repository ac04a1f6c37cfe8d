"""One line an attack."""

from __future__ import annotations

import numpy as np

from witness_suite.algebra import Algebra
from witness_suite.case import Case, Function, Sample
from witness_suite.distance import Breaking
from witness_suite.draws import Draw


def attack(
    name: str,
    family: str,
    draw: Draw,
    f: Function,
    kept: Algebra,
    breaking: Breaking,
    *argv: str,
    kind: str = "function",
    noise: float = 0.0,
    tags: tuple[str, ...] = (),
    most: int | None = None,
) -> Case:
    """A case whose F keeps ``kept`` alone and seems to have more."""

    def sample(rng: np.random.Generator) -> Sample:
        return Sample(draw(rng), f, kept)

    title = f"{name}, noise {100 * noise:g} %" if noise else name
    return Case(
        title, family, kind, sample, kept.dimension if most is None else most, tuple(argv), noise, breaking, tags
    )
