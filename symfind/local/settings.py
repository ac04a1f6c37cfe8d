"""What a symmetry of a part of the domain is found and judged by."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.settings import tuned


@dataclass(frozen=True)
class LocalSettings:
    """What a symmetry of a part of the domain is found and judged by."""

    share: float = tuned(0.1, "Regions of a smaller share of the rows are not reported: any smooth function has some.")
    whole: float = tuned(
        0.97, "A region of a larger share is the domain but for the rim that a tree cuts off.", least=0.95, most=0.99
    )
    depth: float = tuned(4, "Cuts one after the other: what needs more is no region that can be told.", least=3, most=5)
    leaf: float = tuned(0.02, "Share of the rows that a leaf holds at least, so that it is not cut around noise.")
    wrong: float = tuned(0.02, "Share of rows off the prediction that a leaf of the region may hold.", most=0.03)
    margin: float = tuned(
        0.01,
        "Share of a leaf's rows by which a cut is moved inwards: where the boundary lies is known to a row or two.",
    )
    off: float = tuned(
        4.5,
        "A row is off the prediction by more than so many medians: three standard deviations of normal noise.",
        least=3.5,
        most=6.0,
    )
    agree: float = tuned(
        0.8, "Overlap over union of the regions that the two halves find: less is no region.", least=0.7, most=0.85
    )


SETTINGS = LocalSettings()
