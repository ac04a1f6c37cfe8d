"""What certified matrices are as a representation: its parts in words, and the formula that ``enforce`` takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.errors import SymfindError
from symfind.lie.algebras.affine_fields import structure_constants
from symfind.lie.algebras.algebra import LieAlgebra
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.lie.weights.highest import counted, highest_weights
from symfind.lie.weights.labels import called, complex_label, sum_label, whole_charges
from symfind.lie.weights.real_parts import MOST_COORDINATES, RealPart, real_parts
from symfind.lie.weights.roots import RootSystem
from symfind.lie.weights.torus import CompactForm
from symfind.schema.algebra import Representation, RepresentationPart

# What an intertwiner leaves over, relative to the generators, that still counts as none for noisy generators.
_LEFT_OVER = 0.05
# A change of coordinates that stretches by more is none: the null space held nothing invertible.
_STRETCH = 1e4


def representation_of(algebra: LieAlgebra, given: Tensor, name: str) -> Representation | None:
    """The parts of R^d under an algebra of matrices.

    Parameters
    ----------
    algebra
        In balanced coordinates.
    given
        ``(k, d, d)``: its generators in the user's coordinates.
    name
        Of the algebra.

    Returns
    -------
    Representation or None
        None where the algebra is not reductive, or acts on more coordinates than are gone through.

    Raises
    ------
    UnclearRank
        If the noise leaves the parts open.
    """
    if algebra.matrices is None or algebra.matrices.shape[1] > MOST_COORDINATES:
        return None
    k = algebra.dimension
    rows = torch.linalg.qr(algebra.matrices.reshape(k, -1).T).Q.T
    found = real_parts(rows.reshape(algebra.matrices.shape), algebra.matrix_error)
    if found is None:
        return None
    system, parts = found
    labels, charges = called(parts, system, name), whole_charges(parts)
    merged = _counted(parts, labels, charges)
    group, formula = _formula(name, merged)
    coordinates = None
    if group is not None and formula is not None:
        matched = _coordinates(group, formula, given, parts, labels, algebra)
        group, formula, coordinates = (group, formula, matched[0]) if matched else (None, None, None)
    return Representation(
        text=sum_label([(p.multiplicity, p.label) for p in merged]),
        diagram=tuple(f"{f.letter}{f.rank}" for f in system.factors) + ("T1",) * len(system.centre),
        parts=tuple(merged),
        group=group,
        rep_in=formula,
        coordinates=None if coordinates is None else coordinates.tolist(),
    )


def _counted(
    parts: Sequence[RealPart], labels: Sequence[str], charges: Sequence[tuple[int, ...]]
) -> list[RepresentationPart]:
    keys = [
        (label, p.dimension, p.type, tuple(sum(w.labels, ()) for w in p.weights), charge)
        for p, label, charge in zip(parts, labels, charges, strict=True)
    ]
    ordered = sorted(Counter(keys).items(), key=lambda e: (-e[0][1], e[0][0]))
    return [
        RepresentationPart(label=label, multiplicity=m, dimension=n, type=kind, weights=weights, charges=charge)
        for (label, n, kind, weights, charge), m in ordered
    ]


def _formula(name: str, parts: Sequence[RepresentationPart]) -> tuple[str | None, str | None]:
    """Group and formula of the catalogue: degrees for so(3) and su(2), copies of V and 1 for the others."""
    if name in ("so(3)", "su(2)"):
        halves = [(p.multiplicity, p.weights[0][0]) for p in parts]
        group = "so3" if all(twice % 2 == 0 for _, twice in halves) else "su2"
        terms = [f"{m}x{twice // 2}" if twice % 2 == 0 else f"{m}x{twice}/2" for m, twice in halves]
        return group, "+".join(terms)
    if re.fullmatch(r"so\(\d+(,\d+)?\)", name) is None or len(parts) > 2:
        return None, None
    size = sum(int(n) for n in re.findall(r"\d+", name))
    counts = {p.label: p.multiplicity for p in parts}
    vectors = [p for p in parts if p.label in ("vector", "(½,½)") and p.dimension == size]
    if len(vectors) != 1 or set(counts) - {vectors[0].label, "scalar"}:
        return None, None
    terms = [f"{vectors[0].multiplicity}V"] + ([str(counts["scalar"])] if "scalar" in counts else [])
    return re.sub(r"[(),]", "", name) if size < 10 else name, "+".join(terms)


def _coordinates(
    group: str, formula: str, given: Tensor, parts: Sequence[RealPart], labels: Sequence[str], algebra: LieAlgebra
) -> tuple[Tensor | None] | None:
    """T with T A T⁻¹ = dρ(A′), A′ the element that A is; (None,) where T is 1, None where there is none."""
    try:
        catalogued = parse_group(group)
        rho = parse_representation(catalogued, formula)
    except SymfindError:
        return None
    if rho.dim != given.shape[1]:
        return None
    as_stored = _within(given, rho.drho(catalogued.generators))
    if as_stored:
        return (None,)
    if group in ("so3", "su2"):
        elements, images = _standard_triple(given), _standard_triple(rho.drho(catalogued.generators))
    else:
        vector = next(p for p, label in zip(parts, labels, strict=True) if label != "scalar")
        standard = _standard_vector(given, vector, algebra, catalogued.generators)
        elements, images = given, None if standard is None else rho.drho(standard)
    if elements is None or images is None:
        return None
    turn = _intertwiner(elements, images)
    return None if turn is None else (turn,)


def _within(a: Tensor, b: Tensor) -> bool:
    """Whether the span of a ``(k, d, d)`` is that of b, to rounding of recognised entries."""
    rows = torch.linalg.qr(b.flatten(1).T).Q.T
    flat = a.flatten(1)
    return len(a) == len(b) and float((flat - flat @ rows.T @ rows).norm()) <= 1e-6 * float(flat.norm())


def _standard_triple(given: Tensor) -> Tensor | None:
    """Combinations e ``(3, d, d)`` with [e₁, e₂] = e₃ and cyclic, of a compact algebra of three dimensions."""
    f = -structure_constants(given)  # of matrices: fields have the opposite bracket
    killing = -0.5 * torch.einsum("iab,jba->ij", f, f)
    factor, failed = torch.linalg.cholesky_ex(killing)
    if int(failed):
        return None
    e = torch.einsum("ij,jab->iab", torch.linalg.inv(factor), given)
    bracket = e[0] @ e[1] - e[1] @ e[0]
    sign = 1.0 if float((bracket * e[2]).sum()) > 0 else -1.0
    out: Tensor = sign * e
    return out


def _standard_vector(given: Tensor, part: RealPart, algebra: LieAlgebra, generators: Tensor) -> Tensor | None:
    """The generators on one vector part, in coordinates in which its form is diag(±1) as in the catalogue."""
    assert algebra.coordinates is not None
    columns = torch.linalg.solve(algebra.coordinates, part.basis)
    block = torch.linalg.lstsq(columns, (given @ columns).permute(1, 0, 2).flatten(1), driver="gelsd").solution
    n = part.dimension
    b = block.reshape(n, len(given), n).permute(1, 0, 2)
    form, target = _form(b), _form(generators)
    target = target * target[0, 0].sign()  # known up to its sign; positive directions come first in the catalogue
    values, vectors = torch.linalg.eigh(form)
    wanted = torch.linalg.eigvalsh(target)
    if int((values > 0).sum()) != int((wanted > 0).sum()):
        values = -values  # a form is known up to its sign
    if int((values > 0).sum()) != int((wanted > 0).sum()) or float(values.abs().min()) == 0.0:
        return None
    # Positive directions first.
    order = values.argsort(descending=True)
    s = (vectors[:, order] * values[order].abs().sqrt()).mT
    out: Tensor = s @ b @ torch.linalg.inv(s)
    return out


def _form(matrices: Tensor) -> Tensor:
    """The symmetric Q of norm one with AᵀQ + QA nearest to zero."""
    k, n, _ = matrices.shape
    unit = torch.eye(n, dtype=matrices.dtype)
    rows = torch.cat([torch.kron(a.mT.contiguous(), unit) + torch.kron(unit, a.mT.contiguous()) for a in matrices])
    _, _, vt = torch.linalg.svd(rows)
    q = vt[-1].reshape(n, n)
    out: Tensor = 0.5 * (q + q.mT)
    return out


def _intertwiner(a: Tensor, b: Tensor) -> Tensor | None:
    """An invertible T with T Aᵢ = Bᵢ T, the nearest to 1 if that is one; None where there is none."""
    d = a.shape[1]
    unit = torch.eye(d, dtype=a.dtype)
    rows = torch.cat(
        [torch.kron(unit, x.mT.contiguous()) - torch.kron(y, unit) for x, y in zip(a, b.contiguous(), strict=True)]
    )
    _, s, vt = torch.linalg.svd(rows, full_matrices=False)
    null = vt[s <= _LEFT_OVER * s[0]]
    if not len(null):
        return None
    generator = torch.Generator().manual_seed(0)
    draws = [null @ unit.flatten(), *torch.randn(8, len(null), generator=generator, dtype=a.dtype)]
    for c in draws:
        t = (c @ null).reshape(d, d)
        values = torch.linalg.svdvals(t)
        if float(values[-1]) * _STRETCH > float(values[0]):
            # The size of T is free; a determinant of one in absolute value is as good as any.
            found: Tensor = t / values.log().mean().exp()
            return found
    return None


def representation_of_complex(form: CompactForm, system: RootSystem, name: str) -> Representation:
    """The parts of C^d under antihermitian matrices.

    Raises
    ------
    UnclearRank
        If the errors leave the parts open.
    """
    weights = highest_weights(form, system)
    # Complex matrices act on C^d: a part of two conjugate ones is none, each stands for itself.
    parts = [
        RepresentationPart(
            label=complex_label(weight, system, name),
            multiplicity=m,
            dimension=weight.dimension,
            type="complex",
            weights=(sum(weight.labels, ()),),
        )
        for m, weight in counted(weights)
    ]
    return Representation(
        text=sum_label([(p.multiplicity, p.label) for p in parts]),
        diagram=tuple(f"{f.letter}{f.rank}" for f in system.factors) + ("T1",) * len(system.centre),
        parts=tuple(parts),
    )
