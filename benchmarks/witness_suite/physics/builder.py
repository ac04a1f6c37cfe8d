"""One line a case: how rows, F and algebra become a record."""

from __future__ import annotations

import numpy as np

from witness_suite.algebra import Algebra
from witness_suite.case import Array, Case, Function, Sample
from witness_suite.draws import Draw

AFFINE = ("--space", "affine")
DIAGONAL = ("--space", "diagonal")
FREE = ("--output-action", "free")
SAME = ("--output-action", "same")


def exact(
    name: str,
    family: str,
    draw: Draw,
    f: Function,
    algebra: Algebra,
    *argv: str,
    kind: str = "function",
    live: Array | None = None,
) -> Case:
    """A case whose F and algebra do not depend on the seed."""

    def sample(rng: np.random.Generator) -> Sample:
        return Sample(draw(rng), f, algebra, live=live)

    return Case(name, family, kind, sample, algebra.dimension, tuple(argv))
