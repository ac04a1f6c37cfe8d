"""A finding as a report: expressions, actions in the user's coordinates, and what the reader must be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.answers.algebra import algebra_of_abstract, algebra_of_affine
from symfind.answers.closing import closed
from symfind.answers.drawn import drawn_rows
from symfind.answers.span import affine_fields, algebra_at_points, constants_at_points, flow_among
from symfind.decision import evidence as found
from symfind.decision import finding as decided
from symfind.decision.evidence import Evidence
from symfind.errors import SymfindError
from symfind.fields.polynomial import PolynomialFields
from symfind.fields.readable import affine_entries, affine_text, centre_text, readable
from symfind.fields.typeset import number_text
from symfind.lie.algebras.affine_fields import AffineFields
from symfind.lie.algebras.classify import UNIDENTIFIED
from symfind.lie_derivative import Bracket
from symfind.schema.coverage import Coverage, Undecided
from symfind.schema.document import Algebra, Environment, Generator, Report, SetApart, Source, Space, SpectrumEntry

# The sparsest basis of more vectors than this costs more than its readability is worth.
_MOST_TRIVIAL = 40

# Preserved forms of larger matrices have more unknowns than can be solved for; brackets at points still name them.
_MOST_COORDINATES = 24

# An algebra of more undecided generators would take seconds to name, for a note.
_MOST_JOINT = 15
# More undecided directions than a reader goes through are counted, not listed: nothing is claimed of them.
_MOST_UNDECIDED = 12
# Nobody typesets an undecided direction of more terms.
_MOST_TYPESET = 12


def report_of_finding(
    finding: found.Finding, source: Source, settings: Mapping[str, Any], environment: Environment, *, close: bool
) -> Report:
    """The report of one discovery, without its timing."""
    closing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    if close:
        try:
            finding, text = closed(finding, float(settings["tolerance"]))
            closing = (text,)
        except SymfindError as fault:
            faults = (f"not closed: {' '.join(str(fault).split())}",)
    evidence = finding.evidence
    names = source.names
    listed = _listed(finding.generators)
    actions = _input_actions(evidence, [g.vector for g in listed])
    generators = tuple(_generator(evidence, g, a, names) for g, a in zip(listed, actions, strict=True))
    algebra, algebra_warnings = _algebra(finding, names)
    return Report(
        source=source,
        settings=settings,
        environment=environment,
        fit=evidence.surrogate,
        equation=evidence.equation,
        space=Space(
            name=evidence.space.name,
            dimension=evidence.space.dim + evidence.action.extra,
            trivial=tuple(_expression(evidence, c, names) for c in _trivial(evidence).T),
        ),
        spectrum=_ascending(finding.spectrum),
        generators=generators,
        set_apart=tuple(SetApart(expression=_expression(evidence, v, names), reason=why) for v, why in finding.apart),
        validity=finding.validity,
        witness=finding.witness,
        undecided=_undecided(finding, names),
        algebra=algebra,
        coverage=_coverage(finding),
        notes=(
            *evidence.messages,
            *finding.notes,
            *closing,
            *_centre_note(finding, names),
            *_flow_note(finding, names),
            *_joint_note(finding, names),
        ),
        warnings=(*finding.doubts, *faults, *algebra_warnings),
        drawn=drawn_rows(evidence.bracket_points, evidence.curve) if generators else None,
    )


def _ascending(entries: tuple[tuple[float, float | None, float | None], ...]) -> tuple[SpectrumEntry, ...]:
    """The defects in order; an upper bound holds for the span of all directions up to its own, so it never falls."""
    out = []
    highest: float | None = None
    for defect, lower, upper in sorted(entries, key=lambda entry: entry[0]):
        if upper is not None:
            highest = upper if highest is None else max(highest, upper)
        out.append(SpectrumEntry(defect=defect, lower=lower, upper=None if upper is None else highest))
    return tuple(out)


def _algebra(finding: found.Finding, names: tuple[str, ...]) -> tuple[Algebra, tuple[str, ...]]:
    """The algebra of the certified generators."""
    certified = [g for g in finding.generators if g.verdict == "certified"]
    if not certified:
        return Algebra(dimension=0), ()
    evidence = finding.evidence
    space, points = evidence.space, evidence.bracket_points.double().cpu()
    vectors = torch.stack([g.vector for g in certified], 1).double().cpu()
    noise = max(g.error for g in certified)
    fields = affine_fields(space, vectors, points, noise)
    if fields is None or space.d > _MOST_COORDINATES:
        constants = constants_at_points(space, vectors, points)
        return algebra_of_abstract(lambda: algebra_at_points(space, vectors, points, noise), len(certified), constants)
    if finding.apart or finding.witness is not None:  # then the leading directions are not the span of what was kept
        return algebra_of_affine(fields, names)
    # The directions as they were measured: recognised entries close exactly, whatever was measured.
    raw = evidence.spectrum.vectors[:, : len(certified)].double().cpu()
    return algebra_of_affine(fields, names, as_given=affine_fields(space, raw, points, noise))


def _listed(generators: Sequence[found.Generator]) -> tuple[found.Generator, ...]:
    """All but the undecided ones of largest defect, in their order."""
    undecided = [g for g in generators if g.verdict == "undecided"]
    largest = sorted(undecided, key=lambda g: g.defect)[_MOST_UNDECIDED:]
    return tuple(g for g in generators if not any(g is left for left in largest))


def _undecided(finding: found.Finding, names: tuple[str, ...]) -> Undecided | None:
    """How many directions are undecided, and what algebra they form."""
    every = [g for g in finding.generators if g.verdict == "undecided"]
    if not every:
        return None
    name = _formed_by(finding.evidence, every, names) if len(every) > 1 else None
    return Undecided(count=len(every), listed=min(len(every), _MOST_UNDECIDED), algebra=name)


def _joint_note(finding: found.Finding, names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the algebras that the approximate and the undecided generators form with those before them, if they do."""
    every = finding.generators
    undecided = sum(g.verdict == "undecided" for g in every)
    if not undecided:
        return _approximate_note(finding, names)
    name = _formed_by(finding.evidence, every, names)
    those = "the undecided generators" if undecided == len(every) else "certified and undecided generators together"
    together = () if name is None else (f"if all were symmetries, {those} would form {name}",)
    return (*_approximate_note(finding, names), *together)


