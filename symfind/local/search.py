"""Which algebras F has on a part of the domain: proposed by slopes, bounded by a tree, judged by prediction.

Where F is symmetric, F_g that is fitted there predicts as well as noise allows; elsewhere it is off. A tree on x tells
the one from the other on one half of the rows, the other half judges what it told (DESIGN §9), and both are exchanged.

Axis letters: n rows of D coordinates, m outputs, P unknowns of a field, k directions of an algebra.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.halves import half_labels
from symfind.decision.witness.problem import Problem, WitnessSettings
from symfind.decision.witness.proposals import Shape, catalogue, general
from symfind.decision.witness.search import of_both
from symfind.decision.witness.structure import Structure, SymmetricClass
from symfind.decision.witness.trial import Rows, Trial, Verdict, joined, trial, verdict
from symfind.local.settings import SETTINGS
from symfind.local.tree import Region, region_of

# Rows that slopes are taken at: a tree of four cuts needs no more.
_SLOPES = 1500
# Rows of a region that its halves are fitted and judged by.
_FEWEST = 120
# Rounds in which the region and the fit on it follow one another; the first two move it, the third settles it.
_ROUNDS = 3
# Shares of the rows at either end of a feature that are tried as a beginning, and how many of these are followed.
_WINDOWS = (0.2, 0.5)
_BEST_WINDOWS = 2
# A fit that leaves more of the variance of rows that it has not seen has found no symmetry there.
_PREDICTS = 0.5
# Rows that a beginning is ranked by, and that the fit to a region is made of.
_WINDOW_ROWS = 300
_FITTED = 1500
# Most algebras that are judged.
_TRIALS = 6


@dataclass(frozen=True)
class LocalFound:
    """An algebra with the region on which nothing is lost.

    Attributes
    ----------
    name, vectors
        The class in words, and the algebra's fields ``(P, k)``.
    region, other
        As either half finds it.
    agreement
        Overlap over union of both, in rows.
    inside
        ``(n,)`` rows of the region.
    verdict
        On the rows of the other half inside, of the weaker exchange.
    """

    name: str
    vectors: Tensor
    region: Region
    other: Region
    agreement: float
    inside: Tensor
    verdict: Verdict


@dataclass(frozen=True)
class _Candidate:
    structure: SymmetricClass
    vectors: Tensor


def local_features(x: Tensor, names: Sequence[str]) -> tuple[Tensor, tuple[str, ...]]:
    """Coordinates and the distance from the origin, ``(n, f)``, with their names."""
    if x.shape[1] == 1:
        return x, tuple(names)
    return torch.cat([x, x.norm(dim=1, keepdim=True)], 1), (*names, "|x|")


def local_symmetries(
    problem: Problem, rows: Rows, known: Tensor, tolerance: float, seed: int, settings: WitnessSettings
) -> list[LocalFound]:
    """What holds on a part of the rows, the largest algebras first.

    Parameters
    ----------
    known
        Fields ``(P, c)`` that hold everywhere; what is in their span is left out.
    """
    label = half_labels(len(rows), rows.group, torch.Generator().manual_seed(seed + 61))
    if label is None or len(rows) < 4 * _FEWEST:
        return []
    halves = [(label == side).nonzero()[:, 0] for side in (0, 1)]
    features, _ = local_features(rows.x, [""] * rows.x.shape[1])
    proposed = [_slopes(rows.take(half)) for half in halves]
    out: list[LocalFound] = []
    tried = 0
    for candidate in _candidates(problem, rows, known, settings):
        if tried >= _TRIALS:
            break
        seeds = [
            _by_slope(problem, rows.take(half), features[half], slope, candidate)
            + _by_window(rows.take(half), features[half], candidate, seed, settings)
            for half, slope in zip(halves, proposed, strict=True)
        ]
        regions = [
            _settled(rows.take(half), features[half], candidate, start, tolerance, seed, settings)
            for half, start in zip(halves, seeds, strict=True)
        ]
        if regions[0] is None or regions[1] is None:
            continue
        both = [region.holds(features) for region in regions if region is not None]
        share = [float(inside.double().mean()) for inside in both]
        agreement = float((both[0] & both[1]).sum() / (both[0] | both[1]).sum())
        if min(share) < SETTINGS.share or max(share) > SETTINGS.whole or agreement < SETTINGS.agree:
            continue
        if any(_contained(problem, candidate, f, rows.x, both[0], settings) for f in out):
            continue
        tried += 1
        told = [
            _judged(rows.take(half[inside[half]]), candidate, tolerance, seed, settings)
            for half, inside in ((halves[1], both[0]), (halves[0], both[1]))
        ]
        if any(t is None or t.word != "certified" for t in told):
            continue
        if not _broken_elsewhere(problem, rows, halves, candidate, tolerance, seed, settings):
            continue
        worst = max((t for t in told if t is not None), key=lambda t: t.upper)
        out.append(LocalFound(
            candidate.structure.name, candidate.vectors, regions[0], regions[1], agreement, both[0], worst
        ))  # fmt: skip
    return out


def _candidates(problem: Problem, rows: Rows, known: Tensor, settings: WitnessSettings) -> list[_Candidate]:
    """The classical groups in the user's coordinates, and functions that do not depend on one coordinate."""
    out: list[_Candidate] = []
    for structure in [*catalogue(problem.shape, problem.fixed), *_independent(problem.shape, problem.fixed)]:
        if not structure.usable(rows.x):
            continue
        algebra = problem.algebra(structure, rows.x)
        vectors = torch.cat([algebra.vectors, algebra.blind], 1)
        if vectors.shape[1] == 0:
            continue
        if known.shape[1] and not problem.new_beside(vectors, known, rows.x, settings).shape[1]:
            continue
        out.append(_Candidate(structure, vectors))
    return sorted(out, key=lambda c: -c.vectors.shape[1])


