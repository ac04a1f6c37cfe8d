"""A report in words: the lines and rows that the table, Markdown and HTML share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symfind.fields.typeset import sum_text
from symfind.kinds.registry import KINDS
from symfind.render.algebra import representation_text, structure_text
from symfind.render.conservation import conservation_pairs
from symfind.render.equation import equation_text, symmetric_text, unexplained_text
from symfind.render.matrices import NEGLIGIBLE, Matrix, coefficient_text, matrix_of
from symfind.render.promotion import promotion_pairs
from symfind.render.witness import local_pairs, witness_pairs
from symfind.schema.algebra import Algebra, FixedPoints, PreservedForm
from symfind.schema.coverage import Undecided
from symfind.schema.discrete import discrete_pairs
from symfind.schema.document import Generator, Report, Source, SpectrumEntry
from symfind.schema.numbers import bounds_text, number_text

# What x is mapped to, by the kind of the data (DESIGN §3).
_TARGETS = ("y", "x_next", "dx", "x_moved")
_MOST_FORMS = 3
# Undecided directions that are shown: nothing is claimed of any, and a wall of them hides what is.
_MOST_UNDECIDED = 3
# A fixed point this near the origin is the origin: coordinates of the centre come from means of rounded numbers.
_ORIGIN = 1e-9
# Two actions that differ by less than the default tolerance are nearly one.
_ALIKE = 0.05
# So(6) has 15 generators and 60 brackets that are not zero; longer lists are in the JSON report.
_MOST_BRACKETED = 15
# Terms of an undecided direction: a mixture of everything has as many as the space has fields.
_MOST_TERMS = 6
# A larger matrix is no longer read in a line; it is in the report.
_WIDEST_OUTPUT = 4


@dataclass(frozen=True)
class GeneratorRow:
    """One line of the table of generators, as texts."""

    number: str
    expression: str
    defect: str
    interval: str
    reach: str
    verdict: str


def headline(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what was searched: label and text of the source, the fit and the space; first what voids all of it."""
    if report.equation is not None and not report.equation.explained:
        yield "undecided", unexplained_text(report.equation)
    yield report.source.kind, _source_text(report.source, report.settings)
    if report.source.units:
        yield "units", units_text(report.source)
    if report.fit is not None:
        yield "fit", fit_text(report)
    if report.equation is not None:
        yield "equation", equation_text(report.equation)
        if report.equation.symmetric is not None:
            yield "witness", symmetric_text(report.equation)
    if report.witness is not None:
        yield from witness_pairs(report.witness)
    yield ("space", space_text(report)) if report.generators or report.conserved is None else _library(report)


def units_text(source: Source) -> str:
    """``t [s], x [m], velocity [m s-1]``: what the numbers of the generators are in."""
    pairs = zip(source.names, source.units, strict=True)
    return ", ".join(f"{name} [{unit}]" if unit else name for name, unit in pairs)


