"""What generators span: the algebra with its name, structure and forms, and the representation that it acts by."""

from __future__ import annotations

from dataclasses import dataclass, field

from symfind.schema.records import NUMBERS, Json, Record


@dataclass(frozen=True, kw_only=True)
class PreservedForm(Record):
    """A bilinear form Q with AᵀQ + QA = 0 for the linear part A of every generator.

    Attributes
    ----------
    matrix
        ``(d, d)``, in the user's coordinates; its first diagonal entry that is not zero is 1.
    signature
        Numbers of positive and negative eigenvalues; half the rank twice for an antisymmetric form.
    uncertainty
        The largest standard error of an entry.
    symmetric
        Whether Q = Qᵀ; else Q = −Qᵀ.
    """

    matrix: tuple[tuple[float, ...], ...]
    signature: tuple[int, ...] | None = None
    uncertainty: float | None = None
    symmetric: bool = True


@dataclass(frozen=True, kw_only=True)
class Invariant(Record):
    """A polynomial p with ξ·∇p = 0 for every generator, none a polynomial in those of lower degree."""

    expression: str
    latex: str = ""
    degree: int


@dataclass(frozen=True, kw_only=True)
class FixedPoints(Record):
    """Where all generators vanish: a point, and the directions in which there are others.

    Attributes
    ----------
    point
        ``(d,)`` in the user's coordinates.
    directions
        Rows ``(r, d)``; empty for an isolated point, None where the noise leaves them open.
    """

    point: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...] | None = ()


@dataclass(frozen=True, kw_only=True)
class RepresentationPart(Record):
    """An irreducible part of R^d (of C^d for complex matrices), with how often it occurs.

    Attributes
    ----------
    label
        ``"vector"``, ``"spin 2"``, ``"(½,½)"``, ``"8 [1,1]"`` …
    multiplicity
        Number of copies.
    dimension
        Of one copy, over the reals (over the complex numbers for complex matrices).
    type
        ``"real"``, ``"complex"`` or ``"quaternionic"``, by the maps that commute with it.
    weights
        Dynkin labels of the highest weights over the complex numbers, factor by factor in the order of Bourbaki: one
        for a real type, two for the others.
    charges
        Coprime whole numbers by which a centre of one dimension acts; empty without one.
    """

    label: str
    multiplicity: int
    dimension: int
    type: str
    weights: tuple[tuple[int, ...], ...]
    charges: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Representation(Record):
    """R^d as a sum of irreducible parts.

    Attributes
    ----------
    text
        ``"3 × vector + 2 × scalar"``.
    diagram
        Cartan types of the simple factors, such as ``("A1", "A1")``.
    parts
        The largest first.
    group, rep_in
        The group of the catalogue and the formula that `symfind enforce` takes for it; None where it has none.
    coordinates
        ``(d, d)`` T with T A T⁻¹ in the representation ``rep_in`` of the group's own generators for every generator A;
        None where ``rep_in`` is None or the coordinates are the catalogue's already.
    """

    text: str
    diagram: tuple[str, ...]
    parts: tuple[RepresentationPart, ...]
    group: str | None = None
    rep_in: str | None = None
    coordinates: Json = field(default=None, metadata=NUMBERS)


@dataclass(frozen=True, kw_only=True)
class Algebra(Record):
    """The Lie algebra that the certified generators span; None for what was not determined.

    Attributes
    ----------
    dimension
        The number of certified generators.
    name, aliases
        A standard name or ``"unidentified"``, and the names of isomorphic algebras.
    reason
        Why it is unidentified; empty otherwise.
    closure
        The root mean square of the part of a bracket that leaves the span, relative to what brackets may be at most.
    distance
        Sine of the largest angle between the span and the nearest algebra.
    noise
        Relative error of a generator that the decisions allow for.
    killing_signature
        Numbers of positive and of negative eigenvalues of the Killing form: (3, 3) for so(1,3), (0, 3) for so(3).
    center_dimension, radical_dimension, nilradical_dimension
        Of the largest abelian, solvable and nilpotent ideals that their names stand for.
    derived_dimensions, lower_central_dimensions
        Dimensions of the series, from the algebra downwards until they no longer fall.
    levi
        Name of the semisimple part; ``"0"`` for a solvable algebra.
    ideals
        Names of the indecomposable direct summands.
    simple, semisimple, solvable, nilpotent, compact
        What their names say; ``compact`` of the group.
    structure_constants
        f[i][j][k] of [ξᵢ, ξⱼ] = Σₖ f[i][j][k] ξₖ, for the certified generators in their order and the bracket
        dξⱼ·ξᵢ − dξᵢ·ξⱼ of vector fields.
    preserved_forms
        Bilinear forms that the generators preserve.
    invariants
        Polynomials of low degree that they preserve.
    fixed_points
        The points that they fix; None if there are none.
    invariant_subspaces
        Rows of each V in R^d = V₁ ⊕ V₂ ⊕ …, for linear generators.
    representation
        What the linear parts of the generators are as a representation; None where they are not reductive.
    growth
        Dimensions of the span of given matrices before brackets are taken and after each round of them; empty unless
        `identify --close` was asked.
    """

    dimension: int
    name: str | None = None
    aliases: tuple[str, ...] = ()
    reason: str = ""
    closure: float | None = None
    distance: float | None = None
    noise: float | None = None
    killing_signature: tuple[int, ...] | None = None
    center_dimension: int | None = None
    radical_dimension: int | None = None
    nilradical_dimension: int | None = None
    derived_dimensions: tuple[int, ...] | None = None
    lower_central_dimensions: tuple[int, ...] | None = None
    levi: str | None = None
    ideals: tuple[str, ...] | None = None
    simple: bool | None = None
    semisimple: bool | None = None
    solvable: bool | None = None
    nilpotent: bool | None = None
    compact: bool | None = None
    structure_constants: Json = field(default=None, metadata=NUMBERS)
    preserved_forms: tuple[PreservedForm, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    fixed_points: FixedPoints | None = None
    invariant_subspaces: tuple[tuple[tuple[float, ...], ...], ...] | None = None
    representation: Representation | None = None
    growth: tuple[int, ...] = ()