def _independent(shape: Shape, fixed: Sequence[int]) -> list[Structure]:
    """Of one object: functions without one of its coordinates. Somewhere that is a finding, everywhere it is blind."""
    if shape.objects[0] > 1 or not shape.shifts or shape.moved_with or shape.width < 2:
        return []
    eye = torch.eye(shape.width, dtype=torch.float64)
    outputs = torch.eye(shape.outputs, dtype=torch.float64)
    return [
        Structure(f"translation along axis {i + 1}", (), eye[[j for j in range(shape.width) if j != i]], outputs)
        for i in range(shape.width)
        if i not in fixed
    ]


def _contained(
    problem: Problem, candidate: _Candidate, found: LocalFound, x: Tensor, inside: Tensor, settings: WitnessSettings
) -> bool:
    """Whether a larger algebra was found on about the same rows."""
    if problem.new_beside(candidate.vectors, found.vectors, x, settings).shape[1]:
        return False
    return float((inside & found.inside).sum()) > SETTINGS.agree * float(inside.sum())


def _slopes(rows: Rows) -> tuple[Tensor, Tensor]:
    """Numbers of rows ``(s,)`` and dF ``(s, m, D)`` there, by linear fits to the nearest rows."""
    index = torch.arange(min(len(rows), _SLOPES))
    width = rows.x.shape[1]
    count = min(2 * (width + 1) + 2, len(rows))
    near = torch.cdist(rows.white[index], rows.white).topk(count, largest=False).indices
    at = rows.x[near] - rows.x[index][:, None]
    scale = rows.x.std(0).clamp(min=1e-300)
    design = torch.cat([torch.ones(*at.shape[:2], 1, dtype=at.dtype), at / scale], 2)
    damped = design.transpose(1, 2) @ design + 1e-6 * torch.eye(width + 1, dtype=at.dtype)
    solved = torch.linalg.solve(damped, design.transpose(1, 2) @ rows.y[near])
    return index, (solved[:, 1:] / scale[:, None]).transpose(1, 2)


def _by_slope(
    problem: Problem, rows: Rows, features: Tensor, slopes: tuple[Tensor, Tensor], candidate: _Candidate
) -> list[Region]:
    """Regions where F changes least along the fields, for what it changes at all: all such leaves, and the best."""
    index, slope = slopes
    k, d = problem.objects
    x, m = rows.x[index], rows.y.shape[1]
    fields = torch.einsum(
        "npd,pc->ndc", problem.space.evaluate(x.reshape(-1, d)), candidate.vectors[: problem.space.dim]
    )
    fields = fields.reshape(len(x), k * d, -1)
    moved = slope @ fields  # (s, m, k)
    weights = torch.where(rows.weights > 0, rows.weights, torch.ones_like(rows.weights))
    value = (rows.y[index] / weights).reshape(-1, *problem.output_objects)
    columns = problem.action.columns(problem.space, x.reshape(-1, k, d), value)
    turned = torch.zeros_like(moved)
    if columns is not None:
        turned = (columns.reshape(len(x), m, -1) @ candidate.vectors) * weights[:, None]
    lost = (moved - turned).square().sum((1, 2))
    whole = slope.square().sum((1, 2)) * fields.square().sum((1, 2)) / x.shape[1] + turned.square().sum((1, 2))
    weight = whole.clamp(max=float(torch.quantile(whole, 0.9)))
    share = (lost / whole.clamp(min=1e-300)).clamp(max=1.0)
    mean = float((weight * share).sum() / weight.sum().clamp(min=1e-300))
    out = [region_of(features[index], share, weight, part * mean, inwards=False) for part in (0.5, 0.25, 0.1)]
    return [region for i, region in enumerate(out) if region.boxes and region not in out[:i]]


