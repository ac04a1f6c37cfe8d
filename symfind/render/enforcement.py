"""What ``enforce`` and ``score`` found, as a table for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from symfind.render.console import labelled, plain_table
from symfind.schema.enforcement import (
    Enforcement,
    ErrorMeasured,
    GroupUsed,
    LossMeasured,
    ModelSource,
    Score,
    blame_is_shared,
)

# Units that are written with a prefix; kg and those with one already are not.
_PREFIXABLE = ("eV", "J", "N", "m", "s", "g", "Pa", "Hz", "K", "V", "W", "A", "T", "C", "mol", "Ha", "F", "H", "rad")

Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def enforcement_pairs(document: Enforcement) -> list[tuple[str, str]]:
    """What was done and what it did: label and text."""
    before, after = document.error_before, document.error_after
    pairs = _headline(document.source, document.group)
    pairs += [
        ("method", document.method),
        ("", document.reason),
        ("error", f"{_error(before)} before, {_error(after)} after ({before.elements} fresh elements)"),
    ]
    if document.loss_before is not None and document.loss_after is not None:
        before_, after_ = document.loss_before, document.loss_after
        text = f"{_loss(before_)} before, {_loss(after_)} after ({before_.rows} held-out rows)"
        pairs.append(("loss", text))
        if document.loss_constant is not None:
            pairs.append(("", f"{_loss(document.loss_constant)} of the best constant"))
        if before_.outputs and after_.outputs:
            each = ", ".join(f"{a:.3g} → {b:.3g}" for a, b in zip(before_.outputs, after_.outputs, strict=True))
            pairs.append(("", f"output by output: {each}"))
    if document.loss_change is not None and document.loss_change.why:
        pairs.append(("worse", document.loss_change.why))
    return [
        *pairs,
        ("change", f"{document.change:.3g} of the spread of the model's values"),
        ("cost", f"{document.cost_ratio:.3g} times the time of a call"),
        ("written", document.output or "nothing (give --output FILE)"),
    ]


def enforcement_tables(document: Enforcement) -> list[Table]:
    """The methods that were looked at, and the layers of a projection."""
    tables: list[Table] = []
    if len(document.considered) > 1:
        header = ("method", "", "error", "loss", "change", "cost", "remark")
        rows = [
            (
                m.method,
                m.detail,
                "" if m.error is None else f"{m.error.largest:.2g}",
                "" if m.loss is None else _loss(m.loss),
                "" if m.change is None else f"{m.change:.3g}",
                "" if m.cost is None else f"{m.cost:.3g}",
                m.remark,
            )
            for m in document.considered
        ]
        tables.append((header, rows))
    if document.layers:
        cells = [(m.layer, f"{m.distance:.3g}", str(m.dimension), m.representation) for m in document.layers]
        tables.append((("layer", "moved", "dim Hom", "behind it"), cells))
    return tables


def enforcement_table(document: Enforcement) -> RenderableType:
    """The enforcement as a rich renderable."""
    parts: list[RenderableType] = [labelled(enforcement_pairs(document))]
    for header, rows in enforcement_tables(document):
        parts += [Text(), Padding(plain_table(header, rows), (0, 0, 0, 2))]
    remarks = [("note", t) for t in document.notes] + [("warning", t) for t in document.warnings]
    if remarks:
        parts += [Text(), labelled(remarks)]
    return Group(*parts)


def score_pairs(document: Score) -> list[tuple[str, str]]:
    """The model, the group, and the error on the whole of it."""
    error = f"{_error(document.error)} on {document.error.elements} elements of the whole group"
    return [*_headline(document.source, document.group), ("error", error)]


def score_rows(document: Score) -> Table:
    """A row a generator or component: its defect, and the error at each size."""
    header = ("", "defect", "error", *(f"t = {t:g}" for t in document.sizes))
    rows = []
    for g in document.generators:
        finite = [f"{e:.2g}" for e in g.finite]
        # A component is one element: its error stands apart from those along a flow.
        own = ["", *finite] if g.defect is not None else finite
        cells = (g.name, "" if g.defect is None else f"{g.defect:.3g}", *own)
        rows.append((*cells, *[""] * (len(header) - len(cells))))
    return header, rows


def spectrum_pairs(document: Score) -> list[tuple[str, str]]:
    """The error outside the mean over the group, how it was integrated, and the worst rows."""
    s = document.spectrum
    if s is None:
        return []
    unit = document.settings.get("units")
    shown = quantity(s.rms, unit if isinstance(unit, str) else None)
    exact = f"all {s.nodes} elements"
    if s.exact_to is not None:
        exact = (
            f"a quadrature of {s.nodes} nodes, exact to degree {s.exact_to}; turned nodes change a share by "
            f"{s.quadrature_error:.1g}"
        )
    pairs = [
        ("off the mean", f"{shown} (rms over the group), {s.relative:.2g} of the spread of F"),
        ("", f"{s.rows} rows on {exact}"),
    ]
    rows = ", ".join(f"{w.row} ({quantity(w.rms, unit if isinstance(unit, str) else None)})" for w in s.worst)
    return [*pairs, ("worst rows", rows)] if rows else pairs


def spectrum_rows(document: Score) -> Table | None:
    """A row a part of F: its error, and the share of the square at each degree."""
    s = document.spectrum
    if s is None:
        return None
    unit = document.settings.get("units")
    header = ("part of F", "error", *(f"degree {p}" for p in s.degrees), *(("above",) if s.exact_to else ()))
    parts = [(part.label if part.copies == 1 else f"{part.copies} × {part.label}", part) for part in s.parts]
    lines = [(name, part.rms, part.shares, part.above) for name, part in parts]
    if len(parts) > 1:
        lines.append(("all", s.rms, s.shares, s.above))
    rows = []
    for name, rms, shares, above in lines:
        each = [*shares, *((above,) if s.exact_to else ())]
        told = ["" if rms == 0 else "< 1e-4 %" if v < 1e-6 else f"{100 * v:.3g} %" for v in each]
        rows.append((name, quantity(rms, unit if isinstance(unit, str) else None), *told))
    return header, rows


def layer_rows(document: Score) -> Table:
    """A row a layer: what it adds to the Lie derivative, and its share; the largest is marked."""
    most = 0.0 if blame_is_shared(document.layers) else max((layer.share for layer in document.layers), default=0.0)
    rows = [
        (
            layer.layer,
            layer.kind,
            f"{layer.rms:.2g}",
            f"{100 * layer.share:.3g} %",
            "breaks it most" if layer.share == most > 0 else "",
        )
        for layer in document.layers
    ]
    return ("layer", "", "adds", "share", ""), rows


def quantity(value: float, unit: str | None) -> str:
    """``12.3 meV`` of 0.0123 and eV; units that have a prefix already, or are unknown, take none."""
    if not unit:
        return f"{value:.3g}"
    first = re.match(r"[A-Za-z]+", unit)
    if first is not None and first[0] in _PREFIXABLE and not unit[first.end() :].startswith(("^", "²", "³", "2", "3")):
        for size, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
            if abs(value) >= size:
                return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def score_table(document: Score) -> RenderableType:
    """The score as a rich renderable."""
    notes = [("note", t) for t in document.notes]
    table = Padding(plain_table(*score_rows(document)), (0, 0, 0, 2))
    parts: list[RenderableType] = [labelled(score_pairs(document)), Text(), table]
    spectrum = spectrum_rows(document)
    if spectrum is not None:
        parts += [Text(), labelled(spectrum_pairs(document)), Text()]
        parts.append(Padding(plain_table(*spectrum), (0, 0, 0, 2)))
    if document.layers:
        parts += [Text(), Padding(plain_table(*layer_rows(document)), (0, 0, 0, 2))]
    return Group(*parts, *((Text(), labelled(notes)) if notes else ()))


def plain_document(pairs: Iterable[tuple[str, str]], table: Table | None = None) -> RenderableType:
    """Labelled lines, and a table below them."""
    parts: list[RenderableType] = [labelled(list(pairs))]
    if table is not None:
        parts += [Text(), Padding(plain_table(*table), (0, 0, 0, 2))]
    return Group(*parts)


def _headline(source: ModelSource, group: GroupUsed) -> list[tuple[str, str]]:
    shapes = f"{source.format}   x {_shape(source.input_shape)} → {_shape(source.output_shape)}"
    kind = "compact" if group.compact else "not compact"
    count = f"dimension {group.dimension}" if group.dimension else f"{group.components} elements"
    text = f"{group.name}, {count}, {kind}; {group.rep_in} → {group.rep_out}"
    if group.distance is not None:
        text += f"; {group.distance:.2g} from the generators as given (sine of the angle)"
    return [("model", shapes), ("group", text)]


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def _error(error: ErrorMeasured) -> str:
    return f"{error.largest:.2g} (rms {error.rms:.2g})"


def _loss(loss: LossMeasured) -> str:
    accuracy = "" if loss.accuracy is None else f", accuracy {loss.accuracy:.4g}"
    return f"{loss.kind} {loss.value:.4g}{accuracy}"
