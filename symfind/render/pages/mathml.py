"""Formulas as MathML, which browsers typeset without a script: ``x ∂y − y ∂x`` with its indices and powers.

The texts are those of :mod:`symfind.fields.typeset` and of equations; whatever is not understood stands as text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from symfind.untrusted_text import shown

_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_TOKEN = re.compile(
    r"(?P<partial>∂)|(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)|(?P<name>[^\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹][^\W_⁰¹²³⁴⁵⁶⁷⁸⁹]*(?:_[^\W_]+)?)"
    r"|(?P<power>[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|\^-?\d+|\*\*-?\d+)|(?P<space>\s+)|(?P<other>.)"
)
_FUNCTIONS = frozenset("sin cos tan exp log sqrt abs tanh sinh cosh".split())
_OPERATORS = {"*": "·", "-": "−"}
_LETTERS_AND_DIGITS = re.compile(r"([^\W\d_]+)(\d+)")
# A longer formula is no longer read as one.
_LONGEST = 600
# A bracket that is longer may break inside: a narrow window holds no more.
_WIDEST = 24


def math(text: str) -> str:
    """A formula as HTML: a ``math`` element a term, so that lines break between terms.

    Parameters
    ----------
    text
        A sum such as ``px ∂py − 2 y² ∂x``; longer than 600 characters it is left as text.
    """
    plain = html.escape(shown(text), quote=True)
    if len(text) > _LONGEST:
        return f'<span class="expression">{plain}</span>'
    parts = (part for term in _terms(text) for part in (_terms(term, inside=True) if _opened(term) else [term]))
    terms = " ".join(f"<math>{_row(part)}</math>" for part in parts)
    return f'<span class="expression" role="math" title="{plain}" aria-label="{plain}">{terms}</span>'


def matrix(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts as a matrix in brackets."""
    body = "".join("<mtr>" + "".join(f"<mtd>{_row(entry)}</mtd>" for entry in row) + "</mtr>" for row in rows)
    return f"<mrow><mo>[</mo><mtable>{body}</mtable><mo>]</mo></mrow>"


def _opened(term: str) -> bool:
    return len(term) > _WIDEST and ";" not in term  # the rows of a matrix stay together


def _terms(text: str, *, inside: bool = False) -> list[str]:
    """A sum in its terms, each with its sign; brackets are opened only where that is asked for."""
    out, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        breaks = (inside or depth == 0) and i > start and text[i - 1] == " "
        if breaks and (letter in "+−=≈↦" or text[i - 2] in ",;:"):
            out.append(text[start:i].rstrip())
            start = i
    return [*out, text[start:]]


def _row(text: str) -> str:
    """One term, as a row."""
    entries = re.fullmatch(r"(.*?)\[([^\[\],]*;[^\[\],]*)\](.*)", text)
    if entries:
        rows = [row.split() for row in entries[2].split(";")]
        return f"<mrow>{_inner(entries[1])}{matrix(rows)}{_inner(entries[3])}</mrow>"
    return f"<mrow>{_inner(text)}</mrow>"


def _inner(text: str) -> str:
    parts: list[str] = []
    partial = False
    for found in _TOKEN.finditer(text):
        kind, token = str(found.lastgroup), found[0]
        if kind == "space":
            continue
        if kind == "partial":
            parts.append("<mo>∂</mo>")
            partial = True
        elif kind == "name" and partial:
            parts[-1] = f"<msub><mo>∂</mo>{_name(token)}</msub>"
            partial = False
        elif kind == "power" and parts:
            raised = html.escape(token.lstrip("^*").translate(_POWERS).replace("-", "−"))
            parts[-1] = f"<msup>{parts[-1]}<mn>{raised}</mn></msup>"
        else:
            partial = False
            parts.append(_symbol(kind, token))
    return "".join(parts)


def _symbol(kind: str, token: str) -> str:
    if kind == "number":
        return f"<mn>{token}</mn>"
    if kind == "name":
        return _name(token)
    return f"<mo>{_OPERATORS.get(token) or html.escape(shown(token))}</mo>"


def _name(name: str) -> str:
    """``u_xx`` and ``x1`` with their index; words upright, as a variable of one letter is slanted."""
    head, _, index = name.partition("_")
    digits = _LETTERS_AND_DIGITS.fullmatch(head)
    if not index and digits:
        head, index = digits.groups()
    upright = ' mathvariant="normal"' if head in _FUNCTIONS else ""
    base = f"<mi{upright}>{html.escape(head)}</mi>"
    return f"<msub>{base}<mi>{html.escape(index)}</mi></msub>" if index else base
