"""The options of every verb as frozen dataclasses, and YAML files that set them.

An option is declared once, here: its type, its default, the values it accepts, its help. The command line and
the Python functions share the declaration, so both refuse the same values with the same words.
"""

from __future__ import annotations

from dataclasses import dataclass

from symfind.errors import UsageError
from symfind.names import CONSERVED_KINDS, ENFORCEMENT_NAMES, KIND_NAMES, METHOD_NAMES, PROMOTED_KINDS
from symfind.options.option import (
    ArchitectureOptions,
    ComputeOptions,
    EquationOptions,
    ModelInputOptions,
    RefitOptions,
    RowOptions,
    SearchOptions,
    SectionOptions,
    option,
)


@dataclass(frozen=True, kw_only=True)
class DiscoverOptions(SectionOptions, RefitOptions, ModelInputOptions, EquationOptions):
    """What to search for continuous symmetries, among which candidates, and how sure to be."""

    source: str = option("A dataset or a trained model, or several; - is standard input.", several=True)
    model: str | None = option(
        "For images: a trained classifier to judge them by, in place of one trained on their labels.",
        None,
        panel="Input",
        shown_as="FILE",
    )
    kind: str | None = option(
        "The question the data pose; read from the file, or inferred, if not given.",
        None,
        panel="Input",
        choices=KIND_NAMES,
    )
    grid: str | None = option(
        "For fields: the axes of u, each a dataset or START:STOP, such as 't=0:100, x=0:128 periodic' (for operators "
        "'x=-1:1, y=-1:1'); a periodic axis ends one step before STOP.",
        None,
        panel="Input",
        shown_as="AXES",
    )
    density: str = option(
        "For operators: which fields move as densities, u ↦ −div(ξu), rather than as functions, u ↦ −ξ·∇u.",
        "none",
        panel="Search",
        choices=("none", "input", "output", "both"),
    )
    max_rows: int | None = option("Read at most so many rows.", None, panel="Input", least=1)
    space: str | None = option(
        "The candidate vector fields: linear, affine, polynomial:2, so, image-affine, colour, for fields point:2, "
        "point:chebyshev:3,1,1 (degrees in t, x, u) or random-features:200, a sum such as so+translations, a YAML "
        "file of expressions, or a report (what its certified generators span); scalings of positive data, with their "
        "dimensionless groups; auto, or nothing, chooses by the data.",
        None,
        panel="Search",
        shown_as="NAME",
    )
    method: str = option("How symmetries are computed.", "auto", panel="Search", choices=METHOD_NAMES)
    variant: str = option(
        "For fields with --method validity: whether what a generator does to solutions is judged by its derivative, "
        "or after random finite steps along its flow.",
        "derivative",
        panel="Search",
        choices=("derivative", "flow"),
    )
    steps: int = option("With --method validity: steps of training at most.", 2000, panel="Search", least=1)
    surrogate: str = option(
        "What is fitted to data in place of F, or to a set (local: planes): polynomial:k, a family by name, or auto.",
        "auto",
        panel="Search",
        shown_as="NAME",
    )
    local: bool = option("Symmetries of a part of the domain too, each with its region.", False, panel="Search")
    close: bool = option("Project the certified generators onto the nearest Lie algebra.", False, panel="Decision")
    witness: str | None = option(
        "Write the symmetric model that decided as TorchScript.", None, panel="Output", shown_as="FILE.pt", writes=True
    )
    checkpoint: str | None = option(
        "With --method validity: keep the state of the training in this file.",
        None,
        panel="Output",
        shown_as="FILE",
        writes=True,
    )
    resume: bool = option("With --method validity: go on from --checkpoint, if that file is there.", False, panel="Run")
    dry_run: bool = option("Say what would be read and searched, and how large it is, and stop.", False, panel="Run")

    def __post_init__(self) -> None:
        """Validate every option, and those that only make sense together."""
        super().__post_init__()
        if self.resume and self.checkpoint is None:
            raise UsageError("--resume needs to know from where: add --checkpoint FILE")
        if self.level_set is not None and self.method != "tangent":
            raise UsageError("--level-set says which set the fields are tangent to: add --method tangent")


