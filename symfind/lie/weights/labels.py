"""Highest weights in the words of physics: spin 2, vector, (½,½), 8 [1,1]; and compact algebras by their diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, islice
from math import gcd, lcm

import torch
from torch import Tensor

from symfind.lie.weights.highest import HighestWeight
from symfind.lie.weights.real_parts import RealPart
from symfind.lie.weights.roots import RootSystem, SimpleFactor

_HALVES = {1: "½"}
# Charges below this share of the largest are none; ratios are whole within a hundredth, of fractions as they are met.
_NO_CHARGE, _WHOLE, _LARGEST_DENOMINATOR = 1e-6, 0.01, 12
# Choices of parts as a basis of a torus that are tried.
_MOST_BASES = 500


def part_label(part: RealPart, system: RootSystem, name: str) -> str:
    """What an irreducible part is called.

    Parameters
    ----------
    part, system
        Of the representation.
    name
        Of the algebra, which chooses between names of isomorphic ones.
    """
    if all(not any(labels) for labels in part.weights[0].labels):
        return "scalar"
    letters = [(f.letter, f.rank) for f in system.factors]
    if letters == [("A", 1)]:
        return _spin(part.weights[0].labels[0][0], vector=name.startswith("so(3)"))
    if letters == [("A", 1), ("A", 1)]:
        return " ⊕ ".join(dict.fromkeys(_pair(w) for w in part.weights))
    texts = [_weight_label(w, system, name, part.type == "real") for w in part.weights]
    return " ⊕ ".join(dict.fromkeys(texts))


def called(parts: Sequence[RealPart], system: RootSystem, name: str) -> list[str]:
    """What the parts are called; those of a torus by their weights, ``weight 2`` or ``weight (1,0)``."""
    labels = [part_label(part, system, name) for part in parts]
    if system.factors:
        return labels
    return [_turn(label, charge) for label, charge in zip(labels, whole_charges(parts), strict=True)]


def _turn(label: str, charge: tuple[int, ...]) -> str:
    if not any(charge):
        return label
    return f"weight {charge[0]}" if len(charge) == 1 else f"weight ({','.join(map(str, charge))})"


def complex_label(weight: HighestWeight, system: RootSystem, name: str) -> str:
    """What an irreducible part of C^d is called."""
    if all(not any(labels) for labels in weight.labels):
        return "scalar"
    letters = [(f.letter, f.rank) for f in system.factors]
    if letters == [("A", 1)]:
        return _spin(weight.labels[0][0], vector=False)
    return _pair(weight) if letters == [("A", 1)] * 2 else _weight_label(weight, system, name, real=False)


def _spin(twice: int, *, vector: bool) -> str:
    if vector and twice == 2:
        return "vector"
    return f"spin {twice // 2}" if twice % 2 == 0 else f"spin {twice}/2"


def _half(twice: int) -> str:
    return str(twice // 2) if twice % 2 == 0 else _HALVES.get(twice, f"{twice}/2")


def _pair(weight: HighestWeight) -> str:
    return f"({_half(weight.labels[0][0])},{_half(weight.labels[1][0])})"


def _weight_label(weight: HighestWeight, system: RootSystem, name: str, real: bool) -> str:
    shown = [
        _factor_label(labels, factor, system, name, real)
        for labels, factor in zip(weight.labels, system.factors, strict=True)
    ]
    if len(shown) == 1:
        return shown[0]
    return "(" + ", ".join("1" if text == "scalar" else text for text in shown) + ")"


def _factor_label(labels: tuple[int, ...], factor: SimpleFactor, system: RootSystem, name: str, real: bool) -> str:
    if not any(labels):
        return "scalar"
    if (factor.letter, factor.rank) == ("A", 1):
        return _spin(labels[0], vector=False)
    full = _full(labels, factor, system)
    dimension = system.dimension(full)
    first = (1, *[0] * (factor.rank - 1))
    symplectic = name.startswith(("sp(", "usp("))
    if labels == first and (factor.letter in "BCD") and not (symplectic and factor.letter == "B"):
        return "vector"
    if symplectic and (factor.letter, labels) == ("B", (0, 1)):
        return "vector"
    if factor.letter == "D" and factor.rank == 4 and dimension == 8 and real:
        return "vector"  # the three are one up to the choice of the diagram's ends
    if (factor.letter, factor.rank, labels) == ("A", 3, (0, 1, 0)) and name.startswith("so("):
        return "vector"
    if factor.letter == "A" and real and labels in (first, first[::-1]):
        return "vector"  # R^n of sl(n,R)
    text = "[" + ",".join(map(str, labels)) + "]"
    bar = "\u0304" if factor.letter == "A" and labels < labels[::-1] else ""
    return f"{dimension}{bar} {text}"


def _full(labels: tuple[int, ...], factor: SimpleFactor, system: RootSystem) -> Tensor:
    out = system.cartan.new_zeros(len(system.simple))
    for node, label in zip(factor.nodes, labels, strict=True):
        out[node] = label
    return out


def sum_label(counts: Sequence[tuple[int, str]]) -> str:
    """``3 × vector + 2 × scalar``."""
    return " + ".join(text if n == 1 else f"{n} × {text}" for n, text in counts)


def whole_charges(parts: Sequence[RealPart]) -> list[tuple[int, ...]]:
    """Whole numbers by which a torus or a centre acts on each part, in a basis in which they are small.

    Weights are known up to a change of basis of the torus. The basis is that of as many parts as the torus has
    dimensions for which all others are whole combinations, of smallest coefficients; empty where there is none.
    """
    raw = torch.tensor([p.weights[0].charges for p in parts], dtype=torch.float64)
    r = raw.shape[1]
    moved = raw[raw.norm(dim=1) > _NO_CHARGE * max(1.0, float(raw.abs().max()) if raw.numel() else 1.0)]
    none: list[tuple[int, ...]] = [()] * len(parts)
    if r == 0 or len(moved) < r or float(torch.linalg.svdvals(moved)[-1]) < _NO_CHARGE:
        return none
    best: tuple[float, Tensor] | None = None
    for chosen in islice(combinations(range(len(moved)), r), _MOST_BASES):
        frame = moved[list(chosen)]
        if float(torch.linalg.svdvals(frame)[-1]) < 1e-3 * float(moved.norm()):
            continue
        whole = _scaled(torch.linalg.solve(frame.T, raw.T).T)
        if whole is not None and (best is None or float(whole.abs().sum()) < best[0]):
            best = float(whole.abs().sum()), whole
    if best is None:
        return none
    # A part and its conjugate are one over the reals: the first number that is not zero is positive.
    return [_first_positive(tuple(int(v) for v in row)) for row in best[1].tolist()]


def _scaled(coefficients: Tensor) -> Tensor | None:
    """Columns as coprime whole numbers, None where they are in no ratio of small ones."""
    columns = []
    for column in coefficients.T.tolist():
        shares = [Fraction(v).limit_denominator(_LARGEST_DENOMINATOR) for v in column]
        if any(abs(float(s) - v) > _WHOLE for s, v in zip(shares, column, strict=True)):
            return None
        scale = lcm(*(s.denominator for s in shares))
        whole = [int(s * scale) for s in shares]
        common = gcd(*whole) or 1
        columns.append([w // common for w in whole])
    return torch.tensor(columns, dtype=torch.float64).T


def _first_positive(row: tuple[int, ...]) -> tuple[int, ...]:
    first = next((v for v in row if v), 0)
    return tuple(-v for v in row) if first < 0 else row


def compact_name(system: RootSystem) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Name, aliases and ideals of the compact algebra with these roots; its centre is a torus, u(1) each."""
    ideals = [f.compact_name for f in system.factors]
    central = ["u(1)"] * len(system.centre)
    equal = dict.fromkeys(ideals)
    plain = [i if ideals.count(i) == 1 else f"{ideals.count(i)} {i}" for i in equal]
    tail = [] if not central else ["u(1)" if len(central) == 1 else f"{len(central)} u(1)"]
    name = " + ".join([*plain, *tail])
    other = []
    if ideals == ["so(3)"] * 2:
        other.append(" + ".join(["so(4)", *tail]))
        name, other = other[0], [" + ".join(["so(3) + so(3)", *tail]), " + ".join(["su(2) + su(2)", *tail])]
    if len(ideals) == 1:
        other += [" + ".join([alias, *tail]) for alias in _ALIASES.get(ideals[0], ())]
        n = system.factors[0].rank
        if system.factors[0].letter == "C":
            other.append(" + ".join([f"sp({n})", *tail]))
        if system.factors[0].letter == "A" and len(central) == 1:
            other.append(f"u({n + 1})")
    if not ideals and len(central) == 1:
        other.append("so(2)")
    return name or "0", tuple(dict.fromkeys(other)), (*ideals, *central)


_ALIASES = {"so(3)": ("su(2)", "sp(1)"), "so(5)": ("usp(4)", "sp(2)"), "su(4)": ("so(6)",)}
