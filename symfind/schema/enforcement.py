"""What ``enforce`` did to a model (schema ``symfind.enforcement/1``) and what ``score`` found (``symfind.score/1``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symfind.schema.document import Environment
from symfind.schema.records import Json, Mismatch, Record

ENFORCEMENT = "symfind.enforcement/1"
SCORE = "symfind.score/1"


@dataclass(frozen=True, kw_only=True)
class ModelSource(Record):
    """The model that was read: path, digest, kind of file, shapes of a row and of its value."""

    path: str
    sha256: str | None = None
    format: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class GroupUsed(Record):
    """The group and its actions.

    Attributes
    ----------
    name, dimension, components, compact
        Of the group; components is None where their number is not known.
    rep_in, rep_out
        Representations on rows of x and of F(x).
    coordinates
        T where V(g) = T⁻¹ g T; None for T = 1.
    distance
        Sine of the largest angle between generators as given and the exact algebra that was taken for them.
    closure
        Closure residual of the generators as given.
    """

    name: str
    dimension: int
    components: int | None
    compact: bool
    rep_in: str
    rep_out: str
    coordinates: Json = None
    distance: float | None = None
    closure: float | None = None


@dataclass(frozen=True, kw_only=True)
class ErrorMeasured(Record):
    """‖F(ρ_in(g)x) − ρ_out(g)F(x)‖ in units of the spread of the model given, over pairs of a fresh g and a row."""

    largest: float
    rms: float
    elements: int


@dataclass(frozen=True, kw_only=True)
class LossMeasured(Record):
    """The loss over held-out rows.

    Attributes
    ----------
    kind
        ``mse``, ``cross-entropy`` or ``binary cross-entropy``.
    value, standard_error
        Mean over rows, and its standard error.
    accuracy
        Of classes; None for numbers.
    rows
        How many.
    outputs
        The loss of each output, where there are a few.
    """

    kind: str
    value: float
    accuracy: float | None = None
    rows: int
    standard_error: float | None = None
    outputs: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LossChange(Record):
    """Loss after − loss before on the same rows: the mean, its standard error; why where it is worse by more."""

    mean: float
    standard_error: float | None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class MethodTried(Record):
    """One method: what it made of the model, or why it was not taken.

    Attributes
    ----------
    method, detail
        Name, and how large it came out.
    error, loss
        Of the file it wrote; None where it wrote none.
    change
        √E‖F̄ − F‖² in units of the spread of F.
    cost
        Time of a call relative to the model's.
    remark
        Why it was not measured or not taken.
    """

    method: str
    detail: str = ""
    error: ErrorMeasured | None = None
    loss: LossMeasured | None = None
    change: float | None = None
    cost: float | None = None
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class LayerMoved(Record):
    """‖W̄ − W‖/‖W‖ of a layer with its bias, dimension of its space of intertwiners, representation behind it."""

    layer: str
    distance: float
    dimension: int
    representation: str


@dataclass(frozen=True, kw_only=True)
class Enforcement(Record):
    """What was done to a model, what it cost and what is left of the error.

    Attributes
    ----------
    source, group
        The model, the group and its actions.
    method, reason
        ``project``, ``average``, ``frames``, ``distill``, or ``unchanged``; and why.
    output
        The file written; None if none was asked for.
    error_before, error_after, loss_before, loss_after
        On fresh elements and held-out rows; losses only with targets.
    loss_constant, loss_change
        The loss of the best constant, and what became of the loss row by row; only with targets.
    change, cost_ratio
        Of the function, and of the time of a call.
    layers
        Distances moved, for a projection.
    considered
        Every method that was looked at.
    notes, warnings
        What was chosen for the user; what the user must know.
    settings, environment, timing
        As in a report.
    """

    schema: str = ENFORCEMENT
    source: ModelSource
    group: GroupUsed
    method: str
    reason: str
    output: str | None = None
    error_before: ErrorMeasured
    error_after: ErrorMeasured
    loss_before: LossMeasured | None = None
    loss_after: LossMeasured | None = None
    loss_constant: LossMeasured | None = None
    loss_change: LossChange | None = None
    change: float = 0.0
    cost_ratio: float = 1.0
    layers: tuple[LayerMoved, ...] = ()
    considered: tuple[MethodTried, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Json] = field(default_factory=dict)
    environment: Environment
    timing: Mapping[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Check the types and the schema."""
        super().__post_init__()
        if self.schema != ENFORCEMENT:
            raise Mismatch.of("schema", self.schema, f'"{ENFORCEMENT}"')


