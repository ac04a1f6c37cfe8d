"""The report: what was asked, what was found, and how far it can be trusted (schema ``symfind.report/1``).

The names of the fields are a contract that other programs read. A report is immutable; two runs with the same
input and seed give equal reports but for ``timing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from symfind.errors import InputError
from symfind.schema.algebra import Algebra
from symfind.schema.conservation import Conservation, Conserved
from symfind.schema.coverage import Coverage, Drawn, Undecided, ValidityCurve
from symfind.schema.discrete import Discrete, DiscreteGroup
from symfind.schema.equation import EquationEntry
from symfind.schema.promotion import Promotion
from symfind.schema.records import NUMBERS, Json, Mismatch, Record
from symfind.schema.shown import ShownGenerator, ShownReport
from symfind.schema.witness import Local, Witness

SCHEMA = "symfind.report/1"
VERDICTS = ("certified", "approximate", "undecided", "refuted")


@dataclass(frozen=True, kw_only=True)
class Source(Record):
    """What was read: a file or a model, and how it was understood.

    Attributes
    ----------
    path
        As the user gave it; ``"-"`` is standard input.
    sha256
        Of the bytes of the file, in hexadecimal; None where there is no file.
    kind
        The question the data pose (``function``, ``map``, ``flow``, …) or ``model``.
    shapes
        Dataset name → shape, the rows first.
    names
        Names of the coordinates, as used in the expressions of the generators.
    read_as
        How the kind was found, and what is read as what; None where nothing was read.
    units
        Of the coordinates of a field, as many as names and empty where one has none; () where the file tells none.
    """

    path: str
    sha256: str | None = None
    kind: str
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    read_as: str | None = None
    units: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Environment(Record):
    """The versions and the machine's part in the numbers."""

    symfind: str
    torch: str
    device: str
    dtype: str
    threads: int


@dataclass(frozen=True, kw_only=True)
class Fit(Record):
    """The surrogate that stood for F; absent for models, which are F, and for distributions, which have none.

    Attributes
    ----------
    surrogate
        The family: ``"polynomial ridge"``, ``"random features"``, …
    degree
        Of a polynomial; None for other families.
    r2
        Held-out R², 1 for a perfect fit.
    """

    surrogate: str
    degree: int | None = None
    r2: float | None = None


@dataclass(frozen=True, kw_only=True)
class Space(Record):
    """The candidates: a space of vector fields of ``dimension`` p, and those that act as zero on the data.

    Attributes
    ----------
    name
        As in ``--space``.
    dimension
        p, the trivial fields included.
    trivial
        Expressions of the fields that vanish on the data; quotiented out, never reported as symmetries.
    """

    name: str
    dimension: int
    trivial: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpectrumEntry(Record):
    """One relative defect ρ with its confidence bounds; None where it could not be computed."""

    defect: float | None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Generator(ShownGenerator, Record):
    """One infinitesimal symmetry ξ = Σ cᵢ ξᵢ with its relative defect ρ and the verdict.

    Attributes
    ----------
    expression
        In the names of the coordinates: ``"px ∂py − py ∂px"``.
    latex
        The same for typesetting; may be empty.
    defect, lower, upper
        ρ(ξ), without unit, and its 1 − α bounds; η where a witness decided: the distance of F, in values, to the
        functions that have the symmetry.
    verdict
        ``"certified"``, ``"approximate"``, ``"undecided"`` or ``"refuted"``.
    reach
        The largest |t| for which the finite defect of exp(tξ) stays below the tolerance, t scaled by the
        spectral radius of ξ; None where it was not measured.
    coefficients
        c, of length p, in the basis of the space.
    input_action
        ξ in the user's coordinates: the matrix A ``(d, d)`` of ξ(x) = Ax; ((A, b), (0, 0)) ``(d+1, d+1)`` of
        ξ(x) = Ax + b; a mapping of ``exponents`` ``(q, d)`` and ``coefficients`` ``(q, d)`` of Σ x^α c_α for other
        polynomials; else the coefficients of the formulas of the space.
    output_action
        The matrix by which the generator acts on y; None where y has no action of its own. For a flow the 1 × 1 matrix
        of the rescaling of time c in L_ξF = cF.
    """

    expression: str
    latex: str = ""
    defect: float | None
    lower: float | None = None
    upper: float | None = None
    verdict: str
    reach: float | None = None
    coefficients: tuple[float, ...] = ()
    input_action: Json = field(default=None, metadata=NUMBERS)
    output_action: Json = field(default=None, metadata=NUMBERS)

    def __post_init__(self) -> None:
        """Check the types and the verdict."""
        super().__post_init__()
        if self.verdict not in VERDICTS:
            raise Mismatch.of("verdict", self.verdict, "one of " + ", ".join(VERDICTS))


