"""Over which range exp(tξ) leaves the labels of images valid, and the verdict that follows.

At each t the images go t/2 and again t/2, the control t/2 forth and back: both lose as much to interpolation. The
difference of the two accuracies is judged image by image, outwards from t = 0 and no further than it holds: tests in a
fixed order need no correction for their number. Axis letters: n images, p fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, Finding, Generator
from symfind.decision.settings import SETTINGS as DECISION
from symfind.fields.plane import Grid, ImageFields
from symfind.fields.polynomial import PolynomialFields
from symfind.fields.typeset import number_text
from symfind.kinds.image.settings import SETTINGS
from symfind.linalg.nullspace import GeneralisedSpectrum
from symfind.linalg.threads import side_by_side
from symfind.schema.validity import ValidityCurve

# Two points of accuracy: what may be lost along the way (DESIGN §2).
MARGIN = 0.02
# A turn is asked for over the full circle; what has no period, up to where any generator must reach to be certified,
# and beyond as far as it holds.
_DEGREES = (5, 10, 15, 20, 30, 45, 60, 90, 120, 150, 180)
_AMOUNTS = (0.025, 0.05, 0.1, 0.15, 0.2, 0.25, DECISION.least_reach, 0.4, 0.5, 0.7, 1.0)
# A first look at so many images settles most amounts; all are asked where it does not.
_FIRST_LOOK = 2000
_CHUNK = 500
# Directions of the spectrum that may be candidates of their own.
_EXTRA = 3

Recognised = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Candidate:
    """A field to be followed.

    Attributes
    ----------
    vector
        ``(p,)``.
    defect
        ρ from the derivative of the classifier, which orders the candidates.
    unit
        The amount that moves an image by about half its size, or colours by their spread: t is counted in it.
    kind
        ``turn``, ``shift``, ``scale`` or ``flow``: how amounts are told.
    """

    vector: Tensor
    defect: float
    unit: float
    kind: str

    @property
    def stated(self) -> float:
        """The range that is asked for: the full circle, or the least reach."""
        return math.pi if self.kind == "turn" else DECISION.least_reach

    @property
    def amounts(self) -> tuple[float, ...]:
        """Steps outwards from zero."""
        return tuple(math.radians(a) for a in _DEGREES) if self.kind == "turn" else _AMOUNTS

    @property
    def landmarks(self) -> tuple[float, ...]:
        """Steps that are looked at even where nearer ones failed, to refute what is stated and for the curve."""
        return (math.pi / 2, math.pi) if self.kind == "turn" else (self.stated,)

    def told(self, amount: float, grid: Grid) -> str:
        """An amount in words."""
        if self.kind == "turn":
            return f"{math.degrees(amount):.0f}°"
        if self.kind == "shift":
            return f"{number_text(round(amount * self.unit * grid.half, 2))} pixels"
        if self.kind == "scale":
            return f"a factor of {number_text(round(math.exp(amount * self.unit), 3))}"
        return f"t = {number_text(round(amount * self.unit, 3))}"


@dataclass(frozen=True)
class Step:
    """The outcome at one amount: accuracy moved and control, their difference and its one-sided bounds."""

    amount: float
    moved: float
    control: float
    lower: float
    upper: float
    images: int


@dataclass(frozen=True)
class Curve:
    """A candidate followed both ways.

    Attributes
    ----------
    candidate
        Which.
    steps
        By ascending amount, negative ones first.
    held
        The largest amount up to which both ways hold, in the candidate's unit; 0 if the first step fails.
    broken
        Whether within the stated range some step is surely worse than the margin.
    grid
        Of the images, for telling amounts.
    """

    candidate: Candidate
    steps: tuple[Step, ...]
    held: float
    broken: bool
    grid: Grid

    @property
    def lost(self) -> tuple[float, float, float]:
        """The largest share of images lost within the stated range, against forth and back, and its bounds: the defect.

        It is what the verdict rests on: certified where the upper bound stays below the margin. ρ is of slopes, and a
        classifier may be steep where no label changes.
        """
        within = [s for s in self.steps if abs(s.amount) <= self.candidate.stated + 1e-9]
        defect = max((s.control - s.moved for s in within), default=0.0)
        lower, upper = max((-s.upper for s in within), default=0.0), max((-s.lower for s in within), default=0.0)
        return max(defect, 0.0), max(lower, 0.0), max(upper, 0.0)


def candidates_of(
    space: ImageFields, spectrum: GeneralisedSpectrum, m: Tensor, s: Tensor, spread: float
) -> list[Candidate]:
    """The fields with a name, and leading directions of the spectrum that are none of them; ascending in ρ.

    Parameters
    ----------
    space, spectrum
        Candidates and their generalised singular vectors.
    m, s
        Rows ``(n, ·, p)`` of numerator and denominator, image by image.
    spread
        Standard deviation of the pixels: the unit of brightness.
    """
    out = [candidate_along(m, s, *entry) for entry in _named(space, spread)]
    best = min((c.defect for c in out), default=math.inf)
    if space.plane is None or space.colour is not None:  # mixtures with colours cannot be read, nor their units told
        return sorted(out, key=lambda c: c.defect)
    for value, vector in list(zip(spectrum.values.tolist(), spectrum.vectors.T, strict=True))[:_EXTRA]:
        if value < SETTINGS.clearly_better * best:
            scaled = vector / vector.abs().max()
            out.append(candidate_along(m, s, scaled, unit_of(space, scaled), "flow"))
    return sorted(out, key=lambda c: c.defect)


def candidate_along(m: Tensor, s: Tensor, vector: Tensor, unit: float, kind: str) -> Candidate:
    """A field ``(p,)`` with its ρ over the images, from rows as in :func:`candidates_of`."""
    over, under = ((a @ vector).square().sum() for a in (m, s))
    return Candidate(vector, math.sqrt(float(over / under.clamp(min=1e-300))), unit, kind)


def _named(space: ImageFields, spread: float) -> list[tuple[Tensor, float, str]]:
    """Coefficients, unit and kind of shifts, turn, scaling, stretches, brightness and contrast."""
    out: list[tuple[Tensor, float, str]] = []
    p = space.dim
    if space.plane is not None:
        shapes = (
            ("turn", ((0, 0, -1), (0, 1, 0))),
            ("shift", ((1, 0, 0), (0, 0, 0))),
            ("shift", ((0, 0, 0), (1, 0, 0))),
            ("scale", ((0, 1, 0), (0, 0, 1))),
            ("flow", ((0, 1, 0), (0, 0, -1))),
            ("flow", ((0, 0, 1), (0, 1, 0))),
        )
        for kind, table in shapes:
            own = _in_span(space.plane, torch.tensor(table, dtype=torch.float64))
            if own is not None:
                out.append((torch.cat([own, own.new_zeros(p - len(own))]), 1.0, kind))
    if space.colour is not None:
        c = space.colour.d
        ones, unit = torch.ones(c, 1, dtype=torch.float64), torch.eye(c, dtype=torch.float64)
        brightness, contrast = torch.cat([ones, 0 * unit], 1), torch.cat([0 * ones, unit], 1)
        for affine, size in ((brightness, spread), (contrast, 1.0)):
            own = _in_span(space.colour, affine)
            if own is not None:
                vector = torch.cat([own.new_zeros(p - len(own)), own])
                out.append((vector, size, "flow"))
    return out


def _in_span(fields: PolynomialFields, table: Tensor) -> Tensor | None:
    """Coefficients ``(p,)`` of the affine field with rows c₀ + Σ c_b x_b ``(d, 1 + d)``, if the span holds it."""
    probe = torch.randn(12, fields.d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wanted = (torch.cat([torch.ones_like(probe[:, :1]), probe], 1) @ table.T).flatten()
    columns = fields.evaluate(probe).transpose(1, 2).reshape(-1, fields.dim)
    solution: Tensor = torch.linalg.lstsq(columns, wanted[:, None], driver="gelsd").solution[:, 0]
    near = float((columns @ solution - wanted).norm()) < 1e-9 * float(wanted.norm())
    return torch.where(solution.abs() < 1e-9, 0.0, solution) if near else None


def unit_of(space: ImageFields, vector: Tensor) -> float:
    """What moves images by about half their size: one over the largest speed inside the disc; one for colours."""
    plane, _ = space.split(vector)
    if space.plane is None or not bool((plane != 0).any()):
        return 1.0
    grid = Grid(28, 28)
    xi = torch.einsum("npa,p->na", space.plane.evaluate(grid.points), plane)
    return 1.0 / float(xi.norm(dim=1)[grid.disc().flatten()].max())


def followed(
    candidate: Candidate, space: ImageFields, grid: Grid, images: Tensor, recognised: Recognised, alpha: float
) -> Curve:
    """Accuracy against its control, outwards from t = 0 both ways."""
    walk = _Walk(candidate, space, grid, images, recognised, alpha)
    ways = []
    for sign in (-1, 1):
        held, broken, steps, open_way = 0.0, False, [], True
        for amount in candidate.amounts:
            landmark = any(abs(amount - a) < 1e-9 for a in candidate.landmarks)
            if not open_way and not landmark:
                continue
            step = walk.step(sign * amount, only_first=not open_way)
            steps.append(step)
            if step.lower > -MARGIN and open_way:
                held = amount
            else:
                open_way = False
            broken = broken or (amount <= candidate.stated + 1e-9 and step.upper < -MARGIN)
        ways.append((held, broken, steps))
    steps = [*reversed(ways[0][2]), *ways[1][2]]
    return Curve(candidate, tuple(steps), min(w[0] for w in ways), any(w[1] for w in ways), grid)


@dataclass
class _Walk:
    candidate: Candidate
    space: ImageFields
    grid: Grid
    images: Tensor
    recognised: Recognised
    alpha: float

    def step(self, amount: float, *, only_first: bool) -> Step:
        """Two looks, each at half the level."""
        n = len(self.images)
        # In the order of the file images may be sorted by class: every k-th is looked at first.
        order = torch.cat([torch.arange(i, n, max(1, n // _FIRST_LOOK)) for i in range(max(1, n // _FIRST_LOOK))])
        step, right = self._look(amount, order[:_FIRST_LOOK], None)
        if only_first or n <= _FIRST_LOOK or step.lower > -MARGIN or step.upper < -MARGIN:
            return step
        return self._look(amount, order[_FIRST_LOOK:], right)[0]

    def _look(self, amount: float, rows: Tensor, before: Tensor | None) -> tuple[Step, Tensor]:
        half = amount * self.candidate.unit / 2
        pairs = [torch.zeros(0, 2, dtype=torch.bool)] if before is None else [before]
        parts = torch.split(rows, _CHUNK)
        right = torch.cat([*pairs, *side_by_side([partial(self._pair, part, half) for part in parts])])
        gap = right[:, 0].double() - right[:, 1].double()
        n = len(gap)
        # One image more of either kind than was seen: no discordant pair at all is no proof of none.
        error = math.sqrt((float(gap.var(correction=0)) + 1 / n) / n)
        width = NormalDist().inv_cdf(1 - self.alpha / 2) * error
        mean = float(gap.mean())
        accuracy, control = right.double().mean(0).tolist()
        return Step(amount, accuracy, control, mean - width, mean + width, n), right

    def _pair(self, rows: Tensor, half: float) -> Tensor:
        """Whether each image ``(n, 2)`` is recognised, moved and forth and back."""
        forth = self._moved(self.images[rows], half)
        return torch.stack([self.recognised(rows, self._moved(forth, t)) for t in (half, -half)], 1)

    def _moved(self, images: Tensor, amount: float) -> Tensor:
        return self.space.moved(images, self.grid, self.candidate.vector, amount, "border")


@dataclass(frozen=True)
class RangeJudge:
    """Certified where the stated range holds, refuted where a step in it surely does not, else undecided."""

    evidence: Evidence
    curves: tuple[Curve, ...]
    names: tuple[str, ...]

    def __call__(self, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
        """The margin is of accuracy: the tolerance, which is at least as large, and refits have no part in it."""
        del tolerance, alpha, refits, seed
        generators: list[Generator] = []
        apart: list[tuple[Tensor, str]] = []
        for curve in self.curves:
            c = curve.candidate
            whole = curve.held >= c.stated - 1e-9
            if curve.broken:
                apart.append((c.vector, f"refuted over {self._stated(curve)}; {self._range(curve)}"))
                continue
            verdict = "certified" if whole and not self.evidence.doubts else "undecided"
            generators.append(Generator(c.vector, *curve.lost, verdict, curve.held, 0.0))
        generators.sort(key=lambda g: g.verdict != "certified")
        entries = tuple(sorted(curve.lost for curve in self.curves))
        notes = tuple(f"{self._name(curve)}: {self._range(curve)}" for curve in self.curves)
        validity = tuple(_validity(curve, self._name(curve)) for curve in self.curves)
        doubts = tuple(self.evidence.doubts)
        return Finding(self.evidence, entries, tuple(generators), 0.0, doubts, tuple(apart), notes, validity)

    def _name(self, curve: Curve) -> str:
        return self.evidence.space.expression(curve.candidate.vector, self.names)

    def _stated(self, curve: Curve) -> str:
        if curve.candidate.kind == "turn":
            return "the full circle"
        return f"{curve.candidate.told(curve.candidate.stated, curve.grid)} both ways"

    def _range(self, curve: Curve) -> str:
        c = curve.candidate
        if curve.held <= 0:
            return f"does not hold for {c.told(c.amounts[0], curve.grid)}"
        if c.kind == "turn" and curve.held >= math.pi - 1e-9:
            return "holds over the full circle"
        return f"holds up to {c.told(curve.held, curve.grid)} both ways"


def _validity(curve: Curve, expression: str) -> ValidityCurve:
    c, steps = curve.candidate, sorted(curve.steps, key=lambda s: s.amount)
    return ValidityCurve(
        expression=expression,
        amounts=tuple(s.amount * c.unit for s in steps),
        accuracy=tuple(s.moved for s in steps),
        control=tuple(s.control for s in steps),
        lower=tuple(s.lower for s in steps),
        upper=tuple(s.upper for s in steps),
        range=curve.held * c.unit,
        coefficients=tuple(c.vector.tolist()),
    )
