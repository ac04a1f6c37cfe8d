"""How kernels are fitted and told from noise."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class OperatorSettings:
    """How kernels are fitted and told from noise."""

    vanishing: float = tuned(1e-3, "Fields that reach the border with less than this share of their size vanish there.")
    rows_per_mode: int = tuned(
        4,
        "A half of the rows repeats the fit on three of its four folds: 8/3 rows a mode are used up, others are spare.",
        least=3,
    )
    as_good: float = tuned(4.0, "Principal modes that leave up to so many times as much as waves do as well …")
    as_exact: float = tuned(1e-6, "… and so do those that leave no more than this.")
    poor: float = tuned(0.5, "Held-out share of the outputs' mean square beyond which the kernel says little about F.")
    noise: float = tuned(
        2.0, "White noise on the outputs leaves its own share in fits; up to so many times that counts as noise."
    )


SETTINGS = OperatorSettings()