@dataclass(frozen=True, kw_only=True)
class ActionOptions(ArchitectureOptions, RowOptions):
    """Which group acts on which model, and how; on which rows that is measured."""

    model: str = option("A trained model: TorchScript, torch.export or a checkpoint; - is standard input.")
    group: str | None = option(
        "The group by name, such as so3, o3, so13, se3, s5, c4 (`symfind groups` lists them).",
        None,
        panel="Search",
        shown_as="NAME",
    )
    generators: str | None = option(
        "Or the group that the certified generators of a report span; - is standard input.",
        None,
        panel="Search",
        shown_as="REPORT",
    )
    rep_in: str | None = option(
        "How the group acts on a row of x, such as 9V, 4x1+2x0 or image(28,28); inferred if not given.",
        None,
        panel="Search",
        shown_as="FORMULA",
    )
    rep_out: str | None = option(
        "How it acts on F(x), such as 1 (invariant) or V; inferred if not given.",
        None,
        panel="Search",
        shown_as="FORMULA",
    )
    data: str | None = option(
        "A file of rows x to judge the model on, with targets y if there are any.", None, panel="Input", shown_as="FILE"
    )
    shape: tuple[int, ...] | None = option(
        "Without data: the shape of one input, such as 27 or 9,3; rows are standard normal.",
        None,
        panel="Input",
        shown_as="N,N",
    )
    model_output: str | None = option(
        "Of a model with several outputs: which one, by its name in the dictionary or its place in the tuple, from 0.",
        None,
        panel="Input",
        shown_as="NAME",
    )
    n_samples: int = option("Without data: how many rows.", 1024, panel="Input", least=8)
    max_rows: int = option("Use at most so many rows, drawn at random.", 4096, panel="Input", least=8)

    def __post_init__(self) -> None:
        """Validate every option; one group is named, in one way."""
        super().__post_init__()
        if (self.group is None) == (self.generators is None):
            raise UsageError("name the group: either --group NAME or --generators REPORT (exactly one of them)")
        if self.model == "-" and self.generators == "-":
            raise UsageError("both the model and the report are -, and there is one standard input; name one file")
        if self.shape is not None and (not self.shape or min(self.shape) < 1):
            given = ",".join(map(str, self.shape))
            raise UsageError(f"--shape is {given!r}, expected whole numbers of at least 1, such as 27 or 9,3")


@dataclass(frozen=True, kw_only=True)
class EnforceOptions(ActionOptions):
    """Which model to make equivariant under which group, and how."""

    method: str = option(
        "How: layerwise projection, the mean over the group, the mean over frames, or an equivariant network fitted "
        "to that mean; auto compares them.",
        "auto",
        panel="Search",
        choices=ENFORCEMENT_NAMES,
    )
    rep_hidden: str | None = option(
        "For project: how the group acts on the hidden layers, separated by semicolons; inferred if not given.",
        None,
        panel="Search",
        shown_as="FORMULAS",
    )
    tolerance: float = option(
        "The equivariance error that counts as none, in units of the spread of the model's values.",
        1e-6,
        panel="Decision",
        open_unit=True,
    )
    steps: int = option("For distill: steps of training.", 800, panel="Search", least=1)
    epochs: int | None = option(
        "For distill: passes over the rows that it learns from, in place of steps.", None, panel="Search", least=1
    )
    witness: str | None = option(
        "For distill: a symmetric model (discover --witness) that the new network is added to.",
        None,
        panel="Search",
        shown_as="FILE.pt",
    )
    checkpoint: str | None = option(
        "For distill: keep the state of the training in this file.", None, panel="Output", shown_as="FILE", writes=True
    )
    resume: bool = option("For distill: go on from --checkpoint, if that file is there.", False, panel="Run")
    budget: int | None = option("How often the result may call the model for a row.", None, panel="Search", least=1)
    force: bool = option("Write what is worse by more than a standard error, too.", False, panel="Decision")
    grid: str | None = option(
        "For networks on fields: the axes of a row's last axes, such as 'x=0:1 periodic, y=0:1 open'; kernels are made "
        "to commute with --group translations, translations+c4, +d4 or +so2.",
        None,
        panel="Input",
        shown_as="AXES",
    )
    weights: str | None = option(
        "Write weights, bases and coefficients layer by layer to this HDF5 file.",
        None,
        panel="Output",
        shown_as="FILE.h5",
        writes=True,
    )

    def __post_init__(self) -> None:
        """Validate every option, and those that only make sense together."""
        super().__post_init__()
        if self.resume and self.checkpoint is None:
            raise UsageError("--resume needs to know from where: add --checkpoint FILE")
        for name, given in (("--checkpoint", self.checkpoint), ("--witness", self.witness), ("--epochs", self.epochs)):
            if given is not None and self.method not in ("auto", "distill"):
                raise UsageError(f"{name} is for --method distill, not {self.method}; leave it out")


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(ActionOptions, EquationOptions):
    """Which model to judge under which group, or which fields along which generators."""

    grid: str | None = option("For fields: the axes of u, as in discover.", None, panel="Input", shown_as="AXES")
    units: str | None = option("The unit of F, to show errors in.", None, panel="Output", shown_as="UNIT")
    by_layer: bool = option("Of a chain: what each layer adds to the Lie derivative.", False, panel="Decision")


