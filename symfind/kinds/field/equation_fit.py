"""u_t = Σ a_l f_l: the differential equation behind solutions, by sparse regression over a stated library.

Terms and the course of their coefficients in time come from :mod:`~symfind.kinds.field.sparse_regression`; here the
library is stated, the numbers are refined together, and each gets an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, product
from typing import Protocol

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.kinds.field.equation import Equation, make_equation
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.sparse_regression import Regression, Shape, chosen_terms
from symfind.kinds.field.weak_form import WeakRows
from symfind.schema.equation import CoefficientEntry

_REFINEMENTS = 30


@dataclass(frozen=True)
class IdentifiedEquation:
    """What sparse regression found.

    Attributes
    ----------
    equation
        With its numbers as parameters.
    rich
        The same with every other term of the library at zero, in which its misfit is sought.
    coefficients
        With intervals.
    residual
        rms of Δ over the size of its terms.
    expected
        What the errors of the derivatives would give.
    frequency
        The least share of draws in which a chosen term was chosen.
    library
        All the terms tried.
    windows
        What it was fitted to, if not to derivatives.
    """

    equation: Equation
    rich: Equation
    coefficients: tuple[CoefficientEntry, ...]
    residual: float
    expected: float
    frequency: float
    library: tuple[str, ...]
    windows: Windows | None = None

    @property
    def text(self) -> str:
        """The equation with its numbers."""
        return self.equation.text


def library_terms(independent: Sequence[str], dependent: Sequence[str]) -> tuple[str, ...]:
    """Products of powers of u with one space derivative; a few squares of derivatives."""
    space = independent[1:]
    most = 4 if len(space) == 1 and len(dependent) == 1 else 2
    factors = ["", *dependent, *("*".join(p) for p in combinations_with_replacement(dependent, 2))]
    slopes = [
        f"{u}_{''.join(letters)}"
        for u in dependent
        for order in range(1, most + 1)
        for letters in combinations_with_replacement(space, order)
    ]
    terms = ["1", *(f for f in factors if f)]
    if len(dependent) == 1:
        terms.append("*".join([dependent[0]] * 3))
    terms += [f"{f}*{s}" if f else s for f, s in product(factors, slopes)]
    if len(dependent) == 1:
        first = [s for s in slopes if len(s.partition("_")[2]) == 1]
        terms += ["*".join(p) for p in combinations_with_replacement(first, 2)]
        terms += [f"{first[0]}*{first[0]}_{space[0]}".replace("_x_x", "_xx")] if len(space) == 1 else []
    return tuple(dict.fromkeys(terms))


def library_orders(independent: Sequence[str], dependent: Sequence[str], target: int = 1) -> tuple[MultiIndex, ...]:
    """Every J that identification of ∂_t^target u and the determining equations of what it can find may need."""
    q = len(independent)
    most = 4 if q == 2 and len(dependent) == 1 else 2
    found = set()
    for j in product(range(most + 1), repeat=q - 1):
        if sum(j) <= most:
            found.add((0, *j))
        if sum(j) < most:
            found.add((1, *j))
            found.add((target, *([0] * (q - 1))))
            found.add((target - 1, *j) if sum(j) <= 1 else (1, *j))
    return tuple(sorted(found, key=lambda j: (sum(j), j)))


class Measured(Protocol):
    """What the numbers of an equation are fitted to: points with derivatives, or windows without."""

    @property
    def group(self) -> Tensor: ...  # noqa: D102
    @property
    def times(self) -> Tensor: ...  # noqa: D102

    def take(self, rows: Tensor) -> Measured:
        """Some of the rows."""
        ...

    def linear(self, equation: Equation) -> tuple[Tensor, Tensor, Tensor]:
        """Δ ``(n, E)``, ∂Δ/∂a ``(n, E, P)`` and the size of its terms ``(E,)``."""
        ...


@dataclass(frozen=True)
class Points:
    """Δ at points where derivatives were measured."""

    jets: JetSample

    @property
    def group(self) -> Tensor:
        """The trajectory of each point."""
        return self.jets.group

    @property
    def times(self) -> Tensor:
        """The time of each point."""
        return self.jets.points[:, 0]

    def take(self, rows: Tensor) -> Points:
        """Some of the points."""
        return Points(self.jets.take(rows))

    def linear(self, equation: Equation) -> tuple[Tensor, Tensor, Tensor]:
        """Δ, ∂Δ/∂a and the size of its terms."""
        at = equation.linearised(self.jets)
        return at.value, at.by_parameter, equation.terms(self.jets, at)


@dataclass(frozen=True)
class Windows:
    """∫ φΔ over windows: the weak form, whose columns are those of the library in its order."""

    rows: WeakRows

    @property
    def group(self) -> Tensor:
        """The trajectory of each window."""
        return self.rows.group

    @property
    def times(self) -> Tensor:
        """The middle of each window."""
        return self.rows.centres[:, 0]

    def take(self, rows: Tensor) -> Windows:
        """Some of the windows."""
        r = self.rows
        return Windows(replace(r, target=r.target[rows], columns=r.columns[rows], group=r.group[rows],
                               centres=r.centres[rows]))  # fmt: skip

    def linear(self, equation: Equation) -> tuple[Tensor, Tensor, Tensor]:
        """∫ φΔ, ∂/∂a of it and the size of its terms."""
        columns = self.rows.columns[:, [int(name.partition("_")[2]) for name, _ in equation.parameters]]
        parts = columns * equation.theta
        size = (self.rows.target.square() + parts.square().sum(1)).mean().sqrt()
        return (self.rows.target - parts.sum(1))[:, None], -columns[:, None, :], size.clamp(min=1e-300)[None]


def identify_equation(
    jets: JetSample, generator: torch.Generator, target: int = 1, windows: WeakRows | None = None
) -> IdentifiedEquation:
    """The sparsest u_t = Σ a_l f_l (u_tt for ``target`` 2) that the derivatives, or the windows, support.

    Coefficients depend on time only where derivatives are used.

    Raises
    ------
    InputError
        If u does not change in time, or there are fewer points than terms.
    """
    terms = library_terms(jets.independent, jets.dependent) if windows is None else windows.terms
    data: Measured = Points(jets) if windows is None else Windows(windows)
    if data.times.numel() < 4 * len(terms):
        raise InputError(f"{data.times.numel()} points are too few for {len(terms)} terms; give more, or --equation")
    names = [f"{u}_{jets.independent[0] * target}" for u in jets.dependent]
    if windows is None:
        parts = [Regression.of_jets(jets, name, terms) for name in names]
    else:
        parts = [Regression(names[0], terms, windows.target, windows.columns)]
    chosen = [chosen_terms(part, data.times, data.group, generator, may_move=windows is None) for part in parts]
    shaped = [shapes for shapes, _ in chosen]
    frequency = min(f for _, f in chosen)
    equation, spread = _refined(_written(jets, parts, shaped, rich=False), data, generator)
    while (fewer := _without_least(equation, parts, shaped, spread, data)) is not None:
        shaped = fewer
        equation, spread = _refined(_written(jets, parts, shaped, rich=False), data, generator)
    rich = _written(jets, parts, shaped, rich=True)
    known = dict(equation.parameters)
    rich = rich.with_parameters(torch.tensor([known.get(a, 0.0) for a, _ in rich.parameters], dtype=torch.float64))
    value, _, size = data.linear(equation)
    residual = float((value.square().mean(0).sqrt() / size).max())
    # How much noise is left in sums over windows is not known: all of the residual counts as unexplained.
    expected = float(equation.residual(jets)[1].max()) if windows is None else 0.0
    coefficients = _intervals(equation, parts, shaped, spread)
    shown = _as_text(parts, shaped, equation)
    return IdentifiedEquation(
        replace(equation, text=shown),
        rich,
        coefficients,
        residual,
        expected,
        frequency,
        terms,
        None if windows is None else Windows(windows),
    )


def _written(
    jets: JetSample, parts: Sequence[Regression], shaped: Sequence[Sequence[Shape]], *, rich: bool
) -> Equation:
    """The equation with a parameter for each number; with all other terms at zero if ``rich``."""
    texts, parameters = [], []
    t = jets.independent[0]
    for e, (part, shapes) in enumerate(zip(parts, shaped, strict=True)):
        pieces = [part.target]
        for shape in shapes:
            i = part.terms.index(shape.term)
            a, b = f"a{e}_{i}", f"b{e}_{i}"
            pieces.append(shape.formula(a, b, t))
            parameters += [(name, value) for name, value in zip((a, b), shape.start, strict=False)]
        if rich:
            used = {shape.term for shape in shapes}
            for i, term in enumerate(part.terms):
                if term not in used and bool(part.alive[i]):
                    pieces.append(f"a{e}_{i}*({term})")
                    parameters.append((f"a{e}_{i}", 0.0))
        texts.append(" - ".join(pieces))
    return make_equation("; ".join(texts), texts, jets.independent, jets.dependent, None, tuple(parameters))


def refits(equation: Equation, data: Measured, block: Tensor, weights: Tensor) -> Tensor:
    """Parameters ``(R, P)`` by one Gauss–Newton step under weights ``(R, B)`` of the blocks of the rows.

    Exact for parameters that enter linearly.
    """
    value, slopes, size = data.linear(equation)
    theta = equation.theta
    slopes, value = slopes / size[:, None], value / size
    count, p = weights.shape[1], theta.numel()
    gram = torch.zeros(count, p, p, dtype=torch.float64)
    right = torch.zeros(count, p, dtype=torch.float64)
    gram.index_add_(0, block, torch.einsum("nep,neq->npq", slopes, slopes))
    right.index_add_(0, block, torch.einsum("nep,ne->np", slopes, value))
    scale = gram.sum(0).diagonal().clamp(min=1e-300).sqrt()
    whole = torch.einsum("rb,bpq->rpq", weights, gram) / (scale[:, None] * scale)
    # Terms that depend on one another on the data share what they explain.
    steps = torch.linalg.pinv(whole, rcond=1e-12, hermitian=True) @ ((weights @ right) / scale)[..., None]
    moved: Tensor = theta - steps[..., 0] / scale
    return moved


def _refined(equation: Equation, data: Measured, generator: torch.Generator) -> tuple[Equation, Tensor]:
    """Gauss–Newton steps with halving, then the spread ``(P,)`` over exponential weights of blocks."""
    if not equation.parameters:  # no term stood out: u_t = 0
        return equation, equation.theta
    one = torch.ones(1, 1, dtype=torch.float64)
    count = data.times.numel()
    block = torch.zeros(count, dtype=torch.int64)

    def misfit(candidate: Equation) -> float:
        return float(data.linear(candidate)[0].square().mean())

    current = misfit(equation)
    for _ in range(_REFINEMENTS):
        step = refits(equation, data, block, one)[0] - equation.theta
        moved = False
        for share in (1.0, 0.5, 0.1, 0.01):
            try:
                candidate = equation.with_parameters(equation.theta + share * step)
                found = misfit(candidate)
            except InputError:
                continue
            if found < current:
                moved = found < current * (1 - 1e-9)
                equation, current = candidate, found
                break
        if not moved:
            break
    labels, inverse = torch.unique(data.group, return_inverse=True)
    blocks = inverse if labels.numel() >= 8 else torch.arange(count) * 40 // count
    draws = torch.empty(100, int(blocks.max()) + 1, dtype=torch.float64).exponential_(generator=generator)
    spread = refits(equation, data, blocks, draws / draws.mean(1, keepdim=True)).std(0)
    return equation, spread


def _without_least(
    equation: Equation, parts: Sequence[Regression], shaped: Sequence[Sequence[Shape]], spread: Tensor, data: Measured
) -> list[list[Shape]] | None:
    """The shapes at their refined numbers without the least sure term; None if every term is needed.

    A term goes if its number is within three standard errors of zero, or if it is a small ``share`` of u_t and not
    known to one part in a hundred either: a small one that is known that well is part of the equation.
    """
    values, widths = (
        dict(equation.parameters),
        dict(zip((a for a, _ in equation.parameters), spread.tolist(), strict=True)),
    )
    _, slopes, _ = data.linear(equation)
    rms = dict(zip(values, slopes.square().mean((0, 1)).sqrt().tolist(), strict=True))
    out = [
        [Shape(s.term, s.form, tuple(values[n] for n in _names(e, part, s) if n in values)) for s in shapes]
        for e, (part, shapes) in enumerate(zip(parts, shaped, strict=True))
    ]
    worst: tuple[float, int, int] | None = None
    for e, (part, shapes) in enumerate(zip(parts, shaped, strict=True)):
        for i in range(len(shapes) if len(shapes) > 1 else 0):
            name = _names(e, part, shapes[i])[0]
            sure = abs(values[name]) / max(widths[name], 1e-300)
            share = abs(values[name]) * rms[name] / part.size
            if (sure < 3 or (share < SETTINGS.share and sure < 100)) and (worst is None or sure < worst[0]):
                worst = (sure, e, i)
    if worst is None:
        return None
    del out[worst[1]][worst[2]]
    return out


def _names(e: int, part: Regression, shape: Shape) -> tuple[str, str]:
    """Names of the numbers a and b of a term in equation e: its place in the library is part of them."""
    i = part.terms.index(shape.term)
    return f"a{e}_{i}", f"b{e}_{i}"


def _intervals(
    equation: Equation, parts: Sequence[Regression], shaped: Sequence[Sequence[Shape]], spread: Tensor
) -> tuple[CoefficientEntry, ...]:
    out = []
    values = dict(zip((a for a, _ in equation.parameters), equation.theta.tolist(), strict=True))
    widths = dict(zip(values, (1.96 * spread).tolist(), strict=True))
    for e, (part, shapes) in enumerate(zip(parts, shaped, strict=True)):
        for shape in shapes:
            label = {"exponential": "rate of exp", "reciprocal": "shift of time"}.get(shape.form, "")
            for name, what in zip(_names(e, part, shape), (shape.term, f"{label}, {shape.term}"), strict=True):
                if name in values:
                    v, w = values[name], widths[name]
                    out.append(CoefficientEntry(term=what, value=v, lower=v - w, upper=v + w))
    return tuple(out)


def _as_text(parts: Sequence[Regression], shaped: Sequence[Sequence[Shape]], equation: Equation) -> str:
    """The equation as a user would type it, numbers to six digits."""
    values = dict(equation.parameters)
    texts = []
    for e, (part, shapes) in enumerate(zip(parts, shaped, strict=True)):
        right = ""
        for shape in shapes:
            of_a, of_b = _names(e, part, shape)
            a, b = values[of_a], f"{values.get(of_b, 0.0):.6g}"
            term = shape.formula(f"{abs(a):.6g}", b, equation.independent[0])
            term = term.removeprefix("1*").replace("+-", "-")
            sign = ("-" if a < 0 else "") if not right else (" - " if a < 0 else " + ")
            right += sign + term
        texts.append(f"{part.target} = {right or '0'}")
    return "; ".join(texts)
