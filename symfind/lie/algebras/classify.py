"""g ↦ its standard name, aliases and invariants; "unidentified" where the noise leaves any of it open.

A decision that something vanishes can hide an algebra of another type whose constants lie below the noise: with
translations scaled by 1/100, so(4) looks like e(3) to one part in 10⁴. It is believed if the type is rigid (all Lie
algebras nearby are isomorphic), or if the noise is smaller than what coordinates of a stated condition number can hide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from symfind.lie.algebras.algebra import LieAlgebra, in_coordinates
from symfind.lie.algebras.families import family_name, form_spectrum
from symfind.lie.algebras.preserved import PreservedForm, preserved_forms
from symfind.lie.algebras.simple import SimpleName, names_of, simple_type
from symfind.lie.algebras.structure import Structure, Summands, direct_summands
from symfind.lie.algebras.torus import compact_directions
from symfind.linalg.subspaces import UnclearRank, clear_rank

UNIDENTIFIED = "unidentified"
# Errors of up to ten times the noise remain after projection on the nearest subalgebra.
_AMPLIFIED = 10.0

_T = TypeVar("_T")


@dataclass(frozen=True)
class AlgebraReport:
    """What a set of generators is as a Lie algebra. What the noise leaves open is None.

    Attributes
    ----------
    dimension
        Of the span.
    name, aliases
        A standard name or "unidentified", and names of isomorphic algebras.
    reason
        Why the algebra is unidentified; empty if it is not.
    closure
        Closure residual of the generators as given.
    distance
        Sine of the largest angle to the subalgebra that was analysed.
    noise
        Relative error of the generators.
    killing_signature
        (positive, negative); (3, 3) for so(1,3).
    center_dimension, radical_dimension, nilradical_dimension
        Of the ideals.
    derived_dimensions, lower_central_dimensions
        Of the series, until they no longer fall.
    semisimple, solvable, nilpotent, simple
        What their names say.
    compact
        Whether the group is compact; None also for an abstract algebra with a centre, which does not tell.
    levi
        Name of the Levi factor; "0" for a solvable algebra.
    ideals
        Names of the indecomposable direct summands.
    structure_constants
        ``(k, k, k)`` of ``basis``.
    basis
        ``(k, p)`` orthonormal basis in the coefficients of the input, or None.
    preserved_forms
        Bilinear forms, for algebras of matrices.
    """

    dimension: int
    name: str
    aliases: tuple[str, ...]
    reason: str
    closure: float
    distance: float
    noise: float
    killing_signature: tuple[int, int] | None
    center_dimension: int | None
    radical_dimension: int | None
    nilradical_dimension: int | None
    derived_dimensions: tuple[int, ...] | None
    lower_central_dimensions: tuple[int, ...] | None
    semisimple: bool | None
    solvable: bool | None
    nilpotent: bool | None
    simple: bool | None
    compact: bool | None
    levi: str | None
    ideals: tuple[str, ...] | None
    structure_constants: Tensor
    basis: Tensor | None
    preserved_forms: tuple[PreservedForm, ...] | None


@dataclass(frozen=True)
class _Part:
    """A named summand."""

    text: str
    aliases: tuple[str, ...] = ()
    rigid: bool = False
    simple: tuple[SimpleName, ...] = ()
    module: int | None = None
    rows: Tensor | None = field(default=None, compare=False)


@dataclass(frozen=True)
class _Naming:
    name: str
    aliases: tuple[str, ...]
    ideals: tuple[str, ...]
    rigid: bool
    complete: bool


def identify(algebra: LieAlgebra, *, conditioning: float = 100.0) -> AlgebraReport:
    """Name and invariants of a Lie algebra.

    Parameters
    ----------
    algebra
        From :func:`symfind.lie.algebras.algebra.algebra_of_matrices` or its siblings.
    conditioning
        The worst condition number of coordinates in which the name must still be right; with noise above
        0.1 / conditioning² types that are not rigid stay unidentified. Coordinates known to be good (whitened data,
        exact candidates) allow a smaller number.
    """
    structure = Structure(algebra)
    naming, reason = _attempt(structure, conditioning)
    # Where the noise leaves a decision open in the first coordinates, others may still show it clearly.
    for q in algebra.other_coordinates if not naming.complete else ():
        again = Structure(in_coordinates(algebra, q))
        naming, other = _attempt(again, conditioning)
        if naming.complete:
            structure, algebra, reason = again, again.algebra, other
            break
    ideals = naming.ideals or None
    semisimple = _clear(lambda: structure.semisimple)
    return AlgebraReport(
        dimension=algebra.dimension,
        name=naming.name,
        aliases=naming.aliases,
        reason=reason,
        closure=algebra.closure,
        distance=algebra.distance,
        noise=algebra.noise,
        killing_signature=_clear(lambda: structure.killing_signature),
        center_dimension=_clear(lambda: structure.centre.shape[0]),
        radical_dimension=_clear(lambda: structure.radical.shape[0]),
        nilradical_dimension=_clear(lambda: structure.nilradical.shape[0]),
        derived_dimensions=_clear(lambda: structure.derived_dimensions),
        lower_central_dimensions=_clear(lambda: structure.lower_central_dimensions),
        semisimple=semisimple,
        solvable=_clear(lambda: structure.solvable),
        nilpotent=_clear(lambda: structure.nilpotent),
        simple=None if semisimple is None or (semisimple and ideals is None) else semisimple and len(ideals or ()) == 1,
        compact=_clear(lambda: _is_compact(structure)),
        levi=_clear(lambda: _levi_name(structure)),
        ideals=ideals,
        structure_constants=algebra.structure_constants,
        basis=algebra.basis,
        preserved_forms=None if algebra.matrices is None else _clear(lambda: preserved_forms(algebra)),
    )


def _attempt(structure: Structure, conditioning: float) -> tuple[_Naming, str]:
    """A name in these coordinates, or why there is none."""
    algebra = structure.algebra
    try:
        naming = _named(structure)
    except UnclearRank as unclear:
        return _UNNAMED, str(unclear)
    if not naming.complete:
        return naming, "the algebra is none of those the catalogue knows"
    if naming.rigid or _AMPLIFIED * algebra.noise <= conditioning**-2 or _trace_form_clear(algebra):
        return naming, ""
    reason = f"at noise {algebra.noise:.1g} an algebra of another type could look the same"
    return _Naming(UNIDENTIFIED, (), (), rigid=False, complete=False), reason


_UNNAMED = _Naming(UNIDENTIFIED, (), (), rigid=False, complete=False)


def _clear(value: Callable[[], _T]) -> _T | None:
    try:
        return value()
    except UnclearRank:
        return None


def _named(structure: Structure) -> _Naming:
    algebra = structure.algebra
    summands = direct_summands(structure)
    parts = [_ideal_name(algebra, rows, is_complex=kind)
             for rows, kind in zip(summands.ideals, summands.complex_type, strict=True)]  # fmt: skip
    # As Lie algebras so(2) and R are the same: where their orbits do not tell, they are called R.
    circles = _circles(algebra, summands.abelian) or 0
    lines = summands.abelian.shape[0] - circles
    abelian = ["so(2)"] * circles + ([] if lines == 0 else ["R"] if lines == 1 else [f"R^{lines}"])
    if any(p is None for p in parts):
        return _Naming(UNIDENTIFIED, (), tuple(UNIDENTIFIED if p is None else p.text for p in parts) + tuple(abelian),
                       rigid=False, complete=False)  # fmt: skip
    named = sorted((p for p in parts if p is not None), key=lambda p: (-_dimension(p), p.text))
    # Direct sums of rigid algebras without centre are rigid; so are semisimple ones with a centre of dimension one.
    central = circles + lines
    rigid = all(p.rigid for p in named) and (central == 0 or (central == 1 and all(p.simple for p in named)))
    rigid = rigid or algebra.dimension == 1
    ideals = tuple(p.text for p in named) + tuple(abelian)
    name, aliases = _sum_name(algebra, summands, named, circles, lines)
    return _Naming(name, aliases, ideals, rigid=rigid, complete=True)


def _dimension(part: _Part) -> int:
    return 0 if part.rows is None else part.rows.shape[0]


def _ideal_name(algebra: LieAlgebra, rows: Tensor, *, is_complex: bool) -> _Part | None:
    """The name of an indecomposable ideal that is not abelian."""
    part = algebra.restricted(rows)
    structure = Structure(part)
    if not structure.semisimple:
        found = family_name(structure)
        return None if found is None else _Part(found.text, found.aliases, found.rigid, rows=rows)
    kind = simple_type(part, structure.killing_signature[0], is_complex=is_complex)
    names = names_of(kind) if kind is not None else ()
    if not names:
        return None
    image = None if part.matrices is None else _clear(lambda: _image(part))
    module = None if image is None else image.shape[0]
    best = [n for n in names if n.module == module] or list(names)
    if module == 4 and image is not None and {n.text for n in best} >= {"so(1,3)", "sl(2,C)"}:
        # Both act on R⁴: vectors preserve one symmetric form, spinors preserve none.
        small = image @ _matrices(part) @ image.T
        form = _clear(lambda: form_spectrum(small, part.matrix_error))
        best = [n for n in best if n.text == ("sl(2,C)" if form is None else "so(1,3)")]
    text = best[0].text
    aliases = tuple(n.text for n in names if n.text != text)
    return _Part(text, aliases, True, names, module, rows)


def _matrices(algebra: LieAlgebra) -> Tensor:
    assert algebra.matrices is not None
    return algebra.matrices


def _image(algebra: LieAlgebra) -> Tensor:
    """Orthonormal rows of Σ im A."""
    stacked = _matrices(algebra).permute(1, 0, 2).flatten(1)
    u, s, _ = torch.linalg.svd(stacked, full_matrices=False)
    found: Tensor = u[:, : clear_rank(s, algebra.matrix_error)].T
    return found


def _circles(algebra: LieAlgebra, rows: Tensor) -> int | None:
    """Number of circles in an abelian summand; None if the noise leaves it open or there are no matrices to tell."""
    if rows.shape[0] == 0:
        return 0
    if algebra.matrices is None:
        return None
    part = algebra.restricted(rows)
    torus = _clear(lambda: compact_directions(_matrices(part), algebra.matrix_error))
    return None if torus is None else torus.shape[0]


def _is_compact(structure: Structure) -> bool | None:
    """Reductive, with a negative definite Killing form off the centre, and a centre with closed orbits."""
    centre = structure.centre
    if structure.radical.shape[0] > centre.shape[0] or structure.killing_signature[0] > 0:
        return False
    circles = _circles(structure.algebra, centre)
    return None if circles is None else circles == centre.shape[0]


def _levi_name(structure: Structure) -> str:
    if structure.solvable:
        return "0"
    if structure.semisimple:
        levi = structure.algebra
    else:
        levi = structure.algebra.quotient(structure.radical)
    inner = Structure(levi)
    summands = direct_summands(inner)
    parts = [_ideal_name(levi, rows, is_complex=kind)
             for rows, kind in zip(summands.ideals, summands.complex_type, strict=True)]  # fmt: skip
    return " + ".join(UNIDENTIFIED if p is None else p.text for p in parts)


def _trace_form_clear(algebra: LieAlgebra) -> bool:
    """Whether tr(XY) is clearly nondegenerate on the algebra: it is reductive then, and so is every one nearby.

    Reductive algebras of one dimension do not contract to one another while the form stays nondegenerate: generators of
    a simple ideal that nearly commute would have nearly vanishing eigenvalues.
    """
    if algebra.matrices is None:
        return False
    form = torch.einsum("iab,jba->ij", algebra.matrices, algebra.matrices)
    smallest = float(torch.linalg.eigvalsh(form).abs().min())
    # ‖δT‖ ≤ 2 ‖X‖ ‖δX‖ with ‖X‖ ≤ √k; a tenth keeps away from forms that nearly degenerate.
    return smallest > max(0.1, 8.0 * math.sqrt(algebra.dimension) * algebra.matrix_error)


# Semisimple algebras with a name of their own, from their ideals.
_PAIRS: Mapping[tuple[str, ...], tuple[str, int]] = {
    ("so(3)", "so(3)"): ("so(4)", 4),
    ("sl(2,R)", "sl(2,R)"): ("so(2,2)", 4),
    ("sl(2,R)", "so(3)"): ("so*(4)", 8),
    ("so(1,3)", "so(1,3)"): ("so(4,C)", 8),
}


def _sum_name(
    algebra: LieAlgebra, summands: Summands, parts: list[_Part], circles: int, lines: int
) -> tuple[str, tuple[str, ...]]:
    """The name of the whole sum and its aliases."""
    abelian = ["so(2)"] * circles + ([] if lines == 0 else ["R"] if lines == 1 else [f"R^{lines}"])
    texts = [p.text for p in parts]
    plain = " + ".join(texts + abelian)
    d = None if algebra.matrices is None else algebra.matrices.shape[1]
    other: list[str] = []
    preferred = None
    if len(parts) == 1 and not abelian:
        return plain, parts[0].aliases
    firsts = tuple(sorted(p.simple[0].text if p.simple else p.text for p in parts))
    pair = _PAIRS.get(firsts) if len(parts) == 2 else None
    if pair is not None:
        other.append(" + ".join([pair[0], *abelian]))
        if firsts != tuple(sorted(texts)):
            other.append(" + ".join([*firsts, *abelian]))
        if _joint_module(algebra, parts) == pair[1]:
            preferred = other[0]
    if circles + lines == 1:
        scalar = _is_scalar(algebra, summands.abelian)
        unions = _with_centre(parts, pair, circles, d, scalar=scalar)
        other += [text for text, _ in unions]
        preferred = next((text for text, natural in unions if natural), preferred)
    if not parts and circles == lines == 1:
        other.append("co(2)")
        preferred = "co(2)" if d == 2 else None
    if len(parts) == 1 and parts[0].simple and abelian:
        other += [" + ".join([alias, *abelian]) for alias in parts[0].aliases]
    if not parts and circles + lines == 1:
        other += ["R"] if circles else ["so(2)"]
    if not parts and circles:
        other += ["u(1)" if circles == 1 and not lines else ""]
    name = preferred or plain
    aliases = [plain, *other]
    return name, tuple(dict.fromkeys(a for a in aliases if a and a != name))


def _joint_module(algebra: LieAlgebra, parts: list[_Part]) -> int | None:
    if algebra.matrices is None:
        return None
    rows = torch.cat([p.rows for p in parts if p.rows is not None])
    image = _clear(lambda: _image(algebra.restricted(rows)))
    return None if image is None else image.shape[0]


def _is_scalar(algebra: LieAlgebra, rows: Tensor) -> bool:
    """Whether the one central direction is a multiple of the identity."""
    if algebra.matrices is None:
        return False
    z = torch.einsum("i,iab->ab", rows[0], algebra.matrices)
    rest = z - z.diagonal().mean() * torch.eye(z.shape[0], dtype=z.dtype)
    return float(rest.norm()) <= max(4.0 * algebra.matrix_error, 1e-9)


def _with_centre(
    parts: list[_Part], pair: tuple[str, int] | None, circles: int, d: int | None, *, scalar: bool
) -> list[tuple[str, bool]]:
    """Names of g ⊕ centre of dimension one, each with whether the representation speaks for it."""
    out: list[tuple[str, bool]] = []
    if pair is not None and pair[0] in ("so(4)", "so(2,2)"):
        out.append((pair[0].replace("so", "co"), scalar and d == 4))
    if len(parts) != 1:
        return out
    part = parts[0]
    for name in part.simple:
        natural = scalar and part.module == name.module == d
        if name.family == "sl":
            out.append((f"gl({name.parameters[0]},R)", natural))
        elif name.family == "so":
            chosen = natural and part.text == name.text
            out.append((name.text.replace("so", "co"), chosen))
        elif name.family == "su":
            unitary = circles == 1 and part.module == name.module == d and part.text == name.text
            out.append((name.text.replace("su", "u"), unitary))
    if part.text.startswith("sborel("):
        n = int(part.text[7:-1])
        out.append((f"borel({n})", True))
    if part.text == "aff(1)":
        out.append(("borel(2)", d == 2))
    return sorted(out, key=lambda item: not item[1])