@dataclass(frozen=True, kw_only=True)
class AugmentOptions(ComputeOptions):
    """Which fields to move along which generators, and how far."""

    data: str = option("A dataset of fields; - is standard input.")
    generators: str | None = option(
        "A report; its certified generators move the fields.", None, panel="Search", shown_as="REPORT"
    )
    only: tuple[int, ...] | None = option(
        "Of the generators, those with these numbers, certified or not.", None, panel="Search", shown_as="N,N"
    )
    size: float = option(
        "Parameters are drawn from −SIZE to SIZE; at 1 a generator moves the data by their own spread.",
        0.2,
        panel="Search",
    )
    copies: int = option("How many of each trajectory.", 1, panel="Run", least=1)
    window: str | None = option(
        "The times that are written; what lies outside them is the margin that generators may use.",
        None,
        panel="Search",
        shown_as="START:STOP",
    )
    input: str | None = option("The dataset that holds u.", None, panel="Input", shown_as="NAME")
    grid: str | None = option("The axes of u, as in discover.", None, panel="Input", shown_as="AXES")
    max_rows: int | None = option("Move at most so many trajectories.", None, panel="Input", least=1)

    def __post_init__(self) -> None:
        """Validate every option; there is a report, and a size."""
        super().__post_init__()
        if self.generators is None:
            raise UsageError("name the report that holds the generators: --generators REPORT")
        if self.data == "-" and self.generators == "-":
            raise UsageError("both the data and the report are -, and there is one standard input; name one file")
        if not 0 < self.size < float("inf"):
            raise UsageError(f"--size is {self.size}, expected a finite number above 0")


