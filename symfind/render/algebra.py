"""What an algebra is made of, and how it acts, in words."""

from __future__ import annotations

from symfind.schema.algebra import Algebra, Representation


def structure_text(algebra: Algebra) -> str:
    """Describe what makes up the algebra: Killing form, centre, radical, derived series, summands."""
    parts = []
    if algebra.killing_signature is not None:
        parts.append(f"Killing signature ({', '.join(map(str, algebra.killing_signature))})")
    if algebra.center_dimension:
        parts.append(f"centre of dimension {algebra.center_dimension}")
    if algebra.radical_dimension and not algebra.solvable:
        parts.append(f"radical of dimension {algebra.radical_dimension}")
    if algebra.nilradical_dimension and algebra.nilradical_dimension != algebra.radical_dimension:
        parts.append(f"nilradical of dimension {algebra.nilradical_dimension}")
    if algebra.levi not in (None, "0", algebra.name):
        parts.append(f"Levi factor {algebra.levi}")
    if algebra.derived_dimensions is not None and len(algebra.derived_dimensions) > 1:
        parts.append(f"derived series {' ⊃ '.join(map(str, algebra.derived_dimensions))}")
    if algebra.lower_central_dimensions is not None and algebra.nilpotent and len(algebra.lower_central_dimensions) > 2:
        parts.append(f"lower central series {' ⊃ '.join(map(str, algebra.lower_central_dimensions))}")
    if algebra.ideals is not None and len(algebra.ideals) > 1:
        parts.append(f"ideals {' ⊕ '.join(algebra.ideals)}")
    return ", ".join(parts)


def representation_text(representation: Representation) -> str:
    """Say what R^d is under the algebra, and how ``enforce`` is told so."""
    text = representation.text
    if representation.rep_in is None:
        return text
    told = f"{text}: --group {representation.group} --rep-in {representation.rep_in}"
    return told if representation.coordinates is None else f"{told} in the coordinates T x (T is in the report)"
