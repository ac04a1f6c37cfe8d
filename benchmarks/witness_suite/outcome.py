"""What a report says of a case, beside what is true of it: one record, one line of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from witness_suite.algebra import principal_cosines
from witness_suite.case import Array, Case, Sample

# δ, the program's default.
TOLERANCE = 0.05
# What is broken by less than this is told, not counted: nothing that holds to 2δ/5 in values is called false.
LEAST_ETA = 2 * TOLERANCE / 5
# A certified direction is wrong where its cosine to the exact algebra is less: 18°, six times the tolerance.
WRONG_COSINE = 0.95


@dataclass(frozen=True)
class Outcome:
    """One run.

    Attributes
    ----------
    part, name, family, kind, seed, noise, rows
        Of the case.
    dimension
        Of the exact algebra in the space asked: the most that may be certified.
    certified, approximate, undecided
        Directions listed under each verdict.
    possible
        Directions that are not refuted, listed or only counted in the spectrum.
    cosine
        The smallest principal cosine of the certified span to the exact algebra; NaN without either.
    algebra
        The name that is printed.
    witness
        The block of the report, where there is one.
    eta, visible
        For attacks: the distance of F to the functions that are symmetric under what is broken, and whether a
        nearest-neighbour test sees it in these rows.
    """

    part: str
    name: str
    family: str
    kind: str
    seed: int
    noise: float
    rows: int
    dimension: int
    certified: int = 0
    approximate: int = 0
    undecided: int = 0
    possible: int = 0
    cosine: float = float("nan")
    algebra: str = ""
    seconds: float = float("nan")
    witness: Mapping[str, Any] | None = None
    fit: str = ""
    eta: float = float("nan")
    visible: bool = False
    declined: str = ""
    crash: str = ""
    expressions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default_factory=tuple)

    @property
    def astray(self) -> bool:
        """A certified direction that is no symmetry, whatever their number."""
        if self.certified and not self.dimension:
            return True
        return self.certified > self.dimension or self.cosine < WRONG_COSINE

    @property
    def false(self) -> bool:
        """Certified what is not exact."""
        return bool(self.certified) and self.astray

    @property
    def counted(self) -> bool:
        """For attacks: broken by enough, and visibly."""
        return self.eta >= LEAST_ETA and self.visible

    @property
    def exact(self) -> bool:
        """The whole algebra certified and nothing else."""
        return self.certified == self.dimension and not self.false

    @property
    def refuted(self) -> bool:
        """An exact direction was refuted: fewer directions are left than there are exact ones."""
        return not self.crash and not self.declined and max(self.possible, self.listed) < self.dimension

    @property
    def wrongly_approximate(self) -> bool:
        """Said to hold within δ though η exceeds it."""
        return self.approximate + self.certified > self.dimension and self.eta > TOLERANCE

    @property
    def listed(self) -> int:
        """Directions in the list."""
        return self.certified + self.approximate + self.undecided

    def plain(self) -> dict[str, Any]:
        """For JSON: NaN becomes None."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Outcome:
        """From a line of JSON."""
        return cls(**{k: float("nan") if v is None and k != "witness" else v for k, v in plain.items()})

    @property
    def verdict(self) -> str:
        """A few words."""
        if self.crash:
            return "crash: " + self.crash
        if self.declined:
            return "declined: " + self.declined[:60]
        if self.false:
            return "FALSE" if not self.part.startswith(("attacks", "points")) or self.counted else "false, told"
        if self.wrongly_approximate:
            return "WRONGLY APPROXIMATE"
        if self.exact:
            return "exact" if self.dimension else "right"
        if self.refuted:
            return "REFUTED though exact"
        return "approximate though exact" if self.approximate else "undecided"


def affine_parts(action: Any, d: int) -> Array | None:
    """(A, b) ``(d, d + 1)`` of a generator in the user's coordinates; None where it is no affine field."""
    if isinstance(action, Mapping):
        exponents, coefficients = np.asarray(action["exponents"], int), np.asarray(action["coefficients"], float)
        if exponents.shape[1] != d or (exponents.sum(1) > 1).any():
            return None
        out = np.zeros((d, d + 1))
        for powers, column in zip(exponents, coefficients, strict=True):
            out[:, int(powers.argmax()) if powers.any() else d] += column
        return out
    try:
        matrix = np.asarray(action, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if matrix.shape == (d, d):
        return np.concatenate([matrix, np.zeros((d, 1))], 1)
    if matrix.shape == (d + 1, d + 1):
        return np.asarray(matrix[:d])
    return None


def smallest_cosine(generators: Sequence[Mapping[str, Any]], sample: Sample) -> float:
    """Of the certified span to the exact algebra."""
    d = sample.x.shape[-1]
    found = [affine_parts(g.get("input_action"), d) for g in generators]
    if not found or any(f is None for f in found) or not sample.algebra.dimension:
        return float("nan")
    cosines = principal_cosines(np.asarray(found), sample.algebra.lifted(), sample.x, sample.live)
    return float(cosines.min()) if len(cosines) else float("nan")


def reading(report: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
    """What the report says."""
    generators = report["generators"]
    by_verdict = {v: [g for g in generators if g["verdict"] == v] for v in ("certified", "approximate", "undecided")}
    fit = report.get("fit") or {}
    tolerance = report.get("settings", {}).get("tolerance", TOLERANCE)
    return {
        **{verdict: len(found) for verdict, found in by_verdict.items()},
        "possible": sum(e.get("lower") is None or e["lower"] <= tolerance for e in report["spectrum"]),
        "cosine": smallest_cosine(by_verdict["certified"], sample),
        "algebra": report["algebra"].get("name") or "",
        "witness": report.get("witness"),
        "fit": f"{fit.get('surrogate')}, R² {fit.get('r2') or float('nan'):.4f}" if fit else "",
        "expressions": tuple(f"{g['verdict']}: {g['expression']}" for g in generators[:12]),
        "warnings": tuple(str(w) for w in report.get("warnings", ()))[:4],
    }


def described(part: str, case: Case, sample: Sample, seed: int, noise: float) -> dict[str, Any]:
    """The case's own columns."""
    return {
        "part": part, "name": case.name, "family": case.family, "kind": case.kind, "seed": seed, "noise": noise,
        "rows": len(sample.x), "dimension": case.dimension,
    }  # fmt: skip
