"""What all pages share: the frame with its style, labelled lines, tables that a narrow window shows as cards."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from symfind.render.glossary import meaning
from symfind.render.pages.mathml import math
from symfind.untrusted_text import shown

_STYLE = "\n" + Path(__file__).parents[1].joinpath("report.css").read_text(encoding="utf-8")
# Lines whose text is a formula, and what ends it there; a formula of the others would be a sentence.
_FORMULAS = {"equation": "   (", "formula": "\0", "flow": "   (", "generator": "   ("}
_LISTS = ("invariant", "relation", "brackets")
# What stands in a column of formulas in place of one.
_WORDS = ("", "new", "(not a symmetry)", "(the next direction)", "(not conserved)", "(the next function)")


def escape(text: str) -> str:
    """Text of a report, which may come from anybody, as one line of HTML."""
    return html.escape(shown(text))


def page(heading: str, body: str) -> str:
    """A self-contained page: nothing is loaded from elsewhere, no script runs."""
    name = escape(heading)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{name}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def slug(verdict: str) -> str:
    """A verdict as the name of a class of the style sheet."""
    return verdict.replace(" ", "-")


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Texts beside their labels."""
    lines = (f"<dt{_hint(label)}>{escape(label)}</dt><dd>{_value(label, text)}</dd>" for label, text in pairs)
    return "<dl>\n" + "\n".join(lines) + "\n</dl>"


def warning(text: str) -> str:
    """What the reader must know first."""
    return f'<p class="warning" role="note">{escape(text)}</p>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, formulas: Sequence[str] = ()) -> str:
    """Rows of texts under their headings, columns without any left out; the last column may hold verdicts.

    Parameters
    ----------
    header
        The headings.
    rows
        The cells.
    formulas
        Headings of the columns that hold formulas.
    """
    rows = list(rows)
    used = [i for i in range(len(header)) if not rows or any(row[i] for row in rows)]
    header, rows = [header[i] for i in used], [[row[i] for i in used] for row in rows]
    out = ['<div class="scroll"><table class="generators">']
    out.append("<tr>" + "".join(f"<th{_hint(text)}>{escape(text)}</th>" for text in header) + "</tr>")
    for row in rows:
        kind = slug(row[-1]) if header[-1] == "verdict" else ""
        cells = []
        for heading, cell in zip(header, row, strict=True):
            of = f' class="{kind}"{_hint(cell)}' if heading == "verdict" else ""
            content = math(cell) if heading in formulas and cell not in _WORDS else escape(cell)
            cells.append(f'<td{of} data-label="{html.escape(heading, quote=True)}">{content}</td>')
        out.append(f'<tr class="{kind}">' + "".join(cells) + "</tr>")
    return "\n".join([*out, "</table></div>"])


def _hint(word: str) -> str:
    """What a word means, shown where the pointer rests on it."""
    found = meaning(word)
    return "" if found is None else f' title="{html.escape(found, quote=True)}"'


def _value(label: str, text: str) -> str:
    if label in _FORMULAS and (label != "flow" or text.startswith("F = ")):
        formula, mark, rest = text.partition(_FORMULAS[label])
        return math(formula) + escape(mark + rest)
    if label in _LISTS:
        return "; ".join(escape(part) if part.startswith("and ") else math(part) for part in text.split("; "))
    return escape(text)
