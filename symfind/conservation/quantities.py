"""From rows x and F(x) to what they conserve: evidence, verdicts, and which function says something new."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.conservation.conserved import RATES, Conservation, enough_rows, evidence_of_values
from symfind.conservation.conserved_fit import evidence_of_fitted_values
from symfind.conservation.dependence import Dependence, dependence
from symfind.conservation.functions import FunctionSpace
from symfind.conservation.hamiltonian import brackets, hamiltonian, poisson_matrix, readable_vector
from symfind.conservation.settings import SETTINGS
from symfind.decision.evidence import Evidence, Finding, Generator
from symfind.decision.finding import NO_BOUND, decide
from symfind.errors import InputError, UsageError
from symfind.fits.geometry import Geometry, Moments, input_geometry
from symfind.fits.surrogate import choose_family
from symfind.kinds.motion import Motion
from symfind.kinds.registry import KINDS
from symfind.options.of_verbs import ConserveOptions
from symfind.progress import Clock
from symfind.schema.conservation import Conservation as ConservationEntry
from symfind.schema.conservation import Conserved, Hamiltonian

# Rows on which a fit is chosen: more choose the same.
_CHOICE_ROWS = 4000
# Points at which gradients are compared and relations are looked for.
_POINTS = 2000


@dataclass(frozen=True)
class Quantities:
    """The answer.

    Attributes
    ----------
    finding
        Verdicts on functions, with the evidence.
    entries, together
        As the report shows them.
    trivial
        Functions that do not vary over the data, as text.
    notes
        What F was taken to be.
    """

    finding: Finding
    entries: tuple[Conserved, ...]
    together: ConservationEntry
    trivial: tuple[str, ...]
    notes: tuple[str, ...]


def conserved_quantities(
    options: ConserveOptions, rows: Motion, library: FunctionSpace, clock: Clock, generator: torch.Generator
) -> Quantities:
    """The functions of a library with L_F f = 0.

    Raises
    ------
    UsageError
        An option does not go with the rows.
    InputError
        There are too few rows, they do not vary, or the library cannot be evaluated on them.
    """
    samples = rows.samples
    d = samples.x.shape[1]
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
    return Quantities(finding, entries, together, trivial, notes)


def _evidence(
    options: ConserveOptions, rows: Motion, conservation: Conservation, generator: torch.Generator
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
    if options.surrogate == "auto" and float(direct.spectrum.values[0]) < SETTINGS.exact:
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
    rows: Motion,
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
    if float((rows[0] - factor * rows[1]).norm()) < SETTINGS.alike * float(rows[0].norm()):
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
