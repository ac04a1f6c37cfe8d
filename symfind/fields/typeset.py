"""Σ T[α, a] x^α ∂_a as text: ``px ∂py − py ∂px``, or as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from symfind import untrusted_text

# Below this share of the largest coefficient a term is rounding, not mathematics.
DROPPED = 1e-6


def number_text(value: float) -> str:
    """Four significant digits, without a trailing ``.0``; exact integers stay integers."""
    text = f"{value:.4g}"
    return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def monomial_text(alpha: Sequence[int], coordinates: Sequence[str], *, latex: bool = False) -> str:
    """x^α as text, empty for the constant."""
    superscript = {2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹"}
    parts = []
    for name, power in zip(coordinates, alpha, strict=True):
        symbol = latex_name(name) if latex else name
        if power == 1:
            parts.append(symbol)
        elif power > 1:
            parts.append(f"{symbol}^{{{power}}}" if latex else symbol + superscript.get(power, f"^{power}"))
    return " ".join(parts)


def latex_name(name: str) -> str:
    """A coordinate name for LaTeX: ``p_x`` and ``x1`` get a subscript, longer words are set upright."""
    head, _, tail = name.partition("_")
    if head and tail:
        return f"{untrusted_text.latex(head)}_{{{untrusted_text.latex(tail)}}}"
    if not name.isalnum():
        return rf"\mathrm{{{untrusted_text.latex(name)}}}"
    letters = name.rstrip("0123456789")
    if letters != name and letters:
        return f"{letters}_{{{name[len(letters) :]}}}"
    if len(name) == 1:
        return name
    return f"{name[0]}_{{{name[1:]}}}" if len(name) == 2 else rf"\mathrm{{{name}}}"


def field_text(exponents: Tensor, table: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
    """A polynomial field as a sum of terms; terms are ordered by monomial, then by direction.

    Parameters
    ----------
    exponents
        ``(q, d)``.
    table
        ``(q, d)`` coefficients of x^α ∂_a.
    coordinates
        d names.
    latex
        LaTeX in place of plain text.
    """
    terms = []
    for alpha, row in zip(exponents.tolist(), table.tolist(), strict=True):
        for name, value in zip(coordinates, row, strict=True):
            direction = rf"\partial_{{{latex_name(name)}}}" if latex else f"∂{name}"
            terms.append((value, (monomial_text(alpha, coordinates, latex=latex) + " " + direction).strip()))
    return sum_text(terms, latex=latex)


def sum_text(terms: Sequence[tuple[float, str]], *, latex: bool = False, dropped: float = DROPPED) -> str:
    """Σ c·term with readable signs; unit coefficients, and terms below ``dropped`` of the largest, are left out."""
    largest = max((abs(c) for c, _ in terms), default=0.0)
    if largest == 0:
        return "0"
    minus = "-" if latex else "−"
    out = ""
    for value, term in terms:
        if abs(value) < dropped * largest:
            continue
        size = number_text(abs(value))
        body = term if size == "1" else f"{size} {term}"
        if not out:
            out = body if value > 0 else f"{minus}{body}"
        else:
            out += f" {'+' if value > 0 else minus} {body}"
    return out
