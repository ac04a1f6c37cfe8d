"""What ``augment`` wrote (schema ``symfind.augmentation/1``), and what ``score`` found of fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from symfind.schema.document import Environment
from symfind.schema.records import Json, Record

AUGMENTATION = "symfind.augmentation/1"
FIELD_SCORE = "symfind.field-score/1"

Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


@dataclass(frozen=True, kw_only=True)
class Augmentation(Record):
    """Fields moved along generators.

    Attributes
    ----------
    source, output
        Files read and written.
    generators
        As expressions.
    units
        What one unit of the parameter of each is: the report's generator is divided by its norm over the data.
    trajectories, moved, rejected
        How many were read and written, and how many draws left the support.
    axes
        Of the file written.
    equation, residual, residual_after, expected_after
        The equation of the report, how much of its terms the data leave before and after, and what errors of the
        derivatives would leave after: an axis that is no longer periodic is differentiated less well.
    notes, settings, environment, timing
        As in a report.
    """

    SCHEMA: ClassVar[str] = AUGMENTATION

    schema: str = AUGMENTATION
    source: str
    output: str
    generators: tuple[str, ...]
    units: tuple[float, ...]
    trajectories: int
    moved: int
    rejected: int
    axes: tuple[str, ...]
    equation: str | None = None
    residual: float | None = None
    residual_after: float | None = None
    expected_after: float | None = None
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Json] = field(default_factory=dict)
    environment: Environment
    timing: Mapping[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
class FieldScored(Record):
    """A generator, what it leaves of the equation infinitesimally, and after finite transformations."""

    name: str
    defect: float
    finite: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class FieldScore(Record):
    """How well solutions stay solutions along generators.

    Attributes
    ----------
    source, sha256
        The data.
    equation, given, residual
        The equation that judges, whether it was given, and what the data themselves leave of its terms.
    sizes
        α, in units in which a generator has a root mean square of one over the data, variables in units of their
        spread.
    generators
        An entry each: finite are residuals of transformed solutions, in units of the terms of the equation.
    notes, settings, environment, timing
        As in a report.
    """

    SCHEMA: ClassVar[str] = FIELD_SCORE

    schema: str = FIELD_SCORE
    source: str
    sha256: str
    equation: str
    given: bool
    residual: float
    sizes: tuple[float, ...]
    generators: tuple[FieldScored, ...]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Json] = field(default_factory=dict)
    environment: Environment
    timing: Mapping[str, float] = field(default_factory=dict, compare=False)


def augmentation_pairs(document: Augmentation) -> Iterator[tuple[str, str]]:
    """Label and text, a line each."""
    yield "written", f"{document.moved} moved trajectories of {document.trajectories} to {document.output}"
    yield "axes", "; ".join(document.axes)
    for text, unit in zip(document.generators, document.units, strict=True):
        yield "generator", f"{text}   (one unit of size: {unit:.3g} of its parameter)"
    if document.residual is not None and document.residual_after is not None:
        yield (
            "residual",
            (
                f"{document.residual:.2e} of the terms before, {document.residual_after:.2e} after "
                f"({document.expected_after or 0.0:.2e} expected from errors of derivatives)"
            ),
        )
    for note in document.notes:
        yield "note", note


def field_score_pairs(document: FieldScore) -> Iterator[tuple[str, str]]:
    """Label and text, a line each."""
    yield "equation", f"{document.equation} ({'given' if document.given else 'identified'})"
    yield "residual", f"{document.residual:.2e} of its terms in the data"
    for note in document.notes:
        yield "note", note


def field_score_table(document: FieldScore) -> Table:
    """Residual against the size of the transformation, a row a generator."""
    header = ("", "defect", *(f"α = {size:g}" for size in document.sizes))
    rows = [(g.name, f"{g.defect:.3g}", *(f"{value:.2g}" for value in g.finite)) for g in document.generators]
    return header, tuple(rows)
