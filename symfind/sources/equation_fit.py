"""u_t = Σ a_l f_l: the differential equation behind solutions, by sparse regression over a stated library.

Terms are taken away one by one, the least useful first (backward elimination, the stable relative of thresholded least
squares: Brunton, Proctor, Kutz 2016), and the choice is repeated on random halves of the trajectories; a term stays
if it is chosen nearly every time (stability selection: Meinshausen, Bühlmann 2010). Where constant coefficients leave
more than the coefficients of separate slabs of time do, the coefficients' course is matched with a·exp(bt) and
a/(t + b).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.fields.equation import Equation, make_equation
from symfind.fields.jet_sample import JetSample, MultiIndex

# A term that explains less than this share of the rms of u_t is left out unless it makes the residual fall sharply:
# what it breaks is far below the tolerance of a symmetry.
_SHARE = 1e-2
_SHARP = 5.0
_DRAWS, _FREQUENT = 20, 0.75
_SLABS = 24
# Slabs of time must leave less than this share of the residual of constant coefficients, to be believed.
_SLAB_GAIN = 0.7
# A constant library that leaves less than this share of u_t needs no slabs.
_CONSTANT_IS_GOOD = 3e-3
_REFINEMENTS = 30


@dataclass(frozen=True)
class Coefficient:
    """One number of an identified equation, with its interval (blocks of trajectories drawn again).

    Attributes
    ----------
    term
        What it multiplies, or ``exp rate`` and ``time shift`` inside a term.
    value, lower, upper
        Estimate and 95 % interval.
    """

    term: str
    value: float
    lower: float
    upper: float


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
    """

    equation: Equation
    rich: Equation
    coefficients: tuple[Coefficient, ...]
    residual: float
    expected: float
    frequency: float
    library: tuple[str, ...]

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
        terms.append("*".join(dependent * 3))
    terms += [f"{f}*{s}" if f else s for f, s in product(factors, slopes)]
    if len(dependent) == 1:
        first = [s for s in slopes if len(s.partition("_")[2]) == 1]
        terms += ["*".join(p) for p in combinations_with_replacement(first, 2)]
        terms += [f"{first[0]}*{first[0]}_{space[0]}".replace("_x_x", "_xx")] if len(space) == 1 else []
    return tuple(dict.fromkeys(terms))


def library_orders(
    independent: Sequence[str], dependent: Sequence[str], target: int = 1
) -> tuple[MultiIndex, ...]:
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


def identify_equation(jets: JetSample, generator: torch.Generator, target: int = 1) -> IdentifiedEquation:
    """The sparsest u_t = Σ a_l f_l (u_tt for ``target`` 2) that the derivatives support.

    Raises
    ------
    InputError
        If u does not change in time, or there are fewer points than terms.
    """
    terms = library_terms(jets.independent, jets.dependent)
    if jets.rows < 4 * len(terms):
        raise InputError(f"{jets.rows} points are too few for {len(terms)} terms; give more, or --equation")
    parts = [_Regression(jets, f"{u}_{jets.independent[0] * target}", terms) for u in jets.dependent]
    chosen = [_chosen(part, jets, generator) for part in parts]
    shaped = [shapes for shapes, _ in chosen]
    frequency = min(f for _, f in chosen)
    equation, spread = _refined(_written(jets, parts, shaped, rich=False), jets, generator)
    while (fewer := _without_least(equation, parts, shaped, spread, jets)) is not None:
        shaped = fewer
        equation, spread = _refined(_written(jets, parts, shaped, rich=False), jets, generator)
    rich = _written(jets, parts, shaped, rich=True)
    known = dict(equation.parameters)
    rich = rich.with_parameters(torch.tensor([known.get(a, 0.0) for a, _ in rich.parameters], dtype=torch.float64))
    residual, expected = equation.residual(jets)
    coefficients = _intervals(equation, shaped, spread)
    shown = _as_text(parts, shaped, equation)
    return IdentifiedEquation(
        Equation(shown, equation.independent, equation.dependent, equation.sides, equation.coordinates,
                 equation.parameters),
        rich, coefficients, float(residual.max()), float(expected.max()), frequency, terms,
    )  # fmt: skip