@dataclass(frozen=True, kw_only=True)
class SetApart(Record):
    """A direction with a small defect that is nevertheless no finding, and why."""

    expression: str
    reason: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(ShownReport, Record):
    """The answer to one question, with every number that led to it.

    Attributes
    ----------
    source, settings, environment
        What was read, every option that was in force, and the versions.
    fit
        The surrogate, where there is one.
    space, spectrum
        The candidates and their defects, ascending.
    generators
        The certified, the approximate and some undecided generators: refuted directions are in the spectrum alone.
    set_apart
        Directions that are small but trivial or a gauge.
    validity
        For images: how valid they stay along each candidate, whatever its verdict.
    algebra, coverage
        What the certified generators span, and what the data can speak about.
    notes
        What was chosen or inferred for the user, and why.
    warnings
        What the reader must know before trusting the findings.
    timing
        Phase → seconds; the one part that differs between equal runs, so it takes no part in equality.
    promotion
        How the model was fitted; None unless ``promote`` wrote the report.
    equation
        The differential equation of fields.
    conserved, conservation
        Functions that are conserved, and how they depend on one another; None unless ``conserve`` was asked.
    discrete, discrete_group
        Finite candidates and what the certified ones generate; None unless they were asked for.
    local
        What holds on a part of the domain alone; None unless it was asked for.
    witness
        The symmetric model that decided; None where F was given or no such model was sought.
    undecided
        How many directions are undecided and how many of these are among the generators; None where none is.
    drawn
        Rows that pictures show; None where coordinates are too many.
    """

    REQUIRED: ClassVar[frozenset[str]] = frozenset(
        "source settings environment space spectrum generators algebra coverage warnings timing".split()
    )

    schema: str = SCHEMA
    source: Source
    settings: Mapping[str, Json]
    environment: Environment
    fit: Fit | None = None
    space: Space
    spectrum: tuple[SpectrumEntry, ...] = ()
    generators: tuple[Generator, ...] = ()
    set_apart: tuple[SetApart, ...] = ()
    validity: tuple[ValidityCurve, ...] = ()
    algebra: Algebra
    coverage: Coverage = field(default_factory=Coverage)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    timing: Mapping[str, float] = field(default_factory=dict, compare=False)
    promotion: Promotion | None = None
    equation: EquationEntry | None = None
    conserved: tuple[Conserved, ...] | None = None
    conservation: Conservation | None = None
    discrete: tuple[Discrete, ...] | None = None
    discrete_group: DiscreteGroup | None = None
    local: tuple[Local, ...] | None = None
    witness: Witness | None = None
    undecided: Undecided | None = None
    drawn: Drawn | None = None

    def __post_init__(self) -> None:
        """Check the types and the schema."""
        super().__post_init__()
        if self.schema != SCHEMA:
            raise Mismatch.of("schema", self.schema, f'"{SCHEMA}"')

    @property
    def certified(self) -> tuple[Generator, ...]:
        """The generators whose upper confidence bound is below the tolerance."""
        return tuple(g for g in self.generators if g.verdict == "certified")

    @property
    def held(self) -> tuple[Generator, ...]:
        """The certified and the approximate generators: what a model is to be made exact under."""
        return tuple(g for g in self.generators if g.verdict in ("certified", "approximate"))

    def unlisted_verdict(self, entry: SpectrumEntry) -> str:
        """Refuted where the lower bound is above the tolerance; a direction of which nothing is sure is only large."""
        tolerance = self.settings.get("tolerance", 0.0)
        sure = entry.lower is not None and isinstance(tolerance, float) and entry.lower > tolerance
        return "refuted" if sure else "not decided"

    @classmethod
    def read(cls, plain: Any, name: str) -> Self:
        """Return the report held by plain JSON values that came from the file ``name``.

        Raises
        ------
        InputError
            The values are no report of this schema; the message says where and what is expected.
        """
        remedy = "give a report that symfind wrote"
        if not isinstance(plain, Mapping) or "schema" not in plain:
            raise InputError(f'{name}: not a symfind report (no "schema"); {remedy}')
        if plain["schema"] != SCHEMA:
            raise InputError(f'{name}: schema {plain["schema"]!r}, this version reads "{SCHEMA}"; {remedy}')
        missing = [f.name for f in fields(cls) if f.name in cls.REQUIRED and f.name not in plain]
        if missing:
            raise InputError(f"{name}: the report lacks {', '.join(missing)}; {remedy}")
        try:
            return cls.from_plain(plain)
        except Mismatch as mismatch:
            raise InputError(f"{name}: {mismatch}; {remedy}") from None
