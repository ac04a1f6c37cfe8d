"""Indecomposable algebras that are not semisimple, recognised by conditions that force the isomorphism.

Each function returns a name only if the conditions it checks leave no other algebra; the argument stands in its
docstring. Ranks are clear or raise :class:`symfind.linalg.subspaces.UnclearRank`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.lie.algebras.structure import Structure
from symfind.linalg.subspaces import UnclearRank, clear_rank, nullspace, orthogonal_complement


@dataclass(frozen=True)
class FamilyName:
    """A name of an indecomposable algebra that is not semisimple.

    Attributes
    ----------
    text
        Such as "e(1,3)".
    aliases
        Names of isomorphic algebras.
    rigid
        Whether H²(g, g) = 0, so that every Lie algebra nearby is isomorphic: parabolic algebras and their like.
    """

    text: str
    aliases: tuple[str, ...] = ()
    rigid: bool = False


def family_name(structure: Structure) -> FamilyName | None:
    """The name of an indecomposable algebra that is neither abelian nor semisimple, None if it is in no family."""
    recognisers: tuple[Callable[[Structure], FamilyName | None], ...] = (
        heisenberg,
        affine_family,
        galilei,
        upper_triangular,
    )
    for recognise in recognisers:
        found = recognise(structure)
        if found is not None:
            return found
    return None


def signature_text(p: int, q: int) -> str:
    """The text "n" for a definite form, "p,q" with p ≤ q otherwise."""
    low, high = min(p, q), max(p, q)
    return str(high) if low == 0 else f"{low},{high}"


def heisenberg(structure: Structure) -> FamilyName | None:
    """Heis(n): dim g′ = dim Z = 1 and g′ = Z.

    The bracket is then a form on g/Z with values in a line; it is nondegenerate as its kernel would be central, and all
    such forms of one dimension are equivalent.
    """
    k = structure.algebra.dimension
    if structure.derived.shape[0] != 1 or structure.centre.shape[0] != 1 or k % 2 == 0:
        return None
    if abs(float((structure.derived @ structure.centre.T).item())) < 1.0 - structure.angle_cut:
        return None
    n = (k - 1) // 2
    return FamilyName(f"heis({n})", ("galilei(1)", "upper triangular 3×3, nilpotent") if n == 1 else ())


def affine_family(structure: Structure) -> FamilyName | None:
    """The algebra h ⋉ R^m with h one of so(p,q), R·1 ⊕ so(p,q), gl(m), sl(m): e(p,q), sim(p,q), aff(m), saff(m).

    The nilradical is abelian of dimension m and g acts on it through a faithful h ⊂ gl(m); h is identified by its
    dimension and by the form it preserves (up to a factor), which determine it entirely. The extension splits: h is
    semisimple (Levi), or of dimension one, or contains the identity, which makes H²(h, R^m) = 0.
    """
    ideal = structure.nilradical
    k, m = structure.algebra.dimension, ideal.shape[0]
    size = k - m
    if m == 0 or size == 0 or structure.product(ideal, ideal).shape[0] > 0:
        return None
    action = action_on(structure, ideal)  # (size, m, m)
    error = structure.algebra.error
    if clear_rank(torch.linalg.svdvals(action.flatten(1)), error) < size:
        return None
    traces = torch.einsum("xaa->x", action)
    # A trace of m entries with the error of f each.
    scales = clear_rank(traces.norm()[None], error * m) == 1
    if size == m * m:
        aliases = ("sim(1)", "sborel(2)", "upper triangular 2×2, modulo scalars") if m == 1 else ()
        return FamilyName(f"aff({m})", aliases, rigid=True)
    if m >= 2 and size == m * m - 1 and not scales:
        return FamilyName(f"saff({m})", (f"sl({m},R) ⋉ R^{m}",) + (("sp(2,R) ⋉ R^2",) if m == 2 else ()))
    expected = m * (m - 1) // 2 + (1 if scales else 0)
    if m < 2 or size != expected:
        return None
    traceless = action - torch.einsum("x,ab->xab", traces / m, torch.eye(m, dtype=action.dtype))
    if scales and clear_rank(torch.linalg.svdvals(traceless.flatten(1)), 2.0 * error) != size - 1:
        return None
    values = form_spectrum(traceless, error)
    if values is None:
        return None
    text = signature_text(int((values > 0).sum()), int((values < 0).sum()))
    if scales:
        same = {"2": ("aff(1,C)",), "1,1": ("aff(1) + aff(1)",)}
        return FamilyName(f"sim({text})", same.get(text, ()), rigid=True)
    return FamilyName(f"e({text})", ("sol(3)",) if text == "1,1" else (f"iso({text})",))


def action_on(structure: Structure, ideal: Tensor) -> Tensor:
    """Matrices ``(k − m, m, m)`` by which the complement of an ideal acts on it."""
    outer = orthogonal_complement(ideal)
    return torch.einsum("xi,mj,ijk,nk->xnm", outer, ideal, structure.algebra.structure_constants, ideal)


def form_spectrum(matrices: Tensor, error: float) -> Tensor | None:
    """Eigenvalues ``(m,)``, all nonzero, of the one Q = Qᵀ (up to a factor) with AᵀQ + QA = 0 for all A ``(x, m, m)``.

    None if there is not just one such form.

    Raises
    ------
    UnclearRank
        If the errors leave the number of forms or a sign open.
    """
    m = matrices.shape[1]
    places = [(i, j) for i in range(m) for j in range(i, m)]
    basis = matrices.new_zeros(len(places), m, m)
    for place, (i, j) in enumerate(places):
        basis[place, i, j] = basis[place, j, i] = 1.0 if i == j else math.sqrt(0.5)
    defect = torch.einsum("xba,qbc->xqac", matrices, basis) + torch.einsum("qab,xbc->xqac", basis, matrices)
    system = defect.permute(0, 2, 3, 1).reshape(-1, len(places))
    # Two terms with the error of the matrices each.
    kernel = nullspace(system, 2.0 * error)
    if kernel.shape[0] != 1:
        return None
    values: Tensor = torch.linalg.eigvalsh(torch.einsum("q,qab->ab", kernel[0], basis))
    # A null vector moves by the error over the gap to the next singular value.
    gap = float(torch.linalg.svdvals(system)[-2]) if len(places) > 1 else 1.0
    if clear_rank(values.abs(), max(2.0 * error / gap, 1e-9)) < m:
        return None
    return values


def galilei(structure: Structure) -> FamilyName | None:
    """Galilei(n), n ≥ 2: rotations, boosts K, translations P and time H with [H, K] = P.

    With N the nilradical, M = [g, N] and P = [N, N] ⊂ M: dim N = 2n + 1, dim M = 2n, dim P = n, M abelian, H (the rest
    of N) maps M/P onto P, and so(n) = g/N acts on P faithfully with a definite form. H makes M/P and P equal modules;
    for n ≥ 3 a Levi factor fixes a choice of H and splits M. For n = 2 the rotation J may be changed by multiples
    of H; what could remain is a nilpotent part of J on M that is not a multiple of H, and it is checked to vanish.
    """
    n2 = structure.nilradical
    k, total = structure.algebra.dimension, n2.shape[0]
    n = (total - 1) // 2
    if total % 2 == 0 or n < 2 or k != total + n * (n - 1) // 2:
        return None
    inner = structure.product(structure.whole, n2)
    translations = structure.product(n2, n2)
    if inner.shape[0] != 2 * n or translations.shape[0] != n or structure.product(inner, inner).shape[0] != 0:
        return None
    error = structure.algebra.error
    rotations = orthogonal_complement(n2)
    f = structure.algebra.structure_constants
    on_p = torch.einsum("xi,mj,ijk,nk->xnm", rotations, translations, f, translations)
    if clear_rank(torch.linalg.svdvals(on_p.flatten(1)), error) < n * (n - 1) // 2:
        return None
    values = form_spectrum(on_p, error)
    if values is None or float(values.min()) * float(values.max()) < 0:
        return None
    if n == 2:
        time = n2 - (n2 @ inner.T) @ inner
        _, _, vt = torch.linalg.svd(time, full_matrices=False)
        h, j = (torch.einsum("i,mj,ijk,nk->nm", v, inner, f, inner) for v in (vt[0], rotations[0]))
        square = j @ j
        rest = square - square.diagonal().mean() * torch.eye(4, dtype=j.dtype)
        # J² + ω² = 2ω(ia − b)N for J = i(ω + bN) + aN: the part along H must vanish.
        along = torch.einsum("ab,ab->", rest, h) / h.norm()
        if clear_rank(along.abs()[None], 4.0 * error * max(float(j.norm()), 1.0)) > 0:
            return None
    return FamilyName(f"galilei({n})")


def upper_triangular(structure: Structure) -> FamilyName | None:
    """Sborel(n), n ≥ 3: upper triangular n × n matrices modulo scalars, the Borel subalgebra of sl(n, R).

    A generic element outside the nilradical N has an abelian centraliser T of dimension n − 1 with g = T ⊕ N. If the
    weights of T on N are the positive roots of A_{n−1}, once each, and those of N/[N, N] are the simple roots, then
    N is generated by its simple root vectors, which satisfy the Serre relations because no other weights occur; the
    dimension n(n−1)/2 leaves no quotient.
    """
    nil = structure.nilradical
    k, total = structure.algebra.dimension, nil.shape[0]
    rank = k - total
    n = rank + 1
    if n < 3 or total != n * (n - 1) // 2 or structure.centre.shape[0] != 0 or not structure.solvable:
        return None
    simple = orthogonal_complement(torch.cat([structure.product(nil, nil), orthogonal_complement(nil)]))
    if simple.shape[0] != rank:
        return None
    weights, vectors = _joint_weights(structure, rank)
    if weights is None:
        return None
    # Root vectors that do not lie in [N, N] belong to simple roots; eigenvectors have unit length.
    share = (vectors @ simple.T).norm(dim=1)
    chosen = share.argsort(descending=True)[:rank]
    frame = weights[chosen]
    if float(torch.linalg.svdvals(frame).min()) < 10 * structure.angle_cut * float(frame.norm()):
        raise UnclearRank("the simple roots are not clear at this noise; give generators with smaller errors")
    found = torch.linalg.solve(frame.T, weights.T).T
    whole = found.round()
    if float((found - whole).abs().max()) > 0.1:
        return None
    patterns = {tuple(int(v) for v in row) for row in whole.tolist()}
    return FamilyName(f"sborel({n})", (f"upper triangular {n}×{n}, modulo scalars",), rigid=True) \
        if _is_type_a(patterns, rank) else None  # fmt: skip


def _joint_weights(structure: Structure, rank: int) -> tuple[Tensor | None, Tensor]:
    """Weights ``(N, rank)`` of the centraliser of a generic element on the nilradical, and their unit vectors."""
    nil = structure.nilradical
    algebra = structure.algebra
    f = algebra.structure_constants
    outer = orthogonal_complement(nil)
    generator = torch.Generator().manual_seed(0)
    best: tuple[float, Tensor] | None = None
    for _ in range(64):
        x = torch.randn(rank, generator=generator, dtype=f.dtype)
        a = torch.einsum("i,ijk->kj", (x / x.norm()) @ outer, f)
        values = torch.linalg.eigvals(nil @ a @ nil.T)
        gaps = (values[:, None] - values[None, :]).abs() + 9.0 * torch.eye(len(values))
        # Separated from one another and from zero, where the centraliser lies.
        quality = float(torch.minimum(gaps.min(), values.abs().min()) / values.abs().max())
        if best is None or quality > best[0]:
            best = quality, a
    assert best is not None
    quality, a = best
    if quality < 10 * structure.angle_cut:
        raise UnclearRank("the weights of a generic element are not clear at this noise; give smaller errors")
    _, _, vt = torch.linalg.svd(a)
    torus = vt[-rank:]
    values, vectors = torch.linalg.eig(nil @ a @ nil.T)
    if float(values.imag.abs().max()) > 0:
        return None, nil
    v = vectors.real @ torch.eye(len(nil), dtype=f.dtype)
    full = v.T @ nil
    acts = torch.einsum("ti,ijk->tkj", torus, f)
    return torch.einsum("rk,tkj,rj->rt", full, acts, full), full


def _is_type_a(patterns: set[tuple[int, ...]], rank: int) -> bool:
    """Whether the vectors are the sums of consecutive simple roots of a chain, in some order of the simple roots."""
    if len(patterns) != rank * (rank + 1) // 2 or any(v not in (0, 1) for p in patterns for v in p):
        return False
    joined = {frozenset(i for i, v in enumerate(p) if v) for p in patterns}
    edges = [s for s in joined if len(s) == 2]
    ends = [i for i in range(rank) if sum(i in e for e in edges) == 1]
    if len(edges) != rank - 1 or (rank > 1 and len(ends) != 2):
        return False
    chain = [ends[0]]
    while len(chain) < rank:
        following = [i for e in edges if chain[-1] in e for i in e if i not in chain]
        if len(following) != 1:
            return False
        chain.append(following[0])
    runs = {frozenset(chain[a:b]) for a, b in itertools.combinations(range(rank + 1), 2)}
    return runs == joined
