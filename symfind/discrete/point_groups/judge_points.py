"""χ² = ∫(p − p_G)²/p_G of points that the other half of them oriented: means of odd functions, and neighbours.

Odd: what is left of a function of a place when its average over the group is taken off; a density that the group keeps
gives it the mean zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.distribution.label_neighbours import NeighbourSettings, label_shares
from symfind.decision.witness.trial import Verdict
from symfind.discrete.point_groups.known import HermiteFunctions
from symfind.discrete.point_groups.orientation import Oriented, placed, spin_generators

# Functions that the group averages to zero, less than this share of the largest in size, are rounding.
_ROUNDING = 1e-8
# Turns about an axis of all turns change nothing: their share of what others change is rounding.
_UNSEEN = 1e-4
# Displacements along which F_G is differentiated, in radian and in units of x.
_STEP = 1e-5
# Images of rows, and rounds, of the alignment of points.
_ALIGNED, _ROUNDS = 24000, 3
# A step of the alignment that is longer, in radian, is none.
_FARTHEST = 0.3
# With fewer functions nothing is certified, as for generators.
_LEAST = 4
# The functions that bound η are as many as bound it at this share of δ where nothing is there, as for generators.
_ROOM = 0.85
# Share of δ below which what is left over does not matter, as for generators.
_RESOLUTION = 0.2
# The one-sided 95 % of a normal distribution.
_ONE_SIDED = 1.645


@dataclass(frozen=True)
class HalfJudged:
    """What one half says of a group that the other half oriented.

    Attributes
    ----------
    chi2, spread
        By level of coarse functions ``(L,)``: the estimate of χ² = ∫(p − p_G)²/p_G, and its standard error.
    functions
        How many functions each level holds ``(L,)``.
    told
        The largest lower bound of χ² that neighbours give, and its estimate.
    rows
        N.
    """

    chi2: Tensor
    spread: Tensor
    functions: Tensor
    told: tuple[float, float]
    rows: int


def aligned_to_points(x: Tensor, oriented: Oriented, degree: int) -> Oriented:
    """The orientation and the centre by which odd functions have the smallest means (Gauss and Newton).

    Means in units of their spreads. Of narrow blobs a density of that degree alone knows the axes to a few hundredths.
    """
    x = x[: max(300, _ALIGNED // len(oriented.group.elements))]
    n, k, d = x.shape
    functions = HermiteFunctions.of(x.flatten(0, 1), degree)
    h, centre = oriented.h, oriented.centre
    spins = spin_generators(d)
    for _ in range(_ROUNDS):
        elements = placed(oriented.group.elements, h)
        width = k * len(functions.exponents)
        total, sums, square = x.new_zeros(width), x.new_zeros(width), x.new_zeros(width, width)
        slopes: list[Tensor] = []
        start = x - centre
        steps = [torch.zeros_like(start), *(start @ a.T for a in spins), *torch.eye(d, dtype=x.dtype)]
        for a, step in enumerate(steps):
            odd = x.new_zeros(width)
            for i, g in enumerate(elements):
                at = (start - _STEP * step) @ g.T + centre
                value = torch.cat([functions(at[:, j]) for j in range(k)], 1)
                if a == 0:
                    square = square + value.T @ value
                    sums = sums + value.sum(0)
                odd = odd + value.mean(0) * ((1.0 if i == 0 else 0.0) - 1 / len(elements))
            total = odd if a == 0 else total
            slopes += [] if a == 0 else [(odd - total) / _STEP]
        count = n * len(elements)
        covariance = square / count - torch.outer(sums, sums) / count**2
        values, vectors = torch.linalg.eigh(covariance)
        keep = values > 1e-6 * values[-1]
        unit = vectors[:, keep] / values[keep].sqrt()
        j = unit.T @ torch.stack(slopes, 1)
        step = -torch.linalg.pinv(j, rtol=math.sqrt(_UNSEEN)) @ (unit.T @ total)
        turned = step[: len(spins)]
        if float(turned.norm()) > _FARTHEST:
            return oriented
        # Rows turned by −step are oriented rightly, so that the group is turned by step.
        h = torch.linalg.matrix_exp(torch.einsum("p,pab->ab", turned, spins)) @ h
        centre = centre + step[len(spins) :]
    return Oriented(oriented.group, h, centre, oriented.misfit)


def judge_points(
    x: Tensor, group: Tensor | None, oriented: Oriented, degree: int, level: float, generator: torch.Generator
) -> HalfJudged:
    """For rows ``(n, k, d)``; every level of functions and of neighbours at ``level``."""
    elements = oriented.elements
    n, k, d = x.shape
    functions = HermiteFunctions.of(x.flatten(0, 1), degree)
    degrees = functions.exponents.sum(1).repeat(k)
    count = len(elements)
    total = torch.zeros(n, len(degrees), dtype=x.dtype)
    square = torch.zeros(len(degrees), len(degrees), dtype=x.dtype)
    own = None
    for g in elements:
        at = (x - oriented.centre) @ g.T + oriented.centre
        value = torch.cat([functions(at[:, j]) for j in range(k)], 1)
        own = value if own is None else own  # the identity comes first
        total += value
        square += value.T @ value
    assert own is not None
    mean = total / count
    covariance = square / (n * count) - mean.T @ mean / n
    odd = (own - mean).mean(0)
    found = []
    for top in range(1, degree + 1):
        some = (degrees <= top) & (degrees > 0)
        values, vectors = torch.linalg.eigh(covariance[some][:, some])
        keep = values > _ROUNDING * values[-1].clamp(min=1e-300)
        unit = vectors[:, keep] / values[keep].sqrt()
        number = int(keep.sum())
        # Rows of one place are taken to be independent: those of a group are thinned before.
        estimate = float((odd[some] @ unit).square().sum()) - number / n
        found.append((estimate, math.sqrt(2 * number + 4 * n * max(estimate, 0.0)) / n, number))
    return HalfJudged(
        torch.tensor([f[0] for f in found], dtype=torch.float64),
        torch.tensor([f[1] for f in found], dtype=torch.float64),
        torch.tensor([f[2] for f in found]),
        by_neighbours(x, group, oriented, level, generator),
        n,
    )


def by_neighbours(
    x: Tensor, group: Tensor | None, oriented: Oriented, level: float, generator: torch.Generator
) -> tuple[float, float]:
    """χ² ≥ 2Δ/(1 − Δ), estimated by 4Δ/(1 − Δ), of the share Δ of the label that neighbours tell."""
    settings = NeighbourSettings()
    some = x[: settings.rows]
    others = oriented.elements[1:]
    pick = others[torch.randint(len(others), (len(some),), generator=generator)]
    moved = torch.einsum("nab,nkb->nka", pick, some - oriented.centre) + oriented.centre
    # One length for all directions, which turns leave alone.
    scale = (x - oriented.centre).square().mean().sqrt()
    shares = label_shares(
        some.flatten(1) / scale, moved.flatten(1) / scale, None if group is None else group[: settings.rows], settings
    )
    z = -float(torch.special.ndtri(torch.tensor(level, dtype=torch.float64)))
    best = (0.0, 0.0)
    for s in shares:
        low, middle = min(max(s.share - z * s.spread, 0.0), 0.999), min(max(s.share, 0.0), 0.999)
        best = max(best, (2 * low / (1 - low), 4 * middle / (1 - middle)))
    return best


def words_of_points(halves: list[HalfJudged], tolerance: float, level: float) -> Verdict:
    """η, its bounds and the word, from both halves together."""
    count = len(halves)
    chi2 = torch.stack([h.chi2 for h in halves]).mean(0)
    spread = torch.stack([h.spread for h in halves]).square().sum(0).sqrt() / count
    functions = torch.stack([h.functions for h in halves]).amin(0)
    z = -float(torch.special.ndtri(torch.tensor(level, dtype=torch.float64)))
    lower, estimate, judge = 0.0, 0.0, ""
    surest = int((chi2 - z * spread).argmax())
    if float(chi2[surest]) > z * float(spread[surest]):
        lower, estimate = float(chi2[surest] - z * spread[surest]), float(chi2[surest])
        judge = f"means of functions of degree up to {surest + 1}"
    for low, middle in (h.told for h in halves):
        if low > lower:
            lower, judge = low, "neighbours"
        estimate = max(estimate, middle if low > 0 else 0.0)
    # As many functions as the rows would bound below δ were nothing there.
    room = _ONE_SIDED * (2.0 * functions).sqrt() / (halves[0].rows * math.sqrt(count))
    able = ((room <= (_ROOM * tolerance) ** 2) & (functions >= _LEAST)).nonzero().flatten()
    # A level says how large a part of p − p_G may be that it sees.
    if len(able):
        at = int(able[-1])
        upper = math.sqrt(max(float(chi2[at] + _ONE_SIDED * spread[at]), 0.0, estimate))
    else:
        upper = 1.0
    lower, eta = math.sqrt(lower / (1 + lower)), math.sqrt(estimate / (1 + estimate))
    upper = min(max(upper, lower), 1.0)
    if lower > tolerance:
        word = "refuted"
    elif upper >= tolerance:
        word = "undecided"
    else:
        word = "approximate" if lower > 0 and eta >= _RESOLUTION * tolerance else "certified"
    return Verdict(eta, lower, upper, word, estimate, judge)
