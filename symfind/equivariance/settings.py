"""What makes and judges an equivariant network takes for granted."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class EnforceSettings:
    """What makes and judges an equivariant network takes for granted."""

    most_held_out: int = tuned(
        256, "Rows for losses: a standard error of a sixteenth of the spread, and a second for a slow file.", 128, 1024
    )
    held_out: float = tuned(0.5, "Of few rows, the share that no method sees.", 0.3, 0.6)
    seen: int = tuned(64, "Rows on which a change of the function is seen, where there are no targets.")
    alive: float = tuned(
        0.707, "Without targets a projection that moves the function by less, in its spread, keeps half its variance."
    )
    plainly: float = tuned(
        0.9, "Without targets a later method must move the function by so much less: the average is the nearest."
    )
    roundings: float = tuned(
        16.0,
        "The largest of a few hundred errors of rounding was 3 to 6 times their root mean square for rotations, 13 for "
        "boosts.",
        8.0,
        32.0,
    )
    same_cost: float = tuned(
        2.0, "Costs within this factor are one: on a busy machine times of the same call differed by more.", 1.5, 3.0
    )
    guess_plainly: float = tuned(
        0.9, "A later guess at representations must have so much less of a defect: the first is the usual reading."
    )
    doubtful: float = tuned(
        0.707, "With a defect e, e²/2 of the variance does not follow the group: beyond a quarter the user is asked."
    )
    most_rounding: float = tuned(
        1e-4, "An error that rounding explains is none up to here: some times the worst seen in float32.", 2e-5, 1e-3
    )
    margin: float = tuned(
        0.2, "The largest of 24 errors, by which a quadrature is chosen, underestimates that of the 256 that are told."
    )
    batch: int = tuned(128, "Rows of a step of a distillation.")
    product_rate: float = tuned(1e-2, "First step of Adam for networks of intertwiners and products …")
    invariant_rate: float = tuned(5e-3, "… and for perceptrons on invariants.")
    set_aside: float = tuned(
        0.2, "Of the rows that a distillation learns from, the share by which its shape and width are chosen.", 0.1, 0.3
    )
    spectrum_nodes: int = tuned(
        800, "Evaluations a row for errors by degree: degrees up to 5 of so(3), exactly.", 400, 1600
    )
    highest_degree: int = tuned(8, "Errors of higher degrees are told in one: more are no picture.", 4, 16)
    spectrum_rows: int = tuned(128, "Rows for errors by degree: shares to a tenth, and as many as are named from.")
    spectrum_evaluations: int = tuned(
        40_000, "Evaluations for errors by degree: 55 rows of so(3), seconds of small models."
    )
    rows_a_number: float = tuned(
        2.0, "Rows a number of a layer, to tell how it moves: an error of 1/√2 at most.", 1.5, 4.0
    )
    worst_rows: int = tuned(5, "Rows that are named: as many as one looks at.")
    choosing: float = tuned(0.2, "Share of the steps that each shape and width is trained for before one is chosen.")


SETTINGS = EnforceSettings()
