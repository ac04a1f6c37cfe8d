"""η² = ∫(p − p_g)²/p_g / ∫p²/p_g: how far a distribution is from its average over a group (DESIGN §9).

0 where every finite element keeps the distribution, near 1 where the orbits of the rows are not theirs; for a density
1 + a cos kθ along orbits η = a/√2 while a is small. Two judges that have fitted nothing: sums of e^{ikφ} along the
orbits of random flows of the algebra, of every order and in cells of every size across (:mod:`orbit_modes`), and labels
of neighbours among rows and moved rows (:mod:`label_neighbours`). Axis letters: n rows, D coordinates, p fields, K
generators.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from symfind.decision.witness.distribution.finite_elements import AffineRows, random_tori, rows_moved
from symfind.decision.witness.distribution.label_neighbours import LabelShare, NeighbourSettings, label_shares
from symfind.decision.witness.distribution.mode_alignment import ModeAlignmentSettings, conjugated
from symfind.decision.witness.distribution.orbit_modes import ModeSettings, ModeSums, mode_sums
from symfind.decision.witness.distribution.weak_alignment import AlignmentSettings, affine_part, aligned, homogeneous


@dataclass(frozen=True)
class TwoSampleSettings:
    """How an algebra is judged.

    Attributes
    ----------
    tori
        Random flows whose orbits are looked along; twelve blobs on a sphere are seen along every one of them.
    phases
        Phases of each.
    level
        Share of α at which something is left over: so many exact algebras in a hundred would be called approximate.
    resolution
        Share of δ below which what is left over does not matter, however surely it is there.
    room
        The functions whose sum bounds η are as many as bound it at this share of δ where nothing is there.
    least
        With fewer such functions nothing is certified.
    elements
        Finite elements that move rows for the neighbours.
    unaligned
        Standard error of generators that are too many to be aligned.
    apart
        Sine of the angle between a proposed span and the nearest algebra beyond which it is none.
    seconded
        Sums with this share of the largest lower bound of χ² widen the upper one by what they see.
    hopeless
        A lower bound of η that no alignment of cells brings down: one of 0.1 was, on orbits of no thickness.
    widest
        Coordinates of a row beyond which cells are not aligned: a step takes D² evaluations.
    """

    tori: int = 10
    phases: int = 3
    level: float = 0.2
    resolution: float = 0.2
    room: float = 0.85
    least: int = 4
    elements: int = 64
    apart: float = 0.3
    seconded: float = 0.5
    hopeless: float = 0.3
    widest: int = 8
    unaligned: float = 0.05
    modes: ModeSettings = field(default_factory=ModeSettings)
    neighbours: NeighbourSettings = field(default_factory=NeighbourSettings)
    alignment: AlignmentSettings = field(default_factory=AlignmentSettings)
    fine: ModeAlignmentSettings = field(default_factory=ModeAlignmentSettings)


@dataclass(frozen=True)
class Judgement:
    """What the rows say of one algebra.

    Attributes
    ----------
    verdict
        ``certified``, ``approximate``, ``refuted`` or ``undecided``.
    eta, lower, upper
        η and its bounds; the lower one holds for all judges at once, the upper one for the ``functions`` coarsest
        functions and for whatever was found.
    told
        What was left over, or what could not have been seen, in words.
    coefficients
        Of the aligned generators ``(p, K)``.
    functions
        Number of functions along and across the orbits that the upper bound holds for.
    error
        Standard error of a generator, relative to its size.
    """

    verdict: str
    eta: float
    lower: float
    upper: float
    told: str
    coefficients: Tensor
    functions: int
    error: float = 0.0


@dataclass(frozen=True)
class _Found:
    """The largest lower bound of χ² = η²/(1 − η²) over the judges, the estimate beside it, and where."""

    lower: float
    estimate: float
    upper: float
    where: str


def judged(
    basis: AffineRows,
    c: Tensor,
    x: Tensor,
    group: Tensor | None,
    tolerance: float,
    alpha: float,
    generator: torch.Generator,
    settings: TwoSampleSettings | None = None,
) -> Judgement | None:
    """What rows ``(n, D)``, whitened on their support, say of an algebra; None if c spans none.

    Parameters
    ----------
    basis
        The candidate fields on such rows.
    c
        Coefficients ``(p, K)`` of a proposed algebra; it is aligned by the rows first.
    x, group
        Rows and, where they depend on one another, the group ``(n,)`` of each.
    tolerance, alpha
        δ and the level.
    generator
        Draws flows and elements.
    """
    s = settings or TwoSampleSettings()
    x, group = one_row_a_group(x, group)
    alignment = aligned(basis, c, x, s.alignment, generator)
    error = s.unaligned
    if alignment is not None:
        if alignment.moved > s.apart:
            return None
        if alignment.turned < s.apart:  # else there is no algebra near it that the rows would rather have
            c, error = alignment.c, alignment.error
    judgement = _judged_as_it_stands(basis, c, x, group, tolerance, alpha, generator, s)
    judgement = replace(judgement, error=error)
    if judgement.lower == 0 or judgement.functions == 0 or judgement.lower > s.hopeless or x.shape[1] > s.widest:
        return judgement
    # Something is left over: perhaps only because the algebra lies a little beside the exact one.
    fields = affine_part(c.T @ homogeneous(basis))
    tori = random_tori(fields, min(fields.count, 3), generator)
    if not tori:
        return judgement
    moved = conjugated(basis, c, tori, x, s.fine)
    again = _judged_as_it_stands(basis, moved, x, group, tolerance, alpha, generator, s)
    return replace(again, error=error) if again.lower < judgement.lower else judgement


def one_row_a_group(x: Tensor, group: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Groups of hardly more than one row (copies) are thinned to one, and the rest is independent."""
    if group is None:
        return x, None
    unique, inverse = torch.unique(group, return_inverse=True)
    if 2 * len(group) > 3 * len(unique):
        return x, inverse
    first = torch.full((len(unique),), len(group)).scatter_reduce(0, inverse, torch.arange(len(group)), "amin")
    return x[first.sort().values], None


