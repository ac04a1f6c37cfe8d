"""What is conserved, as rows of a table and as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from symfind.schema.conservation import Conservation, Conserved
from symfind.schema.document import Report
from symfind.schema.numbers import bounds_text, number_text

HEADER = ("#", "conserved", "defect", "bounds", "follows from", "verdict")


def conserved_rows(report: Report) -> list[tuple[str, ...]]:
    """Cells of each function, in the order of :data:`HEADER`, and of the first that is not conserved."""
    conserved = report.conserved or ()
    rows: list[tuple[str, ...]] = [
        (
            f"I{i}",
            c.expression,
            number_text(c.defect),
            bounds_text(c.lower, c.upper),
            c.function_of or ("" if c.independent is None else "new"),
            c.verdict,
        )
        for i, c in enumerate(conserved, start=1)
    ]
    if conserved and not report.generators and len(report.spectrum) > len(conserved):
        following = report.spectrum[len(conserved)]
        bounds = bounds_text(following.lower, following.upper)
        verdict = report.unlisted_verdict(following)
        text = "(not conserved)" if verdict == "refuted" else "(the next function)"
        rows.append(("", text, number_text(following.defect), bounds, "", verdict))
    return rows


def conservation_pairs(conserved: Sequence[Conserved], together: Conservation | None) -> Iterator[tuple[str, str]]:
    """Yield what holds of them together: label and text."""
    certified = sum(c.verdict == "certified" for c in conserved)
    undecided = len(conserved) - certified
    free = 0 if together is None else together.independent
    text = f"{certified} certified, {free} independent" if certified else "nothing certified"
    yield "conserved", text + (f"; {undecided} undecided" if undecided else "")
    if together is None:
        return
    for relation in together.relations:
        yield "relation", relation
    h = together.hamiltonian
    if h is not None:
        bounded = f"defect {number_text(h.defect)}, upper bound {number_text(h.upper)}: {h.verdict}"
        yield "flow", f"F = J∇H with H = {h.expression}   ({bounded})"
        for i, c in enumerate(conserved, start=1):
            if c.symmetry:
                yield "symmetry", f"I{i} generates {c.symmetry}"
        if h.verdict == "certified" and certified:
            yield "brackets", "; ".join(h.brackets) if h.brackets else "all vanish"
