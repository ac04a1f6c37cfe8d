"""A differential equation of a report in words."""

from __future__ import annotations

from symfind.schema.equation import EquationEntry


def equation_text(equation: EquationEntry) -> str:
    """The equation, where it is from, and how well the data obey it."""
    origin = "given" if equation.given else f"identified among {len(equation.library)} terms"
    if equation.functions is not None:
        origin = f"learned: a sum of {equation.functions} functions"
    residual, expected = (f"{100 * share:.2g} %" for share in (equation.residual, equation.expected))
    return f"{equation.text}   ({origin}; residual {residual} of its terms, {expected} expected)"


def symmetric_text(equation: EquationEntry) -> str:
    """What the symmetric equation beside a learned one leaves."""
    witness = equation.symmetric
    if witness is None:
        return ""
    return (
        f"an equation that has these symmetries to {witness.defect:.1g} leaves {100 * witness.residual:.2g} % of its "
        f"terms on held-out solutions, {100 * witness.without:.2g} % without them"
    )


def unexplained_text(equation: EquationEntry) -> str:
    """That the equation leaves more than errors explain, and what follows."""
    residual, expected = (f"{100 * share:.2g} %" for share in (equation.residual, equation.expected))
    return (
        f"every direction: the equation leaves {residual} of its terms, errors explain {expected}: a term is "
        "missing or wrong"
    )
