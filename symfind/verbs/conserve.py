"""The verb ``conserve`` as a function; :mod:`symfind.api` offers it beside the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from symfind.answers.invariants import with_invariants
from symfind.conservation.conserved import RATES, Conservation, enough_rows, evidence_of_values
from symfind.conservation.conserved_fit import evidence_of_fitted_values
from symfind.conservation.dependence import Dependence, dependence
from symfind.conservation.functions import FunctionSpace
from symfind.conservation.hamiltonian import brackets, hamiltonian, poisson_matrix, readable_vector
from symfind.data.files import readable, sha256
from symfind.decision.evidence import Evidence, Finding, Generator
from symfind.decision.finding import NO_BOUND, decide
from symfind.decision.halves import with_duplicates_grouped
from symfind.errors import InputError, UsageError
from symfind.fields.expressions import Expression
from symfind.fits.geometry import Geometry, Moments, input_geometry
from symfind.fits.surrogate import Samples, choose_family
from symfind.kinds.reading import open_dataset
from symfind.kinds.registry import KINDS
from symfind.kinds.search import coordinate_names, is_model, model_inputs
from symfind.linalg.threads import one_thread
from symfind.models.model import load_model
from symfind.options.of_verbs import ConserveOptions
from symfind.progress import Clock, Progress, SilentProgress
from symfind.promotion.library import read_library
from symfind.schema.conservation import Conservation as ConservationEntry
from symfind.schema.conservation import Conserved, Hamiltonian
from symfind.schema.document import (
    Algebra,
    Coverage,
    Environment,
    Report,
    Source,
    Space,
    SpectrumEntry,
)
from symfind.schema.store import read_report
from symfind.verbs.contents import is_report
from symfind.verbs.in_memory import guessed
from symfind.verbs.machine import on_cpu_in_double

_POLYNOMIAL = re.compile(r"polynomial:([1-9])")
# Below this defect the values are as good as exact: no fit could show more.
_EXACT = 1e-6
_CHOICE_ROWS = 4000
# Points at which gradients are compared and relations are looked for.
_POINTS = 2000
# A function whose coefficients are those of H to this share is H.
_ALIKE = 1e-6


@dataclass(frozen=True)
class Rows:
    """What was read.

    Attributes
    ----------
    samples
        Rows x and F(x) ``(n, d)``.
    kind, names, shapes, sha256, read_as
        Of the source.
    given
        Whether F is a model, so that its values are exact.
    messages
        For the reader.
    """

    samples: Samples
    kind: str
    names: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    sha256: str
    read_as: str | None
    given: bool
    messages: tuple[str, ...]


@guessed(ConserveOptions, "source")
def conserve(options: ConserveOptions, progress: Progress | None = None) -> Report:
    """The functions f with L_F f = 0 of a flow or a map, or the polynomial invariants of a report's generators.

    Parameters
    ----------
    options
        What is asked, :class:`~symfind.options.of_verbs.ConserveOptions`.
    progress
        Told how far the computation is.

    Returns
    -------
    Report
        Schema ``symfind.report/1``, with the parts ``conserved`` and ``conservation``.

    Raises
    ------
    SymfindError
        The input cannot be used, or the library cannot be evaluated on it; the message says what to do.
    """
    environment = on_cpu_in_double(options, "conserve")
    clock = Clock(progress or SilentProgress())
    generator = torch.Generator().manual_seed(options.seed)
    with readable(options.source) as path:
        model = is_model(path)
        if not model and is_report(path):
            return with_invariants(read_report(str(path)), options.source, options.degree)
        with clock.phase("read"):
            rows = _model_rows(options, path, generator) if model else _data_rows(options, path, generator)
    with one_thread():
        report = _report_of_rows(options, rows, environment, clock, generator)
    return replace(report, timing=clock.seconds)


def _data_rows(options: ConserveOptions, path: Path, generator: torch.Generator) -> Rows:
    dataset = open_dataset(
        path,
        kind=options.kind,
        input=options.input,
        output_name=options.output_name,
        mapping=options.mapping,
        transpose=options.transpose,
    )
    if not KINDS[dataset.kind].conserved:
        raise UsageError(
            f"{options.source}: conserve asks flows (x, dx) and maps (x, x_next), and these data are of kind "
            f"{dataset.kind}; give one of them, or a report"
        )
    target = _target(dataset.kind)
    held = dataset.sample(options.max_rows, generator)
    x, value = held["x"].flatten(1), held[target].flatten(1)
    if x.shape != value.shape:
        raise InputError(f"{options.source}: {target} has rows of {value.shape[1]} numbers, x of {x.shape[1]}")
    samples = with_duplicates_grouped(Samples(x, value, held.get("group")))
    names = _names(dataset.names, dataset.shapes["x"][1:])
    messages = (*dataset.messages[1:], *dataset.warnings)
    return Rows(samples, dataset.kind, names, dataset.shapes, dataset.sha256(), dataset.inferred, False, messages)


def _model_rows(options: ConserveOptions, path: Path, generator: torch.Generator) -> Rows:
    digest = sha256(path)
    model = load_model(path, device=torch.device("cpu"), dtype=torch.float64, trust=options.trust_model)
    x, names, group = model_inputs(options, model, generator)
    model.bind(tuple(x.shape[1:]), x)
    if options.kind is None:
        raise UsageError(f"{options.source}: say what the model gives, dx/dt (--kind flow) or the next x (--kind map)")
    value = model(x).flatten(1)
    if value.shape != x.flatten(1).shape:
        raise InputError(
            f"{options.source}: the model makes {value.shape[1]} numbers of {prod(x.shape[1:])}; for a {options.kind} "
            "both are points of one space"
        )
    shapes = {"x": tuple(x.shape), _target(options.kind): (x.shape[0], *model.output_shape)}
    samples = with_duplicates_grouped(Samples(x.flatten(1), value, group))
    return Rows(samples, options.kind, _names(names, tuple(x.shape[1:])), shapes, digest, None, True, ())


def _target(kind: str) -> str:
    """The role of F(x)."""
    target = KINDS[kind].asked().target
    assert target is not None
    return target


def _names(given: tuple[str, ...] | None, row: tuple[int, ...]) -> tuple[str, ...]:
    """A name for each of the flattened coordinates: ``x1``, ``y1``, ``x2`` … where there are several objects."""
    width, d = prod(row), row[-1] if row else 1
    if given is not None and len(given) == width:
        return given
    own = coordinate_names(given, d)
    if width == d:
        return own
    return tuple(f"{name}{'_' if name[-1].isdigit() else ''}{i + 1}" for i in range(width // d) for name in own)


def make_library(asked: str, names: Sequence[str]) -> FunctionSpace:
    """Candidate functions by name: ``polynomial:k``, a YAML file of formulas, or a sum of these.

    Raises
    ------
    UsageError
        A part is neither, or a formula does not parse.
    InputError
        A file cannot be used.
    """
    degree, formulas = 0, list[Expression]()
    for part in asked.split("+"):
        polynomial = _POLYNOMIAL.fullmatch(part.strip())
        if polynomial:
            degree = max(degree, int(polynomial[1]))
        elif part.strip().lower().endswith((".yaml", ".yml")):
            _check_names(names, part.strip())
            formulas += read_library(Path(part.strip()), names).formulas
        else:
            raise UsageError(
                f"--library is '{asked}', expected polynomial:k (k from 1 to 9), a YAML file of formulas, or a sum"
            )
    variables = formulas[0].variables if formulas else tuple(names)
    if any(f.variables != variables for f in formulas):
        raise UsageError(f"--library {asked}: the files name different variables; name the coordinates alike")
    return FunctionSpace.of(asked, variables, degree, formulas)


def _check_names(names: Sequence[str], file: str) -> None:
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"the coordinate '{name}' cannot stand in a formula; name `variables` in {file}")


def _report_of_rows(
    options: ConserveOptions, rows: Rows, environment: Environment, clock: Clock, generator: torch.Generator
) -> Report:
    samples = rows.samples
    d = samples.x.shape[1]
    library = make_library(options.library, rows.names)
    enough_rows(library, len(samples))
    poisson = None
    if options.symplectic is not None:
        if KINDS[rows.kind].conserved != "rate":
            raise UsageError("--symplectic goes with flows: a map has no field J∇H; leave it out")
        poisson = poisson_matrix(options.symplectic, d)
    moments = Moments(d)
    moments.add(samples.x)
    geometry = input_geometry(moments, 1)
    if geometry.rank == 0:
        raise InputError(f"{options.source}: all rows of x are equal, nothing varies; give data that vary")
    space = library.centred(geometry.mean, geometry.scale)
    with clock.phase("nullspace"):
        conservation = Conservation.of(space, RATES[KINDS[rows.kind].conserved], geometry, samples.x, samples.y)
        evidence, notes = _evidence(options, rows, conservation, generator)
    with clock.phase("bounds"):
        finding = decide(evidence, options.tolerance, options.alpha, max(options.bootstrap, 40), options.seed)
    with clock.phase("dependence"):
        entries, together = _entries(options, rows, space, geometry, finding, poisson, generator)
    trivial = tuple(space.expression(c, rows.names) for c in evidence.spectrum.trivial.T)
    total = space.dim
    return Report(
        source=Source(
            path=options.source,
            sha256=rows.sha256,
            kind=rows.kind,
            shapes=rows.shapes,
            names=rows.names,
            read_as=rows.read_as,
        ),
        settings=options.settings(),
        environment=environment,
        fit=evidence.surrogate,
        space=Space(name=options.library, dimension=total, trivial=trivial),
        spectrum=tuple(SpectrumEntry(defect=e, lower=lo, upper=up) for e, lo, up in finding.spectrum),
        algebra=Algebra(dimension=0),
        coverage=Coverage(
            rank=evidence.rank,
            message=f"{evidence.rank} of {total} functions of the library vary over the data",
        ),
        conserved=entries,
        conservation=together,
        notes=(*rows.messages, *notes),
        warnings=finding.doubts,
    )


def _evidence(
    options: ConserveOptions, rows: Rows, conservation: Conservation, generator: torch.Generator
) -> tuple[Evidence, tuple[str, ...]]:
    """From the values as they stand, or from a fit of F where noise hides more in the rows than the fit misses.

    Noise in F(x) and misfit both make ρ larger, never smaller, so that the route which shows more is the better one.
    """
    samples = rows.samples
    direct = evidence_of_values(conservation, samples, generator, given=rows.given)
    if rows.given:
        return direct, ("F is the model itself",)
    measured = ("F(x) as measured: noise in it can only hide what is conserved",)
    if options.surrogate == "measured":
        return direct, measured
    if options.surrogate == "auto" and float(direct.spectrum.values[0]) < _EXACT:
        return direct, ("F(x) as measured",)
    some = samples
    if len(some) > _CHOICE_ROWS:
        some = some.rows(torch.randperm(len(some), generator=generator)[:_CHOICE_ROWS].sort().values)
    choice = choose_family(some, options.surrogate, 1, generator)
    fitted = evidence_of_fitted_values(conservation, choice, samples, options.seed)
    if options.surrogate != "auto" or _shown(fitted, options.tolerance) < _shown(direct, options.tolerance):
        return fitted, (f"F is a fit to {len(samples)} rows",)
    return direct, measured


def _shown(evidence: Evidence, tolerance: float) -> tuple[int, float]:
    """Smaller for evidence that shows more."""
    values = evidence.spectrum.values
    return -int((values < tolerance).sum()), float(values[0])


def _entries(
    options: ConserveOptions,
    rows: Rows,
    space: FunctionSpace,
    geometry: Geometry,
    finding: Finding,
    poisson: Tensor | None,
    generator: torch.Generator,
) -> tuple[tuple[Conserved, ...], ConservationEntry]:
    """Certified functions, the simplest first, with what follows from what; then undecided ones."""
    found = sorted(
        (g for g in finding.generators if g.verdict == "certified"), key=lambda g: space.complexity(g.vector)
    )
    undecided = [g for g in finding.generators if g.verdict != "certified"]
    names = tuple(f"I{i + 1}" for i in range(len(found)))
    x = rows.samples.x[torch.randperm(len(rows.samples), generator=generator)[:_POINTS]]
    known = Dependence((), (), (), ())
    values = gradients = x[:, :0]
    if found:
        vectors = torch.stack([g.vector for g in found], 1)
        values, gradients = space(x) @ vectors + _constants(space, vectors), space.gradients(x, vectors)
        known = dependence(values, gradients @ geometry.inputs.colour, names, options.tolerance)
    entry, kept = None, list(known.generating)
    if poisson is not None:
        fit = hamiltonian(space, geometry, poisson, rows.samples, options.alpha, generator)
        row = readable_vector(space, fit.vector, fit.defect)
        sure = fit.upper < options.tolerance
        entry = Hamiltonian(
            expression=space.row_text(row, rows.names),
            defect=fit.defect,
            upper=fit.upper,
            verdict="certified" if sure else "undecided",
            brackets=brackets(gradients[:, kept], values[:, kept], poisson, [names[i] for i in kept]) if sure else (),
        )
    fields = {}
    if poisson is not None and entry is not None and entry.verdict == "certified":
        fields = {i: _field_text(space, found[i].vector, fit.vector, poisson, rows.names, names[i]) for i in kept}
    listed = [
        _entry(space, rows.names, g, free, text, fields.get(i, ""))
        for i, (g, free, text) in enumerate(zip(found, known.independent, known.function_of, strict=True))
    ]
    listed += [_entry(space, rows.names, g, None, "", "") for g in undecided]
    return tuple(listed), ConservationEntry(
        independent=sum(known.independent), relations=known.relations, hamiltonian=entry
    )


def _constants(space: FunctionSpace, vectors: Tensor) -> Tensor:
    """What is added to values ``(k,)`` so that they are those of the printed functions, which have no constant."""
    q = space.exponents.shape[0]
    if not q:
        return torch.zeros(vectors.shape[1], dtype=torch.float64)
    monomials = replace(space, formulas=())
    origin = torch.zeros(1, space.d, dtype=torch.float64)
    return -(monomials(origin) @ vectors[:q])[0]


def _field_text(
    space: FunctionSpace, vector: Tensor, energy: Tensor, poisson: Tensor, names: tuple[str, ...], label: str
) -> str:
    """J∇f as text, or how it stands to the flow; its name where a formula has no derivative to print."""
    rows = space.table(torch.stack([vector, energy], 1))
    factor = float(rows[0] @ rows[1] / (rows[1] @ rows[1]))
    if float((rows[0] - factor * rows[1]).norm()) < _ALIKE * float(rows[0].norm()):
        return f"the flow itself ({label} = {factor:.4g} H)"
    return space.gradient_text(vector, poisson, names) or f"J∇{label}"


def _entry(
    space: FunctionSpace,
    names: tuple[str, ...],
    g: Generator,
    independent: bool | None,
    function_of: str,
    symmetry: str,
) -> Conserved:
    return Conserved(
        expression=space.expression(g.vector, names),
        latex=space.expression(g.vector, names, latex=True),
        defect=g.defect,
        lower=g.lower,
        upper=g.upper if g.upper < NO_BOUND else None,
        verdict=g.verdict,
        independent=independent,
        function_of=function_of,
        symmetry=symmetry,
    )
