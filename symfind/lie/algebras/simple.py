"""(complex type, Killing signature) ↦ the real simple Lie algebra and all its names of low rank.

Over C the dimension fixes the type, but for B_n and C_n, which the lengths of their roots tell apart. Within a type
the number of positive eigenvalues of the Killing form fixes the real form (Helgason 1978, chapter X).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.lie.algebras.algebra import LieAlgebra
from symfind.linalg.subspaces import UnclearRank

# Dimension of the complexification up to which the tables are complete and free of collisions other than B and C.
_LARGEST_DIMENSION = 77


@dataclass(frozen=True)
class SimpleName:
    """One name of a simple real Lie algebra.

    Attributes
    ----------
    text
        Such as "so(1,3)".
    family
        "so", "sl", "su", "sp", …
    parameters
        The numbers in brackets.
    module
        Real dimension of the representation the name speaks of.
    """

    text: str
    family: str
    parameters: tuple[int, ...]
    module: int


@dataclass(frozen=True)
class SimpleType:
    """Cartan type of a simple real algebra.

    Attributes
    ----------
    letter, rank
        Of the complex type; B1, C1 are A1, C2 is B2 and D3 is A3.
    is_complex
        Whether it is the realification of the complex algebra.
    positive
        Number of positive eigenvalues of the Killing form.
    """

    letter: str
    rank: int
    is_complex: bool
    positive: int


def _normal(letter: str, rank: int) -> tuple[str, int]:
    return {("B", 1): ("A", 1), ("C", 1): ("A", 1), ("C", 2): ("B", 2), ("D", 3): ("A", 3)}.get(
        (letter, rank), (letter, rank)
    )


def _complex_dimension(letter: str, rank: int) -> int:
    return {
        "A": rank * (rank + 2),
        "B": rank * (2 * rank + 1),
        "C": rank * (2 * rank + 1),
        "D": rank * (2 * rank - 1),
        "G": 14,
        "F": 52,
    }[letter]


def _orthogonal(n: int) -> tuple[str, int]:
    return _normal("B" if n % 2 else "D", n // 2)


def _names() -> Iterator[tuple[SimpleType, SimpleName]]:
    """All names of classical families up to the largest dimension, the preferred ones first."""

    def fits(letter: str, rank: int) -> bool:
        return _complex_dimension(letter, rank) <= _LARGEST_DIMENSION

    def real(letter: str, rank: int, positive: int) -> SimpleType:
        return SimpleType(*_normal(letter, rank), False, positive)

    def full(letter: str, rank: int) -> SimpleType:
        # A compact form k and ik: as many negative as positive eigenvalues.
        return SimpleType(*_normal(letter, rank), True, _complex_dimension(letter, rank))

    yield real("A", 1, 0), SimpleName("so(3)", "so", (0, 3), 3)
    for n in range(2, 9):
        yield real("A", n - 1, n * (n + 1) // 2 - 1), SimpleName(f"sl({n},R)", "sl", (n,), n)
    for n in range(3, 13):
        if n == 4 or not fits(*_orthogonal(n)):
            continue
        for p in range(n // 2 + 1):
            text = f"so({n})" if p == 0 else f"so({p},{n - p})"
            if (p, n) != (0, 3):
                yield real(*_orthogonal(n), p * (n - p)), SimpleName(text, "so", (p, n - p), n)
    yield full("A", 1), SimpleName("so(1,3)", "so", (1, 3), 4)
    for n in range(2, 9):
        for p in range(n // 2 + 1):
            text = f"su({n})" if p == 0 else f"su({p},{n - p})"
            yield real("A", n - 1, 2 * p * (n - p)), SimpleName(text, "su", (p, n - p), 2 * n)
    for n in range(1, 6):
        yield real("C", n, n * (n + 1)), SimpleName(f"sp({2 * n},R)", "sp", (2 * n,), 2 * n)
        for p in range(n // 2 + 1):
            text = f"usp({2 * n})" if p == 0 else f"usp({2 * p},{2 * n - 2 * p})"
            yield real("C", n, 4 * p * (n - p)), SimpleName(text, "usp", (2 * p, 2 * n - 2 * p), 4 * n)
    for n in range(2, 5):
        yield real("A", 2 * n - 1, 2 * n * n - n - 1), SimpleName(f"su*({2 * n})", "su*", (2 * n,), 4 * n)
    for n in range(3, 7):
        yield real("D", n, n * (n - 1)), SimpleName(f"so*({2 * n})", "so*", (2 * n,), 4 * n)
    for n in range(2, 9):
        yield full("A", n - 1), SimpleName(f"sl({n},C)", "slc", (n,), 2 * n)
    for n in (3, *range(5, 13)):
        if fits(*_orthogonal(n)):
            yield full(*_orthogonal(n)), SimpleName(f"so({n},C)", "soc", (n,), 2 * n)
    for n in range(1, 6):
        yield full("C", n), SimpleName(f"sp({2 * n},C)", "spc", (2 * n,), 4 * n)
    yield SimpleType("G", 2, False, 0), SimpleName("g2", "g2", (), 7)
    yield SimpleType("G", 2, False, 8), SimpleName("g2(2)", "g2", (), 7)
    yield SimpleType("G", 2, True, 14), SimpleName("g2(C)", "g2", (), 14)


def names_of(kind: SimpleType) -> tuple[SimpleName, ...]:
    """Every name of this algebra, the preferred one first; empty beyond the tables."""
    return tuple(name for key, name in _names() if key == kind)


def simple_type(algebra: LieAlgebra, positive: int, *, is_complex: bool) -> SimpleType | None:
    """The Cartan type of a simple algebra; None beyond the tables.

    Parameters
    ----------
    algebra
        Simple, with constants in a basis in which they are of order one.
    positive
        Positive eigenvalues of its Killing form.
    is_complex
        Whether its centroid is C.

    Raises
    ------
    UnclearRank
        If the lengths of the roots are needed and not clear.
    """
    dimension = algebra.dimension // 2 if is_complex else algebra.dimension
    if dimension > _LARGEST_DIMENSION:
        return None
    ranks = [(letter, n) for letter in "ABCDG" for n in range(1, 9) if _complex_dimension(letter, n) == dimension
             and (letter != "G" or n == 2) and (letter != "D" or n >= 4)]  # fmt: skip
    types = {_normal(letter, n) for letter, n in ranks}
    if len(types) == 2 and {t[0] for t in types} == {"B", "C"}:
        rank = next(iter(types))[1]
        letter = _long_or_short(algebra, rank * 2 if is_complex else rank)
        types = {(letter, rank)}
    if len(types) != 1:
        return None
    letter, rank = next(iter(types))
    return SimpleType(letter, rank, is_complex, positive)


def _long_or_short(algebra: LieAlgebra, cartan: int) -> str:
    """B if the long roots outnumber the short ones, C if it is the other way round (rank ≥ 3)."""
    lengths = _squared_root_lengths(algebra, cartan)
    longest = float(lengths.max())
    long = int((lengths > 0.75 * longest).sum())
    short = len(lengths) - long
    if not bool(((lengths > 0.9 * longest) | ((lengths - 0.5 * longest).abs() < 0.1 * longest)).all()):
        raise UnclearRank("the lengths of the roots are not clear at this noise; give generators with smaller errors")
    return "B" if long > short else "C"


def _squared_root_lengths(algebra: LieAlgebra, cartan: int) -> Tensor:
    """|(α, α)| for all roots α, from the joint eigenvectors of the centraliser of a generic element."""
    ad = algebra.adjoint()
    killing = algebra.killing_form()
    generator = torch.Generator().manual_seed(0)
    best: tuple[float, Tensor] | None = None
    for _ in range(32):
        x = torch.randn(algebra.dimension, generator=generator, dtype=ad.dtype)
        a = torch.einsum("i,iab->ab", x / x.norm(), ad)
        size = torch.linalg.eigvals(a).abs().sort().values
        # The generic element whose roots are farthest from zero, and so from its centraliser.
        quality = float(size[cartan] / size[-1])
        if best is None or quality > best[0]:
            best = quality, a
    assert best is not None
    a = best[1]
    _, _, vt = torch.linalg.svd(a)
    h = vt[-cartan:]
    values, vectors = torch.linalg.eig(a)
    roots = values.abs().argsort()[cartan:]
    v = vectors[:, roots]  # (k, number of roots)
    joint = torch.einsum("hi,iab->hab", h, ad).to(v.dtype)
    weights = torch.einsum("ar,hab,br->rh", v.conj(), joint, v) / (v.abs() ** 2).sum(0)[:, None]
    inverse = torch.linalg.inv(h @ killing @ h.T).to(v.dtype)
    return torch.einsum("rh,hg,rg->r", weights, inverse, weights).abs()
