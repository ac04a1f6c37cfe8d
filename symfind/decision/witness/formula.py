"""y ≈ f(E² − p²): the invariants of a class of functions in the user's names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.structure import Block, LogIndex, Structure, SymmetricClass
from symfind.fields.typeset import monomial_text, number_text, sum_text

# More invariants, or longer ones, are no longer read as a formula.
_MOST_INVARIANTS, _MOST_TERMS = 3, 8
# A term that moves an invariant by less than this share of its largest is rounding, and a number this near a whole one
# is whole; where forms were learned, three standard errors.
_ROUNDING = 1e-6
_ERRORS = 3.0


@dataclass(frozen=True)
class Formula:
    """What is predicted as a function of invariants.

    Attributes
    ----------
    text
        ``y ≈ f(x² + y²)``.
    argument
        The invariant, if it is one.
    """

    text: str
    argument: str


def formula_of(structure: SymmetricClass, names: Sequence[str], target: str, x: Tensor, noise: float) -> Formula | None:
    """The formula of a class; None where it would not be read.

    Parameters
    ----------
    names
        Of the D coordinates.
    target
        What is predicted.
    x
        Rows ``(n, D)``: terms count by what they move on them.
    noise
        Relative error of learned numbers.
    """
    if isinstance(structure, LogIndex):
        texts: list[str] | None = _products(structure, names, max(_ROUNDING, _ERRORS * noise))
    elif isinstance(structure, Structure) and structure.scaling is None:
        texts = _polynomials(structure, names, x, max(_ROUNDING, _ERRORS * noise))
    else:
        texts = None
    if not texts or len(texts) > _MOST_INVARIANTS:
        return None
    listed = ", ".join(texts)
    alone = not isinstance(structure, Structure) or all(block.slots is None for block in structure.blocks)
    if alone:
        return Formula(f"{target} ≈ f({listed})", texts[0] if len(texts) == 1 else "")
    # Vectors that turn with x have coefficients that are functions of the invariants.
    return Formula(f"{target} ≈ Σ f(I) K, vectors K that turn with x, I = {listed}", "")


def _products(structure: LogIndex, names: Sequence[str], least: float) -> list[str]:
    out = []
    for row in structure.directions:
        powers = row / row.abs().max().clamp(min=1e-300)
        powers = powers / powers[powers.abs() > least].abs().min()
        whole = powers.round()
        powers = torch.where((powers - whole).abs() <= least * whole.abs().clamp(min=1.0), whole, powers)
        powers = powers * float(torch.sign(powers[powers.abs() > least][0]))
        parts = [_power(name, power) for name, power in zip(names, powers.tolist(), strict=True) if abs(power) > least]
        out.append(" ".join(parts))
    return out


def _polynomials(structure: Structure, names: Sequence[str], x: Tensor, least: float) -> list[str] | None:
    out: list[str] = []
    for block in structure.blocks:
        if block.turned or len(block.pairs) > _MOST_INVARIANTS:
            return None
        for a, b in block.pairs:
            text = _quadratic(block, a, b, names, x, least)
            if text is None:
                return None
            out.append(text)
    for row in structure.scalars:
        terms = _terms([((i,), c) for i, c in enumerate(row.tolist())], names, x, least)
        if not 0 < len(terms) <= _MOST_TERMS:
            return None
        out.append(sum_text(terms, dropped=0.0))
    return out


def _quadratic(block: Block, a: int, b: int, names: Sequence[str], x: Tensor, least: float) -> str | None:
    """uᵀQv of u = L_a x − c, v = L_b x − c, about the point where both vanish if they are one vector."""
    first, second = block.view[a], block.view[b]
    m = first.T @ block.form @ second
    m = m + m.T
    shown, at = list(names), x
    if block.centre is not None:
        if a != b:
            return None
        centre = torch.linalg.lstsq(first, block.centre[:, None], driver="gelsd").solution[:, 0]
        seen = first.abs().amax(0) > 0
        moved = seen & (centre.abs() > least * x.std(0))
        shown = [_about(n, float(c)) if bool(s) else n for n, c, s in zip(names, centre, moved, strict=True)]
        at = x - centre
    width = len(names)
    entries = [
        ((i, j), float(m[i, j]) / (2.0 if i == j else 1.0)) for i in range(width) for j in range(i, width) if m[i, j]
    ]
    terms = _terms(entries, shown, at, least)
    return sum_text(terms, dropped=0.0) if 0 < len(terms) <= _MOST_TERMS else None


def _terms(
    entries: Sequence[tuple[tuple[int, ...], float]], names: Sequence[str], x: Tensor, least: float
) -> list[tuple[float, str]]:
    """Terms that move the sum on the rows, the largest coefficient one, the first positive."""
    sized = [(alpha, c, abs(c) * _size(x, alpha)) for alpha, c in entries]
    top = max((size for _, _, size in sized), default=0.0)
    kept = [(alpha, c, size) for alpha, c, size in sized if size > least * top]
    if not kept:
        return []
    unit = max((c for _, c, _ in kept), key=abs)
    unit = abs(unit) if kept[0][1] > 0 else -abs(unit)
    out = []
    for alpha, c, size in kept:
        value, error = c / unit, least * top / size * abs(c / unit)
        if abs(value - round(value)) <= error and round(value):
            value = float(round(value))
        powers = [alpha.count(i) for i in range(len(names))]
        out.append((value, monomial_text(powers, names)))
    return out


def _size(x: Tensor, alpha: tuple[int, ...]) -> float:
    """The spread of a monomial over the rows."""
    value = torch.ones(x.shape[0], dtype=x.dtype)
    for i in alpha:
        value = value * x[:, i]
    return float(value.std())


def _power(name: str, power: float) -> str:
    if power.is_integer() and power > 0:
        return monomial_text((int(power),), (name,))
    return f"{name}^{number_text(power)}".replace("-", "−")


def _about(name: str, centre: float) -> str:
    return f"({name} {'−' if centre > 0 else '+'} {number_text(abs(centre))})"