@dataclass(frozen=True, kw_only=True)
class PromoteOptions(SearchOptions):
    """Which data to fit, with which models, and among which candidates to look for symmetry."""

    data: str = option("A dataset of functions, maps or flows; - is standard input.")
    model: str = option(
        "What is fitted: polynomial:k, sindy (polynomials about the origin), mlp, a TorchScript file to be trained "
        "further, or a YAML file with features; auto chooses the degree of a polynomial.",
        "auto",
        panel="Search",
        shown_as="NAME",
    )
    kind: str | None = option(
        "The question the data pose; read from the file, or inferred, if not given.",
        None,
        panel="Input",
        choices=PROMOTED_KINDS,
    )
    max_rows: int = option("Use at most so many rows, drawn at random.", 20_000, panel="Input", least=20)
    space: str | None = option(
        "The candidate vector fields: translations, se, gl, aff, polynomial:2, a sum of these, a YAML file of "
        "expressions, or a report (what its certified generators span).",
        None,
        panel="Search",
        shown_as="NAME",
    )
    metric: str = option(
        "The inner product of the candidates: that of the data, or of their coefficients.",
        "whitened",
        panel="Search",
        choices=("whitened", "frobenius"),
    )
    gamma: float | None = option(
        "The weight of the nuclear norm; chosen by cross-validation (0.03 for networks) if not given.",
        None,
        panel="Search",
    )
    sparsity: float = option("The weight of the sum of absolute coefficients, in standard units.", 0.0, panel="Search")
    hidden: tuple[int, ...] | None = option(
        "For mlp: the widths of the hidden layers, 64,64 if not given.", None, panel="Search", shown_as="N,N"
    )
    steps: int = option("For networks: steps of training.", 3000, panel="Search", least=1)
    learning_rate: float = option("For networks: the largest step size.", 3e-3, panel="Search", open_unit=True)
    batch: int = option("For networks: rows of a step.", 128, panel="Search", least=4)
    schedule: str = option(
        "For networks: how the weight grows over the steps; ramp reaches it after half of them.",
        "ramp",
        panel="Search",
        choices=("constant", "ramp"),
    )
    checkpoint: str | None = option(
        "For networks: keep the state of the training in this file.", None, panel="Output", shown_as="FILE", writes=True
    )
    resume: bool = option("For networks: go on from --checkpoint, if that file is there.", False, panel="Run")
    held_out: float = option(
        "The share of the rows that no fit sees, to compare on.", 0.2, panel="Decision", open_unit=True
    )

    def __post_init__(self) -> None:
        """Validate every option, and those that only make sense together."""
        super().__post_init__()
        for name, value in (("--gamma", self.gamma), ("--sparsity", self.sparsity)):
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"{name} is {value}, expected a finite number of at least 0")
        if self.hidden is not None and (not self.hidden or min(self.hidden) < 1):
            raise UsageError(f"--hidden is {','.join(map(str, self.hidden))!r}, expected widths such as 64,64")
        if self.resume and self.checkpoint is None:
            raise UsageError("--resume needs to know from where: add --checkpoint FILE")


@dataclass(frozen=True, kw_only=True)
class ConserveOptions(RefitOptions, ModelInputOptions):
    """What to search for conserved quantities, among which functions, and how sure to be."""

    source: str = option("A dataset, a trained model, or a report; - is standard input.")
    kind: str | None = option(
        "Whether F gives dx/dt or the next x; read from the file, or inferred, if not given.",
        None,
        panel="Input",
        choices=CONSERVED_KINDS,
    )
    max_rows: int = option("Use at most so many rows, drawn at random.", 20_000, panel="Input", least=16)
    library: str = option(
        "The candidate functions: polynomial:k, a YAML file of formulas, or a sum such as polynomial:2+FILE.yaml.",
        "polynomial:2",
        panel="Search",
        shown_as="NAME",
    )
    surrogate: str = option(
        "What F is: measured, the rows as they stand, or a fit as in discover; auto takes the one that shows more.",
        "auto",
        panel="Search",
        shown_as="NAME",
    )
    symplectic: str | None = option(
        "The Poisson structure, to tell symmetries and brackets by: canonical (q1 … qn, p1 … pn), pairs (q1, p1, q2, "
        "p2 …), or a YAML file with a matrix.",
        None,
        panel="Search",
        shown_as="NAME",
    )
    degree: int = option("For a report: the highest degree of its invariants.", 4, panel="Search", least=1, most=12)


@dataclass(frozen=True, kw_only=True)
class ForcesOptions(ModelInputOptions):
    """Which field of vectors to judge, and how sure to be."""

    source: str = option("A dataset of x with y or dx, or a trained model x ↦ F(x); - is standard input.")
    kind: str | None = option(
        "The question the data pose; read from the file, or inferred, if not given.",
        None,
        panel="Input",
        choices=KIND_NAMES,
    )
    max_rows: int = option("Use at most so many rows, drawn at random.", 10_000, panel="Input", least=40)
    symplectic: str | None = option(
        "Also ask whether F = J∇H: J canonical (q1 … qn, p1 … pn), pairs (q1, p1, …), or a YAML file with a matrix.",
        None,
        panel="Search",
        shown_as="NAME",
    )
    tolerance: float = option(
        "The share of F by which it may miss the kind, and still count as it.", 0.05, panel="Decision", open_unit=True
    )
