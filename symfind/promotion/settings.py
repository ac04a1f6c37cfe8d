"""How much symmetry is put into a fit."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class PromotionSettings:
    """How much symmetry is put into a fit."""

    worse: float = tuned(
        0.05,
        "The promoted model is worse if its held-out error is so much larger, as a share, and by more than chance.",
    )
    patience: int = tuned(2, "Steps of the path past the smallest error after which it will not come back.")
    tie: float = tuned(
        0.01, "Errors within this share of the smallest are one error: the fit with more symmetries is taken."
    )
    jumps: int = tuned(6, "Jumps of the spectrum that are tried as the end of the symmetries.")
    hopeless: float = tuned(
        10.0, "A refit with so many times the error of the penalised fit is not tried on the other folds."
    )
    first: float = tuned(0.3, "μ begins where both terms count.")
    slow: float = tuned(
        0.1,
        "Growth of μ a step where it costs the fit: where the penalty grows faster than the span follows, the "
        "fit collapses to a constant (of 24 quartics about a centre in 40 rows 13 did when μ doubled, one at "
        "this).",
    )
    fast: float = tuned(0.3, "Growth of μ a step while that costs the fit little.", most=0.4)
    costly: float = tuned(0.02, "A growth of the error by this share is a cost.")
    standard_errors: float = tuned(
        2.0, "A finite candidate that predicts worse by so many standard errors is not imposed.", most=3.0
    )
    most_unknowns: int = tuned(300, "Degrees are tried while there are at most so many unknowns …")
    unknowns_a_row: int = tuned(
        3, "… and so many for each row: promotion needs fewer rows than unknowns, but not arbitrarily few."
    )
    degree_tie: float = tuned(0.05, "Errors of two degrees within this share are one: then the lower degree is taken.")
    gamma: float = tuned(
        0.03,
        "Weight of the nuclear norm of networks: on 200 invariants of three vectors the singular values jump "
        "after three by 1.6 to 2.4 at 0.01 to 0.05, by 1.1 to 1.4 at 0.3.",
    )
    kernel_tie: float = tuned(
        0.02, "A further direction may cost this share of the validation error: a tie goes to the symmetry."
    )
    kernel_zero: float = tuned(
        1e-3, "Singular values below this share of the largest are zero: the solution is that accurate."
    )
    beyond_modes: float = tuned(
        0.1, "A candidate that leads beyond the modes by more than this share of its size is not promoted."
    )
    turn: float = tuned(
        2.0, "Standard deviation of the angle of a turn, in radians: turns keep rows where they were measured."
    )
    stretch: float = tuned(0.3, "Standard deviation of the logarithm of a stretch, which moves rows away.")
    along: float = tuned(
        30.0,
        "The final network's own penalty where rows cannot be moved; 10 to 100 gave the same errors on "
        "invariants of vectors.",
    )
    late: float = tuned(
        0.7, "Where rows are moved, the penalty comes from this share of the training on, to make the symmetry sharp."
    )
    network_tie: float = tuned(0.02, "Validation errors within this share are one: then more symmetries are taken.")
    decay: float = tuned(1e-4, "Weight decay of the networks.")


SETTINGS = PromotionSettings()