@dataclass(frozen=True)
class _Shape:
    """a·g(t)·term: ``constant``, ``exponential`` (a·exp(bt)) or ``reciprocal`` (a/(t + b))."""

    term: str
    form: str
    start: tuple[float, ...]

    def formula(self, a: str, b: str, t: str) -> str:
        """The term with names or numbers for a and b."""
        shape = {"constant": "", "exponential": f"*exp({b}*{t})", "reciprocal": f"/({t}+{b})"}[self.form]
        return f"{a}{shape}" if self.term == "1" else f"{a}{shape}*{self.term}"


class _Regression:
    """Columns f_l and the target u_t at the measured points, in units of their rms."""

    def __init__(self, jets: JetSample, target: str, terms: tuple[str, ...]) -> None:
        self.target, self.terms = target, terms
        names = tuple((f"a{i}", 0.0) for i in range(len(terms)))
        text = " - ".join([target, *(f"a{i}*({term})" for i, term in enumerate(terms))])
        full = make_equation(text, [text], jets.independent, jets.dependent, None, names)
        at = full.linearised(jets)
        self.y = at.value[:, 0]
        self.columns = -at.by_parameter[:, 0, :]
        self.size = float(self.y.square().mean().sqrt())
        if self.size == 0:
            raise InputError(f"{target} is zero on all the data, so that no equation can be found; give --equation")
        self.units = self.columns.square().mean(0).sqrt()
        # A column without size is zero (u_y of a field that does not depend on y): it can explain nothing.
        self.alive = self.units > 1e-12 * self.units.max()
        self.units = torch.where(self.alive, self.units, torch.ones_like(self.units))

    def factor(self, rows: Tensor) -> Tensor:
        """Triangular factor of (f, u_t) over some rows, units of one."""
        table = torch.cat([self.columns[rows] / self.units, self.y[rows, None] / self.size], 1)
        r: Tensor = torch.linalg.qr(table / math.sqrt(max(rows.numel(), 1)), mode="r").R
        return r


@dataclass(frozen=True)
class _Path:
    """Supports from all terms down to none, and the share of rms u_t that each leaves.

    ``slack`` is the share of its square by which noise alone may raise it: two per cent and what all the numbers
    together fit of it.
    """

    supports: tuple[tuple[int, ...], ...]
    left: tuple[float, ...]
    slack: float

    def choose(self) -> int:
        """The smallest support that explains what all terms explain, but for little; then sharp falls."""
        count = len(self.supports)
        allowed = math.sqrt((1 + self.slack) * self.left[0] ** 2 + _SHARE**2)
        best = max(i for i in range(count) if self.left[i] <= allowed)
        while True:
            for step in (1, 2):
                if best >= step and self.left[best - step] <= self.left[best] / _SHARP**step:
                    best -= step
                    break
            else:
                return best


def _path(factors: Sequence[Tensor], alive: Tensor, rows: int) -> _Path:
    """Backward elimination of terms that are shared by several regressions (slabs of time), each with its own numbers."""
    support = alive.nonzero()[:, 0].tolist()
    supports, left = [], []
    while True:
        cost = torch.zeros(len(support), dtype=torch.float64)
        total = 0.0
        for r in factors:
            a, y = r[:, support], r[:, -1]
            if support:
                u, s, vt = torch.linalg.svd(a, full_matrices=False)
                # Columns that depend on one another to rounding share what they explain.
                inverse = torch.where(s > 1e-12 * s[0], 1.0 / s.clamp(min=1e-300), torch.zeros_like(s))
                theta = vt.T @ (inverse * (u.T @ y))
                spread = (vt.T * inverse).square().sum(1)
                cost += theta.square() / spread.clamp(min=1e-300)
                y = y - a @ theta
            total += float(y.square().sum())
        supports.append(tuple(support))
        left.append(math.sqrt(total / len(factors)))
        if not support:
            return _Path(tuple(supports), tuple(left), 0.02 + 1.5 * len(factors) * int(alive.sum()) / rows)
        support = [term for i, term in enumerate(support) if i != int(cost.argmin())]