def _approximate_note(finding: found.Finding, names: tuple[str, ...]) -> tuple[str, ...]:
    held = [g for g in finding.generators if g.verdict != "undecided"]
    approximate = sum(g.verdict == "approximate" for g in held)
    name = _formed_by(finding.evidence, held, names) if approximate else None
    those = (
        "the approximate generators" if approximate == len(held) else "certified and approximate generators together"
    )
    return () if name is None else (f"{those} form {name}",)


def _formed_by(evidence: Evidence, generators: Sequence[found.Generator], names: tuple[str, ...]) -> str | None:
    """The algebra that generators form, by name; None where they form none, or too large a one to name in passing."""
    if len(generators) > _MOST_JOINT or evidence.space.d > _MOST_COORDINATES:
        return None
    vectors = torch.stack([g.vector for g in generators], 1).double().cpu()
    points = evidence.bracket_points.double().cpu()
    fields = affine_fields(evidence.space, vectors, points, max(g.error for g in generators))
    name = None if fields is None else algebra_of_affine(fields, names)[0].name
    return None if name == UNIDENTIFIED else name


def _flow_note(finding: found.Finding, names: tuple[str, ...]) -> tuple[str, ...]:
    """Tell that the flow itself is among the certified generators, if it is."""
    certified = [g for g in finding.generators if g.verdict == "certified"]
    if not certified:
        return ()
    vectors = torch.stack([g.vector for g in certified], 1)
    mix = flow_among(finding.evidence, vectors)
    if mix is None:
        return ()
    text = finding.evidence.space.expression((vectors @ mix)[: finding.evidence.space.dim], names)
    return (f"the flow itself, ξ = F = {text}, is one of the symmetries counted",)


def _trivial(evidence: Evidence) -> Tensor:
    """Trivial fields ``(P, t)`` in their sparsest basis; as they are where there are too many to look for it."""
    trivial = evidence.spectrum.trivial
    # Null vectors of S come out with errors near its cut-off, the rounding of squares.
    return decided.canonical_vectors(evidence, trivial, 1e-8) if 0 < trivial.shape[1] <= _MOST_TRIVIAL else trivial


def _input_actions(evidence: Evidence, vectors: list[Tensor]) -> list[Any]:
    """What the report says ξ is, of one form for all generators (see the schema)."""
    if not vectors:
        return []
    space = evidence.space
    stacked = torch.stack(vectors, 1).double().cpu()
    affine = affine_fields(space, stacked, evidence.bracket_points.double().cpu(), None)
    if affine is not None:
        return _matrices(affine)
    if isinstance(space, PolynomialFields):
        exponents, tables = space.plain(stacked[: space.dim])
        return [{"exponents": exponents.tolist(), "coefficients": t.tolist()} for t in tables]
    return list(space.table(stacked[: space.dim]).tolist())


