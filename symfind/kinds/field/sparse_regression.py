"""Which terms f_l make u_t = Σ a_l(t) f_l: backward elimination, stability selection, and the course of each a_l.

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

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.kinds.field.equation import make_equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.settings import SETTINGS

# Draws of the data that a term must stand, and slabs of time in which coefficients are free.
_DRAWS = 20
_SLABS = 24
# Above so many terms some are dropped together, and the draws choose among so many that are left.
_MANY = 30


@dataclass(frozen=True)
class Shape:
    """a·g(t)·term: ``constant``, ``exponential`` (a·exp(bt)) or ``reciprocal`` (a/(t + b))."""

    term: str
    form: str
    start: tuple[float, ...]

    def formula(self, a: str, b: str, t: str) -> str:
        """The term with names or numbers for a and b."""
        shape = {"constant": "", "exponential": f"*exp({b}*{t})", "reciprocal": f"/({t}+{b})"}[self.form]
        if self.term == "1":
            return f"{a}{shape}"
        return f"{a}{shape}*({self.term})" if "+" in self.term else f"{a}{shape}*{self.term}"


class Regression:
    """Columns f_l ``(n, L)`` and the target u_t ``(n,)`` at points or windows, in units of their rms.

    Parameters
    ----------
    target, terms
        As they are written in an equation.
    y, columns
        Their values.
    """

    @classmethod
    def of_jets(cls, jets: JetSample, target: str, terms: tuple[str, ...]) -> Regression:
        """At the measured points."""
        every = (target, *terms)
        value = make_equation(target, every, jets.independent, jets.dependent, None, ()).linearised(jets, slopes=False)
        return cls(target, terms, value.value[:, 0], value.value[:, 1:])

    def __init__(self, target: str, terms: tuple[str, ...], y: Tensor, columns: Tensor) -> None:
        self.target, self.terms, self.y, self.columns = target, terms, y, columns
        self.size = float(self.y.square().mean().sqrt())
        if self.size == 0:
            raise InputError(
                f"{target} is zero on all the data, or drowns in noise: no equation can be found; give --equation"
            )
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
        allowed = math.sqrt((1 + self.slack) * self.left[0] ** 2 + SETTINGS.resolution**2)
        best = max(i for i in range(count) if self.left[i] <= allowed)
        while True:
            for step in (1, 2):
                if best >= step and self.left[best - step] <= self.left[best] / SETTINGS.sharp**step:
                    best -= step
                    break
            else:
                return best


def _path(factors: Sequence[Tensor], alive: Tensor, rows: int) -> _Path:
    """Backward elimination of terms shared by several regressions (slabs of time), each with its own numbers.

    While there are many, a sixth of them goes at once, unless that costs more than one by one could.
    """
    support = alive.nonzero()[:, 0].tolist()
    supports: list[tuple[int, ...]] = []
    left: list[float] = []
    whole = torch.stack([_square(r) for r in factors])  # (S, L + 1, L + 1)
    slack = 0.02 + 1.5 * len(factors) * len(support) / rows
    at_once = len(support) // 6 if len(support) > _MANY else 1
    last, least = support, [0]
    while True:
        a, y = whole[:, :, support], whole[:, :, -1:]
        cost = torch.zeros(0, dtype=torch.float64)
        if support:
            # What all other terms leave is in the triangular factor of those that stay.
            reduced = torch.linalg.qr(torch.cat([a, y], 2), mode="r").R if len(support) < whole.shape[2] - 1 else whole
            k = len(support)
            u, s, vt = torch.linalg.svd(reduced[:, : k + 1, :k], full_matrices=False)
            # Columns that depend on one another to rounding share what they explain.
            inverse = torch.where(s > 1e-12 * s[:, :1], 1.0 / s.clamp(min=1e-300), torch.zeros_like(s))
            y = reduced[:, : k + 1, -1:]
            theta = vt.mT @ (inverse[:, :, None] * (u.mT @ y))
            spread = (vt.mT * inverse[:, None, :]).square().sum(2)
            cost = (theta[:, :, 0].square() / spread.clamp(min=1e-300)).sum(0)
            y = y - reduced[:, : k + 1, :k] @ theta
        total = math.sqrt(float(y.square().sum()) / len(factors))
        if at_once > 1 and left and total**2 > (1 + 0.1 * slack) * left[-1] ** 2 + (0.1 * SETTINGS.resolution) ** 2:
            support, at_once = [term for i, term in enumerate(last) if i != least[0]], 1
            continue
        supports.append(tuple(support))
        left.append(total)
        if not support:
            return _Path(tuple(supports), tuple(left), slack)
        last, least = support, cost.argsort().tolist()
        at_once = min(at_once, len(support) // 6) if len(support) > _MANY else 1
        support = [term for i, term in enumerate(support) if i not in least[:at_once]]


def _square(factor: Tensor) -> Tensor:
    """A triangular factor of fewer rows than columns, filled up with zeros."""
    return torch.cat([factor, factor.new_zeros(factor.shape[1] - factor.shape[0], factor.shape[1])])


def chosen_terms(
    part: Regression, times: Tensor, group: Tensor, generator: torch.Generator, *, may_move: bool = True
) -> tuple[list[Shape], float]:
    """Terms with their course in time, and how often the least sure of them was chosen.

    Parameters
    ----------
    part
        The regression.
    times, group
        Time and trajectory of each row.
    generator
        Draws halves of the trajectories.
    may_move
        Whether coefficients may depend on time.
    """
    count = times.numel()
    everything = torch.arange(count)
    whole = part.factor(everything)
    path = _path([whole], part.alive, count)
    slabs = _slabs(times, 3 * len(part.terms)) if may_move else []
    factors: Callable[[Tensor], list[Tensor]] = lambda rows: [part.factor(rows)]  # noqa: E731
    moving = False
    if path.left[0] > SETTINGS.constant_is_good and len(slabs) > 1:
        apart = _path([part.factor(rows) for rows in slabs], part.alive, count)
        if apart.left[0] < SETTINGS.slab_gain * path.left[0]:
            moving, path = True, apart
    if moving:
        label = torch.zeros(count, dtype=torch.int64)
        for i, rows in enumerate(slabs):
            label[rows] = i

        def factors(rows: Tensor) -> list[Tensor]:
            return [part.factor(rows[label[rows] == i]) for i in range(len(slabs))]

    votes = torch.zeros(len(part.terms), dtype=torch.float64)
    # What all the rows drop first while it costs nothing, their halves need not ask for again.
    asked = torch.zeros_like(part.alive)
    asked[list(next((s for s in path.supports if len(s) <= _MANY), path.supports[0]))] = True
    if not asked[list(path.supports[path.choose()])].all():
        asked = part.alive
    for _ in range(_DRAWS):
        rows = _half(group, generator)
        drawn = _path(factors(rows), asked, rows.numel())
        votes[list(drawn.supports[drawn.choose()])] += 1.0
    votes /= _DRAWS
    support = [i for i in range(len(part.terms)) if votes[i] >= SETTINGS.frequent]
    if not support:
        support = list(path.supports[path.choose()])
    frequency = float(votes[support].min()) if support else 0.0
    if not moving:
        theta = torch.linalg.lstsq(whole[:, support], whole[:, -1:], driver="gelsd").solution[:, 0]
        theta = theta * part.size / part.units[support]
        return [Shape(part.terms[i], "constant", (float(a),)) for i, a in zip(support, theta, strict=True)], frequency
    curves = torch.stack(
        [torch.linalg.lstsq(r[:, support], r[:, -1:], driver="gelsd").solution[:, 0] for r in factors(everything)]
    )
    curves = curves * part.size / part.units[support]
    middles = torch.stack([times[rows].mean() for rows in slabs])
    return [course(part.terms[i], middles, curve) for i, curve in zip(support, curves.T, strict=True)], frequency


def course(term: str, times: Tensor, curve: Tensor) -> Shape:
    """a, a·exp(bt) or a/(t + b) for the values of a coefficient in the slabs, the simplest that is as good as any."""
    one = torch.ones_like(times)
    mean = curve.mean()
    fits = [(float((curve - mean).norm()), Shape(term, "constant", (float(mean),)))]
    if bool((curve * curve[0] > 0).all()):
        design = torch.stack([one, times], 1)
        log = torch.linalg.lstsq(design, curve.abs().log()[:, None]).solution[:, 0]
        a, b = float(curve[0].sign() * log[0].exp()), float(log[1])
        fits.append((float((curve - a * torch.exp(b * times)).norm()), Shape(term, "exponential", (a, b))))
        # 1/θ = (t + b)/a; weighed by θ² so that large values count as they do in the curve itself.
        weight = curve.square()
        inverse = torch.linalg.lstsq(design * weight[:, None], (weight / curve)[:, None]).solution[:, 0]
        if float(inverse[1]) != 0.0 and float(inverse[0] / inverse[1] + times.min()) > 0:
            a, b = float(1.0 / inverse[1]), float(inverse[0] / inverse[1])
            fits.append((float((curve - a / (times + b)).norm()), Shape(term, "reciprocal", (a, b))))
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