def _judged_as_it_stands(
    basis: AffineRows,
    c: Tensor,
    x: Tensor,
    group: Tensor | None,
    tolerance: float,
    alpha: float,
    generator: torch.Generator,
    s: TwoSampleSettings,
) -> Judgement:
    n = x.shape[0]
    fields = affine_part(c.T @ homogeneous(basis))
    size = torch.sqrt((torch.einsum("kab,nb->nka", fields.a, x[:2000]) + fields.b).square().sum(2).mean(0))
    fields = AffineRows(fields.a / size[:, None, None], fields.b / size[:, None])
    tori = random_tori(fields, s.tori, generator)
    if len(tori) < s.tori:
        told = "its flow is not bounded, and no distribution is kept by such a flow"
        return Judgement("refuted", 1.0, tolerance, 1.0, told, c, 0)
    sums = [mode_sums(torus, x, group, s.modes, s.phases) for torus in tori]
    some = torch.randperm(n, generator=generator)[: s.neighbours.rows]
    moved = rows_moved(x[some], tori, s.elements, generator)
    shares = label_shares(x[some], moved, None if group is None else group[some], s.neighbours)
    level = alpha * s.level
    modes = list(_of_modes(sums, level / 2))
    found = max((*modes, *_of_labels(shares, level / 2)), key=lambda f: f.lower)
    functions, estimate, upper = _coarse(sums, n, tolerance, s)
    if found.lower > 0:
        # The surest sum need not be the one that sees the most.
        estimate = max(estimate, found.estimate)
        upper = max(upper, found.upper, *(f.upper for f in modes if f.lower > s.seconded * found.lower))
    lower, eta, upper = _eta(found.lower), _eta(estimate), _eta(upper)
    if lower > tolerance:
        verdict = "refuted"
    elif functions < s.least or upper >= tolerance:
        verdict = "undecided"
    else:
        # What is significant is at least a part of η; its size decides, not how surely it is there.
        verdict = "approximate" if found.lower > 0 and eta >= s.resolution * tolerance else "certified"
    if found.lower > 0:
        told = f"left over: {found.where}"
    elif functions < s.least:
        told = f"{n} rows are too few to bound η by {tolerance:g}: nothing is seen, but little could be"
    else:
        told = f"nothing is left over; η is bounded over {functions} functions"
    return Judgement(verdict, eta, min(lower, eta), max(upper, eta), told, c, functions)


def _eta(chi2: float) -> float:
    """η of χ² = ∫(p − p_g)²/p_g."""
    return math.sqrt(max(chi2, 0.0) / (1 + max(chi2, 0.0)))


