"""What is conserved: functions with L_F f = 0, part of the report of ``conserve``."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.schema.records import Record


@dataclass(frozen=True, kw_only=True)
class Conserved(Record):
    """One function f with its relative defect and the verdict, or a polynomial invariant of an algebra.

    Attributes
    ----------
    expression, latex
        The function in the names of the coordinates, without a constant; a formula of the library stands in brackets.
    defect, lower, upper
        ρ(f), without unit, and its 1 − α bounds; no bounds for an invariant of generators.
    verdict
        ``"certified"`` or ``"undecided"``.
    independent
        Whether its gradient leaves the span of the gradients of those above it; None for undecided ones.
    function_of
        How it follows from the others, where it does: I1 is the first function of the list.
    symmetry
        The field J∇f that it generates, where a symplectic form was stated.
    """

    expression: str
    latex: str = ""
    defect: float | None = None
    lower: float | None = None
    upper: float | None = None
    verdict: str
    independent: bool | None = None
    function_of: str = ""
    symmetry: str = ""


@dataclass(frozen=True, kw_only=True)
class Hamiltonian(Record):
    """Whether F = J∇H for some H of the library.

    Attributes
    ----------
    expression
        The H that fits best.
    defect, upper
        ‖F − J∇H‖ over ‖F‖, and its one-sided 1 − α bound from rows that H was not fitted to.
    verdict
        ``"certified"`` where the bound is below the tolerance.
    brackets
        Poisson brackets {Iᵢ, Iⱼ} of the certified functions that are not zero, as texts.
    """

    expression: str
    defect: float
    upper: float | None = None
    verdict: str
    brackets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conservation(Record):
    """What is known of the conserved functions together.

    Attributes
    ----------
    independent
        The rank of the gradients of the certified ones: how many of them are independent.
    relations
        Polynomial relations between them beyond those of ``function_of``.
    hamiltonian
        None where no symplectic form was stated.
    """

    independent: int
    relations: tuple[str, ...] = ()
    hamiltonian: Hamiltonian | None = None
