"""How generators are fitted to pairs."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class PairSettings:
    """How generators are fitted to pairs."""

    clearly_less: float = tuned(
        0.7,
        "Amounts of their own are preferred where they leave so much less: they have one number more for every row.",
    )
    shared: float = tuned(
        0.25,
        "Interpolation blurs, which looks like a scaling: of what is left so much may lie along other fields, "
        "in every image.",
    )
    resolution: float = tuned(
        1.5,
        "Images are compared through a Gaussian of so many pixels: below it the comparison is one of "
        "interpolations (at one pixel bilinear interpolation decides).",
    )
    finest: float = tuned(
        1.0,
        "Width in pixels of the last stage of a registration: below one, bilinear interpolation decides more "
        "than the transformation.",
    )
    small_step: float = tuned(
        1e-5, "A step below this share of the coefficients ends a stage: a thousandth of what the images determine."
    )
    damping: float = tuned(1e-6, "Of the normal equations, relative to their diagonal.")
    turns: int = tuned(16, "Turns to start from: within half of this spacing the coarsest images find their way.")
    foldings: float = tuned(3.0, "Amounts of a generator without period are looked for up to so many e-foldings.")


SETTINGS = PairSettings()