def _matrices(fields: AffineFields) -> list[Any]:
    linear = not bool((fields.shift != 0).any())
    return list((fields.linear if linear else fields.homogeneous).tolist())


def _generator(evidence: Evidence, g: found.Generator, action: Any, names: tuple[str, ...]) -> Generator:
    output = evidence.action.matrix(evidence.space, g.vector)
    coefficients = g.vector.tolist()
    if g.verdict == "undecided":
        coefficients, action = _with_few_digits(coefficients), _with_few_digits(action)
    long = g.verdict == "undecided" and int((g.vector != 0).sum()) > _MOST_TYPESET
    return Generator(
        expression=_expression(evidence, g.vector, names),
        latex="" if long else _expression(evidence, g.vector, names, latex=True),
        defect=g.defect,
        lower=g.lower,
        upper=g.upper if g.upper < decided.NO_BOUND else None,
        verdict=g.verdict,
        reach=g.reach,
        coefficients=tuple(coefficients),
        input_action=action,
        output_action=None if output is None else output.tolist(),
    )


def _with_few_digits(value: Any) -> Any:
    """Numbers, however nested, to six digits each: directions of which nothing is claimed are known to less."""
    if isinstance(value, Mapping):
        return {key: _with_few_digits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_few_digits(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _expression(evidence: Evidence, vector: Tensor, names: tuple[str, ...], *, latex: bool = False) -> str:
    """ξ as text, with the rescaling of time −c t ∂t of a flow (L_ξF = cF means that time runs as −c t ∂t)."""
    space = evidence.space
    text = _field(evidence, vector, names, latex=latex)
    if isinstance(evidence.action, Bracket):
        rate = -float(vector[space.dim])
        if abs(rate) > 1e-6 * float(vector.abs().max()):
            size = number_text(abs(rate))
            time = r"t \partial_{t}" if latex else "t ∂t"
            minus = "-" if latex else "−"
            term = time if size == "1" else f"{size} {time}"
            return f"{text} {'+' if rate > 0 else minus} {term}"
    return text


def _field(evidence: Evidence, vector: Tensor, names: tuple[str, ...], *, latex: bool) -> str:
    """ξ alone; affine ones about their centre, by what they move on the data."""
    space, points = evidence.space, evidence.bracket_points.double().cpu()
    coefficients = vector[: space.dim]
    entries = affine_entries(space, coefficients[:, None]) if points.shape[0] > 1 else None
    if entries is None:
        return space.expression(coefficients, names, latex=latex)
    linear, constant = (part[0] for part in entries)
    return affine_text(linear, constant, points, names, affine=space.has_constants, latex=latex)


def _centre_note(finding: found.Finding, names: tuple[str, ...]) -> tuple[str, ...]:
    """Tell the one point away from the origin that all certified fields leave where it is."""
    evidence = finding.evidence
    certified = [g for g in finding.generators if g.verdict == "certified"]
    points = evidence.bracket_points.double().cpu()
    if not certified or points.shape[0] < 2 or not evidence.space.has_constants:
        return ()
    entries = affine_entries(evidence.space, torch.stack([g.vector for g in certified], 1)[: evidence.space.dim])
    if entries is None:
        return ()
    where = readable(points, *entries, 1e-9, affine=True)
    if not where.fixed or bool((where.origin == 0).all()):
        return ()
    spread = points.std(0, correction=0).clamp(min=1e-300)
    place = ", ".join(centre_text(c, s) for c, s in zip(where.origin.tolist(), spread.tolist(), strict=True))
    return (f"what is certified is about the point ({place}) of {' '.join(names)}",)


def _coverage(finding: found.Finding) -> Coverage:
    evidence = finding.evidence
    total = evidence.space.dim + evidence.action.extra
    rank = evidence.rank
    if rank < total:
        message = f"{rank} of the {total} directions of the space; {total - rank} act as zero on the data"
    else:
        message = f"all {total} directions of the space"
    if evidence.thin:
        message += f"; {evidence.thin}"
    factor = finding.coverage if torch.isfinite(torch.tensor(finding.coverage)) else None
    return Coverage(factor=factor, rank=rank, message=message)
