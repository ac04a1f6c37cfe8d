"""``discover DATA --space scalings``: the scalings of positive data, dimensionless groups, and what units explain."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path

import torch
from torch import Tensor

from symfind.data.dataset import Dataset
from symfind.data.hdf5 import dataset_at, opened, root_text
from symfind.data.units import BASE, dimensions
from symfind.decision.witness.fitting.exponents import Scalings
from symfind.decision.witness.power_laws import Found, scalings_of
from symfind.decision.witness.trial import Verdict
from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fields.typeset import number_text
from symfind.kinds.reading import open_asked
from symfind.kinds.search import coordinate_names, is_model
from symfind.options.of_verbs import DiscoverOptions
from symfind.progress import Clock
from symfind.schema.algebra import Algebra, Invariant
from symfind.schema.coverage import Coverage
from symfind.schema.document import Environment, Generator, Report, Source, Space, SpectrumEntry

NAME = "scalings"
_LARGEST_DENOMINATOR = 60  # of exponents that are fractions up to sixths, and what combines of them
# A scaling that units ask for lies in the span that was found, to rounding of recognised fractions or their errors.
_INSIDE = 1e-6
_ROUNDED = 0.05


def scalings_report(options: DiscoverOptions, path: Path, environment: Environment, clock: Clock) -> Report:
    """The report of the scalings that a law y = F(x) allows.

    Raises
    ------
    UsageError
        The source is a model, the data are no function of one output, or an option asks for something else.
    InputError
        The data are not positive, or too few.
    """
    if is_model(path):
        raise UsageError("--space scalings reads positive data; evaluate the model on rows and give x and y")
    if options.kind not in (None, "function"):
        raise UsageError(f"--space scalings asks functions y of x, --kind is {options.kind}; leave it out")
    with clock.phase("read"):
        dataset = open_asked(path, options)
        if dataset.kind != "function":
            raise UsageError(f"--space scalings asks functions y of x, and these data are of kind {dataset.kind}")
        rows = dataset.sample(options.max_rows or dataset.n_rows, torch.Generator().manual_seed(options.seed))
    x, y = (rows[role].double().reshape(len(rows[role]), -1) for role in ("x", "y"))
    names = dataset.names if dataset.names and len(dataset.names) == x.shape[1] else coordinate_names(None, x.shape[1])
    _check(x, y, names)
    sign = 1.0 if float(y.min()) > 0 else -1.0
    with clock.phase("scalings"):
        found = scalings_of(x, sign * y[:, 0], rows.get("group"), options.tolerance, options.seed)
    units, output = _units(dataset)
    return Report(
        source=Source(
            path=options.source,
            sha256=dataset.sha256(),
            kind=dataset.kind,
            shapes=dataset.shapes,
            names=tuple(names),
            read_as=dataset.inferred,
        ),
        settings=options.settings(),
        environment=environment,
        space=Space(name=NAME, dimension=x.shape[1]),
        spectrum=_spectrum(found),
        generators=_generators(found, names),
        algebra=_algebra(found, names),
        coverage=Coverage(rank=x.shape[1], message=f"all {x.shape[1]} directions of the space"),
        notes=(*dataset.messages[1:], *_told(found, names), *_of_units(found, units, output, len(names))),
        warnings=dataset.warnings,
        timing=clock.seconds,
    )


def _check(x: Tensor, y: Tensor, names: Sequence[str]) -> None:
    if y.shape[1] != 1:
        raise UsageError(f"--space scalings takes one output, y has {y.shape[1]}; give one with --output-name")
    lowest = x.min(0).values
    if float(lowest.min()) <= 0:
        name = names[int(lowest.argmin())]
        raise InputError(
            f"scalings multiply positive numbers, and {name} reaches {float(lowest.min()):.3g}; leave it out, or "
            "measure it from where it is zero"
        )
    if float(y.min()) <= 0 <= float(y.max()):
        raise InputError("scalings multiply numbers of one sign, and y has both; give its absolute value or a part")


def _spectrum(found: Found) -> tuple[SpectrumEntry, ...]:
    entries = []
    if found.scalings is not None and found.verdict is not None:
        entries = [_entry(found.verdict)] * found.scalings.rank
    for rank, said in sorted(found.fallen):
        entries += [_entry(said)] * max(0, rank - len(entries))
    return tuple(sorted(entries, key=lambda e: e.defect or 0.0))


def _entry(said: Verdict) -> SpectrumEntry:
    return SpectrumEntry(defect=said.eta, lower=said.lower, upper=said.upper)


def _generators(found: Found, names: Sequence[str]) -> tuple[Generator, ...]:
    if found.scalings is None or found.verdict is None:
        return ()
    said = found.verdict
    space = make_space("diagonal", len(names), names)
    out = []
    for row in _whole_rows(found.scalings):
        v = row[:-1]
        out.append(
            Generator(
                expression=space.expression(v, names),
                latex=space.expression(v, names, latex=True),
                defect=said.eta,
                lower=said.lower,
                upper=said.upper,
                verdict=said.word,
                coefficients=tuple(v.tolist()),
                input_action=torch.diag(v).tolist(),
                output_action=[[float(row[-1])]],
            )
        )
    return tuple(out)


def _whole_rows(scalings: Scalings) -> list[Tensor]:
    """Exponents of x and y, each scaling times the smallest number that makes them whole."""
    rows = []
    for row in scalings.matrix():
        if scalings.rational:
            scale = 1
            for v in row.tolist():
                scale = lcm(scale, Fraction(v).limit_denominator(_LARGEST_DENOMINATOR).denominator)
            row = (row * scale).round()
        rows.append(row)
    return rows


def _algebra(found: Found, names: Sequence[str]) -> Algebra:
    if found.scalings is None or found.verdict is None or found.verdict.word != "certified":
        return Algebra(dimension=0)
    r = found.scalings.rank
    return Algebra(
        dimension=r,
        name="R" if r == 1 else f"R^{r}",
        closure=0.0,
        center_dimension=r,
        semisimple=False,
        solvable=True,
        nilpotent=True,
        compact=False,
        invariants=tuple(Invariant(expression=text, degree=0) for text in _groups(found.scalings, names)),
    )


def _groups(scalings: Scalings, names: Sequence[str]) -> list[str]:
    """The monomials that no scaling moves: those of x, and y over its own."""
    out = []
    for j, other in enumerate(scalings.others):
        terms = {names[other]: 1.0}
        terms |= {names[p]: -float(scalings.exponents[i, j]) for i, p in enumerate(scalings.pivots)}
        out.append(monomial(terms))
    terms = {"y": 1.0} | {names[p]: -float(c) for p, c in zip(scalings.pivots, scalings.outputs, strict=True)}
    return [monomial(terms), *out]


def monomial(terms: dict[str, float]) -> str:
    """``y g^(1/2) l^(−1/2)`` of exponents by name."""
    words = []
    for name, value in terms.items():
        if abs(value) < _INSIDE:
            continue
        share = Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)
        text = str(share) if abs(float(share) - value) < _INSIDE else f"{value:.3g}"
        text = text.replace("-", "−")
        words.append(name if text == "1" else f"{name}^{text}" if text.isdigit() else f"{name}^({text})")
    return " ".join(words) or "1"


def _told(found: Found, names: Sequence[str]) -> list[str]:
    notes = []
    if found.scalings is not None and found.verdict is not None:
        groups = _groups(found.scalings, names)
        law = f"f({', '.join(groups[1:])})" if len(groups) > 1 else "a constant"
        size = f"explains {100 * (1 - found.share):.4g} % of the variance of log y that it was not fitted to"
        notes.append(f"{groups[0]} = {law} {size}")
        if not found.scalings.rational:
            notes.append(_open_exponents(found.scalings, found.verdict.word, names))
    for rank, said in found.fallen:
        bounds = f"η {number_text(said.eta)} in [{number_text(said.lower)}, {number_text(said.upper)}]"
        notes.append(f"{rank} scaling{'s are' if rank > 1 else ' is'} {said.word}, {bounds}")
    return notes


def _open_exponents(scalings: Scalings, word: str, names: Sequence[str]) -> str:
    """Which numbers were fitted, and how far they may be off."""
    assert scalings.errors is not None
    columns = [*(names[j] for j in scalings.others), "y"]
    table = torch.cat([scalings.exponents, scalings.outputs[:, None]], 1)
    shown = [
        f"{value:.3g} ± {error:.1g} of {column} with {names[pivot]}"
        for pivot, row, errors in zip(scalings.pivots, table.tolist(), scalings.errors.tolist(), strict=True)
        for column, value, error in zip(columns, row, errors, strict=True)
    ]
    why = (
        "the exponents are near no fractions of small denominators"
        if word == "certified"
        else "which fractions the exponents are is not told by these rows"
    )
    return f"{why}; as they were fitted: {', '.join(shown)}"


def _units(dataset: Dataset) -> tuple[tuple[str, ...] | None, str | None]:
    """Units of x, from the attribute `units` of the file or of x, and of y, from `output_units` or that of y."""
    with opened(dataset.stored.path) as file:
        output = (*root_text(file, "output_units"), *_attribute(file, "y"))
        own = dataset.units or _attribute(file, "x") or None
    return own, output[0] if output else None


def _attribute(file, name: str) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    try:
        value = dataset_at(file, name).attrs.get("units")
    except InputError:
        return ()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return tuple(str(v) for v in value) if value is not None else ()


def _of_units(found: Found, units: tuple[str, ...] | None, output: str | None, d: int) -> list[str]:
    """Which base units are scalings of the law, and which scalings no unit explains."""
    if units is None or found.scalings is None or found.verdict is None or found.verdict.word != "certified":
        return []
    if output is None:
        return ["units are given for x and none for y (attribute `output_units`): they are not compared"]
    shown = units * d if len(units) == 1 else units
    if len(shown) != d:
        return [f"{len(shown)} units are given for {d} variables: they are not compared"]
    table = torch.tensor([[float(e) for e in dimensions(u)] for u in (*shown, output)], dtype=torch.float64).T
    spanned = torch.linalg.qr(found.scalings.matrix().T).Q
    near = _INSIDE if found.scalings.rational else _ROUNDED
    notes, explained = list[str](), dict[str, Tensor]()
    for base, row in zip(BASE, table, strict=True):
        if not bool(row.any()):
            continue
        outside = float((row - spanned @ (spanned.T @ row)).norm() / row.norm())
        if outside <= near:
            explained[base] = row
        else:
            notes.append(
                f"the unit {base} does not explain the data: a change of it is no scaling of the law ({outside:.2g} of "
                "it lies outside); a variable or constant with units is missing, or a unit is wrong"
            )
    rank = int(torch.linalg.matrix_rank(torch.stack(list(explained.values())))) if explained else 0
    if explained:
        share = f"{rank} of {found.scalings.rank}"
        notes.insert(0, f"changes of the units {', '.join(explained)} are scalings that were found ({share})")
    more = found.scalings.rank - rank
    if more > 0:
        those = f"{more} scaling{'s are' if more > 1 else ' is'}"
        notes.append(f"{those} explained by no unit: the law allows more than units ask for")
    return notes
