"""The report: what was asked, what was found, and how far it can be trusted (schema ``symfind.report/1``).

The names of the fields are a contract that other programs read. A report is immutable; two runs with the same
input and seed give equal reports but for ``timing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from symfind.errors import InputError
from symfind.report.records import Json, Mismatch, Record

SCHEMA = "symfind.report/1"
VERDICTS = ("certified", "undecided", "refuted")


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
    """

    path: str
    sha256: str | None = None
    kind: str
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    names: tuple[str, ...] = ()


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


@dataclass(frozen=True, kw_only=True)
class Generator(Record):
    """One infinitesimal symmetry ξ = Σ cᵢ ξᵢ with its relative defect ρ and the verdict.

    Attributes
    ----------
    expression
        In the names of the coordinates: ``"px ∂py − py ∂px"``.
    latex
        The same for typesetting; may be empty.
    defect, lower, upper
        ρ(ξ), without unit, and its 1 − α bounds.
    verdict
        ``"certified"``, ``"undecided"`` or ``"refuted"``.
    reach
        The largest |t| for which the finite defect of exp(tξ) stays below the tolerance, t scaled by the
        spectral radius of ξ; None where it was not measured.
    coefficients
        c, of length p, in the basis of the space.
    input_action
        The matrix A of ξ(x) = A x, or the coefficient table of a nonlinear field, in the user's coordinates.
    output_action
        The matrix by which the generator acts on y; None where y has no action of its own.
    """

    expression: str
    latex: str = ""
    defect: float | None
    lower: float | None = None
    upper: float | None = None
    verdict: str
    reach: float | None = None
    coefficients: tuple[float, ...] = ()
    input_action: Json = None
    output_action: Json = None

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


@dataclass(frozen=True, kw_only=True)
class Algebra(Record):
    """The Lie algebra that the certified generators span; None where it was not determined.

    Attributes
    ----------
    dimension
        The number of certified generators.
    name, aliases
        A standard name or ``"unidentified"``, and the names of isomorphic algebras.
    closure
        The largest relative distance of a bracket from the span.
    killing_signature
        Numbers of negative, zero and positive eigenvalues of the Killing form.
    derived_dimensions
        Dimensions of the derived series, from the algebra downwards.
    structure_constants
        f[i][j][k] of [ξᵢ, ξⱼ] = Σₖ f[i][j][k] ξₖ.
    preserved_forms
        Matrices Q with AᵀQ + QA = 0 for every generator.
    """

    dimension: int
    name: str | None = None
    aliases: tuple[str, ...] = ()
    closure: float | None = None
    killing_signature: tuple[int, ...] | None = None
    center_dimension: int | None = None
    derived_dimensions: tuple[int, ...] | None = None
    semisimple: bool | None = None
    solvable: bool | None = None
    compact: bool | None = None
    structure_constants: Json = None
    preserved_forms: tuple[Json, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Coverage(Record):
    """How many of the candidate directions the data can speak about.

    Attributes
    ----------
    factor
        The supremum ω of what a candidate can do where the data cannot see it; 0 is full coverage, None
        unbounded.
    rank
        The number of directions of the space that the data determine.
    message
        The same as a sentence.
    """

    factor: float | None = None
    rank: int | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Report(Record):
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
        The certified and the undecided generators, then none: refuted directions are in the spectrum alone.
    set_apart
        Directions that are small but trivial or a gauge.
    algebra, coverage
        What the certified generators span, and what the data can speak about.
    notes
        What was chosen or inferred for the user, and why.
    warnings
        What the reader must know before trusting the findings.
    timing
        Phase → seconds; the one part that differs between equal runs, so it takes no part in equality.
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
    algebra: Algebra
    coverage: Coverage = field(default_factory=Coverage)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    timing: Mapping[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Check the types and the schema."""
        super().__post_init__()
        if self.schema != SCHEMA:
            raise Mismatch.of("schema", self.schema, f'"{SCHEMA}"')

    @property
    def certified(self) -> tuple[Generator, ...]:
        """The generators whose upper confidence bound is below the tolerance."""
        return tuple(g for g in self.generators if g.verdict == "certified")

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
