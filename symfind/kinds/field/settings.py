"""How equations of fields are identified and their symmetries told."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class FieldSettings:
    """How equations of fields are identified and their symmetries told."""

    trusted: float = tuned(
        2.0,
        "A residual below so many times what the errors of the derivatives give is explained by them: these "
        "errors are estimates.",
    )
    resolution: float = tuned(
        1e-3,
        "What leaves less than this share of its terms is explained, and a term of a smaller share is no part of an "
        "equation: solvers that are called exact leave as much, and what such a term breaks is a fiftieth of the "
        "tolerance of a symmetry.",
    )
    still: float = tuned(
        1e-11,
        "A field that changes in time by less than this share of its spread stands still: filters differentiate it to "
        "a few units in the last place over a step, of which there may be thousands.",
    )
    better: float = tuned(
        0.5,
        "An equation of a richer library is preferred if it leaves less than this share of what a plainer one leaves.",
    )
    gap: float = tuned(
        0.2,
        "The share of a block of space-time of one solution that is left out around it, so that blocks that are held "
        "out are no neighbours.",
    )
    change: float = tuned(
        0.05,
        "An equation that differs from the one found by this share of its terms has other symmetries: the tolerance.",
    )
    unstable: float = tuned(
        0.5, "A term that is chosen on fewer than this share of the halves of the data is not known to be there."
    )
    exact: float = tuned(
        2e-3,
        "Below this a defect counts as that of a symmetry that the space holds approximately (a cubic for an "
        "exponential); above it, it has to stand out.",
    )
    over_the_domain: float = tuned(
        1e-3, "A coefficient that changes by less than this share over the times of the data is constant."
    )
    not_first_order: float = tuned(
        0.1,
        "u_tt = … is tried where u_t = … leaves more than this share: of an equation of first order it has every "
        "consequence.",
    )
    noisy: float = tuned(
        3e-3,
        "Where errors of the derivatives alone leave more than this, the weak form is tried, which "
        "differentiates no data.",
    )
    chance: float = tuned(0.15, "Bands of some thousand numbers differ by a few per cent by chance.")
    decay: float = tuned(2.0, "A spectrum that falls by less than this factor over its last quarter is flat.")
    slowest_decay: float = tuned(
        0.9, "A spectrum that falls more slowly than this from shell to shell is extrapolated as if it fell so fast."
    )
    slowest_gain: float = tuned(
        0.9,
        "Differences of windows that double are extrapolated with a ratio of at most this: nine times the "
        "last difference is as much as three windows can tell.",
    )
    aliases: float = tuned(
        3.0,
        "Frequencies that the steps cannot hold come back as slower ones, so many times larger than those "
        "just below tell (measured on Kuramoto–Sivashinsky).",
    )
    doubt_of_noise: float = tuned(
        0.05,
        "The level of the noise is an estimate, good to a few per cent; a difference within that of it is no bias.",
    )
    unresolved: float = tuned(
        1e-3, "A time is left out where derivatives are less certain than this share of their size …"
    )
    times_the_least: float = tuned(3.0, "… and so many times less certain than at the best fifth of all times.")
    width: float = tuned(3.0, "Errors of several entries add up where a basis is reduced.")
    there: float = tuned(0.3, "An entry above this share of the norm is there, however poor the fields.")
    flow_floor: float = tuned(1e-4, "The residual along finite flows that counts as none (Ko et al.).")
    flow_size: float = tuned(0.4, "The size of a random transformation, in spreads (Ko et al.).")
    flow_steepness: float = tuned(3.0, "The steepness of a field that is not held back (Ko et al.).")
    own_size: float = tuned(
        0.3,
        "ε: with 1 the slow fields f(t)ξ, whose defect is f′, had defects of half the size; with less, an "
        "error of the equation's numbers weighs more on translations and shifts, which have no other size.",
    )
    share: float = tuned(
        1e-2, "A term that explains less than this share of the rms of u_t is left out unless its number is known well."
    )
    sharp: float = tuned(5.0, "A residual that falls by this factor falls sharply.")
    frequent: float = tuned(0.75, "A term is kept that is chosen on this share of the draws of the data.")
    slab_gain: float = tuned(
        0.7, "Slabs of time must leave less than this share of the residual of constant coefficients, to be believed."
    )
    constant_is_good: float = tuned(3e-3, "Constant coefficients that leave less than this share of u_t need no slabs.")
    zero_component: float = tuned(1e-6, "A component below this share of a field's size is zero.")


SETTINGS = FieldSettings()
