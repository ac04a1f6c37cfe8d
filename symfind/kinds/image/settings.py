"""How a classifier of images is trained, and fields are judged by it."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class ImageSettings:
    """How a classifier of images is trained, and fields are judged by it."""

    dropout: float = tuned(
        0.3,
        "Share of the features left out in a step: a small network then does as well after 10 s as a plain "
        "one after 20.",
    )
    support: float = tuned(
        0.99, "Share of the images' variance that their principal directions must hold to count as their support."
    )
    above_chance: float = tuned(
        0.1, "Better than always naming the commonest class by this much; else accuracy says nothing about images."
    )
    trivial: float = tuned(
        1e-3, "The span is known by its singular values: below this share of the largest it has no further direction."
    )
    first_slopes: float = tuned(
        0.5, "First-layer slopes: at 0.2 every untrained field is affine to 0.98, which would be an answer put in."
    )
    rate: float = tuned(6e-3, "Step size of Adam; nothing finer than the sensitivity test was measured.")
    shortest: float = tuned(
        0.4,
        "Steps of a flow are drawn from here on, in spreads: shorter ones mix symmetries with what is none "
        "(at 0.3 the least divergence lies 0.12 away from an affine field, at 0.8 0.03).",
    )
    longest: float = tuned(
        0.8, "With steps up to 1 the sixth affine field of the digits had divergences of 0.2 to 0.4."
    )
    judged: float = tuned(0.6, "The step after which fields are compared, between these.")
    divergence_floor: float = tuned(1e-4, "A divergence that counts as none.")
    steep: float = tuned(
        2.0,
        "Affine fields of norm one have slopes up to 1 in units of the spread, quadratic ones up to 2: "
        "neither is held back.",
    )
    steep_weight: float = tuned(10.0, "Of what is steeper, in the loss.")
    reached: float = tuned(0.003, "Share of the largest energy of a pixel above which images have something there.")
    proposed: float = tuned(
        0.9,
        "A field with a name is proposed if the learned span holds this share of its norm; what is proposed "
        "is judged by accuracy in any case.",
    )
    clearly_better: float = tuned(
        0.8,
        "A direction of the spectrum is a candidate of its own if it does so much better than every field with a name.",
    )


SETTINGS = ImageSettings()