def conclusions(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what was found beside the generators: algebra, forms, coverage, directions set apart, notes."""
    every = sum(g.verdict == "undecided" for g in report.generators)
    undecided = every if report.undecided is None else report.undecided.count
    algebra = report.algebra
    if report.conserved is not None:
        yield from conservation_pairs(report.conserved, report.conservation)
    if report.generators or report.conserved is None:
        yield "algebra", algebra_text(algebra) + (f"; {undecided} undecided" if undecided else "")
        yield from _counted(undecided, every)
    structure = structure_text(algebra)
    if structure:
        yield "structure", structure
    yield from _of_algebra(algebra, invariants=report.conserved is None)
    if report.coverage.message:
        yield "covers", report.coverage.message
    if report.discrete is not None:
        yield from discrete_pairs(report.discrete, report.discrete_group)
    if report.local is not None:
        yield from local_pairs(report.local)
    if report.promotion is not None:
        yield from promotion_pairs(report.promotion)
    for direction in report.set_apart:
        yield "set apart", f"{direction.expression} ({direction.reason})"
    for note in report.notes:
        yield "note", note


def _of_algebra(algebra: Algebra, *, invariants: bool) -> Iterator[tuple[str, str]]:
    """Yield what the algebra acts as, how it was closed, and what it keeps."""
    if algebra.representation is not None:
        yield "acts as", representation_text(algebra.representation)
    if algebra.growth:
        yield "closure", f"dimensions {' → '.join(map(str, algebra.growth))}"
    if algebra.preserved_forms:
        yield "preserves", forms_text(algebra.preserved_forms)
    if algebra.invariants and invariants:
        yield "invariant", _some([invariant.expression for invariant in algebra.invariants])
    if algebra.fixed_points is not None and fixed_text(algebra.fixed_points):
        yield "fixes", fixed_text(algebra.fixed_points)


def _counted(undecided: int, listed: int) -> Iterator[tuple[str, str]]:
    if listed < undecided:
        yield "undecided", f"{undecided} directions, of which the {listed} of least defect are in the JSON report"


def generator_rows(report: Report) -> list[GeneratorRow]:
    """Return a row for each generator, and one for the first direction after them.

    Undecided generators that form an algebra are one row.
    """
    if report.conserved is not None and not report.generators:
        return []
    rows = [_generator_row(i, g, output_text(report, g)) for i, g in enumerate(report.generators, start=1)]
    if report.undecided is not None and report.undecided.algebra is not None:
        first = len(rows) - report.undecided.listed
        rows[first:] = [_algebra_row(report.undecided, report.generators[first:], rows[first:])]
    else:
        rows = _without_wall(rows, _taken(report))
    following = next_in_spectrum(report)
    if following is not None:
        verdict = report.unlisted_verdict(following)
        rows.append(
            GeneratorRow(
                number=str(1 + _taken(report)),
                expression="(not a symmetry)" if verdict == "refuted" else "(the next direction)",
                defect=number_text(following.defect),
                interval=interval_text(following),
                reach="",
                verdict=verdict,
            )
        )
    return rows


def next_in_spectrum(report: Report) -> SpectrumEntry | None:
    """Return the smallest defect that belongs to no generator and to no direction set apart, if there is one."""
    following = report.spectrum[_taken(report) + len(report.set_apart) :]
    return next((entry for entry in following if entry.defect is not None), None)


def _taken(report: Report) -> int:
    """How many directions have a verdict of their own, those that are counted and not listed among them."""
    left = 0 if report.undecided is None else report.undecided.count - report.undecided.listed
    return len(report.generators) + left


def interval_text(bounded: SpectrumEntry | Generator) -> str:
    """Show the confidence bounds as ``[4e-13, 7e-13]``; empty when there are none."""
    return bounds_text(bounded.lower, bounded.upper)


def fit_text(report: Report) -> str:
    """Describe the surrogate: family, degree, held-out R²."""
    fit = report.fit
    if fit is None:
        return ""
    parts = [fit.surrogate]
    if fit.degree is not None:
        parts.append(f"degree {fit.degree}")
    if fit.r2 is not None:
        parts.append(f"held-out R² {fit.r2:.6f}")
    return ", ".join(parts)


def space_text(report: Report) -> str:
    """Describe the candidates: name, dimension, and how many are trivial."""
    space = report.space
    trivial = ", ".join(space.trivial[:_MOST_FORMS])
    if len(space.trivial) > _MOST_FORMS:
        trivial += ", …"
    share = f"{len(space.trivial)} trivial ({trivial})" if space.trivial else "none trivial"
    return f"{space.name}, {_count(space.dimension, 'field')}, {share}"


def algebra_text(algebra: Algebra) -> str:
    """Name the algebra with its dimension and what is known of it."""
    if algebra.dimension == 0:
        return "nothing certified"
    name = f"{algebra.name}, " if algebra.name else ""
    aliases = f" (= {' = '.join(algebra.aliases)})" if algebra.aliases else ""
    properties = [f"because {algebra.reason}"] if algebra.reason else []
    properties += ["simple"] if algebra.simple else _property(algebra.semisimple, "semisimple")
    properties += [
        *_property(algebra.solvable, "solvable", silent_if=algebra.semisimple),
        *_property(algebra.compact, "compact"),
    ]
    if algebra.closure is not None and not algebra.reason:
        properties.append(f"closed to {number_text(algebra.closure)}" if algebra.closure else "closed")
    listed = f": {', '.join(properties)}" if properties else ""
    return f"{name}dimension {algebra.dimension}{aliases}{listed}"


def forms_text(forms: Sequence[PreservedForm]) -> str:
    """Show the preserved bilinear forms, diagonal ones as ``diag(1, −1) ± 2e-11, signature (1, 1)``."""
    return _some([_form_text(form) for form in forms])


def bracket_texts(report: Report) -> list[str]:
    """Write out the brackets that are not zero, in the numbers of the generators: ``[1, 2] = 3``."""
    f = report.algebra.structure_constants
    numbers = [i for i, g in enumerate(report.generators, start=1) if g.verdict == "certified"]
    if not isinstance(f, tuple) or len(f) != len(numbers) or len(f) > _MOST_BRACKETED:
        return []
    largest = max((abs(c) for plane in f for row in plane for c in row), default=0.0)
    out = []
    for i, plane in enumerate(f):
        for j in range(i + 1, len(f)):
            terms = [(c, f"ξ{numbers[k]}") for k, c in enumerate(plane[j]) if abs(c) > NEGLIGIBLE * largest]
            if terms:
                out.append(f"[ξ{numbers[i]}, ξ{numbers[j]}] = {sum_text(terms)}")
    return out


def fixed_text(fixed: FixedPoints) -> str:
    """Say which points stay where they are; nothing of the origin alone, which every linear map fixes."""
    away = any(abs(entry) > _ORIGIN for entry in fixed.point)
    point = f"({', '.join(coefficient_text(entry) for entry in fixed.point)})"
    if fixed.directions:
        rows = _some([_direction_text(row) for row in fixed.directions])
        return f"{point if away else 'the origin'} and what lies along {rows}"
    return point if away else ""


def _direction_text(row: Sequence[float]) -> str:
    """A direction with its largest entry one, rounding left out."""
    largest = max(row, key=abs)
    scaled = [entry / largest if abs(entry) > NEGLIGIBLE * abs(largest) else 0.0 for entry in row]
    return f"({', '.join(coefficient_text(entry) for entry in scaled)})"


def output_text(report: Report, generator: Generator) -> str:
    """Say how a generator acts on y, as ``y ↦ −2 y``; nothing where y does not change."""
    # The action on dx/dt or on a tensor follows from ξ; the rescaling of time of a flow is in ξ's expression.
    kind = KINDS.get(report.source.kind)
    follows = (kind is not None and kind.follows) or report.settings.get("output_type") is not None
    output = None if follows else matrix_of(generator.output_action)
    if output is None:
        return ""
    given = matrix_of(generator.input_action) or ()
    largest = max(abs(entry) for row in (*output, *given) for entry in row)
    if len(given) == len(output) + 1:  # ((A, b), (0, 0)): a vector moves by A alone
        given = tuple(row[:-1] for row in given[:-1])
    difference = _difference(output, given) if len(given) == len(output) else largest
    if _difference(output, ()) <= NEGLIGIBLE * largest:
        return ""
    if difference <= _ALIKE * largest:
        return "y likewise" if difference <= NEGLIGIBLE * largest else "y nearly likewise"
    m = len(output)
    factor = output[0][0]
    scaling = tuple(tuple(factor if i == j else 0.0 for j in range(m)) for i in range(m))
    if _difference(output, scaling) <= NEGLIGIBLE * largest:
        text = coefficient_text(factor)
        return "y ↦ " + {"1": "y", "−1": "−y"}.get(text, f"{text} y")
    if m > _WIDEST_OUTPUT:
        return f"y ↦ By, B {m} × {m}"
    # Three digits, and none for entries that three digits of the largest would not show.
    shown = ((entry if abs(entry) >= 1e-3 * largest else 0.0 for entry in row) for row in output)
    rows = "; ".join(" ".join(f"{entry:.3g}".replace("-", "−") for entry in row) for row in shown)
    return f"y ↦ [{rows}] y"


def _difference(a: Matrix, b: Matrix) -> float:
    """The largest |a − b|; an empty b is zero."""
    return max(abs(x - (b[i][j] if b else 0.0)) for i, row in enumerate(a) for j, x in enumerate(row))


def _library(report: Report) -> tuple[str, str]:
    """Describe the functions that were candidates."""
    return "library", space_text(report).replace(" field", " function", 1)


def _source_text(source: Source, settings: Mapping[str, Any]) -> str:
    shapes = {name: shape for name, shape in source.shapes.items() if name != "group"}
    texts = {name: f"{name} {tuple(shape)}" for name, shape in shapes.items()}
    target = next((name for name in _TARGETS if name in shapes), None)
    if "x" in shapes and target is not None:
        text = f"{texts['x']} → {texts[target]}"
    else:
        text = ", ".join(texts.values()) or source.path
    remarks = [" ".join(source.names)] if source.names else []
    x_shape = shapes.get("x", ())
    if len(x_shape) == 3 and x_shape[1] > 1 and settings.get("acts_on") == "last":
        remarks.append("one action on " + ("both" if x_shape[1] == 2 else f"all {x_shape[1]}") + " objects")
    how = (source.read_as or "").removeprefix(f"kind {source.kind}, ")  # the kind is the label of the line
    remarks += [how] if how not in ("", "from the file's attribute") else []
    return "   ".join([text, ", ".join(remarks)]).rstrip()


def _generator_row(number: int, generator: Generator, output: str) -> GeneratorRow:
    expression = generator.expression
    if generator.verdict == "undecided":
        expression = _begun(expression)
    return GeneratorRow(
        number=str(number),
        expression=f"{expression}, {output}" if output else expression,
        defect=number_text(generator.defect),
        interval=interval_text(generator),
        reach="" if generator.reach is None else f"{generator.reach:.2g}",
        verdict=generator.verdict,
    )


def _algebra_row(undecided: Undecided, generators: Sequence[Generator], rows: Sequence[GeneratorRow]) -> GeneratorRow:
    """Generators that form an algebra as one row: its name, the first of them, the range of their numbers."""
    shown = ", ".join(row.expression for row in rows[:_MOST_FORMS])
    lower, upper = ([getattr(g, side) for g in generators] for side in ("lower", "upper"))
    bounds = (None if None in lower else min(lower), None if None in upper else max(upper))
    reaches = [g.reach for g in generators if g.reach is not None]
    return GeneratorRow(
        number=f"{rows[0].number}–{rows[-1].number}",
        expression=f"{undecided.algebra}: {shown}" + (", …" if undecided.count > _MOST_FORMS else ""),
        defect=number_text(max(g.defect for g in generators if g.defect is not None)),
        interval=bounds_text(*bounds),
        reach=f"{min(reaches):.2g}" if reaches else "",
        verdict="undecided",
    )


def _without_wall(rows: list[GeneratorRow], taken: int) -> list[GeneratorRow]:
    """The undecided directions of least defect, and one row for the rest of them."""
    wall = [row for row in rows if row.verdict == "undecided"]
    if len(wall) <= _MOST_UNDECIDED + 1:
        return rows
    hidden = wall[_MOST_UNDECIDED:]
    kept = [row for row in rows if not any(row is other for other in hidden)]
    more = taken - len(kept)
    place = kept.index(wall[_MOST_UNDECIDED - 1]) + 1
    number, least = f"{hidden[0].number}–{taken}", f"≥ {hidden[0].defect}"
    rest = GeneratorRow(number, f"({more} more directions)", least, "", "", "undecided")
    return [*kept[:place], rest, *kept[place:]]


def _begun(expression: str) -> str:
    """The first terms of a sum, and how many follow: nothing is claimed of an undecided direction."""
    terms = re.split(r" (?=[+−] )", expression)
    more = len(terms) - _MOST_TERMS
    return expression if more <= 0 else " ".join(terms[:_MOST_TERMS]) + f" + … ({more} more terms)"


def _property(holds: bool | None, name: str, silent_if: bool | None = None) -> list[str]:
    if holds is None or silent_if:
        return []
    return [name if holds else f"not {name}"]


def _form_text(form: PreservedForm) -> str:
    matrix = form.matrix
    off_diagonal = any(entry != 0 for i, row in enumerate(matrix) for j, entry in enumerate(row) if i != j)
    if off_diagonal:
        text = "[" + "; ".join(" ".join(coefficient_text(entry) for entry in row) for row in matrix) + "]"
    else:
        text = f"diag({', '.join(coefficient_text(row[i]) for i, row in enumerate(matrix))})"
    if form.uncertainty is not None:
        text += f" ± {number_text(form.uncertainty)}"
    if not form.symmetric:
        text += ", antisymmetric"
    elif form.signature is not None:
        text += f", signature ({', '.join(map(str, form.signature))})"
    return text


def _some(texts: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(texts) - _MOST_FORMS
    return "; ".join(texts[:_MOST_FORMS]) + (f"; and {more} more" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
