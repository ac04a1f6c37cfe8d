"""What counts as conserved, new and related."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class ConservationSettings:
    """What counts as conserved, new and related."""

    holds: float = tuned(
        1e-7,
        "A relation that holds to this share of its terms is one: recognised functions satisfy theirs to "
        "rounding, noisy ones do not, and then only the rank is told.",
    )
    pointwise: float = tuned(
        1e-6, "Gradients that point within this of one another at a point span one direction there."
    )
    formula_degree: int = tuned(
        2, "A formula counts as a polynomial of this degree where simple functions are preferred."
    )
    dropped: float = tuned(1e-6, "A term below this share of the largest is not there.")
    zero_bracket: float = tuned(
        1e-7,
        "Brackets smaller than this share of what gradients of their size could give are zero: rounding is far below.",
    )
    new: float = tuned(
        1e-4,
        "Invariants of a report count as independent where a gradient leaves the span of the others by this share.",
    )
    exact: float = tuned(1e-6, "Below this defect the values are as good as exact: no fit could show more.")
    alike: float = tuned(1e-6, "A function whose coefficients are those of H to this share is H.")


SETTINGS = ConservationSettings()