def _chosen(part: _Regression, jets: JetSample, generator: torch.Generator) -> tuple[list[_Shape], float]:
    """Terms with their course in time, and how often the least sure of them was chosen."""
    everything = torch.arange(jets.rows)
    whole = part.factor(everything)
    path = _path([whole], part.alive, jets.rows)
    slabs = _slabs(jets.points[:, 0], 3 * len(part.terms))
    factors: Callable[[Tensor], list[Tensor]] = lambda rows: [part.factor(rows)]  # noqa: E731
    moving = False
    if path.left[0] > _CONSTANT_IS_GOOD and len(slabs) > 1:
        apart = _path([part.factor(rows) for rows in slabs], part.alive, jets.rows)
        if apart.left[0] < _SLAB_GAIN * path.left[0]:
            moving, path = True, apart
    if moving:
        label = torch.zeros(jets.rows, dtype=torch.int64)
        for i, rows in enumerate(slabs):
            label[rows] = i

        def factors(rows: Tensor) -> list[Tensor]:
            return [part.factor(rows[label[rows] == i]) for i in range(len(slabs))]

    votes = torch.zeros(len(part.terms), dtype=torch.float64)
    for _ in range(_DRAWS):
        rows = _half(jets.group, generator)
        drawn = _path(factors(rows), part.alive, rows.numel())
        votes[list(drawn.supports[drawn.choose()])] += 1.0
    votes /= _DRAWS
    support = [i for i in range(len(part.terms)) if votes[i] >= _FREQUENT]
    if not support:
        support = list(path.supports[path.choose()])
    frequency = float(votes[support].min()) if support else 0.0
    if not moving:
        theta = torch.linalg.lstsq(whole[:, support], whole[:, -1:], driver="gelsd").solution[:, 0]
        theta = theta * part.size / part.units[support]
        return [_Shape(part.terms[i], "constant", (float(a),)) for i, a in zip(support, theta, strict=True)], frequency
    curves = torch.stack(
        [torch.linalg.lstsq(r[:, support], r[:, -1:], driver="gelsd").solution[:, 0] for r in factors(everything)]
    )
    curves = curves * part.size / part.units[support]
    times = torch.stack([jets.points[rows, 0].mean() for rows in slabs])
    return [_course(part.terms[i], times, curve) for i, curve in zip(support, curves.T, strict=True)], frequency


def _course(term: str, times: Tensor, curve: Tensor) -> _Shape:
    """a, a·exp(bt) or a/(t + b) for the values of a coefficient in the slabs, the simplest that is as good as any."""
    one = torch.ones_like(times)
    mean = curve.mean()
    fits = [(float((curve - mean).norm()), _Shape(term, "constant", (float(mean),)))]
    if bool((curve * curve[0] > 0).all()):
        design = torch.stack([one, times], 1)
        log = torch.linalg.lstsq(design, curve.abs().log()[:, None]).solution[:, 0]
        a, b = float(curve[0].sign() * log[0].exp()), float(log[1])
        fits.append((float((curve - a * torch.exp(b * times)).norm()), _Shape(term, "exponential", (a, b))))
        # 1/θ = (t + b)/a; weighed by θ² so that large values count as they do in the curve itself.
        weight = curve.square()
        inverse = torch.linalg.lstsq(design * weight[:, None], (weight / curve)[:, None]).solution[:, 0]
        if float(inverse[1]) != 0.0 and float(inverse[0] / inverse[1] + times.min()) > 0:
            a, b = float(1.0 / inverse[1]), float(inverse[0] / inverse[1])
            fits.append((float((curve - a / (times + b)).norm()), _Shape(term, "reciprocal", (a, b))))
    least = min(misfit for misfit, _ in fits)
    # Two per cent of the curve is what the slabs' own width leaves; three times the best counts as good as it.
    good = max(3.0 * least, 0.02 * float(curve.norm()))
    if fits[0][0] <= good:
        return fits[0][1]
    return min(fits, key=lambda fit: fit[0])[1]


