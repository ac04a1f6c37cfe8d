"""The catalogue of groups: a name such as "so3", "SO(1,3)", "se(2)", "s5" or "so3 x s5" ↦ the group.

Conventions: so(p,q) preserves diag(+1 (p times), −1 (q times)), so the first coordinate of so(1,3) is time; it is the
connected (proper orthochronous) group, o(p,q) has all four components. Complex groups act on (Re z, Im z).
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.lie import haar
from symfind.lie.matrix_groups import CompactGroup, Group, conjugate, group_from_generators
from symfind.lie.product_groups import product

__all__ = [
    "CompactGroup",
    "Family",
    "Group",
    "catalogue",
    "conjugate",
    "group_from_generators",
    "parse_group",
    "product",
]

_F64 = torch.float64


def _unit(n: int, i: int, j: int) -> Tensor:
    e = torch.zeros(n, n, dtype=_F64)
    e[i, j] = 1.0
    return e


def _stack(matrices: Sequence[Tensor], n: int) -> Tensor:
    return torch.stack(list(matrices)) if len(matrices) else torch.empty(0, n, n, dtype=_F64)


def _reflection(n: int, *axes: int) -> Tensor:
    g = torch.eye(n, dtype=_F64)
    for axis in axes:
        g[axis, axis] = -1.0
    return g


def so_generators(p: int, q: int = 0) -> Tensor:
    """Basis of so(p, q), ``(n(n−1)/2, n, n)``: rotations and boosts; L_x, L_y, L_z for so(3)."""
    n = p + q
    pairs = [(1, 2), (2, 0), (0, 1)] if (p, q) == (3, 0) else [(i, j) for i in range(n) for j in range(i + 1, n)]
    return _stack(
        [_unit(n, j, i) + (1.0 if min(i, j) < p <= max(i, j) else -1.0) * _unit(n, i, j) for i, j in pairs], n
    )


def _special_linear(n: int) -> Tensor:
    off = [_unit(n, i, j) for i in range(n) for j in range(n) if i != j]
    return _stack(off + [_unit(n, i, i) - _unit(n, i + 1, i + 1) for i in range(n - 1)], n)


def _general_linear(n: int) -> Tensor:
    return _stack([_unit(n, i, j) for i in range(n) for j in range(n)], n)


def _symplectic(n2: int) -> Tensor:
    """Hamiltonian matrices ((A, B), (C, −Aᵀ)), B and C symmetric, for the form ((0, 1), (−1, 0))."""
    n = n2 // 2
    out = [_unit(n2, i, j) - _unit(n2, n + j, n + i) for i in range(n) for j in range(n)]
    for i in range(n):
        for j in range(i, n):
            for row, col in ((0, n), (n, 0)):
                e = _unit(n2, row + i, col + j)
                out.append(e if i == j else e + _unit(n2, row + j, col + i))
    return _stack(out, n2)


def _unitary(n: int, special: bool) -> Tensor:
    out = []
    for i in range(n):
        for j in range(i + 1, n):
            out.append(_unit(n, j, i) - _unit(n, i, j) + 0j)
            out.append(1j * (_unit(n, i, j) + _unit(n, j, i)))
    diagonal = [_unit(n, i, i) - _unit(n, i + 1, i + 1) for i in range(n - 1)]
    out.extend(1j * e for e in (diagonal if special else [_unit(n, i, i) for i in range(n)]))
    return haar.realify(torch.stack(out)) if out else torch.empty(0, 2 * n, 2 * n, dtype=_F64)


def _homogeneous(linear: Tensor, n: int, translations: bool = True) -> Tensor:
    """Matrices ((A, 0), (0, 0)) of a linear algebra and the n translations ((0, eᵢ), (0, 0))."""
    grown = torch.zeros(len(linear), n + 1, n + 1, dtype=_F64)
    grown[:, :n, :n] = linear
    shifts = [_unit(n + 1, i, n) for i in range(n)] if translations else []
    return torch.cat([grown, _stack(shifts, n + 1)])


def _rotations(name: str, n: int, reflections: bool) -> Group:
    def with_sign(rule: haar.HaarQuadrature) -> haar.HaarQuadrature:
        nodes = torch.cat([rule.nodes, rule.nodes @ _reflection(n, 0)])
        return haar.HaarQuadrature(nodes, rule.weights.repeat(2) / 2, rule.degree, True)

    components = _stack([_reflection(n, 0)] if reflections else [], n)
    return CompactGroup(
        name,
        so_generators(n),
        components,
        2 if reflections else 1,
        defining=f"rotations{' and reflections' if reflections else ''} of R^{n}",
        sampler=partial(haar.random_orthogonal if reflections else haar.random_rotations, n),
        quadrature=lambda degree: (
            with_sign(haar.rotation_quadrature(n, degree)) if reflections else haar.rotation_quadrature(n, degree)
        ),
        node_count=lambda degree: (2 if reflections else 1) * haar.rotation_node_count(n, degree),
    )


def _indefinite(name: str, p: int, q: int, full: bool) -> Group:
    if p == 0 or q == 0:
        return _rotations(f"{'o' if full else 'so'}({p + q})", p + q, full)
    n = p + q
    components = _stack([_reflection(n, 0), _reflection(n, n - 1)] if full else [], n)
    defining = f"maps of R^{n} that preserve diag(+{p}, −{q})" + ("" if full else ", identity component")
    return Group(name, so_generators(p, q), components, 4 if full else 1, defining=defining)


def _unitary_group(name: str, n: int, special: bool) -> Group:
    exact = special and n == 2
    return CompactGroup(
        name,
        _unitary(n, special),
        _stack([], 2 * n),
        defining=f"unitary maps of C^{n} = R^{2 * n}, coordinates (Re z, Im z)",
        sampler=partial(_unitary_sampler, n, special),
        quadrature=haar.su2_quadrature if exact else None,
        node_count=(lambda degree: (degree + 1) ** 2 * (degree // 4 + 1)) if exact else None,
    )


def _unitary_sampler(n: int, special: bool, count: int, rng: torch.Generator) -> Tensor:
    return haar.random_unitary(n, count, rng, special)


def _affine(name: str, n: int, linear: Tensor, component: Sequence[Tensor], what: str) -> Group:
    grown = torch.eye(n + 1, dtype=_F64).repeat(len(component), 1, 1)
    for g, c in zip(grown, component, strict=True):
        g[:n, :n] = c
    defining = f"{what} of R^{n}, as homogeneous {n + 1} x {n + 1} matrices on (x, 1)"
    return Group(name, _homogeneous(linear, n), grown, 2 ** len(component), True, defining)


def _finite(name: str, generators: Sequence[Tensor], n: int, order: int, what: str) -> Group:
    return CompactGroup(name, _stack([], n), _stack(generators, n), order, defining=what)


def _cycle(n: int) -> Tensor:
    return torch.roll(torch.eye(n, dtype=_F64), 1, 0)


def _permutations(name: str, n: int) -> Group:
    generators = [] if n == 1 else [torch.eye(n, dtype=_F64)[[1, 0, *range(2, n)]]]
    return CompactGroup(
        name,
        _stack([], n),
        _stack([*generators, _cycle(n)] if n > 2 else generators, n),
        math.factorial(n),
        defining=f"permutations of the coordinates of R^{n}, or of {n} objects",
        sampler=partial(haar.random_permutations, n),
    )


def _plane(name: str, n: int, reflect: bool) -> Group:
    angle = torch.tensor([2 * math.pi / n], dtype=_F64)
    turn = haar.planar_rotations(angle)[0]
    # Half and quarter turns are integer matrices: cos(π/2) = 6e-17 must not leave their entries inexact.
    turn = torch.where(turn.abs() < 1e-15, torch.zeros_like(turn), turn)
    generators = ([turn] if n > 1 else []) + ([_reflection(2, 0)] if reflect else [])
    what = f"rotations of the plane by multiples of 360/{n} degrees{' and reflections' if reflect else ''}"
    return _finite(name, generators, 2, n * (2 if reflect else 1), what)


def _signed_permutations(name: str, n: int) -> Group:
    generators = [_reflection(n, 0)] + list(_permutations(name, n).components)
    what = f"permutations and sign changes of the coordinates of R^{n}"
    return _finite(name, generators, n, 2**n * math.factorial(n), what)


@dataclass(frozen=True)
class Family:
    """One line of the catalogue: a family of groups, one for each n (or p, q).

    Attributes
    ----------
    name, example
        "so(n)" and a spelling that :func:`parse_group` accepts, "so3".
    dimension
        dim G as a formula in n.
    compact
        Whether its groups are compact.
    components
        |G/G₀| as a formula (the order, for finite groups).
    defining
        The representation V, in words.
    aliases
        Other spellings.
    arguments
        Number of integers in the name.
    build
        Integers ↦ group.
    """

    name: str
    example: str
    dimension: str
    compact: bool
    components: str
    defining: str
    aliases: tuple[str, ...]
    arguments: int
    build: Callable[..., Group]

    @property
    def stem(self) -> str:
        """The letters of the name."""
        return self.name.split("(")[0]


def catalogue() -> tuple[Family, ...]:
    """All families, in the order in which they are listed."""
    rotation, half = "rotations of R^n", "n(n−1)/2"
    return (
        Family(
            "so(n)", "so3", half, True, "1", rotation, ("rotations",), 1, lambda n: _rotations(f"so({n})", n, False)
        ),
        Family(
            "o(n)",
            "o3",
            half,
            True,
            "2",
            "rotations and reflections of R^n",
            ("orthogonal",),
            1,
            lambda n: _rotations(f"o({n})", n, True),
        ),
        Family(
            "so(p,q)",
            "so13",
            half + ", n = p+q",
            False,
            "1",
            "preserves diag(+p, −q); identity component",
            ("lorentz = so(1,3)",),
            2,
            lambda p, q: _indefinite(f"so({p},{q})", p, q, False),
        ),
        Family(
            "o(p,q)",
            "o(1,3)",
            half + ", n = p+q",
            False,
            "4",
            "preserves diag(+p, −q)",
            (),
            2,
            lambda p, q: _indefinite(f"o({p},{q})", p, q, True),
        ),
        Family(
            "su(n)",
            "su2",
            "n²−1",
            True,
            "1",
            "C^n as R^2n, (Re z, Im z)",
            (),
            1,
            lambda n: _unitary_group(f"su({n})", n, True),
        ),
        Family(
            "u(n)",
            "u(2)",
            "n²",
            True,
            "1",
            "C^n as R^2n, (Re z, Im z)",
            ("unitary",),
            1,
            lambda n: _unitary_group(f"u({n})", n, False),
        ),
        Family(
            "sl(n)",
            "sl2",
            "n²−1",
            False,
            "1",
            "volume-preserving maps of R^n",
            (),
            1,
            lambda n: Group(f"sl({n})", _special_linear(n), _stack([], n), defining=f"volume-preserving maps of R^{n}"),
        ),
        Family(
            "gl(n)",
            "gl3",
            "n²",
            False,
            "2",
            "all invertible maps of R^n",
            ("linear",),
            1,
            lambda n: Group(
                f"gl({n})", _general_linear(n), _reflection(n, 0)[None], 2, defining=f"invertible maps of R^{n}"
            ),
        ),
        Family(
            "sp(n)",
            "sp4",
            "n(n+1)/2, n even",
            False,
            "1",
            "canonical maps of R^n, (q, p)",
            ("symplectic",),
            1,
            _symplectic_group,
        ),
        Family(
            "scalings(n)",
            "scalings3",
            "1",
            False,
            "1",
            "x → e^t x on R^n",
            ("scaling",),
            1,
            lambda n: Group(
                f"scalings({n})", torch.eye(n, dtype=_F64)[None], _stack([], n), defining=f"x → e^t x on R^{n}"
            ),
        ),
        Family(
            "diagonal(n)",
            "diagonal3",
            "n",
            False,
            "1",
            "each coordinate of R^n scaled by itself",
            ("diag",),
            1,
            lambda n: Group(
                f"diagonal({n})",
                _stack([_unit(n, i, i) for i in range(n)], n),
                _stack([], n),
                defining=f"each coordinate of R^{n} scaled by itself",
            ),
        ),
        Family(
            "t(n)",
            "t3",
            "n",
            False,
            "1",
            "translations of R^n",
            ("translations",),
            1,
            lambda n: _affine(f"t({n})", n, _stack([], n), [], "translations"),
        ),
        Family(
            "se(n)",
            "se3",
            "n(n+1)/2",
            False,
            "1",
            "rotations and translations of R^n",
            (),
            1,
            lambda n: _affine(f"se({n})", n, so_generators(n), [], "rotations and translations"),
        ),
        Family(
            "e(n)",
            "e3",
            "n(n+1)/2",
            False,
            "2",
            "isometries of R^n",
            ("euclidean",),
            1,
            lambda n: _affine(f"e({n})", n, so_generators(n), [_reflection(n, 0)], "isometries"),
        ),
        Family(
            "sim(n)",
            "sim2",
            "n(n+1)/2 + 1",
            False,
            "1",
            "rotations, translations, scaling of R^n",
            (),
            1,
            lambda n: _affine(
                f"sim({n})",
                n,
                torch.cat([so_generators(n), torch.eye(n, dtype=_F64)[None]]),
                [],
                "rotations, translations and scaling",
            ),
        ),
        Family(
            "aff(n)",
            "aff2",
            "n²+n",
            False,
            "2",
            "affine maps of R^n",
            ("affine",),
            1,
            lambda n: _affine(f"aff({n})", n, _general_linear(n), [_reflection(n, 0)], "affine maps"),
        ),
        Family(
            "iso(p,q)",
            "iso(1,3)",
            "n(n+1)/2, n = p+q",
            False,
            "1",
            "so(p,q) and translations",
            ("poincare = iso(1,3)",),
            2,
            lambda p, q: _affine(f"iso({p},{q})", p + q, so_generators(p, q), [], f"so({p},{q}) and translations"),
        ),
        Family(
            "s(n)",
            "s5",
            "0",
            True,
            "n!",
            "permutations of n coordinates or objects",
            ("permutations", "symmetric"),
            1,
            lambda n: _permutations(f"s{n}", n),
        ),
        Family(
            "z(n)",
            "z5",
            "0",
            True,
            "n",
            "cyclic shifts of n coordinates or objects",
            ("cyclic", "shifts"),
            1,
            lambda n: _finite(f"z{n}", [_cycle(n)] if n > 1 else [], n, n, f"cyclic shifts of {n} coordinates"),
        ),
        Family(
            "c(n)",
            "c4",
            "0",
            True,
            "n",
            "turns of the plane by 360/n degrees; c4 turns images",
            (),
            1,
            lambda n: _plane(f"c{n}", n, False),
        ),
        Family(
            "d(n)",
            "d4",
            "0",
            True,
            "2n",
            "those turns and reflections; d4 turns and flips images",
            ("dihedral",),
            1,
            lambda n: _plane(f"d{n}", n, True),
        ),
        Family(
            "reflections(n)",
            "reflections3",
            "0",
            True,
            "2^n",
            "sign changes of the coordinates of R^n",
            ("signs",),
            1,
            lambda n: _finite(
                f"reflections({n})",
                [_reflection(n, i) for i in range(n)],
                n,
                2**n,
                f"sign changes of the coordinates of R^{n}",
            ),
        ),
        Family(
            "inversion(n)",
            "inversion3",
            "0",
            True,
            "2",
            "x → −x on R^n",
            ("parity",),
            1,
            lambda n: _finite(f"inversion({n})", [-torch.eye(n, dtype=_F64)], n, 2, f"x → −x on R^{n}"),
        ),
        Family(
            "b(n)",
            "b3",
            "0",
            True,
            "2^n n!",
            "permutations and sign changes of R^n",
            ("hyperoctahedral",),
            1,
            lambda n: _signed_permutations(f"b{n}", n),
        ),
    )


def _symplectic_group(n: int) -> Group:
    if n % 2:
        raise UsageError(f"sp({n}) does not exist: a symplectic form needs an even dimension, e.g. sp({n + 1})")
    return Group(f"sp({n})", _symplectic(n), _stack([], n), defining=f"canonical maps of R^{n}, (q, p)")


_NAMED = {"lorentz": "so(1,3)", "poincare": "iso(1,3)", "minkowski": "so(1,3)"}

# A factor of a product ends in a digit or a bracket, or stands between blanks: no name is cut in two.
_TIMES = re.compile(r"\s*[×*]\s*|\s+x\s+|(?<=[\d)])x(?=[a-z])")


def parse_group(name: str, dimension: int | None = None) -> Group:
    """Name ↦ group: "so3", "so(3)", "SO(1,3)", "so13", "lorentz", "se(2)", "s5", "c4", "so3 x s5".

    Parameters
    ----------
    name
        Letters of any case, with or without brackets. Two bare digits after so, o or iso are p and q
        (but so10 is so(10)).
    dimension
        Dimension of the data, used where the name has no number ("se", "translations").

    Raises
    ------
    UsageError
        For an unknown name (the nearest ones are given), a missing or impossible number.
    """
    parts = [p for p in _TIMES.split(name.strip().lower())]
    if len(parts) > 1:
        return product([parse_group(p, dimension) for p in parts])
    text = re.sub(r"\s+", "", name.lower()).replace("é", "e").replace("_", "")
    text = _NAMED.get(text, text)
    match = re.fullmatch(r"([a-z]+)(?:\(([\d,]+)\)|([\d,]*))", text)
    families = catalogue()
    stem, digits = (match[1], match[2] or match[3]) if match else (text, "")
    chosen = [f for f in families if stem == f.stem or stem in f.aliases]
    if not match or not chosen:
        raise UsageError(
            f"unknown group '{name}'; nearest: {', '.join(_nearest(text, families))} ('symfind groups' lists all)"
        )
    numbers = [int(n) for n in digits.split(",") if n]
    pairs = any(f.arguments == 2 for f in chosen)
    if pairs and len(numbers) == 1 and len(digits) == 2 and digits[1] != "0" and "(" not in text:
        numbers = [int(digits[0]), int(digits[1])]
    if not numbers and dimension is not None:
        numbers = [dimension]
    family = next((f for f in chosen if f.arguments == len(numbers)), None)
    if family is None:
        spelling = " or ".join(f.example for f in chosen)
        raise UsageError(f"group '{name}' needs {chosen[0].arguments} number(s) in its name, like {spelling}")
    if any(n < 1 for n in numbers) and family.arguments == 1 or sum(numbers) < 1:
        raise UsageError(f"group '{name}': its numbers must be 1 or more, like {family.example}")
    return family.build(*numbers)


def _nearest(text: str, families: Sequence[Family]) -> list[str]:
    spellings = {f.example: f.example for f in families}
    spellings |= {a.split(" ")[0]: f.example if " " not in a else a.split(" ")[0] for f in families for a in f.aliases}
    spellings |= {f.stem: f.example for f in families}
    close = difflib.get_close_matches(text, list(spellings), n=4, cutoff=0.2)
    return list(dict.fromkeys(spellings[c] for c in close))[:3] or ["so3", "s5", "se3"]