@dataclass(frozen=True, kw_only=True)
class GeneratorScored(Record):
    """A generator (or a component): its relative defect ρ, and the finite error at each size of the transformation.

    Attributes
    ----------
    name
        ``generator 1`` …, ``component 1`` …
    defect
        ρ of the Lie derivative; None for a component, which has none.
    finite
        √E‖F(exp(tA)x) − ρ_out(exp(tA))F(x)‖² in units of the spread of F, at the sizes of the document; one number
        for a component.
    """

    name: str
    defect: float | None = None
    finite: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PartScored(Record):
    """The isotypic part of F with one name: its error outside the mean over the group, and the shares by degree.

    Attributes
    ----------
    label, copies
        ``vector``, ``spin 2``, ``scalar`` …, and how many there are.
    rms
        In the units of F.
    shares, above
        Of the square of it at each degree of the document, and at all higher ones; zeros where there is no error.
    """

    label: str
    copies: int
    rms: float
    shares: tuple[float, ...]
    above: float


@dataclass(frozen=True, kw_only=True)
class RowScored(Record):
    """A row of the data by its number from 0, and its error over the group, in the units of F."""

    row: int
    rms: float


@dataclass(frozen=True, kw_only=True)
class LayerScored(Record):
    """What a layer adds to dF·ξx − ρ_out F: its size in units of the spread of F, and its part of the whole.

    Shares are ⟨addend, whole⟩/‖whole‖² over rows and generators: they sum to one, and one that is negative makes up for
    another layer.
    """

    layer: str
    kind: str
    rms: float
    share: float


def blame_is_shared(layers: Sequence[LayerScored]) -> bool:
    """Whether a layer undoes a tenth or more of what others add: then no single one is to blame."""
    return any(layer.share < -0.1 for layer in layers)


@dataclass(frozen=True, kw_only=True)
class ErrorSpectrum(Record):
    """√E‖ρ_out(g)⁻¹F(ρ_in(g)x) − its mean over g‖² over rows and a compact group, by degree, part and row.

    Attributes
    ----------
    rms, relative
        In the units of F, and in units of its spread over rows and group: 1 where nothing of F is equivariant.
    degrees, shares, above
        Degrees of polynomials in the entries of g; the share of the square at each, and at all higher ones.
    parts
        Irreducible parts of F by name.
    worst
        The rows with the largest errors, largest first.
    rows, nodes, exact_to
        How many rows; how many nodes the quadrature has and up to which degree it is exact (None: a sum over all
        elements).
    quadrature_error
        By how much a share, or the whole relative to itself, changes at most with nodes turned by a random element.
    """

    rms: float
    relative: float
    degrees: tuple[int, ...]
    shares: tuple[float, ...]
    above: float
    parts: tuple[PartScored, ...]
    worst: tuple[RowScored, ...]
    rows: int
    nodes: int
    exact_to: int | None
    quadrature_error: float


@dataclass(frozen=True, kw_only=True)
class Score(Record):
    """How well a model obeys a group, infinitesimally and along finite transformations.

    Attributes
    ----------
    source, group
        The model, the group and its actions.
    sizes
        t, in units in which the generator has spectral radius one (radians, for a rotation).
    generators
        One entry a generator and a component.
    error
        On random elements of the whole group.
    spectrum
        By degree, part and row; None for a group without a mean, or without a quadrature.
    layers
        What each layer adds to the Lie derivative, if that was asked.
    notes, settings, environment, timing
        As in a report.
    """

    schema: str = SCORE
    source: ModelSource
    group: GroupUsed
    sizes: tuple[float, ...]
    generators: tuple[GeneratorScored, ...]
    error: ErrorMeasured
    spectrum: ErrorSpectrum | None = None
    layers: tuple[LayerScored, ...] = ()
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Json] = field(default_factory=dict)
    environment: Environment
    timing: Mapping[str, float] = field(default_factory=dict, compare=False)