def _of_modes(sums: list[list[ModeSums]], level: float) -> Iterator[_Found]:
    """Single orders and bands [1, 2^b) of every phase and level, at a level that holds for all."""
    every = [(m, band) for torus in sums for m in torus for band in m.bands()]
    total = sum(len(m.power) for torus in sums for m in torus) + len(every)
    best: list[tuple[float, ModeSums, int, int, float]] = []
    limits: dict[int, float] = {}

    def limit(shape: int) -> float:
        if shape not in limits:
            from scipy.special import gammainccinv  # slow to import, and only points need it

            limits[shape] = float(gammainccinv(shape, level / total))
        return limits[shape]

    for torus in sums:
        for m in torus:
            k = int(m.power.argmax()) + 1
            candidates = [(k, k + 1), *m.bands()]
            for low, high in candidates:
                shape = m.cells * (high - low)
                value = float(m.power[low - 1 : high - 1].sum())
                if value > limit(shape):
                    quick = _quick_lower(value - shape, shape, limit(shape))
                    best.append((quick * m.unit(low, high), m, low, high, value))
    best.sort(key=lambda b: -b[0])
    for _, m, low, high, value in best[:8]:
        shape = m.cells * (high - low)
        signal = value - shape
        unit = m.unit(low, high)
        order = f"order {low}" if high == low + 1 else f"orders up to {high - 1}"
        where = f"{order} along its orbits, in {m.cells} cell{'s' if m.cells > 1 else ''} across"
        lower = _noncentral_lower(value, shape, level / total)
        upper = signal + 1.64 * math.sqrt(shape + 2 * signal)
        yield _Found(lower * unit, signal * unit, upper * unit, where)


def _quick_lower(signal: float, shape: int, limit: float) -> float:
    z = (limit - shape) / math.sqrt(shape)
    return signal + z * z - z * math.sqrt(z * z + 2 * signal + shape)


def _noncentral_lower(value: float, shape: int, level: float) -> float:
    """The λ at which |z|² of ``shape`` complex normals with Σ|means|² = λ exceeds ``value`` with P = ``level``."""
    from scipy.special import chndtr  # slow to import, and only points need it

    low, high = 0.0, max(value - shape, 0.0)
    for _ in range(50):
        middle = (low + high) / 2
        if 1 - float(chndtr(2 * value, 2 * shape, 2 * middle)) > level:
            high = middle
        else:
            low = middle
    return low


def _of_labels(shares: list[LabelShare], level: float) -> Iterator[_Found]:
    """χ² ≥ 2Δ/(1 − Δ) for Δ = E r², least where r is −1 or constant; 4Δ/(1 − Δ) while r is small."""
    z = -float(torch.special.ndtri(torch.tensor(level / len(shares), dtype=torch.float64)))
    for share in shares:
        low, high = share.share - z * share.spread, share.share + 1.64 * share.spread
        where = f"neighbours ({share.neighbours}) tell rows from moved rows"
        low, mid, high = (min(max(v, 0.0), 0.999) for v in (low, share.share, high))
        yield _Found(2 * low / (1 - low), 4 * mid / (1 - mid), 4 * high / (1 - high), where)


def _coarse(sums: list[list[ModeSums]], n: int, tolerance: float, s: TwoSampleSettings) -> tuple[int, float, float]:
    """As many of the coarsest functions as n rows bound below δ: their number, χ² in them and its upper bound."""
    inflation = max(1.0, sum(float(t[-1].inflation[0]) for t in sums) / len(sums))
    room = (s.room * tolerance) ** 2 * n / 2 / inflation
    chosen = (0, 1)
    for level in range(7):
        for orders in (2, 3, 4, 6):
            if orders > 2 * (level + 1):
                continue
            shape = orders << level
            # What is expected of the largest of three phases where nothing is there, and its upper bound.
            noise = 0.85 * math.sqrt(shape)
            if noise + 1.64 * math.sqrt(shape + 2 * noise) <= room and shape > chosen[1] << chosen[0]:
                chosen = (level, orders)
    level, orders = chosen
    shape = orders << level
    largest, units = [], []
    for torus in sums:
        at = [m for m in torus if m.level == min(level, max(v.level for v in torus))]
        largest.append(max(float(m.power[:orders].sum()) - (m.cells * orders) for m in at))
        units.append(at[0].unit(1, orders + 1))
    mean, unit = sum(largest) / len(largest), sum(units) / len(units)
    return shape, mean * unit, (mean + 1.64 * math.sqrt(shape + 2 * max(mean, 0.0))) * unit
