"""How a fit is chosen and trained."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class FitSettings:
    """How a fit is chosen and trained."""

    tie: float = tuned(
        0.01,
        "Errors within this share of the best are one error, and the simpler family is taken: nested families "
        "differ by more when the richer one finds anything.",
    )
    little_left: float = tuned(
        0.02,
        "Share of variance that noise of 10 to 15 % leaves: a search that has come so far and gains nothing more ends.",
    )
    highest_degree: int = tuned(
        9, "Smooth functions of two or three variables gain up to here; beyond, monomials are too dependent."
    )
    progress: float = tuned(
        0.02, "Losses are sums of logarithms: less than this in a whole stretch of steps is no progress."
    )
    last_rate: float = tuned(0.02, "The last steps are this share of the first.")


SETTINGS = FitSettings()
