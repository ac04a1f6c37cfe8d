"""How a model was fitted with as much symmetry as its data allow: part of the report of ``promote``."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.schema.records import Record


@dataclass(frozen=True, kw_only=True)
class PathEntry(Record):
    """One weight of the nuclear norm.

    Attributes
    ----------
    gamma
        γ.
    symmetries
        Singular values of the Lie derivative that are exactly zero in the fit.
    error
        Cross-validated share of variance that the fit misses.
    """

    gamma: float
    symmetries: int
    error: float


@dataclass(frozen=True, kw_only=True)
class RefitEntry(Record):
    """The fit inside the nullspace of so many symmetries, and its cross-validated error."""

    symmetries: int
    error: float


@dataclass(frozen=True, kw_only=True)
class EpochEntry(Record):
    """A pass over the data: weight γ of the nuclear norm, loss on the training and on the validation rows, and the
    nuclear norm over √P times the norm of the Lie derivative (one where all singular values are alike)."""  # noqa: D205, D209

    epoch: int
    gamma: float
    loss: float
    validation: float
    nuclear: float


@dataclass(frozen=True, kw_only=True)
class HeldOut(Record):
    """Share of variance that is missed on rows no fit has seen, with promotion and without.

    Attributes
    ----------
    rows
        How many.
    promoted, plain
        Of the model that was written, and of the same model fitted without promotion.
    difference_error
        Standard error of their difference.
    """

    rows: int
    promoted: float
    plain: float
    difference_error: float


@dataclass(frozen=True, kw_only=True)
class Promotion(Record):
    """What was fitted and how it was chosen.

    Attributes
    ----------
    model
        The class of models, and what the fit without promotion is.
    gamma
        The weight that was chosen.
    symmetries
        Candidates the fit has as symmetries by construction.
    unknowns, freedom
        Parameters, and how many are left by these symmetries; None for a network.
    path, refits, epochs
        What was tried.
    held_out
        The comparison.
    output
        The file the model was written to.
    """

    model: str
    gamma: float
    symmetries: int | None = None
    unknowns: int
    freedom: int | None = None
    path: tuple[PathEntry, ...] = ()
    refits: tuple[RefitEntry, ...] = ()
    epochs: tuple[EpochEntry, ...] = ()
    held_out: HeldOut
    output: str | None = None
