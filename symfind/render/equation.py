"""A differential equation of a report in words."""

from __future__ import annotations

from symfind.schema.equation import EquationEntry


def equation_text(equation: EquationEntry) -> str:
    """The equation, where it is from, and how well the data obey it."""
    origin = "given" if equation.given else f"identified among {len(equation.library)} terms"
    residual, expected = (f"{100 * share:.2g} %" for share in (equation.residual, equation.expected))
    return f"{equation.text}   ({origin}; residual {residual} of its terms, {expected} expected)"


def unexplained_text(equation: EquationEntry) -> str:
    """That the equation leaves more than errors explain, and what follows."""
    residual, expected = (f"{100 * share:.2g} %" for share in (equation.residual, equation.expected))
    return (
        f"every direction: the equation leaves {residual} of its terms, errors explain {expected}: a term is "
        "missing or wrong"
    )