def _slabs(t: Tensor, least: int) -> list[Tensor]:
    """Rows in slabs of time, each with at least so many."""
    order = torch.argsort(t, stable=True)
    count = min(_SLABS, t.numel() // max(least, 1), int(torch.unique(t).numel()) // 2)
    return [part.sort().values for part in torch.tensor_split(order, max(count, 1))]


def _half(group: Tensor, generator: torch.Generator) -> Tensor:
    """Rows of a random half of the trajectories; of the rows, where there are fewer than four trajectories."""
    names = torch.unique(group)
    if names.numel() < 4:
        return torch.randperm(group.numel(), generator=generator)[: group.numel() // 2]
    kept = names[torch.randperm(names.numel(), generator=generator)[: names.numel() // 2]]
    return torch.isin(group, kept).nonzero()[:, 0]


def _written(
    jets: JetSample, parts: Sequence[_Regression], shaped: Sequence[Sequence[_Shape]], *, rich: bool
) -> Equation:
    """The equation with a parameter for each number; with all other terms at zero if ``rich``."""
    texts, parameters = [], []
    t = jets.independent[0]
    for e, (part, shapes) in enumerate(zip(parts, shaped, strict=True)):
        pieces = [part.target]
        for i, shape in enumerate(shapes):
            a, b = f"a{e}_{i}", f"b{e}_{i}"
            pieces.append(shape.formula(a, b, t))
            parameters += [(name, value) for name, value in zip((a, b), shape.start, strict=False)]
        if rich:
            used = {shape.term for shape in shapes}
            for i, term in enumerate(part.terms):
                if term not in used and bool(part.alive[i]):
                    pieces.append(f"c{e}_{i}*({term})")
                    parameters.append((f"c{e}_{i}", 0.0))
        texts.append(" - ".join(pieces))
    return make_equation("; ".join(texts), texts, jets.independent, jets.dependent, None, tuple(parameters))


def refits(equation: Equation, jets: JetSample, block: Tensor, weights: Tensor) -> Tensor:
    """Parameters ``(R, P)`` by one Gauss–Newton step under weights ``(R, B)`` of the blocks of the rows.

    Exact for parameters that enter linearly.
    """
    at = equation.linearised(jets)
    theta = equation.theta
    unit = at.value.square().mean(0).sqrt().clamp(min=1e-300)
    slopes = at.by_parameter / equation.terms(jets, at)[:, None]
    value = at.value / equation.terms(jets, at)
    del unit
    count, p = weights.shape[1], theta.numel()
    gram = torch.zeros(count, p, p, dtype=torch.float64)
    right = torch.zeros(count, p, dtype=torch.float64)
    gram.index_add_(0, block, torch.einsum("nep,neq->npq", slopes, slopes))
    right.index_add_(0, block, torch.einsum("nep,ne->np", slopes, value))
    scale = gram.sum(0).diagonal().clamp(min=1e-300).sqrt()
    whole = torch.einsum("rb,bpq->rpq", weights, gram) / (scale[:, None] * scale)
    # Terms that depend on one another on the data share what they explain.
    steps = torch.linalg.pinv(whole, rcond=1e-12, hermitian=True) @ ((weights @ right) / scale)[..., None]
    return theta - steps[..., 0] / scale


def _refined(equation: Equation, jets: JetSample, generator: torch.Generator) -> tuple[Equation, Tensor]:
    """Gauss–Newton steps with halving, then the spread ``(P,)`` over exponential weights of blocks."""
    one = torch.ones(1, 1, dtype=torch.float64)
    block = torch.zeros(jets.rows, dtype=torch.int64)

    def misfit(candidate: Equation) -> float:
        value = candidate.linearised(jets, slopes=False).value
        return float(value.square().mean())

    current = misfit(equation)
    for _ in range(_REFINEMENTS):
        step = refits(equation, jets, block, one)[0] - equation.theta
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
    labels, inverse = torch.unique(jets.group, return_inverse=True)
    blocks = inverse if labels.numel() >= 8 else torch.arange(jets.rows) * 40 // jets.rows
    draws = torch.empty(100, int(blocks.max()) + 1, dtype=torch.float64).exponential_(generator=generator)
    spread = refits(equation, jets, blocks, draws / draws.mean(1, keepdim=True)).std(0)
    return equation, spread


def _without_least(
    equation: Equation,
    parts: Sequence[_Regression],
    shaped: Sequence[Sequence[_Shape]],
    spread: Tensor,
    jets: JetSample,
) -> list[list[_Shape]] | None:
    """The shapes at their refined numbers without the least sure term; None if every term is needed.

    A term goes if its number is within three standard errors of zero, or if it is below :data:`_SHARE` of u_t and not
    known to one part in a hundred either: a small one that is known that well is part of the equation.
    """
    values, widths = dict(equation.parameters), dict(
        zip((a for a, _ in equation.parameters), spread.tolist(), strict=True)
    )
    at = equation.linearised(jets)
    rms = dict(zip(values, at.by_parameter.square().mean((0, 1)).sqrt().tolist(), strict=True))
    out = [
        [
            _Shape(s.term, s.form, tuple(values[n] for n in (f"a{e}_{i}", f"b{e}_{i}") if n in values))
            for i, s in enumerate(shapes)
        ]
        for e, shapes in enumerate(shaped)
    ]
    worst: tuple[float, int, int] | None = None
    for e, (part, shapes) in enumerate(zip(parts, shaped, strict=True)):
        for i in range(len(shapes) if len(shapes) > 1 else 0):
            name = f"a{e}_{i}"
            sure = abs(values[name]) / max(widths[name], 1e-300)
            share = abs(values[name]) * rms[name] / part.size
            if (sure < 3 or (share < _SHARE and sure < 100)) and (worst is None or sure < worst[0]):
                worst = (sure, e, i)
    if worst is None:
        return None
    del out[worst[1]][worst[2]]
    return out


def _intervals(
    equation: Equation, shaped: Sequence[Sequence[_Shape]], spread: Tensor
) -> tuple[Coefficient, ...]:
    out = []
    values = dict(zip((a for a, _ in equation.parameters), equation.theta.tolist(), strict=True))
    widths = dict(zip(values, (1.96 * spread).tolist(), strict=True))
    for e, shapes in enumerate(shaped):
        for i, shape in enumerate(shapes):
            label = {"exponential": "rate of exp", "reciprocal": "shift of time"}.get(shape.form, "")
            for name, what in ((f"a{e}_{i}", shape.term), (f"b{e}_{i}", f"{label}, {shape.term}")):
                if name in values:
                    v, w = values[name], widths[name]
                    out.append(Coefficient(what, v, v - w, v + w))
    return tuple(out)


def _as_text(parts: Sequence[_Regression], shaped: Sequence[Sequence[_Shape]], equation: Equation) -> str:
    """The equation as a user would type it, numbers to six digits."""
    values = dict(equation.parameters)
    texts = []
    for e, (part, shapes) in enumerate(zip(parts, shaped, strict=True)):
        right = ""
        for i, shape in enumerate(shapes):
            a = values[f"a{e}_{i}"]
            b = f"{values.get(f'b{e}_{i}', 0.0):.6g}"
            text = shape.formula(f"{abs(a):.6g}", b, equation.independent[0])
            text = text.removeprefix("1*").replace("+-", "-")
            right += (" - " if a < 0 else " + ") + text
        texts.append(f"{part.target} = {right.removeprefix(' + ').replace(' - ', '-', 1) if right[:3] == ' - ' else right[3:]}"
                     if right else f"{part.target} = 0")  # fmt: skip
    return "; ".join(texts)