def _by_window(
    rows: Rows, features: Tensor, candidate: _Candidate, seed: int, settings: WitnessSettings
) -> list[Region]:
    """The ends of each feature's range on which a fit predicts its own unseen rows best, for how much they vary."""
    ranked: list[tuple[float, Region]] = []
    for j in range(features.shape[1]):
        for share in _WINDOWS:
            low, high = (float(torch.quantile(features[:, j], q)) for q in (share, 1 - share))
            for box in ((-math.inf, low), (high, math.inf)):
                region = Region(({j: box},))
                index = region.holds(features).nonzero()[:_WINDOW_ROWS, 0]
                if len(index) < _FEWEST // 2:
                    continue
                fit = trial(
                    candidate.structure, rows.take(index[::2]), rows.take(index[1::2]), seed, settings.rough, quick=True
                )
                if fit is not None and fit.share < _PREDICTS:
                    ranked.append((fit.share, region))
    return [region for _, region in sorted(ranked, key=lambda r: r[0])[:_BEST_WINDOWS]]


def _settled(
    rows: Rows,
    features: Tensor,
    candidate: _Candidate,
    starts: Sequence[Region],
    tolerance: float,
    seed: int,
    settings: WitnessSettings,
) -> Region | None:
    """The largest region that is the same as the rows that a fit on it predicts."""
    best, most = None, 0.0
    seen: list[Region | None] = []
    for start in starts:
        region: Region | None = start
        for _ in range(_ROUNDS):
            if region is None:
                break
            region = _refined(rows, features, candidate, region, tolerance, seed, settings)
            if region in seen:
                break
            seen.append(region)
        share = 0.0 if region is None else float(region.holds(features).double().mean())
        if share > most:
            best, most = region, share
    return best


def _refined(
    rows: Rows,
    features: Tensor,
    candidate: _Candidate,
    region: Region,
    tolerance: float,
    seed: int,
    settings: WitnessSettings,
) -> Region | None:
    inside = region.holds(features)
    if int(inside.sum()) < _FEWEST // 2:
        return None
    own = rows.take(inside.nonzero()[:_FITTED, 0])
    fit = trial(candidate.structure, own, own, seed, settings.rough, quick=True)
    if fit is None:
        return None
    error = (rows.y - fit(rows.x, rows.weights)).norm(dim=1)
    spread = float((own.y - own.y.mean(0)).square().sum(1).mean().sqrt())
    limit = max(SETTINGS.off * float(error[inside].median()), tolerance / 2 * spread)
    if limit > spread:
        return None
    off = (~(error <= limit)).double()
    found = region_of(features, off, torch.ones_like(off), SETTINGS.wrong, inwards=True)
    return found if found.boxes else None


def _judged(
    rows: Rows, candidate: _Candidate, tolerance: float, seed: int, settings: WitnessSettings
) -> Verdict | None:
    """The verdict on rows of a region, as on any rows."""
    label = half_labels(len(rows), rows.group, torch.Generator().manual_seed(seed + 67))
    if label is None or len(rows) < _FEWEST:
        return None
    p, q = (rows.take((label == side).nonzero()[:, 0]) for side in (0, 1))
    return _exchanged(p, q, candidate, tolerance, seed, settings)


def _exchanged(
    p: Rows, q: Rows, candidate: _Candidate, tolerance: float, seed: int, settings: WitnessSettings
) -> Verdict | None:
    trials: list[Trial] = []
    for i, (one, two) in enumerate(((p, q), (q, p))):
        made = trial(candidate.structure, one, two, seed + i, settings.regression, settings.judges)
        if made is None:
            return None
        trials.append(made)
    first, second = (verdict(t, t.share, tolerance, settings.judges) for t in trials)
    both = joined(*trials)
    return of_both((first, second), verdict(both, both.share, tolerance, settings.judges))


def _broken_elsewhere(
    problem: Problem,
    rows: Rows,
    halves: Sequence[Tensor],
    candidate: _Candidate,
    tolerance: float,
    seed: int,
    settings: WitnessSettings,
) -> bool:
    """Whether the algebra is surely broken over all rows, beyond what is resolved and what a general fit lacks."""
    p, q = (rows.take(half) for half in halves)
    whole = trial(candidate.structure, p, q, seed, settings.regression, settings.judges)
    plain = trial(general(problem.shape), p, q, seed, settings.rough, quick=True)
    if whole is None or plain is None:
        return False
    return verdict(whole, min(plain.share, whole.share), tolerance, settings.judges).lower > tolerance / 5
