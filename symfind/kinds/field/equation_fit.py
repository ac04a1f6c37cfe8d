"""u_t = Σ a_l f_l: the differential equation behind solutions, by sparse regression over a stated library.

Terms and the course of their coefficients in time come from :mod:`~symfind.kinds.field.sparse_regression`; here the
library is stated, the numbers are refined together, and each gets an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from symfind.decision.halves import gram_by_block
from symfind.errors import InputError
from symfind.fits.surrogate import fold_labels
from symfind.kinds.field.equation import Equation, make_equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.sparse_regression import Regression, Shape, chosen_terms
from symfind.kinds.field.term_library import Library, libraries
from symfind.kinds.field.weak_form import WeakRows
from symfind.schema.equation import CoefficientEntry

_REFINEMENTS = 30
_MANY = 64


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
        rms of Δ over the size of its terms, on the half of the solutions that its numbers were not fitted to.
    expected
        What the errors of the derivatives, or the noise of sums over windows, would give.
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

    @property
    def explained(self) -> bool:
        """Whether errors of the derivatives explain what the equation leaves."""
        return explained(self.residual, self.expected)


def explained(residual: float, expected: float) -> bool:
    """Whether a residual is what errors would give, or below what is asked of an equation."""
    return residual <= max(SETTINGS.trusted * expected, SETTINGS.resolution)


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

    def expected(self, equation: Equation) -> float:
        """The share of its terms that errors of the measurement would leave."""
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

    def expected(self, equation: Equation) -> float:
        """What the estimated errors of each derivative give."""
        return float(equation.residual(self.jets)[1].max())


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
        parts = {name: getattr(r, name)[rows] for name in ("target", "columns", "shaken", "group", "centres")}
        return Windows(replace(r, **parts))

    def linear(self, equation: Equation) -> tuple[Tensor, Tensor, Tensor]:
        """∫ φΔ, ∂/∂a of it and the size of its terms."""
        columns = self.rows.columns[:, [int(name.partition("_")[2]) for name, _ in equation.parameters]]
        parts = columns * equation.theta
        size = (self.rows.target.square() + parts.square().sum(1)).mean().sqrt()
        return (self.rows.target - parts.sum(1))[:, None], -columns[:, None, :], size.clamp(min=1e-300)[None]

    def expected(self, equation: Equation) -> float:
        """What noise of the size that the data have changes in ∫ φΔ."""
        columns = self.rows.shaken[:, [0, *(1 + int(name.partition("_")[2]) for name, _ in equation.parameters)]]
        change = columns[:, 0] - columns[:, 1:] @ equation.theta
        return float(change.square().mean().sqrt() / self.linear(equation)[2][0])


def identify_equation(
    jets: JetSample, generator: torch.Generator, library: Library | None = None, windows: WeakRows | None = None
) -> IdentifiedEquation:
    """The sparsest u_t = Σ a_l f_l (u_tt for a library of ``target`` 2) that the derivatives, or the windows, support.

    Coefficients depend on time only where derivatives are used.

    Raises
    ------
    InputError
        If u does not change in time, or there are fewer points than terms.
    """
    library = library or libraries(jets.independent, jets.dependent)[0]
    terms = library.terms if windows is None else windows.terms
    data: Measured = Points(jets) if windows is None else Windows(windows)
    if data.times.numel() < 4 * len(terms):
        raise InputError(f"{data.times.numel()} points are too few for {len(terms)} terms; give more, or --equation")
    names = [f"{u}_{jets.independent[0] * library.target}" for u in jets.dependent]
    if windows is None:
        parts = [Regression.of_jets(jets, name, terms) for name in names]
    else:
        parts = [Regression(names[0], terms, windows.target, windows.columns)]
    may_move = windows is None and library.plain
    chosen = [
        chosen_terms(part, data.times, data.group, generator, may_move=may_move) if changes else ([], 1.0)
        for part, changes in zip(parts, _changing(jets, library.target), strict=True)
    ]
    shaped = [shapes for shapes, _ in chosen]
    frequency = min(f for _, f in chosen)
    equation, spread = _refined(_written(jets, parts, shaped, rich=False), data, generator)
    while (fewer := _without_least(equation, parts, shaped, spread, data)) is not None:
        shaped = fewer
        equation, spread = _refined(_written(jets, parts, shaped, rich=False), data, generator)
    rich = _written(jets, parts, shaped, rich=True)
    known = dict(equation.parameters)
    rich = rich.with_parameters(torch.tensor([known.get(a, 0.0) for a, _ in rich.parameters], dtype=torch.float64))
    shown = _as_text(parts, shaped, equation)
    return IdentifiedEquation(
        replace(equation, text=shown),
        rich,
        _intervals(equation, parts, shaped, spread),
        held_out_residual(equation, data, generator),
        data.expected(equation),
        frequency,
        terms,
        None if windows is None else Windows(windows),
    )


def _changing(jets: JetSample, target: int) -> list[bool]:
    """Which components change in time by more than rounding would make of their spread over the times."""
    rate = jets.derivatives[(target, *[0] * (len(jets.independent) - 1))].square().mean(0).sqrt()
    natural = jets.values.std(0, correction=0) / jets.points[:, 0].std(correction=0).clamp(min=1e-300) ** target
    return (rate > SETTINGS.still * natural).tolist()


def held_out_residual(equation: Equation, data: Measured, generator: torch.Generator) -> float:
    """Rms of Δ over its terms, on each half of the solutions with the numbers of the other; the larger of all lines."""
    if int(torch.unique(data.group).numel()) < 2:
        fold = torch.arange(data.times.numel()) % 2
    else:
        fold = fold_labels(data.times.numel(), data.group, 2, generator)
    other = torch.eye(2, dtype=torch.float64).flip(0)
    theta = refits(equation, data, fold, other) if equation.parameters else torch.zeros(2, 0, dtype=torch.float64)
    squares, count = torch.zeros(equation.lines, dtype=torch.float64), 0
    for i in (0, 1):
        value, _, size = data.take(fold == i).linear(equation.with_parameters(theta[i]))
        squares += (value / size).square().sum(0)
        count += value.shape[0]
    return float((squares / count).sqrt().max())


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
            pieces.append(f"-{shape.formula(a, b, t)}")
            parameters += [(name, value) for name, value in zip((a, b), shape.start, strict=False)]
        if rich:
            used = {shape.term for shape in shapes}
            for i, term in enumerate(part.terms):
                if term not in used and bool(part.alive[i]):
                    pieces.append(f"-a{e}_{i}*({term})")
                    parameters.append((f"a{e}_{i}", 0.0))
        texts.append(pieces)
    return make_equation(
        "; ".join(" ".join(pieces) for pieces in texts),
        texts,
        jets.independent,
        jets.dependent,
        None,
        tuple(parameters),
    )


def refits(equation: Equation, data: Measured, block: Tensor, weights: Tensor) -> Tensor:
    """Parameters ``(R, P)`` by one Gauss–Newton step under weights ``(R, B)`` of the blocks of the rows.

    Exact for parameters that enter linearly.
    """
    value, slopes, size = data.linear(equation)
    theta = equation.theta
    slopes, value = slopes / size[:, None], value / size
    count = weights.shape[1]
    gram = gram_by_block(slopes, slopes, block, count)
    right = gram_by_block(slopes, value[..., None], block, count)[..., 0]
    scale = gram.sum(0).diagonal().clamp(min=1e-300).sqrt()
    whole = torch.einsum("rb,bpq->rpq", weights, gram) / (scale[:, None] * scale)
    # Terms that depend on one another on the data share what they explain. Of many, a ridge of the same size does it in
    # a tenth of the time that eigenvalues take.
    side = ((weights @ right) / scale)[..., None]
    if theta.numel() > _MANY:
        steps = torch.linalg.solve(whole + 1e-12 * torch.eye(theta.numel(), dtype=whole.dtype), side)
    else:
        steps = torch.linalg.pinv(whole, rcond=1e-12, hermitian=True) @ side
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

    A term goes if its number is within three standard errors of zero, if it is a small ``share`` of u_t and not known
    to one part in a hundred either (a small one that is known that well is part of the equation), or if it is below
    the ``resolution`` of u_t, however well it is known.
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
            if share < SETTINGS.resolution:
                sure = share
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
