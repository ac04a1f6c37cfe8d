"""What the decision by bounds of ρ takes for granted."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class DecisionSettings:
    """What the decision by bounds of ρ takes for granted."""

    quantile: float = tuned(
        2.13,
        "Multiplies sd λ* at α = 0.05 (the t quantile of 4 degrees of freedom: λ* is skewed, its spread "
        "itself estimated); no false certificate in 494 runs. Other α scale it as the normal quantile does.",
    )
    vanishing: float = tuned(
        2e-4,
        "How nearly v must vanish on the data to count against coverage; what vanishes less is left to the "
        "refits. At 1e-3 open data came out at ω = 0.06 to 0.1, one limit cycle at 0.75 for any value.",
    )
    points_a_monomial: int = tuned(
        3,
        "With three random points a monomial, what vanishes on them vanishes on the rest: 0.42 of the "
        "smallest singular value is what is left at this ratio.",
    )
    far: float = tuned(
        6.0,
        "Directions of a plain defect beyond this multiple of δ are no candidates: bounding them would cost "
        "as much as all the rest.",
    )
    stands_out: float = tuned(
        10.0,
        "Where defects are approximate, a certified one is so many times below the next: near symmetries of "
        "differential equations follow one another by factors of 2 to 6 (five equations).",
    )
    own: float = tuned(1e-6, "Recognised vectors with less than this of the directions they describe lie among others.")
    covered: float = tuned(
        0.05,
        "Coverage ω above this is too little, whatever δ: what the data could speak about had ω up to 0.02, and "
        "one limit cycle, where they could not, 0.3 and more.",
    )
    least_reach: float = tuned(
        0.3,
        "A generator of a fit is certified from this distance on, in units of one over the spectral radius: "
        "less than that is no finite transformation.",
    )
    substep: float = tuned(
        0.1,
        "Runge–Kutta steps of this length follow y ↦ e^{2t}y to 1e-4 of its size up to t = 3; steps of 0.25 "
        "ended an exact scaling at 2.",
    )
    fewest_inside: int = tuned(10, "A finite defect is a mean over so many points at least …")
    least_share: float = tuned(0.02, "… and over this share of those that were followed: fewer have left the data.")
    fewest_points: int = tuned(300, "A mean over fewer points says nothing of λ.")
    enough_points: int = tuned(
        1000, "2,000 points give λ to 3 % where it is not zero, and weights of their blocks tell that error."
    )
    richest: int = tuned(
        500, "Largest number of features of a family that looks for misfit: larger ones cost more than the refits."
    )
    wave_steepness: float = tuned(5.0, "Random features reach frequencies a few times that of their kernel's length.")


SETTINGS = DecisionSettings()
