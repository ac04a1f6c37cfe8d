"""What finite candidates are judged by."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class DiscreteSettings:
    """What finite candidates are judged by."""

    least_inside: float = tuned(
        0.5,
        "A candidate that leaves less than this share of the points among the data says nothing about F.",
        most=0.75,
    )
    worth: float = tuned(
        2.0, "Complete candidates with a plain defect up to this multiple of δ are judged by the bounds."
    )
    simple: float = tuned(
        0.01,
        "Where y may be moved by any matrix, a signed permutation is told in its place unless it leaves so much more "
        "ρ: a fifth of the default tolerance, below which nothing is resolved.",
        least=0.001,
        most=0.02,
    )
    test_cut: float = tuned(1e-4, "Test functions whose spread is below this share of the largest are rounding.")
    cut: float = tuned(
        0.09,
        "A branch whose coefficients differ by this ρ² is cut: far above the tolerance, as fits to noisy data "
        "carry errors.",
    )


SETTINGS = DiscreteSettings()
